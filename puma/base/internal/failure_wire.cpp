// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/failure_wire.hpp"

#include "puma/base/error.hpp"
#include "puma/base/exceptions.hpp"
#include "puma/base/internal/failure_access.hpp"

#include <algorithm>
#include <any>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <typeinfo>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <cxxabi.h>

namespace puma {

namespace {

// -- exceptions that have an error code ---------------------------------------

const std::error_category* find_category(std::string_view name) {
  for (const auto* category :
       {&std::generic_category(), &std::system_category(),
        &std::iostream_category(), &std::future_category()})
    if (name == category->name())
      return category;
  return nullptr;
}

/// What the constructors of `std::system_error` made one text of.
struct coded_text {
  int code = 0;
  std::string category;
  bool has_text = false;
  std::string text;
};

coded_text split(const std::system_error& x) {
  // Not the text of a derived class, which adds to this.
  std::string text = x.std::system_error::what();
  const auto message = x.code().message();
  const bool has_text = text != message;
  if (has_text && text.ends_with(": " + message))
    text.resize(text.size() - message.size() - 2);
  return {x.code().value(), x.code().category().name(), has_text,
          std::move(text)};
}

/// Nothing when the category is not of the standard library; then there is no
/// way to find it in another process.
std::optional<std::error_code> code_of(decoder& from, const coded_text& x) {
  const auto* category = find_category(x.category);
  if (category == nullptr) {
    from.fail("unknown error category '" + x.category + "'");
    return std::nullopt;
  }
  return std::error_code{x.code, *category};
}

template <class E>
struct coded_ops {
  static void encode(encoder& to, const std::exception_ptr& x) {
    try {
      std::rethrow_exception(x);
    } catch (const E& thrown) {
      puma::encode(to, split(thrown));
      if constexpr (std::is_same_v<E, std::filesystem::filesystem_error>) {
        puma::encode(to, thrown.path1());
        puma::encode(to, thrown.path2());
      }
    }
  }

  static std::exception_ptr decode(decoder& from) {
    coded_text parts;
    puma::decode(from, parts);
    const auto code = code_of(from, parts);
    if constexpr (std::is_same_v<E, std::filesystem::filesystem_error>) {
      std::filesystem::path first;
      std::filesystem::path second;
      puma::decode(from, first);
      puma::decode(from, second);
      if (from.ok())
        return std::make_exception_ptr(E(parts.text, first, second, *code));
    } else if constexpr (std::is_same_v<E, std::system_error>) {
      if (from.ok())
        return std::make_exception_ptr(parts.has_text ? E(*code, parts.text)
                                                      : E(*code));
    } else {
      if (from.ok())
        return std::make_exception_ptr(E(parts.text, *code));
    }
    return nullptr;
  }

  static constexpr detail::exception_ops value{&typeid(E), &encode, &decode};
};

struct future_error_ops {
  static void encode(encoder& to, const std::exception_ptr& x) {
    try {
      std::rethrow_exception(x);
    } catch (const std::future_error& thrown) {
      to.number(thrown.code().value());
    }
  }

  static std::exception_ptr decode(decoder& from) {
    const auto code = static_cast<std::future_errc>(from.number<int>());
    return from.ok() ? std::make_exception_ptr(std::future_error{code})
                     : nullptr;
  }

  static constexpr detail::exception_ops value{&typeid(std::future_error),
                                               &encode, &decode};
};

struct remote_error_ops {
  static void encode(encoder& to, const std::exception_ptr& x) {
    try {
      std::rethrow_exception(x);
    } catch (const remote_error& thrown) {
      puma::encode(to, thrown.type());
      puma::encode(to, std::string{thrown.what()});
    }
  }

  static std::exception_ptr decode(decoder& from) {
    std::string type;
    std::string text;
    puma::decode(from, type);
    puma::decode(from, text);
    return from.ok()
             ? std::make_exception_ptr(remote_error{std::move(type), text})
             : nullptr;
  }

  static constexpr detail::exception_ops value{&typeid(remote_error), &encode,
                                               &decode};
};

// -- known types --------------------------------------------------------------

/// By mangled name: both ends run the same executable.
class known_types {
 public:
  static known_types& instance() {
    // Never destroyed: exceptions cross while the process ends, too.
    static auto& self = *new known_types;
    return self;
  }

  void add(const detail::exception_ops& ops) {
    const std::lock_guard guard{mutex_};
    types_.try_emplace(ops.type->name(), &ops);
  }

  const detail::exception_ops* find(std::string_view name) {
    const std::lock_guard guard{mutex_};
    const auto found = types_.find(name);
    return found != types_.end() ? found->second : nullptr;
  }

 private:
  known_types() {
    add_all<
      // <exception>, <new>, <typeinfo> and other exceptions without a text
      std::exception, std::bad_exception, std::bad_alloc,
      std::bad_array_new_length, std::bad_cast, std::bad_typeid,
      std::bad_any_cast, std::bad_function_call, std::bad_optional_access,
      std::bad_variant_access, std::bad_weak_ptr,
      // <stdexcept>
      std::logic_error, std::invalid_argument, std::domain_error,
      std::length_error, std::out_of_range, std::runtime_error,
      std::range_error, std::overflow_error, std::underflow_error,
      // puma
      error, usage_error, scope_error, buffer_full, stopped, timeout_error,
      still_alive_error, process_lost, runnable_ended, pool_closed,
      restarts_exhausted, shutdown_aborted, injected_fault,
      // what else people throw
      std::string, int>();
    add(coded_ops<std::system_error>::value);
    add(coded_ops<std::ios_base::failure>::value);
    add(coded_ops<std::filesystem::filesystem_error>::value);
    add(future_error_ops::value);
    add(remote_error_ops::value);
  }

  template <class... Es>
  void add_all() {
    (add(detail::exception_ops_of<Es>::value), ...);
  }

  std::mutex mutex_;
  std::unordered_map<std::string_view, const detail::exception_ops*> types_;
};

const std::type_info* type_of(const std::exception_ptr& x) {
  try {
    std::rethrow_exception(x);
  } catch (...) {
    return abi::__cxa_current_exception_type();
  }
}

} // namespace

void detail::add_known_exception(const exception_ops& ops) {
  known_types::instance().add(ops);
}

namespace internal {

namespace {

// -- exceptions ---------------------------------------------------------------

/// Appends the type's mangled name, empty if it is unknown, and the bytes of
/// the exception with their length.
void encode_exception(encoder& to, const std::exception_ptr& x) {
  const auto* type = type_of(x);
  const auto* ops = type != nullptr ? known_types::instance().find(type->name())
                                    : nullptr;
  encoder inner;
  if (ops != nullptr) {
    try {
      ops->encode(inner, x);
    } catch (...) {
      // An overload of the user's threw: the type is as good as unknown.
      ops = nullptr;
      inner.clear();
    }
  }
  puma::encode(to, std::string{ops != nullptr ? type->name() : ""});
  to.size(inner.size());
  to.block(inner.bytes().data(), inner.size());
}

/// `type` and `text` are for exceptions that cannot be made here.
std::exception_ptr decode_exception(decoder& from, const std::string& type,
                                    const std::string& text) {
  std::string name;
  puma::decode(from, name);
  const auto bytes = from.size(1);
  const auto* data = from.view(bytes);
  if (!from.ok())
    return nullptr;
  if (const auto* ops = known_types::instance().find(name)) {
    decoder inner{{data, bytes}};
    try {
      if (auto made = ops->decode(inner))
        return made;
    } catch (...) {
      // A constructor of the user's threw.
    }
  }
  return std::make_exception_ptr(remote_error{type, text});
}

// -- identity -----------------------------------------------------------------

using record_pointer = std::shared_ptr<const failure_record>;

/// The failures that crossed, while they live.
class travellers {
 public:
  static travellers& instance() {
    static auto& self = *new travellers;
    return self;
  }

  /// Returns the record that has the id already, or `x`.
  record_pointer meet(record_pointer x) {
    const std::lock_guard guard{mutex_};
    auto& known = records_[x->id];
    if (auto live = known.lock())
      return live;
    known = x;
    if (records_.size() >= prune_at_) {
      std::erase_if(records_,
                    [](const auto& entry) { return entry.second.expired(); });
      prune_at_ = std::max<std::size_t>(64, 2 * records_.size());
    }
    return x;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::weak_ptr<const failure_record>>
    records_;
  std::size_t prune_at_ = 64;
};

// -- failures -----------------------------------------------------------------

void encode_record(encoder& to, const failure_record& x) {
  to.number(x.id);
  for (const auto* text : {&x.type, &x.text, &x.runnable, &x.node, &x.activity})
    puma::encode(to, *text);
  encode_exception(to, x.exception);
}

std::shared_ptr<failure_record> decode_record(decoder& from) {
  auto x = std::make_shared<failure_record>();
  x->id = from.number<std::uint64_t>();
  for (auto* text : {&x->type, &x->text, &x->runnable, &x->node, &x->activity})
    puma::decode(from, *text);
  x->exception = decode_exception(from, x->type, x->text);
  return x;
}

} // namespace

void encode(encoder& to, const failure& x) {
  std::vector<const failure*> chain;
  for (const auto* next = &x; next != nullptr && chain.size() != max_causes;
       next = next->cause())
    chain.push_back(next);
  to.size(chain.size());
  // The oldest first, as the reader needs the cause to make the failure.
  for (auto next = chain.rbegin(); next != chain.rend(); ++next) {
    const auto& record = failure_access::record(**next);
    travellers::instance().meet(record);
    encode_record(to, *record);
  }
}

failure decode_failure(decoder& from) {
  const auto count = from.size(1);
  if (from.ok() && (count == 0 || count > max_causes))
    from.fail("a failure with " + std::to_string(count) + " causes");
  std::optional<failure> result;
  for (std::size_t i = 0; i != count && from.ok(); ++i) {
    auto record = decode_record(from);
    if (!from.ok())
      break;
    record->cause = std::move(result);
    result = failure_access::make(
      travellers::instance().meet(std::move(record)));
  }
  if (from.ok() && result)
    return *std::move(result);
  return failure{std::make_exception_ptr(
    error("a failure of another process arrived damaged: " + from.error()))};
}

} // namespace internal

} // namespace puma
