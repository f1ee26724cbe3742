// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"
#include "puma/buffers/internal/port.hpp"
#include "puma/environments/internal/call_desk.hpp"
#include "puma/environments/internal/connection.hpp"
#include "puma/environments/internal/handover.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace puma::internal {

/// Frames beside those of links: between the owner and a worker, and to set up
/// what links go over. Their numbers follow those of `link_frame`.
enum class node_frame : std::uint8_t {
  // Between any two processes.
  hello = 64, ///< Says who connects; with the runtime's token.
  sync,       ///< Asks for `synced`, which says that all before has come in.
  synced,
  parcel, ///< A piece of a message of `call_desk`; `to` is a process.
  bye,    ///< The connection is about to be closed, and all is well.
  // From the owner to a worker.
  welcome = 96, ///< Who the worker is, and how it is to work.
  start,        ///< Starts a runnable.
  signal,       ///< Wakes a runnable: to stop or to drain.
  started_seen, ///< The tokens of a runnable are no longer needed.
  hold,         ///< As `port::hold`, and so on.
  ship,
  resume,
  refuse,
  break_off,
  node_gone,   ///< Another worker is gone; with the streams that are spared.
  status_seen, ///< A status has been stored; the next one may come.
  ping,
  exit,
  undialed, ///< What `dial` asked for cannot be had; `to` is its number.
  // From a worker to the owner.
  ready = 128,
  started,   ///< A runnable has been constructed.
  shape,     ///< Which buffers a supervised runnable uses.
  suspended, ///< It has ended, to be restarted; all has been passed on.
  ended,     ///< A runnable is gone, and everything of it has been passed on.
  status,    ///< A runnable has published a status.
  note,      ///< As `port_context::tell_home`.
  join,      ///< A buffer's handle has arrived here.
  leave,     ///< It is no longer used here.
  fault,     ///< Another process broke the rules; `to` says which.
  exported,  ///< A buffer's handle is on its way to another process.
  pong,
  dial, ///< Asks for a connection to a process of another host; `to` says
        ///< which.
  cut,  ///< A connection to a process of another host is lost; `to` says which.
};

/// Tells processes of one runtime from all others.
using node_token = std::array<std::uint64_t, 2>;

/// One process of a runtime, as the others see it: the ports of the buffers
/// that it shares with them, and the connections that links go over. The
/// process where publishers are connects to the one with the seat, hence there
/// may be two connections between two processes, and never a question of which
/// one to use.
///
/// *Threads.* All functions may be called from any thread.
class node : public port_context,
             public connection::listener,
             protected call_desk::courier {
 public:
  using port_ptr = std::shared_ptr<port>;

  /// `link_loop` watches what links go over, and `loop` everything else.
  node(io_loop& loop, io_loop& link_loop, node_id self);

  node(const node&) = delete;
  node& operator=(const node&) = delete;

  virtual ~node();

  /// Starts to accept connections.
  void listen();

  /// Gives up all ports. To be called by destructors of derived classes, when
  /// nothing runs any more.
  void drop_ports();

  /// Closes everything, and returns when the loop knows nothing of it any more
  /// or after `timeout`.
  bool close(std::chrono::milliseconds timeout);

  /// Returns the port of a buffer that this process knows; otherwise null.
  [[nodiscard]] port_ptr find(buffer_id id) const;

  /// Calls `done` once what was published and ended here by now on these
  /// buffers has arrived where it goes.
  void when_passed_on(std::vector<port_ptr> ports, std::function<void()> done);

  /// As above, once what was published there by now has arrived, while more may
  /// come.
  void when_sent(const std::vector<port_ptr>& ports,
                 std::function<void()> done);

  /// Forgets a process that is gone, and tells all ports.
  void forget_node(node_id who, const failure& error,
                   std::set<buffer_id> spared);

  /// Lets go of buffers that are no longer used here.
  void sweep();

  /// Returns how many bytes of values came in over links.
  [[nodiscard]] std::uint64_t link_bytes_received() const noexcept {
    return link_bytes_received_.load(std::memory_order_relaxed);
  }

  // -- implementation of port_context -----------------------------------------

  [[nodiscard]] node_id self() const noexcept override { return self_; }

  reference_exchange& references() noexcept override { return *calls_; }

  carrier_ptr connect(node_id peer) override;
  void worked(port& who) override;

  // -- implementation of connection::listener ---------------------------------

  void on_frame(const connection_ptr& from, const frame_header& head,
                connection::bytes body) override;
  std::shared_ptr<encoder> sink_of(const connection_ptr& from,
                                   const frame_header& head) override;
  void on_lost(const connection_ptr& who, const std::string& why) override;

 protected:
  /// Handles frames of the connection between owner and worker.
  virtual void on_control(const connection_ptr& from, const frame_header& head,
                          connection::bytes body)
    = 0;

  /// A piece of a message has come in that is for another process.
  virtual void forward(node_id to, connection::bytes piece) = 0;

  /// A connection between owner and worker is lost.
  virtual void on_control_lost(const connection_ptr& who,
                               const std::string& why)
    = 0;

  /// A process has broken the rules on a connection that links go over, or
  /// cannot be reached although it lives.
  virtual void on_fault(node_id who, const std::string& why) = 0;

  /// Gets a socket for `pending`, which leads to a process of another host.
  /// Called with a lock: it must not wait.
  virtual void dial(node_id peer, const connection_ptr& pending) = 0;

  /// A socket for `slot` has to be had by another way.
  virtual void dial_otherwise(node_id peer, std::uint64_t slot) {
    static_cast<void>(peer);
    drop_slot(slot);
  }

  /// A connection to a process of another host was lost, or could not be had,
  /// though neither side has closed it. `who` is the one to which values went:
  /// what has arrived there is unknown. (At the owner, who cannot end, it is
  /// the other one.)
  virtual void on_cut(node_id who) = 0;

  /// Lets go of connections to processes of other hosts that are gone, since
  /// nobody may be left there to close them, and of those that never came.
  void cut_off_gone();

  /// The port of `id` is no longer used here; returns whether it may go.
  virtual bool may_leave(const port& x) = 0;

  [[nodiscard]] io_loop& loop() noexcept { return loop_; }

  [[nodiscard]] call_desk& calls() noexcept { return *calls_; }

  void* wire_context() noexcept override {
    return static_cast<port_context*>(this);
  }

  [[nodiscard]] const node_token& token() const noexcept { return token_; }

  /// Sets what has to be known before `listen` and `connect`: where the sockets
  /// are, one for each process, and what tells this runtime from others.
  void settle(std::string sockets, node_token token);

  /// Takes over a connection between owner and worker; it waits for `begin`.
  connection_ptr open_control(int descriptor, node_id peer);

  /// Takes over a connection on which another process of another host is about
  /// to say who it is.
  void accept(owned_descriptor from);

  /// Remembers what is waiting for a socket; returns the number that it goes by
  /// meanwhile.
  std::uint64_t add_slot(const connection_ptr& pending);

  /// Gives it up.
  void drop_slot(std::uint64_t slot);

  /// Where the process of that number of this host receives connections that
  /// others have made for it.
  [[nodiscard]] std::string handover_path(node_id who) const;

  /// As `open_control`, for a socket that is attached later.
  connection_ptr open_control_later(node_id peer);

  /// Makes a port known.
  void add(const port_ptr& x);

  [[nodiscard]] std::vector<port_ptr> ports() const;

  /// What describes a buffer to another process.
  static void write_handle(encoder& to, buffer_id id,
                           const detail::buffer_core& x);

  struct handle_text {
    buffer_id id;
    std::string name;
    std::uint64_t capacity;
    buffer_options options;
    std::string type;
  };
  static handle_text read_handle(decoder& from);

  mutable std::mutex ports_mutex_;
  std::map<buffer_id, port_ptr> ports_;

 private:
  class acceptor;
  class handover_client;
  struct barrier;

  struct awaited_socket {
    connection_ptr who; // waits for it
    std::chrono::steady_clock::time_point since;
    bool asked_again = false;
  };

  struct gone_process {
    node_id who;
    failure error;
    std::set<buffer_id> spared; // streams that its end does not fail
    std::chrono::steady_clock::time_point since;
  };

  connection_ptr connection_to(node_id peer);
  [[nodiscard]] bool may_say_more(node_id who);
  void act_on_gone();
  void take(handover x);
  void greet(const connection_ptr& to);
  void add_barrier(std::vector<port_ptr> ports,
                   std::vector<std::uint64_t> marks,
                   std::function<void()> done);
  void check_barriers();
  void on_synced(const connection_ptr& from, std::uint64_t token);
  void finish_syncs_of(const connection& lost);

  io_loop& loop_;
  io_loop& link_loop_;
  const node_id self_;
  std::string sockets_path_;
  node_token token_{};
  const std::shared_ptr<call_desk> calls_;
  std::atomic<std::uint64_t> link_bytes_received_{0};

  std::mutex connections_mutex_;
  std::condition_variable connections_gone_;
  io_loop::handle_ptr listening_;
  io_loop::handle_ptr handovers_;
  std::map<std::uint64_t, awaited_socket> slots_;
  std::uint64_t last_slot_ = 0;
  std::map<node_id, connection_ptr> outgoing_;
  std::set<connection_ptr> connections_; // all
  std::set<connection*> controls_;
  std::set<node_id> gone_;
  std::set<node_id> cut_off_;       // and not gone yet
  std::vector<gone_process> going_; // what they said last is still to be read
  bool closed_ = false;
  std::size_t watched_ = 0;

  std::mutex barriers_mutex_;
  std::atomic<std::size_t> barrier_count_{0};
  std::vector<std::unique_ptr<barrier>> barriers_;
  std::uint64_t last_sync_ = 0;
};

} // namespace puma::internal
