// SPDX-License-Identifier: Apache-2.0

#pragma once

/// Everything that an application needs.

#include "puma/base/error.hpp"
#include "puma/base/failure.hpp"
#include "puma/buffers/buffer.hpp"
#include "puma/logging/log.hpp"
