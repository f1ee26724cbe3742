// SPDX-License-Identifier: Apache-2.0

#include "puma/caf.hpp"

#include "puma/base/error.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <caf/actor_ostream.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::publish_result;
using puma::receive_status;
using puma::usage_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

using get_atom = caf::atom_constant<caf::atom("get")>;

// -- actors of the user's own -------------------------------------------------

struct taking_state {
  puma::actor_subscription<int> in;
  events seen;
};

caf::behavior taking(caf::stateful_actor<taking_state>* self, int_buffer from,
                     events seen) {
  self->state.seen = std::move(seen);
  self->state.in = {self, from};
  return {[self](puma::ready_atom) {
    auto& [in, log] = self->state;
    const auto status = in.take([&](int& x) { log.add(std::to_string(x)); });
    if (status == receive_status::failed)
      log.add(std::string{in.error().text()});
    if (status == receive_status::completed)
      log.add("completed");
    if (status != receive_status::value && status != receive_status::empty)
      self->quit();
  }};
}

struct giving_state {
  puma::actor_publisher<int> out;
  int next = 1;
  int last = 0;
};

void give(caf::stateful_actor<giving_state>* self) {
  auto& [out, next, last] = self->state;
  for (; next <= last; ++next) {
    const auto result = out.try_publish(next);
    if (result == publish_result::full)
      return; // until there is room
    if (result == publish_result::closed)
      return self->quit();
  }
  out.complete();
  self->quit();
}

caf::behavior giving(caf::stateful_actor<giving_state>* self, int_buffer to,
                     int last) {
  self->state.out = {self, to};
  self->state.last = last;
  give(self);
  return {[self](puma::room_atom) { give(self); },
          [self](get_atom) { throw std::runtime_error{"broken"}; }};
}

// -- a runnable that answers messages -----------------------------------------

class answering : public puma::command_driven_runnable {
 public:
  explicit answering(events seen)
    : command_driven_runnable("answering"),
      seen_(std::move(seen)) {
    puma::answer_messages(*this, {
                                   [this](int x) { return sum_ += x; },
                                   [this](const std::string& x) {
                                     static_cast<void>(missed_ticks());
                                     seen_.add(x);
                                   },
                                   [](get_atom) -> int {
                                     throw std::out_of_range{"no such thing"};
                                   },
                                 });
  }

  void change() {
    puma::answer_messages(*this, {[](int x) { return -x; }});
  }

 private:
  events seen_;
  int sum_ = 0;
};

class with_actors : public environment_test {
 protected:
  caf::actor_system& system() { return rt().actor_system(); }

  events seen;
};

INSTANTIATE_TEST_SUITE_P(, with_actors, any_hosting, with_hosting);

TEST_P(with_actors, a_subscription_takes_all_values_and_the_end) {
  auto in = env().make_buffer<int>("in", 4);
  system().spawn(taking, in, seen);
  auto x = run(
    puma::generate("source", in, [n = 0]() mutable -> std::optional<int> {
      return n == 1'000 ? std::nullopt : std::optional{++n};
    }));

  EXPECT_TRUE(eventually([&] { return seen.has("completed"); }));

  std::vector<std::string> expected;
  for (int i = 1; i <= 1'000; ++i)
    expected.push_back(std::to_string(i));
  expected.push_back("completed");
  EXPECT_EQ(seen.entries(), expected);
  x.join();
}

TEST_P(with_actors, a_subscription_tells_of_errors) {
  auto in = env().make_buffer<int>("in", 4);
  auto out = in.open_publisher();
  system().spawn(taking, in, seen);

  out.publish(1);
  EXPECT_TRUE(eventually([&] { return seen.has("1"); }));
  out.fail(std::runtime_error{"too hot"});

  EXPECT_TRUE(eventually([&] { return seen.has("too hot"); }));
}

TEST_P(with_actors, a_subscription_of_an_actor_that_ends_leaves_the_rest) {
  auto in = env().make_buffer<int>("in", 4);
  auto out = in.open_publisher();
  auto first = system().spawn(taking, in, seen);
  out.publish(1);
  EXPECT_TRUE(eventually([&] { return seen.has("1"); }));

  caf::anon_send_exit(first, caf::exit_reason::kill);
  first = nullptr;
  EXPECT_TRUE(eventually([&] {
    try {
      auto rest = in.subscribe();
      out.publish(2);
      return *rest.next() == 2;
    } catch (const usage_error&) {
      return false; // the actor is still there
    }
  }));
}

TEST_P(with_actors, a_publisher_goes_on_when_there_is_room) {
  auto out = env().make_buffer<int>("out", 2);
  system().spawn(giving, out, 100);
  numbers got;
  auto x = run(puma::for_each("sink", out, [got](int i) { got.add(i); }));
  x.join();

  std::vector<int> expected;
  for (int i = 1; i <= 100; ++i)
    expected.push_back(i);
  EXPECT_EQ(got.entries(), expected);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(with_actors, a_publisher_of_an_actor_that_dies_fails_its_stream) {
  auto out = env().make_buffer<int>("out", 2);
  auto actor = system().spawn(giving, out, 100);
  auto in = out.subscribe();
  EXPECT_EQ(*in.next(), 1);

  caf::anon_send(actor, get_atom::value);
  actor = nullptr;

  try {
    while (in.next()) {
      // Those that came before.
    }
    FAIL() << "the stream should have failed";
  } catch (const puma::error& error) {
    EXPECT_THAT(error.what(), HasSubstr("without having completed"));
  }
}

TEST_P(with_actors, a_runnable_answers_messages) {
  auto x = run<answering>(seen);
  const auto actor = x.actor();
  events answers;

  system().spawn([actor, answers](caf::event_based_actor* self) {
    for (int i = 1; i <= 2; ++i)
      self->request(actor, 10s, i).then([answers](int sum) {
        answers.add(std::to_string(sum));
      });
    self->send(actor, "text");
  });

  EXPECT_TRUE(eventually([&] { return seen.has("text"); }));
  EXPECT_TRUE(eventually([&] { return answers.size() == 2; }));
  EXPECT_THAT(answers.entries(), ElementsAre("1", "3"));
}

TEST_P(with_actors, a_runnable_may_change_what_it_answers) {
  auto x = run<answering>(seen);
  x.call<&answering::change>();
  events answers;

  system().spawn([actor = x.actor(), answers](caf::event_based_actor* self) {
    self->request(actor, 10s, 5).then([answers](int y) {
      answers.add(std::to_string(y));
    });
  });

  EXPECT_TRUE(eventually([&] { return answers.has("-5"); }));
}

TEST_P(with_actors, an_error_in_a_handler_ends_the_runnable) {
  auto x = run<answering>(seen);
  const auto actor = x.actor();

  caf::anon_send(actor, get_atom::value);
  x.join();

  EXPECT_EQ(x.last_failure()->activity(), "message handler");
  EXPECT_THROW(x.check_for_exceptions(), std::out_of_range);
}

TEST_P(with_actors, requests_to_one_that_ends_get_an_error) {
  auto x = run<answering>(seen);
  const auto actor = x.actor();
  x.stop();
  x.join();
  events answers;

  system().spawn([actor, answers](caf::event_based_actor* self) {
    self->request(actor, 10s, 1)
      .then([](int) { FAIL() << "it has ended"; },
            [answers](const caf::error&) { answers.add("error"); });
  });

  EXPECT_TRUE(eventually([&] { return answers.has("error"); }));
}

TEST_P(with_actors, a_runnable_that_is_not_there_is_no_actor) {
  auto x = make<answering>(seen);
  EXPECT_THROW(static_cast<void>(x.actor()), usage_error);

  x.start();
  x.stop();
  x.join();
  EXPECT_THROW(static_cast<void>(x.actor()), puma::runnable_ended);
}

} // namespace
