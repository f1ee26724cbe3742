// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <optional>
#include <string>

class writer : public puma::single_buffer_servicing_runnable<int> {
 public:
  writer(const puma::buffer<int>& in, const puma::buffer<std::string>& out);
};

void build(const puma::environment& env) {
  auto p = puma::pipeline(env)
           | puma::generate("read", [] { return std::optional<int>{}; })
           | puma::stage<writer>("write")
           | puma::for_each("store", [](const std::string&) {});
}
