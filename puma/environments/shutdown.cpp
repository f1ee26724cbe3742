// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/shutdown.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace puma {

bool shutdown_report::buffer_sum::adds_up() const noexcept {
  return accepted + redelivered
         == handled + skipped + dead_lettered + failed + dropped + lost
              + left_over;
}

bool shutdown_report::clean() const noexcept {
  return reached <= step::stop
         && std::all_of(runnables.begin(), runnables.end(),
                        [](const auto& x) { return x.how <= ending::stopped; })
         && std::all_of(buffers.begin(), buffers.end(), [](const auto& x) {
              return x.failed + x.lost + x.left_over == 0;
            });
}

std::vector<shutdown_report::runnable_end>
shutdown_report::all_that(ending how) const {
  std::vector<runnable_end> result;
  std::copy_if(runnables.begin(), runnables.end(), std::back_inserter(result),
               [how](const auto& x) { return x.how == how; });
  return result;
}

std::string shutdown_report::to_string() const {
  std::string result = std::string{"shutdown: went as far as "}
                       + puma::to_string(reached) + "\n";
  for (auto& x : runnables) {
    result += "runnable '" + x.name + "': " + puma::to_string(x.how);
    if (!x.activity.empty())
      result += ", in " + x.activity;
    if (!x.error.empty())
      result += ", with " + x.error;
    result += "\n";
  }
  for (auto& x : buffers) {
    result += "buffer '" + x.name + "': accepted " + std::to_string(x.accepted);
    const std::array figures = {
      std::pair{"redelivered", x.redelivered},
      std::pair{"handled", x.handled},
      std::pair{"skipped", x.skipped},
      std::pair{"dead letters", x.dead_lettered},
      std::pair{"failed", x.failed},
      std::pair{"dropped", x.dropped},
      std::pair{"lost", x.lost},
      std::pair{"left over", x.left_over},
    };
    for (auto& [what, n] : figures)
      if (n != 0)
        result += std::string{", "} + what + " " + std::to_string(n);
    result += x.estimated ? " (estimated)\n" : "\n";
  }
  return result;
}

const char* to_string(shutdown_report::step x) noexcept {
  constexpr std::array names = {"drain", "stop", "abort", "kill"};
  return names.at(static_cast<std::size_t>(x));
}

const char* to_string(shutdown_report::ending x) noexcept {
  constexpr std::array names = {"completed", "stopped", "failed", "killed",
                                "hung"};
  return names.at(static_cast<std::size_t>(x));
}

shutdown_report::buffer_sum sum_up(std::string name, const buffer_stats& stats,
                                   bool estimated) {
  shutdown_report::buffer_sum result;
  result.name = std::move(name);
  result.accepted = stats.accepted;
  result.redelivered = stats.redelivered;
  result.skipped = stats.skipped;
  result.dead_lettered = stats.dead_lettered;
  result.failed = stats.failed;
  result.dropped = stats.dropped_oldest;
  result.lost = stats.lost;
  result.estimated = estimated;
  // Not `waiting`: publishers that hang have reserved places there.
  result.left_over = result.accepted + result.redelivered
                     - std::min(result.accepted + result.redelivered,
                                stats.taken + stats.dropped_oldest);
  // Where the other end was in another process, what it took is what is not
  // accounted for otherwise.
  const auto in = result.accepted + result.redelivered;
  const auto others = result.skipped + result.dead_lettered + result.failed;
  const auto elsewhere = others + result.dropped + result.lost
                         + result.left_over;
  result.handled = estimated ? in - std::min(in, elsewhere)
                             : stats.taken - std::min(stats.taken, others);
  return result;
}

} // namespace puma
