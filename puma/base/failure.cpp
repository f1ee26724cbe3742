// SPDX-License-Identifier: Apache-2.0

#include "puma/base/failure.hpp"

#include "puma/base/internal/failure_access.hpp"
#include "puma/base/internal/names.hpp"

#include <atomic>
#include <random>
#include <stdexcept>
#include <typeinfo>
#include <utility>

#include <cxxabi.h>

namespace puma {

namespace {

/// The upper half tells the process: failures travel, and their numbers must
/// not meet those of other processes.
std::uint64_t next_id() {
  static const auto process = std::uint64_t{std::random_device{}()} << 32;
  static std::atomic<std::uint32_t> last{0};
  return process | ++last;
}

struct description {
  std::string type;
  std::string text;
};

description describe_exception(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& x) {
    return {internal::readable_type_name(typeid(x)), x.what()};
  } catch (const char* text) {
    return {"const char*", text};
  } catch (const std::string& text) {
    return {"std::string", text};
  } catch (...) {
    const auto* type = abi::__cxa_current_exception_type();
    return {type != nullptr ? internal::readable_type_name(*type)
                            : "unknown type",
            "an exception without a text"};
  }
}

} // namespace

namespace internal {

bool failure_access::claim(const failure& x) noexcept {
  return !x.record_->claimed.exchange(true);
}

bool failure_access::is_claimed(const failure& x) noexcept {
  return x.record_->claimed.load();
}

failure
failure_access::make(std::shared_ptr<const failure_record> record) noexcept {
  return failure{std::move(record)};
}

const std::shared_ptr<const failure_record>&
failure_access::record(const failure& x) noexcept {
  return x.record_;
}

} // namespace internal

namespace {

/// The failure that this thread rethrew last.
thread_local std::optional<failure> last_rethrown;

} // namespace

failure::failure(std::exception_ptr exception, std::string runnable,
                 std::string activity, std::optional<failure> cause) {
  if (!exception)
    exception = std::make_exception_ptr(
      std::invalid_argument("a failure was reported without an exception"));
  auto what = describe_exception(exception);
  auto record = std::make_shared<internal::failure_record>();
  record->id = next_id();
  record->type = std::move(what.type);
  record->text = std::move(what.text);
  record->runnable = std::move(runnable);
  record->node = internal::node_name();
  record->activity = std::move(activity);
  record->cause = std::move(cause);
  record->exception = std::move(exception);
  record_ = std::move(record);
}

failure::failure(std::exception_ptr exception)
  : failure(std::move(exception), std::string{}, "fail") {}

failure::failure(
  std::shared_ptr<const internal::failure_record> record) noexcept
  : record_(std::move(record)) {}

std::uint64_t failure::id() const noexcept {
  return record_->id;
}

std::string_view failure::type() const noexcept {
  return record_->type;
}

std::string_view failure::text() const noexcept {
  return record_->text;
}

std::string_view failure::runnable() const noexcept {
  return record_->runnable;
}

std::string_view failure::node() const noexcept {
  return record_->node;
}

std::string_view failure::activity() const noexcept {
  return record_->activity;
}

const failure* failure::cause() const noexcept {
  return record_->cause ? &*record_->cause : nullptr;
}

const std::exception_ptr& failure::exception() const noexcept {
  return record_->exception;
}

void failure::rethrow() const {
  last_rethrown = *this;
  std::rethrow_exception(record_->exception);
}

std::string failure::describe() const {
  std::string result;
  if (!runnable().empty())
    result += "runnable '" + record_->runnable + "': ";
  result += record_->activity + " failed with " + record_->type + ": "
            + record_->text + " [" + record_->node + "]";
  if (auto* first = cause())
    result += "; after: " + first->describe();
  return result;
}

std::optional<failure> current_failure() {
  if (!last_rethrown || last_rethrown->exception() != std::current_exception())
    return std::nullopt;
  return last_rethrown;
}

} // namespace puma
