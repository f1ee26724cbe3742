// SPDX-License-Identifier: Apache-2.0

#include "puma/base/codec.hpp"

#include "puma/base/error.hpp"
#include "tests/base/codec_types.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <complex>
#include <deque>
#include <filesystem>
#include <limits>
#include <list>
#include <set>
#include <stdexcept>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

using namespace codec_types;
using puma::decoder;
using puma::encoder;

namespace {

template <class T>
std::vector<std::byte> bytes_of(const T& x) {
  encoder to;
  puma::encode(to, x);
  const auto bytes = to.bytes();
  return {bytes.begin(), bytes.end()};
}

/// Returns what arrives when `x` crosses.
template <class T>
T cross(const T& x) {
  const auto bytes = bytes_of(x);
  decoder from{bytes};
  T result{};
  puma::decode(from, result);
  EXPECT_TRUE(from.ok()) << from.error();
  EXPECT_EQ(from.remaining(), 0u);
  EXPECT_GE(bytes.size(), puma::codec<T>::least_bytes);
  return result;
}

template <class T>
void expect_same(const T& x) {
  EXPECT_EQ(cross(x), x);
}

template <class... Bytes>
std::vector<std::byte> raw(Bytes... values) {
  return {static_cast<std::byte>(values)...};
}

template <class T>
std::string error_of(const std::vector<std::byte>& bytes) {
  decoder from{bytes};
  T x{};
  puma::decode(from, x);
  EXPECT_FALSE(from.ok());
  EXPECT_EQ(from.remaining(), 0u);
  return from.error();
}

} // namespace

// -- values that cross --------------------------------------------------------

TEST(codec, carries_numbers) {
  expect_same(true);
  expect_same('x');
  expect_same(std::int8_t{-1});
  expect_same(std::numeric_limits<std::int64_t>::min());
  expect_same(std::numeric_limits<std::uint64_t>::max());
  expect_same(1.5F);
  expect_same(1.5L);
  expect_same(u'x');
  expect_same(colour::green);
  expect_same(std::byte{255});
}

TEST(codec, carries_each_bit_of_a_double) {
  using limits = std::numeric_limits<double>;
  const std::vector<double> values{
    0.0,
    -0.0,
    limits::infinity(),
    -limits::infinity(),
    limits::denorm_min(),
    limits::max(),
    limits::quiet_NaN(),
    std::bit_cast<double>(0x7ff4'0000'dead'beefULL),
    std::bit_cast<double>(0xfff8'0000'0000'0001ULL),
  };

  const auto arrived = cross(values);

  ASSERT_EQ(arrived.size(), values.size());
  for (std::size_t i = 0; i != values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(arrived[i]),
              std::bit_cast<std::uint64_t>(values[i]));
    EXPECT_EQ(std::bit_cast<std::uint64_t>(cross(values[i])),
              std::bit_cast<std::uint64_t>(values[i]));
  }
}

TEST(codec, carries_strings) {
  expect_same(std::string{});
  expect_same(std::string{"with a \0 inside", 15});
  expect_same(std::string(254, 'x'));
  expect_same(std::string(255, 'x'));
  expect_same(std::string(100'000, 'x'));
  expect_same(std::u16string{u"sixteen"});
  expect_same(std::u32string(10'000, U'x'));
  expect_same(std::wstring{L"wide"});
}

TEST(codec, carries_containers) {
  expect_same(std::vector<int>{});
  expect_same(std::vector<int>(100'000, 7));
  expect_same(std::vector<bool>{true, false, true});
  expect_same(std::vector<std::string>{"a", "", "c"});
  expect_same(std::vector<std::vector<double>>{{1}, {}, {2, 3}});
  expect_same(std::array<int, 3>{1, 2, 3});
  expect_same(std::array<int, 0>{});
  expect_same(std::array<bool, 2>{true, false});
  expect_same(std::array<std::string, 2>{"a", "b"});
  expect_same(std::deque<int>{1, 2, 3});
  expect_same(std::deque<std::string>{"a", "b"});
  expect_same(std::list<std::string>{"a", "b"});
  expect_same(std::set<std::string>{"a", "b"});
  expect_same(std::multiset<int>{1, 1, 2});
  expect_same(std::map<int, std::string>{{1, "a"}, {2, "b"}});
  expect_same(std::multimap<int, int>{{1, 2}, {1, 3}});
  expect_same(std::unordered_set<int>{1, 2, 3});
  expect_same(std::unordered_multiset<int>{1, 1});
  expect_same(std::unordered_map<std::string, int>{{"a", 1}, {"b", 2}});
  expect_same(std::unordered_multimap<int, int>{{1, 2}, {1, 3}});
}

TEST(codec, carries_optional_variant_tuple_and_pair) {
  using either = std::variant<std::monostate, int, std::string>;

  expect_same(std::optional<int>{});
  expect_same(std::optional<std::string>{"a"});
  expect_same(std::optional<std::optional<int>>{std::optional<int>{}});
  expect_same(either{});
  expect_same(either{5});
  expect_same(either{"text"});
  expect_same(std::tuple<>{});
  expect_same(std::tuple<int, std::string, double>{1, "a", 2.5});
  expect_same(std::pair<int, std::string>{1, "a"});
}

TEST(codec, carries_times_complex_numbers_and_paths) {
  using namespace std::chrono_literals;

  expect_same(5ms);
  expect_same(std::chrono::duration<double>{0.25});
  expect_same(std::chrono::system_clock::now());
  expect_same(std::chrono::steady_clock::now());
  expect_same(std::complex<double>{1, -0.5});
  expect_same(std::filesystem::path{"/tmp/a file"});
}

TEST(codec, carries_what_a_unique_ptr_owns) {
  EXPECT_EQ(cross(std::unique_ptr<int>{}), nullptr);
  EXPECT_EQ(*cross(std::make_unique<std::string>("owned")), "owned");
  EXPECT_EQ(**cross(std::optional{std::make_unique<int>(3)}), 3);
}

TEST(codec, carries_what_a_shared_ptr_to_a_const_object_points_to) {
  using shared = std::shared_ptr<const std::string>;

  EXPECT_EQ(cross(shared{}), nullptr);
  EXPECT_EQ(*cross(std::make_shared<const std::string>("shared")), "shared");
  EXPECT_EQ(
    **cross(std::vector{std::make_shared<const std::string>("a")}).begin(),
    "a");
}

TEST(codec, carries_aggregates_field_by_field) {
  expect_same(empty{});
  expect_same(point{1, -0.0});
  expect_same(sample{1, true, {2, 3}});
  expect_same(record{});
  expect_same(make_record());
  expect_same(std::vector<empty>(10));
  expect_same(std::vector<record>(3, make_record()));
}

TEST(codec, carries_aggregates_that_hold_themselves) {
  expect_same(tree{});
  expect_same(make_tree());

  chain x;
  x.next = std::make_unique<chain>();
  const auto arrived = cross(x);
  ASSERT_TRUE(arrived.next);
  EXPECT_FALSE(arrived.next->next);
}

TEST(codec, carries_what_inspect_names) {
  expect_same(account{"alice", 7});
  expect_same(std::vector<account>{{"alice", 7}, {"bob", 0}});
  expect_same(pair_of_texts{"a", "b"});
  expect_same(std::map<std::string, pair_of_texts>{{"k", {"a", "b"}}});
}

TEST(codec, decodes_into_a_value_that_was_used_before) {
  const auto bytes = bytes_of(make_record());
  record x = make_record();
  x.name = "other";
  x.samples.resize(50);
  x.index["more"] = {9};
  x.value = 5;

  decoder from{bytes};
  puma::decode(from, x);

  EXPECT_EQ(x, make_record());
}

// -- inspect ------------------------------------------------------------------

namespace {

class thermometer {
 public:
  template <class Inspector>
  friend bool inspect(Inspector& f, thermometer& x) {
    const auto get = [&x] { return x.kelvin - 273; };
    const auto set = [&x](int celsius) {
      x.kelvin = celsius + 273;
      return celsius >= -273;
    };
    return f.object(x)
      .on_load([&x] { x.loaded = true; })
      .fields(f.field("celsius", get, set));
  }

  int kelvin = 273;
  bool loaded = false;
};

/// Inspects no field at all.
struct blank {
  template <class Inspector>
  friend bool inspect(Inspector& f, blank& x) {
    return f.object(x).fields();
  }
};

/// Uses `apply` and the inspector's result type, as CAF allows.
class wrapper {
 public:
  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, wrapper& x) {
    return f.apply(x.value);
  }

  std::string value;
};

} // namespace

TEST(codec, reads_and_writes_through_functions_that_inspect_names) {
  thermometer x;
  x.kelvin = 300;

  const auto arrived = cross(x);

  EXPECT_EQ(arrived.kelvin, 300);
  EXPECT_TRUE(arrived.loaded);
  EXPECT_FALSE(x.loaded);
}

TEST(codec, carries_objects_of_which_inspect_names_nothing) {
  EXPECT_EQ(cross(std::vector<blank>(5)).size(), 5u);
  wrapper x;
  x.value = "wrapped";
  EXPECT_EQ(cross(x).value, "wrapped");
}

TEST(codec, fails_when_inspect_refuses_a_value) {
  const auto cold = bytes_of(-300);
  const auto poor = bytes_of(std::pair<std::string, int>{"bob", -1});

  EXPECT_EQ(error_of<thermometer>(cold),
            "byte 4 of 4: 'thermometer' refused the value of 'celsius'");
  EXPECT_EQ(error_of<account>(poor),
            "byte 8 of 8: 'codec_types::account' refused the value of "
            "'balance'");
}

// -- blocks -------------------------------------------------------------------

TEST(codec, copies_runs_of_plain_values_as_one_block) {
  EXPECT_EQ(bytes_of(std::vector<point>(3)).size(), 1 + 3 * sizeof(point));
  EXPECT_EQ(bytes_of(std::vector<colour>(3)).size(), 1 + 3u);
  EXPECT_TRUE(puma::detail::is_block<point>);
  EXPECT_TRUE((puma::detail::is_block<std::array<point, 4>>));
  EXPECT_TRUE(puma::detail::is_block<std::complex<float>>);
  EXPECT_TRUE(puma::detail::is_block<std::chrono::nanoseconds>);
  EXPECT_FALSE(puma::detail::is_block<bool>);
  EXPECT_FALSE(puma::detail::is_block<sample>);
  EXPECT_FALSE(puma::detail::is_block<std::string>);
}

TEST(codec, is_used_by_links_through_wire_ops) {
  const auto* ops = puma::detail::wire_ops_of<std::string>();
  ASSERT_NE(ops, nullptr);
  const std::string values[3] = {"a", "b", std::string(100, 'c')};
  encoder to;

  ops->encode(to, values, 3);
  decoder from{to.bytes()};
  alignas(std::string) std::byte memory[3 * sizeof(std::string)];
  const auto made = ops->decode(from, memory, 3);

  ASSERT_EQ(made, 3u);
  auto* arrived = reinterpret_cast<std::string*>(memory);
  for (int i = 0; i != 3; ++i)
    EXPECT_EQ(arrived[i], values[i]);
  std::destroy_n(arrived, made);
  EXPECT_EQ(ops->least_bytes, 1u);
  EXPECT_EQ(puma::detail::wire_ops_of<point>()->least_bytes, sizeof(point));
}

TEST(codec, says_how_many_values_of_a_broken_frame_were_made) {
  const auto* texts = puma::detail::wire_ops_of<std::string>();
  const auto* points = puma::detail::wire_ops_of<point>();
  encoder to;
  puma::encode(to, std::string{"whole"});
  to.size(100);
  alignas(std::string) std::byte memory[3 * sizeof(std::string)];

  decoder from{to.bytes()};
  const auto made = texts->decode(from, memory, 3);
  decoder from_points{to.bytes()};

  EXPECT_EQ(made, 1u);
  EXPECT_FALSE(from.ok());
  std::destroy_n(reinterpret_cast<std::string*>(memory), made);
  EXPECT_EQ(points->decode(from_points, memory, 3), 0u);
  EXPECT_FALSE(from_points.ok());
}

// -- bad bytes ----------------------------------------------------------------

TEST(decoder, names_what_is_wrong_and_where) {
  EXPECT_EQ(error_of<int>(raw(1, 2)), "byte 0 of 2: 4 bytes expected, 2 left");
  EXPECT_EQ(error_of<std::string>(raw(9, 'a', 'b')),
            "byte 1 of 3: 9 elements of at least 1 bytes expected, 2 bytes "
            "left");
  EXPECT_EQ(error_of<std::vector<bool>>(raw(2, 1, 7)),
            "byte 3 of 3: a bool is 7");
  EXPECT_EQ(error_of<std::optional<int>>(raw(2)), "byte 1 of 1: a bool is 2");
  EXPECT_EQ((error_of<std::variant<int, char>>(raw(2, 0, 0, 0, 0))),
            "byte 1 of 5: 'std::variant<int, char>' has no alternative 2");
}

TEST(decoder, refuses_lengths_that_the_bytes_cannot_hold) {
  const auto huge = raw(255, 255, 255, 255, 255, 255, 255, 255, 255, 0);

  EXPECT_EQ(error_of<std::vector<double>>(huge),
            "byte 9 of 10: 18446744073709551615 elements of at least 8 bytes "
            "expected, 1 bytes left");
  error_of<std::string>(huge);
  error_of<std::vector<empty>>(huge);
  error_of<std::set<int>>(huge);
  error_of<std::unordered_map<int, int>>(huge);
}

TEST(decoder, keeps_the_first_error_and_returns_nothing_after_it) {
  const auto bytes = raw(1, 2, 3, 4);
  decoder from{bytes};

  from.fail("the first");
  from.fail("the second");

  EXPECT_EQ(from.error(), "byte 0 of 4: the first");
  EXPECT_EQ(from.number<std::uint8_t>(), 0);
  EXPECT_EQ(from.size(1), 0u);
  char to = 'x';
  EXPECT_FALSE(from.block(&to, 1));
  EXPECT_FALSE(from.block(&to, 0));
  EXPECT_EQ(to, 'x');
}

TEST(decoder, limits_how_deep_values_are_nested) {
  encoder deep;
  for (int i = 0; i != 100'000; ++i)
    deep.number(true);

  EXPECT_EQ(error_of<chain>({deep.bytes().begin(), deep.bytes().end()}),
            "byte 256 of 100000: values are more than 256 levels deep");
}

TEST(encoder, refuses_values_that_are_nested_too_deep) {
  chain x;
  for (int i = 0; i != 255; ++i) {
    auto next = std::make_unique<chain>(std::move(x));
    x = chain{std::move(next)};
  }
  EXPECT_TRUE(cross(x).next);
  encoder to;

  x = chain{std::make_unique<chain>(std::move(x))};

  EXPECT_THROW(puma::encode(to, x), puma::usage_error);
}

TEST(encoder, keeps_its_storage_when_it_is_cleared) {
  encoder to;
  puma::encode(to, std::string(10'000, 'x'));
  const auto* first = to.bytes().data();

  to.clear();
  EXPECT_EQ(to.size(), 0u);
  puma::encode(to, std::string(10'000, 'x'));

  EXPECT_EQ(to.bytes().data(), first);
}

TEST(encoder, moves_with_its_bytes_and_context) {
  int node = 0;
  encoder first{&node};
  first.number(7);

  encoder second{std::move(first)};

  EXPECT_EQ(second.context(), &node);
  EXPECT_EQ(decoder{second.bytes()}.number<int>(), 7);
}

namespace {

/// Leaves a variant without a value when it is constructed there.
struct thrower {
  thrower() = default;
  explicit thrower(int) { throw std::runtime_error{"no value"}; }

  template <class Inspector>
  friend bool inspect(Inspector& f, thrower& x) {
    return f.object(x).fields(f.field("text", x.text));
  }

  std::list<std::string> text;
};

} // namespace

TEST(encoder, refuses_a_variant_without_a_value) {
  std::variant<int, thrower> x;
  EXPECT_THROW(x.emplace<thrower>(1), std::runtime_error);
  ASSERT_TRUE(x.valueless_by_exception());
  encoder to;

  EXPECT_THROW(puma::encode(to, x), puma::usage_error);
}

// -- codecs of one's own ------------------------------------------------------

namespace {

/// Crosses as an index into a table of the process, as handles do.
struct handle {
  int value = 0;
};

} // namespace

// [codec]
template <>
struct puma::codec<handle> {
  static constexpr std::size_t least_bytes = 1;

  static void encode(encoder& to, const handle& x) {
    auto& table = *static_cast<std::vector<int>*>(to.context());
    to.number(static_cast<std::uint8_t>(table.size()));
    table.push_back(x.value);
  }

  static void decode(decoder& from, handle& x) {
    auto& table = *static_cast<std::vector<int>*>(from.context());
    const auto index = from.number<std::uint8_t>();
    if (index >= table.size())
      from.fail("no handle " + std::to_string(index));
    else
      x.value = table[index];
  }
};
// [codec]

TEST(codec, can_be_specialised_and_gets_the_context) {
  std::vector<int> table;
  encoder to{&table};
  puma::encode(to, std::vector<handle>{{5}, {6}});

  decoder from{to.bytes(), &table};
  std::vector<handle> arrived;
  puma::decode(from, arrived);

  ASSERT_EQ(arrived.size(), 2u);
  EXPECT_EQ(arrived[1].value, 6);
}
