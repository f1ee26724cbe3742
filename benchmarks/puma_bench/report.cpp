// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/report.hpp"

#include <fmt/format.h>

#include <fstream>

#include <sys/resource.h>

namespace puma_bench {

namespace {

/// Returns an entry of /proc/self/status, which has KiB, in bytes.
double status_bytes(std::string_view key) {
  std::ifstream in{"/proc/self/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key))
      return std::stod(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

/// Returns the most memory that this process had, with the largest child that
/// it has reaped.
double peak_bytes() {
  rusage children{};
  ::getrusage(RUSAGE_CHILDREN, &children);
  return status_bytes("VmHWM") + static_cast<double>(children.ru_maxrss) * 1024;
}

std::string number(std::optional<double> x) {
  return x ? fmt::format("{:.6g}", *x) : "null";
}

/// Returns `text` as a JSON string.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20) {
      result += fmt::format("\\u{:04x}", code);
      continue;
    }
    if (c == '"' || c == '\\')
      result += '\\';
    result += c;
  }
  return result + '"';
}

} // namespace

double resident_bytes() {
  return status_bytes("VmRSS");
}

std::string to_json(std::string_view workload, const settings& given,
                    const measurement& shown) {
  const auto rate = static_cast<double>(shown.items) / shown.seconds;
  std::optional<double> mb_per_s;
  if (given.payload != 0)
    mb_per_s = rate * static_cast<double>(given.payload) / 1e6;
  return fmt::format(
    R"({{"peer":"puma","workload":{},"items":{},"seconds":{:.6f},)"
    R"("items_per_s":{:.6g},"mb_per_s":{},"p50_us":{},"p99_us":{},)"
    R"("rss_mb":{:.1f},"note":{}}})",
    quoted(workload), shown.items, shown.seconds, rate, number(mb_per_s),
    number(shown.p50_us), number(shown.p99_us), peak_bytes() / (1024 * 1024),
    quoted(shown.note));
}

std::string skipped(std::string_view workload, std::string_view why) {
  return fmt::format(R"({{"peer":"puma","workload":{},"skip":{}}})",
                     quoted(workload), quoted(why));
}

} // namespace puma_bench
