// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/actors/remote.hpp"
#include "puma/actors/runner.hpp"

#include <string>
#include <utility>

namespace puma {

namespace detail {

/// Makes calls of an object that belongs to somebody else.
template <class Interface>
class proxying final : public command_driven_runnable {
 public:
  proxying(std::string name, Interface* object)
    : command_driven_runnable(std::move(name)) {
    stand_in(host(), lend(*object));
  }
};

} // namespace detail

/// Offers an object of this process to runnables, wherever they run, through
/// its `Interface`: pass them what `reference` returns.
///
/// *Threads.* The object's methods are called in a scope that the proxy has for
/// itself, one call after the other. All functions may be called from any
/// thread; destroying it needs exclusive use.
///
/// *Lifetime.* The object must outlive the proxy, whose destructor waits for
/// the call that is being made (see `runner`). Later calls fail with
/// `runnable_ended`.
template <class Interface>
class proxy {
 public:
  /// Used by `environment::make_proxy`.
  explicit proxy(runner host) noexcept : host_(std::move(host)) {}

  [[nodiscard]] remote<Interface> reference() const {
    return host_.template as<Interface>();
  }

 private:
  runner host_;
};

} // namespace puma
