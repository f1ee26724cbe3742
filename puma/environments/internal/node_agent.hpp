// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/dialer.hpp"
#include "puma/environments/internal/greeting.hpp"
#include "puma/environments/internal/launcher.hpp"
#include "puma/environments/internal/net_address.hpp"
#include "puma/environments/internal/resumable_stream.hpp"
#include "puma/environments/internal/tls.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

namespace puma::internal {

/// How a node is to serve.
struct agent_options {
  net_address where;
  tls_files files; ///< For `tls://`.
  std::string token;
  bool insecure = false; ///< Allows `tcp://`.

  /// How long who connects may take to prove that it may come in.
  std::chrono::milliseconds greeting_timeout{5'000};

  /// Connections that may be doing so at a time. When one more comes, one of
  /// them is closed. Who belongs here takes milliseconds, so it hits others,
  /// and tries again.
  std::size_t most_greetings = 64;
};

/// A node: accepts connections of owners, makes sure that they belong here, and
/// leaves everything else to a process for each owner, its `node_session`. So
/// what strangers send meets nothing but the greeting.
///
/// *Threads.* All functions may be called from any thread.
class node_agent {
 public:
  /// Listens. Throws `usage_error` for options that make no sense, and `error`
  /// when the address is not to be had.
  explicit node_agent(agent_options options);

  node_agent(const node_agent&) = delete;
  node_agent& operator=(const node_agent&) = delete;

  /// Ends all that it has started.
  ~node_agent();

  /// Where it listens, with the port that it was given.
  [[nodiscard]] net_address address() const;

  /// Serves until `stop` becomes readable.
  void serve(int stop);

 private:
  /// A connection of somebody who has not proved yet that it may come in.
  struct guest {
    owned_descriptor duplicate; // to be shut down when it takes too long
    std::thread thread;
    bool is_greeted = false;
    bool done = false;
  };

  struct session {
    owned_descriptor handovers;
  };

  void admit(owned_descriptor socket);
  void send_away_one();
  void greet(guest& who, owned_descriptor socket);
  void let_in(greeting::welcome& who, channel& by);
  void resume(greeting::welcome& who, channel& by);
  void reach(const node_request& request, const node_route& route,
             const session& from);
  owned_descriptor dial(const node_request& request, const node_route& route);
  owned_descriptor take_over(const node_request& request, channel& by);
  void start_session(const node_request& request, owned_descriptor owner);
  void note_refusal(const std::string& from, const std::string& why);
  void report_refusals(bool at_once);

  const agent_options options_;
  std::unique_ptr<tls_context> tls_;
  owned_descriptor listening_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<guest> guests_;
  std::size_t being_greeted_ = 0;
  std::size_t live_guests_ = 0; // with those who have been let in just now
  std::mt19937 random_{std::random_device{}()};
  std::map<session_token, std::shared_ptr<session>> sessions_;
  std::map<stream_token, std::weak_ptr<resumable_stream>> streams_;

  std::atomic<std::size_t> reaching_{0}; // other nodes

  std::mutex refusals_mutex_;
  std::uint64_t refusals_ = 0; // since the last report
  std::string last_refusal_;
  std::chrono::steady_clock::time_point next_report_{};

  dialer dialer_;                      // also for what has connected
  std::unique_ptr<launcher> launcher_; // last: its thread uses what is above
};

/// Serves as a node until SIGINT or SIGTERM; returns the exit code. Prints the
/// address to the standard output when it is ready.
int run_agent(agent_options options);

} // namespace puma::internal
