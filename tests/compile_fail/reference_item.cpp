// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/buffer.hpp"

puma::buffer<int&> items{"items", 1};
