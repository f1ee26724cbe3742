// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/token_bucket.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"

#include <limits>
#include <numeric>

namespace puma::detail {

token_bucket::token_bucket(const std::string& name, std::uint64_t count,
                           std::chrono::nanoseconds period,
                           std::uint64_t burst) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max() / 2;
  if (count == 0 || burst == 0 || period.count() <= 0)
    throw usage_error{name
                      + ": count, period and burst must be greater than 0"};
  if (count > static_cast<std::uint64_t>(most))
    throw usage_error{name + ": the count is too large"};
  gain_ = static_cast<std::int64_t>(count);
  const auto common = std::gcd(gain_, std::int64_t{period.count()});
  gain_ /= common;
  cost_ = period.count() / common;
  if (burst > static_cast<std::uint64_t>(most / cost_))
    throw usage_error{name
                      + ": the burst is too large for so long a period; give "
                        "the rate for a shorter one"};
  full_ = cost_ * static_cast<std::int64_t>(burst);
  level_ = full_;
  filled_ = internal::current_time();
}

void token_bucket::refill() {
  const auto now = internal::current_time();
  const auto elapsed = std::int64_t{
    std::chrono::nanoseconds{now - filled_}.count()};
  filled_ = now;
  // The last part of a nanosecond is kept, or those of many tokens would be
  // missed.
  const auto most = full_ + gain_ - 1;
  level_ = elapsed > (most - level_) / gain_ ? most : level_ + elapsed * gain_;
}

std::chrono::nanoseconds token_bucket::until_next() const noexcept {
  if (has_one())
    return std::chrono::nanoseconds::zero();
  const auto missing = cost_ - level_;
  return std::chrono::nanoseconds{missing / gain_
                                  + (missing % gain_ != 0 ? 1 : 0)};
}

} // namespace puma::detail
