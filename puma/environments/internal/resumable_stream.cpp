// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/resumable_stream.hpp"

#include "puma/base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

namespace puma::internal {

namespace {

using outcome = byte_end::outcome;

constexpr std::uint32_t confirms = 0x8000'0000;
constexpr std::uint32_t ends = 0x4000'0000;

constexpr std::size_t most_in_frame = 64 * 1024;

/// What is put together before it is written: a full record of TLS. The rest of
/// a larger frame is written from where it is.
constexpr std::size_t stage_bytes = 16 * 1024;

/// So much is confirmed at once: long before the other side has to wait.
constexpr std::uint64_t confirm_after = resumable_stream::window_bytes / 4;

/// One end of a stream, for a pump.
class pumped_end final : public byte_end {
 public:
  explicit pumped_end(std::shared_ptr<resumable_stream> x)
    : stream_(std::move(x)) {}

  result read(bytes to) override { return stream_->read(to); }

  result write(std::span<const std::byte> from) override {
    return stream_->write(from);
  }

  void finish(int stop) noexcept override { stream_->finish(stop); }

  [[nodiscard]] int descriptor() const noexcept override {
    return stream_->descriptor();
  }

  [[nodiscard]] short read_events() const noexcept override {
    return stream_->read_events();
  }

  [[nodiscard]] short write_events() const noexcept override {
    return stream_->write_events();
  }

 private:
  std::shared_ptr<resumable_stream> stream_;
};

} // namespace

std::unique_ptr<byte_end> resumable_end(std::shared_ptr<resumable_stream> x) {
  return std::make_unique<pumped_end>(std::move(x));
}

resumable_stream::resumable_stream(
  std::unique_ptr<byte_end> first, std::chrono::milliseconds grace,
  std::function<void(resumable_stream&)> on_cut)
  : grace_(grace),
    on_cut_(std::move(on_cut)),
    timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
    raw_(std::move(first)) {
  if (timer_.get() < 0)
    throw error{std::string{"timerfd_create failed: "} + std::strerror(errno)};
}

// -- for a pump ---------------------------------------------------------------

byte_end::result resumable_stream::read(byte_end::bytes to) {
  std::unique_lock lock{mutex_};
  install();
  std::size_t done = 0;
  fill();
  for (;;) {
    if (in_left_ == 0 && !parse_head())
      break;
    const auto n = std::min({in_left_, in_end_ - in_begin_, to.size() - done});
    if (n == 0)
      break;
    std::memcpy(to.data() + done, in_.get() + in_begin_, n);
    done += n;
    in_begin_ += n;
    in_left_ -= n;
    received_ += n;
  }
  flush();
  if (done != 0)
    return {outcome::some, done};
  const bool is_cut = settle();
  const auto result = over_ || others_end_ ? outcome::over : outcome::blocked;
  lock.unlock();
  if (is_cut && on_cut_)
    on_cut_(*this);
  return {result};
}

byte_end::result resumable_stream::write(std::span<const std::byte> from) {
  const std::lock_guard guard{mutex_};
  install();
  if (over_ || others_end_)
    return {outcome::over};
  // What comes first may confirm something, and so make room.
  const bool was_connected = raw_ != nullptr;
  const bool has_news = fill();
  static_cast<void>(in_left_ == 0 && parse_head());
  if (!window_)
    window_ = std::make_unique_for_overwrite<std::byte[]>(window_bytes);
  std::size_t done = 0;
  while (done != from.size() && written_ - confirmed_ != window_bytes) {
    const auto at = static_cast<std::size_t>(written_ % window_bytes);
    const auto room = static_cast<std::size_t>(window_bytes
                                               - (written_ - confirmed_));
    const auto n = std::min({from.size() - done, room, window_bytes - at});
    std::memcpy(window_.get() + at, from.data() + done, n);
    done += n;
    written_ += n;
  }
  flush();
  if (over_)
    return {outcome::over};
  // What has come, or that nothing more will, is for `read` to see.
  if (done != 0 || has_news || (was_connected && !raw_))
    return {outcome::some, done};
  return {outcome::blocked};
}

int resumable_stream::descriptor() const {
  const std::lock_guard guard{mutex_};
  return raw_ && !abandoned_ ? raw_->descriptor() : timer_.get();
}

short resumable_stream::read_events() const {
  const std::lock_guard guard{mutex_};
  if (!raw_ || abandoned_)
    return POLLIN;
  const bool waits_to_send = staged_begin_ != staged_end_ || sent_ != written_
                             || must_confirm();
  const auto out = waits_to_send ? raw_->write_events() : short{0};
  // Else the pump would be woken for what there is no place for.
  const auto in = in_end_ - in_begin_ != most_in_frame ? raw_->read_events()
                                                       : short{0};
  return static_cast<short>(in | out);
}

short resumable_stream::write_events() const {
  return read_events(); // room comes with what the other side confirms
}

void resumable_stream::finish(int stop) noexcept {
  try {
    const auto limit = clock::now() + grace_;
    std::vector<std::byte> ignored(most_in_frame);
    for (;;) {
      {
        const std::lock_guard guard{mutex_};
        finishing_ = true;
      }
      const auto x = read(ignored);
      pollfd watched[] = {{-1, 0, 0}, {stop, POLLIN, 0}};
      {
        const std::lock_guard guard{mutex_};
        const bool all_said = end_sent_ && staged_begin_ == staged_end_;
        if (over_ || (all_said && confirmed_ == written_ && others_end_))
          return;
        // Who has said its end, and is gone, has all that it wants.
        if (others_end_ && !raw_)
          return;
      }
      if (x.what == outcome::some)
        continue;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        limit - clock::now());
      if (left.count() <= 0)
        return;
      watched[0].events = read_events();
      watched[0].fd = descriptor();
      ::poll(watched, std::size(watched), static_cast<int>(left.count()));
      if (watched[1].revents != 0)
        return;
    }
  } catch (const std::exception&) {
    // Without memory there is no end to tell; the other side notices.
  }
}

// -- for who makes connections ------------------------------------------------

std::optional<std::uint64_t> resumable_stream::take_over() {
  const std::lock_guard guard{mutex_};
  if (over_ || (end_sent_ && others_end_))
    return std::nullopt;
  if (raw_ && !abandoned_) {
    // The pump may be waiting for it, and must not find another one with the
    // same number: it closes it itself.
    abandoned_ = true;
    ::shutdown(raw_->descriptor(), SHUT_RDWR);
  }
  next_ = nullptr;
  if (!std::exchange(cut_, true))
    deadline_ = clock::now() + grace_;
  alarm_at(deadline_);
  // That comes again; and the other side will know.
  in_begin_ = in_end_ = in_left_ = 0;
  told_ = received_;
  return received_;
}

void resumable_stream::resume(std::unique_ptr<byte_end> by,
                              std::uint64_t others_received) {
  const std::lock_guard guard{mutex_};
  next_ = std::move(by);
  next_received_ = others_received;
  alarm_at(clock::now());
}

void resumable_stream::give_up() {
  const std::lock_guard guard{mutex_};
  if (!cut_)
    return;
  deadline_ = clock::now();
  alarm_at(deadline_);
}

std::optional<resumable_stream::clock::time_point>
resumable_stream::cut_until() const {
  const std::lock_guard guard{mutex_};
  if (!cut_ || over_)
    return std::nullopt;
  return deadline_;
}

// -- connections --------------------------------------------------------------

void resumable_stream::alarm_at(clock::time_point when) {
  const auto since = std::max(when.time_since_epoch(),
                              clock::duration{1}); // 0 would disarm it
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  itimerspec spec{};
  spec.it_value.tv_sec = seconds.count();
  spec.it_value.tv_nsec = static_cast<long>(
    std::chrono::nanoseconds{since - seconds}.count());
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void resumable_stream::drop_connection() {
  raw_ = nullptr;
  abandoned_ = false;
  staged_begin_ = staged_end_ = 0; // it comes again, from the window
  out_left_ = 0;
}

/// Takes the next connection, if the last one is gone and there is one.
void resumable_stream::install() {
  if (!cut_ || over_)
    return;
  if (abandoned_)
    drop_connection();
  if (!next_) {
    if (clock::now() >= deadline_)
      end();
    return;
  }
  drop_connection();
  if (next_received_ < confirmed_ || next_received_ > sent_)
    return end(); // the window does not go back so far, or it is a liar
  raw_ = std::move(next_);
  confirmed_ = sent_ = next_received_;
  end_sent_ = false;
  end_told_ = false;
  broken_ = false;
  cut_ = false;
  const itimerspec never{};
  ::timerfd_settime(timer_.get(), 0, &never, nullptr);
}

/// What a connection has brought has been read as far as that goes.
bool resumable_stream::settle() {
  if (!broken_ || cut_ || over_)
    return false;
  if (others_end_) {
    end(); // nobody is there who wants anything
    return false;
  }
  cut_ = true;
  const auto progress = received_ + confirmed_;
  if (deadline_ == clock::time_point{} || progress != progress_)
    deadline_ = clock::now() + grace_;
  progress_ = progress;
  alarm_at(deadline_);
  return true;
}

void resumable_stream::end() {
  over_ = true;
  next_ = nullptr;
  drop_connection();
}

// -- out ----------------------------------------------------------------------

/// What can be written at once of the frame that has begun.
std::span<const std::byte> resumable_stream::unsent() const {
  const auto at = static_cast<std::size_t>(sent_ % window_bytes);
  return {window_.get() + at, std::min(out_left_, window_bytes - at)};
}

bool resumable_stream::must_confirm() const {
  return received_ - told_ >= confirm_after || (others_end_ && !end_told_);
}

/// Appends what there is to be said, as far as it fits.
void resumable_stream::stage() {
  if (!staged_)
    staged_ = std::make_unique_for_overwrite<std::byte[]>(stage_bytes);
  const auto put = [this](auto x) {
    std::memcpy(staged_.get() + staged_end_, &x, sizeof(x));
    staged_end_ += sizeof(x);
  };
  if (must_confirm()) {
    put(confirms);
    put(received_);
    told_ = received_;
    end_told_ = others_end_;
  }
  out_left_ = static_cast<std::size_t>(std::min<std::uint64_t>(
    written_ - sent_, most_in_frame - sizeof(confirms)));
  if (out_left_ != 0)
    put(static_cast<std::uint32_t>(out_left_));
  while (out_left_ != 0 && staged_end_ != stage_bytes) {
    const auto part = unsent().first(
      std::min(unsent().size(), stage_bytes - staged_end_));
    std::memcpy(staged_.get() + staged_end_, part.data(), part.size());
    staged_end_ += part.size();
    out_left_ -= part.size();
    sent_ += part.size();
  }
  if (finishing_ && !end_sent_ && sent_ == written_
      && stage_bytes - staged_end_ >= sizeof(ends)) {
    put(ends);
    end_sent_ = true;
  }
}

void resumable_stream::flush() {
  while (raw_ && !abandoned_) {
    if (staged_begin_ == staged_end_ && out_left_ == 0) {
      staged_begin_ = staged_end_ = 0;
      stage();
      if (staged_end_ == 0)
        return;
    }
    const bool is_staged = staged_begin_ != staged_end_;
    const auto x = raw_->write(
      is_staged ? std::span<const std::byte>{staged_.get() + staged_begin_,
                                             staged_end_ - staged_begin_}
                : unsent());
    if (x.what == outcome::over) {
      drop_connection();
      broken_ = true;
    }
    if (x.what != outcome::some)
      return;
    if (is_staged) {
      staged_begin_ += x.size;
    } else {
      out_left_ -= x.size;
      sent_ += x.size;
    }
  }
}

// -- in -----------------------------------------------------------------------

/// Returns whether something has come.
bool resumable_stream::fill() {
  if (!in_)
    in_ = std::make_unique_for_overwrite<std::byte[]>(most_in_frame);
  if (in_begin_ == in_end_)
    in_begin_ = in_end_ = 0;
  if (in_begin_ != 0 && most_in_frame - in_end_ < most_in_frame / 2) {
    std::memmove(in_.get(), in_.get() + in_begin_, in_end_ - in_begin_);
    in_end_ -= std::exchange(in_begin_, 0);
  }
  bool has_come = false;
  while (raw_ && !abandoned_ && in_end_ != most_in_frame) {
    const auto x = raw_->read({in_.get() + in_end_, most_in_frame - in_end_});
    if (x.what == outcome::over) {
      drop_connection();
      broken_ = true;
    }
    if (x.what != outcome::some)
      break;
    in_end_ += x.size;
    has_come = true;
  }
  return has_come;
}

/// Takes what is said until there are bytes of the stream to be read; false
/// when there are none.
bool resumable_stream::parse_head() {
  for (;;) {
    const auto have = in_end_ - in_begin_;
    std::uint32_t head = 0;
    if (have < sizeof(head))
      return false;
    std::memcpy(&head, in_.get() + in_begin_, sizeof(head));
    if (head == ends) {
      in_begin_ += sizeof(head);
      others_end_ = true;
    } else if (head == confirms) {
      std::uint64_t count = 0;
      if (have < sizeof(head) + sizeof(count))
        return false;
      std::memcpy(&count, in_.get() + in_begin_ + sizeof(head), sizeof(count));
      in_begin_ += sizeof(head) + sizeof(count);
      if (count < confirmed_ || count > sent_) {
        end(); // what was never sent
        return false;
      }
      confirmed_ = count;
    } else if (head == 0 || head > most_in_frame || others_end_) {
      end();
      return false;
    } else {
      in_begin_ += sizeof(head);
      in_left_ = head;
      return true;
    }
  }
}

} // namespace puma::internal
