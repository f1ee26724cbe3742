// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

namespace puma {

/// What becomes of ticks that are late by a whole interval or more, because the
/// runnable was busy. A tick that is late by less always comes.
enum class late_ticks : std::uint8_t {
  skip,     ///< They do not come; the next one comes when it is due.
  coalesce, ///< They come as one, at once, with the time of the last of them.
  catch_up, ///< All of them come, one after the other.
};

} // namespace puma
