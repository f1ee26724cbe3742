// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"
#include "puma/base/failure.hpp"
#include "puma/buffers/detail/ends.hpp"
#include "puma/buffers/internal/carrier.hpp"
#include "puma/buffers/internal/queue.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace puma::internal {

class reference_exchange; // of puma/actors

/// What a port, and handles that cross, need from the process that they are in.
/// It is the context of all encoders and decoders.
class port_context {
 public:
  /// What a port tells the buffer's home.
  enum class note : std::uint8_t {
    subscribed,
    unsubscribed,
    publishing,    ///< There are publishers here, and a link to the seat.
    finished,      ///< That is over.
    idle,          ///< Answers `hold`: no publishers here.
    active,        ///< Answers `hold`: the seat waits for them to open again.
    marked_idle,   ///< As `idle`, and the old seat gets a mark.
    marked_active, ///< As `active`, and the old seat gets a mark.
    in_use,        ///< Answers `hold` at the seat: a subscription is here.
    seated,        ///< The seat is here now.
    relayed,       ///< Subscribed by one that may be restarted; numbered.
  };

  [[nodiscard]] virtual node_id self() const noexcept = 0;

  /// Returns what leads to `peer`; null when that process is gone.
  virtual carrier_ptr connect(node_id peer) = 0;

  /// Encodes a handle, for the process to which `to` goes.
  virtual void export_buffer(encoder& to, const detail::buffer_core_ptr& x) = 0;

  /// Decodes a handle of a buffer of such values; null after failure.
  virtual detail::buffer_core_ptr import_buffer(decoder& from,
                                                const detail::value_ops& ops)
    = 0;

  virtual void tell_home(buffer_id id, note what, std::uint64_t epoch) = 0;

  /// Returns what takes references to objects to and from other processes.
  virtual reference_exchange& references() noexcept = 0;

  /// Calls `done` once everything has arrived where it goes that the runnables
  /// with the input `x` have published so far.
  virtual void when_passed_on_from(port& x, std::function<void()> done) = 0;

  /// Called after each round of work of a port, outside of all locks.
  virtual void worked(port& who) = 0;

 protected:
  ~port_context() = default;
};

/// Connects the queue that one process has of a buffer with those of the
/// others.
///
/// *At the seat* it is a publisher for each process that has some: it lends
/// places to them, and appends the values that arrive. *Away* it takes what is
/// published to the seat: it encodes values on the thread that published them.
///
/// *A move of the seat* is led by the buffer's home, and everything stands
/// still for it: each process stops sending and says so, with a mark that
/// follows its values; when the old seat has all marks, it ships what it has to
/// the new one; then everybody opens a link to the new seat. So the order of
/// each publisher's values is kept.
///
/// *A relayed subscription* is one of a runnable that may be restarted. The
/// seat does not go there, but stays at home, where the queue outlives the
/// process of the runnable. Values are sent in batches, which are kept at home
/// until they are safe: what came of them has arrived elsewhere. When the
/// subscription goes or its process dies, what is not safe is put back into the
/// queue.
///
/// *Threads.* All functions may be called from any thread. The state is guarded
/// by the queue's mutex; everything that is sent is sent by `run`, which is
/// never active twice.
class port final : public waker, public std::enable_shared_from_this<port> {
 public:
  using bytes = std::span<const std::byte>;

  /// At the home of the buffer, which is its first seat.
  port(port_context& context, buffer_id id, detail::buffer_core_ptr core);

  /// Elsewhere. `held`: a move is under way, `resume` will tell the seat.
  port(port_context& context, buffer_id id, detail::buffer_core_ptr core,
       node_id seat, bool held);

  port(const port&) = delete;
  port& operator=(const port&) = delete;

  ~port();

  /// Lets the queue know of this port, which is in a shared_ptr by now.
  void attach();

  /// Makes the queue one of this process alone again, and returns when nobody
  /// is at work for this port any more: its context is about to go.
  void detach() noexcept;

  /// Returns the port of a buffer that is shared between processes; otherwise
  /// null.
  static std::shared_ptr<port> of(const detail::buffer_core& x);

  [[nodiscard]] bool is_in(const port_context& x) const noexcept {
    return &context_ == &x;
  }

  [[nodiscard]] buffer_id id() const noexcept { return id_; }

  [[nodiscard]] const detail::buffer_core_ptr& core() const noexcept {
    return core_;
  }

  // -- told by the home -------------------------------------------------------

  void hold(std::uint64_t epoch);
  void ship(std::uint64_t epoch, node_id to, std::vector<node_id> marks);
  void resume(std::uint64_t epoch, node_id seat,
              const std::vector<node_id>& publishing);
  void refuse(const failure& error);
  void set_subscribed_elsewhere(bool x);
  /// The seat is gone: ends the stream.
  void break_off(const failure& error);
  /// A process is gone for good. Its end does not fail the stream if that is
  /// `spared`: then its publishers have successors to come.
  void node_gone(node_id who, const failure& error, bool spared = false);

  // -- relayed subscriptions --------------------------------------------------

  /// Told by the home, to its own port: values go to a subscription in `to`.
  void start_relay(node_id to, std::uint64_t number);
  /// That is over. `handled` values are done with; nothing if it is not known.
  void stop_relay(std::optional<std::uint64_t> handled);

  /// Returns the queue in which a relayed subscription of `source` finds its
  /// values; null when there is no need for one: it is at home, or taken.
  static std::shared_ptr<queue> relay_for(const std::shared_ptr<queue>& source);

  /// Ends a relayed subscription, when all has been passed on and its runnable
  /// is gone.
  void close_relay();

  /// Returns how many values were published here so far, and whether so many
  /// have been sent on.
  [[nodiscard]] std::uint64_t published() const;
  [[nodiscard]] bool has_sent(std::uint64_t count) const;

  // -- told by carriers -------------------------------------------------------

  /// Handles a frame. Throws `error` when the peer breaks the rules.
  void receive(const carrier_ptr& from, link_frame what, bytes body);

  /// Returns where the carrier may put the body of a `link_frame::piece`
  /// itself, in place of `receive`.
  std::shared_ptr<encoder> pieces_of(const carrier_ptr& from);

  // -- observers --------------------------------------------------------------

  /// Returns whether everything that was published and ended here, and every
  /// subscription that was closed here, has been passed on.
  [[nodiscard]] bool settled() const;

  /// Returns whether nothing here is in use any more.
  [[nodiscard]] bool unused() const;

  // -- implementation of waker ------------------------------------------------

  bool arm(wake::bits what) noexcept override;
  void fire(urgency how) noexcept override;

  void signal(wake::bits what) noexcept;

 private:
  struct link_end;
  struct small_frame;
  struct relay_out;
  struct relay_in;
  using guard = queue::guard;

  // What `run` does, in this order.
  void round();
  void report_subscription();
  bool ship_away();
  void answer_hold();
  void open_link();
  void pump();
  void close_link();
  void report_publishers();
  void return_places();
  void serve_links();
  void end_relay();
  void relay_values();
  void acknowledge();

  void roll_back(relay_out& x, std::uint64_t safe);
  void on_passed_on(std::uint64_t number, std::uint64_t safe);
  [[nodiscard]] bool is_subscribed() const noexcept;
  bool take_chunk();
  void send_batch(std::uint32_t count, std::uint32_t beyond);
  void next_batch();
  std::uint32_t encode_part();
  void recycle_spent() noexcept;
  void give_back_current() noexcept;
  void move_away() noexcept;
  void become_seat() noexcept; // with the mutex locked
  void grant(link_end& x, std::uint64_t share, std::vector<small_frame>& out,
             wake_list& wakes);
  /// Returns how many places a link may have at once: large values get few.
  [[nodiscard]] std::uint64_t share_of(const link_end& x,
                                       std::uint64_t most) const noexcept;
  /// Returns how many are worth a message.
  [[nodiscard]] std::uint64_t least_grant(const link_end& x,
                                          std::uint64_t share) const noexcept;
  /// Reserves places for a link; returns how many.
  std::uint64_t lend(link_end& x, std::uint64_t share, wake_list& wakes);
  void wait_for_room(link_end& x, std::uint64_t places, wake_list& wakes);
  /// Returns how many of the values that were appended here are consumed.
  [[nodiscard]] std::uint64_t consumed() const noexcept;
  void end_link(link_end& x) noexcept;
  void drop_expected(node_id who) noexcept;
  link_end& link_of(const carrier_ptr& from);
  link_end* open_link_of(const carrier_ptr& from) noexcept;
  [[nodiscard]] std::uint32_t open_links() const noexcept;
  [[nodiscard]] bool publishes() const noexcept;
  [[nodiscard]] bool needs_link() const noexcept;

  void on_open(const carrier_ptr& from, bytes body);
  void on_values(const carrier_ptr& from, bytes body);
  void on_close(const carrier_ptr& from, bytes body);
  void on_returned(const carrier_ptr& from, bytes body);
  void forget_link(const carrier_ptr& from) noexcept;
  void on_mark(const carrier_ptr& from, bytes body);
  void on_ship(const carrier_ptr& from, bytes body);
  void on_grant(bytes body);
  void on_recall(bytes body);
  void on_ended(bytes body);
  void on_relay(bytes body);
  void on_relay_end(bytes body);
  void on_relay_ack(bytes body);

  port_context& context_;
  const buffer_id id_;
  const detail::buffer_core_ptr core_;
  const std::shared_ptr<queue> queue_;
  const detail::wire_ops& wire_;

  static constexpr wake::bits scheduled = 1u << 0;
  std::atomic<std::uint32_t> bits_{0};
  std::shared_ptr<port> self_; // while scheduled

  // -- everywhere; guarded by the queue's mutex --
  std::uint64_t epoch_ = 0;   // of the last hold
  std::uint64_t resumed_ = 0; // of the last resume
  bool held_ = false;
  bool answer_due_ = false;
  bool subscription_told_ = false;
  bool broken_ = false;
  bool publishing_told_ = false;
  bool announcing_ = false; // a link's beginning or end has yet to be sent
  bool sending_ = false;    // something was taken from the queue and has to go

  // -- relayed subscriptions --
  std::unique_ptr<relay_out> relay_out_; // at home
  std::unique_ptr<relay_in> relay_in_;   // elsewhere
  std::uint64_t last_relay_ = 0;

  // -- away --
  std::uint64_t in_hand_ = 0; // taken from the queue, not sent yet
  node_id seat_ = 0;
  bool link_open_ = false;
  bool linked_ = false;    // has had a link since the seat came there
  bool must_open_ = false; // the seat waits for it
  bool ended_ = false;     // the seat has said so
  std::uint64_t opening_ = 0;
  std::uint64_t bytes_acknowledged_ = 0;

  // -- away; of `run` alone --
  carrier_ptr out_;
  std::uint64_t sequence_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t last_batch_bytes_ = 0;
  chunk* current_ = nullptr; // taken, and sent up to `begin`
  chunk_list spent_;
  std::shared_ptr<encoder> batch_; // what has been encoded and not sent
  std::vector<std::shared_ptr<encoder>> busy_batches_; // being sent

  // -- at the seat --
  struct shipping {
    std::uint64_t epoch;
    node_id to;
    std::vector<node_id> marks;
    bool started = false;
    ship_head head{};
  };
  std::vector<std::unique_ptr<link_end>> links_;
  std::size_t next_link_ = 0;
  std::uint64_t accepted_base_ = 0; // values that were appended elsewhere
  std::uint64_t dropped_base_ = 0;
  bool blanket_ = false; // holds the stream open during a move
  std::map<node_id, std::uint64_t> marked_; // the last epoch that it marked
  std::set<node_id> expected_; // their publishers have yet to open again
  std::set<node_id> opened_;   // since the seat came here
  std::optional<shipping> shipping_;
  std::unique_ptr<failure> shipped_error_;
  chunk_list moving_; // from the old seat to the new one
  std::uint64_t moving_count_ = 0;
};

} // namespace puma::internal
