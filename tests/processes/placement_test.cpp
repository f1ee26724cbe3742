// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/placement.hpp"

#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/named_environment.hpp"
#include "tests/processes/nodes.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <csignal>

#include <unistd.h>

using namespace puma_test;
using puma::internal::placement_config;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

class where : public puma::command_driven_runnable {
 public:
  explicit where(std::string name) : command_driven_runnable(std::move(name)) {}

  pid_t process() { return ::getpid(); }
};

std::string complaint(const std::string& text) {
  return thrown_text<puma::usage_error>(
    [&] { placement_config::parse(text, "file.yaml").check(); });
}

class placements : public runtime_test {
 protected:
  ~placements() override {
    runners_.clear();
    destroy_runtime();
  }

  void place(const std::string& text) {
    auto config = placement_config::parse(text, "file.yaml");
    config.check();
    rt().core().credentials.insecure = true;
    rt().core().set_placement(std::move(config));
  }

  [[nodiscard]] pid_t process_of(const puma::environment& env,
                                 const std::string& name) {
    runners_.push_back(env.run<where>(name));
    return runners_.back().call<&where::process>();
  }

  std::vector<puma::runner> runners_;
};

TEST(a_placement, says_what_is_wrong_with_it) {
  EXPECT_THAT(complaint("nodes: {a: {adress: x}}"),
              AllOf(HasSubstr("file.yaml:1:"), HasSubstr("'adress'")));
  EXPECT_THAT(complaint("nodes: {a: {workers: 1}}"),
              HasSubstr("the address is missing"));
  EXPECT_THAT(complaint("groups: {g: [a]}"), HasSubstr("no node 'a'"));
  EXPECT_THAT(complaint("groups: {g: []}"), HasSubstr("has no nodes"));
  EXPECT_THAT(complaint("nodes: {thread: {address: x}}"),
              HasSubstr("'thread' is used twice"));
  EXPECT_THAT(complaint("place: {'x *': nowhere}"),
              AllOf(HasSubstr("'x *'"), HasSubstr("'nowhere'")));
  EXPECT_THAT(complaint("place: ["), HasSubstr("not YAML"));
}

TEST(a_placement, takes_rules_of_the_command_line_first) {
  auto config = placement_config::parse("place: {'*': thread}", "file.yaml");
  config.add_rule("a=b*=process");

  ASSERT_EQ(config.rules.size(), 2u);
  EXPECT_EQ(config.rules.front(), std::pair("a=b*"s, "process"s));
  for (const auto* wrong : {"x", "=thread", "x=", ""})
    EXPECT_THROW(config.add_rule(wrong), puma::usage_error) << wrong;
}

TEST_F(placements, move_runnables_by_their_names) {
  place("place: {'far *': process, '*_other': thread}");
  const puma::thread_environment here{rt()};
  const puma::process_environment away{rt()};

  EXPECT_EQ(process_of(here, "near 1"), ::getpid());
  EXPECT_NE(process_of(here, "far 1"), ::getpid());
  EXPECT_NE(process_of(away, "near 1"), ::getpid());
  EXPECT_EQ(process_of(away, "the_other"), ::getpid());
}

TEST_F(placements, move_runnables_by_their_types) {
  place("place: {'*where': process}");

  EXPECT_NE(process_of(puma::thread_environment{rt()}, "x"), ::getpid());
}

TEST_F(placements, give_environments_by_name) {
  test_node node;
  place("nodes: {n: {address: '" + node.address() + "'}}");

  EXPECT_EQ(process_of(rt().environment("thread"), "x"), ::getpid());
  EXPECT_NE(process_of(rt().environment("process"), "y"), ::getpid());
  const auto pid = process_of(rt().environment("n"), "z");
  ASSERT_EQ(node.sessions().size(), 1u);
  EXPECT_EQ(children_of(node.sessions().front()), std::vector{pid});
  EXPECT_THAT(thrown_text<puma::usage_error>(
                [&] { static_cast<void>(rt().environment("m")); }),
              HasSubstr("no environment 'm'"));
  runners_.clear();
  destroy_runtime();
}

TEST_F(placements, start_in_turn_at_the_nodes_of_a_group) {
  test_node one;
  test_node other;
  place("nodes: {a: {address: '" + one.address() + "'}, b: {address: '"
        + other.address() + "'}}\ngroups: {g: [a, b]}");
  const auto env = rt().environment("g");

  for (const auto* name : {"1", "2", "3", "4"})
    EXPECT_NE(process_of(env, name), ::getpid());

  for (const auto* x : {&one, &other}) {
    ASSERT_EQ(x->sessions().size(), 1u);
    EXPECT_EQ(children_of(x->sessions().front()).size(), 2u);
  }
  runners_.clear();
  destroy_runtime();
}

TEST_F(placements, restart_at_another_node_of_the_group_when_one_is_lost) {
  test_node one;
  test_node other;
  place("nodes: {a: {address: '" + one.address() + "'}, b: {address: '"
        + other.address() + "'}}\ngroups: {g: [a, b]}");
  const auto env = rt().environment("g").supervisor(
    "s", {.then = puma::on_failure::restart});
  auto out = env.make_buffer<int>("out", 16);
  auto x = env.run<telling_process>("x"s, out);
  auto in = out.subscribe();
  const auto before = read_one(in);
  auto& its_node = one.sessions().empty() ? other : one;
  auto& spare = one.sessions().empty() ? one : other;

  its_node.kill();

  EXPECT_NE(read_one(in), before);
  EXPECT_EQ(spare.sessions().size(), 1u);
  x.stop();
  join(x);
}

} // namespace
