// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/worker_options.hpp"
#include "tests/processes/hostile.hpp"
#include "tests/processes/nodes.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <csignal>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

using namespace puma_test;
using puma::internal::owned_descriptor;
using puma::internal::wait_limit;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// A node with TLS, and an owner that may come in.
class tls_nodes : public runtime_test {
 protected:
  ~tls_nodes() override { destroy_runtime(); }

  template <class Error>
  [[nodiscard]] std::string refusal(const test_node& at,
                                    const puma::node_options& options) {
    return thrown_text<Error>(
      [&] { static_cast<void>(rt().connect(at.address(), options)); });
  }

  const authority ca{"ca"};
  const authority stranger{"stranger"};
  const puma::node_credentials owner = ca.issue("owner", "DNS:owner");
  const puma::node_credentials server = ca.issue("node", "IP:127.0.0.1");
};

// -- TLS ----------------------------------------------------------------------

TEST_F(tls_nodes, run_runnables) {
  test_node there{with_tls(server)};
  const auto env = rt().connect(there.address(), as(owner));
  auto a = env.make_buffer<int>("a", 16);
  auto b = env.make_buffer<large>("b", 2);
  auto c = env.make_buffer<large>("c", 2);

  auto x = env.run<counting<int>>("x"s, a, 1, 10'000);
  auto y = env.run<counting<large>>("y"s, b, 1, 3);
  auto z = env.run<passing<large>>("z"s, b, c);

  EXPECT_EQ(read_all(a), numbers(1, 10'000));
  const auto values = read_all(c);
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(values.back(), made<large>(3));
  EXPECT_EQ(log.count(puma::log_level::warning), 0u) << log.to_string();
  join(rt());
}

TEST_F(tls_nodes, pass_values_on_to_each_other) {
  test_node one{with_tls(server)};
  test_node other{with_tls(server)};
  const auto first = rt().connect(one.address(), as(owner));
  const auto second = rt().connect(other.address(), as(owner));
  auto a = first.make_buffer<int>("a", 16);
  auto b = first.make_buffer<int>("b", 16);

  auto x = first.run<counting<int>>("x"s, a, 1, 10'000);
  auto y = second.run<passing<int>>("y"s, a, b);

  EXPECT_EQ(read_all(b), numbers(1, 10'000));
  join(rt());
}

TEST_F(tls_nodes, that_are_killed_are_noticed) {
  test_node there{with_tls(server)};
  const auto env = rt().connect(there.address(), as(owner));
  auto out = env.make_buffer<int>("out", 16);
  auto x = env.run<telling_process>("x"s, out);
  auto in = out.subscribe();
  static_cast<void>(read_one(in));

  there.kill();

  join(x);
  EXPECT_THROW(x.check_for_exceptions(), puma::process_lost);
}

TEST_F(tls_nodes, that_freeze_are_given_up_in_time) {
  test_node there{with_tls(server)};
  auto options = as(owner);
  options.ping_interval = 50ms;
  options.answer_timeout = 2s;
  const auto env = rt().connect(there.address(), options);
  auto out = env.make_buffer<int>("out", 16);
  auto x = env.run<telling_process>("x"s, out);
  auto in = out.subscribe();
  static_cast<void>(read_one(in));

  ::kill(there.pid(), SIGSTOP); // only what TLS goes through

  join(x);
  EXPECT_THAT(
    thrown_text<puma::process_lost>([&] { x.check_for_exceptions(); }),
    HasSubstr("did not answer for 2000 ms"));
}

TEST_F(tls_nodes, do_not_let_in_whom_another_ca_has_signed) {
  test_node there{with_tls(server)};
  auto other = stranger.issue("owner", "DNS:owner");
  other.ca = owner.ca;

  EXPECT_THAT(refusal<puma::certificate_refused>(there, as(other)),
              AllOf(HasSubstr("node 'n'"),
                    HasSubstr("does not accept the certificate of this side")));
  EXPECT_TRUE(there.has_logged("certificate is not accepted")) << there.log();
}

TEST_F(tls_nodes, that_another_ca_has_signed_are_not_trusted) {
  test_node there{with_tls(stranger.issue("node", "IP:127.0.0.1"))};

  EXPECT_THAT(refusal<puma::certificate_refused>(there, as(owner)),
              HasSubstr("its certificate is not accepted"));
}

TEST_F(tls_nodes, of_another_host_are_not_trusted) {
  test_node there{with_tls(ca.issue("elsewhere", "DNS:elsewhere.example"))};

  EXPECT_THAT(refusal<puma::wrong_host>(there, as(owner)),
              HasSubstr("not for '127.0.0.1'"));

  auto expecting = as(owner);
  expecting.host_name = "elsewhere.example";
  EXPECT_TRUE(rt().connect(there.address(), expecting).is_connected());
  expecting.host_name = "example";
  EXPECT_THAT(refusal<puma::wrong_host>(there, expecting),
              HasSubstr("not for 'example'"));
  destroy_runtime();
}

TEST_F(tls_nodes, tell_a_peer_without_tls_what_is_wrong) {
  test_node there{with_tls(server)};
  const auto address = "tcp://127.0.0.1:" + std::to_string(there.port());

  EXPECT_THAT(thrown_text<puma::not_a_node>([&] {
                static_cast<void>(rt().connect(address, insecure_node("n")));
              }),
              HasSubstr("give it a tls:// address"));
}

TEST_F(tls_nodes, are_not_what_listens_without_tls) {
  test_node there;
  const auto address = "tls://127.0.0.1:" + std::to_string(there.port());

  EXPECT_THAT(thrown_text<puma::not_a_node>(
                [&] { static_cast<void>(rt().connect(address, as(owner))); }),
              HasSubstr("does not speak TLS"));
  EXPECT_TRUE(there.has_logged("speaks TLS")) << there.log();
}

TEST_F(tls_nodes, need_certificate_key_and_ca_on_both_sides) {
  using member = std::string puma::node_credentials::*;
  for (const member missing :
       {&puma::node_credentials::certificate, &puma::node_credentials::key,
        &puma::node_credentials::ca}) {
    auto x = owner;
    x.*missing = "";
    EXPECT_THAT(thrown_text<puma::usage_error>([&] {
                  static_cast<void>(rt().connect("tls://127.0.0.1:1", as(x)));
                }),
                HasSubstr("is missing"));
  }
  EXPECT_THROW(test_node({.scheme = "tls", .arguments = {}}),
               std::runtime_error);
  EXPECT_THROW(test_node({.scheme = "tls", .arguments = {"--puma-insecure"}}),
               std::runtime_error);
}

TEST_F(tls_nodes, need_a_key_that_fits_the_certificate) {
  auto x = owner;
  x.key = server.key;

  EXPECT_THAT(thrown_text<puma::usage_error>([&] {
                static_cast<void>(rt().connect("tls://127.0.0.1:1", as(x)));
              }),
              HasSubstr("cannot use the private key"));
}

TEST_F(tls_nodes, ask_for_the_token_as_well) {
  const scratch_directory directory;
  auto setup = with_tls(server);
  setup.arguments.insert(
    setup.arguments.end(),
    {"--puma-token-file", directory.write("token", "a secret\n")});
  test_node there{setup};

  EXPECT_THAT(refusal<puma::node_refused>(there, as(owner)),
              HasSubstr("the tokens differ"));
}

// -- hostile input ------------------------------------------------------------

INSTANTIATE_TEST_SUITE_P(, hostile, ::testing::Values("tcp", "tls"),
                         [](const auto& x) { return std::string{x.param}; });

TEST_P(hostile, random_bytes_are_refused_and_counted) {
  const auto before = descriptors();
  const auto since = steady::now();
  constexpr int count = 300;
  for (int i = 0; i != count; ++i) {
    std::vector<char> text(random_() % 2000);
    for (auto& x : text)
      x = static_cast<char>(random_());
    ASSERT_NO_FATAL_FAILURE(say(text));
  }

  expect_refusals(count, since);
  expect_service();
  destroy_runtime();
  EXPECT_TRUE(eventually([&] { return descriptors() <= before + first_use; }))
    << descriptors() << " where there were " << before;
}

TEST_P(hostile, greetings_that_are_cut_or_changed_are_refused_and_counted) {
  const auto since = steady::now();
  // What is right up to the point at which the node's number would be needed.
  std::vector<char> text{'p', 'u', 'm', 'a', '\r', '\n', 0x1a, 0};
  text.push_back(puma::internal::wire_version);
  text.resize(48);
  const auto add = [&text](std::uint32_t x) {
    for (unsigned int i = 0; i != 4; ++i)
      text.push_back(static_cast<char>(x >> (8 * i)));
  };
  int count = 0;
  // Lengths: none, too long, far too long, and one that is right.
  for (const std::uint32_t size : {0u, 4097u, 0xffffffffu, 64u}) {
    text.resize(48);
    add(size);
    text.resize(text.size() + 96, 'x');
    ASSERT_NO_FATAL_FAILURE(say(text));
    ++count;
  }
  for (std::size_t size = 0; size < text.size(); size += 3) {
    ASSERT_NO_FATAL_FAILURE(say({text.data(), size}));
    ++count;
  }
  for (int i = 0; i != 200; ++i) {
    auto changed = text;
    changed[random_() % changed.size()] ^= static_cast<char>(1
                                                             + random_() % 255);
    ASSERT_NO_FATAL_FAILURE(say(changed));
    ++count;
  }

  expect_refusals(static_cast<std::uint64_t>(count), since);
  expect_service();
}

TEST_P(hostile, half_open_connections_do_not_keep_others_out) {
  const auto before = descriptors();
  std::vector<owned_descriptor> open_ones;
  for (int i = 0; i != 600; ++i)
    open_ones.push_back(open());

  expect_service();
  EXPECT_LT(descriptors(), before + 600);

  const auto since = steady::now();
  open_ones.clear();
  expect_refusals(600, since - 1min);
  destroy_runtime();
  EXPECT_TRUE(eventually([&] { return descriptors() <= before + first_use; }))
    << descriptors() << " where there were " << before;
}

TEST_P(hostile, slow_greetings_are_cut_off_by_a_deadline) {
  const auto x = open();
  const auto started = steady::now();
  char byte = 'p';
  // A byte now and then gives no more time.
  while (steady::now() - started < patience) {
    static_cast<void>(::send(x.get(), &byte, 1, MSG_NOSIGNAL));
    const wait_limit turn{steady::now() + 200ms};
    if (turn.wait(x.get(), POLLIN) && ::recv(x.get(), &byte, 1, 0) <= 0)
      break;
  }

  EXPECT_LT(steady::now() - started, patience);
  expect_service();
}

} // namespace
