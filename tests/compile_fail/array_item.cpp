// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/buffer.hpp"

puma::buffer<int[3]> items{"items", 1};
