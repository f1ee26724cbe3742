// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

/// What an `inspect` overload sees as its inspector. It offers both of CAF's
/// forms, `f.object(x).fields(f.field("a", x.a))` and `f(x.a)`, without CAF.
namespace puma::detail {

/// What an `inspect` overload returns if it lets the compiler deduce that: the
/// types of its fields. Converts to the `bool` that others return.
template <class... Ts>
struct inspected {
  bool ok = true;

  constexpr operator bool() const noexcept { return ok; }
};

/// A field that is a member of the object.
template <class T>
class member_field {
 public:
  using type = T;

  member_field(std::string_view name, T& value) : name_(name), value_(&value) {}

  /// All fields are always there.
  template <class U>
  member_field fallback(U&&) const {
    return *this;
  }

  /// Reading fails when `holds` does not accept the value.
  template <class Predicate>
  auto invariant(Predicate holds) const {
    return checked_field<T, Predicate>{*this, std::move(holds)};
  }

  template <class Visitor>
  bool visit(Visitor& visitor) const {
    return visitor.visit(name_, *value_);
  }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] T& value() const noexcept { return *value_; }

 private:
  template <class U, class Predicate>
  class checked_field {
   public:
    using type = U;

    checked_field(member_field<U> field, Predicate holds)
      : field_(field),
        holds_(std::move(holds)) {}

    template <class V>
    checked_field fallback(V&&) const {
      return *this;
    }

    template <class Visitor>
    bool visit(Visitor& visitor) {
      return field_.visit(visitor)
             && (!Visitor::is_loading
                 || visitor.check(field_.name(), holds_(field_.value())));
    }

   private:
    member_field<U> field_;
    Predicate holds_;
  };

  std::string_view name_;
  T* value_;
};

/// A field that the object has functions for.
template <class Get, class Set>
class property_field {
 public:
  using type = std::remove_cvref_t<std::invoke_result_t<Get&>>;

  property_field(std::string_view name, Get get, Set set)
    : name_(name),
      get_(std::move(get)),
      set_(std::move(set)) {}

  template <class U>
  property_field fallback(U&&) const {
    return *this;
  }

  template <class Visitor>
  bool visit(Visitor& visitor) {
    if constexpr (Visitor::is_loading) {
      type value{};
      if (!visitor.visit(name_, value))
        return false;
      if constexpr (std::is_convertible_v<std::invoke_result_t<Set&, type&&>,
                                          bool>) {
        return visitor.check(name_, static_cast<bool>(set_(std::move(value))));
      } else {
        set_(std::move(value));
        return true;
      }
    } else {
      decltype(auto) value = get_();
      return visitor.visit(name_, value);
    }
  }

 private:
  std::string_view name_;
  Get get_;
  Set set_;
};

struct no_callback {
  constexpr bool operator()() const noexcept { return true; }
};

/// What `f.object(x)` returns.
template <class Visitor, class OnLoad = no_callback, class OnSave = no_callback>
class object_scope {
 public:
  explicit object_scope(Visitor& visitor, OnLoad on_load = {},
                        OnSave on_save = {})
    : visitor_(visitor),
      on_load_(std::move(on_load)),
      on_save_(std::move(on_save)) {}

  object_scope& pretty_name(std::string_view) { return *this; }

  template <class F>
  auto on_load(F callback) {
    return object_scope<Visitor, F, OnSave>{visitor_, std::move(callback),
                                            std::move(on_save_)};
  }

  template <class F>
  auto on_save(F callback) {
    return object_scope<Visitor, OnLoad, F>{visitor_, std::move(on_load_),
                                            std::move(callback)};
  }

  template <class... Fields>
  inspected<typename Fields::type...> fields(Fields... all) {
    return {(all.visit(visitor_) && ...) && call_back()};
  }

 private:
  bool call_back() {
    if constexpr (Visitor::is_loading)
      return call(on_load_);
    else
      return call(on_save_);
  }

  template <class F>
  bool call(F& callback) {
    if constexpr (std::is_convertible_v<std::invoke_result_t<F&>, bool>) {
      return visitor_.check("object", static_cast<bool>(callback()));
    } else {
      callback();
      return true;
    }
  }

  Visitor& visitor_;
  OnLoad on_load_;
  OnSave on_save_;
};

/// `Visitor` has a constant `is_loading`, `visit(name, value)` for each field
/// and `check(name, accepted)` for what the object says about a value.
template <class Visitor>
class inspector : public Visitor {
 public:
  using Visitor::Visitor;
  using result_type = bool;

  static constexpr bool reads_state = !Visitor::is_loading;
  static constexpr bool writes_state = Visitor::is_loading;

  [[nodiscard]] static constexpr bool has_human_readable_format() noexcept {
    return false;
  }

  template <class T>
  auto object(T&) {
    return object_scope<Visitor>{*this};
  }

  template <class T>
  auto field(std::string_view name, T& value) {
    return member_field<T>{name, value};
  }

  template <class Get, class Set>
    requires(std::invocable<Get&>)
  auto field(std::string_view name, Get get, Set set) {
    return property_field<Get, Set>{name, std::move(get), std::move(set)};
  }

  template <class T>
  inspected<T> apply(T& value) {
    return {this->visit("value", value)};
  }

  template <class... Ts>
  inspected<std::remove_cvref_t<Ts>...> operator()(Ts&&... values) {
    return {(this->visit("field", values) && ...)};
  }
};

/// Does nothing: it is there for the type that an `inspect` overload returns.
struct type_visitor {
  static constexpr bool is_loading = false;

  template <class T>
  bool visit(std::string_view, T&) {
    return true;
  }

  bool check(std::string_view, bool accepted) { return accepted; }
};

using type_inspector = inspector<type_visitor>;

// -- finding overloads --------------------------------------------------------

/// Converts to a reference to `T` and to nothing else.
template <class T>
struct exactly {
  template <class U>
    requires std::is_same_v<U, T>
  operator U&() const;
};

/// Converts to a reference to a base class of `T`.
template <class T>
struct base_part {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
  operator U&() const;
};

template <class T, class Argument>
concept inspect_takes = requires(type_inspector& f, Argument x) {
  inspect(f, static_cast<Argument>(x));
};

/// True when argument-dependent lookup finds an overload for `T`; one for a
/// base class does not count, because it would leave out the fields of `T`.
template <class T>
concept has_inspect = inspect_takes<T, T&> &&(
  inspect_takes<T, exactly<T>> || !inspect_takes<T, base_part<T>>);

/// The fields of an overload that returns `bool`.
struct unknown_fields {};

template <class... Ts>
struct type_list;

template <class T>
struct inspected_fields {
  using type = unknown_fields;
};

template <class... Ts>
struct inspected_fields<inspected<Ts...>> {
  using type = type_list<Ts...>;
};

template <class T>
using inspected_fields_of = typename inspected_fields<
  std::remove_cvref_t<decltype(inspect(std::declval<type_inspector&>(),
                                       std::declval<T&>()))>>::type;

} // namespace puma::detail
