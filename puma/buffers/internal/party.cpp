// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/party.hpp"

namespace puma::internal {

party*& party::current() noexcept {
  thread_local party* instance = nullptr;
  return instance;
}

} // namespace puma::internal
