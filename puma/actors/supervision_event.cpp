// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/supervision_event.hpp"

namespace puma {

std::string_view to_string(supervision_event::kind x) noexcept {
  using kind = supervision_event::kind;
  switch (x) {
  case kind::started:
    return "started";
  case kind::failed:
    return "failed";
  case kind::restarted:
    return "restarted";
  case kind::skipped:
    return "skipped";
  case kind::dead:
    return "dead";
  case kind::gave_up:
    return "gave_up";
  case kind::stopped:
    return "stopped";
  }
  return "unknown";
}

} // namespace puma
