// SPDX-License-Identifier: Apache-2.0

// Decodes frames that were damaged in thousands of ways. Each decode either
// succeeds or says what is wrong, and allocates in proportion to the frame.

#include "puma/base/codec.hpp"
#include "tests/base/codec_types.hpp"
#include "tests/base/mutator.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <complex>
#include <cstdlib>
#include <deque>
#include <memory>
#include <new>
#include <set>
#include <unordered_map>

namespace {

/// All bytes that this program has allocated.
std::size_t allocated_bytes = 0;

} // namespace

// Not inlined: the compiler would warn that `free` gets what `new` returned.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  allocated_bytes += bytes;
  if (void* result = std::malloc(bytes == 0 ? 1 : bytes))
    return result;
  throw std::bad_alloc{};
}

[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}

[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace {

using namespace codec_types;
using puma_test::mutator;
using frame = std::vector<std::byte>;

constexpr unsigned seed = 20240229;
constexpr int rounds = 4000;

/// What one byte may cost: an empty string is one byte here and 32 in memory.
constexpr std::size_t bytes_per_byte = 32;
/// Text of an error, and the least that a container allocates.
constexpr std::size_t bytes_per_frame = 1024;

template <class T>
frame frame_of(const T& x) {
  puma::encoder to;
  puma::encode(to, x);
  return {to.bytes().begin(), to.bytes().end()};
}

template <class T>
struct room_for {
  alignas(T) std::byte bytes[sizeof(T)];
};

/// Decodes damaged frames of `x` as links do.
template <class T>
void survive(const T& x) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const auto* ops = puma::detail::wire_ops_of<T>();
  ASSERT_NE(ops, nullptr);
  const auto whole = frame_of(x);
  const auto place = std::make_unique<room_for<T>>();
  void* memory = place.get();
  mutator damage{seed};
  int refused = 0;
  for (int round = 0; round != rounds; ++round) {
    auto bytes = whole;
    for (auto times = 1 + damage.number(3); times != 0; --times)
      damage(bytes);
    // No spare room, for the address sanitizer.
    const frame exact(bytes.begin(), bytes.end());
    puma::decoder from{exact};

    const auto before = allocated_bytes;
    const auto made = ops->decode(from, memory, 1);
    const auto cost = allocated_bytes - before;

    ASSERT_LE(cost, bytes_per_byte * exact.size() + bytes_per_frame)
      << "round " << round << ", frame of " << exact.size() << " bytes";
    ASSERT_EQ(made, from.ok() ? 1u : 0u) << "round " << round;
    ASSERT_NE(from.ok(), !from.error().empty()) << "round " << round;
    refused += from.ok() ? 0 : 1;
    if (made == 1) {
      auto* arrived = static_cast<T*>(memory);
      // What arrived is a value, so it can go on.
      puma::encoder again;
      EXPECT_NO_THROW(puma::encode(again, *arrived)) << "round " << round;
      std::destroy_at(arrived);
    }
  }
  EXPECT_GT(refused, 0);
}

} // namespace

TEST(damaged_frames, of_numbers_and_strings_are_survived) {
  survive(1.5);
  survive(std::string("some text"));
  survive(std::string(300, 'x'));
  survive(std::u32string(10, U'x'));
}

TEST(damaged_frames, of_sequences_are_survived) {
  survive(std::vector<double>{1, 2, 3});
  survive(std::vector<bool>{true, false, true});
  survive(std::vector<std::string>{"a", "bc", "", std::string(40, 'd')});
  survive(std::vector<std::vector<std::vector<int>>>{{{1}, {2, 3}}, {}, {{}}});
  survive(std::deque<std::string>{"a", "b"});
  survive(std::vector<empty>(20));
  survive(std::array<bool, 4>{true, false, true, true});
}

TEST(damaged_frames, of_sets_and_maps_are_survived) {
  survive(std::set<std::string>{"a", "b", "c"});
  survive(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  survive(std::unordered_map<int, std::string>{{1, "a"}, {2, "b"}, {3, ""}});
}

TEST(damaged_frames, of_optional_variant_and_tuple_are_survived) {
  using either = std::variant<std::monostate, int, std::string>;
  survive(std::vector<std::optional<int>>{1, {}, 3});
  survive(std::vector<either>{{}, 5, "text"});
  survive(std::tuple<int, std::string, std::complex<double>>{1, "a", {}});
  survive(std::vector<std::chrono::nanoseconds>(3));
}

TEST(damaged_frames, of_aggregates_are_survived) {
  survive(sample{1, true, {2, 3}});
  survive(make_record());
  survive(std::vector<record>(3, make_record()));
}

TEST(damaged_frames, of_types_that_hold_themselves_are_survived) {
  survive(make_tree());
  chain x;
  for (int i = 0; i != 100; ++i)
    x = chain{std::make_unique<chain>(std::move(x))};
  survive(x);
}

TEST(damaged_frames, of_inspected_types_are_survived) {
  survive(account{"alice", 7});
  survive(std::vector<pair_of_texts>{{"a", "b"}, {"", "c"}});
}
