// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/node.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/node_setup.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/logging/log.hpp"

#include <utility>

namespace puma {

namespace internal {

namespace {

constexpr const char* logger = "puma.nodes";

std::string first_of(std::string given, const std::string& otherwise) {
  return given.empty() ? otherwise : std::move(given);
}

void check(const node_options& options, const std::string& name) {
  for (const auto x :
       {options.connect_timeout, options.start_timeout, options.ping_interval})
    if (x.count() <= 0)
      throw usage_error{"node '" + name + "': intervals must be positive"};
  if (options.answer_timeout.count() < 0
      || options.reconnect_timeout.count() < 0)
    throw usage_error{"node '" + name + "': intervals must not be negative"};
}

} // namespace

node_setup set_up_node(const std::string& address, node_options options,
                       const node_credentials& defaults) {
  node_setup result;
  auto& host = result.host;
  host.where = net_address::parse(address);
  host.name = first_of(std::move(options.name), host.where.to_string());
  check(options, host.name);
  auto& own = options.credentials;
  host.files = {first_of(std::move(own.certificate), defaults.certificate),
                first_of(std::move(own.key), defaults.key),
                first_of(std::move(own.ca), defaults.ca)};
  host.token = first_of(std::move(own.token), defaults.token);
  if (!host.where.tls) {
    if (!own.insecure && !defaults.insecure)
      throw usage_error{"node '" + host.name
                        + "': without TLS anybody in the network can read and "
                          "change what goes over it; allow that with "
                          "node_credentials::insecure or --puma-insecure"};
    log(log_level::warning, logger,
        "node '" + host.name
          + "': without TLS; anybody in the network can read and change what "
            "goes over it");
  }
  host.host_name = std::move(options.host_name);
  host.connect_timeout = options.connect_timeout;
  host.reconnect_timeout = options.reconnect_timeout;
  host.ping_interval = options.ping_interval;
  host.answer_timeout = options.answer_timeout;
  host.resume = options.resume.value_or(host.where.tls);
  auto& workers = result.workers;
  workers.workers = options.workers;
  workers.threads = options.threads;
  workers.start_timeout = options.start_timeout;
  workers.ping_interval = options.ping_interval;
  workers.answer_timeout = options.answer_timeout;
  workers.capture_output = options.capture_output;
  return result;
}

} // namespace internal

node::node(runtime& rt, const std::string& address, node_options options)
  : worker_environment(rt) {
  check_program("node");
  auto setup = internal::set_up_node(address, std::move(options),
                                     rt.core().credentials);
  auto& home = rt.core().processes();
  host_ = home.add_host(std::move(setup.host));
  set_starter(home.make_group(setup.workers, host_));
}

void node::connect() const {
  host_->connect();
}

bool node::is_connected() const {
  return host_->is_connected();
}

const std::string& node::name() const noexcept {
  return host_->name();
}

std::shared_ptr<const environment> node::share() const {
  return std::make_shared<node>(*this);
}

} // namespace puma
