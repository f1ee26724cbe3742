// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/shared_arena.hpp"

#include "puma/base/error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr std::uint32_t all_slots = shared_arena::word_slots
                                    + shared_arena::text_slots;
constexpr std::size_t bits_per_word = 64;
constexpr std::size_t page_size = 4'096;

// A slot's word: its generation, how often a process has begun to use it, and
// whether it is taken. Whoever frees it does so only if nobody has begun
// meanwhile.
constexpr std::uint64_t taken = 1;
constexpr std::uint64_t one_begin = 2;
constexpr unsigned generation_shift = 32;

std::uint32_t generation_of(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> generation_shift);
}

/// The count of begins stays within its half.
std::uint64_t with_begin(std::uint64_t word) noexcept {
  const auto low = static_cast<std::uint32_t>(word + one_begin);
  return (word >> generation_shift << generation_shift) | low;
}

std::uint32_t seconds_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now); // the same in all processes
  return static_cast<std::uint32_t>(now.tv_sec);
}

std::uint64_t bit_of(std::uint32_t index) noexcept {
  return std::uint64_t{1} << (index % bits_per_word);
}

constexpr std::uint32_t first_of(shared_arena::size_class what) noexcept {
  return what == shared_arena::size_class::word ? 0 : shared_arena::word_slots;
}

[[noreturn]] void fail(const char* what) {
  throw error{std::string{"shared values: "} + what + ": "
              + std::strerror(errno)};
}

struct flock lock_of(std::size_t row) noexcept {
  struct flock result {};
  result.l_type = F_WRLCK;
  result.l_whence = SEEK_SET;
  result.l_start = static_cast<off_t>(row);
  result.l_len = 1;
  return result;
}

} // namespace

struct shared_arena::slot {
  std::atomic<std::uint64_t> word;
  std::atomic<std::uint64_t> value;
  std::atomic<std::uint32_t> on_the_way;
  std::atomic<std::uint32_t> departed; // the last one, in seconds
  pthread_mutex_t mutex;
};

/// What one process says.
struct alignas(page_size) shared_arena::row {
  std::atomic<std::uint32_t> bell;
  alignas(
    64) std::array<std::atomic<std::uint64_t>, all_slots / bits_per_word> uses;
  std::array<std::atomic<std::uint64_t>, all_slots / bits_per_word> waits;
};

/// All zero is a valid beginning. Only what is touched takes memory.
struct shared_arena::layout {
  std::atomic<std::uint64_t> identity; // set by who makes it
  std::atomic<std::uint32_t> deaths;
  std::atomic<std::uint32_t> rows;   // have ever been claimed
  std::atomic<std::uint32_t> claims; // counts them, also of rows used again
  std::atomic<std::uint64_t> leaves;
  struct {
    std::atomic<std::uint32_t> taken_once; // so many have ever been
    std::atomic<std::uint32_t> sweep_at;   // of these, look for free ones
    std::atomic<std::uint32_t> next;       // where to look first
    std::atomic<std::uint64_t> full_at;    // when none was free; 0: never
  } classes[2];
  alignas(page_size) std::array<slot, all_slots> slots;
  std::array<row, most_processes> processes;
  std::array<std::array<std::byte, 2 * text_bytes>, text_slots> texts;
};

// -- the memory ---------------------------------------------------------------

namespace {

std::mutex instance_mutex;
shared_arena* the_instance = nullptr; // lives as long as the process

} // namespace

shared_arena& shared_arena::instance() {
  const std::lock_guard guard{instance_mutex};
  if (!the_instance) {
    const int fd = ::memfd_create("puma-shared",
                                  MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
      fail("memfd_create");
    if (::ftruncate(fd, static_cast<off_t>(sizeof(layout))) != 0) {
      ::close(fd);
      fail("ftruncate");
    }
    // Memory that another process shortens would end this one.
    ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    std::random_device random;
    const auto identity = (std::uint64_t{random()} << 32u) | random();
    install(fd);
    the_instance->all_->identity.store(identity);
  }
  return *the_instance;
}

std::uint64_t shared_arena::identity() const noexcept {
  return all_->identity.load(std::memory_order_relaxed);
}

void shared_arena::attach(int descriptor) {
  const std::lock_guard guard{instance_mutex};
  struct stat file {};
  if (::fstat(descriptor, &file) != 0
      || file.st_size != static_cast<off_t>(sizeof(layout)))
    throw error{"shared values: the descriptor leads to something else"};
  // What code before `main` has made stays in one of its own.
  install(descriptor);
}

void shared_arena::install(int descriptor) {
  the_instance = new shared_arena{descriptor};
  static const int follows = ::pthread_atfork(
    &before_fork, [] { after_fork(false); }, [] { after_fork(true); });
  if (follows != 0) {
    errno = follows;
    fail("pthread_atfork");
  }
}

/// The child has its row before it begins, so that it loses nothing that the
/// parent lets go of meanwhile; and finds the mutexes free.
void shared_arena::before_fork() {
  instance_mutex.lock();
  if (!the_instance)
    return;
  auto& x = *the_instance;
  x.uses_mutex_.lock();
  x.childs_ = x.claim_row();
  if (x.own_.mine && x.childs_.mine)
    x.for_each_known_word([&x](std::size_t n) {
      if (const auto uses = x.own_.mine->uses[n].load(); uses != 0)
        x.childs_.mine->uses[n].store(uses);
    });
}

void shared_arena::after_fork(bool in_child) {
  if (the_instance) {
    auto& x = *the_instance;
    // A lock ends when both of them have closed it.
    if (in_child)
      std::swap(x.own_, x.childs_);
    if (x.childs_.locks >= 0)
      ::close(x.childs_.locks);
    x.childs_ = {};
    x.uses_mutex_.unlock();
  }
  instance_mutex.unlock();
}

template <class F>
void shared_arena::for_each_known_word(F&& what) const {
  for (const auto size : {size_class::word, size_class::text}) {
    const auto first = first_of(size) / bits_per_word;
    const auto known = all_->classes[static_cast<std::size_t>(size)]
                         .taken_once.load();
    const auto count = (known + bits_per_word - 1) / bits_per_word;
    for (std::size_t n = first; n != first + count; ++n)
      what(n);
  }
}

shared_arena::shared_arena(int descriptor) : descriptor_(descriptor) {
  static_assert(sizeof(slot) == 64);
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  void* memory = ::mmap(nullptr, sizeof(layout), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE, descriptor, 0);
  if (memory == MAP_FAILED) {
    const int reason = errno;
    ::close(descriptor);
    errno = reason;
    fail("mmap");
  }
  all_ = static_cast<layout*>(memory);
  own_ = claim_row();
}

/// The lock belongs to the open file, which no other process gets, and so ends
/// with this process.
shared_arena::claim shared_arena::claim_row() const {
  const auto path = "/proc/self/fd/" + std::to_string(descriptor_);
  claim result;
  result.locks = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (result.locks < 0)
    return result;
  for (std::size_t i = 0; i != most_processes; ++i) {
    auto lock = lock_of(i);
    if (::fcntl(result.locks, F_OFD_SETLK, &lock) != 0)
      continue;
    auto seen = all_->rows.load();
    while (seen <= i
           && !all_->rows.compare_exchange_weak(
             seen, static_cast<std::uint32_t>(i + 1))) {
      // Another process was faster.
    }
    auto& mine = all_->processes[i];
    // Those of a process that is gone; untouched pages stay so.
    for_each_known_word([&mine](std::size_t n) {
      mine.uses[n].store(0);
      mine.waits[n].store(0);
    });
    all_->claims.fetch_add(1);
    result.mine = &mine;
    result.number = i;
    break;
  }
  return result;
}

bool shared_arena::row_lives(std::size_t number) const noexcept {
  if (number == own_.number)
    return true;
  auto lock = lock_of(number);
  return ::fcntl(own_.locks, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

// -- slots --------------------------------------------------------------------

std::optional<shared_arena::place>
shared_arena::try_take(std::uint32_t index) noexcept {
  auto& x = all_->slots[index];
  auto word = x.word.load();
  if ((word & taken) != 0)
    return std::nullopt;
  // Said before it is taken, so that it is never taken by nobody.
  const auto bit = bit_of(index);
  auto& uses = own_.mine->uses[index / bits_per_word];
  uses.fetch_or(bit);
  const auto generation = generation_of(word) + 1;
  const auto fresh = std::uint64_t{generation} << generation_shift | taken;
  if (!x.word.compare_exchange_strong(word, fresh)) {
    uses.fetch_and(~bit);
    return std::nullopt;
  }
  x.value.store(0);
  x.on_the_way.store(0);
  pthread_mutexattr_t how;
  ::pthread_mutexattr_init(&how);
  ::pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutexattr_settype(&how, PTHREAD_MUTEX_ERRORCHECK);
  ::pthread_mutex_init(&x.mutex, &how);
  ::pthread_mutexattr_destroy(&how);
  return place{index, generation};
}

std::optional<shared_arena::place>
shared_arena::allocate(size_class what) noexcept {
  if (!own_.mine)
    return std::nullopt;
  const std::lock_guard guard{uses_mutex_};
  auto& kind = all_->classes[static_cast<std::size_t>(what)];
  const auto first = first_of(what);
  const auto most = what == size_class::word ? word_slots : text_slots;

  const auto reuse = [&]() -> std::optional<place> {
    const auto known = kind.taken_once.load();
    auto at = kind.next.load();
    for (std::uint32_t i = 0; i != known; ++i, ++at) {
      if (at >= known)
        at = 0;
      if (auto found = try_take(first + at)) {
        kind.next.store(at + 1);
        return found;
      }
    }
    return std::nullopt;
  };
  const auto extend = [&]() -> std::optional<place> {
    for (auto known = kind.taken_once.load(); known < most;)
      if (kind.taken_once.compare_exchange_weak(known, known + 1))
        if (auto found = try_take(first + known))
          return found;
    return std::nullopt;
  };

  // Finding out what is free costs as much as there is. So it is done when
  // twice as many have been taken as were in use the last time; and when there
  // are no more, only after something may have become free.
  constexpr std::uint32_t least = 64;
  if (kind.taken_once.load() < std::max(kind.sweep_at.load(), least))
    if (auto found = extend())
      return found;
  const std::uint64_t now = all_->leaves.load() + all_->deaths.load()
                            + seconds_now() / most_transit;
  if (kind.full_at.load() == now + 1)
    return std::nullopt;
  if (auto found = reuse())
    return found;
  kind.sweep_at.store(std::min(most, 2 * sweep(what) + least));
  if (auto found = reuse())
    return found;
  if (auto found = extend())
    return found;
  kind.full_at.store(now + 1);
  return std::nullopt;
}

bool shared_arena::enter(place x) noexcept {
  if (!own_.mine || x.index >= all_slots)
    return false;
  const std::lock_guard guard{uses_mutex_};
  const auto bit = bit_of(x.index);
  auto& uses = own_.mine->uses[x.index / bits_per_word];
  const bool has_it = (uses.fetch_or(bit) & bit) != 0;
  if (begin(x))
    return true;
  if (!has_it)
    uses.fetch_and(~bit);
  return false;
}

/// Lets the word of a slot differ from what a `sweep` may have seen; false if
/// the slot is none of that generation.
bool shared_arena::begin(place x) noexcept {
  auto& word = all_->slots[x.index].word;
  auto seen = word.load();
  do {
    if ((seen & taken) == 0 || generation_of(seen) != x.generation)
      return false;
  } while (!word.compare_exchange_weak(seen, with_begin(seen)));
  return true;
}

void shared_arena::leave(place x) noexcept {
  if (!own_.mine)
    return; // forked, and too late for a row
  const std::lock_guard guard{uses_mutex_};
  own_.mine->uses[x.index / bits_per_word].fetch_and(~bit_of(x.index));
  all_->leaves.fetch_add(1);
}

void shared_arena::depart(place x) noexcept {
  auto& s = all_->slots[x.index];
  s.departed.store(seconds_now());
  s.on_the_way.fetch_add(1);
  static_cast<void>(begin(x));
}

void shared_arena::arrive(place x) noexcept {
  auto& count = all_->slots[x.index].on_the_way;
  // What was sent again, because a process had died, arrives twice.
  auto seen = count.load();
  while (seen != 0 && !count.compare_exchange_weak(seen, seen - 1)) {
    // Others arrive, too.
  }
}

bool shared_arena::in_use(std::uint32_t index,
                          std::span<const std::size_t> rows) noexcept {
  const auto& x = all_->slots[index];
  if (x.on_the_way.load() != 0
      && seconds_now() - x.departed.load() < most_transit)
    return true;
  const auto bit = bit_of(index);
  return std::any_of(rows.begin(), rows.end(), [&](std::size_t i) {
    return (all_->processes[i].uses[index / bits_per_word].load() & bit) != 0;
  });
}

std::uint32_t shared_arena::sweep(size_class what) noexcept {
  std::array<std::size_t, most_processes> rows;
  std::size_t count = 0;
  const auto look = [&] {
    count = 0;
    for (std::size_t i = 0; i != all_->rows.load(); ++i)
      if (row_lives(i))
        rows[count++] = i;
  };
  auto claims = all_->claims.load();
  look();
  const auto first = first_of(what);
  const auto known = all_->classes[static_cast<std::size_t>(what)]
                       .taken_once.load();
  std::uint32_t used = 0;
  for (auto i = first; i != first + known; ++i) {
    auto& word = all_->slots[i].word;
    auto seen = word.load();
    if ((seen & taken) == 0)
      continue;
    // A process that was not there when the rows were looked at may have begun
    // to use it before the word was read.
    if (const auto now = all_->claims.load(); now != claims) {
      claims = now;
      look();
    }
    // One that has begun since has changed the word.
    if (in_use(i, {rows.data(), count})
        || !word.compare_exchange_strong(seen, seen & ~taken))
      ++used;
  }
  return used;
}

std::atomic<std::uint64_t>& shared_arena::value(place x) noexcept {
  return all_->slots[x.index].value;
}

pthread_mutex_t& shared_arena::mutex(place x) noexcept {
  return all_->slots[x.index].mutex;
}

std::span<std::byte> shared_arena::text(place x, std::size_t half) noexcept {
  auto& both = all_->texts[x.index - word_slots];
  return {both.data() + half * text_bytes, text_bytes};
}

// -- waking -------------------------------------------------------------------

void shared_arena::set_waiting(place x, bool waits) noexcept {
  if (!own_.mine)
    return;
  auto& word = own_.mine->waits[x.index / bits_per_word];
  const auto bit = bit_of(x.index);
  // Before it looks at the value; against `ring`, which comes after a change.
  if (waits)
    word.fetch_or(bit);
  else
    word.fetch_and(~bit);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void shared_arena::ring(place x) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto bit = bit_of(x.index);
  for (std::size_t i = 0; i != all_->rows.load(); ++i) {
    auto& other = all_->processes[i];
    if (i == own_.number
        || (other.waits[x.index / bits_per_word].load() & bit) == 0)
      continue;
    other.bell.fetch_add(1);
    ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&other.bell),
              FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
}

void shared_arena::ring_all() noexcept {
  all_->deaths.fetch_add(1);
  for (std::size_t i = 0; i != all_->rows.load(); ++i) {
    auto& bell = all_->processes[i].bell;
    bell.fetch_add(1);
    ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&bell), FUTEX_WAKE,
              INT_MAX, nullptr, nullptr, 0);
  }
}

std::uint32_t shared_arena::deaths() const noexcept {
  return all_->deaths.load();
}

std::uint32_t shared_arena::bell() const noexcept {
  return own_.mine ? own_.mine->bell.load() : 0;
}

void shared_arena::wait_for_bell(std::uint32_t seen) noexcept {
  if (!own_.mine) { // nobody can wake it: it looks again and again
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    return;
  }
  // Not a private futex: the memory has another address elsewhere.
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&own_.mine->bell),
            FUTEX_WAIT, seen, nullptr, nullptr, 0);
}

} // namespace puma::internal
