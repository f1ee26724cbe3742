// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace puma_test;
using puma::usage_error;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

/// Counts from 1 to `last`, wherever it runs.
auto count_to(int last) {
  struct state {
    int next = 1;
    int last = 0;
  };
  return puma::with_state(state{1, last}, [](state& s) {
    return s.next > s.last ? std::nullopt : std::optional{s.next++};
  });
}

/// Adds the process in which it runs.
struct place_mark {
  int number = 0;
  std::vector<int> processes;
};

auto mark() {
  return [](place_mark x) {
    x.processes.push_back(getpid());
    return x;
  };
}

auto first_mark() {
  return [](int x) { return place_mark{x, {getpid()}}; };
}

/// Takes its arguments to wherever it runs.
class adder : public puma::single_buffer_servicing_runnable<int> {
 public:
  adder(std::string name, const puma::buffer<int>& in,
        const puma::buffer<int>& out, int by)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      by_(by) {}

 protected:
  void on_value(int& x) override { out_.publish(x + by_); }

 private:
  puma::publisher<int> out_;
  int by_;
};

class pipelines : public place_test {
 protected:
  puma::buffer<int> out = env().make_buffer<int>("out", 8);
};

INSTANTIATE_TEST_SUITE_P(, pipelines, any_place_at_all, place_name);

TEST_P(pipelines, carry_values_wherever_they_run) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(100))
           | puma::transform("twice", [](int x) { return 2 * x; })
           | puma::filter("some", [](int x) { return x % 3 == 0; })
           | puma::stage<adder>("add", 1) | puma::to(out);

  auto running = p.run();

  std::vector<int> expected;
  for (int i = 6; i <= 200; i += 6)
    expected.push_back(i + 1);
  EXPECT_EQ(read_all(out), expected);
}

TEST_P(pipelines, collect_batches_wherever_they_run) {
  auto batches = env().make_buffer<std::vector<int>>("batches", 8);
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(5))
           | puma::batch("batch", {.count = 2, .time = 1h}) | puma::to(batches);

  auto running = p.run();

  EXPECT_THAT(
    read_all(batches),
    ElementsAre(std::vector{1, 2}, std::vector{3, 4}, std::vector{5}));
}

TEST_P(pipelines, compute_at_several_places_at_a_time) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(50))
           | puma::parallel_transform("twice", 2, [](int x) { return 2 * x; })
           | puma::to(out);

  auto running = p.run();

  std::vector<int> expected;
  for (int i = 1; i <= 50; ++i)
    expected.push_back(2 * i);
  EXPECT_EQ(read_all(out), expected);
}

TEST_P(pipelines, merge_lines_wherever_they_run) {
  auto p = puma::pipeline(env())
           | puma::merge(
             puma::generate("a", count_to(3)),
             puma::generate("none", count_to(0)),
             puma::generate("b", count_to(3))
               | puma::transform("negate", [](int x) { return -x; }))
           | puma::to(out);

  auto running = p.run();

  auto found = read_all(out);
  std::ranges::sort(found);
  EXPECT_THAT(found, ElementsAre(-3, -2, -1, 1, 2, 3));
}

TEST_P(pipelines, copy_values_to_branches_wherever_they_run) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(2))
           | puma::multicast(
             "copy", puma::transform("ten", [](int x) { return 10 * x; }),
             puma::transform("negate", [](int x) { return -x; }))
           | puma::to(out);

  auto running = p.run();

  auto found = read_all(out);
  std::ranges::sort(found);
  EXPECT_THAT(found, ElementsAre(-2, -1, 10, 20));
}

TEST_P(pipelines, hand_on_errors_wherever_they_run) {
  auto p = puma::pipeline(env()) | puma::generate("count", count_to(5))
           | puma::transform("fail",
                             [](int x) {
                               if (x == 3)
                                 throw std::out_of_range{"three"};
                               return x;
                             })
           | puma::to(out);

  auto running = p.run();

  const auto found = read(out);
  EXPECT_THAT(found.values, ElementsAre(1, 2));
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->text(), "three");
}

TEST_P(pipelines, have_stages_in_several_environments) {
  puma::thread_environment here{rt()};
  auto marks = env().make_buffer<place_mark>("marks", 8);
  auto p = puma::pipeline(here) | puma::generate("count", count_to(2))
           | puma::transform("first", first_mark()) | puma::in(env())
           | puma::transform("second", mark())
           | puma::transform("third", mark()).in(here)
           | puma::transform("fourth", mark()).dedicated() | puma::to(marks);

  auto running = p.run();
  const auto found = read_all(marks);

  ASSERT_EQ(found.size(), 2u);
  for (auto& x : found) {
    ASSERT_EQ(x.processes.size(), 4u);
    EXPECT_EQ(x.processes[0], getpid());
    EXPECT_EQ(x.processes[2], getpid());
    for (const auto i : {1u, 3u})
      EXPECT_EQ(x.processes[i] == getpid(), GetParam() == place::threads);
  }
}

TEST_P(pipelines, are_stopped_by_their_handle) {
  auto in = env().make_buffer<int>("in", 8);
  {
    auto p = puma::pipeline(env()) | puma::from(in)
             | puma::stage<adder>("add", 1) | puma::to(out);
    auto running = p.run();
    running.wait_until_running();
  }

  auto free = in.subscribe();
}

// -- what cannot cross --------------------------------------------------------

class pipelines_in_processes : public process_test {};

TEST_F(pipelines_in_processes, name_all_that_cannot_cross) {
  using pointer = std::shared_ptr<int>;
  int sum = 0;
  auto p = puma::pipeline(env) | puma::generate("count", count_to(3))
           | puma::transform("point",
                             [](int x) { return std::make_shared<int>(x); })
           | puma::transform("back", [](const pointer& x) { return *x; })
           | puma::for_each("add", [&sum](int x) { sum += x; });

  const auto text = thrown_text<usage_error>([&] { auto x = p.run(); });

  EXPECT_THAT(text,
              AllOf(HasSubstr("pipeline: 3 problems\n"),
                    HasSubstr("runnable 'point': cannot go to another process"),
                    HasSubstr("runnable 'back': cannot go to another process"),
                    HasSubstr("values of buffer 'point -> back'"),
                    HasSubstr("runnable 'add': cannot go to another process"),
                    HasSubstr("with_state")));
  EXPECT_TRUE(workers().empty());
}

TEST_F(pipelines_in_processes, may_keep_here_what_cannot_cross) {
  puma::thread_environment here{rt()};
  int sum = 0;
  auto p = puma::pipeline(env) | puma::generate("count", count_to(3))
           | puma::transform("twice", [](int x) { return 2 * x; })
           | puma::for_each("add", [&sum](int x) { sum += x; }).in(here);

  auto running = p.run();
  join(rt());

  EXPECT_EQ(sum, 12);
}

} // namespace
