// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <typeinfo>

namespace puma::internal {

/// Returns the demangled name of a type.
std::string readable_type_name(const std::type_info& type);

/// Returns this process as `host/pid`, which is how logs and failures name it.
const std::string& node_name();

} // namespace puma::internal
