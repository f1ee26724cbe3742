// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/suspension.hpp"

namespace puma::internal {

void held_stream::hand_on(bool publishes) const {
  // An output that the successor does not have will get nothing any more.
  if (published && !publishes)
    to->complete_token();
  else
    to->drop_token();
}

bool held_stream::end(const failure* error) const {
  if (!error) {
    to->complete_token();
    return false;
  }
  if (published)
    return to->fail_token(*error);
  to->drop_token(error);
  return false;
}

} // namespace puma::internal
