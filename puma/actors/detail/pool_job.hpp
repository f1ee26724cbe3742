// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/calling.hpp"
#include "puma/actors/detail/constructing.hpp"
#include "puma/buffers/detail/ends.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace puma::internal {

class job_list;

} // namespace puma::internal

/// The jobs of pools: calls of functions, with their arguments and results.
namespace puma::detail {

/// What a pool does with a job, whatever it calls. It is the call that its
/// submitter waits for, and in a worker process the call that is made there.
///
/// *Threads.* The pool gives it to one worker at a time.
class pool_job {
 public:
  pool_job() = default;

  pool_job(const pool_job&) = delete;
  pool_job& operator=(const pool_job&) = delete;

  virtual ~pool_job() = default;

  /// Returns what the submitter waits for.
  [[nodiscard]] virtual call_core& ticket() noexcept = 0;

  /// Calls the function and keeps the result. Throws what the function throws.
  virtual void perform() = 0;

  /// Publishes the result.
  virtual publish_result deliver(write_window* to) = 0;

  virtual void encode_value(encoder& to) const = 0;

  /// Keeps a result that another process has sent; `from` may fail.
  virtual void decode_value(decoder& from) = 0;

  /// In a worker process, what the function threw: part of the answer, so that
  /// it cannot be mistaken for a failure of the worker.
  std::optional<failure> thrown;

 private:
  friend class internal::job_list;

  // While it waits for a worker.
  std::shared_ptr<pool_job> self_;
  pool_job* next_ = nullptr;
};

using pool_job_ptr = std::shared_ptr<pool_job>;

/// Makes the call in a worker process.
void serve_job(pool_job& job, internal::task& where);

/// What a worker process sends back: a result, or what the function threw.
void encode_outcome(encoder& to, const pool_job& job);

/// Keeps the result that has come back, or returns what was thrown.
[[nodiscard]] std::optional<failure> decode_outcome(decoder& from,
                                                    pool_job& job);

/// Waits until the job is done. Returns false if it is not after `timeout`.
/// Throws `usage_error` in a pooled runnable.
bool wait_for_job(call_core& ticket, std::chrono::nanoseconds timeout);

[[noreturn]] void throw_job_not_done(const call_core& ticket,
                                     std::chrono::nanoseconds timeout);

[[noreturn]] void throw_no_job();

/// Logs the error of a job that nobody has asked for.
void report_unseen_error(const call_core& ticket) noexcept;

// -- what a job calls ---------------------------------------------------------

template <class F>
struct function_shape {
  static constexpr bool is_function = false;
};

template <class R, class... Ps>
struct function_shape<R (*)(Ps...)> {
  static constexpr bool is_function = true;
  using parameters = std::tuple<Ps...>;
};

template <class R, class... Ps>
struct function_shape<R (*)(Ps...) noexcept> : function_shape<R (*)(Ps...)> {};

/// Calls a function, or a lambda without captures, that is known at compile
/// time.
template <auto Function, class Parameters>
class function_work;

template <auto Function, class... Ps>
class function_work<Function, std::tuple<Ps...>> {
  using stored_values = stored_arguments<std::tuple<Ps...>>;

 public:
  using result = std::invoke_result_t<decltype(Function), std::decay_t<Ps>...>;

  static constexpr bool crosses = stored_values::cross;

  template <class... Args>
  explicit function_work(std::in_place_t, Args&&... args)
    : args_(std::forward<Args>(args)...) {}

  static std::string name() {
    if constexpr (std::is_class_v<decltype(Function)>)
      return type_name(typeid(Function));
    else
      return method_name<Function>();
  }

  static std::string obstacle() { return stored_values::obstacle(); }

  result call() {
    return std::apply(
      [](auto&... xs) -> result {
        return std::invoke(Function, std::move(xs)...);
      },
      args_);
  }

  void encode(encoder& to) const {
    std::apply([&to](const auto&... xs) { (puma::encode(to, xs), ...); },
               args_);
  }

  static function_work decode(decoder& from) {
    // Braces keep the order.
    return std::apply(
      [](auto&&... xs) {
        return function_work{std::in_place, std::move(xs)...};
      },
      std::tuple<std::decay_t<Ps>...>{
        argument<std::decay_t<Ps>>::decode(from)...});
  }

 private:
  typename stored_values::type args_;
};

/// Calls a callable that came with the job.
template <class F, class... Args>
class callable_work {
 public:
  using result = std::invoke_result_t<F&, Args...>;

  static constexpr bool crosses = argument<callable<F>>::crosses
                                  && (can_cross<Args> && ...);

  template <class G, class... Ts>
  explicit callable_work(std::in_place_t, G&& function, Ts&&... args)
    : function_{std::forward<G>(function)},
      args_(std::forward<Ts>(args)...) {}

  static std::string name() {
    if constexpr (requires { typename F::puma_function; })
      return type_name(typeid(typename F::puma_function));
    else
      return type_name(typeid(F));
  }

  static std::string obstacle() {
    if constexpr (!argument<callable<F>>::crosses)
      return argument<callable<F>>::obstacle()
             + ", or submit<&function>(...) with what it needs as arguments";
    else
      return first_obstacle({crossing_obstacle<Args>()...});
  }

  result call() {
    return std::apply(
      [this](auto&... xs) -> result {
        return std::invoke(function_.function, std::move(xs)...);
      },
      args_);
  }

  void encode(encoder& to) const {
    argument<callable<F>>::encode(to, function_);
    std::apply([&to](const auto&... xs) { (puma::encode(to, xs), ...); },
               args_);
  }

  static callable_work decode(decoder& from) {
    auto function = argument<callable<F>>::decode(from);
    return std::apply(
      [&](auto&&... xs) {
        return callable_work{std::in_place, std::move(function.function),
                             std::move(xs)...};
      },
      std::tuple<Args...>{argument<Args>::decode(from)...});
  }

 private:
  callable<F> function_;
  std::tuple<Args...> args_;
};

/// A job whose result is kept as a `T`.
template <class Work, class T>
class pooled_call final : public call_with_result<T>, public pool_job {
  using base = call_with_result<T>;
  using stored_type = typename base::stored_type;

 public:
  template <class... Args>
  explicit pooled_call(std::in_place_t, Args&&... args)
    : base(info(), call_core::mode::answered),
      work_(std::in_place, std::forward<Args>(args)...) {}

  explicit pooled_call(Work work)
    : base(info(), call_core::mode::answered),
      work_(std::move(work)) {}

  ~pooled_call() override {
    if (this->has_unseen_error())
      report_unseen_error(*this);
  }

  // -- implementation of pool_job ---------------------------------------------

  [[nodiscard]] call_core& ticket() noexcept override { return *this; }

  void perform() override {
    if constexpr (std::is_void_v<T>) {
      static_cast<void>(work_.call());
      this->result_.emplace();
    } else {
      this->result_.emplace(work_.call());
    }
  }

  publish_result deliver(write_window* to) override {
    return publish(to, &*this->result_);
  }

  void encode_value(encoder& to) const override { base::encode_result(to); }

  void decode_value(decoder& from) override { base::decode_result(from); }

  // -- implementation of call_core, in a worker process -----------------------

  void run(internal::task& where) override { serve_job(*this, where); }

  void encode_result(encoder& to) const override { encode_outcome(to, *this); }

  [[nodiscard]] std::string obstacle() const override {
    if constexpr (can_cross_at_all) {
      return {};
    } else {
      const auto why = Work::obstacle();
      return !why.empty() ? why
                          : "the result: " + crossing_obstacle<stored_type>();
    }
  }

  [[nodiscard]] std::optional<crossing_key>
  encode_arguments(encoder& to) const override {
    if constexpr (can_cross_at_all) {
      if (!registrar<pooled_call>::known())
        return std::nullopt;
      work_.encode(to);
      return key_of<pooled_call>();
    } else {
      static_cast<void>(to);
      return std::nullopt;
    }
  }

  static call_ptr decode(decoder& from) {
    if constexpr (can_cross_at_all) {
      auto work = Work::decode(from);
      return from.ok() ? std::make_shared<pooled_call>(std::move(work))
                       : nullptr;
    } else {
      static_cast<void>(from);
      return nullptr;
    }
  }

 protected:
  void execute(internal::task&) override { perform(); }

 private:
  static constexpr bool can_cross_at_all = Work::crosses
                                           && can_cross<stored_type>;

  static method_info& info() {
    static method_info instance{Work::name(), "job '" + Work::name() + "'", {}};
    return instance;
  }

  Work work_;
};

// -- how jobs are made --------------------------------------------------------

/// What a call of `Function` with `Args` is as a job.
template <auto Function, class... Args>
constexpr auto function_work_for() {
  using shape = function_shape<decltype(Function)>;
  if constexpr (shape::is_function) {
    using parameters = typename shape::parameters;
    using values = stored_arguments<parameters>;
    static_assert(sizeof...(Args) == std::tuple_size_v<parameters>,
                  "submit: the function takes another number of arguments");
    static_assert(sizeof...(Args)
                      != std::tuple_size_v<
                        parameters> || values::template accepts<Args...>(),
                  "submit: the function does not take arguments of these "
                  "types");
    static_assert(values::are_inputs,
                  "submit: the function takes a non-const reference, through "
                  "which nothing could come back; return the result instead");
    return std::type_identity<function_work<Function, parameters>>{};
  } else {
    static_assert(std::is_invocable_v<decltype(Function), stored<Args>...>,
                  "submit: the function does not take arguments of these "
                  "types");
    return std::type_identity<
      function_work<Function, std::tuple<stored<Args>...>>>{};
  }
}

template <auto Function, class... Args>
using function_work_t = typename decltype(function_work_for<Function,
                                                            Args...>())::type;

template <class F, class... Args>
struct callable_work_of {
  static_assert(std::is_invocable_v<std::decay_t<F>&, stored<Args>...>,
                "submit: the callable does not take arguments of these types");
  using type = callable_work<std::decay_t<F>, stored<Args>...>;
};

template <class F, class... Args>
using callable_work_t = typename callable_work_of<F, Args...>::type;

/// What the result of `Work` is kept as, where nobody says otherwise.
template <class Work>
using job_result_t = std::remove_cvref_t<typename Work::result>;

} // namespace puma::detail
