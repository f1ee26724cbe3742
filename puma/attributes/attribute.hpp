// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"

#include <string>
#include <tuple>
#include <type_traits>

namespace puma {

/// A member of a runnable that says in which scope it lives: in that of the
/// parent, which has made an object and hands it to `environment::run`, or in
/// that of the child, which is the object that runs. The base of `child_only`,
/// `parent_only`, `per_scope`, `copied`, `shared` and `manually_managed`.
///
/// *Threads.* Belongs to one scope at a time: that of the child to the hooks of
/// its runnable; that of the parent to the runnable in whose hooks the object
/// has been made, or to the threads outside of runnables, which use it like any
/// other object.
///
/// *Failure.* Access from another scope throws `scope_error`, which names the
/// attribute and both scopes.
class attribute {
 public:
  attribute(const attribute&) = delete;
  attribute& operator=(const attribute&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 protected:
  enum class side { parent, child };

  /// In which scope it is made says where it belongs. Throws `usage_error` for
  /// an empty name.
  explicit attribute(std::string name);

  ~attribute() = default;

  [[nodiscard]] side where() const noexcept { return side_; }

  /// Throws unless the calling thread is in its scope.
  void check() const {
    if (detail::current_scope() != scope_) [[unlikely]]
      throw_wrong_scope();
  }

  /// As above, for one that lives on one side only.
  void check(side only) const {
    if (side_ != only) [[unlikely]]
      throw_wrong_side(only);
    check();
  }

  /// An object that is handed over is the parent's, and makes a child.
  void settle(side x);

  /// Throws `usage_error` that names the attribute.
  [[noreturn]] void refuse(const std::string& why) const;

  /// As above: its value cannot be copied to another process.
  [[noreturn]] void refuse_to_cross(const std::string& obstacle) const;

 private:
  [[nodiscard]] std::string describe_scope() const;
  [[noreturn]] void throw_wrong_scope() const;
  [[noreturn]] void throw_wrong_side(side only) const;

  std::string name_;
  const void* scope_;
  side side_;
  std::string scope_name_;
};

/// What `attributes()` of a runnable returns: all that its child is to get.
/// Those of a base class can be put before with `std::tuple_cat`.
template <class... Attributes>
[[nodiscard]] std::tuple<Attributes&...>
attribute_list(Attributes&... xs) noexcept {
  static_assert((std::is_base_of_v<attribute, Attributes> && ...),
                "attribute_list: takes scoped attributes only");
  return std::tie(xs...);
}

} // namespace puma
