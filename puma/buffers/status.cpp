// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/status.hpp"

namespace puma {

std::string_view to_string(publish_result x) noexcept {
  switch (x) {
  case publish_result::accepted:
    return "accepted";
  case publish_result::full:
    return "full";
  case publish_result::closed:
    break;
  }
  return "closed";
}

std::string_view to_string(receive_status x) noexcept {
  switch (x) {
  case receive_status::value:
    return "value";
  case receive_status::empty:
    return "empty";
  case receive_status::completed:
    return "completed";
  case receive_status::failed:
    break;
  }
  return "failed";
}

} // namespace puma
