// SPDX-License-Identifier: Apache-2.0
//
// One idea: values with the same key go the same way, and all ways end in one.
// Run:      ./180_distribute_and_merge
// Expected: ann: 1 2 3
//           bob: 1 2 3
//           eve: 1 2 3
//           counted by 2 runnables

// [all]
#include <puma/puma.hpp>

#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

struct visit {
  std::string user;
  int count = 0;       // of this user, so far
  std::string counter; // who has counted it
};

/// Counts the visits of each user. No other counter sees those users.
class counter : public puma::single_buffer_servicing_runnable<visit> {
 public:
  counter(std::string name, const puma::buffer<visit>& in,
          const puma::buffer<visit>& out)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)) {}

 protected:
  void on_value(visit& x) override {
    x.count = ++counts_[x.user];
    x.counter = name();
    out_.publish(std::move(x));
  }

 private:
  puma::publisher<visit> out_;
  std::map<std::string, int> counts_;
};

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto visits = env.make_buffer<visit>("visits", 16);
    auto left = env.make_buffer<visit>("left", 16);
    auto right = env.make_buffer<visit>("right", 16);
    auto left_counted = env.make_buffer<visit>("left counted", 16);
    auto right_counted = env.make_buffer<visit>("right counted", 16);
    auto counted = env.make_buffer<visit>("counted", 16);

    // [routes]
    auto spread = env.run(
      puma::distribute_by("by user", visits, std::vector{left, right},
                          [](const visit& x) { return x.user; }));
    auto merge = env.run<puma::merger<visit>>(
      "merge", std::vector{left_counted, right_counted}, counted);
    // [routes]
    auto first = env.run<counter>("first", left, left_counted);
    auto second = env.run<counter>("second", right, right_counted);

    auto out = visits.open_publisher();
    for (int i = 0; i != 3; ++i)
      for (const char* user : {"ann", "bob", "eve"})
        out.publish(visit{user, 0, {}});
    out.complete();

    std::map<std::string, std::vector<int>> by_user;
    std::set<std::string> counters;
    for (auto& x : counted.subscribe()) {
      by_user[x.user].push_back(x.count);
      counters.insert(x.counter);
    }
    for (auto& [user, counts] : by_user) {
      std::cout << user << ':';
      for (const int count : counts)
        std::cout << ' ' << count;
      std::cout << '\n';
    }
    std::cout << "counted by " << counters.size() << " runnables\n";
  });
}
// [all]
