// SPDX-License-Identifier: Apache-2.0

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>

using namespace puma_test;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::IsEmpty;

namespace {

using boxed = std::unique_ptr<int>;

class stealing : public puma::single_buffer_servicing_runnable<boxed> {
 public:
  stealing(const puma::buffer<boxed>& in, const journal<boxed>& to)
    : single_buffer_servicing_runnable("stealing", in),
      to_(to) {}

 protected:
  void on_value(boxed& x) override { to_.add(std::move(x)); }

 private:
  journal<boxed> to_;
};

/// Gets batches, and fails in the one that has a negative value.
class batching : public puma::single_buffer_servicing_runnable<int> {
 public:
  batching(const int_buffer& in, const numbers& values, const numbers& sizes)
    : single_buffer_servicing_runnable("batching", in),
      values_(values),
      sizes_(sizes) {}

 protected:
  void on_values(std::span<int> batch) override {
    sizes_.add(static_cast<int>(batch.size()));
    for (const int x : batch)
      values_.add(x);
  }

 private:
  numbers values_;
  numbers sizes_;
};

class values : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 16);
  int_buffer out = env().make_buffer<int>("out", 16);
  numbers seen;
};

INSTANTIATE_TEST_SUITE_P(, values, any_hosting, with_hosting);

// -- handling -----------------------------------------------------------------

TEST_P(values, may_be_moved_from) {
  auto boxes = env().make_buffer<boxed>("boxes", 4);
  journal<boxed> taken;
  auto x = run<stealing>(boxes, taken);

  auto publisher = boxes.open_publisher();
  publisher.publish(std::make_unique<int>(1));
  publisher.publish(std::make_unique<int>(2));
  publisher.complete();
  x.join();

  EXPECT_EQ(taken.size(), 2u);
}

TEST_P(values, come_in_batches_where_on_values_is_overridden) {
  publish_all(in, 1, 16);
  numbers sizes;

  auto x = run<batching>(in, seen, sizes);
  stream_all(in, 17, 20);
  x.join();

  EXPECT_EQ(seen.entries(), numbers_to(20));
  EXPECT_THAT(sizes.entries()[0], Gt(1));
}

TEST_P(values, in_a_batch_count_as_taken) {
  numbers sizes;
  auto x = run<batching>(in, seen, sizes);

  stream_all(in, 1, 16);
  x.join();

  EXPECT_EQ(in.stats().taken, 16u);
  EXPECT_EQ(in.stats().waiting, 0u);
}

// -- after a stop -------------------------------------------------------------

TEST_P(values, after_a_stop_from_inside_stay_in_the_buffer) {
  publish_all(in, 1, 10);
  auto x = run<stage>("stage", in, std::vector<int_buffer>{},
                      script{.on_value = [&](stage& self, int& value) {
                        seen.add(value);
                        if (value == 3)
                          self.stop();
                      }});
  x.join();

  stream_all(in, 11, 12);

  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3));
  EXPECT_EQ(rest_of(in), numbers_to(12, 4));
}

TEST_P(values, after_a_stop_by_the_owner_stay_in_the_buffer) {
  auto x = run<stage>(
    "stage", in, std::vector<int_buffer>{},
    script{.on_value = [&](stage&, int& value) { seen.add(value); }});
  x.wait_until_running();
  x.stop();
  x.join();

  stream_all(in, 1, 3);

  EXPECT_THAT(seen.entries(), IsEmpty());
  EXPECT_THAT(rest_of(in), ElementsAre(1, 2, 3));
}

TEST_P(values, are_neither_lost_nor_doubled_by_stops_in_the_flow) {
  constexpr int last = 2000;
  auto source = env().run<counting_source>("source", std::vector{in}, last);

  for (int stops = 1; stops <= 5; ++stops) {
    puma::runner x;
    x = make<stage>("stage", in, std::vector<int_buffer>{},
                    script{.on_value = [&](stage&, int& value) {
                      seen.add(value);
                      if (seen.size() % 101 == 0)
                        x.stop();
                    }});
    x.start();
    x.join();
  }

  for (const int x : rest_of(in))
    seen.add(x);
  EXPECT_EQ(seen.entries(), numbers_to(last));
}

TEST_P(values, after_an_exception_stay_in_the_buffer) {
  publish_all(in, 1, 4);
  auto x = run<stage>("stage", in, std::vector{out},
                      script{.on_value = [](stage&, int& value) {
                        if (value == 2)
                          throw sensor_broken{2};
                      }});
  x.join();

  stream_all(in, 5, 5);

  EXPECT_THAT(rest_of(in), ElementsAre(3, 4, 5));
}

} // namespace
