// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/registry.hpp"
#include "puma/environments/internal/directory.hpp"
#include "puma/environments/internal/launcher.hpp"
#include "puma/environments/internal/node.hpp"
#include "puma/environments/internal/private_directory.hpp"
#include "puma/environments/internal/remote_host.hpp"
#include "puma/environments/internal/serial_queue.hpp"
#include "puma/environments/internal/silence.hpp"
#include "puma/environments/process_environment.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace puma::internal {

/// The process that owns a runtime: starts and watches workers, and is the home
/// of all buffers that they share.
///
/// *Threads.* All functions may be called from any thread. What workers say,
/// how they end, and the passing of time are handled one after the other, in
/// the order in which they come.
class home_node final : public node,
                        private directory::messenger,
                        private remote_host::observer {
 public:
  /// `runs` must outlive this.
  home_node(io_loop& loop, io_loop& link_loop, registry& runs);

  ~home_node() override;

  /// Workers that share their options: those of one `process_environment`.
  class group;

  /// Returns what starts runnables in workers, at `host` or else in this host.
  [[nodiscard]] std::shared_ptr<run_starter>
  make_group(const process_options& options,
             std::shared_ptr<remote_host> host = nullptr);

  /// Makes a node known; does not connect yet. Throws `usage_error`.
  [[nodiscard]] std::shared_ptr<remote_host> add_host(host_options options);

  /// Lets all workers end, and ends those that have not after `timeout`. To be
  /// called before destruction, when nothing runs any more.
  void shut_down(std::chrono::milliseconds timeout);

  /// Lets all workers say what their runnables are doing.
  void ask_for_activities();

  /// Ends all workers that still run something; returns whether there are any.
  bool kill_busy(const std::string& why);

  /// Ends the process that a runnable has for itself.
  void end_process_of(const std::shared_ptr<run_record>& run,
                      const std::string& why);

  /// The process ids of the live workers, for tests and reports.
  [[nodiscard]] std::vector<pid_t> workers() const;

  // -- implementation of port_context -----------------------------------------

  void export_buffer(encoder& to, const detail::buffer_core_ptr& x) override;
  detail::buffer_core_ptr import_buffer(decoder& from,
                                        const detail::value_ops& ops) override;
  void tell_home(buffer_id id, note what, std::uint64_t epoch) override;
  void when_passed_on_from(port& x, std::function<void()> done) override;

 protected:
  void on_control(const connection_ptr& from, const frame_header& head,
                  connection::bytes body) override;
  void on_control_lost(const connection_ptr& who,
                       const std::string& why) override;
  void on_fault(node_id who, const std::string& why) override;
  bool may_leave(const port& x) override;
  void dial(node_id peer, const connection_ptr& pending) override;
  void on_cut(node_id who) override;
  void forward(node_id to, connection::bytes piece) override;
  void carry(node_id to, std::shared_ptr<const encoder> piece,
             bool is_call) override;

 private:
  class remote_run;
  struct worker;

  home_node(io_loop& loop, io_loop& link_loop, registry& runs,
            std::unique_ptr<private_directory> sockets);

  using remote_run_ptr = std::shared_ptr<remote_run>;
  using run_id = std::uint64_t;

  void post(std::function<void()> what);
  /// As `post`, for something that is to be sent to a process. Until it has
  /// been, nothing for the same process overtakes it: neither calls nor
  /// signals.
  void post_for(node_id to, std::function<void()> what);
  [[nodiscard]] bool has_posted(node_id to) const;
  run_id next_run() noexcept { return ++last_run_; }
  /// Whether a worker can be given more to run.
  [[nodiscard]] bool accepts(node_id id) const;
  void accept_no_more(node_id id);
  /// Starts a worker; throws `error`.
  node_id spawn(const process_options& options);
  /// Starts one at a node. Does not wait for it.
  node_id spawn_at(const std::shared_ptr<remote_host>& host,
                   const process_options& options);
  void keep_time(std::chrono::milliseconds interval);

  // Everything below runs in the serial queue.
  void add_worker(const std::shared_ptr<worker>& x);
  void start_run(node_id where, const remote_run_ptr& run, const encoder& body);
  void tick(std::chrono::milliseconds period);
  void on_started(worker& from, run_id id, std::string name, run_kind kind);
  void on_shape(worker& from, run_id id, const std::vector<buffer_id>& inputs,
                const std::vector<buffer_id>& outputs);
  /// Reads which buffer the value came from that failed in hand, if any.
  void count_failed(decoder& from);
  void on_suspended(worker& from, run_id id, suspension left,
                    const std::vector<buffer_id>& published);
  /// Ends what was to run, or leaves it to its supervisor.
  void lose(remote_run& run, const failure& error, bool untaken);
  [[nodiscard]] std::vector<std::shared_ptr<queue>>
  queues_of(const std::vector<buffer_id>& ids) const;
  [[nodiscard]] std::set<buffer_id>
  spared_by(const std::map<run_id, remote_run_ptr>& runs) const;
  void on_ended(worker& from, run_id id, const std::optional<failure>& error,
                bool untaken);
  void on_status(worker& from, run_id id, std::uint32_t which,
                 detail::status_ptr status);
  void on_exit(node_id who, const process_exit& how);
  void end_worker(worker& x, const std::string& why);
  /// Takes a worker for ended that cannot say so.
  void give_up(worker& x);
  /// Ends what was told to stop before its node was reached.
  void call_off(worker& x);
  void on_dialed(worker& x, owned_descriptor socket,
                 const std::exception_ptr& failed);
  /// A worker asks for a connection to another process.
  void on_dial(const worker& from, node_id to, std::uint64_t slot,
               bool by_owner);
  /// Tells who asked, by `answer`, that there is no connection to be had.
  void refuse(const node_request& answer);
  /// Gives a process of this host a connection that was made for `answer`.
  void deliver_here(const node_request& what, const node_request& answer,
                    owned_descriptor socket);
  /// One node cannot reach another.
  void note_apart(const remote_host& near, const remote_host& far);
  [[nodiscard]] bool are_apart(const remote_host& near,
                               const remote_host& far) const;
  /// Connects two processes of different nodes by way of this one.
  void bridge(const std::shared_ptr<remote_host>& near,
              const node_request& answer,
              const std::shared_ptr<remote_host>& far,
              const node_request& link);
  /// Watches workers at nodes, of whose ends others tell.
  void check_remote(worker& x);
  [[nodiscard]] std::shared_ptr<remote_host> find_host(node_id number) const;
  void finish_worker(worker& x);
  void dismiss(worker& x);
  worker* find_worker(node_id id);

  void tell(node_id who, node_frame what, std::uint64_t to,
            const encoder& body);
  void sweep_unused();
  void wait_for_posted(std::function<void()> what);

  // -- implementation of remote_host::observer --------------------------------

  void on_remote_started(node_id worker, pid_t process) override;
  void on_remote_ended(node_id worker, const process_exit& how) override;
  void on_host_lost(node_id host, const std::string& why) override;

  // -- implementation of directory::messenger ---------------------------------

  void hold(node_id who, buffer_id id, std::uint64_t epoch) override;
  void ship(node_id who, buffer_id id, std::uint64_t epoch, node_id to,
            const std::vector<node_id>& marks) override;
  void resume(node_id who, buffer_id id, std::uint64_t epoch, node_id seat,
              const std::vector<node_id>& publishing) override;
  void refuse(node_id who, buffer_id id, const failure& error) override;
  void break_off(node_id who, buffer_id id, const failure& error) override;

  registry& runs_;
  std::unique_ptr<private_directory> sockets_;
  serial_queue serial_;
  std::map<node_id, std::shared_ptr<worker>> workers_;
  internal::directory directory_{*this};
  /// Nodes of which the first could not reach the second, and when.
  std::map<std::pair<node_id, node_id>, silence::clock::time_point> apart_;
  silence judge_;

  std::atomic<node_id> last_node_{0};
  std::atomic<run_id> last_run_{0};
  std::mutex export_mutex_;
  buffer_id last_buffer_ = 0; // guarded by export_mutex_

  mutable std::mutex hosts_mutex_;
  std::map<node_id, std::shared_ptr<remote_host>> hosts_;

  mutable std::mutex live_mutex_;
  std::condition_variable live_changed_;
  std::set<node_id> accepting_;
  std::map<node_id, pid_t> live_;              // copies of what is in workers_
  std::map<node_id, connection_ptr> controls_; // as well
  std::map<node_id, std::size_t> posted_;      // of `post_for`, not sent yet

  std::mutex keeper_mutex_;
  std::condition_variable keeper_wake_;
  bool keeper_stopping_ = false;
  std::chrono::milliseconds interval_{1'000};
  std::thread keeper_;

  // Last: its thread uses what is above.
  std::unique_ptr<launcher> launcher_;
};

} // namespace puma::internal
