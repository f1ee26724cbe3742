// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/calling.hpp"
#include "puma/actors/future.hpp"

#include <chrono>
#include <utility>

/// What runners and references have in common: calls of methods.
namespace puma::detail {

template <auto Method, class Object, class... Args>
answer_t<Method> call_at(call_target& to, std::chrono::nanoseconds timeout,
                         Args&&... args) {
  const auto x = make_method_call<Method, Object>(call_core::mode::answered,
                                                  std::forward<Args>(args)...);
  make_call(to, x, timeout);
  return x->take();
}

template <auto Method, class Object, class... Args>
future<answer_t<Method>> async_at(const target_ptr& to, Args&&... args) {
  auto x = make_method_call<Method, Object>(call_core::mode::answered,
                                            std::forward<Args>(args)...);
  start_call(*to, x);
  return {to, std::move(x)};
}

template <auto Method, class Object, class... Args>
void post_at(call_target& to, Args&&... args) {
  start_call(to, make_method_call<Method, Object>(call_core::mode::one_way,
                                                  std::forward<Args>(args)...));
}

} // namespace puma::detail
