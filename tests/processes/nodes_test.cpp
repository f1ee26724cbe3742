// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/nodes.hpp"

#include "puma/environments/internal/net_address.hpp"
#include "tests/processes/by_hand.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace puma_test;
using puma::internal::net_address;
using puma::internal::node_request;
using puma::internal::owned_descriptor;
using puma::internal::wait_limit;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

/// Answers from where it is.
class here : public puma::command_driven_runnable {
 public:
  explicit here(std::string name) : command_driven_runnable(std::move(name)) {}

  pid_t process() { return ::getpid(); }

  pid_t parent() { return ::getppid(); }

  void say(const std::string& text) {
    puma::log(puma::log_level::warning, "here", text);
  }

  void print(const std::string& text) { std::printf("%s\n", text.c_str()); }

  void fail(const std::string& text) { throw std::out_of_range{text}; }

  void tell(int x) { publish_status(x); }
};

/// Keeps what processes of one host share.
class keeping : public puma::command_driven_runnable {
 public:
  explicit keeping(std::string name, puma::shared_value<int> x = {})
    : command_driven_runnable(std::move(name)),
      value_(std::move(x)) {}

  void keep(const puma::shared_value<int>& x) { value_ = x; }

  puma::shared_value<int> make() {
    return puma::shared_value<int>{"made there"};
  }

 private:
  puma::shared_value<int> value_;
};

/// Publishes how often it has ticked.
class counting_ticks : public puma::command_driven_runnable {
 public:
  counting_ticks(std::string name, const puma::buffer<int>& out)
    : command_driven_runnable(std::move(name)),
      out_(publish_to(out, {.when_full = puma::when_full::drop_newest})) {
    set_tick_interval(1ms);
    resume_ticks();
  }

 protected:
  void on_tick(std::chrono::steady_clock::time_point) override {
    out_.publish(++count_);
  }

 private:
  puma::publisher<int> out_;
  int count_ = 0;
};

class nodes : public runtime_test {
 protected:
  ~nodes() override { destroy_runtime(); }

  [[nodiscard]] puma::node
  connect(puma::node_options options = insecure_node("n")) {
    return rt().connect(first.address(), std::move(options));
  }

  test_node first;
};

} // namespace

// -- addresses ----------------------------------------------------------------

TEST(node_addresses, have_a_scheme_a_host_and_a_port) {
  const auto x = net_address::parse("tls://example.org:4711");

  EXPECT_TRUE(x.tls);
  EXPECT_EQ(x.host, "example.org");
  EXPECT_EQ(x.port, "4711");
  EXPECT_EQ(x.to_string(), "tls://example.org:4711");
}

TEST(node_addresses, may_be_ipv6_in_brackets) {
  const auto x = net_address::parse("tcp://[::1]:0");

  EXPECT_FALSE(x.tls);
  EXPECT_EQ(x.host, "::1");
  EXPECT_TRUE(x.is_numeric());
  EXPECT_EQ(x.to_string(), "tcp://[::1]:0");
}

TEST(node_addresses, that_are_wrong_say_why) {
  for (const auto& [text, why] :
       std::vector<std::pair<std::string, std::string>>{
         {"example.org:4711", "neither tls:// nor tcp://"},
         {"tls://example.org", "port is missing"},
         {"tls://example.org:", "port is no number"},
         {"tls://example.org:65536", "port is no number"},
         {"tls://example.org:47x", "port is no number"},
         {"tls://:4711", "host is missing"},
         {"tls://::1:4711", "has to be in brackets"},
         {"tls://[::1:4711", "not closed"},
         {"tls://[example.org]:4711", "no IPv6 address"},
         {"tls://a b:4711", "no name of a host"},
         {"tls://user@host:4711", "no name of a host"},
         {"", "neither tls:// nor tcp://"}})
    EXPECT_THAT(thrown_text<puma::usage_error>(
                  [&text = text] { net_address::parse(text); }),
                AllOf(HasSubstr("'" + text + "'"), HasSubstr(why)));
}

// -- running there ------------------------------------------------------------

TEST_F(nodes, run_runnables_in_processes_of_their_own) {
  const auto env = connect();

  auto x = env.run<here>("x"s);
  auto y = env.run<here>("y"s);
  const auto one = x.call<&here::process>();
  const auto other = y.call<&here::process>();

  EXPECT_NE(one, other);
  const auto sessions = first.sessions();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(x.call<&here::parent>(), sessions.front());
  EXPECT_EQ(children_of(sessions.front()).size(), 2u);
}

TEST_F(nodes, share_workers_when_told_to) {
  auto options = insecure_node("n");
  options.workers = 1;
  const auto env = connect(options);

  auto x = env.run<here>("x"s);
  auto y = env.run<here>("y"s);

  EXPECT_EQ(x.call<&here::process>(), y.call<&here::process>());
}

TEST_F(nodes, pass_values_on_from_and_to_the_owner) {
  const auto env = connect();
  auto in = env.make_buffer<int>("in", 16);
  auto out = env.make_buffer<int>("out", 16);
  auto source = puma::thread_environment{rt()}.run<counting<int>>("source"s, in,
                                                                  1, 10'000);

  auto x = env.run<passing<int>>("x"s, in, out);

  EXPECT_EQ(read_all(out), numbers(1, 10'000));
}

TEST_F(nodes, pass_large_values_on) {
  const auto env = connect();
  auto out = env.make_buffer<large>("out", 2);

  auto x = env.run<counting<large>>("x"s, out, 1, 5);

  const auto values = read_all(out);
  ASSERT_EQ(values.size(), 5u);
  for (int i = 1; i <= 5; ++i)
    EXPECT_EQ(values[static_cast<std::size_t>(i - 1)], made<large>(i));
}

TEST_F(nodes, pass_values_on_among_their_own_processes) {
  const auto env = connect();
  auto a = env.make_buffer<int>("a", 16);
  auto b = env.make_buffer<int>("b", 16);

  auto x = env.run<counting<int>>("x"s, a, 1, 10'000);
  auto y = env.run<passing<int>>("y"s, a, b);

  EXPECT_EQ(read_all(b), numbers(1, 10'000));
}

TEST_F(nodes, pass_values_on_from_and_to_processes_of_this_host) {
  const auto env = connect();
  const puma::process_environment near{rt()};
  auto a = env.make_buffer<int>("a", 16);
  auto b = env.make_buffer<int>("b", 16);
  auto c = env.make_buffer<int>("c", 16);

  auto x = near.run<counting<int>>("x"s, a, 1, 10'000);
  auto y = env.run<passing<int>>("y"s, a, b);
  auto z = near.run<passing<int>>("z"s, b, c);

  EXPECT_EQ(read_all(c), numbers(1, 10'000));
}

TEST_F(nodes, pass_values_on_to_each_other) {
  test_node second;
  const auto one = connect();
  const auto other = rt().connect(second.address(), insecure_node("other"));
  auto a = one.make_buffer<int>("a", 16);
  auto b = one.make_buffer<int>("b", 16);
  auto c = one.make_buffer<int>("c", 16);

  auto x = one.run<counting<int>>("x"s, a, 1, 10'000);
  auto y = other.run<passing<int>>("y"s, a, b);
  auto z = one.run<passing<int>>("z"s, b, c);

  EXPECT_EQ(read_all(c), numbers(1, 10'000));
  join(rt());
}

TEST_F(nodes, tell_statuses_errors_and_ticks) {
  const auto env = connect();
  auto out = env.make_buffer<int>("out", 100);

  auto x = env.run<here>("x"s);
  auto y = env.run<counting_ticks>("y"s, out);
  x.post<&here::tell>(7);

  EXPECT_EQ(x.wait_for_status<int>(patience), 7);
  EXPECT_EQ(
    thrown_text<std::out_of_range>([&] { x.call<&here::fail>("a reason"s); }),
    "a reason");
  auto in = out.subscribe();
  EXPECT_EQ(read(in, 3).values, numbers(1, 3));
}

TEST_F(nodes, refuse_what_only_processes_of_one_host_share) {
  const auto env = connect();
  const auto hits = env.make_value<int>("hits");
  auto x = env.run<keeping>("x"s);

  EXPECT_THAT(thrown_text<puma::usage_error>(
                [&] { static_cast<void>(env.run<keeping>("y"s, hits)); }),
              HasSubstr("shared value 'hits': cannot go to another host"));
  EXPECT_THAT(
    thrown_text<puma::usage_error>([&] { x.call<&keeping::keep>(hits); }),
    HasSubstr("shared value 'hits': cannot go to another host"));
  EXPECT_THAT(
    thrown_text<puma::usage_error>([&] { x.call<&keeping::make>(); }),
    HasSubstr("shared value 'made there': cannot go to another host"));
}

TEST_F(nodes, pass_on_what_their_processes_log_and_print) {
  const auto env = connect();
  auto x = env.run<here>("x"s);

  x.call<&here::say>("a line"s);
  x.call<&here::print>("printed"s);

  EXPECT_TRUE(eventually([&] {
    return log.count(puma::log_level::warning, "a line") == 1
           && log.count(puma::log_level::info, "printed") == 1;
  }))
    << log.to_string();
  const auto lines = log.lines({.text = "a line"});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines.front().process, HasSubstr("n/worker-"));
  EXPECT_EQ(lines.front().logger, "here");
  EXPECT_EQ(static_cast<pid_t>(lines.front().process_id),
            x.call<&here::process>());
}

TEST_F(nodes, serve_several_owners_apart) {
  puma::runtime second{{.threads = 1}};
  const auto one = connect();
  const auto other = second.connect(first.address(), insecure_node());

  auto x = one.run<here>("x"s);
  auto y = other.run<here>("y"s);

  EXPECT_NE(x.call<&here::parent>(), y.call<&here::parent>());
  EXPECT_EQ(first.sessions().size(), 2u);
}

TEST_F(nodes, keep_nothing_of_an_owner_that_has_gone) {
  {
    const auto env = connect();
    auto x = env.run<here>("x"s);
    static_cast<void>(x.call<&here::process>());
  }
  destroy_runtime();

  EXPECT_TRUE(eventually([&] { return first.sessions().empty(); }));
  EXPECT_THAT(first.log(), Not(HasSubstr("killed")));
}

// -- who cannot come together -------------------------------------------------

TEST_F(nodes, that_are_not_there_are_unreachable) {
  first.kill();

  EXPECT_THAT(
    thrown_text<puma::node_unreachable>([&] { static_cast<void>(connect()); }),
    AllOf(HasSubstr("node 'n'"), HasSubstr("Connection refused")));
}

TEST_F(nodes, whose_name_is_not_known_are_unreachable) {
  EXPECT_THAT(thrown_text<puma::node_unreachable>([&] {
                static_cast<void>(rt().connect(
                  "tcp://no-such-host.invalid:4711", insecure_node()));
              }),
              HasSubstr("no-such-host.invalid"));
}

TEST_F(nodes, that_say_nothing_are_given_up) {
  const fake_node silent;
  auto options = insecure_node("n");
  options.connect_timeout = 1s;

  EXPECT_THAT(thrown_text<puma::node_silent>([&] {
                static_cast<void>(rt().connect(silent.address(), options));
              }),
              HasSubstr("did not answer in time"));
}

TEST_F(nodes, are_connected_to_in_time_while_runnables_wait_for_them) {
  const fake_node silent;
  auto options = insecure_node("silent");
  options.reconnect_timeout = 1h;
  options.connect_timeout = 1s;
  const puma::node env{rt(), silent.address(), options};
  auto x = env.run<here>("x"s);
  const auto connection = silent.accept(); // which is tried again and again

  EXPECT_THROW(env.connect(), puma::node_silent);
  EXPECT_TRUE(x.is_alive());
}

TEST_F(nodes, hold_up_nobody_else_while_they_say_nothing) {
  const fake_node silent;
  auto options = insecure_node("silent");
  options.reconnect_timeout = 100ms;
  options.connect_timeout = 20s;
  const puma::node hanging{rt(), silent.address(), options};
  auto x = hanging.run<here>("x"s);
  const auto connection = silent.accept();

  const auto env = connect();
  auto y = env.run<here>("y"s);

  EXPECT_GT(y.call<&here::process>(), 0);
}

TEST_F(nodes, that_speak_something_else_are_none) {
  const fake_node other;
  std::thread answers{[&] {
    const auto x = other.accept();
    const std::string text
      = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
        "Content-Length: 0\r\n\r\n";
    static_cast<void>(::send(x.get(), text.data(), text.size(), MSG_NOSIGNAL));
    char rest[256];
    static_cast<void>(
      wait_limit{steady::now() + patience}.wait(x.get(), POLLIN));
    static_cast<void>(::recv(x.get(), rest, sizeof(rest), 0));
  }};

  EXPECT_THAT(thrown_text<puma::not_a_node>([&] {
                static_cast<void>(
                  rt().connect(other.address(), insecure_node("n")));
              }),
              HasSubstr("does not speak puma's protocol"));
  answers.join();
}

TEST_F(nodes, of_another_version_of_the_protocol_do_not_fit) {
  const fake_node other;
  std::thread answers{[&] {
    const auto x = other.accept();
    char hello[48] = {'p', 'u', 'm', 'a', '\r', '\n', 0x1a, 0, 99};
    static_cast<void>(::send(x.get(), hello, sizeof(hello), MSG_NOSIGNAL));
    static_cast<void>(
      wait_limit{steady::now() + patience}.wait(x.get(), POLLIN));
    char rest[256];
    static_cast<void>(::recv(x.get(), rest, sizeof(rest), 0));
  }};

  EXPECT_THAT(thrown_text<puma::node_mismatch>([&] {
                static_cast<void>(
                  rt().connect(other.address(), insecure_node("n")));
              }),
              HasSubstr("version 99"));
  answers.join();
}

TEST_F(nodes, of_another_build_do_not_fit) {
  const scratch_directory directory;
  const auto copy = directory.path() + "/other";
  std::filesystem::copy_file("/proc/self/exe", copy);
  std::ofstream{copy, std::ios::app | std::ios::binary} << "x";
  test_node other{{.executable = copy}};

  EXPECT_THAT(thrown_text<puma::node_mismatch>([&] {
                static_cast<void>(
                  rt().connect(other.address(), insecure_node("n")));
              }),
              AllOf(HasSubstr("another build"), HasSubstr("checksum")));
  EXPECT_TRUE(other.has_logged("another build")) << other.log();
}

TEST_F(nodes, may_be_started_by_a_file_of_options) {
  const scratch_directory directory;
  const auto secret = directory.write("token", "a secret\n");
  const auto file = directory.write(
    "node.conf", "puma-insecure=true\npuma-token-file=\"" + secret + "\"\n");
  test_node other{{.arguments = {"--puma-config", file}}};
  auto options = insecure_node("n");
  options.credentials.token = "a secret";
  const auto env = rt().connect(other.address(), options);

  auto x = env.run<here>("x"s);

  EXPECT_GT(x.call<&here::process>(), 0);
  x.stop();
  join(x);
}

TEST_F(nodes, that_are_copies_of_the_same_build_fit) {
  const scratch_directory directory;
  const auto copy = directory.path() + "/copy";
  std::filesystem::copy_file("/proc/self/exe", copy);
  test_node other{{.executable = copy}};
  const auto env = rt().connect(other.address(), insecure_node("n"));

  auto x = env.run<here>("x"s);

  EXPECT_GT(x.call<&here::process>(), 0);
  x.stop();
  join(x);
}

TEST_F(nodes, with_another_token_refuse) {
  const scratch_directory directory;
  const auto file = directory.write("token", "a secret\n");
  test_node other{
    {.arguments = {"--puma-insecure", "--puma-token-file", file}}};
  auto options = insecure_node("n");
  for (const auto* token : {"", "another secret", "a secret "}) {
    options.credentials.token = token;
    EXPECT_THAT(thrown_text<puma::node_refused>([&] {
                  static_cast<void>(rt().connect(other.address(), options));
                }),
                HasSubstr("the tokens differ"));
  }
  EXPECT_TRUE(other.has_logged("has another token")) << other.log();

  options.credentials.token = "a secret";
  EXPECT_TRUE(rt().connect(other.address(), options).is_connected());
  destroy_runtime();
}

TEST_F(nodes, without_tls_have_to_be_allowed_on_both_sides) {
  EXPECT_THAT(thrown_text<puma::usage_error>(
                [&] { static_cast<void>(rt().connect(first.address())); }),
              HasSubstr("--puma-insecure"));
  EXPECT_THROW(test_node({.arguments = {}}), std::runtime_error);

  EXPECT_EQ(log.count(puma::log_level::warning, "without TLS"), 0u);
  static_cast<void>(connect());
  EXPECT_EQ(log.count(puma::log_level::warning, "without TLS"), 1u);
  EXPECT_TRUE(first.has_logged("without TLS")) << first.log();
}

// -- failure ------------------------------------------------------------------

TEST_F(nodes, that_are_killed_are_errors_of_what_ran_there) {
  const auto env = connect();
  auto out = env.make_buffer<int>("out", 16);
  auto x = env.run<telling_process>("x"s, out);
  auto in = out.subscribe();
  static_cast<void>(read_one(in));

  wait_for(x);
  first.kill();

  join(x);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    AllOf(HasSubstr("node 'n'"), HasSubstr("'x'"),
          HasSubstr("connection to the node is lost")));
  EXPECT_FALSE(env.is_connected());
}

TEST_F(nodes, say_how_a_worker_ended) {
  const auto env = connect();
  auto x = env.run<here>("x"s);
  const auto pid = x.call<&here::process>();

  ::kill(pid, SIGKILL);

  join(x);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    AllOf(HasSubstr("worker process " + std::to_string(pid)
                    + " on node 'n' of 'x'"),
          HasSubstr("was killed by SIGKILL")));
  EXPECT_TRUE(env.is_connected());
}

TEST_F(nodes, that_freeze_are_given_up_in_time) {
  auto options = insecure_node("n");
  options.ping_interval = 50ms;
  options.answer_timeout = 2s;
  const auto env = connect(options);
  auto x = env.run<here>("x"s);
  static_cast<void>(x.call<&here::process>());

  first.signal_all(SIGSTOP);

  join(x);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    HasSubstr("did not answer for 2000 ms"));
}

TEST_F(nodes, end_workers_that_freeze) {
  auto options = insecure_node("n");
  options.ping_interval = 50ms;
  options.answer_timeout = 2s;
  const auto env = connect(options);
  auto x = env.run<here>("x"s);
  auto y = env.run<here>("y"s);
  const auto pid = x.call<&here::process>();

  ::kill(pid, SIGSTOP);

  join(x);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    HasSubstr("did not answer for 2000 ms"));
  EXPECT_TRUE(eventually([&] { return state_of(pid) == '-'; }));
  EXPECT_GT(y.call<&here::process>(), 0);
}

TEST_F(nodes, end_the_session_of_an_owner_that_is_silent) {
  node_request what;
  what.session = {1, 2};
  what.silence_limit_ms = 300;
  auto by_hand = introduce(first.address(), what);
  static_cast<void>(by_hand.hear(patience)); // it is there

  EXPECT_TRUE(eventually([&] { return first.sessions().empty(); }));
}

TEST_F(nodes, let_supervised_runnables_restart_when_they_are_back) {
  const auto env = connect();
  const auto watched = env.supervisor("s", {.then = puma::on_failure::restart});
  auto out = env.make_buffer<int>("out", 16);
  auto x = watched.run<telling_process>("x"s, out);
  auto in = out.subscribe();
  const auto before = read_one(in);

  first.kill();
  first.start();

  EXPECT_NE(read_one(in), before);
  EXPECT_TRUE(env.is_connected());
  x.stop();
  join(x);
}

TEST_F(nodes, that_do_not_come_back_fail_what_is_to_start_there) {
  auto options = insecure_node("n");
  options.reconnect_timeout = 200ms;
  const auto env = connect(options);
  first.kill();
  EXPECT_TRUE(eventually([&] { return !env.is_connected(); }));

  auto x = env.run<here>("x"s);

  join(x);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    AllOf(HasSubstr("could not be started"), HasSubstr("Connection refused")));
}

TEST_F(nodes, may_be_given_before_they_are_there) {
  first.kill();
  const puma::node env{rt(), first.address(), insecure_node("n")};

  auto x = env.run<here>("x"s);
  first.start();

  EXPECT_GT(x.call<&here::process>(), 0);
}
