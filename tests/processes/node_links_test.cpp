// SPDX-License-Identifier: Apache-2.0

// Connections between two nodes.

#include "tests/processes/hostile.hpp"
#include "tests/processes/net_proxy.hpp"
#include "tests/processes/nodes.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"
#include "tests/support/reports.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using direction = net_proxy::direction;

namespace {

constexpr puma::buffer_options quiet{.warn_about_leftovers = false};

/// Tells the numbers of large values that are as they should be.
class telling_numbers : public puma::single_buffer_servicing_runnable<large> {
 public:
  telling_numbers(std::string name, const puma::buffer<large>& in,
                  const puma::buffer<int>& out)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)) {}

 protected:
  void on_value(large& x) override {
    out_.publish(x == made<large>(x.number) ? x.number : -x.number);
  }

 private:
  puma::publisher<int> out_;
};

/// A node, and the line to it.
struct lined_node {
  explicit lined_node(const node_setup& setup) : there(setup) {}

  test_node there;
  net_proxy line{there.port()};
  std::unique_ptr<puma::node> env = {};
};

/// Two nodes. The owner and other nodes come to each by its line.
class node_links : public runtime_test,
                   public ::testing::WithParamInterface<const char*> {
 protected:
  ~node_links() override { destroy_runtime(); }

  /// With tokens that differ one cannot greet the other.
  void start(const std::string& other_token = "a token") {
    first = start_one("first", "a token");
    second = start_one("second", other_token);
  }

  /// Sends 40 MiB from the first to the second.
  void expect_large_values_pass() {
    auto a = first->env->make_buffer<large>("a", 2);
    auto b = first->env->make_buffer<int>("b", 16);
    auto y = second->env->run<telling_numbers>("y"s, a, b);
    y.wait_until_running();
    auto x = first->env->run<counting<large>>("x"s, a, 1, 10);
    EXPECT_EQ(read_all(b), numbers(1, 10));
    join(x);
    join(y);
  }

  /// What those values take, and those at most that are published before it is
  /// known where the others are to go: the owner has places for two.
  static constexpr std::uint64_t bytes_of_values = 10 * large::size;
  static constexpr std::uint64_t bytes_of_first_values = bytes_of_values / 2;

  puma::node_options options;
  std::unique_ptr<lined_node> first;
  std::unique_ptr<lined_node> second;

 private:
  [[nodiscard]] bool is_tls() const { return GetParam() == "tls"s; }

  std::unique_ptr<lined_node> start_one(const std::string& name,
                                        const std::string& token) {
    const auto host = name + ".example";
    node_setup setup;
    if (is_tls())
      setup = with_tls(ca_.issue(name, "DNS:" + host));
    setup.arguments.insert(
      setup.arguments.end(),
      {"--puma-token-file", directory_.write(name + ".token", token + "\n")});
    auto result = std::make_unique<lined_node>(setup);
    auto how = options;
    how.name = name;
    if (is_tls())
      how.credentials = owner_;
    how.credentials.insecure = !is_tls();
    how.credentials.token = token;
    how.host_name = host;
    how.ping_interval = 50ms;
    result->env = std::make_unique<puma::node>(
      rt().connect(result->line.address(GetParam()), how));
    return result;
  }

  authority ca_{"ca"};
  const puma::node_credentials owner_ = ca_.issue("owner", "DNS:owner");
  scratch_directory directory_;
};

INSTANTIATE_TEST_SUITE_P(, node_links, ::testing::Values("tcp", "tls"),
                         [](const auto& x) { return x.param; });

/// An endless stream that is made at the first node, passes through a runnable
/// at the second, and is read here.
class passage {
 public:
  passage(const lined_node& first, const lined_node& second)
    : a_(first.env->make_buffer<int>("a", 64, quiet)),
      b_(first.env->make_buffer<int>("b", 64, quiet)),
      in_(b_.subscribe()),
      stage(second.env->run<passing<int>>("stage"s, a_, b_)),
      source(first.env->run<counting<int>>("source"s, a_, 1, 2'000'000'000)) {}

  void read_some(int count) {
    expect_more(read(in_, static_cast<std::size_t>(count)).values);
  }

  /// Returns how it ended.
  stream<int> read_the_rest() {
    auto rest = read(in_);
    expect_more(rest.values);
    return rest;
  }

 private:
  void expect_more(const std::vector<int>& values) {
    const auto count = static_cast<int>(values.size());
    EXPECT_EQ(values, numbers(last_ + 1, last_ + count));
    last_ += count;
  }

  puma::buffer<int> a_;
  puma::buffer<int> b_;
  puma::subscription<int> in_;
  int last_ = 0;

 public:
  puma::runner stage;
  puma::runner source;
};

} // namespace

TEST_P(node_links, do_not_lead_through_the_owner) {
  start();

  expect_large_values_pass();

  EXPECT_LT(first->line.passed(direction::to_owner), bytes_of_first_values);
  EXPECT_GT(second->line.passed(direction::to_node), bytes_of_values);
  EXPECT_EQ(log.count(puma::log_level::error), 0u) << log.to_string();
}

TEST_P(node_links,
       of_nodes_that_do_not_know_each_other_lead_through_the_owner) {
  start("another token");

  expect_large_values_pass();
  expect_large_values_pass();

  EXPECT_GT(first->line.passed(direction::to_owner), 2 * bytes_of_values);
  EXPECT_GT(second->line.passed(direction::to_node), 2 * bytes_of_values);
  EXPECT_EQ(
    log.count(puma::log_level::info, "node 'first' cannot reach node 'second'"),
    1u)
    << log.to_string();
  // The second time it was not asked to try.
  EXPECT_TRUE(second->there.has_logged("has another token"));
  EXPECT_EQ(refusals_of(second->there).count, 1u);
}

TEST_P(node_links, that_are_cut_go_on_where_they_were) {
  options.resume = true;
  options.answer_timeout = 120s; // however slow the machine is
  start();
  passage values{*first, *second};

  for (int i = 0; i != 5; ++i) {
    values.read_some(2'000);
    second->line.cut();
  }

  values.read_some(2'000);
  values.source.stop();
  EXPECT_EQ(to_string(values.read_the_rest().end), "completed");
  join(values.stage);
  join(values.source);
  EXPECT_LT(first->line.passed(direction::to_owner), bytes_of_first_values);
  EXPECT_EQ(log.count(puma::log_level::error), 0u) << log.to_string();
  expect_adds_up(rt().shutdown());
}
