// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/hostile.hpp"
#include "tests/processes/net_hosts.hpp"
#include "tests/processes/net_proxy.hpp"
#include "tests/processes/nodes.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"
#include "tests/support/reports.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

using namespace puma_test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using direction = net_proxy::direction;

namespace {

/// Whoever is noticed by silence is noticed within that.
constexpr auto soon = 30s;

/// More than any test takes: who is lost nevertheless was noticed otherwise.
constexpr std::chrono::milliseconds hardly_ever{120s};

/// How to come to a node by `tcp` or `tls`, and in.
class passage {
 public:
  passage(const std::string& scheme, const std::string& host,
          const std::string& names)
    : passage(scheme, host, names, std::make_shared<authority>("ca")) {}

  /// To another node that the first one knows.
  [[nodiscard]] passage to_another(const std::string& host,
                                   const std::string& names) const {
    return {setup.scheme, host, names, ca_};
  }

  node_setup setup;
  puma::node_options options = insecure_node("n");

 private:
  passage(const std::string& scheme, const std::string& host,
          const std::string& names, std::shared_ptr<authority> ca)
    : ca_(std::move(ca)) {
    if (scheme == "tls") {
      setup = with_tls(ca_->issue("node-" + host, names));
      options = as(ca_->issue("owner-" + host, "DNS:owner"));
    }
    setup.host = host;
    options.ping_interval = 50ms;
    options.connect_timeout = 3s; // what a lost packet may take, and more
    options.answer_timeout = hardly_ever;
  }

  std::shared_ptr<authority> ca_; // shared with those of other nodes
};

/// Publishes the numbers of an endless stream here, lets them pass through a
/// runnable there, and reads them here.
class round_trip {
 public:
  round_trip(puma::runtime& rt, const puma::environment& there)
    : a_(there.make_buffer<int>("a", 64, quiet)),
      b_(there.make_buffer<int>("b", 64, quiet)),
      in_(b_.subscribe()),
      stage_(there.run<passing<int>>("stage"s, a_, b_)),
      source_(puma::thread_environment{rt}.run<counting<int>>("source"s, a_, 1,
                                                              2'000'000'000)) {}

  /// Reads so many more.
  void read_some(int count) {
    const auto some = read(in_, static_cast<std::size_t>(count));
    EXPECT_EQ(some.values, numbers(last_ + 1, last_ + count));
    last_ += static_cast<int>(some.values.size());
  }

  /// Reads what is left of a stream that fails with its node.
  void read_to_the_loss() {
    const auto rest = read(in_);
    const auto count = static_cast<int>(rest.values.size());
    EXPECT_EQ(rest.values, numbers(last_ + 1, last_ + count));
    EXPECT_EQ(to_string(rest.end), "failed");
    ASSERT_TRUE(rest.error);
    EXPECT_EQ(rest.error->type(), "puma::process_lost");
    join(stage_);
    join(source_);
  }

  /// Lets the source end, and reads what is left.
  void read_to_the_end() {
    source_.stop();
    const auto rest = read(in_);
    const auto count = static_cast<int>(rest.values.size());
    EXPECT_EQ(rest.values, numbers(last_ + 1, last_ + count));
    EXPECT_EQ(to_string(rest.end), "completed");
    join(stage_);
    join(source_);
  }

 private:
  static constexpr puma::buffer_options quiet{.warn_about_leftovers = false};

  puma::buffer<int> a_;
  puma::buffer<int> b_;
  puma::subscription<int> in_;
  puma::runner stage_;
  puma::runner source_;
  int last_ = 0;
};

// -- lines --------------------------------------------------------------------

/// A node on this host, at the other end of a line that can be made worse.
class line_test : public runtime_test {
 protected:
  explicit line_test(std::string scheme)
    : scheme_(std::move(scheme)),
      by_(scheme_, "127.0.0.1", "DNS:left.example") {
    // The proxy's address is not that of the node.
    by_.options.host_name = "left.example";
  }

  ~line_test() override { destroy_runtime(); }

  [[nodiscard]] puma::node connect() { return connect(rt()); }

  [[nodiscard]] puma::node connect(puma::runtime& to) {
    return to.connect(line.address(scheme_), options());
  }

  [[nodiscard]] puma::node_options& options() { return by_.options; }

  template <class T>
  void expect_all_pass(const puma::environment& env, int count) {
    auto a = env.make_buffer<T>("a", 64);
    auto b = env.make_buffer<T>("b", 64);
    auto source = puma::thread_environment{rt()}.run<counting<T>>("source"s, a,
                                                                  1, count);
    auto x = env.run<passing<T>>("x"s, a, b);
    const auto values = read_all(b);
    ASSERT_EQ(values.size(), static_cast<std::size_t>(count));
    for (int i = 1; i <= count; ++i)
      ASSERT_EQ(values[static_cast<std::size_t>(i - 1)], made<T>(i));
    join(source);
    join(x);
  }

 private:
  const std::string scheme_;
  passage by_;

 protected:
  test_node there{by_.setup};
  net_proxy line{there.port()};
};

class lines : public line_test,
              public ::testing::WithParamInterface<const char*> {
 protected:
  lines() : line_test(GetParam()) {}
};

std::string scheme_name(const ::testing::TestParamInfo<const char*>& info) {
  return info.param;
}

INSTANTIATE_TEST_SUITE_P(, lines, ::testing::Values("tcp", "tls"), scheme_name);

TEST_P(lines, in_tiny_pieces_lose_nothing) {
  line.set({.in_tiny_pieces = true});
  const auto env = connect();

  expect_all_pass<int>(env, 5'000);
  expect_all_pass<report>(env, 500);

  EXPECT_EQ(log.count(puma::log_level::error), 0u) << log.to_string();
}

TEST_P(lines, that_are_slow_lose_neither_values_nor_nodes) {
  options().answer_timeout = 2s;
  const auto env = connect();
  line.set({.delay = 10ms, .bytes_per_second = 6'000'000});
  const auto before = steady::now();

  // More in each direction than passes in the time for an answer.
  expect_all_pass<large>(env, 3);

  EXPECT_GT(steady::now() - before, options().answer_timeout);
  EXPECT_TRUE(env.is_connected());
  EXPECT_EQ(log.count(puma::log_level::error), 0u) << log.to_string();
}

TEST_P(lines, that_stand_still_for_long_are_errors_in_time) {
  options().answer_timeout = 2s;
  const auto env = connect();
  round_trip values{rt(), env};
  auto ids = env.make_buffer<int>("ids", 8);
  auto x = env.run<telling_process>("x"s, ids);
  wait_for(x);
  static_cast<void>(read_one(ids));
  values.read_some(1'000);

  line.stall();
  const auto before = steady::now();
  values.read_to_the_loss();
  join(x);

  EXPECT_LT(steady::now() - before, soon);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    HasSubstr("did not answer for 2000 ms"));
  // Nobody can tell the other side.
  EXPECT_TRUE(eventually([&] { return there.sessions().empty(); }));
  expect_adds_up(rt().shutdown());
}

TEST_P(lines, that_stand_still_for_short_lose_and_double_nothing) {
  const auto env = connect();
  round_trip values{rt(), env};

  for (int i = 0; i != 3; ++i) {
    values.read_some(1'000);
    line.stall();
    std::this_thread::sleep_for(200ms);
    line.go_on();
  }

  values.read_some(1'000);
  values.read_to_the_end();
  EXPECT_TRUE(env.is_connected());
  expect_adds_up(rt().shutdown());
}

TEST_P(lines, that_are_cut_go_on_where_they_were) {
  options().resume = true;
  const auto env = connect();
  round_trip values{rt(), env};

  for (int i = 0; i != 5; ++i) {
    values.read_some(2'000);
    line.cut();
  }

  values.read_some(2'000);
  values.read_to_the_end();
  EXPECT_TRUE(env.is_connected());
  EXPECT_EQ(log.count(puma::log_level::error), 0u) << log.to_string();
  expect_adds_up(rt().shutdown());
}

TEST_P(lines, that_are_cut_for_too_long_are_lost) {
  options().resume = true;
  options().answer_timeout = 2s;
  const auto env = connect();
  round_trip values{rt(), env};
  values.read_some(1'000);

  line.stall();
  line.cut();

  values.read_to_the_loss();
  EXPECT_FALSE(env.is_connected());
  line.go_on();
  EXPECT_TRUE(eventually([&] { return there.sessions().empty(); }));
  expect_adds_up(rt().shutdown());
}

TEST_P(lines, that_are_cut_are_noticed_at_once_if_they_are_not_to_go_on) {
  options().resume = false;
  const auto env = connect();
  round_trip values{rt(), env};
  auto ids = env.make_buffer<int>("ids", 8);
  auto x = env.run<telling_process>("x"s, ids);
  wait_for(x);
  static_cast<void>(read_one(ids));
  values.read_some(1'000);

  const auto before = steady::now();
  line.cut();
  values.read_to_the_loss();
  join(x);

  EXPECT_LT(steady::now() - before, soon);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    AllOf(HasSubstr("node 'n'"), HasSubstr("'x'")));
  EXPECT_TRUE(eventually([&] { return there.sessions().empty(); }));
  expect_adds_up(rt().shutdown());
}

TEST_P(lines, that_were_cut_let_supervised_runnables_restart) {
  const auto env = connect();
  const auto watched = env.supervisor("s", {.then = puma::on_failure::restart});
  auto out = env.make_buffer<int>("out", 16);
  auto x = watched.run<telling_process>("x"s, out);
  auto in = out.subscribe();
  auto before = read_one(in);

  for (int i = 0; i != 2; ++i) {
    line.refuse();
    line.cut();
    EXPECT_TRUE(eventually([&] { return !env.is_connected(); }));
    line.admit();

    const auto after = read_one(in);
    EXPECT_NE(after, before);
    EXPECT_TRUE(env.is_connected());
    before = after;
  }
  x.stop();
  join(x);
}

// -- lines that change what passes --------------------------------------------

/// What came of values of which a byte was changed.
struct outcome {
  std::vector<int> values = {};
  bool is_over = false; // with an error, of that type
  std::string type = {};
};

/// Each stream has a runtime of its own, which has to end whatever happens.
class bad_lines : public line_test {
 protected:
  /// `limit`: for how long there may be no error, with values or without.
  bad_lines(std::string scheme, std::chrono::milliseconds limit)
    : line_test(std::move(scheme)),
      limit_(limit) {
    options().resume = false;
  }

  outcome pass_values(direction which, std::uint64_t after, int change) {
    line.corrupt(which, after, std::byte{static_cast<unsigned char>(change)});
    outcome result;
    // A runner may wait for a stop that nobody will confirm.
    puma::runtime own{{.threads = 2, .teardown_timeout = 1s}};
    try {
      pass_values(own, result);
    } catch (const puma::node_error& failed) {
      result.is_over = true;
      result.type = "puma::node_error";
    }
    const auto before = steady::now();
    own.shutdown({.drain = 200ms, .stop = 200ms, .abort = 500ms, .kill = 5s});
    EXPECT_LT(steady::now() - before, 2 * soon);
    return result;
  }

  /// Where the byte is that is changed: in what is said first, in what starts
  /// the runnable, and among the values.
  static constexpr std::uint64_t places[] = {20, 700, 2'000, 5'000, 30'000};

 private:
  void pass_values(puma::runtime& own, outcome& to) {
    constexpr puma::buffer_options quiet{.warn_about_leftovers = false};
    constexpr std::size_t turn = 500;
    const auto env = connect(own);
    auto a = env.make_buffer<int>("a", 64, quiet);
    auto b = env.make_buffer<int>("b", 64, quiet);
    auto in = b.subscribe();
    auto x = env.run<passing<int>>("x"s, a, b);
    auto source = puma::thread_environment{own}.run<counting<int>>(
      "source"s, a, 1, 2'000'000'000);
    auto deadline = steady::now() + limit_;
    while (steady::now() < deadline) {
      auto value = in.next_for(limit_);
      if (!value) {
        to.is_over = value.status() == puma::receive_status::failed;
        if (const auto& error = value.error())
          to.type = error->type();
        return;
      }
      to.values.push_back(*value);
      if (to.values.size() % turn == 0 && !line.has_corrupted())
        deadline = steady::now() + limit_;
    }
  }

  const std::chrono::milliseconds limit_;
};

class tls_lines : public bad_lines,
                  public ::testing::WithParamInterface<direction> {
 protected:
  tls_lines() : bad_lines("tls", patience) {}
};

class tcp_lines : public bad_lines,
                  public ::testing::WithParamInterface<direction> {
 protected:
  // Nobody can tell what was changed, so there need not be an error.
  tcp_lines() : bad_lines("tcp", 500ms) {}
};

std::string direction_name(const ::testing::TestParamInfo<direction>& info) {
  return info.param == direction::to_node ? "to_node" : "to_owner";
}

INSTANTIATE_TEST_SUITE_P(, tls_lines,
                         ::testing::Values(direction::to_node,
                                           direction::to_owner),
                         direction_name);
INSTANTIATE_TEST_SUITE_P(, tcp_lines,
                         ::testing::Values(direction::to_node,
                                           direction::to_owner),
                         direction_name);

TEST_P(tls_lines, that_change_bytes_are_lost_and_deliver_nothing_wrong) {
  for (const auto at : places) {
    SCOPED_TRACE(at);
    const auto found = pass_values(GetParam(), at, 0x10);

    EXPECT_EQ(found.values, numbers(1, static_cast<int>(found.values.size())));
    EXPECT_TRUE(found.is_over);
    EXPECT_THAT(found.type,
                ::testing::AnyOf("puma::node_error", "puma::process_lost"));
  }
  EXPECT_TRUE(eventually([&] { return there.sessions().empty(); }));
  expect_all_pass<int>(connect(), 1'000);
}

TEST_P(tls_lines, that_change_bytes_go_on_where_they_were) {
  options().resume = true;
  const auto env = connect();
  round_trip values{rt(), env};

  for (int i = 0; i != 5; ++i) {
    values.read_some(1'000);
    line.corrupt(GetParam(), 3'000, std::byte{0x10});
    for (int n = 0; n != 100 && !line.has_corrupted(); ++n)
      values.read_some(1'000);
    EXPECT_TRUE(line.has_corrupted());
  }

  values.read_some(1'000);
  values.read_to_the_end();
  EXPECT_TRUE(env.is_connected());
  expect_adds_up(rt().shutdown());
}

TEST_P(tcp_lines, that_change_bytes_harm_neither_the_owner_nor_the_node) {
  std::mt19937 random{4711};
  for (const auto at : places) {
    SCOPED_TRACE(at);
    static_cast<void>(pass_values(GetParam(), at + random() % (at / 2),
                                  static_cast<int>(1 + random() % 255)));
  }

  // Who was ended was ended by signals that are sent for that.
  for (const auto* signal : {"SIGSEGV", "SIGABRT", "SIGBUS"})
    EXPECT_EQ(log.count(puma::log_level::trace, signal), 0u) << log.to_string();
  EXPECT_TRUE(eventually([&] { return there.sessions().empty(); }));
  expect_all_pass<int>(connect(), 1'000);
}

// -- hosts --------------------------------------------------------------------

/// To be made before the runtime, whose threads are where the one was that made
/// them.
class on_near_host {
 protected:
  net_hosts hosts;

 private:
  net_hosts::visit here_ = hosts.visit_near();
};

/// This test is on one host and the node on another.
class far_nodes : protected on_near_host,
                  public runtime_test,
                  public ::testing::WithParamInterface<const char*> {
 protected:
  ~far_nodes() override { destroy_runtime(); }

  void SetUp() override {
    if (!hosts.obstacle().empty())
      GTEST_SKIP() << hosts.obstacle();
    const auto visit = hosts.visit_far();
    there = std::make_unique<test_node>(by_.setup);
  }

  [[nodiscard]] puma::node connect() {
    return rt().connect(there->address(), by_.options);
  }

  void start_node() {
    const auto visit = hosts.visit_far();
    there->start();
  }

  [[nodiscard]] puma::node_options& options() { return by_.options; }

  [[nodiscard]] const passage& by() const { return by_; }

 private:
  passage by_{GetParam(), net_hosts::far_address,
              "IP:"s + net_hosts::far_address};

 protected:
  std::unique_ptr<test_node> there;
};

INSTANTIATE_TEST_SUITE_P(, far_nodes, ::testing::Values("tcp", "tls"),
                         scheme_name);

TEST_P(far_nodes, pass_everything_on) {
  const auto env = connect();
  auto a = env.make_buffer<int>("a", 16);
  auto b = env.make_buffer<int>("b", 16);
  auto c = env.make_buffer<large>("c", 2);

  auto source = puma::thread_environment{rt()}.run<counting<int>>("source"s, a,
                                                                  1, 10'000);
  auto x = env.run<passing<int>>("x"s, a, b);
  auto y = env.run<counting<large>>("y"s, c, 1, 3);

  EXPECT_EQ(read_all(b), numbers(1, 10'000));
  const auto values = read_all(c);
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(values.back(), made<large>(3));
  join(rt());
}

TEST_P(far_nodes, that_cannot_reach_others_reach_them_by_the_owner) {
  const auto same_host = by().to_another("127.0.0.1", "IP:127.0.0.1");
  const test_node second{same_host.setup}; // an address of another host there
  const auto far = connect();
  const auto near = rt().connect(second.address(), same_host.options);
  auto a = far.make_buffer<int>("a", 16);
  auto b = far.make_buffer<int>("b", 16);

  auto x = far.run<counting<int>>("x"s, a, 1, 10'000);
  auto y = near.run<passing<int>>("y"s, a, b);

  EXPECT_EQ(read_all(b), numbers(1, 10'000));
  EXPECT_EQ(log.count(puma::log_level::info, "cannot reach node"), 1u);
}

/// A second node on this host, which the first one gets to by another cable
/// than the owner gets to the first.
class far_pairs : public far_nodes {
 protected:
  far_pairs() { options().answer_timeout = 2s; }

  void SetUp() override {
    far_nodes::SetUp();
    if (IsSkipped())
      return;
    here_ = std::make_unique<test_node>(same_host_.setup);
  }

  [[nodiscard]] puma::node connect_here() {
    auto how = same_host_.options;
    how.name = "here";
    how.answer_timeout = options().answer_timeout;
    how.resume = options().resume;
    return rt().connect(here_->address(), how);
  }

 private:
  passage same_host_ = by().to_another(net_hosts::second_near_address,
                                       "IP:"s + net_hosts::second_near_address);
  std::unique_ptr<test_node> here_;
};

INSTANTIATE_TEST_SUITE_P(, far_pairs, ::testing::Values("tcp", "tls"),
                         scheme_name);

TEST_P(far_pairs, that_lose_each_other_meet_again_by_the_owner) {
  const auto far = connect();
  const auto near = connect_here();
  for (const bool is_lost : {false, true}) {
    constexpr puma::buffer_options quiet{.warn_about_leftovers = false};
    auto a = far.make_buffer<int>("a", 64, quiet);
    auto b = far.make_buffer<int>("b", 64, quiet);
    auto in = b.subscribe();
    auto x = far.run<counting<int>>("x"s, a, 1, 2'000'000'000);
    auto y = near.run<passing<int>>("y"s, a, b);
    EXPECT_EQ(read(in, 5'000).values, numbers(1, 5'000));
    if (is_lost) {
      // By another way.
      EXPECT_EQ(log.count(puma::log_level::info, "cannot reach node 'here'"),
                1u);
      x.stop();
      EXPECT_EQ(to_string(read(in).end), "completed");
    } else {
      const auto before = steady::now();
      hosts.lose_on_second();
      const auto rest = read(in);

      EXPECT_LT(steady::now() - before, soon);
      EXPECT_EQ(to_string(rest.end), "failed");
      EXPECT_EQ(rest.values,
                numbers(5'001, 5'000 + static_cast<int>(rest.values.size())));
      ASSERT_TRUE(rest.error);
      EXPECT_THAT(std::string{rest.error->text()},
                  HasSubstr("can no longer be reached by other processes"));
    }
    join(x);
    join(y);
  }
  EXPECT_TRUE(far.is_connected());
  EXPECT_TRUE(near.is_connected());
  // Only who took the values was ended.
  EXPECT_EQ(log.count(puma::log_level::error, "can no longer be reached"), 1u)
    << log.to_string();
  expect_adds_up(rt().shutdown());
}

TEST_P(far_nodes, without_their_cable_are_lost_until_it_is_back) {
  options().answer_timeout = 2s;
  const auto env = connect();
  round_trip values{rt(), env};
  auto ids = env.make_buffer<int>("ids", 8);
  auto x = env.run<telling_process>("x"s, ids);
  wait_for(x);
  const auto before = read_one(ids);
  values.read_some(1'000);

  const auto pulled = steady::now();
  hosts.pull_cable();
  values.read_to_the_loss();
  join(x);

  EXPECT_LT(steady::now() - pulled, soon);
  EXPECT_THROW(x.check_for_exceptions(), puma::process_lost);
  EXPECT_FALSE(env.is_connected());
  EXPECT_TRUE(eventually([&] { return there->sessions().empty(); }));

  hosts.plug_cable();
  auto more = env.make_buffer<int>("more", 8);
  auto y = env.run<telling_process>("y"s, more);
  EXPECT_NE(read_one(more), before);
  y.stop();
  join(y);
  expect_adds_up(rt().shutdown());
}

TEST_P(far_nodes, let_supervised_runnables_restart_when_their_cable_is_back) {
  options().answer_timeout = 2s;
  const auto env = connect();
  const auto watched = env.supervisor("s", {.then = puma::on_failure::restart});
  auto out = env.make_buffer<int>("out", 16);
  auto x = watched.run<telling_process>("x"s, out);
  auto in = out.subscribe();
  const auto before = read_one(in);

  hosts.pull_cable();
  EXPECT_TRUE(eventually([&] { return !env.is_connected(); }));
  hosts.plug_cable();

  EXPECT_NE(read_one(in), before);
  EXPECT_TRUE(env.is_connected());
  x.stop();
  join(x);
}

TEST_P(far_nodes, without_their_cable_for_short_lose_and_double_nothing) {
  const auto env = connect();
  round_trip values{rt(), env};
  values.read_some(1'000);

  hosts.pull_cable();
  std::this_thread::sleep_for(300ms);
  hosts.plug_cable();

  values.read_some(5'000);
  values.read_to_the_end();
  EXPECT_TRUE(env.is_connected());
  expect_adds_up(rt().shutdown());
}

TEST_P(far_nodes, that_are_killed_are_noticed_at_once) {
  const auto env = connect();
  round_trip values{rt(), env};
  values.read_some(1'000);

  const auto before = steady::now();
  there->kill();
  values.read_to_the_loss();

  EXPECT_LT(steady::now() - before, soon);
  start_node();
  auto ids = env.make_buffer<int>("ids", 8);
  auto x = env.run<telling_process>("x"s, ids);
  EXPECT_GT(read_one(ids), 0);
  x.stop();
  join(x);
  expect_adds_up(rt().shutdown());
}

} // namespace
