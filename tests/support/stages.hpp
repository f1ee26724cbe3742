// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/actors/functions.hpp"
#include "puma/actors/multi_buffer_servicing_runnable.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"
#include "puma/actors/source_runnable.hpp"
#include "tests/support/journal.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Runnables whose hooks are given by the test. The functions run in the
/// runnable's scope.
namespace puma_test {

using int_buffer = puma::buffer<int>;

/// A number of outputs, and what to do with all of them.
class outputs {
 public:
  void open(puma::publisher<int> x) { all_.push_back(std::move(x)); }

  void publish(int x) {
    for (auto& out : all_)
      out.publish(x);
  }

  [[nodiscard]] puma::publisher<int>& operator[](std::size_t i) {
    return all_[i];
  }

 private:
  std::vector<puma::publisher<int>> all_;
};

class stage;

/// What a `stage` does in its hooks, in place of passing values on.
struct script {
  std::function<void(stage&)> on_start = {};
  std::function<void(stage&, int&)> on_value = {};
  std::function<bool(const puma::failure&)> on_error = {};
};

/// Has one input, and passes its values on to all outputs.
class stage : public puma::single_buffer_servicing_runnable<int> {
 public:
  stage(std::string name, const int_buffer& in,
        const std::vector<int_buffer>& targets = {}, script what = {})
    : single_buffer_servicing_runnable(std::move(name), in),
      script_(std::move(what)) {
    for (auto& x : targets)
      outs.open(publish_to(x));
  }

  using runnable::publish_to;
  using runnable::stop;

  void add(const int_buffer& in) { add_input(in, *this); }

  outputs outs;

 protected:
  void on_start() override {
    if (script_.on_start)
      script_.on_start(*this);
  }

  void on_value(int& x) override {
    if (script_.on_value)
      script_.on_value(*this, x);
    else
      outs.publish(x);
  }

  bool on_error(const puma::failure& error) override {
    return script_.on_error && script_.on_error(error);
  }

 private:
  script script_;
};

/// A stage that takes the end of its input.
class taking_stage : public stage {
 public:
  using ending = std::function<void(stage&, const puma::failure*)>;

  taking_stage(std::string name, const int_buffer& in,
               const std::vector<int_buffer>& targets, ending when_complete,
               script what = {})
    : stage(std::move(name), in, targets, std::move(what)),
      ending_(std::move(when_complete)) {}

 protected:
  void on_complete(const puma::failure* error) override {
    ending_(*this, error);
  }

 private:
  ending ending_;
};

/// A runnable that nothing drives.
class idler : public puma::command_driven_runnable {
 public:
  using start_function = std::function<void(idler&)>;

  explicit idler(std::string name = "idler", start_function start = {})
    : command_driven_runnable(std::move(name)),
      start_(std::move(start)) {}

  using runnable::publish_to;
  using runnable::stop;

  outputs outs;

 protected:
  void on_start() override {
    if (start_)
      start_(*this);
  }

 private:
  start_function start_;
};

/// Publishes 1, 2, … to all outputs, up to and including `last`, or without
/// end.
class counting_source : public puma::source_runnable {
 public:
  counting_source(std::string name, const std::vector<int_buffer>& targets,
                  std::optional<int> last = {},
                  std::function<void(int)> when_asked = {})
    : source_runnable(std::move(name)),
      last_(last),
      asked_(std::move(when_asked)) {
    for (auto& x : targets)
      outs_.open(publish_to(x));
  }

 protected:
  bool on_demand() override {
    if (last_ && next_ > *last_)
      return false;
    if (asked_)
      asked_(next_);
    outs_.publish(next_++);
    return true;
  }

 private:
  std::optional<int> last_;
  std::function<void(int)> asked_;
  int next_ = 1;
  outputs outs_;
};

/// Publishes `first` up to and including `last` from the test's thread.
inline void publish_all(const int_buffer& to, int first, int last) {
  auto out = to.open_publisher();
  for (int i = first; i <= last; ++i)
    out.publish(i);
}

/// As above, and completes the stream.
inline void stream_all(const int_buffer& to, int first, int last) {
  auto out = to.open_publisher();
  for (int i = first; i <= last; ++i)
    out.publish(i);
  out.complete();
}

/// Receives until the stream ends.
template <class T>
std::vector<T> rest_of(const puma::buffer<T>& from) {
  auto in = from.subscribe();
  std::vector<T> result;
  while (auto x = in.next())
    result.push_back(std::move(*x));
  return result;
}

inline std::vector<int> numbers_to(int last, int first = 1) {
  std::vector<int> result;
  for (int i = first; i <= last; ++i)
    result.push_back(i);
  return result;
}

/// Records the values and the end of its input: `value 1`, `complete`,
/// `failed: text`.
class recording_subscriber : public puma::subscriber<int> {
 public:
  recording_subscriber(std::string name, events to)
    : name_(std::move(name)),
      events_(std::move(to)) {}

  void on_value(int& x) override {
    events_.add(name_ + ": value " + std::to_string(x));
  }

  void on_complete(const puma::failure* error) override {
    events_.add(name_
                + (error ? ": failed: " + std::string{error->text()}
                         : std::string{": complete"}));
  }

 private:
  std::string name_;
  events events_;
};

} // namespace puma_test
