// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/runtime_core.hpp"

#include "puma/actors/internal/host.hpp"
#include "puma/actors/internal/overseer.hpp"
#include "puma/actors/internal/parking_policy.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/sleepers.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/log_printer.hpp"
#include "puma/environments/internal/middleman_loop.hpp"
#include "puma/logging/internal/log_hub.hpp"
#include "puma/logging/internal/spdlog_bridge.hpp"
#include "puma/logging/log.hpp"

#include <caf/io/middleman.hpp>
#include <caf/logger.hpp>

// CAF's worker finds out with a dynamic_cast, before each job, which actor its
// logger should name. Debian's CAF logs nothing, and the cast is a quarter of
// the cost of a short slice.
#undef CAF_PUSH_AID_FROM_PTR
#define CAF_PUSH_AID_FROM_PTR(unused) static_cast<void>(0)
#include <caf/scheduler/coordinator.hpp>

#include <algorithm>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace puma::internal {

namespace {

/// CAF's coordinator, with a printer that logs.
class logging_coordinator final
  : public caf::scheduler::coordinator<parking_policy> {
 public:
  using base = caf::scheduler::coordinator<parking_policy>;
  using base::base;

  static caf::actor_system::module* make(caf::actor_system& system,
                                         caf::detail::type_list<>) {
    return new logging_coordinator(system);
  }

  void start() override {
    base::start();
    auto& printer = utility_actors_[printer_id];
    printer = system().spawn<log_printer, caf::hidden + caf::detached>(printer);
  }

  void stop() override {
    base::stop();
    utility_actors_[printer_id] = nullptr; // its thread waits for this
  }
};

/// What workers get to pass on what they have, when nothing runs any more.
constexpr std::chrono::seconds worker_end_time{10};

/// What threads of actors get to end, when their runnables have.
constexpr std::chrono::seconds most_thread_wait{5};

std::unique_ptr<caf::actor_system_config>
configure(const runtime_options& options, runtime_core::scheduling how) {
  if (options.threads > sleepers::most_workers)
    throw usage_error{"runtime: " + std::to_string(options.threads)
                      + " scheduler threads are more than the "
                      + std::to_string(sleepers::most_workers)
                      + " that are supported"};
  auto result = std::make_unique<caf::actor_system_config>();
  if (how == runtime_core::scheduling::manual) {
    result->set("scheduler.policy", caf::atom("testing"));
  } else {
    // CAF would start at least four workers, whatever the machine has.
    const auto cores = std::max(std::thread::hardware_concurrency(), 1u);
    result->set(
      "scheduler.max-threads",
      std::min<std::size_t>(options.threads != 0 ? options.threads : cores,
                            sleepers::most_workers));
    // Of actors beside puma's, which have slices of their own.
    result->set("scheduler.max-throughput", 16);
    result->load<logging_coordinator>();
    // Its multiplexer carries what goes to other processes. Nothing of puma
    // uses BASP.
    result->set("middleman.workers", 0);
    result->set("middleman.app-identifier", "puma");
    result->load<caf::io::middleman>();
  }
  return result;
}

} // namespace

/// Starts actors of this process.
class runtime_core::local_starter final : public run_starter {
 public:
  explicit local_starter(runtime_core& core) : core_(core) {}

  void check(const run_record&) const override {}

  hosted* start(const registry::record_ptr& x) override {
    return core_.launch(x);
  }

 private:
  runtime_core& core_;
};

runtime_core::runtime_core(const runtime_options& options, scheduling how)
  : scheduling_(how),
    config_(configure(options, how)),
    system_(std::make_unique<caf::actor_system>(*config_)),
    registry_(std::make_shared<registry>()),
    local_(std::make_shared<local_starter>(*this)),
    placement_(std::make_unique<placement>(*this, placement_config{})) {
  // Only this class knows when its actors are gone, and with a deadline.
  system_->await_actors_before_shutdown(false);
  registry_->teardown_timeout = options.teardown_timeout;
  own_threads_ = system_->detached_actors();
  log_hub::instance().own_again();
  bridge_spdlog();
}

runtime_core::~runtime_core() {
  bool down = shut_down();
  registry_->alarms().stop(); // it wakes actors, which are about to go
  processes_.reset();
  if (link_loop_)
    link_loop_->stop();
  // CAF's destructor waits for them for ever.
  if (down && !wait_for_threads()) {
    log(log_level::error, "puma.runtime",
        "an actor with a thread of its own has not ended, or somebody still "
        "holds a handle of one");
    down = false;
  }
  if (!down) {
    static_cast<void>(system_.release());
    static_cast<void>(config_.release());
  }
}

bool runtime_core::wait_for_threads() const {
  constexpr std::chrono::milliseconds pause{1};
  const auto deadline = std::chrono::steady_clock::now()
                        + std::min(registry_->teardown_timeout,
                                   std::chrono::nanoseconds{most_thread_wait});
  while (system_->detached_actors() > own_threads_) {
    if (std::chrono::steady_clock::now() >= deadline)
      return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

namespace {

/// Runs `spawn`, which starts a thread. CAF counts it before it exists, and
/// would wait for it for ever.
template <class F>
host* spawn_with_thread(caf::actor_system& system, F spawn) {
  try {
    return spawn();
  } catch (const std::system_error& error) {
    system.dec_detached_threads();
    throw puma::error{std::string{"runtime: could not start a thread for a "
                                  "dedicated runnable: "}
                      + error.what()};
  }
}

} // namespace

task* runtime_core::launch(const registry::record_ptr& record) {
  const auto spawn = [&](auto option, host::mode how) {
    const auto handle = system_->spawn<host, option.value>(record, how,
                                                           record->own_thread);
    auto* ptr = static_cast<host*>(
      caf::actor_cast<caf::abstract_actor*>(handle));
    ptr->retain(); // for the registry, while the handle keeps it alive
    return ptr;
  };
  using pooled = std::integral_constant<caf::spawn_options, caf::hidden>;
  using detached = std::integral_constant<caf::spawn_options,
                                          caf::hidden + caf::detached>;
  host* result = nullptr;
  if (scheduling_ == scheduling::manual)
    result = spawn(pooled{}, host::mode::cooperative);
  else if (record->own_thread)
    result = spawn_with_thread(
      *system_, [&] { return spawn(detached{}, host::mode::detached); });
  else
    result = spawn(pooled{}, host::mode::pooled);
  return result;
}

supervision& runtime_core::supervisors() {
  const std::lock_guard guard{overseer_mutex_};
  if (!overseer_ && !is_down_) {
    const auto handle = system_->spawn<overseer, caf::hidden>(registry_);
    overseer_ = static_cast<overseer*>(
      caf::actor_cast<caf::abstract_actor*>(handle));
    intrusive_ptr_add_ref(overseer_->ctrl());
    registry_->supervisors().set_actor(overseer_);
  }
  return registry_->supervisors();
}

void runtime_core::dismiss_overseer() noexcept {
  const std::lock_guard guard{overseer_mutex_};
  if (!overseer_)
    return;
  overseer_->retire();
  intrusive_ptr_release(std::exchange(overseer_, nullptr)->ctrl());
}

void runtime_core::set_placement(placement_config config) {
  config.check();
  placement_ = std::make_unique<placement>(*this, std::move(config));
}

std::shared_ptr<run_starter> runtime_core::place(const std::string& name) {
  return placement_->starter(name);
}

std::shared_ptr<run_starter>
runtime_core::place(const detail::recipe& x,
                    const std::shared_ptr<run_starter>& otherwise) {
  auto result = placement_->starter_for(x);
  return result ? result : otherwise;
}

home_node& runtime_core::processes() {
  auto& on = loop();
  auto& links_on = link_loop();
  const std::lock_guard guard{processes_mutex_};
  if (!processes_)
    processes_ = std::make_unique<home_node>(on, links_on, *registry_);
  return *processes_;
}

io_loop& runtime_core::loop() {
  const std::lock_guard guard{processes_mutex_};
  if (!loop_) {
    if (scheduling_ == scheduling::manual)
      throw usage_error{
        "runtime: under the virtual clock there are no other "
        "processes"};
    loop_ = make_middleman_loop(*system_);
  }
  return *loop_;
}

io_loop& runtime_core::link_loop() {
  auto& base = loop();
  const std::lock_guard guard{processes_mutex_};
  if (!link_loop_) {
    link_loop_ = polled_loop::make(base);
    static_cast<caf::scheduler::coordinator<parking_policy>&>(
      system_->scheduler())
      .data()
      .set_poller(link_loop_);
  }
  return *link_loop_;
}

bool runtime_core::shut_down() noexcept {
  if (std::exchange(is_down_, true))
    return registry_->live().empty();
  try {
    registry_->close();
    registry_->close_buffers();
    registry_->signal_for_good(wake::stop);
    const bool all_ended = registry_->wait_for_shutdown();
    dismiss_overseer();
    if (all_ended) {
      if (processes_)
        processes_->shut_down(worker_end_time);
      return true;
    }
    for (auto& x : registry_->live())
      log(log_level::error, "puma.runtime",
          "runnable '" + x.name
            + "': still alive after it was told to stop; it is in "
            + x.activity);
  } catch (const std::exception& error) {
    log(log_level::error, "puma.runtime",
        std::string{"could not be shut down: "} + error.what());
  }
  return false;
}

void runtime_core::ask_for_activities() {
  const std::lock_guard guard{processes_mutex_};
  if (processes_)
    processes_->ask_for_activities();
}

bool runtime_core::kill_busy_processes() {
  const std::lock_guard guard{processes_mutex_};
  return processes_
         && processes_->kill_busy(
           "had not stopped when the runtime was shut down");
}

run_report runtime_core::report() const {
  run_report result;
  for (auto& x : registry_->live())
    result.still_alive.push_back({x.name, x.activity});
  for (auto& x : registry_->buffers())
    result.buffers.push_back({x->name(), x->stats()});
  return result;
}

} // namespace puma::internal
