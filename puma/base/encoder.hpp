// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma {

/// Collects the bytes of values that go to another process.
///
/// *Format.* Both ends run the same executable, so the bytes are those of
/// memory, without types, names or versions.
///
/// *Threads.* Belongs to one thread at a time.
class encoder {
 public:
  /// How deep values may hold values of their own kind, as trees do.
  static constexpr std::size_t max_depth = 256;

  /// `context` is for codecs of handles, which have to know what they cross
  /// from; the encoder only passes it on.
  explicit encoder(void* context = nullptr) noexcept : context_(context) {}

  encoder(encoder&& other) noexcept
    : first_(std::exchange(other.first_, nullptr)),
      next_(std::exchange(other.next_, nullptr)),
      limit_(std::exchange(other.limit_, nullptr)),
      depth_(std::exchange(other.depth_, 0)),
      context_(other.context_),
      leaves_host_(other.leaves_host_),
      kept_(std::move(other.kept_)) {}

  encoder& operator=(encoder&& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(next_, other.next_);
    std::swap(limit_, other.limit_);
    std::swap(depth_, other.depth_);
    std::swap(context_, other.context_);
    std::swap(leaves_host_, other.leaves_host_);
    kept_.swap(other.kept_);
    return *this;
  }

  ~encoder();

  /// Appends `bytes` bytes.
  void block(const void* data, std::size_t bytes) {
    if (bytes > static_cast<std::size_t>(limit_ - next_))
      grow(bytes);
    if (bytes != 0)
      std::memcpy(next_, data, bytes);
    next_ += bytes;
  }

  /// Returns room for `bytes` bytes behind those that were appended, to be
  /// written by the caller and then appended by `commit`.
  std::byte* prepare(std::size_t bytes) {
    if (bytes > static_cast<std::size_t>(limit_ - next_))
      grow(bytes);
    return next_;
  }

  /// Appends what was written where `prepare` said.
  void commit(std::size_t bytes) noexcept { next_ += bytes; }

  /// Appends a number or an enumerator.
  template <class T>
  void number(T x) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>,
                  "number takes arithmetic types and enums");
    block(&x, sizeof(T));
  }

  /// Appends the number of elements that follow.
  void size(std::size_t n) {
    if (n < 255) {
      number(static_cast<std::uint8_t>(n));
    } else {
      number(std::uint8_t{255});
      number(std::uint64_t{n});
    }
  }

  /// Returns what has been appended, until the next call that changes it.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {first_, size()};
  }

  /// Returns how many bytes have been appended.
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(next_ - first_);
  }

  /// Forgets the bytes and keeps the memory. An `encode` that threw leaves half
  /// a value behind, which this removes.
  void clear() noexcept {
    next_ = first_;
    depth_ = 0;
    kept_.clear();
  }

  /// Keeps what the bytes denote, for as long as they are here.
  void keep(std::shared_ptr<const void> x) { kept_.push_back(std::move(x)); }

  /// Keeps what `x` keeps, of which some bytes are here, too.
  void keep_as(const encoder& x) {
    kept_.insert(kept_.end(), x.kept_.begin(), x.kept_.end());
  }

  [[nodiscard]] void* context() const noexcept { return context_; }

  /// Whether the bytes go to another host, where handles of what is in memory
  /// that processes share mean nothing.
  [[nodiscard]] bool leaves_host() const noexcept { return leaves_host_; }
  void set_leaves_host(bool x) noexcept { leaves_host_ = x; }

  /// Codecs of types that may hold themselves call these around each value.
  /// Throws `usage_error` for a value deeper than `max_depth`.
  void enter() {
    if (depth_ == max_depth)
      throw_too_deep();
    ++depth_;
  }

  void leave() noexcept { --depth_; }

 private:
  void grow(std::size_t bytes);
  [[noreturn]] static void throw_too_deep();

  std::byte* first_ = nullptr;
  std::byte* next_ = nullptr;
  std::byte* limit_ = nullptr;
  std::size_t depth_ = 0;
  void* context_;
  bool leaves_host_ = false;
  std::vector<std::shared_ptr<const void>> kept_;
};

} // namespace puma
