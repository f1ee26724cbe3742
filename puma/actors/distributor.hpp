// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/constructing.hpp"
#include "puma/actors/detail/output_list.hpp"
#include "puma/actors/functions.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"
#include "puma/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma {

/// To which output a `distributor` gives the next value.
enum class distribution {
  round_robin,  ///< To each in turn.
  least_loaded, ///< To the one in which the fewest values wait, as far as is
                ///< known in the distributor's process.
};

/// Gives each value of its input to one of its outputs.
///
/// Outputs come and go by calls, as those of a `multicaster`. There is always
/// at least one.
///
/// *Full outputs.* With `round_robin`, what the policy of the buffer says:
/// where that is to block, the output whose turn it is holds back all. With
/// `least_loaded`, nothing is dropped, and all outputs must be full for that.
///
/// *Ends.* Completion and errors of the input go to all outputs. An output
/// whose stream others have ended is left out from then on; after the last one
/// the distributor stops.
///
/// *Restarts.* A successor has the outputs with which the distributor was
/// started.
template <class T>
class distributor : public single_buffer_servicing_runnable<T> {
 public:
  using value_type = T;

  /// Throws `usage_error` without any output, or with one twice.
  distributor(std::string name, const buffer<T>& in,
              const std::vector<buffer<T>>& outputs,
              distribution how = distribution::round_robin)
    : single_buffer_servicing_runnable<T>(std::move(name), in),
      how_(how) {
    if (outputs.empty())
      throw usage_error{"runnable '" + this->name()
                        + "': a distributor needs at least one output"};
    for (auto& x : outputs)
      add_output(x);
  }

  // -- to be called through the runner ----------------------------------------

  /// Adds an output, which gets its share from now on. Throws `usage_error` for
  /// one that it has already, and for a buffer whose stream has ended.
  void add_output(const buffer<T>& to) {
    outputs_.check_new(to);
    outputs_.add(to, this->publish_to(to), {to.capacity(), next_id_++});
    if (in_hand_)
      this->await_room(); // here is some
  }

  /// Removes an output, and completes its stream after the values that it has
  /// been given. Throws `usage_error` for a buffer that is no output, and for
  /// the last one.
  void remove_output(const buffer<T>& to) {
    if (outputs_.count() == 1 && outputs_.has(to))
      throw usage_error{"runnable '" + this->name() + "': buffer '"
                        + std::string{to.name()}
                        + "' is its last output; add another one first"};
    outputs_.remove(to);
  }

  [[nodiscard]] std::size_t output_count() const { return outputs_.count(); }

 protected:
  void on_value(T& value) final {
    if (how_ != distribution::least_loaded) {
      give(value);
    } else if (!offer(value)) {
      in_hand_.emplace(std::move(value));
      this->hold_input(0);
      this->await_room();
    }
  }

  void on_room() final {
    if (!in_hand_)
      return;
    if (offer(*in_hand_)) {
      in_hand_.reset();
      this->resume_input(0);
    } else {
      this->await_room();
    }
  }

  void on_complete(const failure* error) final {
    // The input rests until it is gone, unless this is told to stop.
    if (in_hand_)
      this->log().warning(
        "ends with a value in hand: all of its outputs are full");
    subscriber<T>::on_complete(error);
  }

  /// Returns the index of the output for `value`.
  virtual std::size_t choose(const T& value) {
    static_cast<void>(value);
    return after(last_);
  }

  /// Returns the index of the output for a key with this hash: the same as long
  /// as that output is there. Of the keys of one that goes, each other one gets
  /// some; one that comes gets some from each.
  [[nodiscard]] std::size_t owner_of(std::uint64_t hash) const noexcept {
    std::size_t best = 0;
    std::uint64_t most = 0;
    for (std::size_t i = 0; i != outputs_.size(); ++i) {
      const auto weight = mix(hash ^ mix(outputs_[i].extra.id));
      if (weight >= most) {
        most = weight;
        best = i;
      }
    }
    return best;
  }

 private:
  struct details {
    std::size_t capacity = 0;
    std::uint64_t id = 0;
  };

  /// Spreads the bits of what may be a counter.
  static std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30u)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27u)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31u);
  }

  [[nodiscard]] std::size_t after(std::size_t index) const noexcept {
    return index + 1 < outputs_.size() ? index + 1 : 0;
  }

  /// Gives `value` to the output that is chosen for it.
  void give(T& value) {
    do {
      const auto in_use = outputs_.use();
      last_ = choose(value);
      if (outputs_.send(outputs_[last_], std::move(value))
          != publish_result::closed)
        return;
    } while (outputs_.count() != 0);
    stop_without_outputs();
  }

  /// Gives `value` to the output with the fewest values, unless all are full.
  bool offer(T& value) {
    do {
      const auto in_use = outputs_.use();
      last_ = least_loaded();
      switch (outputs_.try_send(outputs_[last_], std::move(value))) {
      case publish_result::accepted:
        return true;
      case publish_result::full:
        return false;
      case publish_result::closed:
        break;
      }
    } while (outputs_.count() != 0);
    stop_without_outputs();
    return true;
  }

  [[nodiscard]] std::size_t least_loaded() const {
    std::size_t best = 0;
    auto least = std::numeric_limits<std::size_t>::max();
    for (std::size_t n = 0, i = after(last_); n != outputs_.size();
         ++n, i = after(i)) {
      const auto& x = outputs_[i];
      const auto load = x.out.backlog();
      // Capacities differ: one that is full is as good as any other such.
      const auto rank = load < x.extra.capacity ? load : full;
      if (rank < least) {
        least = rank;
        best = i;
      }
    }
    return best;
  }

  void stop_without_outputs() {
    this->log().warning(
      "stops with a value in hand: all of its outputs have ended");
    this->stop();
  }

  static constexpr auto full = std::numeric_limits<std::size_t>::max() - 1;

  detail::output_list<T, details> outputs_{*this};
  distribution how_;
  std::optional<T> in_hand_; // while all outputs are full
  std::size_t last_ = full;  // none yet
  std::uint64_t next_id_ = 0;
};

namespace detail {

template <class T, class Key>
class keyed_distributor final : public distributor<T> {
 public:
  /// Which argument of the factory it publishes to.
  static constexpr std::size_t token_argument = 2;

  keyed_distributor(std::string name, const buffer<T>& in,
                    const std::vector<buffer<T>>& outputs, Key&& key)
    : distributor<T>(std::move(name), in, outputs),
      key_(std::move(key)) {}

 protected:
  std::size_t choose(const T& value) override {
    using key_type = std::remove_cvref_t<std::invoke_result_t<Key&, const T&>>;
    return this->owner_of(std::hash<key_type>{}(std::invoke(key_, value)));
  }

 private:
  Key key_;
};

} // namespace detail

/// A distributor that gives all values with the same `key(value)` to the same
/// output, in order; the key is something for which there is a `std::hash`.
///
///     auto x = env.run(distribute_by("by user", requests, std::vector{a, b},
///                                    [](const request& x) { return x.user;
///                                    }));
///     x.call<&distributor<request>::add_output>(c);
///
/// An output that is added takes over some keys of each other one, and those of
/// one that is removed go to the others; all other keys stay where they are. A
/// key that moves does not wait for its values at the output that it leaves:
/// where that matters, let that one finish first.
template <class T, class Key>
[[nodiscard]] auto distribute_by(std::string name, const buffer<T>& in,
                                 const std::vector<buffer<T>>& outputs,
                                 Key key) {
  static_assert(std::is_invocable_v<Key&, const T&>,
                "distribute_by: the function must take a value and return its "
                "key");
  using result = detail::keyed_distributor<T, Key>;
  return detail::make_function_recipe<result>(
    std::move(name), in, outputs, detail::callable<Key>{std::move(key)});
}

} // namespace puma
