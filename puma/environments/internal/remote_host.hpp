// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/carried_log.hpp"
#include "puma/environments/internal/connection.hpp"
#include "puma/environments/internal/dialer.hpp"
#include "puma/environments/internal/greeting.hpp"
#include "puma/environments/internal/launcher.hpp"
#include "puma/environments/internal/net_address.hpp"
#include "puma/environments/internal/silence.hpp"
#include "puma/environments/internal/tls.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <sys/types.h>

namespace puma::internal {

/// How an owner uses a node.
struct host_options {
  net_address where;
  std::string name;
  tls_files files;
  std::string host_name; ///< Whom the certificate is for; empty: see `where`.
  std::string token;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds reconnect_timeout{30'000};
  std::chrono::milliseconds ping_interval{500};
  std::chrono::milliseconds answer_timeout{3'000};
  bool resume = true; ///< Connections that break.
};

/// A node, as the owner sees it: makes connections to it, on a thread of its
/// own, and watches whether it is there.
///
/// *Threads.* All functions may be called from any thread.
class remote_host final : private connection::listener {
 public:
  /// What is told of a node, on whatever thread; must not wait.
  class observer {
   public:
    virtual void on_remote_started(node_id worker, pid_t process) = 0;
    virtual void on_remote_ended(node_id worker, const process_exit& how) = 0;

    /// The connection is lost, and with it all workers there.
    virtual void on_host_lost(node_id host, const std::string& why) = 0;

   protected:
    ~observer() = default;
  };

  /// Gets a connection, or the reason why there is none.
  using dialed = std::function<void(owned_descriptor, std::exception_ptr)>;

  /// Throws `usage_error` for certificates that are of no use. Does not connect
  /// yet. `loop` and `to` must outlive it.
  remote_host(io_loop& loop, node_id number, host_options options,
              observer& to);

  remote_host(const remote_host&) = delete;
  remote_host& operator=(const remote_host&) = delete;

  ~remote_host();

  [[nodiscard]] node_id number() const noexcept { return number_; }

  [[nodiscard]] const std::string& name() const noexcept {
    return options_.name;
  }

  [[nodiscard]] bool is_connected() const;

  /// Whether a runnable had better start here than elsewhere: it is connected,
  /// or nobody has tried yet.
  [[nodiscard]] bool is_promising() const;

  /// Connects if it is not; waits at most `connect_timeout`, whatever else the
  /// thread is doing. Throws an error of `puma/environments/node_error.hpp`.
  void connect();

  /// Makes a connection, and calls `then`, from the thread that does so. For a
  /// worker it tries again until `reconnect_timeout` where that makes sense.
  void dial(const node_request& what, dialed then);

  /// How another node gets to a worker there. Nothing when this node is not
  /// connected, or had better not reach `from`.
  [[nodiscard]] std::optional<node_route>
  route_to(node_id worker, const remote_host& from) const;

  /// Lets the node make a connection for a worker of it by itself. `then` is
  /// called when it has been asked, without a connection; what comes of it is
  /// told to the worker.
  void reach(const node_request& for_whom, const node_route& route,
             dialed then);

  /// Ends a worker there.
  void kill(node_id worker);

  /// Passes bytes on between two connections.
  void bridge(owned_descriptor a, owned_descriptor b);

  /// To be called now and then: asks for a sign of life, and gives up a node
  /// that gives none.
  void tick(const silence& judge);

  /// Tells the session to end.
  void close();

  /// Ends everything, and waits for what the session still has to say.
  void shut_down();

 private:
  struct job {
    node_request what{};
    dialed then{};
    node_route route{};                            // where the node is to go
    std::chrono::steady_clock::time_point until{}; // of `connect`
    const void* whose = nullptr;                   // as well
  };

  void run();
  void fulfill(job& x);
  /// Takes back a `connect` that has not begun: returns false if it has, and
  /// ends in time. Throws why there is no connection.
  bool withdraw(const void* whose);
  std::exception_ptr
  try_to_connect(std::chrono::steady_clock::time_point deadline);
  void try_until(std::chrono::steady_clock::time_point deadline);
  owned_descriptor open(const node_request& what, const wait_limit& limit);
  void ask_to_reach(const job& x);
  [[nodiscard]] stream_grace grace() const;
  void add(job x);
  void lose(const std::string& why);
  void send(std::uint8_t what, node_id to, const encoder& body);

  void on_frame(const connection_ptr& from, const frame_header& head,
                connection::bytes body) override;
  std::shared_ptr<encoder> sink_of(const connection_ptr& from,
                                   const frame_header& head) override;
  void on_lost(const connection_ptr& who, const std::string& why) override;

  io_loop& loop_;
  const node_id number_;
  const host_options options_;
  observer& observer_;
  const std::unique_ptr<tls_context> tls_;
  const node_target target_;
  arriving_log log_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<job> jobs_;
  bool ending_ = false;
  std::size_t watched_ = 0; // connections that the loop knows
  session_token token_{};   // of the session
  connection_ptr session_;
  bool has_failed_ = false;       // the last try, or the connection
  std::exception_ptr last_error_; // of a try, if the last one failed
  bool ready_ = false;            // the session has said something
  std::string why_lost_;
  silence::clock::time_point heard_;
  std::uint32_t told_levels_ = 0; // the generation of them

  dialer dialer_;      // its threads use what is above
  std::thread thread_; // last
};

} // namespace puma::internal
