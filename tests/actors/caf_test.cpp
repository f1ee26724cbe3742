// SPDX-License-Identifier: Apache-2.0

#include "puma/caf.hpp"

#include "puma/base/error.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <caf/actor_ostream.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
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
  return {[self](const puma::ready&) {
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
  return {[self](const puma::room&) { give(self); },
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
  auto actor = system().spawn(giving, out, 1'000'000'000);
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

// -- messages -----------------------------------------------------------------

struct two_inputs {
  puma::actor_subscription<int> first;
  puma::actor_subscription<int> second;
  int messages = 0;
  int taken = 0;
};

TEST_P(with_actors, messages_do_not_multiply_with_the_inputs) {
  constexpr int count = 20'000;
  auto first = env().make_buffer<int>("first", 256);
  auto second = env().make_buffer<int>("second", 256);
  const auto source = [](const char* name, const int_buffer& to) {
    return puma::generate(name, to, [n = 0]() mutable -> std::optional<int> {
      return n == count ? std::nullopt : std::optional{++n};
    });
  };
  auto messages = std::make_shared<std::atomic<int>>(0);
  auto ends = std::make_shared<std::atomic<int>>(0);
  system().spawn([=](caf::stateful_actor<two_inputs>* self) -> caf::behavior {
    self->state.first = {self, first};
    self->state.second = {self, second};
    return {[=](const puma::ready&) {
      ++*messages;
      // Whichever it was for: both are looked at.
      for (auto* in : {&self->state.first, &self->state.second})
        if (in->take([&](int&) { ++self->state.taken; })
            == receive_status::completed)
          in->unsubscribe(), ++*ends;
      if (*ends == 2)
        self->quit();
    }};
  });
  auto x = run(source("x", first));
  auto y = run(source("y", second));

  EXPECT_TRUE(eventually([&] { return *ends == 2; }));
  // Each that comes takes a value, a batch, or finds one of them empty.
  EXPECT_LE(*messages, 2 * count + 100);
}

TEST_P(with_actors, a_subscription_may_be_closed_while_it_takes) {
  auto in = env().make_buffer<int>("in", 8);
  auto out = in.open_publisher();
  for (int i = 1; i <= 5; ++i)
    out.publish(i);
  out.complete();
  const auto notes = seen;

  system().spawn([=](caf::stateful_actor<taking_state>* self) -> caf::behavior {
    self->state.in = {self, in};
    return {[=](const puma::ready&) {
      self->state.in.take([&](int& x) {
        notes.add(std::to_string(x));
        if (x == 2)
          self->state.in.unsubscribe();
      });
      EXPECT_EQ(self->state.in.take([](int&) { FAIL(); }),
                receive_status::empty);
      notes.add("closed");
    }};
  });

  EXPECT_TRUE(eventually([&] { return seen.has("closed"); }));
  EXPECT_THAT(seen.entries(), ElementsAre("1", "2", "closed"));
  auto rest = in.subscribe();
  EXPECT_EQ(*rest.next(), 3);
}

TEST_P(with_actors, a_publisher_that_has_ended_says_closed) {
  auto out = env().make_buffer<int>("out", 8);
  const auto notes = seen;
  system().spawn([=](caf::stateful_actor<giving_state>* self) {
    self->state.out = {self, out};
    self->state.out.complete();
    notes.add(std::string{to_string(self->state.out.try_publish(1))});
  });

  EXPECT_TRUE(eventually([&] { return seen.has("closed"); }));
}

TEST_P(with_actors, room_that_an_actor_does_not_use_goes_to_others) {
  auto out = env().make_buffer<int>("out", 1);
  auto in = out.subscribe();
  const auto notes = seen;
  const auto actor = system().spawn(
    [=](caf::stateful_actor<giving_state>* self) -> caf::behavior {
      self->state.out = {self, out};
      EXPECT_EQ(self->state.out.try_publish(1), publish_result::accepted);
      EXPECT_EQ(self->state.out.try_publish(2), publish_result::full);
      notes.add("full");
      return {[notes](const puma::room&) { notes.add("room"); }};
    });
  EXPECT_TRUE(eventually([&] { return seen.has("full"); }));
  auto x = env().run<idler>(puma::dedicated, "other", [=](idler& self) {
    auto own = self.publish_to(out);
    own.publish(3);
    self.stop();
  });

  EXPECT_EQ(*in.next(), 1);
  EXPECT_EQ(*in.next(), 3);
  x.join();
  EXPECT_TRUE(eventually([&] { return seen.has("room"); }));
}

TEST_P(with_actors, ends_close_with_an_actor_that_others_still_hold) {
  auto in = env().make_buffer<int>("in", 8);
  const auto actor = system().spawn(taking, in, seen);
  auto out = in.open_publisher();
  out.publish(1);
  EXPECT_TRUE(eventually([&] { return seen.has("1"); }));

  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);

  EXPECT_TRUE(eventually([&] {
    try {
      return in.subscribe().try_next().status() == receive_status::empty;
    } catch (const usage_error&) {
      return false;
    }
  }));
}

TEST_P(with_actors, a_runnable_lets_go_of_its_handlers_at_its_end) {
  class holding : public puma::command_driven_runnable {
   public:
    holding() : command_driven_runnable("holding") {}

    void hold(const std::shared_ptr<int>& x) {
      puma::answer_messages(*this, {[x](int) { return *x; }});
    }
  };
  const auto held = std::make_shared<int>(1);
  auto x = run<holding>();
  x.call<&holding::hold>(held);
  const auto actor = x.actor();

  x.stop();
  x.join();

  EXPECT_EQ(held.use_count(), 1);
}

TEST_P(with_actors, a_runnable_may_ask_actors) {
  class asking : public puma::command_driven_runnable {
   public:
    asking(caf::actor other, events log)
      : command_driven_runnable("asking"),
        other_(std::move(other)),
        log_(std::move(log)) {}

    void ask() {
      puma::actor_of(*this).request(other_, 10s, 4).then([this](int x) {
        static_cast<void>(missed_ticks()); // in its scope
        log_.add(std::to_string(x));
      });
    }

   private:
    caf::actor other_;
    events log_;
  };
  auto other = run<answering>(seen);
  auto x = run<asking>(other.actor(), seen);
  x.call<&asking::ask>();

  EXPECT_TRUE(eventually([&] { return seen.has("4"); }));
}

} // namespace
