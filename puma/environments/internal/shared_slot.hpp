// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/encoder.hpp"
#include "puma/base/internal/parker.hpp"
#include "puma/buffers/internal/waiting.hpp"
#include "puma/environments/internal/shared_arena.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

namespace puma::internal {

/// What a handle on its way denotes.
enum class primitive : std::uint8_t { value, event, condition, text };

/// A slot of the arena that this process uses, for as long as this object
/// lives; all handles of this process share it.
///
/// *Threads.* All functions may be called from any thread.
class shared_slot : public std::enable_shared_from_this<shared_slot> {
 public:
  using place = shared_arena::place;
  using size_class = shared_arena::size_class;

  /// Takes a free slot; null when there is none.
  static std::shared_ptr<shared_slot> make(size_class what);

  /// Encodes a handle; `slot` may be null when there was none. Throws
  /// `usage_error` when it is not on its way to another process of its runtime
  /// and host, and `error` when there is no slot.
  static void export_handle(encoder& to, primitive what,
                            const std::string& name, std::uint8_t type,
                            const std::shared_ptr<shared_slot>& slot);

  /// Decodes one; null when `from` fails.
  static std::shared_ptr<shared_slot> import_handle(decoder& from,
                                                    primitive what,
                                                    std::string& name,
                                                    std::uint8_t type);

  shared_slot(const shared_slot&) = delete;
  shared_slot& operator=(const shared_slot&) = delete;

  ~shared_slot();

  [[nodiscard]] std::atomic<std::uint64_t>& value() noexcept {
    return arena_.value(where_);
  }

  [[nodiscard]] std::span<std::byte> text(std::size_t half) noexcept {
    return arena_.text(where_, half);
  }

  /// To be called after each change: wakes all who wait, in all processes.
  void changed() noexcept;

  /// Waits until `holds()`, which reads what the slot says, or `deadline`; see
  /// `waiting_list`.
  bool wait(time_point deadline, const std::string& what,
            const std::function<bool()>& holds);

  /// Changes whenever somebody who changed the slot may have died.
  [[nodiscard]] std::uint32_t deaths() const noexcept {
    return arena_.deaths();
  }

  /// Holds the lock of a slot, which is one for all processes. The death of a
  /// process unlocks it.
  class lock {
   public:
    /// Waits until `deadline`, by `steady_clock`. Throws `usage_error` that
    /// names `what` when the calling thread holds it already.
    lock(shared_slot& slot, time_point deadline, const std::string& what);

    lock(const lock&) = delete;
    lock& operator=(const lock&) = delete;

    ~lock();

    [[nodiscard]] bool is_held() const noexcept { return mutex_ != nullptr; }

   private:
    pthread_mutex_t* mutex_ = nullptr;
  };

 private:
  friend class shared_slots;

  class interest;

  shared_slot(shared_arena& arena, place where) noexcept
    : arena_(arena),
      where_(where) {}

  void look(bool after_death) noexcept;

  shared_arena& arena_;
  const place where_;
  std::mutex mutex_;
  waiting_list waiting_;
  std::size_t interested_ = 0;
  std::uint64_t seen_ = 0; // the value when all who waited were woken last
};

} // namespace puma::internal
