// SPDX-License-Identifier: Apache-2.0

#include "puma/base/codec.hpp"

#include "puma/base/error.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>

namespace puma {

// -- encoder ------------------------------------------------------------------

encoder::~encoder() {
  std::free(first_);
}

void encoder::grow(std::size_t bytes) {
  constexpr auto most = std::numeric_limits<std::size_t>::max() / 4;
  if (bytes > most)
    throw std::bad_alloc{};
  const auto used = size();
  const auto capacity = static_cast<std::size_t>(limit_ - first_);
  const auto wanted = std::max({used + bytes, capacity * 2, std::size_t{256}});
  auto* moved = static_cast<std::byte*>(std::realloc(first_, wanted));
  if (moved == nullptr)
    throw std::bad_alloc{};
  first_ = moved;
  next_ = moved + used;
  limit_ = moved + wanted;
}

void encoder::throw_too_deep() {
  throw usage_error("a value that holds values of its own kind is more than "
                    + std::to_string(max_depth) + " levels deep");
}

// -- decoder ------------------------------------------------------------------

void decoder::fail(std::string what) noexcept {
  if (failed_)
    return;
  failed_ = true;
  try {
    error_ = "byte " + std::to_string(next_ - first_) + " of "
             + std::to_string(limit_ - first_) + ": " + what;
  } catch (...) {
    // Without memory it fails without a text.
  }
  next_ = limit_;
}

void decoder::fail_short(std::size_t bytes) noexcept {
  if (!failed_)
    fail(std::to_string(bytes) + " bytes expected, "
         + std::to_string(remaining()) + " left");
}

void decoder::fail_bool(unsigned value) noexcept {
  fail("a bool is " + std::to_string(value));
}

void decoder::fail_size(std::uint64_t n, std::size_t least) noexcept {
  fail(std::to_string(n) + " elements of at least " + std::to_string(least)
       + " bytes expected, " + std::to_string(remaining()) + " bytes left");
}

void decoder::fail_deep() noexcept {
  fail("values are more than " + std::to_string(encoder::max_depth)
       + " levels deep");
}

// -- texts --------------------------------------------------------------------

namespace detail {

namespace {

/// Spells a type as its user would.
std::string readable(std::string_view name) {
  std::string result{name};
  const auto replace_all = [&result](std::string_view from,
                                     std::string_view to) {
    for (auto at = result.find(from); at != result.npos;
         at = result.find(from, at + to.size()))
      result.replace(at, from.size(), to);
  };
  replace_all("__cxx11::", "");
  replace_all("std::basic_string<char>", "std::string");
  replace_all("std::basic_string_view<char>", "std::string_view");
  replace_all(" >", ">");
  replace_all("{anonymous}::", "");
  replace_all("(anonymous namespace)::", "");
  return result;
}

} // namespace

std::string describe_obstacle(std::string_view type, std::string_view part,
                              std::string_view why, std::string_view holder) {
  auto result = "'" + readable(type) + "' cannot cross to another process: ";
  if (holder.empty() || part == type)
    result += "it ";
  else if (holder == type)
    result += "it holds '" + readable(part) + "', which ";
  else
    result += "'" + readable(holder) + "' holds '" + readable(part)
              + "', which ";
  result += why;
  const auto owner = holder.empty() ? part : holder;
  if (owner.starts_with("std::") || owner.ends_with('*')
      || owner.ends_with('&'))
    result += "; send the values themselves, or keep them in one process";
  else
    result += "; give '" + readable(owner)
              + "' an inspect overload that names what has to cross, or keep "
                "it in one process";
  return result;
}

void throw_cannot_cross(std::string what) {
  throw usage_error(what);
}

void throw_valueless(std::string_view type) {
  throw usage_error("'" + readable(type) + "' has no value to send");
}

void throw_refused(std::string_view type) {
  throw usage_error("inspect of '" + readable(type)
                    + "' refused a value that was to be sent");
}

std::string refused_text(std::string_view type, std::string_view field) {
  return "'" + readable(type) + "' refused the value of '" + std::string{field}
         + "'";
}

std::string bad_index_text(std::string_view type, std::size_t index) {
  return "'" + readable(type) + "' has no alternative " + std::to_string(index);
}

} // namespace detail

} // namespace puma
