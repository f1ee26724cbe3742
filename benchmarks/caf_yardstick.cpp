// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/caf_yardstick.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <numeric>
#include <vector>

namespace puma_bench {

namespace {

using start_atom = caf::atom_constant<caf::atom("start")>;
using credit_atom = caf::atom_constant<caf::atom("credit")>;
using sum_atom = caf::atom_constant<caf::atom("sum")>;

using values = std::vector<std::int64_t>;

struct source_state {
  std::int64_t next = 0;
  std::int64_t limit = 0;
  std::int64_t credit = 0;
};

caf::behavior source(caf::stateful_actor<source_state>* self, caf::actor sink,
                     std::int64_t window, std::int64_t batch) {
  self->state.credit = window;
  const auto send_all = [self, sink, batch] {
    auto& [next, limit, credit] = self->state;
    for (; next != limit && credit >= batch; credit -= batch) {
      if (batch == 1) {
        caf::anon_send(sink, next++);
        continue;
      }
      values message(static_cast<std::size_t>(batch));
      std::iota(message.begin(), message.end(), next);
      next += batch;
      caf::anon_send(sink, std::move(message));
    }
  };
  return {
    [self, send_all](start_atom, std::int64_t count) {
      self->state.next = 0;
      self->state.limit = count;
      send_all();
    },
    [self, send_all](credit_atom, std::int64_t more) {
      self->state.credit += more;
      send_all();
    },
  };
}

struct sink_state {
  caf::actor source;
  caf::actor owner;
  std::int64_t missing = 0;
  std::int64_t owed = 0;
  std::int64_t sum = 0;
};

caf::behavior sink(caf::stateful_actor<sink_state>* self, std::int64_t window) {
  // Grants credit a quarter of the window at a time.
  const auto grant_at = std::max(window / 4, std::int64_t{1});
  const auto count = [self, grant_at](std::int64_t got) {
    auto& state = self->state;
    state.owed += got;
    state.missing -= got;
    if (state.owed >= grant_at || state.missing == 0) {
      caf::anon_send(state.source, credit_atom::value, state.owed);
      state.owed = 0;
    }
    if (state.missing == 0)
      caf::anon_send(state.owner, sum_atom::value, state.sum);
  };
  return {
    [self](start_atom, const caf::actor& from, const caf::actor& owner,
           std::int64_t expected) {
      self->state.source = from;
      self->state.owner = owner;
      self->state.missing = expected;
      self->state.sum = 0;
    },
    [self, count](std::int64_t x) {
      self->state.sum += x;
      count(1);
    },
    [self, count](const values& xs) {
      self->state.sum += std::accumulate(xs.begin(), xs.end(), std::int64_t{0});
      count(static_cast<std::int64_t>(xs.size()));
    },
  };
}

void end(const caf::actor& x) {
  caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
}

} // namespace

caf_hop::caf_hop(std::int64_t window, std::int64_t batch)
  : sink_(system_.spawn(sink, window)),
    source_(system_.spawn(source, sink_, window, batch)) {}

caf_hop::~caf_hop() {
  end(source_);
  end(sink_);
}

std::int64_t caf_hop::run(std::int64_t count) {
  caf::anon_send(sink_, start_atom::value, source_,
                 caf::actor_cast<caf::actor>(self_), count);
  caf::anon_send(source_, start_atom::value, count);
  std::int64_t result = 0;
  self_->receive([&](sum_atom, std::int64_t sum) { result = sum; });
  return result;
}

caf_echo::caf_echo()
  : echo_(system_.spawn([]() -> caf::behavior {
      return {[](std::int64_t x) { return x + 1; }};
    })) {}

caf_echo::~caf_echo() {
  end(echo_);
}

std::int64_t caf_echo::ask(std::int64_t x) {
  self_->send(echo_, x);
  std::int64_t result = 0;
  self_->receive([&](std::int64_t answer) { result = answer; });
  return result;
}

} // namespace puma_bench
