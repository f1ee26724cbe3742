// SPDX-License-Identifier: Apache-2.0

#include "puma/base/codec.hpp"

struct job {
  int* data;
};

void send(puma::encoder& to, const job& x) {
  puma::encode(to, x);
}
