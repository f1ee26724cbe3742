// SPDX-License-Identifier: Apache-2.0
//
// One idea: objects stay where they are, and are called from elsewhere.
// Run:      ./080_references
// Expected: stored as 1: to be
//           stored as 2: or not
//           the archive has 2 lines
//           the cache has 2 lines, and was never here

// [all]
#include <puma/puma.hpp>

#include <iostream>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

/// What the owner offers.
class archive {
 public:
  virtual ~archive() = default;
  virtual std::size_t store(const std::string& line) = 0;
};

class memory_archive final : public archive {
 public:
  std::size_t store(const std::string& line) override {
    lines_.push_back(line);
    return lines_.size();
  }

 private:
  std::vector<std::string> lines_;
};

/// Cannot leave its process.
class cache {
 public:
  void add(std::string line) { lines_.push_back(std::move(line)); }

  std::size_t size() { return lines_.size(); }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

class writer : public puma::single_buffer_servicing_runnable<std::string> {
 public:
  writer(const puma::buffer<std::string>& lines, puma::remote<archive> to,
         const puma::buffer<std::string>& reports)
    : single_buffer_servicing_runnable("writer", lines),
      to_(std::move(to)),
      reports_(publish_to(reports)) {}

  cache& lines() { return lines_; }

 protected:
  void on_value(std::string& line) override {
    lines_.add(line);
    // [then]
    // It must not wait, and goes on when the answer comes.
    to_.async<&archive::store>(line).then([this, line](std::size_t number) {
      reports_.publish("stored as " + std::to_string(number) + ": " + line);
    });
    // [then]
  }

 private:
  puma::remote<archive> to_;
  puma::publisher<std::string> reports_;
  cache lines_;
};

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::process_environment env{rt};
    auto lines = env.make_buffer<std::string>("lines", 8);
    auto reports = env.make_buffer<std::string>("reports", 8);

    // [proxy]
    memory_archive object;
    auto offered = env.make_proxy<archive>("archive", object);
    auto write = env.run<writer>(lines, offered.reference(), reports);
    // [proxy]

    auto out = lines.open_publisher();
    auto in = reports.subscribe();
    for (const auto* line : {"to be", "or not"}) {
      out.publish(line);
      std::cout << *in.next() << '\n';
    }
    std::cout << "the archive has "
              << offered.reference().call<&archive::store>("that is") - 1
              << " lines\n";

    // [stays]
    puma::remote<cache> there = write.call<&writer::lines>();
    std::cout << "the cache has " << there.call<&cache::size>()
              << " lines, and was never here\n";
    // [stays]
    out.complete();
    rt.join();
  });
}
// [all]
