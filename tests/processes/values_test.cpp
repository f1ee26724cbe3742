// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <set>

#include <unistd.h>

using namespace puma_test;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

namespace {

class values : public place_test {
 protected:
  /// Sends values through two stages, and compares what comes out.
  template <class T>
  void expect_in_order(int count, std::size_t capacity) {
    auto a = env().make_buffer<T>("a", capacity);
    auto b = env().make_buffer<T>("b", capacity);
    auto source = env().run<counting<T>>("source"s, a, 1, count);
    auto stage = env().run<passing<T>>("stage"s, a, b);

    auto in = b.subscribe();
    for (int i = 1; i <= count; ++i) {
      auto x = in.next_for(patience);
      ASSERT_TRUE(x) << "value " << i << ": " << to_string(x.status())
                     << (x.error() ? x.error()->describe() : "");
      ASSERT_TRUE(same(*x, made<T>(i))) << "value " << i;
    }

    EXPECT_EQ(to_string(in.next_for(patience).status()), "completed");
    EXPECT_EQ(to_string(in.next_for(patience).status()), "completed");
    join(source);
    join(stage);
    EXPECT_NO_THROW(join(rt()));
  }
};

INSTANTIATE_TEST_SUITE_P(, values, any_place_at_all, place_name);

TEST_P(values, that_are_numbers_arrive_in_order) {
  expect_in_order<int>(100'000, 1024);
}

TEST_P(values, that_are_numbers_arrive_in_order_through_small_buffers) {
  expect_in_order<int>(3'000, 1);
  expect_in_order<int>(3'000, 2);
}

TEST_P(values, that_are_texts_arrive_in_order) {
  expect_in_order<std::string>(20'000, 256);
}

TEST_P(values, that_are_structs_arrive_in_order) {
  expect_in_order<report>(5'000, 64);
}

TEST_P(values, that_cannot_be_copied_arrive_in_order) {
  expect_in_order<std::unique_ptr<std::string>>(5'000, 64);
}

TEST_P(values, that_are_large_arrive_in_order) {
  expect_in_order<large>(8, 2);
}

TEST_P(values, that_are_large_arrive_in_order_through_a_buffer_for_one) {
  expect_in_order<large>(4, 1);
}

TEST_P(values, from_the_test_to_a_runnable_and_back_arrive_one_by_one) {
  auto there = env().make_buffer<int>("there", 4);
  auto back = env().make_buffer<int>("back", 4);
  auto stage = env().run<passing<int>>("stage"s, there, back);
  auto out = there.open_publisher();
  auto in = back.subscribe();

  for (int i = 1; i <= 500; ++i) {
    send(out, i);
    ASSERT_EQ(read_one(in), i);
  }
  out.complete();

  EXPECT_EQ(to_string(in.next_for(patience).status()), "completed");
}

TEST_P(values, published_before_anyone_subscribes_wait) {
  auto a = env().make_buffer<int>("a", 8);
  auto b = env().make_buffer<int>("b", 8);
  {
    auto out = a.open_publisher();
    send_numbers(out, 1, 8);
    EXPECT_EQ(to_string(out.publish_for(9, 10ms)), "full");
    out.complete();
  }

  auto stage = env().run<passing<int>>("stage"s, a, b);

  EXPECT_EQ(read_all(b), numbers(1, 8));
}

TEST_P(values, of_a_runnable_that_has_ended_wait_for_the_next) {
  auto a = env().make_buffer<int>("a", 1001);
  auto b = env().make_buffer<int>("b", 10);
  auto source = env().run<counting<int>>("source"s, a, 1, 1000);
  join(source);

  auto stage = env().run<passing<int>>("stage"s, a, b);

  EXPECT_EQ(read_all(b), numbers(1, 1000));
}

TEST_P(values, of_a_runnable_that_has_ended_wait_for_the_test) {
  auto a = env().make_buffer<int>("a", 1001);
  auto source = env().run<counting<int>>("source"s, a, 1, 1000);
  join(source);

  EXPECT_EQ(read_all(a), numbers(1, 1000));
}

TEST_P(values, reach_a_runnable_that_was_there_first) {
  auto a = env().make_buffer<int>("a", 10);
  auto b = env().make_buffer<int>("b", 10);
  auto stage = env().run<passing<int>>("stage"s, a, b);
  wait_for(stage);
  auto source = env().run<counting<int>>("source"s, a, 1, 1000);

  EXPECT_EQ(read_all(b), numbers(1, 1000));
}

TEST_P(values, flow_through_six_stages) {
  std::vector<puma::buffer<int>> buffers;
  for (int i = 0; i <= 6; ++i)
    buffers.push_back(env().make_buffer<int>("b" + std::to_string(i), 16));
  std::vector<puma::runner> runners;
  for (std::size_t i = 0; i != 6; ++i)
    runners.push_back(env().run<passing<int>>("stage " + std::to_string(i),
                                              buffers[i], buffers[i + 1]));
  runners.push_back(
    env().run<counting<int>>("source"s, buffers.front(), 1, 2'000));

  EXPECT_EQ(read_all(buffers.back()), numbers(1, 2'000));
}

// -- several publishers -------------------------------------------------------

/// Whether each publisher's numbers are 1 to `last`, in order.
void expect_all(const std::vector<signed_number>& found, int publishers,
                int last) {
  std::map<int, int> next;
  for (auto& x : found)
    ASSERT_EQ(x.number, ++next[x.by]) << "publisher " << x.by;
  for (int by = 1; by <= publishers; ++by)
    EXPECT_EQ(next[by], last) << "publisher " << by;
}

class several_publishers : public place_test {
 protected:
  void expect_progress(int publishers, std::size_t capacity, int count) {
    auto a = env().make_buffer<signed_number>("a", capacity);
    auto b = env().make_buffer<signed_number>("b", capacity);
    auto stage = env().run<passing<signed_number>>("stage"s, a, b);
    std::vector<puma::runner> sources;
    for (int by = 1; by <= publishers; ++by)
      sources.push_back(
        env().run<signing>("source " + std::to_string(by), a, by, count));

    expect_all(read_all(b), publishers, count);
  }
};

INSTANTIATE_TEST_SUITE_P(, several_publishers, any_place_at_all, place_name);

TEST_P(several_publishers, fan_in) {
  expect_progress(4, 256, 5'000);
}

TEST_P(several_publishers, make_progress_through_a_buffer_for_one) {
  expect_progress(1, 1, 300);
  expect_progress(4, 1, 300);
}

TEST_P(several_publishers, make_progress_through_a_buffer_for_two) {
  expect_progress(1, 2, 300);
  expect_progress(4, 2, 300);
}

TEST_P(several_publishers, make_progress_towards_the_test) {
  auto a = env().make_buffer<signed_number>("a", 1);
  std::vector<puma::runner> sources;
  for (int by = 1; by <= 4; ++by)
    sources.push_back(
      env().run<signing>("source " + std::to_string(by), a, by, 300));

  expect_all(read_all(a), 4, 300);
}

TEST_P(several_publishers, of_different_speed_all_get_through) {
  auto a = env().make_buffer<signed_number>("a", 4);
  auto b = env().make_buffer<signed_number>("b", 4);
  auto stage = env().run<passing<signed_number>>("stage"s, a, b);
  auto out = a.open_publisher();
  auto early = env().run<signing>("early"s, a, 1, 3);
  auto in = b.subscribe();
  auto found = read(in, 3).values;
  join(early);

  // The stream is not over, since this publisher is open.
  for (int i = 1; i <= 100; ++i) {
    send(out, signed_number{2, i});
    found.push_back(read_one(in));
  }
  auto late = env().run<signing>("late"s, a, 3, 100);
  wait_for(late);
  out.complete();

  auto rest = read(in);
  EXPECT_EQ(to_string(rest.end), "completed");
  found.insert(found.end(), rest.values.begin(), rest.values.end());
  std::map<int, int> last;
  for (auto& x : found)
    EXPECT_EQ(x.number, ++last[x.by]);
  EXPECT_EQ(last[1], 3);
  EXPECT_EQ(last[2], 100);
  EXPECT_EQ(last[3], 100);
}

TEST_P(several_publishers, that_go_without_ending_leave_the_stream_open) {
  auto a = env().make_buffer<int>("a", 4);
  auto b = env().make_buffer<int>("b", 4);
  auto stage = env().run<passing<int>>("stage"s, a, b);
  auto in = b.subscribe();
  {
    auto out = a.open_publisher();
    send(out, 1);
  }
  EXPECT_EQ(read_one(in), 1);
  EXPECT_EQ(to_string(in.next_for(50ms).status()), "empty");

  auto out = a.open_publisher();
  send(out, 2);
  out.complete();

  EXPECT_EQ(read(in).values, std::vector{2});
}

// -- buffers as arguments -----------------------------------------------------

/// Spreads values over outputs, in turn.
class spreading : public puma::single_buffer_servicing_runnable<int> {
 public:
  spreading(std::string name, const puma::buffer<int>& in,
            const std::vector<puma::buffer<int>>& outs)
    : single_buffer_servicing_runnable(std::move(name), in) {
    for (auto& x : outs)
      outs_.push_back(publish_to(x));
  }

 protected:
  void on_value(int& x) override {
    outs_[static_cast<std::size_t>(x) % outs_.size()].publish(x);
  }

 private:
  std::vector<puma::publisher<int>> outs_;
};

/// Merges inputs.
class merging : public puma::multi_buffer_servicing_runnable {
 public:
  merging(std::string name, const std::vector<puma::buffer<int>>& ins,
          const puma::buffer<int>& out)
    : multi_buffer_servicing_runnable(std::move(name)),
      taker_(publish_to(out)) {
    for (auto& x : ins)
      add_input(x, taker_);
  }

 private:
  struct taker : puma::subscriber<int> {
    explicit taker(puma::publisher<int> to) : out(std::move(to)) {}
    void on_value(int& x) override { out.publish(x); }
    puma::publisher<int> out;
  };

  taker taker_;
};

class buffers : public place_test {};

INSTANTIATE_TEST_SUITE_P(, buffers, any_place_at_all, place_name);

TEST_P(buffers, in_vectors_are_arguments) {
  auto a = env().make_buffer<int>("a", 16);
  auto d = env().make_buffer<int>("d", 16);
  std::vector<puma::buffer<int>> bs;
  std::vector<puma::buffer<int>> cs;
  std::vector<puma::runner> runners;
  for (int i = 0; i != 3; ++i) {
    bs.push_back(env().make_buffer<int>("b" + std::to_string(i), 4));
    cs.push_back(env().make_buffer<int>("c" + std::to_string(i), 4));
    runners.push_back(env().run<passing<int>>("stage " + std::to_string(i),
                                              bs.back(), cs.back()));
  }
  runners.push_back(env().run<merging>("merging"s, cs, d));
  runners.push_back(env().run<spreading>("spreading"s, a, bs));
  runners.push_back(env().run<counting<int>>("source"s, a, 1, 900));

  auto found = read_all(d);

  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, numbers(1, 900));
}

TEST_P(buffers, may_be_given_to_the_same_runnable_as_input_and_output) {
  // A feedback loop: what goes out comes back.
  auto a = env().make_buffer<int>("a", 64);
  auto b = env().make_buffer<int>("b", 64);
  auto stage = env().run<passing<int>>("there"s, a, b);
  auto back = env().run<passing_some>("back"s, b, a, 100);
  auto out = a.open_publisher();
  send(out, 7);

  join(back);
  out.complete();
  join(stage);

  EXPECT_EQ(read_all(b), std::vector{7});
}

TEST_P(buffers, may_be_shared_with_runnables_of_this_process) {
  const puma::thread_environment here{rt()};
  auto a = env().make_buffer<int>("a", 4);
  auto b = here.make_buffer<int>("b", 4);
  auto c = env().make_buffer<int>("c", 4);
  auto source = env().run<counting<int>>("source"s, a, 1, 5'000);
  auto one = here.run<passing<int>>("one"s, a, b);
  auto other = env().run<passing<int>>("other"s, b, c);
  int sum = 0;
  auto end = here.run(puma::for_each("end", c, [&sum](int x) { sum += x; }));

  join(end);

  EXPECT_EQ(sum, 12'502'500);
}

TEST_P(buffers, with_literals_beside_them_are_arguments) {
  auto a = env().make_buffer<int>("a", 4);

  auto source = env().run<counting<int>>("source", a, 1, 50);

  EXPECT_EQ(read_all(a), numbers(1, 50));
}

// -- where --------------------------------------------------------------------

TEST_F(process_test, runs_each_runnable_in_a_process_of_its_own) {
  auto ids = env.make_buffer<int>("ids", 8);
  std::vector<puma::runner> runners;
  for (int i = 0; i != 3; ++i)
    runners.push_back(
      env.run<telling_process>("teller " + std::to_string(i), ids));

  const auto found = read(ids, 3).values;

  std::set<int> distinct(found.begin(), found.end());
  distinct.insert(::getpid());
  EXPECT_EQ(distinct.size(), 4u);
  EXPECT_THAT(workers(), ::testing::UnorderedElementsAreArray(found));
}

TEST_F(process_test, ends_a_process_with_its_runnable) {
  auto ids = env.make_buffer<int>("ids", 8);
  auto x = env.run<telling_process>("teller"s, ids);
  const auto id = read_one(ids);
  ASSERT_THAT(workers(), ::testing::ElementsAre(id));

  x.stop();
  join(x);

  EXPECT_TRUE(eventually([&] { return workers().empty(); }));
}

TEST_F(process_test, shares_as_many_processes_as_told) {
  const puma::process_environment shared{rt(), {.workers = 2}};
  auto ids = shared.make_buffer<int>("ids", 8);
  std::vector<puma::runner> runners;
  for (int i = 0; i != 6; ++i)
    runners.push_back(
      shared.run<telling_process>("teller " + std::to_string(i), ids));

  const auto found = read(ids, 6).values;

  EXPECT_EQ(std::set<int>(found.begin(), found.end()).size(), 2u);
}

} // namespace
