// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <optional>
#include <tuple>

using namespace puma_test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStdout;

namespace {

enum class color : std::uint8_t { red, green };

struct shape {
  color of = color::green;
  bool filled = true;
  std::vector<std::pair<int, double>> corners;
  std::optional<std::string> name;
};

class monitors : public place_test {
 protected:
  /// What workers print is logged, of those at nodes perhaps a little later.
  void expect_printed(const ::testing::Matcher<std::string>& what) const {
    const auto here = GetCapturedStdout();
    const auto all = [&] { return here + log.to_string(); };
    static_cast<void>(eventually([&] { return what.Matches(all()); }));
    EXPECT_THAT(all(), what);
  }
};

INSTANTIATE_TEST_SUITE_P(, monitors, any_place_at_all, place_name);

TEST_P(monitors, print_what_arrives) {
  auto numbers = env().make_buffer<int>("numbers", 8);
  auto texts = env().make_buffer<std::string>("texts", 8);
  auto more = env().make_buffer<std::string>("more", 8);
  CaptureStdout();

  auto x = env().run(puma::monitor("watch", numbers, texts, more));
  {
    auto to_numbers = numbers.open_publisher();
    auto to_texts = texts.open_publisher();
    auto to_more = more.open_publisher();
    send(to_numbers, 17);
    send(to_numbers, -4);
    send(to_texts, "a \"quoted\" text"s);
    send(to_more, "b"s);
    to_numbers.complete();
    to_texts.complete();
    to_more.complete();
  }
  join(x);

  expect_printed(AllOf(
    HasSubstr("watch: numbers: 1: 17\n"), HasSubstr("watch: numbers: 2: -4\n"),
    HasSubstr("watch: numbers: completed\n"),
    HasSubstr("watch: texts: 1: \"a \\\"quoted\\\" text\"\n"),
    HasSubstr("watch: more: 1: \"b\"\n"),
    HasSubstr("watch: more: completed\n")));
}

TEST_P(monitors, print_errors_and_pass_them_on) {
  auto numbers = env().make_buffer<int>("numbers", 8);
  CaptureStdout();

  auto x = env().run(puma::monitor("watch", numbers));
  {
    auto to = numbers.open_publisher();
    to.fail(std::out_of_range{"too far"});
  }
  join(x);

  expect_printed(
    AllOf(HasSubstr("watch: numbers: failed: "), HasSubstr("too far")));
  EXPECT_THROW(x.check_for_exceptions(), std::out_of_range);
}

TEST(printing, shows_all_parts) {
  const shape x{color::green, true, {{1, 0.5}, {-2, 3}}, "it"};

  EXPECT_EQ(puma::detail::text_of(x), "{1, true, [(1, 0.5), (-2, 3)], \"it\"}");
  EXPECT_EQ(puma::detail::text_of(std::optional<int>{}), "nothing");
  EXPECT_EQ(puma::detail::text_of(std::tuple{'a', std::uint8_t{7}}), "(a, 7)");
}

TEST(printing, shortens_long_ranges) {
  const std::vector<int> x(100, 1);

  EXPECT_THAT(puma::detail::text_of(x), HasSubstr("1, and 68 more]"));
}

TEST(printing, names_the_type_of_what_it_cannot_show) {
  class secret {
    int x_ = 0;
  };

  EXPECT_THAT(puma::detail::text_of(secret{}), HasSubstr("secret"));
}

} // namespace
