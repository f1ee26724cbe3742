// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace puma_test;
using ::testing::IsEmpty;

namespace {

namespace fs = std::filesystem;

/// What a runtime with workers takes from the system.
class processes : public process_test {
 protected:
  puma::buffer<int> a = env.make_buffer<int>("a", 64);
  puma::buffer<int> b = env.make_buffer<int>("b", 64);
  puma::buffer<int> c = env.make_buffer<int>("c", 64);

  /// Sends something through three workers, which stay.
  void run_three_stages() {
    runners_.push_back(env.run<passing<int>>("first"s, a, b));
    runners_.push_back(env.run<passing<int>>("second"s, b, c));
    runners_.push_back(env.run<passing<int>>("third"s, c, d_));
    out_ = a.open_publisher();
    send(out_, 1);
    EXPECT_EQ(read_one(d_), 1);
    EXPECT_EQ(workers().size(), 3u);
  }

  ~processes() override {
    out_ = {};
    runners_.clear();
  }

 private:
  puma::buffer<int> d_ = env.make_buffer<int>("d", 64);
  puma::publisher<int> out_;
  std::vector<puma::runner> runners_;
};

TEST_F(processes, have_no_port_open) {
  run_three_stages();

  EXPECT_THAT(internet_sockets_of(::getpid()), IsEmpty());
  for (const auto x : workers()) {
    EXPECT_THAT(descriptors_of(x), ::testing::Not(IsEmpty()));
    EXPECT_THAT(internet_sockets_of(x), IsEmpty());
  }
}

TEST_F(processes, have_a_private_directory_that_goes) {
  run_three_stages();

  const auto all = runtime_directories();
  ASSERT_EQ(all.size(), 1u);
  struct stat status {};
  ASSERT_EQ(::lstat(all[0].c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFDIR | S_IRWXU);
  EXPECT_EQ(status.st_uid, ::geteuid());
  for (const auto& x : fs::directory_iterator{all[0]}) {
    ASSERT_EQ(::lstat(x.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFSOCK | S_IRUSR | S_IWUSR) << x.path();
  }
  // The fixture sees that it goes.
}

TEST_F(processes, are_out_of_reach_for_another_user) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "only root can become another user";
  run_three_stages();
  // The directory above must not be what keeps him out.
  fs::permissions(runtime_root(), fs::perms{0755});
  std::vector<std::string> sockets;
  for (const auto& x : fs::directory_iterator{runtime_directories().at(0)})
    sockets.push_back(x.path().string());
  ASSERT_FALSE(sockets.empty());

  for (const auto& path : sockets) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    const auto child = ::fork();
    if (child == 0) {
      const int x = ::socket(AF_UNIX, SOCK_STREAM, 0);
      if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0
          || ::setuid(65534) != 0)
        ::_exit(255);
      const auto result = ::connect(
        x, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
      ::_exit(result == 0 ? 0 : errno);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), EACCES) << path;
  }
}

TEST_F(processes, refuse_strangers_of_the_same_user) {
  run_three_stages();
  for (const auto& x : fs::directory_iterator{runtime_directories().at(0)}) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = x.path().string();
    path.copy(address.sun_path, path.size());
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address),
                  sizeof(address))
        == 0) {
      const std::string nonsense(10'000, '\xff');
      static_cast<void>(
        ::send(socket, nonsense.data(), nonsense.size(), MSG_NOSIGNAL));
      // It is closed, not answered.
      timeval limit{10, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
      char byte = 0;
      const auto count = ::recv(socket, &byte, 1, 0);
      EXPECT_TRUE(count == 0 || (count < 0 && errno == ECONNRESET))
        << count << " " << errno;
    }
    ::close(socket);
  }

  // All goes on.
  EXPECT_EQ(workers().size(), 3u);
  auto e = env.make_buffer<int>("e", 4);
  auto f = env.make_buffer<int>("f", 4);
  auto x = env.run<passing<int>>("x"s, e, f);
  auto y = env.run<counting<int>>("y"s, e, 1, 100);
  EXPECT_EQ(read_all(f), numbers(1, 100));
}

TEST_F(processes, start_fast) {
  std::vector<steady::duration> times;
  for (int i = 0; i != 11; ++i) {
    const auto before = steady::now();
    auto x = env.run<sink>("x"s, a);
    wait_for(x);
    times.push_back(steady::now() - before);
    x.stop();
    join(x);
  }
  std::sort(times.begin(), times.end());

  RecordProperty("median_us", std::to_string(times[5] / 1us));
  EXPECT_LT(times[5], 1s);
}

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t most_idle_bytes = 160 * 1024 * 1024; // with its shadows
#else
constexpr std::size_t most_idle_bytes = 25 * 1024 * 1024;
#endif

TEST_F(processes, are_small_while_idle) {
  run_three_stages();

  for (const auto x : workers()) {
    RecordProperty("resident_kib", std::to_string(resident_bytes(x) / 1024));
    EXPECT_LT(resident_bytes(x), most_idle_bytes);
  }
}

TEST_F(processes, do_not_poll_while_idle) {
  run_three_stages();
  auto all = workers();
  all.push_back(::getpid());
  std::this_thread::sleep_for(200ms);

  std::vector<std::chrono::nanoseconds> before;
  for (const auto x : all)
    before.push_back(cpu_time(x));
  std::this_thread::sleep_for(1s);

  for (std::size_t i = 0; i != all.size(); ++i)
    EXPECT_LT(cpu_time(all[i]) - before[i], 20ms)
      << (i == 3 ? "this process" : "a worker");
}

TEST_F(processes, send_values_to_each_other_directly) {
  auto w = env.make_buffer<std::string>("w", 64);
  auto x = env.make_buffer<std::string>("x", 64);
  auto counts = env.make_buffer<int>("counts", 4);
  class counting_bytes
    : public puma::single_buffer_servicing_runnable<std::string> {
   public:
    counting_bytes(std::string name, const puma::buffer<std::string>& in,
                   const puma::buffer<int>& out)
      : single_buffer_servicing_runnable(std::move(name), in),
        out_(publish_to(out)) {}

   protected:
    void on_value(std::string& value) override {
      bytes_ += static_cast<int>(value.size());
    }
    void on_complete(const puma::failure*) override { out_.publish(bytes_); }

   private:
    puma::publisher<int> out_;
    int bytes_ = 0;
  };
  // The consumers are there first. What comes before its consumer is there may
  // wait at home.
  auto last = env.run<counting_bytes>("last"s, x, counts);
  auto middle = env.run<passing<std::string>>("middle"s, w, x);
  wait_for(last);
  wait_for(middle);
  std::this_thread::sleep_for(100ms);
  auto first = env.run(puma::generate(
    "first", w, puma::with_state(0, [](int& i) -> std::optional<std::string> {
      return i++ != 8'000 ? std::optional{std::string(1'000, 'x')}
                          : std::nullopt;
    })));

  EXPECT_EQ(read_one(counts), 8'000'000);
  EXPECT_LT(rt().core().processes().link_bytes_received(), 300'000u);
}

TEST_F(processes, may_publish_to_each_other_at_once) {
  for (int round = 0; round != 10; ++round) {
    auto e = env.make_buffer<int>("e", 8);
    auto f = env.make_buffer<int>("f", 8);
    auto to_e = env.make_buffer<int>("to e", 8);
    auto to_f = env.make_buffer<int>("to f", 8);
    // Each of two processes has the source of one stream and the sink of the
    // other.
    const puma::process_environment shared{rt(), {.workers = 2}};
    auto s1 = shared.run<counting<int>>("s1"s, e, 1, 1'000);
    auto s2 = shared.run<counting<int>>("s2"s, f, 1, 1'000);
    auto p1 = shared.run<passing<int>>("p1"s, f, to_f);
    auto p2 = shared.run<passing<int>>("p2"s, e, to_e);
    std::vector<int> found;
    std::jthread other{[&] { found = read_all(to_e); }};
    EXPECT_EQ(read_all(to_f), numbers(1, 1'000));
    other.join();
    EXPECT_EQ(found, numbers(1, 1'000));
  }
}

TEST_F(processes, of_several_runtimes_do_not_disturb_each_other) {
  puma::runtime other{{.threads = 1}};
  puma::process_environment there{other};
  auto e = there.make_buffer<int>("e", 8);
  auto f = there.make_buffer<int>("f", 8);
  auto x = there.run<counting<int>>("x"s, e, 1, 1'000);
  auto y = there.run<passing<int>>("y"s, e, f);
  run_three_stages();

  EXPECT_EQ(runtime_directories().size(), 2u);
  EXPECT_EQ(read_all(f), numbers(1, 1'000));
  EXPECT_THROW(static_cast<void>(env.run<passing<int>>("z"s, f, a)),
               puma::usage_error);
}

TEST_F(processes, may_be_many) {
  auto ids = env.make_buffer<int>("ids", 40);
  std::vector<puma::runner> all;
  for (int i = 0; i != 40; ++i)
    all.push_back(env.run<telling_process>("x"s, ids));

  const auto found = read(ids, 40).values;

  EXPECT_EQ(std::set<int>(found.begin(), found.end()).size(), 40u);
  EXPECT_EQ(workers().size(), 40u);
}

TEST_F(processes, go_one_after_the_other_without_a_trace) {
  const auto count = [] { return descriptors_of(::getpid()).size(); };
  const auto run_one = [&] {
    auto e = env.make_buffer<int>("e", 8);
    auto x = env.run<counting<int>>("x"s, e, 1, 10);
    EXPECT_EQ(read_all(e), numbers(1, 10));
    join(x);
    EXPECT_TRUE(eventually([&] { return workers().empty(); }));
  };
  run_one();
  const auto before = count();
  for (int i = 0; i != 50; ++i)
    run_one();

  EXPECT_LE(count(), before + 2);
}

} // namespace
