// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace puma {

/// What a supervisor saw or did; for users who watch or alert. A plain value,
/// which may go through buffers to anywhere.
struct supervision_event {
  enum class kind : std::uint8_t {
    started,   ///< A child was constructed for the first time.
    failed,    ///< A child failed; `text` says how.
    restarted, ///< A child was constructed again.
    skipped,   ///< A value that could not be handled was dropped.
    dead,      ///< Such a value went to the dead letters.
    gave_up,   ///< The supervisor failed; `text` says why.
    stopped,   ///< A child has ended for good.
  };

  kind what = kind::started;
  std::string supervisor;
  std::string runnable; ///< Empty for `gave_up`.
  std::string text;
  std::uint32_t restarts = 0; ///< Of that runnable so far.
};

/// Returns the name of the enumerator.
[[nodiscard]] std::string_view to_string(supervision_event::kind x) noexcept;

} // namespace puma
