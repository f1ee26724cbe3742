// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

namespace {

/// Returns a function that counts up to `last`.
auto count_to(int last) {
  return [last, n = 0]() mutable {
    return n == last ? std::nullopt : std::optional{++n};
  };
}

int twice(int x) {
  return 2 * x;
}

/// Publishes 1 to `last`.
class counter : public puma::source_runnable {
 public:
  counter(const int_buffer& out, int last)
    : source_runnable("own name"),
      out_(publish_to(out)),
      last_(last) {}

 protected:
  bool on_demand() override {
    if (next_ > last_)
      return false;
    out_.publish(next_++);
    return true;
  }

 private:
  puma::publisher<int> out_;
  int last_;
  int next_ = 1;
};

/// Takes its name, and something else.
class adder : public puma::single_buffer_servicing_runnable<int> {
 public:
  adder(std::string name, const int_buffer& in, const int_buffer& out, int by)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      by_(by) {}

 protected:
  void on_value(int& x) override { out_.publish(x + by_); }

 private:
  puma::publisher<int> out_;
  int by_;
};

/// Names itself.
class writer : public puma::single_buffer_servicing_runnable<int> {
 public:
  writer(const int_buffer& in, const puma::buffer<std::string>& out)
    : single_buffer_servicing_runnable("own name", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override { out_.publish(std::to_string(x)); }

 private:
  puma::publisher<std::string> out_;
};

/// Publishes what is not over yet to another buffer.
class halving : public puma::single_buffer_servicing_runnable<int> {
 public:
  halving(std::string name, const int_buffer& in, const int_buffer& out,
          const int_buffer& again)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      again_(publish_to(again)) {}

 protected:
  void on_value(int& x) override {
    if (x % 2 == 0)
      again_.publish(x / 2);
    else
      out_.publish(x);
  }

 private:
  puma::publisher<int> out_;
  puma::publisher<int> again_;
};

class a_pipeline : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 16);
  int_buffer out = env().make_buffer<int>("out", 16);
  numbers seen;

  auto keep() {
    return puma::for_each("keep", [this](int x) { seen.add(x); });
  }
};

INSTANTIATE_TEST_SUITE_P(, a_pipeline, no_hosting, without_hosting);

// -- what it consists of ------------------------------------------------------

TEST_P(a_pipeline, carries_values_from_its_source_to_its_sink) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(3))
           | puma::transform("twice", twice) | keep();

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(2, 4, 6));
}

TEST_P(a_pipeline, deduces_the_types_of_its_values) {
  events texts;
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(3))
           | puma::flat_map("repeat",
                            [](int n) {
                              return std::vector<int>(
                                static_cast<std::size_t>(n), n);
                            })
           | puma::filter("big", [](int n) { return n > 1; })
           | puma::transform("to text", [](int n) { return std::to_string(n); })
           | puma::for_each("keep",
                            [&](const std::string& x) { texts.add(x); });

  auto running = p.run();
  running.join();

  EXPECT_THAT(texts.entries(), ElementsAre("2", "2", "3", "3", "3"));
}

TEST_P(a_pipeline, takes_types_that_are_given) {
  auto texts = env().make_buffer<std::string>("texts", 8);
  auto p = puma::pipeline(env())
           | puma::generate<int>("one",
                                 [done = false]() mutable {
                                   return std::exchange(done, true)
                                            ? std::optional<short>{}
                                            : std::optional<short>{7};
                                 })
           | puma::transform<long>("wide", [](int x) { return x; })
           | puma::flat_map<std::string>(
             "split",
             [](long x, puma::publisher<std::string>& to) {
               to.publish(std::to_string(x));
               to.publish(std::to_string(-x));
             })
           | puma::to(texts);

  auto running = p.run();

  EXPECT_THAT(rest_of(texts), ElementsAre("7", "-7"));
}

TEST_P(a_pipeline, carries_values_that_cannot_be_copied) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(2))
           | puma::transform("box",
                             [by = std::make_unique<int>(10)](int n) {
                               return std::make_unique<int>(n + *by);
                             })
           | puma::filter("all",
                          [](const std::unique_ptr<int>&) { return true; })
           | puma::for_each("keep",
                            [this](std::unique_ptr<int> x) { seen.add(*x); });

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(11, 12));
}

TEST_P(a_pipeline, collects_batches) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(5))
           | puma::batch("batch", {.count = 2})
           | puma::for_each("keep", [this](const std::vector<int>& xs) {
               seen.add(static_cast<int>(xs.size()));
             });

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(2, 2, 1));
}

TEST_P(a_pipeline, limits_its_rate) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(5))
           | puma::throttle("throttle", {.count = 1000, .burst = 2}) | keep();

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3, 4, 5));
}

TEST_P(a_pipeline, computes_at_several_places_at_a_time) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(50))
           | puma::parallel_transform("twice", 3, twice) | keep();

  auto running = p.run();
  EXPECT_EQ(running.size(), 3u);
  EXPECT_EQ(running.group_at("twice").name(), "parallel_transform 'twice'");
  EXPECT_EQ(usage_error_text([&] { running.at("twice").stop(); }),
            "pipeline: stage 'twice' consists of several runnables; use "
            "group_at");
  EXPECT_EQ(usage_error_text([&] { running.group_at("keep").stop(); }),
            "pipeline: stage 'keep' is a single runnable; use at");
  running.join();

  ASSERT_EQ(seen.size(), 50u);
  for (int i = 1; i <= 50; ++i)
    EXPECT_EQ(seen.entries()[static_cast<std::size_t>(i - 1)], 2 * i);
}

TEST_P(a_pipeline, has_stages_of_own_classes) {
  events texts;
  auto p = puma::pipeline(env()) | puma::source_stage<counter, int>("count", 3)
           | puma::stage<adder>("add", 10)
           | puma::stage<writer, std::string>("write")
           | puma::for_each("keep",
                            [&](const std::string& x) { texts.add(x); });

  auto running = p.run();
  running.join();

  EXPECT_THAT(texts.entries(), ElementsAre("11", "12", "13"));
}

TEST_P(a_pipeline, begins_and_ends_in_given_buffers) {
  auto p = puma::pipeline(env()) | puma::from(in)
           | puma::transform("twice", twice) | puma::to(out);

  auto running = p.run();
  stream_all(in, 1, 3);

  EXPECT_THAT(rest_of(out), ElementsAre(2, 4, 6));
}

TEST_P(a_pipeline, goes_through_a_given_buffer) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(3))
           | puma::via(in) | keep();

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3));
  EXPECT_EQ(in.stats().taken, 3u);
}

TEST_P(a_pipeline, goes_round_in_a_loop_that_is_declared) {
  auto again = env().make_buffer<int>("again", 16);
  auto p = puma::pipeline(env()) | puma::from(in)
           | puma::transform("enter", [](int x) { return x; })
           | puma::feedback(again) | puma::stage<halving>("halve", again)
           | puma::to(out);

  auto running = p.run();
  publish_all(in, 10, 12);
  auto results = out.subscribe();

  std::vector<std::optional<int>> found;
  for (int i = 0; i != 3; ++i)
    found.push_back(results.next());
  running.stop();
  running.join();

  EXPECT_THAT(found, UnorderedElementsAre(5, 11, 3));
}

TEST_P(a_pipeline, has_lines_that_meet_in_a_buffer) {
  auto p = puma::pipeline(env())
           | puma::merge(
             puma::generate("ones", count_to(2)),
             puma::generate("tens", count_to(2))
               | puma::transform("x10", [](int x) { return 10 * x; }))
           | keep();

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), UnorderedElementsAre(1, 2, 10, 20));
}

TEST_P(a_pipeline, copies_values_to_branches) {
  numbers big;
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(3))
           | puma::multicast(
             "copy",
             puma::filter("big", [](int x) { return x > 1; })
               | puma::for_each("keep big", [big](int x) { big.add(x); }),
             puma::to(out), keep());

  auto running = p.run();
  running.join();

  EXPECT_THAT(big.entries(), ElementsAre(2, 3));
  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3));
  EXPECT_THAT(rest_of(out), ElementsAre(1, 2, 3));
}

TEST_P(a_pipeline, goes_on_with_the_results_of_its_branches) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(2))
           | puma::multicast(
             "copy", puma::transform("twice", twice),
             puma::transform("negate", [](int x) { return -x; }))
           | keep();

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), UnorderedElementsAre(2, 4, -1, -2));
}

TEST_P(a_pipeline, refuses_branches_that_are_one_buffer) {
  auto p = puma::pipeline(env()) | puma::from(in)
           | puma::multicast("copy", puma::to(out), puma::to(out));

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: stage 'copy': several of its branches are buffer 'out'");
}

TEST_P(a_pipeline, goes_round_in_a_loop_from_a_branch) {
  auto again = env().make_buffer<int>("again", 16);
  auto p = puma::pipeline(env()) | puma::from(in)
           | puma::transform("enter", [](int x) { return x; })
           | puma::feedback(again)
           | puma::multicast(
             "copy",
             puma::filter("even", [](int x) { return x % 2 == 0; })
               | puma::transform("halve", [](int x) { return x / 2; })
               | puma::to(again),
             puma::filter("odd", [](int x) { return x % 2 != 0; })
               | puma::to(out));

  auto running = p.run();
  publish_all(in, 12, 12);
  auto results = out.subscribe();
  EXPECT_EQ(results.next(), 3);
  running.stop();
  running.join();
}

TEST_P(a_pipeline, consists_of_several_lines) {
  auto p = puma::pipeline(env())
           | puma::lines(puma::generate("count", count_to(3)) | puma::to(out),
                         puma::from(out) | keep());

  auto running = p.run();
  running.join();

  EXPECT_THAT(running.stages(), ElementsAre("count", "keep"));
  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3));
}

// -- where it runs ------------------------------------------------------------

/// Tells what the thread is that a stage runs on.
bool may_sleep() {
  try {
    puma::sleep_for(0ns);
    puma::sleep_for(1ns);
    return true;
  } catch (const puma::usage_error&) {
    return false;
  }
}

TEST_P(a_pipeline, gives_a_stage_a_thread_of_its_own) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(1))
           | puma::transform("pooled", [](int) { return may_sleep() ? 1 : 0; })
           | puma::transform(
               "dedicated",
               [](int x) { return 10 * x + (may_sleep() ? 1 : 0); })
               .dedicated()
           | keep();

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(1));
}

TEST_P(a_pipeline, runs_stages_in_other_environments) {
  auto guard = env().supervisor("guard");
  auto other = env().supervisor("other");
  events of_guard;
  events of_other;
  const auto note = [](const events& to) {
    return [to](const puma::supervision_event& x) { to.add(x.runnable); };
  };
  guard.on_event(note(of_guard));
  other.on_event(note(of_other));
  auto p = puma::pipeline(env()) | puma::generate("a", count_to(1))
           | puma::in(guard) | puma::transform("b", twice)
           | puma::transform("c", twice).in(other) | puma::transform("d", twice)
           | puma::in(env()) | keep();

  auto running = p.run();
  running.join();
  rt().join();

  EXPECT_TRUE(eventually([&] { return of_guard.has("d"); }));
  EXPECT_TRUE(eventually([&] { return of_guard.has("b"); }));
  EXPECT_TRUE(eventually([&] { return of_other.has("c"); }));
  EXPECT_FALSE(of_guard.has("c"));
}

// -- its buffers --------------------------------------------------------------

TEST_P(a_pipeline, names_its_buffers_after_the_stages_beside_them) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(1))
           | puma::transform("fail", [](int) -> int { throw sensor_broken{1}; })
           | keep();

  auto running = p.run();
  running.join();

  const auto error = running.at("fail").last_failure();
  ASSERT_TRUE(error);
  EXPECT_THAT(error->describe(),
              HasSubstr("value 1 of buffer 'count -> fail'"));
  EXPECT_THROW(rt().join(), sensor_broken);
}

TEST_P(a_pipeline, names_a_buffer_as_it_is_told) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(1))
           | puma::edge({.name = "numbers"})
           | puma::for_each("fail", [](int) { throw sensor_broken{1}; });

  auto running = p.run();
  running.join();

  EXPECT_THAT(running.at("fail").last_failure()->describe(),
              HasSubstr("value 1 of buffer 'numbers'"));
  EXPECT_THROW(running.check_for_exceptions(), sensor_broken);
}

/// Makes numbers without end, and notes each.
auto noting(const events& made) {
  return [made, n = 0]() mutable {
    made.add("made");
    return std::optional{++n};
  };
}

TEST_P(a_pipeline, has_buffers_of_the_capacity_that_is_given) {
  events made;
  auto p = puma::pipeline(env(), {.capacity = 4})
           | puma::generate("count", noting(made))
           | puma::stage<adder>("add", 0) | puma::to(out);

  auto running = p.run();
  EXPECT_TRUE(eventually([&] { return out.stats().waiting == 16; }));
  running.stop();
  running.join();

  // Those that are out, those between, and what fits into the outbox.
  EXPECT_LE(made.size(), 16u + 4u + 16u);
}

TEST_P(a_pipeline, has_a_buffer_of_a_capacity_of_its_own) {
  events made;
  auto p = puma::pipeline(env()) | puma::generate("count", noting(made))
           | puma::edge({.capacity = 4}) | puma::stage<adder>("add", 0)
           | puma::to(out);

  auto running = p.run();
  EXPECT_TRUE(eventually([&] { return out.stats().waiting == 16; }));
  running.stop();
  running.join();

  EXPECT_LE(made.size(), 16u + 4u + 16u);
}

TEST_P(a_pipeline, has_buffers_for_1024_values) {
  events made;
  auto p = puma::pipeline(env()) | puma::generate("count", noting(made))
           | puma::stage<adder>("add", 0) | puma::to(out);

  auto running = p.run();
  EXPECT_TRUE(eventually([&] { return made.size() >= 1024u + 16u; }));
  running.stop();
  running.join();
}

// -- its handle ---------------------------------------------------------------

TEST_P(a_pipeline, is_made_before_it_is_started) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(3))
           | keep();
  auto made = p.make();
  EXPECT_FALSE(made.is_alive());

  made.start();
  made.wait_until_running();
  made.join();

  EXPECT_FALSE(made.is_alive());
  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3));
}

TEST_P(a_pipeline, is_not_disturbed_by_a_second_start) {
  auto p = puma::pipeline(env()) | puma::from(in) | keep();
  auto running = p.run();
  running.wait_until_running();

  EXPECT_THROW(running.start(), puma::usage_error);
  stream_all(in, 1, 3);
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3));
}

TEST_P(a_pipeline, has_a_runner_for_each_stage) {
  auto p = puma::pipeline(env()) | puma::from(in) | puma::stage<adder>("add", 1)
           | keep();
  auto running = p.run();

  running.wait_until_running();

  EXPECT_THAT(running.stages(), ElementsAre("add", "keep"));
  EXPECT_THAT(running.at("add").name(), HasSubstr("'add'"));
  EXPECT_EQ(usage_error_text([&] { running.at("sub").stop(); }),
            "pipeline: has no stage 'sub'; its stages are 'add', 'keep'");
  EXPECT_TRUE(running.is_alive());

  running.stop();
  running.join();
}

TEST_P(a_pipeline, ends_in_order_when_its_sources_are_stopped) {
  events made;
  auto p = puma::pipeline(env(), {.capacity = 2})
           | puma::generate("count", noting(made))
           | puma::transform("twice", twice) | puma::to(out);
  auto running = p.run();
  EXPECT_TRUE(eventually([&] { return out.stats().waiting == 16; }));

  running.stop_sources();
  const auto found = rest_of(out);
  running.join();

  ASSERT_EQ(found.size(), made.size());
  for (std::size_t i = 0; i != found.size(); ++i)
    ASSERT_EQ(found[i], 2 * static_cast<int>(i + 1));
}

TEST_P(a_pipeline, stops_when_its_handle_goes) {
  {
    auto p = puma::pipeline(env()) | puma::from(in) | keep();
    auto running = p.run();
    running.wait_until_running();
  }

  auto free = in.subscribe();
}

TEST_P(a_pipeline, hands_on_errors_as_its_runnables_do) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(3))
           | puma::transform("fail",
                             [](int x) {
                               if (x == 2)
                                 throw sensor_broken{x};
                               return x;
                             })
           | keep();

  auto running = p.run();
  running.join();

  EXPECT_THAT(seen.entries(), ElementsAre(1));
  EXPECT_THROW(running.check_for_exceptions(), sensor_broken);
  running.check_for_exceptions(); // once
}

TEST_P(a_pipeline, keeps_a_stream_open_until_all_its_publishers_are_there) {
  // The first source ends before the second one is started.
  for (int i = 0; i != 20; ++i) {
    numbers found;
    auto p = puma::pipeline(env())
             | puma::merge(puma::generate("none", count_to(0)),
                           puma::generate("some", count_to(1)),
                           puma::generate("none either", count_to(0)))
             | puma::for_each("keep", [found](int x) { found.add(x); });
    auto running = p.run();
    running.join();
    ASSERT_THAT(found.entries(), ElementsAre(1));
  }
}

// -- misuse -------------------------------------------------------------------

TEST_P(a_pipeline, is_refused_with_all_that_is_wrong) {
  auto taken = out.subscribe();
  auto p = puma::pipeline(env())
           | puma::lines(
             puma::from(in) | puma::batch("x", {.count = 0})
               | puma::edge({.capacity = 0})
               | puma::for_each("x", [](const std::vector<int>&) {}),
             puma::from(in) | keep(), puma::from(out) | keep());

  const auto text = usage_error_text([&] { auto x = p.run(); });

  EXPECT_EQ(text,
            "pipeline: 6 problems\n"
            "- 2 stages have the name 'keep'\n"
            "- 2 stages have the name 'x'\n"
            "- buffer 'in': several stages read from it ('x', 'keep'), but a "
            "buffer has one subscription; use multicast\n"
            "- buffer 'out': stage 'keep' cannot read from it, because it has "
            "a subscription already\n"
            "- buffer 'x -> x': the capacity must be at least 1\n"
            "- batch 'x': the count must be at least 1");
  rt().join(); // nothing runs
}

TEST_P(a_pipeline, refuses_a_loop_that_is_not_declared) {
  auto again = env().make_buffer<int>("again", 4);
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(1))
           | puma::via(again) | puma::stage<halving>("halve", again)
           | puma::transform("twice", twice) | puma::to(out);

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: stages 'halve' -> 'halve' form a loop: declare the "
            "buffer that closes it with feedback(buffer)");
}

TEST_P(a_pipeline, refuses_a_longer_loop_that_is_not_declared) {
  auto p = puma::pipeline(env())
           | puma::lines(puma::from(in) | puma::transform("a", twice)
                           | puma::transform("b", twice) | puma::to(out),
                         puma::from(out) | puma::transform("c", twice)
                           | puma::to(in));

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: stages 'a' -> 'b' -> 'c' -> 'a' form a loop: declare "
            "the buffer that closes it with feedback(buffer)");
}

TEST_P(a_pipeline, refuses_a_feedback_buffer_that_closes_no_loop) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(1))
           | puma::feedback(in) | keep();

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: feedback: buffer 'in' closes no loop; no stage behind "
            "it publishes to it");
}

TEST_P(a_pipeline, refuses_handles_to_no_buffer) {
  auto p = puma::pipeline(env()) | puma::from(int_buffer{})
           | puma::transform("twice", twice) | puma::to(int_buffer{});

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: 2 problems\n- from: a handle to no buffer\n- to: a "
            "handle to no buffer");
}

TEST_P(a_pipeline, refuses_two_buffers_without_a_stage_between) {
  auto p = puma::pipeline(env()) | puma::from(in) | puma::to(out);

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: values in buffer 'in' cannot be in buffer 'out', too: "
            "put a stage between the two buffers");
}

TEST_P(a_pipeline, refuses_to_change_a_given_buffer) {
  auto p = puma::pipeline(env()) | puma::from(in) | puma::edge({.capacity = 4})
           | keep();

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: edge: buffer 'in' is a given one, with its own name and "
            "capacity");
}

TEST_P(a_pipeline, refuses_environments_of_other_runtimes) {
  if (world_name() == "virtual")
    return; // there is only one at a time
  auto other = make_world();
  puma::thread_environment elsewhere{other->rt()};
  auto p = puma::pipeline(env()) | puma::from(in)
           | puma::for_each("there", [](int) {}).in(elsewhere);

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: stage 'there': its environment is one of another "
            "runtime");
}

TEST_P(a_pipeline, refuses_stages_that_its_supervisor_cannot_restart) {
  auto guard = env().supervisor("guard", {.then = puma::on_failure::restart});
  auto p = puma::pipeline(guard) | puma::from(in)
           | puma::for_each("once", [x = std::make_unique<int>(1)](int) {});

  EXPECT_THAT(usage_error_text([&] { auto x = p.run(); }),
              AllOf(HasSubstr("'once'"), HasSubstr("cannot be restarted")));
}

TEST_P(a_pipeline, is_made_only_once) {
  auto p = puma::pipeline(env()) | puma::from(in) | keep();
  auto made = p.make();

  EXPECT_EQ(usage_error_text([&] { auto x = p.run(); }),
            "pipeline: has been made or run already; build another one");
}

} // namespace
