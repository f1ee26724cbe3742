// SPDX-License-Identifier: Apache-2.0

#include "puma/attributes/attribute.hpp"

#include "puma/base/error.hpp"

#include <utility>

namespace puma {

attribute::attribute(std::string name)
  : name_(std::move(name)),
    scope_(detail::current_scope()),
    side_(detail::is_in_construction(this) ? side::child : side::parent),
    scope_name_(detail::describe_current_scope()) {
  if (name_.empty())
    throw usage_error{"attribute: the name must not be empty"};
}

void attribute::settle(side x) {
  side_ = x;
  check();
}

std::string attribute::describe_scope() const {
  return std::string{side_ == side::child ? "the child scope ("
                                          : "the parent scope ("}
         + scope_name_ + ")";
}

void attribute::throw_wrong_scope() const {
  throw scope_error{"attribute '" + name_ + "': lives in " + describe_scope()
                    + ", and was used in another one ("
                    + detail::describe_current_scope() + ")"};
}

void attribute::throw_wrong_side(side only) const {
  throw scope_error{"attribute '" + name_ + "': lives in the "
                    + (only == side::child ? "child" : "parent")
                    + " scope only, and was used "
                    + (detail::current_scope() == scope_
                         ? "in " + describe_scope()
                         : "elsewhere (" + detail::describe_current_scope()
                             + "), by the object of " + describe_scope())};
}

void attribute::refuse(const std::string& why) const {
  throw usage_error{"attribute '" + name_ + "': " + why};
}

void attribute::refuse_to_cross(const std::string& obstacle) const {
  refuse("its value cannot be copied to another process: " + obstacle);
}

} // namespace puma
