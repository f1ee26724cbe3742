// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/call_core.hpp"

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

/// How a runnable goes on with the answer to a call, without waiting for it.
namespace puma::detail {

/// Stands for no function: an error is the runnable's own.
struct no_error_handler {};

/// Calls `F` with the result that `Core` has, or `G` with the error.
template <class R, class Core, class F, class G>
class continuation final : public scope_job {
 public:
  continuation(std::shared_ptr<Core> core, F function, G on_error)
    : core_(std::move(core)),
      function_(std::move(function)),
      on_error_(std::move(on_error)) {}

  [[nodiscard]] const char* activity() const noexcept override {
    return "continuation of a call";
  }

  void run(internal::task&) override {
    if constexpr (!std::is_same_v<G, no_error_handler>) {
      if (const auto* error = core_->error()) {
        std::invoke(on_error_, *error);
        return;
      }
    }
    core_->check();
    if constexpr (std::is_void_v<R>)
      std::invoke(function_);
    else
      std::invoke(function_, core_->take());
  }

  bool drop(const std::string&) noexcept override { return false; }

 private:
  std::shared_ptr<Core> core_;
  F function_;
  [[no_unique_address]] G on_error_;
};

/// Makes the runnable whose hook is running on this thread go on with the
/// answer.
template <class R, class Core, class F, class G>
void go_on_with(std::shared_ptr<Core> core, F function, G on_error) {
  auto& shown = *core;
  continue_with(shown,
                std::make_shared<continuation<R, Core, F, G>>(
                  std::move(core), std::move(function), std::move(on_error)));
}

} // namespace puma::detail
