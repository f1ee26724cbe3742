// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/proc.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <unistd.h>

namespace puma_test {

namespace fs = std::filesystem;

namespace {

std::string directory_of(pid_t process) {
  return "/proc/" + std::to_string(process);
}

/// The fields of /proc/<pid>/stat after the name: the first one is the state.
std::vector<std::string> fields_of(pid_t process) {
  std::ifstream in{directory_of(process) + "/stat"};
  std::stringstream text;
  text << in.rdbuf();
  const auto all = text.str();
  const auto end = all.rfind(')');
  std::vector<std::string> result;
  if (end == std::string::npos)
    return result;
  std::istringstream rest{all.substr(end + 1)};
  for (std::string x; rest >> x;)
    result.push_back(x);
  return result;
}

} // namespace

std::size_t resident_bytes(pid_t process) {
  std::ifstream in{directory_of(process) + "/statm"};
  std::size_t size = 0;
  std::size_t resident = 0;
  in >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::chrono::nanoseconds cpu_time(pid_t process) {
  // Those of all threads, in nanoseconds, where the kernel counts them.
  std::chrono::nanoseconds result{0};
  std::error_code ignored;
  for (const auto& x :
       fs::directory_iterator{directory_of(process) + "/task", ignored}) {
    std::ifstream in{x.path() / "schedstat"};
    std::chrono::nanoseconds::rep on_cpu = 0;
    if (in >> on_cpu)
      result += std::chrono::nanoseconds{on_cpu};
  }
  if (result.count() != 0)
    return result;
  const auto fields = fields_of(process);
  if (fields.size() < 13)
    return {};
  return (std::stoll(fields[11]) + std::stoll(fields[12]))
         * std::chrono::nanoseconds{1'000'000'000 / ::sysconf(_SC_CLK_TCK)};
}

std::size_t threads_of(pid_t process) {
  std::error_code ignored;
  const fs::directory_iterator tasks{directory_of(process) + "/task", ignored};
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

char state_of(pid_t process) {
  const auto fields = fields_of(process);
  return fields.empty() ? '-' : fields[0][0];
}

std::vector<std::string> descriptors_of(pid_t process) {
  std::vector<std::string> result;
  std::error_code ignored;
  for (const auto& x :
       fs::directory_iterator{directory_of(process) + "/fd", ignored}) {
    const auto target = fs::read_symlink(x.path(), ignored);
    if (!ignored)
      result.push_back(target.string());
  }
  return result;
}

std::vector<std::string> internet_sockets_of(pid_t process) {
  std::set<std::string> known;
  for (const auto* name : {"tcp", "tcp6", "udp", "udp6"}) {
    std::ifstream in{directory_of(process) + "/net/" + name};
    std::string line;
    std::getline(in, line); // the heading
    while (std::getline(in, line)) {
      std::istringstream fields{line};
      std::string inode;
      for (int i = 0; i != 10; ++i)
        fields >> inode;
      known.insert("socket:[" + inode + "]");
    }
  }
  std::vector<std::string> result;
  for (const auto& x : descriptors_of(process))
    if (known.contains(x))
      result.push_back(x);
  return result;
}

} // namespace puma_test
