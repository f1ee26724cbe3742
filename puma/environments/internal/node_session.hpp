// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/carried_log.hpp"
#include "puma/environments/internal/connection.hpp"
#include "puma/environments/internal/handover.hpp"
#include "puma/environments/internal/launcher.hpp"
#include "puma/environments/internal/private_directory.hpp"
#include "puma/environments/internal/silence.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace puma::internal {

/// Frames between an owner and its session at a node.
enum class session_frame : std::uint8_t {
  // From the owner.
  levels = 1, ///< Those of the log.
  ping,
  kill, ///< Ends a worker; `to` says which.
  exit, ///< Ends the session, with its workers.
  // From the session.
  ready = 64, ///< Comes first.
  pong,
  line,    ///< Of the log.
  started, ///< A worker; `to` says which; with its process id.
  ended,   ///< A worker has ended: `to` says which; with how it did.
};

/// How a process of a node is told what it is.
struct session_options {
  pid_t parent = 0;
  std::uint64_t silence_limit_ms = 0; ///< 0: none.

  [[nodiscard]] std::vector<std::string> arguments() const;

  /// Returns nothing when the command line is not that of a session. Throws
  /// `usage_error` when it is a damaged one.
  static std::optional<session_options> parse(int argc,
                                              const char* const* argv);
};

/// What one owner uses of a node: a process that starts and watches its workers
/// there, as the owner does with those of its own host, and passes on their log
/// lines. When the owner is gone, or silent for too long, all of it ends.
///
/// *Threads.* All functions may be called from any thread.
class node_session final : private connection::listener {
 public:
  /// `owner` and `agent` are descriptors that lead there.
  node_session(io_loop& loop, const session_options& options, int owner,
               int agent);

  node_session(const node_session&) = delete;
  node_session& operator=(const node_session&) = delete;

  ~node_session();

  /// Returns when it is over.
  void wait();

 private:
  class handover_client;

  void on_frame(const connection_ptr& from, const frame_header& head,
                connection::bytes body) override;
  std::shared_ptr<encoder> sink_of(const connection_ptr& from,
                                   const frame_header& head) override;
  void on_lost(const connection_ptr& who, const std::string& why) override;

  void take(const handover& x);
  void start(const handover& x);
  void on_ended(node_id who, const process_exit& how);
  void tell(session_frame what, node_id to, const encoder& body);
  void end();
  void forward_lines();
  void keep();

  const std::chrono::milliseconds limit_;
  private_directory sockets_;
  carried_log log_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  int watched_ = 2; // descriptors
  silence::clock::time_point heard_;
  std::map<node_id, pid_t> workers_;

  connection_ptr owner_;
  io_loop::handle_ptr agent_;
  std::thread keeper_;
  std::mutex launching_;               // to be locked before `mutex_`
  std::unique_ptr<launcher> launcher_; // last: its thread uses what is above
};

/// Does the work of a session; returns the exit code.
int run_session(const session_options& options);

} // namespace puma::internal
