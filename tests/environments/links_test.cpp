// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/buffer.hpp"
#include "puma/buffers/internal/port.hpp"
#include "puma/environments/internal/directory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

/// Links between processes, without processes: all messages lie in channels,
/// and a random generator says what happens next. So each seed is another order
/// of events, which can be repeated.
namespace {

using puma::internal::buffer_id;
using puma::internal::carrier;
using puma::internal::carrier_ptr;
using puma::internal::directory;
using puma::internal::link_frame;
using puma::internal::node_id;
using puma::internal::owner_node;
using puma::internal::port;
using puma::internal::port_context;

constexpr buffer_id id = 1;
constexpr int per_publisher = 1'000'000;

class world;

/// One direction of a way between two processes; what is in it arrives in
/// order.
using channel = std::deque<std::function<void()>>;

/// One end of a connection.
class fake_carrier final : public carrier {
 public:
  fake_carrier(world& all, node_id here, node_id there)
    : world_(all),
      here_(here),
      there_(there) {}

  node_id peer() const noexcept override { return there_; }
  void send(link_frame what, buffer_id to, std::span<const std::byte> head,
            std::span<const std::byte> body,
            const std::shared_ptr<const puma::encoder>&) noexcept override;
  bool is_congested(const std::shared_ptr<port>& who) override;

  std::weak_ptr<fake_carrier> other; // end, which the receiver answers to
  channel* out = nullptr;

 private:
  world& world_;
  node_id here_;
  node_id there_;
};

/// One process.
class fake_node final : public port_context {
 public:
  fake_node(world& all, node_id self) : world_(all), self_(self) {}

  node_id self() const noexcept override { return self_; }
  carrier_ptr connect(node_id peer) override;
  void export_buffer(puma::encoder&,
                     const puma::detail::buffer_core_ptr&) override {}

  puma::detail::buffer_core_ptr
  import_buffer(puma::decoder&, const puma::detail::value_ops&) override {
    return nullptr;
  }

  puma::internal::reference_exchange& references() noexcept override {
    std::abort(); // no values with references here
  }

  void tell_home(buffer_id to, note what, std::uint64_t epoch) override;
  void when_passed_on_from(puma::internal::port&,
                           std::function<void()> done) override {
    done();
  }

  void worked(port&) override {}

  struct sender {
    puma::publisher<int> end;
    int name;
    int next = 0;
  };

  puma::buffer<int> buffer;
  std::shared_ptr<port> own;
  std::vector<sender> senders;
  std::optional<puma::subscription<int>> in;
  bool alive = true;

 private:
  world& world_;
  node_id self_;
};

class world final : private directory::messenger {
 public:
  world(std::uint64_t seed, std::size_t nodes, std::size_t capacity,
        bool congested)
    : random_(seed),
      congested_(congested) {
    for (node_id i = 0; i != nodes; ++i) {
      nodes_.push_back(std::make_unique<fake_node>(*this, i));
      auto& x = *nodes_.back();
      x.buffer = puma::buffer<int>{
        "numbers", capacity, {.warn_about_leftovers = false}};
      if (i == owner_node)
        x.own = std::make_shared<port>(x, id, x.buffer.shared_core());
      else
        x.own = std::make_shared<port>(x, id, x.buffer.shared_core(),
                                       owner_node, true);
      if (i == owner_node)
        home_.add(x.own);
    }
    // Holds the stream open until the end of the test.
    owner().buffer.core().queue()->add_token();
    for (auto& x : nodes_) {
      x->own->attach();
      if (x->self() != owner_node) {
        home_.expect(id, 1);
        up_[x->self()].push_back(
          [this, who = x->self()] { home_.on_join(who, id); });
      }
    }
  }

  ~world() {
    for (auto& x : nodes_) {
      x->in.reset();
      x->senders.clear();
    }
  }

  world(const world&) = delete;
  world& operator=(const world&) = delete;

  fake_node& owner() { return *nodes_[owner_node]; }

  fake_node& node(std::size_t i) { return *nodes_[i]; }

  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_);
  }

  bool one_in(std::size_t n) { return below(n) == 0; }

  /// Lets one message arrive; false if there is none.
  bool deliver() {
    std::vector<channel*> full;
    const auto collect = [&](auto& map) {
      for (auto& [key, x] : map)
        if (!x.empty())
          full.push_back(&x);
    };
    collect(up_);
    collect(down_);
    collect(forward_);
    collect(backward_);
    if (full.empty() && waiting_.empty())
      return false;
    if (!waiting_.empty() && (full.empty() || one_in(3))) {
      const auto who = waiting_.back();
      waiting_.pop_back();
      who->signal(puma::internal::wake::data);
      return true;
    }
    auto& from = *full[below(full.size())];
    const auto what = std::move(from.front());
    from.pop_front();
    what();
    return true;
  }

  void deliver_all() {
    for (int i = 0; deliver(); ++i)
      if (i == 2'000'000)
        throw std::runtime_error{"messages without end"};
  }

  // -- what users do ----------------------------------------------------------

  void open_sender(fake_node& x) {
    x.senders.push_back({x.buffer.open_publisher(), ++last_name_});
  }

  void publish(fake_node& x) {
    if (x.senders.empty())
      return;
    auto& from = x.senders[below(x.senders.size())];
    for (auto n = below(8); n != 0; --n) {
      if (from.end.try_publish(from.name * per_publisher + from.next)
          != puma::publish_result::accepted)
        break;
      ++from.next;
      sent_[from.name] = from.next;
    }
  }

  void close_sender(fake_node& x) {
    if (x.senders.empty())
      return;
    const auto i = x.senders.begin()
                   + static_cast<std::ptrdiff_t>(below(x.senders.size()));
    if (one_in(2))
      i->end.complete();
    x.senders.erase(i);
  }

  void receive(fake_node& x, std::size_t most) {
    if (!x.in)
      return;
    for (; most != 0; --most) {
      auto y = x.in->try_next();
      if (!y) {
        if (y.status() != puma::receive_status::empty)
          ended_ = y.status();
        return;
      }
      const auto name = *y / per_publisher;
      const auto number = *y % per_publisher;
      ASSERT_EQ(got_[name], number) << "publisher " << name;
      ++got_[name];
    }
  }

  void toggle_subscription(fake_node& x) {
    if (x.in) {
      x.in.reset();
      subscriber_ = nullptr;
      // Whoever subscribes elsewhere has heard of it, and so has the home.
      auto& notes = up_[x.self()];
      while (!notes.empty()) {
        const auto what = std::move(notes.front());
        notes.pop_front();
        what();
      }
    } else if (!subscriber_) {
      x.in.emplace(x.buffer.subscribe());
      subscriber_ = &x;
    }
  }

  /// A process ends without a word, and the home learns of it.
  void kill(node_id who) {
    auto& x = node(who);
    x.alive = false;
    // What is on its way may arrive or not, as with sockets.
    std::erase_if(up_, [&](auto& y) { return y.first == who; });
    std::erase_if(down_, [&](auto& y) { return y.first == who; });
    for (auto* map : {&forward_, &backward_})
      std::erase_if(*map, [&](auto& y) {
        return y.first.first == who || y.first.second == who;
      });
    if (subscriber_ == &x)
      subscriber_ = nullptr;
    const puma::failure error{
      std::make_exception_ptr(std::runtime_error{"killed"})};
    home_.node_gone(who, error, false);
    for (auto& y : nodes_)
      if (y->alive && y->self() != who) {
        if (y->self() == owner_node)
          y->own->node_gone(who, error);
        else
          down_[y->self()].push_back(
            [&node = *y, who, error] { node.own->node_gone(who, error); });
      }
  }

  /// Lets everything end; receives the rest at a random place.
  void finish() {
    for (auto& x : nodes_)
      while (x->alive && !x->senders.empty()) {
        x->senders.back().end.complete();
        x->senders.pop_back();
      }
    owner().buffer.core().queue()->complete_token();
    for (int tries = 0; !ended_ && tries != 1000; ++tries) {
      if (!subscriber_) {
        auto& x = node(below(nodes_.size()));
        if (x.alive)
          toggle_subscription(x);
      }
      deliver_all();
      for (auto& x : nodes_)
        if (x->alive)
          receive(*x, 1000);
    }
  }

  [[nodiscard]] bool got_everything() const {
    for (auto& [name, n] : sent_) {
      const auto i = got_.find(name);
      if (n != 0 && (i == got_.end() || i->second != n)) {
        ADD_FAILURE() << "publisher " << name << ": sent " << n << ", got "
                      << (i == got_.end() ? 0 : i->second);
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] std::optional<puma::receive_status> ended() const {
    return ended_;
  }

  /// Returns how many values are between accepted and taken.
  [[nodiscard]] std::uint64_t in_flight() const {
    std::uint64_t result = 0;
    for (auto& [name, n] : sent_)
      result += static_cast<std::uint64_t>(n);
    for (auto& [name, n] : got_)
      result -= static_cast<std::uint64_t>(n);
    return result;
  }

 private:
  friend class fake_carrier;
  friend class fake_node;

  void hold(node_id who, buffer_id, std::uint64_t epoch) override {
    tell(who, [epoch](port& x) { x.hold(epoch); });
  }

  void ship(node_id who, buffer_id, std::uint64_t epoch, node_id to,
            const std::vector<node_id>& marks) override {
    tell(who, [=](port& x) { x.ship(epoch, to, marks); });
  }

  void resume(node_id who, buffer_id, std::uint64_t epoch, node_id seat,
              const std::vector<node_id>& publishing) override {
    tell(who, [=](port& x) { x.resume(epoch, seat, publishing); });
  }

  void refuse(node_id who, buffer_id, const puma::failure& error) override {
    tell(who, [=](port& x) { x.refuse(error); });
  }

  void break_off(node_id who, buffer_id, const puma::failure& error) override {
    tell(who, [=](port& x) { x.break_off(error); });
  }

  void tell(node_id who, std::function<void(port&)> what) {
    down_[who].push_back(
      [what = std::move(what), &x = node(who)] { what(*x.own); });
  }

  std::mt19937_64 random_;
  bool congested_;
  std::vector<std::unique_ptr<fake_node>> nodes_;
  directory home_{*this};
  std::map<node_id, channel> up_;
  std::map<node_id, channel> down_;
  std::map<std::pair<node_id, node_id>, channel> forward_;
  std::map<std::pair<node_id, node_id>, channel> backward_;
  std::map<std::pair<node_id, node_id>, std::shared_ptr<fake_carrier>> ends_;
  std::map<std::pair<node_id, node_id>, std::shared_ptr<fake_carrier>> answers_;
  std::vector<std::shared_ptr<port>> waiting_;
  fake_node* subscriber_ = nullptr;
  int last_name_ = 0;
  std::map<int, int> sent_;
  std::map<int, int> got_;
  std::optional<puma::receive_status> ended_;
};

void fake_carrier::send(link_frame what, buffer_id,
                        std::span<const std::byte> head,
                        std::span<const std::byte> body,
                        const std::shared_ptr<const puma::encoder>&) noexcept {
  std::vector<std::byte> text{head.begin(), head.end()};
  text.insert(text.end(), body.begin(), body.end());
  if (!world_.node(there_).alive || !world_.node(here_).alive)
    return;
  out->push_back([this, what, text = std::move(text)] {
    if (auto from = other.lock())
      world_.node(there_).own->receive(from, what, text);
  });
}

bool fake_carrier::is_congested(const std::shared_ptr<port>& who) {
  if (!world_.congested_ || world_.one_in(2))
    return false;
  world_.waiting_.push_back(who);
  return true;
}

carrier_ptr fake_node::connect(node_id peer) {
  if (!world_.node(peer).alive)
    return nullptr;
  const std::pair key{self_, peer};
  auto& mine = world_.ends_[key];
  if (!mine) {
    auto& theirs = world_.answers_[key];
    mine = std::make_shared<fake_carrier>(world_, self_, peer);
    theirs = std::make_shared<fake_carrier>(world_, peer, self_);
    mine->other = theirs;
    theirs->other = mine;
    mine->out = &world_.forward_[key];
    theirs->out = &world_.backward_[key];
  }
  return mine;
}

void fake_node::tell_home(buffer_id, note what, std::uint64_t epoch) {
  world_.up_[self_].push_back([&w = world_, who = self_, what, epoch] {
    w.home_.on_note(who, id, what, epoch);
  });
}

/// What varies from seed to seed.
struct setting {
  std::size_t nodes;
  std::size_t capacity;
  bool congested;
};

setting setting_of(std::uint64_t seed) {
  constexpr std::size_t capacities[] = {1, 2, 3, 16, 1024};
  return {2 + seed % 4, capacities[seed % 5], seed % 3 == 0};
}

void do_something(world& all, const setting& how, bool moves) {
  auto& x = all.node(all.below(how.nodes));
  if (!x.alive)
    return;
  switch (all.below(12)) {
  case 0:
    if (x.senders.size() < 3)
      all.open_sender(x);
    break;
  case 1:
    if (all.one_in(4))
      all.close_sender(x);
    break;
  case 2:
    if (moves && all.one_in(3))
      all.toggle_subscription(x);
    break;
  case 3:
  case 4:
    all.receive(x, all.below(20));
    break;
  case 5:
  case 6:
  case 7:
    all.publish(x);
    break;
  default:
    all.deliver();
    all.deliver();
  }
}

constexpr std::uint64_t seeds = 400;

TEST(links, keep_each_value_and_its_order_wherever_the_subscription_moves) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto how = setting_of(seed);
    world all{seed, how.nodes, how.capacity, how.congested};

    for (int i = 0; i != 1500; ++i)
      do_something(all, how, true);
    all.finish();

    ASSERT_EQ(all.ended(), puma::receive_status::completed);
    ASSERT_TRUE(all.got_everything());
  }
}

TEST(links, hold_no_more_values_than_the_capacity_while_the_queue_stays) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto how = setting_of(seed);
    world all{seed, how.nodes, how.capacity, how.congested};
    all.toggle_subscription(all.node(all.below(how.nodes)));
    all.deliver_all();

    for (int i = 0; i != 1500; ++i) {
      do_something(all, how, false);
      ASSERT_LE(all.in_flight(), how.capacity);
    }
    all.finish();

    ASSERT_EQ(all.ended(), puma::receive_status::completed);
    ASSERT_TRUE(all.got_everything());
  }
}

TEST(links, let_every_publisher_make_progress_with_the_smallest_capacity) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::size_t capacity = 1 + seed % 2;
    world all{seed, 5, capacity, false};
    all.toggle_subscription(all.node(0));
    for (std::size_t i = 1; i != 5; ++i)
      all.open_sender(all.node(i));

    for (int i = 0; i != 20'000; ++i) {
      all.publish(all.node(1 + all.below(4)));
      all.deliver();
      all.receive(all.node(0), 1);
    }

    for (std::size_t i = 1; i != 5; ++i)
      EXPECT_GT(all.node(i).senders.front().next, 100) << i;
  }
}

TEST(links, end_every_stream_when_a_process_dies) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto how = setting_of(seed);
    how.nodes = std::max<std::size_t>(how.nodes, 3);
    world all{seed, how.nodes, how.capacity, how.congested};

    for (int i = 0; i != 500; ++i)
      do_something(all, how, true);
    all.kill(static_cast<node_id>(1 + all.below(how.nodes - 1)));
    for (int i = 0; i != 500; ++i)
      do_something(all, how, true);
    all.finish();

    // Whether it completes or fails depends on what the process had to do with
    // it; but it ends, and what came before came in order.
    ASSERT_TRUE(all.ended().has_value());
  }
}

} // namespace
