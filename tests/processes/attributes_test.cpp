// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"
#include "tests/support/scoped_stage.hpp"

#include <csignal>

#include <unistd.h>

using namespace puma_test;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

namespace {

/// Attributes behave alike in threads and in processes.
class scoped : public place_test {
 protected:
  puma::buffer<int> in = env().make_buffer<int>("in", 8);
  puma::buffer<int> out = env().make_buffer<int>("out", 8);
  std::shared_ptr<scoped_stage> parent = make_parent();

  [[nodiscard]] std::shared_ptr<scoped_stage> make_parent() const {
    auto result = std::make_shared<scoped_stage>();
    result->in.set(in);
    result->out.set(out);
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(, scoped, any_place, place_name);

TEST_P(scoped, attributes_make_children_that_do_the_work) {
  auto second_in = env().make_buffer<int>("second_in", 8);
  parent->factor.set(3);
  auto x = env().run(parent);
  parent->factor.set(10);
  parent->in.set(second_in);
  auto y = env().run(puma::dedicated, parent);
  auto to = in.open_publisher();
  send_numbers(to, 1, 3);
  to.complete();
  auto to_second = second_in.open_publisher();
  send(to_second, 1);
  to_second.complete();

  EXPECT_THAT(read_all(out), UnorderedElementsAre(3, 6, 9, 10));
  join(x);
  join(y);
  EXPECT_EQ(parent->handled.get(), 4);
}

TEST_P(scoped, attributes_that_are_copied_change_on_one_side_only) {
  parent->factor.set(2);
  auto x = env().run(parent);
  wait_for(x);
  parent->factor.set(4);

  EXPECT_EQ(x.call<&scoped_stage::factor_there>(), 2);
  x.call<&scoped_stage::set_factor>(6);
  EXPECT_EQ(*parent->factor, 4);
}

TEST_P(scoped, attributes_that_are_shared_change_on_both_sides) {
  auto x = env().run(parent);

  EXPECT_EQ(x.call<&scoped_stage::count>(), 1);
  EXPECT_EQ(++parent->handled, 2);
  EXPECT_EQ(x.call<&scoped_stage::count>(), 3);
  EXPECT_EQ(parent->handled.get(), 3);

  x.call<&scoped_stage::double_half>();
  EXPECT_EQ(parent->half.get(), 1.0);
}

TEST_P(scoped, attributes_that_are_shared_may_be_more_than_numbers) {
  auto x = env().run(parent);

  x.call<&scoped_stage::append_to_note>(", child"s);
  parent->note.update([](std::string& text) { text += ", parent"; });

  EXPECT_EQ(x.call<&scoped_stage::note_there>(), "begin, child, parent");
  EXPECT_EQ(parent->note.get(), "begin, child, parent");
  parent->note.set(std::string(4'000, 'x'));
  EXPECT_EQ(x.call<&scoped_stage::note_there>(), std::string(4'000, 'x'));
}

/// Appends to what is shared until it is told to stop.
class appending : public puma::command_driven_runnable {
 public:
  appending() : command_driven_runnable("appending") {}

  auto attributes() { return puma::attribute_list(list, times); }

  puma::shared<std::vector<int>> list{"list"};
  puma::copied<int> times{"times"};

 protected:
  void on_start() override {
    for (int i = 0; i != *times; ++i)
      list.update(
        [](std::vector<int>& x) { x.push_back(x.empty() ? 1 : x.back() + 1); });
    stop();
  }
};

TEST_P(scoped, attributes_that_are_shared_lose_no_change) {
  auto all = std::make_shared<appending>();
  all->times.set(100);
  std::vector<puma::runner> runners;
  for (int i = 0; i != 3; ++i)
    runners.push_back(env().run(all));
  for (int i = 0; i != 100; ++i)
    all->list.update(
      [](std::vector<int>& x) { x.push_back(x.empty() ? 1 : x.back() + 1); });
  for (auto& x : runners)
    join(x);

  EXPECT_EQ(all->list.get(), numbers(1, 400));
}

TEST_P(scoped, attributes_of_one_side_only_are_not_on_the_other) {
  auto x = env().run(parent);

  EXPECT_THAT(x.call<&scoped_stage::history_there>(), ElementsAre(0));
  EXPECT_THAT(thrown_text<puma::scope_error>(
                [&] { static_cast<void>(parent->history.get()); }),
              HasSubstr("attribute 'history'"));
  EXPECT_THAT(thrown_text<puma::scope_error>([&] {
                static_cast<void>(x.call<&scoped_stage::secret_there>());
              }),
              AllOf(HasSubstr("attribute 'secret'"),
                    HasSubstr("parent scope only"),
                    HasSubstr("the child scope (runnable '")));
}

TEST_P(scoped, attributes_per_scope_begin_anew_in_each) {
  parent->fresh->push_back(3);
  auto x = env().run(parent);

  EXPECT_THAT(x.call<&scoped_stage::add_to_fresh>(9), ElementsAre(1, 2, 9));
  EXPECT_THAT(*parent->fresh, ElementsAre(1, 2, 3));
}

TEST_P(scoped, attributes_managed_by_hand_do_what_is_said) {
  auto x = env().run(parent);

  EXPECT_EQ(x.call<&scoped_stage::append_to_diary>(5), 2);
  EXPECT_THAT(*parent->diary, ElementsAre(1));
  if (GetParam() == place::threads) {
    x.call<&scoped_stage::set_table>(8);
    EXPECT_THAT(*parent->table, ElementsAre(8));
  } else {
    EXPECT_FALSE(x.call<&scoped_stage::has_table>());
    EXPECT_THAT(thrown_text<puma::usage_error>([&] {
                  static_cast<void>(x.call<&scoped_stage::table_there>());
                }),
                AllOf(HasSubstr("attribute 'table'"), HasSubstr("none")));
  }
}

// -- what only processes do ---------------------------------------------------

class scoped_in_processes : public process_test {};

/// Has one attribute.
template <class Attribute>
class holder : public puma::command_driven_runnable {
 public:
  holder() : command_driven_runnable("holder") {}

  auto attributes() { return puma::attribute_list(value); }

  Attribute value{"value"};
};

struct not_crossing {
  int* pointer = nullptr;
};

template <class Attribute>
std::string refused(const puma::environment& env) {
  return thrown_text<puma::usage_error>(
    [&] { static_cast<void>(env.run(std::make_shared<holder<Attribute>>())); });
}

TEST_F(scoped_in_processes, values_that_cannot_cross_are_refused_at_once) {
  const auto says_so = AllOf(HasSubstr("attribute 'value'"),
                             HasSubstr("cannot be copied to another process"),
                             HasSubstr("int*"));

  EXPECT_THAT(refused<puma::copied<not_crossing>>(env), says_so);
  EXPECT_THAT(refused<puma::shared<not_crossing>>(env), says_so);
  EXPECT_THAT(
    (refused<puma::manually_managed<not_crossing, puma::thread_action::share,
                                    puma::process_action::copy>>(env)),
    says_so);
}

TEST_F(scoped_in_processes, values_that_stay_need_not_cross) {
  auto x = env.run(std::make_shared<holder<puma::child_only<not_crossing>>>());
  auto y = env.run(
    std::make_shared<holder<
      puma::manually_managed<not_crossing, puma::thread_action::not_allowed,
                             puma::process_action::set_to_none>>>());

  EXPECT_NO_THROW(wait_for(x));
  EXPECT_NO_THROW(wait_for(y));
}

TEST_F(scoped_in_processes, values_that_may_not_go_are_refused_at_once) {
  const auto text = refused<puma::manually_managed<
    int, puma::thread_action::share, puma::process_action::not_allowed>>(env);

  EXPECT_THAT(text, AllOf(HasSubstr("attribute 'value'"),
                          HasSubstr("in another process")));
}

TEST_F(scoped_in_processes, values_that_are_too_large_to_share_are_refused) {
  auto big = std::make_shared<holder<puma::shared<std::string>>>();
  big->value.set(std::string(5'000, 'x'));
  EXPECT_THAT(
    thrown_text<puma::usage_error>([&] { static_cast<void>(env.run(big)); }),
    AllOf(HasSubstr("attribute 'value'"), HasSubstr("4092")));

  big->value.set("small");
  auto x = env.run(big);
  EXPECT_THROW(big->value.set(std::string(5'000, 'x')), puma::usage_error);
  EXPECT_EQ(big->value.get(), "small");
}

TEST_F(scoped_in_processes, values_with_handles_are_refused_by_their_name) {
  auto with_handles = std::make_shared<
    holder<puma::shared<std::vector<puma::buffer<int>>>>>();
  with_handles->value.set({env.make_buffer<int>("inner", 1)});

  EXPECT_THAT(thrown_text<puma::usage_error>(
                [&] { static_cast<void>(env.run(with_handles)); }),
              AllOf(HasSubstr("attribute 'value'"),
                    HasSubstr("shared between "
                              "processes"),
                    HasSubstr("inner")));
}

/// Ends its process in the middle of a change of what is shared.
class dying_in_update : public puma::command_driven_runnable {
 public:
  dying_in_update() : command_driven_runnable("dying") {}

  auto attributes() { return puma::attribute_list(text); }

  puma::shared<std::string> text{"text", "before"};

 protected:
  void on_start() override {
    text.update([](std::string& x) {
      x = "half";
      std::raise(SIGKILL);
    });
  }
};

TEST_F(scoped_in_processes, values_stay_as_they_were_when_a_change_is_killed) {
  auto parent = std::make_shared<dying_in_update>();
  auto x = env.run(parent);
  join(x);

  ASSERT_TRUE(x.last_failure());
  EXPECT_EQ(x.last_failure()->type(), "puma::process_lost");
  EXPECT_EQ(parent->text.get(), "before");
  parent->text.set("after");
  EXPECT_EQ(parent->text.get(), "after");
}

TEST_F(scoped_in_processes,
       values_go_to_a_successor_as_they_were_at_the_start) {
  auto in = env.make_buffer<int>("in", 8);
  auto out = env.make_buffer<int>("out", 8);
  auto parent = std::make_shared<scoped_stage>();
  parent->in.set(in);
  parent->out.set(out);
  parent->factor.set(5);
  auto guard = env.supervisor(
    "guard", {.then = puma::on_failure::restart, .first_backoff = 0s});
  auto x = guard.run(parent);
  auto to = in.open_publisher();
  auto from = out.subscribe();
  send(to, 1);
  EXPECT_EQ(read_one(from), 5);
  const auto seen = parent->handled.get();
  EXPECT_EQ(seen, 1);
  const auto old = workers();
  ::kill(old.front(), SIGKILL);
  EXPECT_TRUE(eventually([&] {
    const auto now = workers();
    return now.size() == 1 && now != old;
  }));
  send(to, 2);

  // The first value may come again.
  auto next = read_one(from);
  if (next == 5)
    next = read_one(from);
  EXPECT_EQ(next, 10);
  EXPECT_GE(parent->handled.get(), 2);
}

} // namespace
