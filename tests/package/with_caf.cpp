// SPDX-License-Identifier: Apache-2.0

#include <puma/caf.hpp>
#include <puma/puma.hpp>

#include <caf/scoped_actor.hpp>

int main() {
  puma::runtime rt;
  caf::scoped_actor self{rt.actor_system()};
  return self->id() != 0 ? 0 : 1;
}
