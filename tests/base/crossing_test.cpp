// SPDX-License-Identifier: Apache-2.0

// Asks of types of all kinds whether they can cross. That this compiles is half
// of the test: Boost.PFR stops the compiler at many of them.

#include "puma/base/codec.hpp"
#include "puma/base/error.hpp"
#include "tests/base/codec_types.hpp"

#include <gmock/gmock.h>

#include <any>
#include <atomic>
#include <functional>
#include <mutex>
#include <queue>
#include <set>
#include <span>
#include <string_view>
#include <thread>
#include <unordered_set>

using puma::can_cross;
using puma::crossing_obstacle;
using testing::AllOf;
using testing::HasSubstr;

namespace kinds {

struct base {
  int a;
};
struct empty_base {};
struct pinned {
  pinned() = default;
  pinned(const pinned&) = delete;
};
struct with_base : base {
  int b;
};
struct with_empty_base : empty_base {
  int b;
};
struct with_pinned_base : pinned {
  int b;
};
struct only_base : base {};
struct with_array {
  int a[3];
  int b;
};
struct with_string_array {
  std::string a[2];
};
struct with_one_element_array {
  int a[1];
};
struct with_bits {
  int a : 3;
  int b : 5;
};
struct with_one_bit {
  unsigned a : 1;
};
struct with_enum_bits {
  codec_types::colour a : 1;
};
struct with_reference {
  int& a;
};
inline int target = 0;
struct with_bound_reference {
  int before;
  int& a = target;
  int after;
};
struct with_move_only_optional {
  std::optional<std::unique_ptr<int>> a;
  int b;
};
struct with_pointer {
  std::string name;
  int* a;
};
struct with_member_pointer {
  int base::*a;
};
struct with_function_pointer {
  void (*a)();
};
class with_private_field {
 public:
  int a = 0;
  int b() const { return b_; }

 private:
  int b_ = 0;
};
struct with_virtual_function {
  virtual ~with_virtual_function() = default;
  int a = 0;
};
struct abstract {
  virtual ~abstract() = default;
  virtual void f() = 0;
};
struct without_default {
  explicit without_default(int);
};
struct with_such_a_field {
  int a;
  without_default b;
};
struct with_such_an_initialised_field {
  int a;
  without_default b = without_default{1};
  int c;
};
union either {
  int a;
  float b;
};
struct with_union {
  either a;
};
struct with_anonymous_union {
  int a;
  union {
    int b;
    float c;
  };
  int d;
};
struct with_unnamed_struct {
  struct {
    int b;
  } a;
};
struct with_const_field {
  const int a;
};
struct with_view {
  std::string_view a;
};
struct with_atomic {
  std::atomic<int> a;
};
struct with_mutex {
  std::mutex a;
};
struct with_pinned_field {
  pinned a;
};
struct with_lambda {
  std::function<void()> a;
};
struct holder {
  int id;
  std::vector<with_pointer> parts;
};
struct graph {
  std::map<int, std::unique_ptr<graph>> next;
  std::vector<graph*> all;
};
struct derived_container : std::vector<int> {
  using std::vector<int>::vector;
  int extra = 0;
};
struct kept_here {
  int a;
};
struct many {
  int a00, a01, a02, a03, a04, a05, a06, a07, a08, a09, a10, a11, a12, a13, a14,
    a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29,
    a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44,
    a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59,
    a60, a61, a62;
};
struct too_many {
  many a;
  int a00, a01, a02, a03, a04, a05, a06, a07, a08, a09, a10, a11, a12, a13, a14,
    a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29,
    a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44,
    a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59,
    a60, a61, a62;
};

/// Each of these takes the way out for what the compiler cannot see.
struct array_with_inspect {
  std::array<int, 1> copy{};
  int a[1] = {};
  template <class Inspector>
  friend bool inspect(Inspector& f, array_with_inspect& x) {
    return f.object(x).fields(f.field("a", x.a[0]));
  }
};
struct derived_with_inspect : base {
  int b = 0;
  template <class Inspector>
  friend auto inspect(Inspector& f, derived_with_inspect& x) {
    return f(x.a, x.b);
  }
};

/// Inspects as its base class, which knows nothing of `c`.
struct derived_from_inspected : derived_with_inspect {
  int c = 0;
};

struct inspects_a_pointer {
  int* a = nullptr;
  template <class Inspector>
  friend auto inspect(Inspector& f, inspects_a_pointer& x) {
    return f(x.a);
  }
};
struct hides_a_pointer {
  int* a = nullptr;
  template <class Inspector>
  friend bool inspect(Inspector& f, hides_a_pointer& x) {
    return f.object(x).fields(f.field("a", x.a));
  }
};
struct only_declared;
struct own_comparator {
  bool descending = false;
  bool operator()(int a, int b) const { return descending ? a > b : a < b; }
};

} // namespace kinds

// [thread_only]
template <>
inline constexpr bool puma::thread_only<kinds::kept_here> = true;
// [thread_only]

using namespace kinds;

TEST(can_cross, refuses_aggregates_whose_fields_cannot_be_walked) {
  EXPECT_FALSE(can_cross<with_base>);
  EXPECT_FALSE(can_cross<with_empty_base>);
  EXPECT_FALSE(can_cross<with_pinned_base>);
  EXPECT_FALSE(can_cross<only_base>);
  EXPECT_FALSE(can_cross<with_array>);
  EXPECT_FALSE(can_cross<with_string_array>);
  EXPECT_FALSE(can_cross<with_one_element_array>);
  EXPECT_FALSE(can_cross<with_bits>);
  EXPECT_FALSE(can_cross<with_one_bit>);
  EXPECT_FALSE(can_cross<with_enum_bits>);
  EXPECT_FALSE(can_cross<with_reference>);
  EXPECT_FALSE(can_cross<with_bound_reference>);
  EXPECT_FALSE(can_cross<with_such_a_field>);
  EXPECT_FALSE(can_cross<with_such_an_initialised_field>);
  EXPECT_FALSE(can_cross<with_union>);
  EXPECT_FALSE(can_cross<with_anonymous_union>);
  EXPECT_FALSE(can_cross<with_unnamed_struct>);
  EXPECT_FALSE(can_cross<with_const_field>);
  EXPECT_FALSE(can_cross<too_many>);
}

TEST(can_cross, refuses_what_means_nothing_in_another_process) {
  EXPECT_FALSE(can_cross<int*>);
  EXPECT_FALSE(can_cross<std::nullptr_t>);
  EXPECT_FALSE(can_cross<with_pointer>);
  EXPECT_FALSE(can_cross<with_member_pointer>);
  EXPECT_FALSE(can_cross<with_function_pointer>);
  EXPECT_FALSE(can_cross<with_view>);
  EXPECT_FALSE(can_cross<with_atomic>);
  EXPECT_FALSE(can_cross<with_mutex>);
  EXPECT_FALSE(can_cross<with_pinned_field>);
  EXPECT_FALSE(can_cross<with_lambda>);
  EXPECT_FALSE(can_cross<graph>);
  EXPECT_FALSE(can_cross<std::span<int>>);
  EXPECT_FALSE(can_cross<std::shared_ptr<int>>);
  EXPECT_FALSE(can_cross<std::shared_ptr<const abstract>>);
  EXPECT_FALSE(can_cross<std::shared_ptr<const int[]>>);
  EXPECT_FALSE(can_cross<std::shared_ptr<const void>>);
  EXPECT_FALSE(can_cross<std::weak_ptr<int>>);
  EXPECT_FALSE(can_cross<std::function<int()>>);
  EXPECT_FALSE(can_cross<std::any>);
  EXPECT_FALSE(can_cross<std::thread>);
  EXPECT_FALSE(can_cross<std::reference_wrapper<int>>);
  EXPECT_FALSE(can_cross<std::exception_ptr>);
}

TEST(can_cross, refuses_classes_that_do_not_say_how) {
  EXPECT_FALSE(can_cross<with_private_field>);
  EXPECT_FALSE(can_cross<with_virtual_function>);
  EXPECT_FALSE(can_cross<abstract>);
  EXPECT_FALSE(can_cross<without_default>);
  EXPECT_FALSE(can_cross<either>);
  EXPECT_FALSE(can_cross<derived_container>);
  EXPECT_FALSE(can_cross<derived_from_inspected>);
  EXPECT_FALSE(can_cross<kept_here>);
  EXPECT_FALSE(can_cross<std::vector<kept_here>>);
}

TEST(can_cross, refuses_closures) {
  int captured = 1;
  auto with = [captured] { return captured; };
  auto without = [] { return 1; };

  EXPECT_FALSE(can_cross<decltype(with)>);
  EXPECT_FALSE(can_cross<decltype(without)>);
}

TEST(can_cross, refuses_standard_types_with_parts_of_their_own) {
  EXPECT_FALSE((can_cross<std::set<int, own_comparator>>));
  EXPECT_FALSE((can_cross<std::set<int, bool (*)(int, int)>>));
  EXPECT_FALSE((can_cross<std::unique_ptr<int, void (*)(int*)>>));
  EXPECT_FALSE((can_cross<std::unique_ptr<int[]>>));
  EXPECT_FALSE((can_cross<std::unique_ptr<abstract>>));
  EXPECT_FALSE((can_cross<std::unique_ptr<only_declared>>));
  EXPECT_FALSE((can_cross<std::unique_ptr<void>>));
  EXPECT_FALSE((can_cross<std::vector<int>::iterator>));
  EXPECT_FALSE((can_cross<std::map<int, int>::node_type>));
  EXPECT_FALSE((can_cross<std::map<int, int>::value_compare>));
  EXPECT_FALSE((can_cross<std::priority_queue<int>>));
  EXPECT_FALSE((can_cross<std::tuple<int&>>));
  EXPECT_FALSE((can_cross<std::pair<const int, int>>));
}

TEST(can_cross, answers_for_types_that_are_no_objects) {
  EXPECT_FALSE(can_cross<int&>);
  EXPECT_FALSE(can_cross<const int>);
  EXPECT_FALSE(can_cross<void>);
  EXPECT_FALSE(can_cross<void()>);
  EXPECT_FALSE(can_cross<int[3]>);
}

TEST(can_cross, accepts_what_the_compiler_can_see) {
  EXPECT_TRUE(can_cross<many>);
  EXPECT_TRUE(can_cross<codec_types::record>);
  EXPECT_TRUE(can_cross<codec_types::tree>);
  EXPECT_TRUE(can_cross<codec_types::chain>);
  EXPECT_TRUE(can_cross<array_with_inspect>);
  EXPECT_TRUE(can_cross<derived_with_inspect>);
  EXPECT_TRUE((can_cross<std::map<std::string, std::vector<many>>>));
}

TEST(can_cross, decides_whether_links_can_be_made) {
  EXPECT_EQ(puma::detail::wire_ops_of<with_pointer>(), nullptr);
  EXPECT_EQ(puma::detail::wire_ops_of<abstract>(), nullptr);
  EXPECT_EQ(puma::detail::wire_ops_of<void>(), nullptr);
}

TEST(crossing_obstacle, is_empty_for_what_crosses) {
  EXPECT_EQ(crossing_obstacle<int>(), "");
  EXPECT_EQ(crossing_obstacle<codec_types::record>(), "");
  EXPECT_EQ(crossing_obstacle<codec_types::account>(), "");
}

TEST(crossing_obstacle, names_the_offending_part_and_the_way_out) {
  EXPECT_EQ(crossing_obstacle<with_pointer>(),
            "'kinds::with_pointer' cannot cross to another process: it holds "
            "'int*', which is a pointer; give 'kinds::with_pointer' an inspect "
            "overload that names what has to cross, or keep it in one process");
  EXPECT_EQ(crossing_obstacle<std::vector<holder>>(),
            "'std::vector<kinds::holder>' cannot cross to another process: "
            "'kinds::with_pointer' holds 'int*', which is a pointer; give "
            "'kinds::with_pointer' an inspect overload that names what has to "
            "cross, or keep it in one process");
  EXPECT_EQ(crossing_obstacle<std::vector<std::string_view>>(),
            "'std::vector<std::string_view>' cannot cross to another process: "
            "it holds 'std::string_view', which is a view of memory of this "
            "process; send the values themselves, or keep them in one process");
}

TEST(crossing_obstacle, says_what_is_wrong_with_a_class) {
  EXPECT_THAT(crossing_obstacle<with_base>(), HasSubstr("with a base class"));
  EXPECT_THAT(crossing_obstacle<with_array>(),
              AllOf(HasSubstr("'int [3]'"), HasSubstr("use std::array")));
  EXPECT_THAT(crossing_obstacle<with_bits>(), HasSubstr("has bit fields"));
  EXPECT_THAT(crossing_obstacle<with_private_field>(),
              HasSubstr("constructors of its own or private fields"));
  EXPECT_THAT(crossing_obstacle<with_virtual_function>(),
              HasSubstr("virtual functions"));
  EXPECT_THAT(crossing_obstacle<kept_here>(), HasSubstr("thread_only"));
  EXPECT_THAT(crossing_obstacle<std::unique_ptr<with_virtual_function>>(),
              HasSubstr("derived class"));
}

TEST(crossing_obstacle, looks_into_inspect_overloads) {
  EXPECT_FALSE(can_cross<inspects_a_pointer>);
  EXPECT_THAT(crossing_obstacle<inspects_a_pointer>(), HasSubstr("'int*'"));

  // An overload that returns bool does not tell the compiler its fields.
  EXPECT_TRUE(can_cross<hides_a_pointer>);
  EXPECT_THAT(crossing_obstacle<hides_a_pointer>(), HasSubstr("'int*'"));
  EXPECT_THAT(
    (crossing_obstacle<std::map<int, std::vector<hides_a_pointer>>>()),
    HasSubstr("'kinds::hides_a_pointer' holds 'int*'"));
  puma::encoder to;
  EXPECT_THROW(puma::encode(to, hides_a_pointer{}), puma::usage_error);
}

// Whichever way this goes, it must compile.
TEST(crossing_obstacle, answers_for_move_only_optionals) {
  EXPECT_EQ(can_cross<with_move_only_optional>,
            crossing_obstacle<with_move_only_optional>().empty());
}
