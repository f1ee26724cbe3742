// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/exit_record.hpp"

namespace puma {

namespace {

std::string line_of(const failure& x) {
  std::string result;
  if (!x.runnable().empty())
    result += "runnable '" + std::string{x.runnable()} + "': ";
  return result + std::string{x.activity()} + " failed with "
         + std::string{x.type()} + ": " + std::string{x.text()} + " ["
         + std::string{x.node()} + "]";
}

} // namespace

exit_record exit_record::of(const failure& x) {
  exit_record result{std::string{x.runnable()}, std::string{x.node()},
                     std::string{x.activity()}, std::string{x.type()},
                     std::string{x.text()},     {}};
  for (const auto* next = x.cause(); next; next = next->cause())
    result.causes.push_back(line_of(*next));
  return result;
}

std::string exit_record::to_string() const {
  std::string result;
  if (!runnable.empty())
    result += "runnable '" + runnable + "': ";
  result += activity + " failed with " + type + ": " + text + " [" + node + "]";
  for (auto& x : causes)
    result += "\n  after: " + x;
  return result;
}

} // namespace puma
