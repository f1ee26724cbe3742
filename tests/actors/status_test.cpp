// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/base/error.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

struct progress {
  int done = 0;
};

class worker : public puma::command_driven_runnable {
 public:
  explicit worker(std::string name)
    : command_driven_runnable(std::move(name)) {}

  void report(int done) { publish_status(progress{done}); }

  void report_twice(int done) {
    report(done);
    report(done + 1);
    publish_status(std::string{"two types"});
    publish_status(std::make_unique<int>(7));
  }

  void report_and_end(int done) {
    report(done);
    stop();
  }

  void misuse() {
    std::thread{[this] {
      EXPECT_THROW(publish_status(progress{1}), puma::usage_error);
    }}.join();
  }
};

class a_status : public environment_test {
 protected:
  puma::runner x = run<worker>("worker");
};

INSTANTIATE_TEST_SUITE_P(, a_status, any_hosting, with_hosting);

TEST_P(a_status, is_not_there_before_it_was_published) {
  EXPECT_FALSE(x.latest_status<progress>());
}

TEST_P(a_status, is_taken_by_asking) {
  x.call<&worker::report>(3);

  const auto status = x.latest_status<progress>();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->done, 3);
  EXPECT_FALSE(x.latest_status<progress>());
}

TEST_P(a_status, is_the_latest_of_its_type) {
  x.call<&worker::report_twice>(3);

  EXPECT_EQ(x.latest_status<progress>()->done, 4);
  EXPECT_EQ(x.latest_status<std::string>(), "two types");
  EXPECT_EQ(**x.latest_status<std::unique_ptr<int>>(), 7);
  EXPECT_FALSE(x.latest_status<int>());
}

TEST_P(a_status, is_waited_for) {
  x.post<&worker::report>(3);

  EXPECT_EQ(x.wait_for_status<progress>(20s)->done, 3);
}

TEST_P(a_status, that_does_not_come_is_not_waited_for_too_long) {
  EXPECT_FALSE(x.wait_for_status<progress>(10ms));
}

TEST_P(a_status, is_not_waited_for_when_the_runnable_has_ended) {
  x.stop();

  EXPECT_FALSE(x.wait_for_status<progress>(3600s));
}

TEST_P(a_status, that_came_last_is_there_after_the_end) {
  x.post<&worker::report_and_end>(5);

  EXPECT_EQ(x.wait_for_status<progress>(3600s)->done, 5);
  x.join();
  EXPECT_FALSE(x.wait_for_status<progress>(3600s));
}

TEST_P(a_status, is_only_published_by_its_runnable) {
  x.call<&worker::misuse>();
}

TEST_P(a_status, cannot_be_waited_for_before_the_start) {
  auto y = make<worker>("worker");

  EXPECT_THROW(static_cast<void>(y.wait_for_status<progress>(1s)),
               puma::usage_error);
  EXPECT_FALSE(y.latest_status<progress>());
}

TEST_P(a_status, is_not_waited_for_by_pooled_runnables) {
  auto y = env().run<idler>("idler", [&](idler& self) {
    EXPECT_THROW(static_cast<void>(x.wait_for_status<progress>(1h)),
                 puma::usage_error);
    self.stop();
  });
  y.join();
  EXPECT_NO_THROW(y.check_for_exceptions());
}

} // namespace
