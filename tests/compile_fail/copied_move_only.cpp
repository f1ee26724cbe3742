// SPDX-License-Identifier: Apache-2.0

#include "puma/attributes/copied.hpp"

#include <memory>

puma::copied<std::unique_ptr<int>> value{"value"};
