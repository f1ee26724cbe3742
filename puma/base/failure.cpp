// SPDX-License-Identifier: Apache-2.0

#include "puma/base/failure.hpp"

#include "puma/base/internal/failure_access.hpp"
#include "puma/base/internal/names.hpp"

#include <atomic>
#include <stdexcept>
#include <typeinfo>
#include <utility>

namespace puma {

namespace {

std::atomic<std::uint64_t> last_id{0};

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
    return {"unknown type", "an exception without a text"};
  }
}

} // namespace

namespace internal {

struct failure_record {
  std::uint64_t id;
  std::string type;
  std::string text;
  std::string runnable;
  std::string node;
  std::string activity;
  std::optional<failure> cause;
  std::exception_ptr exception;
  mutable std::atomic<bool> claimed{false};

  failure_record(std::uint64_t number, description what, std::string where,
                 std::string doing, std::optional<failure> before,
                 std::exception_ptr thrown)
    : id(number),
      type(std::move(what.type)),
      text(std::move(what.text)),
      runnable(std::move(where)),
      node(node_name()),
      activity(std::move(doing)),
      cause(std::move(before)),
      exception(std::move(thrown)) {}
};

bool failure_access::claim(const failure& x) noexcept {
  return !x.record_->claimed.exchange(true);
}

bool failure_access::is_claimed(const failure& x) noexcept {
  return x.record_->claimed.load();
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
  record_ = std::make_shared<const internal::failure_record>(
    ++last_id, std::move(what), std::move(runnable), std::move(activity),
    std::move(cause), std::move(exception));
}

failure::failure(std::exception_ptr exception)
  : failure(std::move(exception), std::string{}, "fail") {}

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
