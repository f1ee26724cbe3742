// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_hub.hpp"

#include "puma/base/error.hpp"
#include "puma/logging/internal/spdlog_bridge.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace puma::internal {

namespace {

using namespace std::chrono_literals;

/// Between the names of a worker and of a worker that it has started.
constexpr char nesting_mark = '/';

constexpr std::string_view own_logger = "puma.logging";

/// How long lines are held back for older ones of other processes.
constexpr auto reorder_window = 5ms;

/// Times that are further ahead come from a clock that was set back.
constexpr std::int64_t most_ahead_ns = 1'000'000'000;

/// Pumps that find nothing, before the thread sleeps until it is woken. Until
/// then writers need not wake it.
constexpr int idle_pumps = 10;

/// As long as a printed line may wait for its end.
constexpr auto partial_line_time = 1s;

constexpr std::size_t longest_printed_line = 16 * 1024;

constexpr std::size_t most_lines_per_pump = 100'000;

/// What a pump may take that is to take everything.
constexpr auto most_pump_time = 5s;

/// What callers wait for an output that does not get on.
constexpr auto most_wait = 5s;

/// What a line waits for the others that are being written; then somebody else
/// writes it.
constexpr auto line_patience = 200ms;

constexpr auto drop_report_interval = 1s;

std::atomic<std::uint32_t> own_process{0};

/// This process was forked from one that has logged: its lines go to the queue
/// of that one.
std::atomic<bool> is_forked{false};

std::uint32_t process_id() noexcept {
  auto result = own_process.load(std::memory_order_relaxed);
  if (result == 0) {
    result = static_cast<std::uint32_t>(::getpid());
    own_process.store(result, std::memory_order_relaxed);
  }
  return result;
}

std::uint32_t& known_thread_id() noexcept {
  thread_local std::uint32_t instance = 0;
  return instance;
}

std::uint32_t thread_id() noexcept {
  auto& result = known_thread_id();
  if (result == 0)
    result = static_cast<std::uint32_t>(::gettid());
  return result;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::int64_t wall_clock() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

void write_to(int descriptor) noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(descriptor, &one, sizeof(one)));
}

/// A pipe of which only the end for writing is inherited.
std::pair<int, int> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw error{std::string{"log output: no pipe for what a worker prints: "}
                + std::strerror(errno)};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {ends[0], ends[1]};
}

} // namespace

std::string_view base_name(std::string_view path) noexcept {
  return path.substr(path.rfind('/') + 1);
}

/// A process whose lines are taken from its queue.
struct log_hub::source {
  process_key key;
  std::string name;
  std::shared_ptr<log_queue> queue;
  std::uint32_t process = 0;
  std::optional<log_record> front; // of `queue`
  std::uint64_t reported_drops = 0;
  std::chrono::steady_clock::time_point next_drop_report{};
  bool reported_damage = false;
  bool has_ended = false;
};

/// What a process prints.
struct log_hub::stream {
  process_key key;
  std::string name; // of the process
  std::string_view logger;
  log_level level;
  int descriptor;
  std::uint32_t process = 0;
  std::string partial;
  std::chrono::steady_clock::time_point partial_since{};
  bool at_end = false;

  ~stream() { ::close(descriptor); }
};

log_hub& log_hub::instance() noexcept {
  // Never destroyed: other static objects may log while they go.
  static auto* hub = [] {
    auto* result = new log_hub;
    ::pthread_atfork([] { instance().before_fork(); },
                     [] { instance().after_fork(false); },
                     [] { instance().after_fork(true); });
    std::atexit([] { instance().end(); });
    return result;
  }();
  return *hub;
}

log_hub::log_hub()
  : host_(host_name()),
    own_name_(program_invocation_short_name),
    output_(std::make_unique<log_output>(log_config::defaults())) {
  try {
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue_ = log_queue::make(output_->config().queue_bytes);
    auto own = std::make_unique<source>();
    own->key = last_key_;
    own->name = own_name_;
    own->queue = queue_;
    sources_.push_back(std::move(own));
    publish_levels();
  } catch (const std::exception&) {
    queue_.reset(); // then lines go to the standard error, see `submit`
    sources_.clear();
  }
  refresh();
}

// -- levels -------------------------------------------------------------------

void log_hub::refresh() noexcept {
  try {
    std::uint32_t generation = 0;
    auto known = std::make_shared<const level_table>(log_level::warning);
    if (queue_) {
      generation = queue_->level_generation();
      known = std::make_shared<const level_table>(
        level_table::parse(queue_->levels()));
    }
    const auto lowest = known->lowest();
    {
      const std::lock_guard guard{table_mutex_};
      // Another thread may have read a later one meanwhile.
      if (queue_ && generation != queue_->level_generation())
        return;
      table_ = std::move(known);
      lowest_.store(lowest, std::memory_order_relaxed);
      known_generation_.store(generation, std::memory_order_release);
    }
    if (!is_forked)
      set_spdlog_level(lowest);
  } catch (const std::exception&) {
    // Without memory everything stays as it is.
  }
}

std::uint32_t log_hub::generation() const noexcept {
  return queue_ ? queue_->level_generation() : 0;
}

std::shared_ptr<const level_table> log_hub::table() {
  if (generation() != known_generation_.load(std::memory_order_acquire))
    refresh();
  const std::lock_guard guard{table_mutex_};
  return table_;
}

log_level log_hub::lowest_level() noexcept {
  if (generation() != known_generation_.load(std::memory_order_acquire))
    refresh();
  return lowest_.load(std::memory_order_relaxed);
}

log_level log_hub::level_of(std::string_view logger) noexcept {
  try {
    return table()->of(logger);
  } catch (const std::exception&) {
    return log_level::warning;
  }
}

bool log_hub::logs(log_level level, std::string_view logger) noexcept {
  return level != log_level::off && level >= lowest_level()
         && level >= level_of(logger);
}

void log_hub::publish_levels() {
  auto text = captures_.empty()
                ? level_table{output_->levels(overrides_)}.to_text()
                : level_table{log_level::trace}.to_text();
  for (auto& x : sources_)
    if (!x->queue->set_levels(text))
      throw usage_error{"logging: the levels of too many loggers are set"};
}

// -- configuration ------------------------------------------------------------

void log_hub::check_is_owner(const char* what) const {
  if (is_worker_)
    throw usage_error{std::string{what}
                      + ": is for the process that owns the runtime; workers "
                        "follow it"};
}

std::unique_lock<std::timed_mutex> log_hub::lock_pump() {
  std::unique_lock result{pump_mutex_, most_wait};
  if (!result)
    throw timeout_error{
      "log output: is stuck, a handler does not get on with writing"};
  return result;
}

void log_hub::reconfigure(std::unique_ptr<log_output> output,
                          const std::function<void(level_map&)>& change) {
  const auto lock = lock_pump();
  pump_locked(extent::all);
  auto overrides = overrides_;
  change(overrides);
  const auto swap_all = [&] {
    if (output)
      std::swap(output_, output);
    std::swap(overrides_, overrides);
  };
  swap_all();
  try {
    publish_levels();
  } catch (...) {
    swap_all();
    publish_levels();
    throw;
  }
  for (auto& x : sources_)
    if (x->queue != queue_) // this process writes itself when it is full
      x->queue->set_patience(output_->config().queue_wait);
}

void log_hub::configure(log_config config) {
  check_is_owner("logging::configure");
  // The new handlers may have the files of the old ones.
  flush();
  reconfigure(std::make_unique<log_output>(std::move(config)),
              [](level_map& x) { x.clear(); });
}

void log_hub::override_level(std::string_view prefix, log_level level) {
  check_is_owner("logging::override_level");
  reconfigure(nullptr, [&](level_map& x) { x[std::string{prefix}] = level; });
}

void log_hub::reset_levels() {
  check_is_owner("logging::reset_levels");
  reconfigure(nullptr, [](level_map& x) { x.clear(); });
}

logging::statistics log_hub::stats() {
  const auto lock = lock_pump();
  logging::statistics result;
  result.lines = lines_;
  result.dropped = gone_dropped_;
  for (auto& x : sources_)
    result.dropped += x->queue->dropped();
  result.handlers = output_->stats();
  return result;
}

// -- lines --------------------------------------------------------------------

void log_hub::submit(log_record& x) noexcept {
  if (x.process_id == 0)
    x.process_id = process_id();
  if (x.thread_id == 0)
    x.thread_id = thread_id();
  if (is_nested_ && x.process.empty())
    x.process = own_name_;
  if (!queue_) {
    try {
      std::string text{to_string(x.level)};
      text.append(" ").append(x.logger).append(": ").append(x.text).append(
        "\n");
      static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
    } catch (const std::exception&) {
      // There is not even memory for one line.
    }
    return;
  }
  if (is_worker_ || is_forked) {
    wake_reader(queue_->push(x));
    return;
  }
  // When it is full, this process can make room itself.
  auto result = queue_->push(x, log_queue::attempt::first);
  if (result == log_queue::push_result::dropped) {
    pump_soon();
    result = queue_->push(x);
  }
  if (x.level >= log_level::warning || is_ending_)
    pump_soon();
  else if (!has_thread_.load(std::memory_order_acquire))
    start_thread();
  wake_reader(result);
}

void log_hub::wake_reader(log_queue::push_result x) const noexcept {
  if (x == log_queue::push_result::reader_sleeps)
    write_to(is_worker_ ? owners_wake_ : wake_);
}

void log_hub::flush() noexcept {
  if (!is_forked)
    pump(extent::all, most_wait);
}

void log_hub::pump_soon() noexcept {
  // An output that does not get on is waited for once, not by each line.
  pump(extent::all_lines,
       is_stalled_.load(std::memory_order_relaxed) ? 0ms : line_patience);
}

bool log_hub::pump(extent how, std::chrono::milliseconds patience) noexcept {
  try {
    const std::unique_lock lock{pump_mutex_, patience};
    is_stalled_.store(!lock.owns_lock(), std::memory_order_relaxed);
    return lock.owns_lock() && pump_locked(how);
  } catch (const std::exception&) {
    return false; // what is in the queues stays there
  }
}

bool log_hub::pump_locked(extent how) {
  take_news();
  bool busy = how != extent::all_lines && read_streams();
  busy = take_lines(how) || busy;
  for (auto& x : sources_)
    report_drops(*x, how == extent::all || x->has_ended);
  std::erase_if(sources_, [&](auto& x) {
    const bool is_over = x->has_ended && !x->front && !x->queue->front();
    if (is_over)
      gone_dropped_ += x->queue->dropped();
    return is_over;
  });
  if (!is_worker_)
    output_->flush();
  return busy;
}

bool log_hub::take_lines(extent how) {
  const auto now = wall_clock();
  const auto due = is_ending_ ? std::numeric_limits<std::int64_t>::max()
                   : how == extent::what_is_due
                     ? now - std::chrono::nanoseconds{reorder_window}.count()
                     : now;
  const auto until = std::chrono::steady_clock::now() + most_pump_time;
  bool has_more = false;
  for (std::size_t taken = 1;; ++taken) {
    if (taken % most_lines_per_pump == 0
        && (how == extent::what_is_due
            || std::chrono::steady_clock::now() > until))
      break;
    source* next = nullptr;
    has_more = false;
    for (auto& x : sources_) {
      if (!x->front)
        x->front = x->queue->front();
      if (!x->front)
        continue;
      const auto time = x->front->time;
      const bool is_held = time > due && time <= now + most_ahead_ns
                           && !x->queue->is_filling() && !x->has_ended;
      has_more = true;
      if (!is_held && (!next || time < next->front->time))
        next = x.get();
    }
    if (!next)
      break;
    deliver(*next, *next->front);
    next->front.reset();
    next->queue->pop();
  }
  return has_more;
}

void log_hub::deliver(const source& from, log_record x) {
  if (x.process.empty())
    x.process = from.name;
  if (x.process_id == 0)
    x.process_id = from.process;
  ++lines_;
  if (captures_.empty()) {
    output_->write(x, host_);
  } else {
    try {
      captures_.back()->on_line(x);
    } catch (const std::exception&) {
      // A test that runs out of memory notices otherwise.
    }
  }
}

void log_hub::report_drops(source& x, bool at_once) {
  const auto say = [&](const std::string& text) {
    log_record line;
    line.level = log_level::warning;
    line.logger = own_logger;
    line.time = wall_clock();
    line.text = text;
    deliver(x, line);
  };
  if (x.queue->was_damaged() && !std::exchange(x.reported_damage, true))
    say("lines were lost: the process has damaged its log queue");
  const auto dropped = x.queue->dropped();
  const auto now = std::chrono::steady_clock::now();
  if (dropped == x.reported_drops || (!at_once && now < x.next_drop_report))
    return;
  const auto count = dropped - std::exchange(x.reported_drops, dropped);
  x.next_drop_report = now + drop_report_interval;
  say(std::to_string(count) + " lines were dropped: the log queue was full");
}

// -- what processes print -----------------------------------------------------

bool log_hub::read_streams() {
  bool busy = false;
  for (auto& x : streams_) {
    // What is not read waits in the pipe, and its writer with it.
    if (queue_->is_filling()) {
      busy = true;
      break;
    }
    busy = read_stream(*x) || busy;
  }
  std::erase_if(streams_, [](auto& x) { return x->at_end; });
  return busy;
}

bool log_hub::read_stream(stream& x) {
  std::array<char, 64 * 1024> buffer; // NOLINT: filled by read
  const auto size = ::read(x.descriptor, buffer.data(), buffer.size());
  if (size > 0) {
    if (x.partial.empty())
      x.partial_since = std::chrono::steady_clock::now();
    x.partial.append(buffer.data(), static_cast<std::size_t>(size));
  }
  x.at_end = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
  std::string_view rest = x.partial;
  for (;;) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos && rest.size() < longest_printed_line)
      break;
    const auto length = std::min(end, longest_printed_line);
    take_line(x, rest.substr(0, length));
    rest.remove_prefix(length + (length == end ? 1 : 0));
  }
  const bool is_late = std::chrono::steady_clock::now() - x.partial_since
                       > partial_line_time;
  if (!rest.empty() && (x.at_end || is_late)) {
    take_line(x, rest);
    rest = {};
  }
  if (rest.size() != x.partial.size())
    x.partial_since = std::chrono::steady_clock::now();
  x.partial = std::string{rest};
  return size > 0;
}

void log_hub::take_line(const stream& x, std::string_view text) {
  if (!text.empty() && text.back() == '\r')
    text.remove_suffix(1);
  if (text.empty() || !logs(x.level, x.logger))
    return;
  log_record line;
  line.level = x.level;
  line.logger = x.logger;
  line.process = x.name;
  line.process_id = x.process;
  line.text = text;
  wake_reader(queue_->push(line));
}

// -- processes ----------------------------------------------------------------

log_intake log_hub::add_process(const std::string& name, bool captures_output) {
  if (!queue_)
    throw error{"log output: there is no memory for it"};
  log_intake result;
  {
    const auto lock = lock_pump();
    result.key = ++last_key_;
    if (is_worker_) {
      // The queue of this process will do: its reader is the owner, whatever
      // becomes of this process.
      result.name = own_name_ + nesting_mark + name;
      result.queue = queue_->descriptor();
      result.wake = owners_wake_;
    } else {
      auto x = std::make_unique<source>();
      x->key = result.key;
      x->name = result.name = name;
      x->queue = log_queue::make(output_->config().queue_bytes);
      x->queue->set_levels(queue_->levels());
      x->queue->set_patience(output_->config().queue_wait);
      result.queue = x->queue->descriptor();
      result.wake = wake_;
      sources_.push_back(std::move(x));
    }
    if (captures_output) {
      const auto capture = [&](std::string_view logger, log_level level) {
        const auto [ours, theirs] = make_pipe();
        streams_.push_back(std::unique_ptr<stream>{new stream{
          result.key, result.name, logger, level, ours, 0, {}, {}, false}});
        return theirs;
      };
      try {
        result.output = capture("stdout", log_level::info);
        result.errors = capture("stderr", log_level::warning);
      } catch (...) {
        if (result.output >= 0)
          ::close(result.output);
        std::erase_if(sources_, [&](auto& x) { return x->key == result.key; });
        throw;
      }
    }
  }
  start_thread();
  wake();
  return result;
}

void log_hub::process_started(process_key who, pid_t process) noexcept {
  const std::lock_guard guard{news_mutex_};
  news_.push_back({who, process});
}

void log_hub::process_ended(process_key who) noexcept {
  {
    const std::lock_guard guard{news_mutex_};
    news_.push_back({who, {}});
  }
  pump(extent::all, most_wait);
}

void log_hub::take_news() {
  const auto news = [this] {
    const std::lock_guard guard{news_mutex_};
    return std::exchange(news_, {});
  }();
  for (auto& [key, started] : news) {
    for (auto& x : sources_) {
      if (x->key != key)
        continue;
      x->has_ended = x->has_ended || !started;
      x->process = started ? static_cast<std::uint32_t>(*started) : x->process;
    }
    for (auto& x : streams_)
      if (x->key == key && started)
        x->process = static_cast<std::uint32_t>(*started);
  }
}

void log_hub::attach(int queue, int wake, const std::string& name) {
  auto to = log_queue::attach(queue);
  const std::lock_guard guard{pump_mutex_};
  owners_wake_ = wake;
  own_name_ = name;
  is_nested_ = name.find(nesting_mark) != std::string::npos;
  is_worker_ = true;
  const auto before = std::exchange(queue_, std::move(to));
  sources_.clear();
  refresh();
  // What was logged before `main`.
  while (before) {
    const auto x = before->front();
    if (!x)
      break;
    if (x->level >= level_of(x->logger))
      queue_->push(*x);
    before->pop();
  }
}

// -- tests --------------------------------------------------------------------

void log_hub::begin_capture(std::shared_ptr<log_capture> x) {
  const auto lock = lock_pump();
  pump_locked(extent::all);
  captures_.push_back(std::move(x));
  publish_levels();
}

void log_hub::end_capture(const log_capture& x) {
  const std::lock_guard guard{pump_mutex_};
  pump_locked(extent::all);
  std::erase_if(captures_, [&](auto& y) { return y.get() == &x; });
  publish_levels();
}

// -- the thread ---------------------------------------------------------------

void log_hub::start_thread() noexcept {
  const std::lock_guard guard{thread_mutex_};
  if (has_thread_ || is_ending_)
    return;
  // No handler of the application runs on it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = new std::thread{[this] { run(); }}; // for as long as this
    has_thread_.store(true, std::memory_order_release);
  } catch (const std::exception&) {
    // Lines then come with the next warning, or with `flush`.
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void log_hub::run() noexcept {
  ::prctl(PR_SET_NAME, "puma.log");
  for (int idle = 0; !is_ending_;) {
    idle = pump(extent::what_is_due, 1s) ? 0 : idle + 1;
    sleep(idle > idle_pumps);
  }
}

void log_hub::sleep(bool deeply) {
  std::vector<pollfd> watched{{wake_, POLLIN, 0}};
  bool is_needed = false;
  bool has_partial = false;
  {
    const std::unique_lock lock{pump_mutex_, most_wait};
    if (!lock)
      return;
    for (auto& x : streams_) {
      watched.push_back({x->descriptor, POLLIN, 0});
      has_partial = has_partial || !x->partial.empty();
    }
    if (deeply)
      for (auto& x : sources_)
        is_needed = !x->queue->fall_asleep() || is_needed;
  }
  const auto shallow = static_cast<int>(
    std::chrono::milliseconds{reorder_window}.count());
  constexpr int second = 1'000;
  const int timeout = is_needed     ? 0
                      : !deeply     ? shallow
                      : has_partial ? second
                                    : 10 * second;
  ::poll(watched.data(), watched.size(), timeout);
  std::uint64_t ignored = 0;
  static_cast<void>(!::read(wake_, &ignored, sizeof(ignored)));
  // If this fails, writers wake a reader that is awake.
  const std::unique_lock lock{pump_mutex_, most_wait};
  if (deeply && lock)
    for (auto& x : sources_)
      x->queue->wake_up();
}

void log_hub::wake() const noexcept {
  write_to(wake_);
}

void log_hub::end() noexcept {
  if (is_forked)
    return;
  is_ending_ = true;
  wake();
  {
    const std::lock_guard guard{thread_mutex_};
    if (thread_ && thread_->get_id() != std::this_thread::get_id()) {
      // It may be stuck in a write: then this process ends all the same.
      timespec until{};
      ::clock_gettime(CLOCK_REALTIME, &until);
      until.tv_sec += std::chrono::seconds{most_wait}.count();
      ::pthread_timedjoin_np(thread_->native_handle(), nullptr, &until);
    }
  }
  pump(extent::all, most_wait);
}

// -- forks --------------------------------------------------------------------

void log_hub::before_fork() noexcept {
  // So that the new process does not find what others were changing. The output
  // may be stuck, which is no reason not to fork.
  forks_with_pump_ = pump_mutex_.try_lock_for(line_patience);
  table_mutex_.lock();
}

void log_hub::after_fork(bool is_child) noexcept {
  table_mutex_.unlock();
  const bool has_pump = forks_with_pump_;
  if (has_pump)
    pump_mutex_.unlock();
  if (!is_child)
    return;
  is_forked = true;
  inherits_output_ = has_pump;
  own_process.store(0);
  known_thread_id() = 0;
}

void log_hub::own_again() {
  if (is_worker_ || !is_forked.exchange(false))
    return;
  if (!inherits_output_)
    throw error{
      "log output: this process was forked while it was stuck; fork "
      "before anything is logged"};
  const auto lock = lock_pump();
  // Threads do not come along; those of the parent, and its processes, stay
  // with it.
  thread_ = nullptr;
  has_thread_ = false;
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  streams_.clear();
  sources_.clear();
  auto own = std::make_unique<source>();
  own->key = last_key_;
  own->name = own_name_;
  own->queue = log_queue::make(output_->config().queue_bytes);
  queue_ = own->queue;
  sources_.push_back(std::move(own));
  publish_levels();
  refresh();
}

} // namespace puma::internal
