// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runnable.hpp"

#include <string>

namespace puma {

/// A runnable that makes values from nothing, or from outside of puma.
///
/// `on_demand` is called again and again, in slices that give way to others,
/// while every output that blocks has room for a value: a slow consumer slows
/// the source down. A source whose outputs have all been closed ends.
class source_runnable : public runnable {
 public:
  explicit source_runnable(std::string name);

 protected:
  /// Publishes some values, best a single one per output. Returns false when
  /// there will be no more. A pooled source must not block here: run it as
  /// `puma::dedicated` if it reads from something slow.
  virtual bool on_demand() = 0;

 private:
  friend class internal::task;
};

} // namespace puma
