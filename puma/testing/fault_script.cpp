// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/fault_script.hpp"

#include "puma/actors/internal/faults.hpp"
#include "puma/base/error.hpp"
#include "puma/environments/internal/runtime_core.hpp"

#include <array>
#include <utility>
#include <vector>

namespace puma::testing {

class fault_script::impl {
 public:
  using action = internal::planned_fault::action;

  explicit impl(runtime& rt) : runs_(rt.core().all()) {
    if (runs_.faults())
      throw usage_error{"fault_script: the runtime has one already"};
    install({});
  }

  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  ~impl() {
    release();
    runs_.set_faults(nullptr);
  }

  void add(const moment& when, action what, std::string text) {
    constexpr std::array names = {"on_start", "on_value", "on_demand",
                                  "on_tick", "on_complete"};
    if (when.runnable.empty() || when.at == 0)
      throw usage_error{
        "fault_script: a fault needs the name of a runnable, "
        "and calls of hooks count from 1"};
    auto all = plans_.back()->all();
    all.push_back({when.runnable, names.at(static_cast<std::size_t>(when.hook)),
                   when.at, when.instance, what, std::move(text)});
    install(std::move(all));
  }

  void release() {
    for (auto& x : plans_)
      x->release();
  }

 private:
  void install(std::vector<internal::planned_fault> all) {
    plans_.push_back(std::make_shared<internal::fault_plan>(
      std::move(all), internal::fault_plan::site::owner));
    runs_.set_faults(plans_.back());
  }

  internal::registry& runs_;
  // Runnables may hang in any of them.
  std::vector<std::shared_ptr<internal::fault_plan>> plans_;
};

fault_script::fault_script(runtime& rt) : impl_(std::make_unique<impl>(rt)) {}

fault_script::~fault_script() = default;

fault_script& fault_script::fail(const moment& when, const std::string& text) {
  impl_->add(when, impl::action::fail, text);
  return *this;
}

fault_script& fault_script::hang(const moment& when) {
  impl_->add(when, impl::action::hang, {});
  return *this;
}

fault_script& fault_script::kill(const moment& when) {
  impl_->add(when, impl::action::kill, {});
  return *this;
}

void fault_script::release() {
  impl_->release();
}

} // namespace puma::testing
