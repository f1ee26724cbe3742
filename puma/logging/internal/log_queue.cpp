// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_queue.hpp"

#include "puma/base/error.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace puma::internal {

namespace {

/// What comes before the lines, in whole pages.
constexpr std::size_t control_size = 64 * 1024;

/// Texts that are longer than the queue's capacity by this are cut.
constexpr std::size_t most_of_capacity = 8;

constexpr std::size_t most_name = 1024;

constexpr std::size_t alignment = 8;

/// For somebody who holds the lock and does not run, such as a forked process
/// that was stopped.
constexpr std::int64_t most_lock_wait_ns = 100'000'000;

std::size_t align(std::size_t x) {
  return (x + alignment - 1) / alignment * alignment;
}

std::int64_t wall_clock() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] void fail(const char* what) {
  throw error{std::string{"log queue: "} + what + ": " + std::strerror(errno)};
}

} // namespace

/// Shared by the processes. Positions count bytes and never wrap. What writers
/// and the reader change all the time is apart.
struct log_queue::control {
  pthread_mutex_t mutex; // of the writers; survives the death of its holder
  std::uint64_t next_sequence = 0;
  std::uint64_t known_read = 0;           // what `read` was at least
  std::atomic<std::uint32_t> patience{0}; // in ms
  alignas(64) std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> dropped{0};
  alignas(64) std::atomic<std::uint64_t> read{0};
  alignas(64) std::atomic<std::uint32_t> asleep{0};
  alignas(64) std::atomic<std::uint32_t> generation{0}; // odd: being changed
  std::atomic<std::uint32_t> levels_size{0};
  char levels[control_size - 512];
};

/// What stands before the texts of a line.
struct log_queue::entry {
  std::uint32_t size; // of all, a multiple of the alignment
  std::uint32_t text_size;
  std::uint16_t logger_size;
  std::uint16_t file_size;
  std::uint16_t process_size;
  std::uint8_t level;
  std::uint8_t unused;
  std::uint32_t process_id;
  std::uint32_t thread_id;
  std::uint32_t line;
  std::uint64_t sequence;
  std::int64_t time;
};

std::shared_ptr<log_queue> log_queue::make(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto capacity = (std::max(bytes, page) + page - 1) / page * page;
  const int fd = ::memfd_create("puma-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    fail("memfd_create");
  if (::ftruncate(fd, static_cast<off_t>(control_size + capacity)) != 0) {
    ::close(fd);
    fail("ftruncate");
  }
  // Memory that another process shortens would end this one.
  ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  std::shared_ptr<log_queue> result{new log_queue{fd, capacity}};
  auto* shared = new (result->control_) control;
  pthread_mutexattr_t how;
  ::pthread_mutexattr_init(&how);
  ::pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutex_init(&shared->mutex, &how);
  ::pthread_mutexattr_destroy(&how);
  return result;
}

std::shared_ptr<log_queue> log_queue::attach(int descriptor) {
  struct stat file {};
  if (::fstat(descriptor, &file) != 0
      || file.st_size <= static_cast<off_t>(control_size))
    throw error{"log queue: the descriptor leads to something else"};
  return std::shared_ptr<log_queue>{new log_queue{
    descriptor, static_cast<std::size_t>(file.st_size) - control_size}};
}

log_queue::log_queue(int descriptor, std::size_t capacity)
  : descriptor_(descriptor),
    capacity_(capacity) {
  static_assert(sizeof(control) <= control_size);
  static_assert(sizeof(entry) % alignment == 0);
  const auto total = control_size + 2 * capacity;
  auto* base = static_cast<std::byte*>(
    ::mmap(nullptr, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const auto map = [&](std::size_t at, std::size_t size, std::size_t offset) {
    return ::mmap(base + at, size, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_FIXED, descriptor,
                  static_cast<off_t>(offset))
           != MAP_FAILED;
  };
  if (static_cast<void*>(base) == MAP_FAILED
      || !map(0, control_size + capacity, 0)
      || !map(control_size + capacity, capacity, control_size)) {
    const int reason = errno;
    if (static_cast<void*>(base) != MAP_FAILED)
      ::munmap(base, total);
    ::close(descriptor);
    errno = reason;
    fail("mmap");
  }
  control_ = reinterpret_cast<control*>(base);
  data_ = base + control_size;
}

log_queue::~log_queue() {
  ::munmap(control_, control_size + 2 * capacity_);
  ::close(descriptor_);
}

// -- writers ------------------------------------------------------------------

bool log_queue::lock() noexcept {
  int result = ::pthread_mutex_trylock(&control_->mutex);
  if (result == EBUSY) {
    timespec until{};
    ::clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += most_lock_wait_ns;
    if (until.tv_nsec >= 1'000'000'000) {
      until.tv_nsec -= 1'000'000'000;
      ++until.tv_sec;
    }
    result = ::pthread_mutex_clocklock(&control_->mutex, CLOCK_MONOTONIC,
                                       &until);
  }
  if (result == EOWNERDEAD) {
    // Its line is not in yet: nothing to mend.
    ::pthread_mutex_consistent(&control_->mutex);
    result = 0;
  }
  return result == 0;
}

bool log_queue::has_room(std::size_t size, log_level level) const noexcept {
  const auto reserve = level < log_level::warning ? capacity_ / 4 : 0;
  const auto written = control_->written.load(std::memory_order_relaxed);
  const auto fits = [&] {
    return written - control_->known_read + size + reserve <= capacity_;
  };
  if (fits())
    return true;
  control_->known_read = control_->read.load(std::memory_order_acquire);
  return fits();
}

log_queue::push_result log_queue::push(const log_record& x,
                                       attempt which) noexcept {
  const auto name_of = [](std::string_view text) {
    return text.substr(0, std::min(text.size(), most_name));
  };
  const auto logger = name_of(x.logger);
  const auto file = name_of(x.file);
  const auto process = name_of(x.process);
  const auto most_text = capacity_ / most_of_capacity;
  const bool is_cut = x.text.size() > most_text;
  constexpr std::string_view cut_mark = " [cut]";
  const auto text = is_cut ? x.text.substr(0, most_text) : x.text;
  entry head{};
  head.text_size = static_cast<std::uint32_t>(text.size()
                                              + (is_cut ? cut_mark.size() : 0));
  head.logger_size = static_cast<std::uint16_t>(logger.size());
  head.file_size = static_cast<std::uint16_t>(file.size());
  head.process_size = static_cast<std::uint16_t>(process.size());
  head.level = static_cast<std::uint8_t>(x.level);
  head.process_id = x.process_id;
  head.thread_id = x.thread_id;
  head.line = x.line;
  head.size = static_cast<std::uint32_t>(align(sizeof(entry) + logger.size()
                                               + file.size() + process.size()
                                               + head.text_size));

  auto& shared = *control_;
  bool locked = lock();
  const auto patience = shared.patience.load(std::memory_order_relaxed);
  for (std::uint32_t waited = 0;
       locked && waited < patience && !has_room(head.size, x.level); ++waited) {
    ::pthread_mutex_unlock(&shared.mutex);
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    locked = lock();
  }
  if (!locked || !has_room(head.size, x.level)) {
    const bool is_lost = which == attempt::last;
    if (is_lost)
      shared.dropped.fetch_add(1, std::memory_order_relaxed);
    if (locked) {
      shared.next_sequence += is_lost ? 1 : 0;
      ::pthread_mutex_unlock(&shared.mutex);
    }
    return push_result::dropped;
  }
  // Within the lock, so that lines are in the order of their times.
  head.time = x.time != 0 ? x.time : wall_clock();
  head.sequence = shared.next_sequence++;
  const auto at = shared.written.load(std::memory_order_relaxed);
  auto* to = data_ + at % capacity_;
  const auto append = [&to](const void* from, std::size_t size) {
    if (size != 0) // of nothing, memcpy may not even be told where it is
      std::memcpy(to, from, size);
    to += size;
  };
  append(&head, sizeof(head));
  append(logger.data(), logger.size());
  append(file.data(), file.size());
  append(process.data(), process.size());
  append(text.data(), text.size());
  if (is_cut)
    append(cut_mark.data(), cut_mark.size());
  // Against `fall_asleep`: one of both sees the other.
  shared.written.store(at + head.size, std::memory_order_seq_cst);
  const bool asleep = shared.asleep.load(std::memory_order_seq_cst) != 0
                      && shared.asleep.exchange(0) != 0;
  ::pthread_mutex_unlock(&shared.mutex);
  return asleep ? push_result::reader_sleeps : push_result::accepted;
}

void log_queue::set_patience(std::uint32_t milliseconds) noexcept {
  control_->patience.store(milliseconds, std::memory_order_relaxed);
}

std::uint32_t log_queue::level_generation() const noexcept {
  return control_->generation.load(std::memory_order_relaxed);
}

std::string log_queue::levels() const {
  auto& shared = *control_;
  std::string result;
  // The writer is done at once; what is read while it changes is read again.
  for (int tries = 0; tries != 1'000; ++tries) {
    const auto before = shared.generation.load(std::memory_order_acquire);
    const auto size = std::min<std::size_t>(shared.levels_size.load(),
                                            sizeof(shared.levels));
    result.assign(shared.levels, size);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0
        && before == shared.generation.load(std::memory_order_relaxed))
      return result;
    std::this_thread::yield();
  }
  return {};
}

// -- reader -------------------------------------------------------------------

std::optional<log_record> log_queue::front() {
  if (read_ == seen_)
    seen_ = control_->written.load(std::memory_order_acquire);
  const auto available = seen_ - read_;
  if (available == 0)
    return std::nullopt;
  const auto give_up = [&] {
    damaged_ = true;
    read_ = seen_;
    control_->read.store(read_, std::memory_order_release);
    return std::nullopt;
  };
  if (available < sizeof(entry) || available > capacity_)
    return give_up();
  const auto* from = data_ + read_ % capacity_;
  entry head;
  std::memcpy(&head, from, sizeof(head));
  const auto texts = std::uint64_t{head.text_size} + head.logger_size
                     + head.file_size + head.process_size;
  if (head.size > available || head.size % alignment != 0
      || head.size < sizeof(entry) + texts
      || head.level >= static_cast<std::uint8_t>(log_level::off))
    return give_up();
  front_size_ = head.size;
  from += sizeof(entry);
  const auto take = [&from](std::size_t size) {
    const std::string_view result{reinterpret_cast<const char*>(from), size};
    from += size;
    return result;
  };
  log_record result;
  result.level = static_cast<log_level>(head.level);
  result.process_id = head.process_id;
  result.thread_id = head.thread_id;
  result.line = head.line;
  result.sequence = head.sequence;
  result.time = head.time;
  result.logger = take(head.logger_size);
  result.file = take(head.file_size);
  result.process = take(head.process_size);
  result.text = take(head.text_size);
  return result;
}

void log_queue::pop() noexcept {
  read_ += std::exchange(front_size_, 0);
  control_->read.store(read_, std::memory_order_release);
}

bool log_queue::is_filling() const noexcept {
  const auto read = control_->read.load(std::memory_order_relaxed);
  return control_->written.load(std::memory_order_relaxed) - read
         > capacity_ / 4;
}

std::uint64_t log_queue::dropped() const noexcept {
  return control_->dropped.load(std::memory_order_relaxed);
}

bool log_queue::fall_asleep() noexcept {
  control_->asleep.store(1, std::memory_order_seq_cst);
  return control_->written.load(std::memory_order_seq_cst) == read_;
}

void log_queue::wake_up() noexcept {
  control_->asleep.store(0, std::memory_order_relaxed);
}

bool log_queue::set_levels(std::string_view text) noexcept {
  auto& shared = *control_;
  if (text.size() > sizeof(shared.levels))
    return false;
  shared.generation.fetch_add(1, std::memory_order_acq_rel);
  std::atomic_thread_fence(std::memory_order_release);
  std::memcpy(shared.levels, text.data(), text.size());
  shared.levels_size.store(static_cast<std::uint32_t>(text.size()));
  shared.generation.fetch_add(1, std::memory_order_release);
  return true;
}

} // namespace puma::internal
