// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace puma::internal {

/// Something that a test wants to go wrong.
struct planned_fault {
  enum class action : std::uint8_t { fail, hang, kill };

  std::string runnable;
  std::string hook;
  std::uint64_t at = 1;       ///< Which time that the hook is called.
  std::uint64_t instance = 1; ///< Of which instance; 0 for each.
  action what = action::fail;
  std::string text;
};

/// All faults of a runtime, as one of its processes knows them.
///
/// *Threads.* All functions may be called from any thread.
class fault_plan {
 public:
  /// What to do in a process that may be killed, and in one that may not.
  enum class site { owner, worker };

  fault_plan(std::vector<planned_fault> all, site where)
    : all_(std::move(all)),
      where_(where) {}

  [[nodiscard]] const std::vector<planned_fault>& all() const noexcept {
    return all_;
  }

  /// Does what is planned: throws, returns after `release`, or not at all.
  void carry_out(const planned_fault& x);

  /// Lets those go on that hang now, or will.
  void release();

 private:
  const std::vector<planned_fault> all_;
  const site where_;
  std::mutex mutex_;
  std::condition_variable released_;
  bool is_released_ = false;
};

/// Those of one instance of a runnable, which counts how often hooks are
/// called.
class fault_counter {
 public:
  /// Returns null if there are none.
  static std::unique_ptr<fault_counter> make(std::shared_ptr<fault_plan> plan,
                                             std::string_view runnable,
                                             std::uint64_t instance);

  /// To be called before each call of a hook.
  void strike(std::string_view hook);

 private:
  std::shared_ptr<fault_plan> plan_;
  std::vector<const planned_fault*> own_;
  std::map<std::string, std::uint64_t, std::less<>> calls_;
};

} // namespace puma::internal
