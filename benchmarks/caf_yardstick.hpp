// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <cstdint>

/// The yardsticks for runnables: CAF 0.17 without puma.
namespace puma_bench {

/// Two pooled actors: one sends integers, the other adds them up. At most
/// `window` values are under way; each message carries `batch` of them.
class caf_hop {
 public:
  /// @pre `window` is a multiple of `batch`; a `batch` of 1 goes as an integer,
  /// others as vectors.
  caf_hop(std::int64_t window, std::int64_t batch);

  caf_hop(const caf_hop&) = delete;
  caf_hop& operator=(const caf_hop&) = delete;

  ~caf_hop();

  /// Sends the integers from 0 to `count`, a multiple of the batch, and returns
  /// the sum that arrived.
  std::int64_t run(std::int64_t count);

 private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  caf::actor sink_;
  caf::actor source_;
};

/// One pooled actor that answers each integer with its successor.
class caf_echo {
 public:
  caf_echo();

  caf_echo(const caf_echo&) = delete;
  caf_echo& operator=(const caf_echo&) = delete;

  ~caf_echo();

  std::int64_t ask(std::int64_t x);

 private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  caf::actor echo_;
};

} // namespace puma_bench
