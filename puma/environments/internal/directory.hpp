// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"
#include "puma/buffers/internal/port.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace puma::internal {

/// What the home of buffers knows of them: where the queue of each is, who
/// shares it, and how far a move of the queue has come. The queue is where the
/// subscription is, or else at home.
///
/// *Threads.* Not to be used by two threads at once.
class directory {
 public:
  using note = port_context::note;
  using port_ptr = std::shared_ptr<port>;

  /// Tells the port that another process has of a buffer what to do; see the
  /// functions of the same names there. In the order of the calls.
  class messenger {
   public:
    virtual void hold(node_id who, buffer_id id, std::uint64_t epoch) = 0;
    virtual void ship(node_id who, buffer_id id, std::uint64_t epoch,
                      node_id to, const std::vector<node_id>& marks)
      = 0;
    virtual void resume(node_id who, buffer_id id, std::uint64_t epoch,
                        node_id seat, const std::vector<node_id>& publishing)
      = 0;
    virtual void refuse(node_id who, buffer_id id, const failure& error) = 0;
    virtual void break_off(node_id who, buffer_id id, const failure& error) = 0;

   protected:
    ~messenger() = default;
  };

  explicit directory(messenger& to) : to_(to) {}

  /// Adds a buffer with the home's own port of it.
  void add(const port_ptr& x);

  /// Counts handles that are on their way to another process.
  void expect(buffer_id id, int handles);

  /// A handle has arrived in a process, which may have the buffer already.
  void on_join(node_id from, buffer_id id);

  /// A process does not use the buffer any more.
  void on_leave(node_id from, buffer_id id);

  void on_note(node_id from, buffer_id id, note what, std::uint64_t epoch);

  /// A process is gone. Buffers whose queue was there fail with `error`, and so
  /// do those that it published to, unless it has ended in order or they are
  /// spared.
  void node_gone(node_id who, const failure& error, bool in_order,
                 const std::set<buffer_id>& spared = {});

  /// Returns whether a process publishes to a buffer whose queue is elsewhere.
  [[nodiscard]] bool publishes(node_id who) const;

  /// Forgets buffers that no process uses; returns them.
  std::vector<buffer_id> sweep();

 private:
  struct move {
    node_id to;
    std::set<node_id> waiting;    // have yet to stand still
    std::set<node_id> publishing; // will open links to the new seat
    std::vector<node_id> marks;   // send one to the old seat
    bool shipped = false;
  };

  struct entry {
    port_ptr own;
    std::set<node_id> members;    // that have joined, besides this process
    std::set<node_id> publishing; // members that have a link
    int expected = 0;             // handles on their way
    node_id seat = owner_node;
    std::optional<node_id> subscriber;
    std::optional<std::uint64_t> relay; // its number, if it may be restarted
    bool relaying = false;              // and values go there
    std::uint64_t epoch = 0;
    std::optional<move> moving;
    std::optional<failure> broken;
  };

  void balance(buffer_id id, entry& x);
  void go_on_moving(buffer_id id, entry& x);
  void resume(buffer_id id, entry& x);
  void break_off(buffer_id id, entry& x, const failure& error);
  void subscribe(node_id from, buffer_id id, entry& x);
  void refuse(node_id who, buffer_id id, const entry& x);
  void set_subscriber(entry& x, std::optional<node_id> who);
  static void stop_relay(entry& x, std::optional<std::uint64_t> handled);

  messenger& to_;
  std::map<buffer_id, entry> entries_;
};

} // namespace puma::internal
