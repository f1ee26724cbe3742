// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/puma.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// Values and runnables that cross.
namespace puma_test {

// -- values -------------------------------------------------------------------

/// A value with all kinds of parts.
struct report {
  int number = 0;
  std::string text;
  std::vector<double> figures;
  std::map<std::string, std::vector<int>> groups;

  friend bool operator==(const report&, const report&) = default;
};

/// A value that does not fit into one frame.
struct large {
  static constexpr std::size_t size = 4u * 1024 * 1024;

  int number = 0;
  std::string bytes;

  friend bool operator==(const large&, const large&) = default;
};

/// A value that says who published it.
struct signed_number {
  int by = 0;
  int number = 0;
};

/// Makes the value with a number.
template <class T>
T made(int number);

template <>
inline int made<int>(int number) {
  return number;
}

template <>
inline std::string made<std::string>(int number) {
  return "a text too long to be stored in place: " + std::to_string(number);
}

template <>
inline std::unique_ptr<std::string>
made<std::unique_ptr<std::string>>(int number) {
  return std::make_unique<std::string>(std::to_string(number));
}

template <>
inline report made<report>(int number) {
  return {number,
          std::to_string(number),
          std::vector<double>(static_cast<std::size_t>(number % 7), 0.1),
          {{"a", {number, -number}}, {"", {}}}};
}

template <>
inline large made<large>(int number) {
  large result{number, std::string(large::size, '\0')};
  auto x = static_cast<std::uint32_t>(number) + 1;
  for (auto& c : result.bytes) {
    x = x * 1664525u + 1013904223u;
    c = static_cast<char>(x >> 24u);
  }
  return result;
}

template <class T>
bool same(const T& x, const T& y) {
  return x == y;
}

template <class T>
bool same(const std::unique_ptr<T>& x, const std::unique_ptr<T>& y) {
  return x && y && *x == *y;
}

// -- runnables ----------------------------------------------------------------

/// Publishes `first` to `last`.
template <class T>
class counting : public puma::source_runnable {
 public:
  counting(std::string name, const puma::buffer<T>& out, int first, int last)
    : source_runnable(std::move(name)),
      out_(publish_to(out)),
      next_(first),
      last_(last) {}

 protected:
  bool on_demand() override {
    if (next_ > last_)
      return false;
    out_.publish(made<T>(next_++));
    return true;
  }

 private:
  puma::publisher<T> out_;
  int next_;
  int last_;
};

/// Publishes 1 to `last` as `by`.
class signing : public puma::source_runnable {
 public:
  signing(std::string name, const puma::buffer<signed_number>& out, int by,
          int last)
    : source_runnable(std::move(name)),
      out_(publish_to(out)),
      by_(by),
      last_(last) {}

 protected:
  bool on_demand() override {
    if (next_ > last_)
      return false;
    out_.publish(signed_number{by_, next_++});
    return true;
  }

 private:
  puma::publisher<signed_number> out_;
  int by_;
  int next_ = 1;
  int last_;
};

/// Passes values on.
template <class T>
class passing : public puma::single_buffer_servicing_runnable<T> {
 public:
  passing(std::string name, const puma::buffer<T>& in,
          const puma::buffer<T>& out)
    : puma::single_buffer_servicing_runnable<T>(std::move(name), in),
      out_(this->publish_to(out)) {}

 protected:
  void on_value(T& x) override { out_.publish(std::move(x)); }

 private:
  puma::publisher<T> out_;
};

/// Takes values and has no output.
class sink : public puma::single_buffer_servicing_runnable<int> {
 public:
  sink(std::string name, const puma::buffer<int>& in)
    : single_buffer_servicing_runnable(std::move(name), in) {}

 protected:
  void on_value(int&) override {}
};

/// Passes `count` values on and ends.
class passing_some : public puma::single_buffer_servicing_runnable<int> {
 public:
  passing_some(std::string name, const puma::buffer<int>& in,
               const puma::buffer<int>& out, int count)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      left_(count) {}

 protected:
  void on_value(int& x) override {
    out_.publish(x);
    if (--left_ == 0)
      stop();
  }

 private:
  puma::publisher<int> out_;
  int left_;
};

/// Lives until it is stopped. Publishes the id of its process, and has no
/// output from then on.
class telling_process : public puma::command_driven_runnable {
 public:
  telling_process(std::string name, const puma::buffer<int>& out);

 protected:
  void on_start() override;

 private:
  puma::publisher<int> out_;
};

/// Says what happens to it: `value 1`, `complete`, `failed: type: text: from
/// runnable`.
class journalist : public puma::single_buffer_servicing_runnable<int> {
 public:
  journalist(std::string name, const puma::buffer<int>& in,
             const puma::buffer<std::string>& to)
    : single_buffer_servicing_runnable(std::move(name), in),
      to_(publish_to(to)) {}

 protected:
  void on_value(int& x) override { to_.publish("value " + std::to_string(x)); }

  void on_complete(const puma::failure* error) override {
    if (error)
      to_.publish("failed: " + std::string{error->type()} + ": "
                  + std::string{error->text()} + ": from "
                  + std::string{error->runnable()});
    else
      to_.publish("complete");
  }

 private:
  puma::publisher<std::string> to_;
};

} // namespace puma_test
