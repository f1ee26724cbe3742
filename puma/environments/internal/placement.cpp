// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/placement.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/node_setup.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/logging/internal/yaml_item.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include <fnmatch.h>

namespace puma::internal {

namespace {

constexpr const char* thread_name = "thread";
constexpr const char* process_name = "process";

bool fits(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

std::chrono::milliseconds milliseconds_of(const yaml_item& x) {
  constexpr std::uint64_t most = 86'400'000;
  return std::chrono::milliseconds{x.number(0, most)};
}

placement_config::node_entry read_node(const yaml_item& from,
                                       const std::string& name) {
  placement_config::node_entry result;
  auto& to = result.options;
  to.name = name;
  constexpr std::uint64_t most = 1024;
  from.for_each({"address", "host_name", "cert", "key", "ca", "workers",
                 "threads", "connect_timeout_ms", "reconnect_timeout_ms",
                 "answer_timeout_ms", "resume"},
                [&](const std::string& key, const yaml_item& x) {
                  if (key == "address")
                    result.address = x.text();
                  else if (key == "host_name")
                    to.host_name = x.text();
                  else if (key == "cert")
                    to.credentials.certificate = x.text();
                  else if (key == "key")
                    to.credentials.key = x.text();
                  else if (key == "ca")
                    to.credentials.ca = x.text();
                  else if (key == "workers")
                    to.workers = x.number(0, most);
                  else if (key == "threads")
                    to.threads = x.number(0, most);
                  else if (key == "connect_timeout_ms")
                    to.connect_timeout = milliseconds_of(x);
                  else if (key == "reconnect_timeout_ms")
                    to.reconnect_timeout = milliseconds_of(x);
                  else if (key == "answer_timeout_ms")
                    to.answer_timeout = milliseconds_of(x);
                  else
                    to.resume = x.boolean();
                });
  if (result.address.empty())
    from.fail("the address is missing");
  return result;
}

} // namespace

// -- configuration ------------------------------------------------------------

placement_config placement_config::load(const std::string& file) {
  std::ifstream in{file};
  std::ostringstream text;
  if (in)
    text << in.rdbuf();
  if (!in)
    throw usage_error{
      "placement '" + file + "': cannot be read: "
      + (errno != 0 ? std::strerror(errno) : "it is no file with text")};
  return parse(text.str(), file);
}

placement_config placement_config::parse(const std::string& text,
                                         const std::string& source) {
  placement_config result;
  try {
    const auto all = YAML::Load(text);
    yaml_item{all, source, ""}.for_each(
      {"nodes", "groups", "place"},
      [&result](const std::string& part, const yaml_item& of) {
        of.for_each({}, [&](const std::string& key, const yaml_item& x) {
          if (part == "nodes") {
            result.nodes[key] = read_node(x, key);
          } else if (part == "groups") {
            auto& members = result.groups[key];
            for (const auto& name : x.items())
              members.push_back(name.text());
          } else {
            result.rules.emplace_back(key, x.text());
          }
        });
      });
  } catch (const YAML::Exception& error) {
    throw usage_error{source + ":" + std::to_string(error.mark.line + 1) + ":"
                      + std::to_string(error.mark.column + 1)
                      + ": not YAML: " + error.msg};
  }
  return result;
}

void placement_config::add_rule(std::string_view text) {
  const auto at = text.rfind('=');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size())
    throw usage_error{"placement '" + std::string{text}
                      + "': it has the form PATTERN=PLACE"};
  rules.emplace(rules.begin(), text.substr(0, at), text.substr(at + 1));
}

void placement_config::check() const {
  std::set<std::string> known{thread_name, process_name};
  const auto add = [&known](const std::string& name) {
    if (!known.insert(name).second)
      throw usage_error{"placement: the name '" + name + "' is used twice"};
  };
  for (const auto& [name, x] : nodes)
    add(name);
  for (const auto& [name, members] : groups) {
    add(name);
    if (members.empty())
      throw usage_error{"placement: group '" + name + "' has no nodes"};
    for (const auto& x : members)
      if (!nodes.contains(x))
        throw usage_error{"placement: group '" + name + "': there is no node '"
                          + x + "'"};
  }
  for (const auto& [pattern, name] : rules)
    if (!known.contains(name))
      throw usage_error{"placement of '" + pattern + "': there is no place '"
                        + name
                        + "'; there are thread, process, nodes and groups"};
}

// -- places -------------------------------------------------------------------

struct placement::member {
  starter_ptr starter;
  std::shared_ptr<remote_host> host;
};

/// Starts runnables at several nodes, in turn. One that is not connected is
/// passed over while others are: what it ran restarts there.
class placement::group final : public run_starter {
 public:
  explicit group(std::vector<member> members) : members_(std::move(members)) {}

  void check(const run_record& x) const override {
    members_.front().starter->check(x);
  }

  hosted* start(const std::shared_ptr<run_record>& x) override {
    return pick().starter->start(x);
  }

  void give_up(const std::shared_ptr<run_record>& x,
               const std::string& why) override {
    members_.front().starter->give_up(x, why); // wherever it is
  }

 private:
  const member& pick() {
    const std::lock_guard guard{mutex_};
    const auto first = next_++;
    for (std::size_t i = 0; i != members_.size(); ++i) {
      const auto& x = members_[(first + i) % members_.size()];
      if (x.host->is_promising())
        return x;
    }
    return members_[first % members_.size()];
  }

  const std::vector<member> members_;
  std::mutex mutex_;
  std::size_t next_ = 0;
};

placement::placement(runtime_core& core, placement_config config)
  : core_(core),
    config_(std::move(config)) {}

placement::starter_ptr placement::starter(const std::string& name) {
  const std::lock_guard guard{mutex_};
  auto& result = made_[name];
  if (!result)
    result = make(name);
  return result;
}

placement::starter_ptr placement::starter_for(const detail::recipe& x) {
  if (config_.rules.empty())
    return nullptr;
  const auto name = x.name();
  const auto label = x.label();
  for (const auto& [pattern, place] : config_.rules)
    if (fits(pattern, name) || fits(pattern, label))
      return starter(place);
  return nullptr;
}

placement::starter_ptr placement::make(const std::string& name) {
  if (name == thread_name)
    return core_.local();
  if (name == process_name)
    return core_.processes().make_group({});
  if (config_.nodes.contains(name))
    return node_member(name).starter;
  const auto i = config_.groups.find(name);
  if (i == config_.groups.end()) {
    made_.erase(name);
    throw usage_error{"runtime: there is no environment '" + name
                      + "'; there are thread, process, and what the placement "
                        "names"};
  }
  std::vector<member> members;
  for (const auto& x : i->second)
    members.push_back(node_member(x));
  return std::make_shared<group>(std::move(members));
}

placement::member placement::node_member(const std::string& name) {
  auto& starter = made_[name];
  auto& host = hosts_[name];
  if (!host) {
    const auto& entry = config_.nodes.at(name);
    auto setup = set_up_node(entry.address, entry.options, core_.credentials);
    host = core_.processes().add_host(std::move(setup.host));
    starter = core_.processes().make_group(setup.workers, host);
  }
  return {starter, host};
}

} // namespace puma::internal
