// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/detail/pipeline_plan.hpp"

#include "puma/base/error.hpp"
#include "puma/buffers/internal/queue.hpp"
#include "puma/environments/supervisor_environment.hpp"

#include <algorithm>
#include <functional>
#include <map>

namespace puma::detail {

namespace {

std::string quoted(std::string_view x) {
  return "'" + std::string{x} + "'";
}

} // namespace

environment_ptr environment_access::share(const environment& x) {
  // What a supervisor shares is where its runnables run.
  if (const auto* supervisor = dynamic_cast<const supervisor_environment*>(&x))
    return std::make_shared<supervisor_environment>(*supervisor);
  return x.share();
}

pipeline_plan::pipeline_plan(const environment& where,
                             const pipeline_options& options)
  : where_(environment_access::share(where)),
    options_(options) {}

pipeline_plan::~pipeline_plan() = default;

// -- edges --------------------------------------------------------------------

std::size_t pipeline_plan::add(std::unique_ptr<pipeline_edge> x) {
  edges_.push_back(std::move(x));
  united_.push_back(united_.size());
  return united_.back();
}

std::size_t pipeline_plan::given(std::unique_ptr<pipeline_edge> x,
                                 std::string_view by) {
  const auto core = x->core();
  if (!core)
    problems_.push_back(std::string{by} + ": a handle to no buffer");
  else if (const auto known = find(core))
    return *known;
  return add(std::move(x));
}

std::optional<std::size_t> pipeline_plan::find(const buffer_core_ptr& x) const {
  for (std::size_t i = 0; i != edges_.size(); ++i)
    if (edges_[i]->is_given && edges_[i]->core() == x)
      return i;
  return std::nullopt;
}

std::size_t pipeline_plan::root(std::size_t edge) const {
  while (united_[edge] != edge)
    edge = united_[edge];
  return edge;
}

std::size_t pipeline_plan::unite(std::size_t a, std::size_t b) {
  a = root(a);
  b = root(b);
  if (a == b)
    return a;
  if (!edges_[b]->is_given)
    std::swap(a, b);
  auto& gone = *edges_[a];
  auto& stays = *edges_[b];
  if (gone.is_given) {
    problems_.push_back("values in " + described(a) + " cannot be in "
                        + described(b)
                        + ", too: put a stage between the two buffers");
    return b;
  }
  united_[a] = b;
  stays.from.insert(stays.from.end(), gone.from.begin(), gone.from.end());
  stays.to.insert(stays.to.end(), gone.to.begin(), gone.to.end());
  say(b, std::move(gone.said));
  return b;
}

void pipeline_plan::say(std::size_t edge, edge_options what) {
  auto& x = *edges_[root(edge)];
  const bool says = !what.name.empty() || what.capacity || what.options;
  if (x.is_given && says)
    problems_.push_back("edge: " + described(edge)
                        + " is a given one, with its own name and capacity");
  if (!what.name.empty())
    x.said.name = std::move(what.name);
  if (what.capacity)
    x.said.capacity = what.capacity;
  if (what.options)
    x.said.options = what.options;
}

void pipeline_plan::close_loop(std::size_t edge) {
  edges_[root(edge)]->closes_loop = true;
}

std::string pipeline_plan::name_of(std::size_t edge) const {
  const auto& x = *edges_[root(edge)];
  if (const auto core = x.core())
    return std::string{detail::name_of(*core)};
  if (!x.said.name.empty())
    return x.said.name;
  const auto join = [this](const std::vector<std::size_t>& which) {
    std::string result;
    for (const auto i : which)
      result += (result.empty() ? "" : "+") + stages_[i].settings.name;
    return result;
  };
  return join(x.from) + " -> " + join(x.to);
}

std::string pipeline_plan::described(std::size_t edge) const {
  return "buffer " + quoted(name_of(edge));
}

// -- stages -------------------------------------------------------------------

void pipeline_plan::add_stage(planned_stage x) {
  const auto number = stages_.size();
  for (const auto edge : x.in)
    edges_[root(edge)]->to.push_back(number);
  for (const auto edge : x.out)
    edges_[root(edge)]->from.push_back(number);
  stages_.push_back(std::move(x));
}

// -- checks -------------------------------------------------------------------

void pipeline_plan::check_names() {
  std::map<std::string, int> stages;
  for (auto& x : stages_)
    ++stages[x.settings.name];
  for (auto& [name, times] : stages) {
    if (name.empty())
      problems_.emplace_back("a stage has an empty name");
    else if (times > 1)
      problems_.push_back(std::to_string(times) + " stages have the name "
                          + quoted(name));
  }
  std::map<std::string, int> buffers;
  for (std::size_t i = 0; i != edges_.size(); ++i)
    if (root(i) == i && !stages.contains({}))
      ++buffers[name_of(i)];
  for (auto& [name, times] : buffers)
    // Names that are made of names are alike where those are.
    if (times > 1 && name.find(" -> ") == std::string::npos)
      problems_.push_back(std::to_string(times) + " buffers have the name "
                          + quoted(name));
}

void pipeline_plan::check_places() {
  const auto* const home = environment_access::runtime_of(*where_);
  for (auto& x : stages_)
    if (environment_access::runtime_of(*x.settings.where) != home)
      problems_.push_back("stage " + quoted(x.settings.name)
                          + ": its environment is one of another runtime");
}

void pipeline_plan::check_publishers() {
  for (auto& x : stages_) {
    std::map<std::size_t, int> times;
    for (const auto edge : x.out)
      if (++times[root(edge)] == 2)
        problems_.push_back("stage " + quoted(x.settings.name)
                            + ": several of its branches are "
                            + described(edge));
  }
}

void pipeline_plan::check_subscribers() {
  for (std::size_t i = 0; i != edges_.size(); ++i) {
    const auto& x = *edges_[i];
    if (root(i) != i || x.to.empty())
      continue;
    std::string who;
    for (const auto stage : x.to)
      who += (who.empty() ? "" : ", ") + quoted(stages_[stage].settings.name);
    if (x.to.size() > 1)
      problems_.push_back(described(i) + ": several stages read from it (" + who
                          + "), but a buffer has one subscription; use "
                            "multicast");
    else if (x.is_given && x.core() && x.core()->queue()->is_subscribed())
      problems_.push_back(described(i) + ": stage " + who
                          + " cannot read from it, because it has a "
                            "subscription already");
  }
}

std::vector<std::size_t> pipeline_plan::next_of(std::size_t stage,
                                                bool through_loops) const {
  std::vector<std::size_t> result;
  const auto add = [&](std::size_t edge) {
    const auto& x = *edges_[root(edge)];
    if (through_loops || !x.closes_loop)
      result.insert(result.end(), x.to.begin(), x.to.end());
  };
  for (const auto edge : stages_[stage].out)
    add(edge);
  for (auto& core : stages_[stage].also_to)
    if (const auto edge = find(core))
      add(*edge);
  return result;
}

bool pipeline_plan::reaches(std::size_t from, std::size_t to) const {
  std::vector<bool> seen(stages_.size());
  std::vector<std::size_t> open{from};
  while (!open.empty()) {
    const auto at = open.back();
    open.pop_back();
    if (at == to)
      return true;
    if (seen[at])
      continue;
    seen[at] = true;
    const auto next = next_of(at, true);
    open.insert(open.end(), next.begin(), next.end());
  }
  return false;
}

void pipeline_plan::check_loops() {
  // Those that are not declared: depth first, with the way back to the start.
  enum class state { fresh, open, done };
  std::vector<state> states(stages_.size(), state::fresh);
  std::vector<std::size_t> path;
  const std::function<void(std::size_t)> visit = [&](std::size_t at) {
    states[at] = state::open;
    path.push_back(at);
    for (const auto next : next_of(at, false)) {
      if (states[next] == state::fresh) {
        visit(next);
      } else if (states[next] == state::open) {
        std::string who;
        for (auto i = std::find(path.begin(), path.end(), next);
             i != path.end(); ++i)
          who += quoted(stages_[*i].settings.name) + " -> ";
        problems_.push_back("stages " + who
                            + quoted(stages_[next].settings.name)
                            + " form a loop: declare the buffer that closes it "
                              "with feedback(buffer)");
      }
    }
    path.pop_back();
    states[at] = state::done;
  };
  for (std::size_t i = 0; i != stages_.size(); ++i)
    if (states[i] == state::fresh)
      visit(i);
  // Those that are declared, but none.
  for (std::size_t i = 0; i != edges_.size(); ++i) {
    const auto& x = *edges_[i];
    if (root(i) != i || !x.closes_loop)
      continue;
    const auto closes = [&](std::size_t reader) {
      for (std::size_t stage = 0; stage != stages_.size(); ++stage)
        if (publishes(stage, i) && reaches(reader, stage))
          return true;
      return false;
    };
    if (std::none_of(x.to.begin(), x.to.end(), closes))
      problems_.push_back("feedback: " + described(i)
                          + " closes no loop; no stage behind it publishes to "
                            "it");
  }
}

bool pipeline_plan::publishes(std::size_t stage, std::size_t edge) const {
  const auto& x = stages_[stage];
  return std::any_of(x.out.begin(), x.out.end(),
                     [&](std::size_t y) { return root(y) == edge; })
         || std::find(x.also_to.begin(), x.also_to.end(), edges_[edge]->core())
              != x.also_to.end();
}

// -- the start ----------------------------------------------------------------

void pipeline_plan::make_buffers() {
  for (std::size_t i = 0; i != edges_.size(); ++i) {
    auto& x = *edges_[i];
    if (root(i) != i || x.is_given)
      continue;
    const auto how = x.said.options.value_or(options_.options);
    try {
      x.make(*where_, name_of(i), x.said.capacity.value_or(options_.capacity),
             how);
    } catch (const usage_error& error) {
      problems_.emplace_back(error.what());
      x.make(*where_, name_of(i), 1, how); // so that the stages are looked at
    }
  }
}

pipeline_runner pipeline_plan::make_stages() {
  pipeline_runner result;
  for (auto& x : stages_) {
    const auto is_there = [this](std::size_t edge) {
      return edges_[root(edge)]->core() != nullptr;
    };
    // What is wrong with its buffers has been said.
    if (!std::all_of(x.in.begin(), x.in.end(), is_there)
        || !std::all_of(x.out.begin(), x.out.end(), is_there))
      continue;
    try {
      result.all_.push_back(
        {x.settings.name, x.in.empty(),
         x.how->make(*this, {*x.settings.where, x.settings.own_thread})});
    } catch (const usage_error& error) {
      problems_.emplace_back(error.what());
    }
  }
  // One of several publishers may end before another one has started.
  for (std::size_t i = 0; i != edges_.size(); ++i) {
    if (root(i) != i || !edges_[i]->core())
      continue;
    std::size_t publishers = 0;
    for (std::size_t stage = 0; stage != stages_.size(); ++stage)
      publishers += publishes(stage, i) ? 1 : 0;
    if (publishers > 1)
      result.held_open_.push_back(edges_[i]->core());
  }
  return result;
}

pipeline_runner pipeline_plan::make() {
  if (std::exchange(made_, true))
    throw usage_error{
      "pipeline: has been made or run already; build another "
      "one"};
  check_names();
  check_places();
  check_publishers();
  check_subscribers();
  check_loops();
  make_buffers();
  auto result = make_stages();
  if (problems_.empty())
    return result;
  if (problems_.size() == 1)
    throw usage_error{"pipeline: " + problems_.front()};
  std::string text = "pipeline: " + std::to_string(problems_.size())
                     + " problems";
  for (auto& x : problems_)
    text += "\n- " + x;
  throw usage_error{text};
}

} // namespace puma::detail
