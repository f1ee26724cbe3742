// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/base/error.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/scoped_stage.hpp"
#include "tests/support/stages.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

using namespace puma_test;
using puma::scope_error;
using puma::usage_error;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

template <class Error, class F>
std::string text_of(F&& what) {
  try {
    what();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "threw nothing";
  return {};
}

class attributes : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 8);

  std::shared_ptr<scoped_stage> parent = make_parent();

  std::shared_ptr<scoped_stage> make_parent() const {
    auto result = std::make_shared<scoped_stage>();
    result->in.set(in);
    result->out.set(out);
    return result;
  }

  template <class T>
  [[nodiscard]] puma::runner hand_over(const std::shared_ptr<T>& x) {
    if (GetParam() == hosting::dedicated)
      return env().run(puma::dedicated, x);
    return env().run(x);
  }
};

INSTANTIATE_TEST_SUITE_P(, attributes, any_hosting, with_hosting);

/// Has nothing that drives it, and one attribute.
template <class Attribute>
class holder : public puma::command_driven_runnable {
 public:
  holder() : command_driven_runnable("holder") {}

  auto attributes() { return puma::attribute_list(value); }

  Attribute value{"value"};
};

TEST_P(attributes, make_a_child_that_does_the_work_of_its_parent) {
  parent->factor.set(3);
  auto x = hand_over(parent);
  stream_all(in, 1, 3);

  EXPECT_THAT(rest_of(out), ElementsAre(3, 6, 9));
  x.join();
  EXPECT_EQ(x.name(), "runnable 'scoped'");
}

TEST_P(attributes, keep_streams_open_that_the_child_will_publish_to) {
  auto x = env().make(parent);
  auto other = out.open_publisher();
  x.start();
  other.complete();
  stream_all(in, 1, 2);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 2));
}

TEST_P(attributes, make_several_children_of_one_parent) {
  auto second_in = env().make_buffer<int>("second_in", 8);
  auto x = hand_over(parent);
  parent->in.set(second_in);
  parent->factor.set(10);
  auto y = hand_over(parent);
  stream_all(in, 1, 1);
  stream_all(second_in, 1, 1);
  x.join();
  y.join();

  EXPECT_THAT(rest_of(out), ::testing::UnorderedElementsAre(1, 10));
  EXPECT_EQ(parent->handled.get(), 2);
}

TEST_P(attributes, that_are_copied_change_on_one_side_only) {
  parent->factor.set(2);
  auto x = hand_over(parent);
  x.wait_until_running();
  parent->factor.set(4);

  EXPECT_EQ(x.call<&scoped_stage::factor_there>(), 2);
  x.call<&scoped_stage::set_factor>(6);
  EXPECT_EQ(*parent->factor, 4);
}

TEST_P(attributes, that_are_shared_change_on_both_sides) {
  auto x = hand_over(parent);

  EXPECT_EQ(x.call<&scoped_stage::count>(), 1);
  EXPECT_EQ(++parent->handled, 2);
  EXPECT_EQ(x.call<&scoped_stage::count>(), 3);
  EXPECT_EQ(parent->handled.get(), 3);

  x.call<&scoped_stage::double_half>();
  EXPECT_EQ(parent->half.get(), 1.0);
}

TEST_P(attributes, that_are_shared_may_be_of_any_size) {
  const std::string long_text(100'000, 'x');
  auto x = hand_over(parent);

  x.call<&scoped_stage::append_to_note>(std::string{", child"});
  parent->note.update([](std::string& text) { text += ", parent"; });
  EXPECT_EQ(x.call<&scoped_stage::note_there>(), "begin, child, parent");

  parent->note.set(long_text);
  EXPECT_EQ(x.call<&scoped_stage::note_there>(), long_text);
}

TEST_P(attributes, that_are_shared_stay_as_they_were_when_a_change_throws) {
  EXPECT_THROW(parent->note.update([](std::string& text) {
    text = "half done";
    throw std::runtime_error{"no"};
  }),
               std::runtime_error);

  EXPECT_EQ(parent->note.get(), "begin");
}

TEST_P(attributes, that_are_shared_may_not_be_used_within_their_change) {
  EXPECT_EQ(text_of<usage_error>([&] {
              parent->note.update([&](std::string& text) {
                text += "changed";
                static_cast<void>(parent->note.get());
              });
            }),
            "attribute 'note': used within its own change or predicate");

  EXPECT_EQ(parent->note.get(), "begin");
}

TEST_P(attributes, of_the_child_only_are_made_in_its_scope) {
  auto x = hand_over(parent);
  stream_all(in, 4, 4);
  rest_of(out);

  const auto text = text_of<scope_error>(
    [&] { static_cast<void>(parent->history.get()); });
  EXPECT_THAT(text, AllOf(HasSubstr("attribute 'history'"),
                          HasSubstr("child scope only"),
                          HasSubstr("a thread outside of runnables")));
}

TEST_P(attributes, of_the_child_only_need_not_be_movable) {
  class pinned : public puma::command_driven_runnable {
   public:
    pinned() : command_driven_runnable("pinned") {}
    auto attributes() { return puma::attribute_list(flag); }
    [[nodiscard]] bool there() const { return flag->load(); }
    puma::child_only<std::atomic<bool>> flag{"flag", [] { return true; }};
  };

  auto x = hand_over(std::make_shared<pinned>());

  EXPECT_TRUE(x.call<&pinned::there>());
}

TEST_P(attributes, of_the_child_only_fail_the_child_when_they_cannot_be_made) {
  class broken : public puma::command_driven_runnable {
   public:
    broken() : command_driven_runnable("broken") {}
    auto attributes() { return puma::attribute_list(value); }
    puma::child_only<int> value{
      "value", []() -> int { throw std::runtime_error{"no such file"}; }};
  };

  auto x = hand_over(std::make_shared<broken>());

  EXPECT_EQ(text_of<std::runtime_error>([&] { x.wait_until_running(); }),
            "no such file");
}

TEST_P(attributes, of_the_parent_only_are_not_in_the_child) {
  auto x = hand_over(parent);

  const auto text = text_of<scope_error>(
    [&] { static_cast<void>(x.call<&scoped_stage::secret_there>()); });
  EXPECT_THAT(text, AllOf(HasSubstr("attribute 'secret'"),
                          HasSubstr("parent scope only"),
                          HasSubstr("the child scope (runnable '")));
  EXPECT_EQ(*parent->secret, "of the parent");
}

TEST_P(attributes, per_scope_begin_anew_in_each) {
  parent->fresh->push_back(3);
  auto x = hand_over(parent);

  EXPECT_THAT(x.call<&scoped_stage::add_to_fresh>(9), ElementsAre(1, 2, 9));
  EXPECT_THAT(*parent->fresh, ElementsAre(1, 2, 3));
}

TEST_P(attributes, managed_by_hand_are_shared_or_copied_in_threads) {
  auto x = hand_over(parent);

  EXPECT_EQ(x.call<&scoped_stage::append_to_diary>(5), 2);
  EXPECT_THAT(*parent->diary, ElementsAre(1));

  x.call<&scoped_stage::set_table>(8);
  EXPECT_THAT(*parent->table, ElementsAre(8));
}

TEST_P(attributes, that_may_not_be_handed_to_a_thread_are_refused_at_once) {
  using kept = puma::manually_managed<int, puma::thread_action::not_allowed,
                                      puma::process_action::copy>;

  const auto text = text_of<usage_error>(
    [&] { static_cast<void>(hand_over(std::make_shared<holder<kept>>())); });

  EXPECT_THAT(text, AllOf(HasSubstr("attribute 'value'"),
                          HasSubstr("in the same process")));
}

TEST_P(attributes, of_a_child_are_closed_to_all_others) {
  std::atomic<scoped_stage*> child = nullptr;
  class telling : public scoped_stage {
   public:
    telling() = default;
    auto attributes() {
      return std::tuple_cat(scoped_stage::attributes(),
                            puma::attribute_list(where));
    }
    puma::copied<std::atomic<scoped_stage*>*> where{"where"};

   protected:
    void on_start() override {
      scoped_stage::on_start();
      where.get()->store(this);
    }
  };
  auto told = std::make_shared<telling>();
  told->in.set(in);
  told->out.set(out);
  told->where.set(&child);
  auto x = hand_over(told);
  ASSERT_TRUE(eventually([&] { return child != nullptr; }));

  const auto outside = text_of<scope_error>(
    [&] { static_cast<void>(child.load()->handled.get()); });
  std::string inside;
  auto y = env().run<idler>("other", [&](idler& self) {
    inside = text_of<scope_error>(
      [&] { static_cast<void>(child.load()->factor.get()); });
    self.stop();
  });
  y.join();

  EXPECT_THAT(outside,
              AllOf(HasSubstr("attribute 'handled'"),
                    HasSubstr("the child scope (runnable '"),
                    HasSubstr("another one (a thread outside of runnables)")));
  EXPECT_THAT(inside, AllOf(HasSubstr("attribute 'factor'"),
                            HasSubstr("runnable 'other'")));
}

TEST_P(attributes, of_a_parent_are_closed_to_runnables) {
  std::string text;
  auto x = env().run<idler>("other", [&](idler& self) {
    text = text_of<scope_error>(
      [&] { static_cast<void>(parent->factor.get()); });
    self.stop();
  });
  x.join();

  EXPECT_THAT(text,
              HasSubstr("lives in the parent scope (a thread outside of "
                        "runnables), and was used in another one (runnable "
                        "'other')"));
}

TEST_P(attributes, of_a_parent_that_a_runnable_has_made_belong_to_that) {
  std::shared_ptr<scoped_stage> made;
  std::vector<puma::runner> children;
  auto x = env().run<idler>("maker", [&](idler& self) {
    made = std::make_shared<scoped_stage>();
    made->in.set(in);
    made->out.set(out);
    children.push_back(env().run(made));
    self.stop();
  });
  x.join();
  stream_all(in, 2, 2);

  EXPECT_THAT(rest_of(out), ElementsAre(2));
  EXPECT_THAT(
    text_of<scope_error>([&] { static_cast<void>(made->factor.get()); }),
    HasSubstr("lives in the parent scope (runnable 'maker')"));
}

TEST_P(attributes, of_a_parent_that_a_constructor_has_made_are_the_parents) {
  // Makes a parent's object before its own base, hands it over in on_start.
  class family : public puma::command_driven_runnable {
   public:
    explicit family(const puma::thread_environment& env)
      : family(std::make_shared<scoped_stage>(), env) {}

    void fill(const int_buffer& from, const int_buffer& to) {
      other_->in.set(from);
      other_->out.set(to);
      children_.push_back(env_.run(other_));
    }

   private:
    family(std::shared_ptr<scoped_stage> other,
           const puma::thread_environment& env)
      : command_driven_runnable("family"),
        other_(std::move(other)),
        env_(env) {}

    std::shared_ptr<scoped_stage> other_;
    puma::thread_environment env_;
    std::vector<puma::runner> children_;
  };

  auto x = run<family>(env());
  x.call<&family::fill>(in, out);
  stream_all(in, 1, 2);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 2));
}

TEST_P(attributes, outlive_the_child_in_the_parent) {
  auto x = hand_over(parent);
  stream_all(in, 1, 2);
  rest_of(out);
  x.join();

  EXPECT_EQ(parent->handled.get(), 2);
  EXPECT_EQ(*parent->factor, 1);
}

TEST_P(attributes, work_in_a_runnable_that_is_made_where_it_runs) {
  class plain : public puma::command_driven_runnable {
   public:
    explicit plain(int first)
      : command_driven_runnable("plain"),
        value("value", first) {}
    [[nodiscard]] int there() const { return *value; }
    [[nodiscard]] int outer() const { return *theirs; }
    puma::child_only<int> value;
    puma::parent_only<int> theirs{"theirs"};
  };

  auto x = GetParam() == hosting::dedicated
             ? env().run<plain>(puma::dedicated, 5)
             : env().run<plain>(5);

  EXPECT_EQ(x.call<&plain::there>(), 5);
  EXPECT_THROW(static_cast<void>(x.call<&plain::outer>()), scope_error);
}

TEST_P(attributes, of_a_child_are_as_at_its_start_when_it_is_restarted) {
  class fragile : public scoped_stage {
   public:
    fragile() = default;

   protected:
    void on_value(int& x) override {
      factor.set(*factor + 1);
      scoped_stage::on_value(x);
      if (x == 1)
        throw std::runtime_error{"fragile"};
    }
  };
  auto guard = env().supervisor(
    "guard", {.then = puma::on_failure::restart, .first_backoff = {}});
  auto fragile_parent = std::make_shared<fragile>();
  fragile_parent->in.set(in);
  fragile_parent->out.set(out);
  auto x = guard.run(fragile_parent);
  stream_all(in, 1, 2);
  x.join();

  EXPECT_THAT(rest_of(out), ElementsAre(2, 4));
  EXPECT_EQ(fragile_parent->handled.get(), 2);
}

TEST_P(attributes, need_a_name) {
  EXPECT_THROW(puma::copied<int>{""}, usage_error);
}

TEST_P(attributes, are_not_read_from_no_object) {
  EXPECT_THROW(static_cast<void>(env().run(std::shared_ptr<scoped_stage>{})),
               usage_error);
}

TEST_P(attributes, belong_to_an_object_that_is_never_run) {
  class eager : public puma::command_driven_runnable {
   public:
    eager() : command_driven_runnable("eager") {
      set_tick_interval(std::chrono::seconds{1});
    }
  };

  EXPECT_THAT(text_of<usage_error>([] { eager x; }),
              AllOf(HasSubstr("'eager'"), HasSubstr("on_start")));
}

} // namespace
