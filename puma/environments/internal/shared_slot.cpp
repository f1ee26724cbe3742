// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/shared_slot.hpp"

#include "puma/base/codec.hpp"
#include "puma/base/error.hpp"

#include <cerrno>
#include <csignal>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include <time.h>

namespace puma::internal {

namespace {

/// How a handle crosses. Processes of other hosts do not have the memory.
enum class carrier_kind : std::uint8_t { memory };

const char* kind_name(primitive x) noexcept {
  switch (x) {
  case primitive::event:
    return "event";
  case primitive::condition:
    return "condition";
  case primitive::text:
    return "shared attribute";
  default:
    return "shared value";
  }
}

} // namespace

/// The slots that this process uses, and the thread that wakes those who wait
/// for them when another process says so.
class shared_slots {
 public:
  static shared_slots& instance() {
    // Never destroyed: its thread lives as long as the process.
    static auto& self = *new shared_slots;
    return self;
  }

  std::shared_ptr<shared_slot> add(shared_arena& arena,
                                   shared_slot::place where) {
    const std::lock_guard guard{mutex_};
    return add_here(arena, where);
  }

  /// Returns the one that this process has, or begins to use it.
  std::shared_ptr<shared_slot> find(shared_slot::place where) {
    auto& arena = shared_arena::instance();
    std::shared_ptr<shared_slot> known; // may be the last: goes after the lock
    const std::lock_guard guard{mutex_};
    if (const auto i = slots_.find({&arena, where.index}); i != slots_.end()) {
      known = i->second.handle.lock();
      if (known && known->where_.generation == where.generation)
        return known;
    }
    if (!arena.enter(where))
      return nullptr;
    return add_here(arena, where);
  }

  /// Called when the last handle is gone; another one may have come since.
  void remove(shared_slot& x) noexcept {
    const std::lock_guard guard{mutex_};
    const auto i = slots_.find({&x.arena_, x.where_.index});
    if (i == slots_.end() || i->second.slot != &x)
      return;
    slots_.erase(i);
    x.arena_.leave(x.where_);
  }

  void start_to_watch(shared_slot& x) {
    const std::lock_guard guard{mutex_};
    watched_.emplace(&x, x.weak_from_this());
    if (std::exchange(has_thread_, true))
      return;
    // No handler of the application runs on it.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      std::thread{[this, &arena = x.arena_] { watch(arena); }}.detach();
    } catch (...) {
      has_thread_ = false;
      watched_.erase(&x);
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void stop_to_watch(shared_slot& x) noexcept {
    const std::lock_guard guard{mutex_};
    watched_.erase(&x);
  }

 private:
  using key = std::pair<const shared_arena*, std::uint32_t>;

  struct entry {
    std::weak_ptr<shared_slot> handle;
    shared_slot* slot;
  };

  std::shared_ptr<shared_slot> add_here(shared_arena& arena,
                                        shared_slot::place where) {
    std::shared_ptr<shared_slot> made{new shared_slot{arena, where}};
    slots_.insert_or_assign({&arena, where.index}, entry{made, made.get()});
    return made;
  }

  [[noreturn]] void watch(shared_arena& arena) noexcept {
    for (auto deaths = arena.deaths();;) {
      const auto bell = arena.bell();
      const auto before = std::exchange(deaths, arena.deaths());
      std::vector<std::shared_ptr<shared_slot>> all;
      {
        const std::lock_guard guard{mutex_};
        for (auto& [slot, handle] : watched_)
          if (auto x = handle.lock())
            all.push_back(std::move(x));
      }
      for (auto& x : all)
        x->look(before != deaths);
      all.clear(); // what was the last handle takes the mutex
      arena.wait_for_bell(bell);
    }
  }

  std::mutex mutex_;
  std::map<key, entry> slots_;
  std::map<shared_slot*, std::weak_ptr<shared_slot>> watched_;
  bool has_thread_ = false;
};

std::shared_ptr<shared_slot> shared_slot::make(size_class what) {
  auto& arena = shared_arena::instance();
  const auto where = arena.allocate(what);
  return where ? shared_slots::instance().add(arena, *where) : nullptr;
}

shared_slot::~shared_slot() {
  shared_slots::instance().remove(*this);
}

// -- handles on their way -----------------------------------------------------

void shared_slot::export_handle(encoder& to, primitive what,
                                const std::string& name, std::uint8_t type,
                                const std::shared_ptr<shared_slot>& slot) {
  const auto whose = std::string{kind_name(what)} + " '" + name + "'";
  if (!to.context())
    throw usage_error{whose
                      + ": its handle can only go to another process of its "
                        "runtime"};
  if (to.leaves_host())
    throw usage_error{whose
                      + ": cannot go to another host, because it is in memory "
                        "that only processes of one host share; run all who "
                        "use it on one host, or let a buffer or a call tell "
                        "what changes"};
  if (!slot)
    throw error{
      whose + ": cannot go to another process: all "
      + std::to_string(what == primitive::text ? shared_arena::text_slots
                                               : shared_arena::word_slots)
      + " places that processes share were in use when it needed one; let go "
        "of values and events that are not needed any more"};
  if (&slot->arena_ != &shared_arena::instance())
    throw usage_error{whose
                      + ": was made before main, and so stays in this process"};
  to.number(carrier_kind::memory);
  to.number(slot->arena_.identity());
  to.number(what);
  to.number(type);
  to.number(slot->where_.index);
  to.number(slot->where_.generation);
  encode(to, name);
  slot->arena_.depart(slot->where_);
  // What waits here to be sent, or to be sent again, is no longer on its way
  // than this keeps it.
  to.keep(slot);
}

std::shared_ptr<shared_slot> shared_slot::import_handle(decoder& from,
                                                        primitive what,
                                                        std::string& name,
                                                        std::uint8_t type) {
  const auto carrier = from.number<carrier_kind>();
  const auto memory = from.number<std::uint64_t>();
  const auto kind = from.number<primitive>();
  const auto its_type = from.number<std::uint8_t>();
  place where;
  where.index = from.number<std::uint32_t>();
  where.generation = from.number<std::uint32_t>();
  decode(from, name);
  if (!from.ok())
    return nullptr;
  if (!from.context() || carrier != carrier_kind::memory || kind != what
      || its_type != type) {
    from.fail(std::string{"a handle of something else than a "}
              + kind_name(what));
    return nullptr;
  }
  if (memory != shared_arena::instance().identity()) {
    from.fail(std::string{kind_name(what)} + " '" + name
              + "': is in memory of another host, or of other processes");
    return nullptr;
  }
  auto slot = shared_slots::instance().find(where);
  if (slot)
    slot->arena_.arrive(where);
  else
    from.fail(std::string{kind_name(what)} + " '" + name
              + "': is not in use any more, or there are more than "
              + std::to_string(shared_arena::most_processes) + " processes");
  return slot;
}

// -- waiting ------------------------------------------------------------------

/// Has other processes wake this one while somebody here waits.
class shared_slot::interest {
 public:
  explicit interest(shared_slot& slot) : slot_(slot) {
    const std::lock_guard guard{slot_.mutex_};
    if (slot_.interested_ == 0) {
      shared_slots::instance().start_to_watch(slot_);
      slot_.seen_ = slot_.value().load();
      slot_.arena_.set_waiting(slot_.where_, true);
    }
    ++slot_.interested_;
  }

  interest(const interest&) = delete;
  interest& operator=(const interest&) = delete;

  ~interest() {
    const std::lock_guard guard{slot_.mutex_};
    if (--slot_.interested_ != 0)
      return;
    slot_.arena_.set_waiting(slot_.where_, false);
    shared_slots::instance().stop_to_watch(slot_);
  }

 private:
  shared_slot& slot_;
};

void shared_slot::changed() noexcept {
  {
    wake_list wakes;
    const std::lock_guard guard{mutex_};
    waiting_.wake_all(wakes);
  }
  arena_.ring(where_);
}

void shared_slot::look(bool after_death) noexcept {
  wake_list wakes;
  const std::lock_guard guard{mutex_};
  const auto now = value().load();
  if (std::exchange(seen_, now) != now || after_death)
    waiting_.wake_all(wakes);
}

bool shared_slot::wait(time_point deadline, const std::string& what,
                       const std::function<bool()>& holds) {
  if (holds())
    return true;
  const interest guard{*this};
  std::unique_lock own{mutex_};
  return waiting_.wait(own, deadline, what, holds);
}

// -- locking ------------------------------------------------------------------

shared_slot::lock::lock(shared_slot& slot, time_point deadline,
                        const std::string& what) {
  auto& mutex = slot.arena_.mutex(slot.where_);
  int result = ::pthread_mutex_trylock(&mutex);
  if (result == EBUSY && deadline == no_deadline) {
    result = ::pthread_mutex_lock(&mutex);
  } else if (result == EBUSY) {
    const auto since = deadline.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    timespec until{};
    until.tv_sec = static_cast<time_t>(seconds.count());
    until.tv_nsec = static_cast<long>(
      std::chrono::nanoseconds{since - seconds}.count());
    result = ::pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until);
  }
  if (result == EOWNERDEAD) {
    ::pthread_mutex_consistent(&mutex);
    result = 0;
  }
  if (result == EDEADLK)
    throw usage_error{what + ": used within its own change or predicate"};
  if (result == 0)
    mutex_ = &mutex;
}

shared_slot::lock::~lock() {
  if (mutex_)
    ::pthread_mutex_unlock(mutex_);
}

} // namespace puma::internal
