// SPDX-License-Identifier: Apache-2.0

// Two worker processes and the application write to one log, which is
// configured in one place.

#include <puma/puma.hpp>

#include <cstdio>
#include <iostream>
#include <string>
#include <utility>

// [runnable]
class parser : public puma::single_buffer_servicing_runnable<std::string> {
 public:
  parser(std::string name, const puma::buffer<std::string>& in)
    : single_buffer_servicing_runnable(std::move(name), in) {}

 protected:
  void on_value(std::string& text) override {
    log().debug("got {} characters", text.size());
    if (text.empty())
      log().warning("skipped an empty text");
    else
      std::printf("%s\n", text.c_str()); // is captured and logged, too
  }
};
// [runnable]

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    // [configure]
    puma::logging::configure(puma::logging::yaml{R"(
formatters:
  short: {format: "%N %l %n: %v"}
handlers:
  console: {class: console, stream: stdout, formatter: short}
loggers:
  parser: {level: debug}
root: {level: info, handlers: [console]}
)"});
    // [configure]
    puma::process_environment env{rt};
    const auto texts = env.make_buffer<std::string>("texts", 8);
    auto first = env.run<parser>("parser.a", texts);
    // [get]
    const auto log = puma::logging::get("app");
    log.info("sends {} texts", 2);
    // [get]
    auto out = texts.open_publisher();
    out.publish("hello");
    out.publish("");
    out.complete();
    rt.join();
    puma::logging::flush();
    // [override]
    puma::logging::override_level("", puma::log_level::error);
    log.info("not written");
    puma::logging::reset_levels();
    // [override]
  });
}
