// SPDX-License-Identifier: Apache-2.0

// What those may send who have passed the greeting, and those who never do: it
// ends their own connections, and is noticed by nobody else.

#include "puma/environments/internal/connection.hpp"
#include "puma/environments/internal/node.hpp"
#include "puma/environments/internal/node_session.hpp"
#include "puma/environments/internal/worker_options.hpp"
#include "puma/environments/thread_environment.hpp"
#include "tests/base/mutator.hpp"
#include "tests/processes/by_hand.hpp"
#include "tests/processes/hostile.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <optional>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace puma_test;
using puma::internal::connection;
using puma::internal::errand;
using puma::internal::frame_header;
using puma::internal::node_frame;
using puma::internal::node_id;
using puma::internal::node_request;
using puma::internal::owned_descriptor;
using puma::internal::session_frame;
using puma::internal::session_token;
using ::testing::ContainsRegex;
using ::testing::Not;

namespace {

constexpr std::size_t megabyte = 1024 * 1024;

/// AddressSanitizer keeps what was freed for a while.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kept_for_checks = 256 * megabyte;
#else
constexpr std::size_t kept_for_checks = 0;
#endif

/// Whether a process has grown by no more than `limit` bytes since it had
/// `before`.
bool has_kept_to(std::size_t now, std::size_t before, std::size_t limit) {
  return now <= before + limit + kept_for_checks;
}

/// The first worker of the first node of a runtime.
constexpr node_id first_worker = (node_id{1} << puma::internal::host_shift) | 1;

/// Returns seeds. Others are tried with PUMA_TEST_SEED, which is added to them.
std::vector<std::uint64_t> seeds(std::uint64_t count) {
  const char* const offset = std::getenv("PUMA_TEST_SEED");
  std::vector<std::uint64_t> result(count);
  std::iota(result.begin(), result.end(),
            offset ? std::strtoull(offset, nullptr, 10) : 0);
  return result;
}

template <class Kind>
frame make(Kind kind, std::uint64_t to,
           const puma::encoder& body = puma::encoder{}) {
  return make_frame(static_cast<std::uint8_t>(kind), to, body.bytes());
}

template <class Kind>
bool is(const frame& x, Kind kind) {
  return !x.empty() && kind_of(x) == static_cast<std::uint8_t>(kind);
}

puma::encoder text(const std::string& x) {
  puma::encoder result;
  encode(result, x);
  return result;
}

frame repeated(const frame& x, std::size_t bytes) {
  frame result;
  while (result.size() < bytes)
    result.insert(result.end(), x.begin(), x.end());
  return result;
}

/// Damages it, mostly such that what comes next is read as what it is.
void spoil(mutator& by, frame& x) {
  for (auto times = 1 + by.number(3); times != 0; --times)
    by(x);
  if (by.number(4) != 0)
    fix_length(x);
}

/// Returns what somebody may send in place of one of some frames.
frame bad(mutator& by, const std::vector<frame>& good) {
  auto x = good[by.number(good.size())];
  switch (by.number(8)) {
  case 0:
    x.resize(by.number(2000));
    for (auto& byte : x)
      byte = static_cast<std::byte>(by.number(256));
    break;
  case 1: {
    const auto length = static_cast<std::uint32_t>(
      by.number(2) == 0 ? connection::most_bytes + 1 + by.number(100)
                        : std::numeric_limits<std::uint32_t>::max());
    std::memcpy(x.data(), &length, sizeof(length));
    break;
  }
  case 2:
    x.resize(by.number(x.size()));
    break;
  default:
    spoil(by, x);
    break;
  }
  return x;
}

/// Whether a worker has come to an end that no worker should.
bool tells_of_a_crash(const frame& ended) {
  puma::decoder in{std::span{ended}.subspan(sizeof(frame_header))};
  const auto code = in.number<int>();
  return in.number<bool>() && code != SIGKILL;
}

/// What an owner and a node say on connections of one kind.
struct conversation {
  std::vector<frame> to_node;
  std::vector<frame> to_owner;
};

/// Lets an owner use what may be no good node. Whether it gets errors or values
/// does not matter, as long as it comes to an end. `time`: how long it waits
/// for each thing.
void try_to_use(const std::string& address,
                std::chrono::milliseconds time = 500ms) {
  const auto started = steady::now();
  {
    puma::runtime owner{{.threads = 2}};
    auto options = insecure_node("bad");
    options.connect_timeout = time;
    options.reconnect_timeout = time;
    options.start_timeout = time;
    options.ping_interval = 50ms;
    options.answer_timeout = time;
    try {
      const auto env = owner.connect(address, options);
      auto in = env.make_buffer<int>("in", 16);
      auto out = env.make_buffer<int>("out", 16);
      const puma::thread_environment here{owner};
      auto x = here.run<counting<int>>("x"s, in, 1, 200);
      auto y = env.run<passing<int>>("y"s, in, out);
      auto received = out.subscribe();
      while (received.next_for(time)) {
      }
    } catch (const puma::error&) {
      // As may be.
    }
  }
  EXPECT_LT(steady::now() - started, 10s + time);
}

/// A node with several owners. That of `rt()` uses it all the time, and is to
/// notice nothing of the others.
class abused_node : public runtime_test {
 protected:
  abused_node() {
    x_ = env_.run<counting<int>>("steady"s, out_, 1,
                                 std::numeric_limits<int>::max() - 1);
    expect_progress();
    resident_ = resident_bytes(there.pid());
    descriptors_ = descriptors_of(there.pid()).size();
  }

  ~abused_node() override { destroy_runtime(); }

  /// The owner that belongs here gets its values, all and in order.
  void expect_progress() {
    for (int i = 0; i != 200; ++i)
      ASSERT_EQ(read_one(in_), ++last_);
  }

  /// Nothing is left of the others, and further ones are served.
  void expect_nothing_happened() {
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    EXPECT_TRUE(eventually([&] { return there.sessions().size() == 1; }))
      << there.sessions().size() << " sessions";
    EXPECT_TRUE(eventually(
      [&] { return descriptors_of(there.pid()).size() <= descriptors_ + 2; }))
      << descriptors_of(there.pid()).size() << " descriptors where there were "
      << descriptors_;
    EXPECT_PRED3(has_kept_to, resident_bytes(there.pid()), resident_,
                 32 * megabyte);
    EXPECT_THAT(there.log(), Not(ContainsRegex("killed by SIG(SEGV|ABRT|BUS|"
                                               "ILL|FPE|SYS)")));
    puma::runtime other{{.threads = 2}};
    const auto env = other.connect(there.address(), insecure_node("n"));
    auto out = env.make_buffer<int>("out", 16);
    auto x = env.run<counting<int>>("x"s, out, 1, 100);
    EXPECT_EQ(read_all(out), numbers(1, 100));
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    x_.stop();
    join(x_);
  }

  /// Begins to use the node as one more owner.
  [[nodiscard]] wire begin_session(const session_token& token) const {
    node_request what;
    what.session = token;
    what.silence_limit_ms = 60'000;
    auto result = introduce(there.address(), what);
    EXPECT_TRUE(is(result.hear(patience), session_frame::ready));
    return result;
  }

  /// Starts a worker for it.
  [[nodiscard]] wire begin_worker(const session_token& token) const {
    node_request what;
    what.what = errand::worker;
    what.session = token;
    what.worker = first_worker;
    return introduce(there.address(), what);
  }

  /// Returns what is said while a runnable at the node passes values on.
  [[nodiscard]] std::map<errand, conversation> listen_in() const {
    std::map<errand, conversation> result;
    const auto note = [&result](meddler::way where, errand what,
                                const frame& x) {
      auto& to = result[what];
      (where == meddler::way::to_node ? to.to_node : to.to_owner).push_back(x);
    };
    {
      const meddler between{there.address(), note};
      try_to_use(between.address(), patience);
    }
    for (const auto what : {errand::session, errand::worker, errand::link}) {
      EXPECT_FALSE(result[what].to_node.empty());
      EXPECT_TRUE(what == errand::link || !result[what].to_owner.empty());
    }
    return result;
  }

  test_node there;
  const puma::node env_{rt().connect(there.address(), insecure_node("n"))};

 private:
  puma::buffer<int> out_{env_.make_buffer<int>("out", 16)};
  puma::subscription<int> in_{out_.subscribe()};
  puma::runner x_;
  int last_ = 0;
  std::size_t resident_ = 0;
  std::size_t descriptors_ = 0;
};

/// Makes room for many descriptors; returns for how many.
std::size_t allow_descriptors(std::size_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  return std::min<std::size_t>(wanted, limit.rlim_cur);
}

} // namespace

// -- who never proves anything ------------------------------------------------

TEST_P(hostile, thousands_of_half_open_connections_use_up_nothing) {
  constexpr std::size_t most_greetings = 64;
  constexpr std::size_t others = 500; // descriptors
  const auto count = allow_descriptors(3'000 + others) - others;
  expect_service();
  const auto pid = there_->pid();
  const auto resident = resident_bytes(pid);
  const auto threads = threads_of(pid);
  const auto before = descriptors();
  const auto since = steady::now();

  std::vector<owned_descriptor> strangers;
  std::size_t most_resident = 0;
  std::size_t most_threads = 0;
  std::size_t most_descriptors = 0;
  std::atomic<bool> over = false;
  std::thread flood{[&] {
    try {
      while (strangers.size() != count) {
        strangers.push_back(open());
        const char byte = 'p';
        if (strangers.size() % 2 == 0)
          ::send(strangers.back().get(), &byte, 1, MSG_NOSIGNAL);
        if (strangers.size() % 100 != 0)
          continue;
        most_resident = std::max(most_resident, resident_bytes(pid));
        most_threads = std::max(most_threads, threads_of(pid));
        most_descriptors = std::max(most_descriptors, descriptors());
        // More come at once than may, but not all of the time.
        std::this_thread::sleep_for(10ms);
      }
    } catch (const std::exception& failed) {
      ADD_FAILURE() << failed.what();
    }
    over = true;
  }};
  int tries = 0;
  int served = 0;
  std::optional<steady::time_point> end; // of the time for one that is served
  while (!end || (served == 0 && steady::now() < *end)) {
    if (over && !end)
      end = steady::now() + patience;
    ++tries;
    try {
      const auto env = rt().connect(there_->address(), options_);
      auto out = env.make_buffer<int>("out", 16);
      auto x = env.run<counting<int>>("x"s, out, 1, 100);
      const auto came = read(out);
      served += came.values == numbers(1, 100) ? 1 : 0;
    } catch (const puma::node_error&) {
      // One of those who were closed for the next to come; it may try again.
    }
  }
  flood.join();

  EXPECT_GT(served, 0) << "of " << tries;
  // Each try has a session, a worker and links.
  const auto own = 16 * static_cast<std::size_t>(tries) + 16;
  EXPECT_LE(most_threads, threads + 2 * most_greetings + own);
  EXPECT_LE(most_descriptors, before + 2 * 2 * most_greetings + 2 * own);
  EXPECT_PRED3(has_kept_to, most_resident, resident, 64 * megabyte);
  strangers.clear();
  // Each try of the owner greets several times.
  expect_refusals(count, since, static_cast<std::uint64_t>(10 * tries));
  destroy_runtime();
  EXPECT_TRUE(eventually([&] { return descriptors() <= before; }))
    << descriptors() << " where there were " << before;
  EXPECT_TRUE(eventually([&] { return threads_of(pid) <= threads; }))
    << threads_of(pid) << " where there were " << threads;
}

// -- owners -------------------------------------------------------------------

TEST_F(abused_node, survives_bad_frames_on_sessions) {
  const std::vector<frame> good{
    make(session_frame::levels, 0, text("debug")), make(session_frame::ping, 7),
    make(session_frame::kill, 0),
    // Also the number of the worker of the other owner.
    make(session_frame::kill, first_worker),
    make(session_frame::kill, std::numeric_limits<std::uint64_t>::max()),
    make(session_frame::exit, first_worker)};
  for (const auto seed : seeds(4)) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    mutator by{seed};
    for (std::uint64_t round = 0; round != 15; ++round) {
      auto session = begin_session({seed, round});
      for (int i = 0; i != 10; ++i)
        if (!session.say(i % 3 == 0 ? good[by.number(5)] : bad(by, good)))
          break;
    }
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }
  expect_nothing_happened();
}

TEST_F(abused_node, closes_sessions_that_announce_too_much) {
  for (const auto length :
       {static_cast<std::uint32_t>(connection::most_bytes + 1), 0x7fffffffu,
        0xffffffffu}) {
    auto session = begin_session({4711, length});
    auto x = make(session_frame::ping, 0);
    std::memcpy(x.data(), &length, sizeof(length));

    session.say(x);

    while (!session.hear(patience).empty()) {
    }
    EXPECT_TRUE(session.is_closed()) << length;
  }
  expect_nothing_happened();
}

TEST_F(abused_node, starts_no_workers_for_sessions_that_end) {
  for (std::uint64_t round = 0; round != 40; ++round) {
    const session_token token{4711, round};
    auto session = begin_session(token);
    std::vector<wire> workers;
    session.say(make(session_frame::exit, 0));
    try {
      for (int i = 0; i != 5; ++i)
        workers.push_back(begin_worker(token));
    } catch (const puma::node_error&) {
      // The session has ended.
    }
  }
  expect_nothing_happened();
}

TEST_F(abused_node, keeps_no_answers_for_owners_that_do_not_listen) {
  const auto known = there.sessions();
  auto session = begin_session({4711, 1});
  auto all = there.sessions();
  std::erase_if(all, [&](pid_t x) {
    return std::find(known.begin(), known.end(), x) != known.end();
  });
  ASSERT_EQ(all.size(), 1u);
  const auto before = resident_bytes(all.front());

  const auto many = repeated(make(session_frame::ping, 0), megabyte);
  for (int i = 0; i != 32; ++i)
    if (!session.say_deafly(many, 300ms))
      break;

  EXPECT_PRED3(has_kept_to, resident_bytes(all.front()), before, 8 * megabyte);
  ASSERT_NO_FATAL_FAILURE(expect_progress());
}

TEST_F(abused_node, closes_links_that_ask_and_do_not_listen) {
  auto known = listen_in();
  const session_token token{4711, 3};
  const auto session = begin_session(token);
  auto worker = begin_worker(token);
  for (auto& x : known[errand::worker].to_node)
    if (is(x, node_frame::welcome))
      worker.say(x);
  ASSERT_TRUE(is(worker.hear(patience), node_frame::ready));
  node_request what;
  what.what = errand::link;
  what.session = token;
  what.worker = first_worker;
  auto link = introduce(there.address(), what);
  link.say(known[errand::link].to_node.front());

  const auto many = repeated(make(node_frame::sync, 0), megabyte);
  int sent = 0;
  while (sent != 64 && link.say_deafly(many, patience))
    ++sent;

  EXPECT_LT(sent, 64);
  while (!link.hear(patience).empty()) {
  }
  EXPECT_TRUE(link.is_closed());
  ASSERT_NO_FATAL_FAILURE(expect_progress());
}

TEST_F(abused_node, survives_routes_that_lead_nowhere) {
  const session_token token{4711, 4};
  {
    const auto session = begin_session(token);
    node_request what;
    what.what = errand::reach;
    what.session = token;
    what.worker = first_worker;
    for (const auto& address :
         {""s, "tcp://"s, "tcp://127.0.0.1:1"s, "tls://127.0.0.1:1"s,
          "tcp://"s + std::string(3'000, 'x') + ":1", std::string(100, '\xff'),
          there.address()}) {
      SCOPED_TRACE(address);
      puma::internal::node_route route;
      route.address = address;
      route.worker = first_worker;
      const auto by = introduce(there.address(), what, -1, route);
    }
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }
  expect_nothing_happened();
}

TEST_F(abused_node, survives_bad_frames_on_connections_of_workers) {
  const auto good = listen_in()[errand::worker].to_node;
  for (const auto seed : seeds(3)) {
    mutator by{seed};
    for (std::uint64_t round = 0; round != 10; ++round) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", round "
                   + std::to_string(round));
      auto session = begin_session({seed, round});
      {
        auto worker = begin_worker({seed, round});
        for (auto& x : good)
          if (!worker.say(by.number(3) == 0 ? bad(by, good) : x))
            break;
      }
      auto x = session.hear(patience);
      while (!x.empty() && !is(x, session_frame::ended))
        x = session.hear(patience);
      ASSERT_FALSE(x.empty()) << "the worker has not ended";
      EXPECT_FALSE(tells_of_a_crash(x));
    }
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }
  expect_nothing_happened();
}

TEST_F(abused_node, survives_bad_frames_on_links) {
  auto known = listen_in();
  auto good = known[errand::link].to_node;
  good.insert(good.end(), known[errand::link].to_owner.begin(),
              known[errand::link].to_owner.end());
  const session_token token{4711, 2};
  auto session = begin_session(token);
  auto worker = begin_worker(token);
  // With a runnable, whose buffers are known there.
  for (auto& x : known[errand::worker].to_node)
    if (is(x, node_frame::welcome) || is(x, node_frame::start))
      worker.say(x);
  ASSERT_TRUE(is(worker.hear(patience), node_frame::ready));

  for (const auto seed : seeds(4)) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    mutator by{seed};
    for (int round = 0; round != 50; ++round) {
      node_request what;
      what.what = errand::link;
      what.session = token;
      what.worker = first_worker;
      auto link = introduce(there.address(), what);
      // The first one says who it is.
      if (by.number(8) != 0)
        link.say(good.front());
      for (int i = 0; i != 5; ++i)
        if (!link.say(by.number(3) == 0 ? good[by.number(good.size())]
                                        : bad(by, good)))
          break;
    }
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }

  session.say(make(session_frame::kill, first_worker));
  auto x = session.hear(patience);
  while (!x.empty() && !is(x, session_frame::ended))
    x = session.hear(patience);
  ASSERT_FALSE(x.empty()) << "the worker has not ended";
  EXPECT_FALSE(tells_of_a_crash(x));
  worker = wire{owned_descriptor{}};
  session = wire{owned_descriptor{}};
  expect_nothing_happened();
}

TEST_F(abused_node, survives_owners_whose_frames_are_damaged_on_the_way) {
  for (const auto seed : seeds(8)) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    mutator by{seed};
    const meddler between{
      there.address(), [&by](meddler::way where, errand, frame& x) {
        if (where == meddler::way::to_node && by.number(10) == 0)
          spoil(by, x);
        else if (is(x, session_frame::ended) && tells_of_a_crash(x))
          ADD_FAILURE() << "a worker has crashed";
      }};
    try_to_use(between.address());
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }
  expect_nothing_happened();
}

TEST_F(abused_node, fails_streams_whose_links_are_cut_before_they_are_used) {
  const meddler between{there.address(),
                        [](meddler::way, errand what, const frame&) {
                          if (what == errand::answer)
                            throw std::runtime_error{"cut"};
                        }};
  const auto env = rt().connect(between.address(), insecure_node("cut off"));
  auto out = env.make_buffer<int>("never heard of", 16);
  auto x = env.run<counting<int>>("x"s, out, 1, 10);

  const auto came = read(out);

  EXPECT_TRUE(came.values.empty());
  EXPECT_EQ(to_string(came.end), "failed");
  ASSERT_TRUE(came.error);
  EXPECT_THAT(came.error->describe(),
              ::testing::HasSubstr("can no longer be reached"));
  join(x);
  destroy_runtime();
}

// -- nodes --------------------------------------------------------------------

namespace {

/// A fake node on which an owner is let loose.
class hostile_node : public abused_node {
 protected:
  /// `say` is called with each connection that has been greeted.
  void
  expect_survival(const std::function<void(const node_request&, wire&)>& say) {
    const fake_server there_is{[&say](owned_descriptor socket, int cancel) {
      auto x = greet(std::move(socket), cancel);
      say(x.request, x.connection);
    }};
    expect_survival_of(there_is);
  }

  void expect_survival_of(const fake_server& x) {
    const auto before = resident_bytes(::getpid());
    try_to_use(x.address());
    EXPECT_PRED3(has_kept_to, resident_bytes(::getpid()), before,
                 64 * megabyte);
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }
};

} // namespace

TEST_F(hostile_node, that_says_endless_bytes_is_none) {
  for (const char byte : {'\0', 'p'}) {
    const fake_server endless{[byte](owned_descriptor socket, int cancel) {
      wire x{std::move(socket), cancel};
      const frame some(megabyte, static_cast<std::byte>(byte));
      while (x.say(some)) {
      }
    }};
    EXPECT_THROW(static_cast<void>(
                   rt().connect(endless.address(), insecure_node("endless"))),
                 puma::not_a_node);
    expect_survival_of(endless);
  }
}

TEST_F(hostile_node, that_announces_a_long_answer_to_the_greeting_is_none) {
  for (const std::uint32_t size : {0u, 4097u, 0x7fffffffu, 0xffffffffu}) {
    const fake_server talkative{[size](owned_descriptor socket, int cancel) {
      wire x{std::move(socket), cancel};
      frame hello{};
      for (const char byte : {'p', 'u', 'm', 'a', '\r', '\n', '\x1a', '\0'})
        hello.push_back(static_cast<std::byte>(byte));
      hello.push_back(std::byte{puma::internal::wire_version});
      hello.resize(48);
      x.say(hello);
      x.say(std::as_bytes(std::span{&size, 1}));
      const frame some(megabyte);
      while (x.say(some)) {
      }
    }};
    EXPECT_THROW(static_cast<void>(rt().connect(talkative.address(),
                                                insecure_node("talkative"))),
                 puma::not_a_node);
    expect_survival_of(talkative);
  }
}

TEST_F(hostile_node, that_says_random_bytes_is_survived) {
  for (const auto seed : seeds(3)) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    expect_survival([seed](const node_request& what, wire& x) {
      mutator by{seed};
      if (what.what == errand::session)
        x.say(make(session_frame::ready, 0));
      frame some(10'000);
      for (auto& byte : some)
        byte = static_cast<std::byte>(by.number(256));
      x.say(some);
    });
  }
}

TEST_F(hostile_node, that_never_stops_saying_that_it_lives_is_survived) {
  const auto pongs = repeated(make(session_frame::pong, 0), megabyte);
  expect_survival([&](const node_request&, wire& x) {
    while (x.say(pongs)) {
    }
  });
  expect_survival([&](const node_request& what, wire& x) {
    if (what.what == errand::session)
      x.say(make(session_frame::ready, 0));
    while (x.say(pongs)) {
    }
  });
}

TEST_F(hostile_node, that_begins_for_ever_and_does_not_listen_is_survived) {
  const auto many = repeated(make(session_frame::ready, 0), megabyte);
  expect_survival([&](const node_request&, wire& x) {
    while (x.say_deafly(many, 1s)) {
    }
  });
}

TEST_F(hostile_node, cannot_end_workers_of_others) {
  const puma::process_environment near{rt()};
  auto out = near.make_buffer<int>("near", 16);
  auto x = near.run<telling_process>("near"s, out);
  auto in = out.subscribe();
  static_cast<void>(read_one(in));
  puma::encoder process;
  process.number(::getpid());
  puma::encoder end;
  end.number(SIGKILL);
  end.number(true);
  end.number(false);

  // One at the other node, and one that is near.
  for (const node_id id : {first_worker, node_id{2}}) {
    for (const auto& lie : {make(session_frame::started, id, process),
                            make(session_frame::ended, id, end)}) {
      const fake_server liar{[&lie](owned_descriptor socket, int cancel) {
        auto to = greet(std::move(socket), cancel).connection;
        to.say(make(session_frame::ready, 0));
        to.say(lie);
        while (!to.hear(patience).empty()) {
        }
      }};
      const auto name = "liar " + std::to_string(id) + " "
                        + std::to_string(kind_of(lie));
      std::string why;
      try {
        static_cast<void>(rt().connect(liar.address(), insecure_node(name)));
      } catch (const puma::node_error& found_out) {
        why = found_out.what();
      }
      const auto said = "told of process " + std::to_string(id);
      EXPECT_TRUE(eventually([&] {
        return why.find(said) != std::string::npos
               || log.count(puma::log_level::warning, said) != 0;
      }))
        << why;
    }
  }

  expect_progress();
  EXPECT_FALSE(x.join_for(0ms));
  x.stop();
  join(x);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_F(hostile_node, that_sends_bad_frames_is_survived) {
  auto known = listen_in();
  for (const auto seed : seeds(8)) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    expect_survival([&, seed](const node_request& what, wire& x) {
      mutator by{seed};
      const auto& good = known.at(what.what).to_owner.empty()
                           ? known.at(what.what).to_node
                           : known.at(what.what).to_owner;
      if (what.what == errand::session)
        x.say(make(session_frame::ready, 0));
      for (int i = 0; i != 100; ++i)
        if (!x.say(by.number(4) == 0 ? bad(by, good)
                                     : good[by.number(good.size())]))
          break;
      while (!x.hear(patience).empty()) {
      }
    });
  }
}

TEST_F(hostile_node, whose_frames_are_damaged_on_the_way_is_survived) {
  for (const auto seed : seeds(8)) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    mutator by{seed};
    const meddler between{
      there.address(), [&by](meddler::way where, errand, frame& x) {
        if (where == meddler::way::to_owner && by.number(10) == 0)
          spoil(by, x);
      }};
    try_to_use(between.address());
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }
  expect_nothing_happened();
}
