// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/single_buffer_servicing_runnable.hpp"
#include "puma/attributes/child_only.hpp"
#include "puma/attributes/copied.hpp"
#include "puma/attributes/manually_managed.hpp"
#include "puma/attributes/parent_only.hpp"
#include "puma/attributes/per_scope.hpp"
#include "puma/attributes/shared.hpp"

#include <optional>
#include <string>
#include <vector>

namespace puma_test {

/// Publishes each value times a factor. Has an attribute of each kind.
class scoped_stage : public puma::single_buffer_servicing_runnable<int> {
 public:
  using thread_action = puma::thread_action;
  using process_action = puma::process_action;

  explicit scoped_stage(std::string name = "scoped")
    : single_buffer_servicing_runnable(std::move(name)) {}

  auto attributes() {
    return puma::attribute_list(in, out, factor, handled, note, half, history,
                                secret, fresh, table, diary);
  }

  puma::copied<puma::buffer<int>> in{"in"};
  puma::copied<puma::buffer<int>> out{"out"};
  puma::copied<int> factor{"factor", 1};
  puma::shared<int> handled{"handled"};
  puma::shared<std::string> note{"note", "begin"};
  puma::shared<double> half{"half", 0.5};
  puma::child_only<std::vector<int>> history{
    "history", [] { return std::vector<int>{0}; }};
  puma::parent_only<std::string> secret{"secret", "of the parent"};
  puma::per_scope<std::vector<int>> fresh{"fresh", [] {
                                            return std::vector<int>{1, 2};
                                          }};
  puma::manually_managed<std::vector<int>, thread_action::share,
                         process_action::set_to_none>
    table{"table", std::vector<int>{7}};
  puma::manually_managed<std::vector<int>, thread_action::copy,
                         process_action::copy>
    diary{"diary", std::vector<int>{1}};

  // -- to be called -----------------------------------------------------------

  [[nodiscard]] int factor_there() const { return *factor; }
  void set_factor(int x) { factor.set(x); }
  [[nodiscard]] std::vector<int> history_there() const { return *history; }
  [[nodiscard]] std::string secret_there() const { return *secret; }
  std::vector<int> add_to_fresh(int x) {
    fresh->push_back(x);
    return *fresh;
  }
  int count() { return ++handled; }
  void append_to_note(const std::string& x) {
    note.update([&](std::string& text) { text += x; });
  }
  [[nodiscard]] std::string note_there() const { return note.get(); }
  void set_note(const std::string& x) { note.set(x); }
  void double_half() {
    half.update([](double& x) { x *= 2; });
  }
  [[nodiscard]] bool has_table() const { return table.has_value(); }
  [[nodiscard]] int table_there() const { return table->front(); }
  void set_table(int x) { table->front() = x; }
  int append_to_diary(int x) {
    diary->push_back(x);
    return static_cast<int>(diary->size());
  }

 protected:
  void on_start() override {
    add_input(*in, *this);
    out_.emplace(publish_to(*out));
  }

  void on_value(int& x) override {
    ++handled;
    history->push_back(x);
    out_->publish(x * *factor);
  }

 private:
  std::optional<puma::publisher<int>> out_;
};

} // namespace puma_test
