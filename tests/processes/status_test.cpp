// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <csignal>

#include <unistd.h>

using namespace puma_test;
using puma::usage_error;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// Publishes what it is told.
class publishing : public puma::command_driven_runnable {
 public:
  explicit publishing(std::string name)
    : command_driven_runnable(std::move(name)) {}

  template <class T>
  void say(const T& x) {
    publish_status(x);
  }

  void count_to(int last) {
    for (int i = 1; i <= last; ++i)
      publish_status(i);
  }

  void say_and_end(int x) {
    publish_status(0);
    publish_status(0);
    publish_status(x);
    stop();
  }

  void say_pointer() { publish_status(static_cast<const int*>(nullptr)); }

  void say_much() { publish_status(std::string(2u << 20u, 'x')); }

  int answer() { return 42; }

  pid_t process() { return ::getpid(); }
};

class statuses : public place_test {
 protected:
  puma::runner x = env().run<publishing>("x"s);
};

INSTANTIATE_TEST_SUITE_P(, statuses, any_place_at_all, place_name);

TEST_P(statuses, come_to_the_owner) {
  x.post<&publishing::say<report>>(made<report>(5));
  x.post<&publishing::say<std::string>>("text");

  EXPECT_EQ(x.wait_for_status<report>(patience), made<report>(5));
  EXPECT_EQ(x.wait_for_status<std::string>(patience), "text");
  EXPECT_FALSE(x.latest_status<report>());
}

TEST_P(statuses, end_with_the_latest) {
  x.call<&publishing::count_to>(100'000);

  EXPECT_TRUE(eventually([&] {
    const auto status = x.latest_status<int>();
    return status && *status == 100'000;
  }));
}

TEST_P(statuses, that_came_last_are_there_after_the_end) {
  x.post<&publishing::say_and_end>(3);
  join(x);

  EXPECT_EQ(x.latest_status<int>(), 3);
}

TEST_P(statuses, are_not_waited_for_after_the_end) {
  x.stop();

  EXPECT_FALSE(x.wait_for_status<int>(patience));
  EXPECT_FALSE(x.is_alive());
}

TEST_P(statuses, that_cannot_cross_work_in_threads) {
  if (GetParam() == place::threads) {
    EXPECT_NO_THROW(x.call<&publishing::say_pointer>());
    EXPECT_NO_THROW(x.call<&publishing::say_much>());
    return;
  }
  EXPECT_THAT(
    thrown_text<usage_error>([&] { x.call<&publishing::say_pointer>(); }),
    AllOf(HasSubstr("publish_status"), HasSubstr("pointer")));
  EXPECT_THAT(
    thrown_text<usage_error>([&] { x.call<&publishing::say_much>(); }),
    HasSubstr("buffer"));
  EXPECT_EQ(x.call<&publishing::answer>(), 42);
}

class statuses_of_processes : public process_test {};

TEST_F(statuses_of_processes, are_not_waited_for_when_the_process_dies) {
  auto x = env.run<publishing>("x"s);
  const auto id = x.call<&publishing::process>();

  ::kill(id, SIGKILL);

  EXPECT_FALSE(x.wait_for_status<int>(patience));
  EXPECT_FALSE(x.is_alive());
  EXPECT_THROW(x.check_for_exceptions(), puma::process_lost);
}

} // namespace
