// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/log_printer.hpp"

#include "puma/logging/log.hpp"

#include <caf/atom.hpp>
#include <caf/send.hpp>

#include <string_view>
#include <utility>

namespace puma::internal {

namespace {

constexpr const char* logger = "caf";

/// What CAF's own lines begin with; they tell of mistakes.
constexpr std::string_view complaint = "*** ";

constexpr std::size_t longest_line = 16 * 1024;

void log_line(std::string_view line) {
  if (!line.empty())
    log(line.starts_with(complaint) ? log_level::warning : log_level::info,
        logger, line, {});
}

} // namespace

log_printer::log_printer(caf::actor_config& config, caf::actor original)
  : caf::event_based_actor(config),
    original_(std::move(original)) {}

caf::behavior log_printer::make_behavior() {
  return {
    [this](caf::add_atom, caf::actor_id who, const std::string& text) {
      if (who != caf::invalid_actor_id)
        print(who, text);
    },
    [this](caf::flush_atom, caf::actor_id who) {
      const auto i = outputs_.find(who);
      if (i != outputs_.end())
        flush(i->second);
      caf::anon_send(original_, caf::flush_atom_v, who);
    },
    [this](caf::delete_atom, caf::actor_id who) {
      const auto i = outputs_.find(who);
      if (i != outputs_.end()) {
        flush(i->second);
        outputs_.erase(i);
      }
      caf::anon_send(original_, caf::delete_atom_v, who);
    },
    [this](caf::redirect_atom, const std::string& to, int flags) {
      all_redirected_ = !to.empty();
      caf::anon_send(original_, caf::redirect_atom_v, to, flags);
    },
    [this](caf::redirect_atom, caf::actor_id who, const std::string& to,
           int flags) {
      outputs_[who].is_redirected = !to.empty();
      caf::anon_send(original_, caf::redirect_atom_v, who, to, flags);
    },
  };
}

void log_printer::on_exit() {
  for (auto& [who, x] : outputs_)
    flush(x);
  outputs_.clear();
  caf::anon_send_exit(original_, caf::exit_reason::user_shutdown);
  original_ = nullptr;
}

void log_printer::print(caf::actor_id who, const std::string& text) {
  auto& x = outputs_[who];
  if (all_redirected_ || x.is_redirected) {
    caf::anon_send(original_, caf::add_atom_v, who, text);
    return;
  }
  x.partial += text;
  std::string_view rest = x.partial;
  for (auto end = rest.find('\n'); end != std::string_view::npos;
       end = rest.find('\n')) {
    log_line(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  x.partial = std::string{rest};
  if (x.partial.size() >= longest_line)
    flush(x);
}

void log_printer::flush(output& x) {
  log_line(std::exchange(x.partial, {}));
}

} // namespace puma::internal
