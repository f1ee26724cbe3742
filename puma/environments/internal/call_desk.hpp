// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/reference_exchange.hpp"
#include "puma/actors/internal/run_record.hpp"
#include "puma/base/codec.hpp"
#include "puma/buffers/internal/carrier.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace puma::internal {

/// Identifies the scope of a runnable among those of one process.
using scope_id = std::uint64_t;

/// Calls of one process to objects in others, and the other way round; and the
/// references that others have to objects here.
///
/// A message is a call, an answer, or a change of the number of references. It
/// goes over the connections between owner and workers, in pieces if it is
/// large; from worker to worker it goes through the owner. All posts are
/// answered, too, so that what is under way has a limit.
///
/// *References.* An object is kept while anybody has a reference to it, or one
/// is on its way. The process where the object is counts both for each process;
/// what arrives in another order than it was sent adds up all the same, because
/// counts may be negative meanwhile. A process that ends takes its references
/// along.
///
/// *Threads.* All functions may be called from any thread, without locks.
class call_desk final : public reference_exchange,
                        public std::enable_shared_from_this<call_desk> {
 public:
  using bytes = std::span<const std::byte>;

  /// Brings pieces of messages to other processes.
  class courier {
   public:
    /// Pieces for one process arrive in the order of these calls, per thread.
    /// What cannot be brought any more is dropped; `node_gone` follows, or has
    /// been called. A call, which may go to a runnable that is just being
    /// started, must be carried without holding locks.
    virtual void carry(node_id to, std::shared_ptr<const encoder> piece,
                       bool is_call)
      = 0;

    /// The context of encoders and decoders.
    virtual void* wire_context() noexcept = 0;

   protected:
    ~courier() = default;
  };

  /// So many calls may be under way to other processes.
  static constexpr std::size_t most_calls = job_inbox::limit;

  /// Longer messages are refused.
  static constexpr std::size_t most_bytes = std::size_t{256} * 1024 * 1024;

  /// All messages of which a part is there may take so much together.
  static constexpr std::size_t most_partial_bytes = 16 * most_bytes;

  /// `by` must live until `close` has been called.
  call_desk(courier& by, node_id self) noexcept : courier_(by), self_(self) {}

  /// Fails everything that is under way, and all that comes later.
  void close();

  // -- scopes -----------------------------------------------------------------

  /// Makes a runnable of this process known to the others.
  void add_scope(scope_id id, const std::shared_ptr<run_record>& x);

  /// The runnable has ended; `how` says so to those who call it now.
  void remove_scope(scope_id id, std::string how);

  // -- messages ---------------------------------------------------------------

  /// Sends a call to another process. Throws `usage_error` if it cannot cross,
  /// and `buffer_full`.
  void send(node_id to, scope_id scope, std::uint64_t object,
            const detail::call_ptr& x);

  /// A piece has come in. Throws `error` if it is malformed.
  void receive(bytes piece);

  /// Returns what tells the sender of `piece` that the process it was for is
  /// gone, and who that is.
  static std::pair<node_id, std::shared_ptr<const encoder>>
  returned(bytes piece, node_id gone);

  /// Returns where calls go to a runnable in another process.
  detail::target_ptr target(node_id home, scope_id scope);

  /// A process is gone; `why` says how.
  void node_gone(node_id who, const std::string& why);

  // -- implementation of reference_exchange -----------------------------------

  void export_reference(encoder& to, const detail::target_ptr& x) override;
  detail::target_ptr import_reference(decoder& from) override;

 private:
  class away_reference;
  enum class kind : std::uint8_t { call, answer, count, gone };
  using guard = std::lock_guard<std::mutex>;
  using object_key = std::pair<scope_id, std::uint64_t>;

  struct pending_call {
    node_id to;
    detail::call_ptr call;
  };

  /// An object of this process that others refer to.
  struct held_object {
    detail::target_ptr object;
    std::int64_t on_the_way = 0;
    std::map<node_id, std::int64_t> references; // by process
  };

  void carry(node_id to, const encoder& message, bool is_call = false);
  void on_message(node_id from, bytes body);
  void on_call(node_id from, decoder& in);
  void on_answer(decoder& in);
  void on_count(decoder& in);
  void answer(node_id to, std::uint64_t id, const detail::call_core& x);
  void refuse(node_id to, std::uint64_t id, const failure& error);
  void fail_all(node_id to, const std::string& why, bool for_good);
  void count(node_id home, object_key what, node_id whose,
             std::int64_t references, std::int64_t on_the_way);
  void add_to_count(object_key what, node_id whose, std::int64_t references,
                    std::int64_t on_the_way);
  scope_id scope_of(const std::shared_ptr<run_record>& x);
  std::string how_ended(scope_id id);
  std::shared_ptr<run_record> find_scope(scope_id id);
  detail::target_ptr away(node_id home, object_key what);

  std::mutex mutex_;
  courier& courier_;
  const node_id self_;
  bool closed_ = false;
  std::uint64_t last_call_ = 0;
  std::uint64_t last_message_ = 0;
  // In a worker the owner numbers the others, from 1.
  scope_id last_scope_ = scope_id{1} << 63u;
  std::map<std::uint64_t, pending_call> pending_;
  std::map<scope_id, std::weak_ptr<run_record>> scopes_;
  std::map<const run_record*, scope_id> scope_ids_;
  std::map<scope_id, std::string> ended_; // how the last ones did
  std::size_t prune_at_ = 64;
  std::map<object_key, held_object> held_;
  std::set<node_id> gone_;
  std::map<std::pair<node_id, std::uint64_t>, std::vector<std::byte>> partial_;
  std::size_t partial_bytes_ = 0;
};

} // namespace puma::internal
