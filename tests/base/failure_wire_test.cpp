// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/failure_wire.hpp"

#include "puma/base/exceptions.hpp"
#include "puma/base/internal/failure_access.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <future>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using puma::decoder;
using puma::encoder;
using puma::failure;
using puma::remote_error;
using puma::internal::decode_failure;
using puma::internal::failure_access;
using testing::HasSubstr;

namespace failures {

class unknown : public std::out_of_range {
 public:
  using std::out_of_range::out_of_range;
};

// [known]
class full_disk : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline const puma::known_exception<full_disk> full_disk_is_known;
// [known]

class literal : public std::exception {
 public:
  explicit literal(const char* text) : text_(text) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

inline const puma::known_exception<literal> literal_is_known;

class silent : public std::exception {};

inline const puma::known_exception<silent> silent_is_known;

/// Carries more than a text.
class rejected : public std::exception {
 public:
  rejected() = default;
  rejected(int line, std::string reason)
    : line_(line),
      reason_(std::move(reason)) {}

  const char* what() const noexcept override { return reason_.c_str(); }
  int line() const { return line_; }

  template <class Inspector>
  friend bool inspect(Inspector& f, rejected& x) {
    return f.object(x).fields(f.field("line", x.line_),
                              f.field("reason", x.reason_));
  }

 private:
  int line_ = 0;
  std::string reason_;
};

inline const puma::known_exception<rejected> rejected_is_known;

/// Not an exception of the standard's kind.
struct error_number {
  int value = 0;
};

inline const puma::known_exception<error_number> error_number_is_known;

} // namespace failures

namespace {

using namespace failures;

std::vector<std::byte> bytes_of(const failure& x) {
  encoder to;
  puma::internal::encode(to, x);
  return {to.bytes().begin(), to.bytes().end()};
}

failure arrive(const std::vector<std::byte>& bytes) {
  decoder from{bytes};
  auto result = decode_failure(from);
  EXPECT_TRUE(from.ok()) << from.error();
  EXPECT_EQ(from.remaining(), 0u);
  return result;
}

template <class E>
failure failure_of(E exception, std::optional<failure> cause = {}) {
  return failure{std::make_exception_ptr(std::move(exception)), "stage",
                 "on_value (value 3)", std::move(cause)};
}

/// Returns what arrives when no copy of the failure is left here.
template <class E>
failure cross(E exception) {
  // The failure dies here: otherwise it would be recognised.
  const auto bytes = bytes_of(failure_of(std::move(exception)));
  return arrive(bytes);
}

/// Expects that the exception arrives with its type and text.
template <class E>
void expect_kept(E exception) {
  const std::string text = exception.what();
  const auto arrived = cross(std::move(exception));
  try {
    arrived.rethrow();
  } catch (const std::exception& x) {
    EXPECT_EQ(typeid(x), typeid(E));
    EXPECT_EQ(x.what(), text);
  }
}

} // namespace

TEST(failure_wire, keeps_what_is_known_about_a_failure) {
  const auto x = failure_of(std::range_error{"boom"});
  const auto id = x.id();
  const auto bytes = bytes_of(x);

  const auto arrived = arrive(bytes);

  EXPECT_EQ(arrived.id(), id);
  EXPECT_EQ(arrived.type(), "std::range_error");
  EXPECT_EQ(arrived.text(), "boom");
  EXPECT_EQ(arrived.runnable(), "stage");
  EXPECT_EQ(arrived.activity(), "on_value (value 3)");
  EXPECT_EQ(arrived.node(), x.node());
  EXPECT_EQ(arrived.cause(), nullptr);
}

TEST(failure_wire, keeps_the_types_of_standard_exceptions) {
  expect_kept(std::exception{});
  expect_kept(std::bad_alloc{});
  expect_kept(std::bad_cast{});
  expect_kept(std::bad_optional_access{});
  expect_kept(std::logic_error{"text"});
  expect_kept(std::invalid_argument{"text"});
  expect_kept(std::domain_error{"text"});
  expect_kept(std::length_error{"text"});
  expect_kept(std::out_of_range{"text"});
  expect_kept(std::runtime_error{"text"});
  expect_kept(std::range_error{"text"});
  expect_kept(std::overflow_error{"text"});
  expect_kept(std::underflow_error{""});
  expect_kept(std::future_error{std::future_errc::broken_promise});
}

TEST(failure_wire, keeps_error_codes_and_paths) {
  const auto code = std::make_error_code(std::errc::no_space_on_device);
  expect_kept(std::system_error{code, "writing"});
  expect_kept(std::system_error{code});
  expect_kept(std::system_error{5, std::system_category(), "a: b"});
  expect_kept(std::ios_base::failure{"stream", std::io_errc::stream});
  expect_kept(std::filesystem::filesystem_error{"open", "/a", "/b", code});

  const auto arrived = cross(
    std::filesystem::filesystem_error{"open", "/a", code});
  try {
    arrived.rethrow();
  } catch (const std::filesystem::filesystem_error& x) {
    EXPECT_EQ(x.code(), std::errc::no_space_on_device);
    EXPECT_EQ(x.path1(), "/a");
  }
}

TEST(failure_wire, keeps_the_types_of_pumas_own_exceptions) {
  expect_kept(puma::error{"text"});
  expect_kept(puma::usage_error{"text"});
  expect_kept(puma::scope_error{"text"});
  expect_kept(puma::buffer_full{"text"});
  expect_kept(puma::stopped{"text"});
  expect_kept(puma::timeout_error{"text"});
  expect_kept(puma::still_alive_error{"text"});
  expect_kept(puma::process_lost{"text"});
}

TEST(failure_wire, keeps_the_types_of_exceptions_that_were_made_known) {
  expect_kept(full_disk{"no room on /dev/sda"});
  expect_kept(literal{"text"});
  expect_kept(silent{});

  try {
    cross(rejected{17, "no number"}).rethrow();
  } catch (const rejected& x) {
    EXPECT_EQ(x.line(), 17);
    EXPECT_STREQ(x.what(), "no number");
  }
  try {
    cross(error_number{5}).rethrow();
  } catch (const error_number& x) {
    EXPECT_EQ(x.value, 5);
  }
}

TEST(failure_wire, replaces_exceptions_of_unknown_types) {
  const auto arrived = cross(unknown{"index 7"});

  EXPECT_EQ(arrived.type(), "failures::unknown");
  try {
    arrived.rethrow();
  } catch (const remote_error& x) {
    EXPECT_STREQ(x.what(), "index 7");
    EXPECT_EQ(x.type(), "failures::unknown");
  }
}

TEST(failure_wire, keeps_the_original_type_over_several_processes) {
  const auto bytes = bytes_of(cross(unknown{"index 7"}));
  const auto second = arrive(bytes);

  EXPECT_EQ(second.type(), "failures::unknown");
  EXPECT_THROW(second.rethrow(), remote_error);
  const auto thrown_again = cross(remote_error{"their::type", "text"});
  try {
    thrown_again.rethrow();
  } catch (const remote_error& x) {
    EXPECT_EQ(x.type(), "their::type");
  }
}

TEST(failure_wire, carries_exceptions_of_any_type) {
  EXPECT_THROW(cross(std::string{"a string"}).rethrow(), std::string);
  EXPECT_THROW(cross(42).rethrow(), int);

  const auto literal_text = cross("plain text");
  EXPECT_EQ(literal_text.text(), "plain text");
  EXPECT_THROW(literal_text.rethrow(), remote_error);
  const auto number = cross(1.5);
  EXPECT_EQ(number.type(), "double");
  EXPECT_THROW(number.rethrow(), remote_error);
}

TEST(failure_wire, keeps_all_causes) {
  auto first = failure_of(std::logic_error{"first"});
  auto second = failure_of(full_disk{"second"}, first);
  const auto third = failure_of(unknown{"third"}, second);

  const auto arrived = arrive(bytes_of(third));

  ASSERT_NE(arrived.cause(), nullptr);
  EXPECT_EQ(arrived.cause()->id(), second.id());
  ASSERT_NE(arrived.cause()->cause(), nullptr);
  EXPECT_EQ(arrived.cause()->cause()->text(), "first");
  EXPECT_EQ(arrived.describe(), third.describe());
}

TEST(failure_wire, leaves_out_the_oldest_of_very_many_causes) {
  std::vector<std::byte> bytes;
  {
    auto x = failure_of(std::logic_error{"0"});
    for (int i = 1; i != 100; ++i)
      x = failure_of(std::logic_error{std::to_string(i)}, x);
    bytes = bytes_of(x);
  }

  const auto arrived = arrive(bytes);

  std::size_t count = 0;
  for (const auto* next = &arrived; next != nullptr; next = next->cause())
    ++count;
  EXPECT_EQ(arrived.text(), "99");
  EXPECT_EQ(count, puma::internal::max_causes);
}

TEST(failure_wire, gives_one_identity_to_all_that_arrives_with_one_id) {
  std::vector<std::byte> bytes;
  { bytes = bytes_of(failure_of(std::logic_error{"boom"})); }

  const auto first = arrive(bytes);
  const auto second = arrive(bytes);

  EXPECT_EQ(first.id(), second.id());
  EXPECT_TRUE(failure_access::claim(first));
  EXPECT_FALSE(failure_access::claim(second));
}

TEST(failure_wire, recognises_a_failure_that_began_here_and_comes_back) {
  const auto x = failure_of(unknown{"boom"});

  const auto arrived = arrive(bytes_of(x));

  EXPECT_TRUE(failure_access::claim(arrived));
  EXPECT_TRUE(failure_access::is_claimed(x));
  EXPECT_THROW(arrived.rethrow(), unknown);
}

TEST(failure_wire, recognises_a_cause_that_began_here) {
  const auto cause = failure_of(unknown{"boom"});
  const auto x = failure_of(std::logic_error{"after"}, cause);

  const auto arrived = arrive(bytes_of(x));

  EXPECT_THROW(arrived.cause()->rethrow(), unknown);
}

TEST(failure_wire, tells_the_origin_where_the_exception_is_caught) {
  const auto arrived = cross(full_disk{"boom"});
  try {
    arrived.rethrow();
  } catch (const full_disk&) {
    const auto origin = puma::current_failure();
    ASSERT_TRUE(origin);
    EXPECT_EQ(origin->runnable(), "stage");
  }
}

TEST(failure_wire, survives_damaged_bytes) {
  const auto whole = bytes_of(
    failure_of(rejected{17, "no number"},
               failure_of(std::filesystem::filesystem_error{
                 "open", "/a", std::make_error_code(std::errc::io_error)})));
  std::mt19937 random{20240229};
  int damaged = 0;
  for (int round = 0; round != 5000; ++round) {
    auto bytes = whole;
    for (auto times = 1 + random() % 3; times != 0; --times) {
      const auto at = random() % whole.size();
      if (random() % 8 == 0 && at < bytes.size())
        bytes.resize(at);
      else if (at < bytes.size())
        bytes[at] = static_cast<std::byte>(random() % 256);
    }
    decoder from{bytes};

    const auto arrived = decode_failure(from);

    ASSERT_TRUE(arrived.exception());
    if (!from.ok()) {
      ++damaged;
      ASSERT_THAT(std::string{arrived.text()}, HasSubstr("arrived damaged"));
    }
  }
  EXPECT_GT(damaged, 0);
}

TEST(failure, has_an_id_that_tells_the_process) {
  const auto first = failure_of(1);
  const auto second = failure_of(2);

  EXPECT_NE(first.id(), second.id());
  EXPECT_EQ(first.id() >> 32, second.id() >> 32);
}
