// SPDX-License-Identifier: Apache-2.0

/// The yardstick of `puma-bench call` and `call_async`: requests and responses
/// between actors, with CAF alone. Prints a line as puma-bench does.
///
///     caf_calls call|call_async [ITEMS]

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string_view>

namespace {

constexpr std::chrono::seconds patience{60};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "caf_calls: %s\n", what);
  std::_Exit(1);
}

caf::behavior answering() {
  return {[](std::int64_t x) { return x + 1; }};
}

/// A thread waits for each answer.
std::int64_t call(caf::actor_system& system, const caf::actor& other,
                  std::int64_t count) {
  caf::scoped_actor self{system};
  std::int64_t at = 0;
  while (at != count)
    self->request(other, patience, at)
      .receive([&](std::int64_t x) { at = x; },
               [](const caf::error&) { fail("no answer"); });
  return at;
}

/// An actor goes on with each answer.
class asking : public caf::event_based_actor {
 public:
  asking(caf::actor_config& cfg, caf::actor other, std::int64_t count,
         std::promise<std::int64_t>* result)
    : caf::event_based_actor(cfg),
      other_(std::move(other)),
      count_(count),
      result_(result) {}

  caf::behavior make_behavior() override {
    ask();
    return {[](caf::unit_t) {}};
  }

 private:
  void ask() {
    request(other_, patience, at_)
      .then(
        [this](std::int64_t x) {
          at_ = x;
          if (at_ != count_)
            return ask();
          result_->set_value(at_);
          quit();
        },
        [](const caf::error&) { fail("no answer"); });
  }

  caf::actor other_;
  std::int64_t count_;
  std::promise<std::int64_t>* result_;
  std::int64_t at_ = 0;
};

} // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const std::int64_t count = argc > 2 ? std::atoll(argv[2]) : 200'000;
  if ((what != "call" && what != "call_async") || count < 1)
    fail("usage: caf_calls call|call_async [ITEMS]");
  caf::actor_system_config config;
  caf::actor_system system{config};
  const auto other = system.spawn(answering);
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t got = 0;
  if (what == "call") {
    got = call(system, other, count);
  } else {
    std::promise<std::int64_t> result;
    system.spawn<asking>(other, count, &result);
    got = result.get_future().get();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now()
                                             - begin;
  caf::anon_send_exit(other, caf::exit_reason::user_shutdown);
  if (got != count)
    fail("wrong result");
  std::printf(
    "{\"peer\":\"caf-request\",\"workload\":\"%s\",\"items\":%lld,"
    "\"seconds\":%.6f,\"rate\":%.0f}\n",
    argv[1], static_cast<long long>(count), took.count(),
    static_cast<double>(count) / took.count());
}
