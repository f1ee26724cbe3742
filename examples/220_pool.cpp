// SPDX-License-Identifier: Apache-2.0
//
// One idea: a pool does jobs in other processes, one that dies takes only its
// job along, and the results are a stream like any other.
// Run:      ./220_pool
// Expected: 7: process_lost
//           factors: 12 = 2 2 3, 49 = 7 7, 97 = 97, 1001 = 7 11 13

#include <puma/puma.hpp>

#include <csignal>
#include <cstdint>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

// [function]
/// What comes back: both cross to another process, and so does the argument.
struct factors {
  std::int64_t number = 0;
  std::vector<std::int64_t> primes;
};

factors factorize(std::int64_t number) {
  if (number == 7)
    std::raise(SIGKILL); // a bug takes the whole process along
  factors result{number, {}};
  for (std::int64_t p = 2; number > 1; ++p)
    for (; number % p == 0; number /= p)
      result.primes.push_back(p);
  return result;
}
// [function]

} // namespace

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::process_environment env{rt}; // or thread_environment
    // [pool]
    auto results = env.make_buffer<factors>("results", 8);
    std::map<std::int64_t, std::string> lines;
    auto collect = puma::thread_environment{rt}.run(
      puma::for_each("collect", results, [&lines](const factors& x) {
        for (const auto p : x.primes)
          lines[x.number] += " " + std::to_string(p);
      }));

    puma::pool<factors> pool{"factorizers", env, results, {.workers = 2}};
    for (const std::int64_t number : {97, 1001, 49, 12})
      pool.submit<&factorize>(number); // waits when all are busy
    // [pool]

    // [error]
    auto bad = pool.submit<&factorize>(7);
    try {
      bad.get();
    } catch (const puma::process_lost&) {
      std::cout << "7: process_lost\n"; // the others are not concerned
    }
    // [error]

    // [close]
    pool.close(); // completes the results when all jobs are done
    rt.join();
    // [close]

    std::cout << "factors:";
    const char* separator = " ";
    for (const auto& [number, primes] : lines) {
      std::cout << separator << number << " =" << primes;
      separator = ", ";
    }
    std::cout << '\n';
  });
}
