// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/hostile.hpp"

#include "puma/environments/internal/net_address.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"

#include <chrono>
#include <cstdlib>
#include <regex>
#include <stdexcept>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace puma_test {

using puma::internal::net_address;
using puma::internal::owned_descriptor;
using puma::internal::wait_limit;

namespace {

void execute(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0)
    throw std::runtime_error{"failed: " + command};
}

} // namespace

// -- certificates -------------------------------------------------------------

authority::authority(const std::string& name) : name_(name) {
  execute("openssl req -x509 " + new_key(name) + " -days 2 -subj /CN=" + name
          + " -out " + file(".pem"));
}

std::string authority::file(const std::string& suffix) const {
  return directory_.path() + "/" + name_ + suffix;
}

puma::node_credentials authority::issue(const std::string& who,
                                        const std::string& names) const {
  const auto path = directory_.path() + "/" + who;
  const auto extensions = directory_.write(who + ".ext",
                                           "subjectAltName=" + names + "\n");
  execute("openssl req " + new_key(who) + " -subj /CN=" + who + " -out " + path
          + ".csr");
  execute("openssl x509 -req -in " + path + ".csr -CA " + file(".pem")
          + " -CAkey " + file(".key") + " -CAcreateserial -days 2 -extfile "
          + extensions + " -out " + path + ".pem");
  puma::node_credentials result;
  result.certificate = path + ".pem";
  result.key = path + ".key";
  result.ca = file(".pem");
  return result;
}

std::string authority::new_key(const std::string& who) const {
  return "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
         + directory_.path() + "/" + who + ".key";
}

node_setup with_tls(const puma::node_credentials& x) {
  return {.scheme = "tls",
          .arguments = {"--puma-cert", x.certificate, "--puma-key", x.key,
                        "--puma-ca", x.ca}};
}

puma::node_options as(puma::node_credentials x) {
  puma::node_options result;
  result.name = "n";
  result.credentials = std::move(x);
  return result;
}

// -- strangers ----------------------------------------------------------------

owned_descriptor connect_to(const test_node& x) {
  const wait_limit limit{steady::now() + patience};
  return puma::internal::connect_to(
    net_address::parse("tcp://127.0.0.1:" + std::to_string(x.port())), limit,
    "n");
}

refusals refusals_of(const test_node& x) {
  const auto text = x.log();
  const std::regex line{"refused ([0-9]+) connections"};
  refusals result;
  for (std::sregex_iterator i{text.begin(), text.end(), line}, end; i != end;
       ++i) {
    result.count += std::stoull((*i)[1]);
    ++result.lines;
  }
  return result;
}

hostile::hostile() {
  if (GetParam() == "tls"s) {
    ca_ = std::make_unique<authority>("ca");
    setup_ = with_tls(ca_->issue("node", "IP:127.0.0.1"));
    options_ = as(ca_->issue("owner", "DNS:owner"));
  } else {
    setup_.arguments.insert(
      setup_.arguments.end(),
      {"--puma-token-file", directory_.write("token", "a secret\n")});
    options_.credentials.token = "a secret";
  }
  there_ = std::make_unique<test_node>(setup_);
}

hostile::~hostile() {
  destroy_runtime();
}

void hostile::say(std::span<const char> text) const {
  const auto x = open();
  static_cast<void>(::send(x.get(), text.data(), text.size(), MSG_NOSIGNAL));
  ::shutdown(x.get(), SHUT_WR);
  const wait_limit limit{steady::now() + patience};
  char rest[4096];
  do {
    ASSERT_TRUE(limit.wait(x.get(), POLLIN)) << "it was not closed";
  } while (::recv(x.get(), rest, sizeof(rest), 0) > 0);
}

void hostile::expect_refusals(std::uint64_t count, steady::time_point since,
                              std::uint64_t spare) const {
  EXPECT_TRUE(eventually([&] { return refusals_of(*there_).count >= count; }));
  const auto said = refusals_of(*there_);
  EXPECT_GE(said.count, count);
  EXPECT_LE(said.count, count + spare);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(steady::now()
                                                               - since);
  EXPECT_LE(said.lines, static_cast<std::size_t>(seconds.count()) + 1);
}

void hostile::expect_service() {
  const auto env = rt().connect(there_->address(), options_);
  auto out = env.make_buffer<int>("out", 16);
  auto x = env.run<counting<int>>("x"s, out, 1, 100);
  EXPECT_EQ(read_all(out), numbers(1, 100));
  join(x);
}

std::size_t hostile::descriptors() const {
  return descriptors_of(there_->pid()).size();
}

} // namespace puma_test
