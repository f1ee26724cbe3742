// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_config.hpp"

#include "puma/base/error.hpp"
#include "puma/logging/internal/ready_configs.hpp"
#include "puma/logging/internal/yaml_item.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <utility>

#include <syslog.h>

namespace puma::internal {

namespace {

/// Time, level, host/process/thread, logger, place and text; `%K`, `%N` and
/// `%j` are puma's own.
constexpr const char* standard_pattern
  = "%Y-%m-%d %H:%M:%S.%f %^%l%$ [%K/%N:%P/%t] %n%j: %v";

using names = yaml_names;
using item = yaml_item;

using handler_class = log_config::handler_class;

/// The keys that only some classes have.
names keys_of(handler_class x) {
  names result{"class", "level", "formatter"};
  const auto add = [&](const names& more) {
    result.insert(result.end(), more.begin(), more.end());
  };
  switch (x) {
  case handler_class::console:
    add({"stream", "color"});
    break;
  case handler_class::file:
    add({"filename", "mode"});
    break;
  case handler_class::rotating_file:
    add({"filename", "max_bytes", "backup_count"});
    break;
  case handler_class::daily_file:
    add({"filename", "at", "backup_count"});
    break;
  case handler_class::syslog:
    add({"ident", "facility"});
    break;
  }
  return result;
}

void read_time(const item& from, log_config::handler& to) {
  const auto text = from.text();
  int hour = 0;
  int minute = 0;
  char end = 0;
  if (std::sscanf(text.c_str(), "%d:%d%c", &hour, &minute, &end) != 2
      || hour < 0 || hour > 23 || minute < 0 || minute > 59)
    from.fail("expected a time of day such as \"00:30\", not '" + text + "'");
  to.hour = hour;
  to.minute = minute;
}

class reader {
 public:
  log_config read(const item& all) {
    all.for_each(
      {"version", "queue", "formatters", "handlers", "loggers", "root"},
      [&](const std::string& key, const item& x) {
        if (key == "version")
          static_cast<void>(x.number(1, 1));
        else if (key == "queue")
          read_queue(x);
        else if (key == "formatters")
          read_formatters(x);
      });
    // These refer to what may stand after them.
    all.for_each({}, [&](const std::string& key, const item& x) {
      if (key == "handlers")
        x.for_each({}, [&](const std::string& name, const item& y) {
          result_.handlers[name] = read_handler(y);
        });
    });
    all.for_each({}, [&](const std::string& key, const item& x) {
      if (key == "root")
        result_.loggers[""] = read_logger(x, {"level", "handlers"});
      else if (key == "loggers")
        x.for_each({}, [&](const std::string& name, const item& y) {
          if (name.empty())
            y.fail("a logger needs a name; the one of all is 'root'");
          result_.loggers[name] = read_logger(
            y, {"level", "handlers", "propagate"});
        });
    });
    auto& root = result_.loggers[""];
    if (!root.level)
      root.level = log_level::warning;
    return std::move(result_);
  }

 private:
  void read_queue(const item& from) {
    from.for_each(
      {"bytes", "wait_ms"}, [&](const std::string& key, const item& x) {
        if (key == "bytes")
          result_.queue_bytes = x.number(65'536, 1U << 30U);
        else
          result_.queue_wait = static_cast<std::uint32_t>(x.number(0, 60'000));
      });
  }

  void read_formatters(const item& from) {
    from.for_each({}, [&](const std::string& name, const item& x) {
      auto& pattern = patterns_[name];
      x.for_each({"format"}, [&](const std::string&, const item& y) {
        pattern = y.text();
      });
      if (pattern.empty())
        x.fail("needs a 'format'");
    });
  }

  log_config::handler read_handler(const item& from) {
    log_config::handler result;
    result.pattern = standard_pattern;
    bool has_class = false;
    from.for_each({}, [&](const std::string& key, const item& x) {
      if (key != "class")
        return;
      has_class = true;
      result.what = x.choice<handler_class>(
        {{"console", handler_class::console},
         {"file", handler_class::file},
         {"rotating_file", handler_class::rotating_file},
         {"daily_file", handler_class::daily_file},
         {"syslog", handler_class::syslog}});
    });
    if (!has_class)
      from.fail("needs a 'class'");
    if (result.what == handler_class::syslog) {
      result.pattern = "[%N:%P/%t] %n%j: %v"; // it has the rest
      result.facility = LOG_USER;
    }
    if (result.what == handler_class::rotating_file) {
      result.max_bytes = std::size_t{10} << 20U;
      result.backup_count = 5;
    }
    from.for_each(keys_of(result.what),
                  [&](const std::string& key, const item& x) {
                    read_handler_key(key, x, result);
                  });
    if (result.filename.empty() && result.what != handler_class::console
        && result.what != handler_class::syslog)
      from.fail("needs a 'filename'");
    return result;
  }

  void read_handler_key(const std::string& key, const item& x,
                        log_config::handler& to) {
    if (key == "level") {
      to.level = x.level();
    } else if (key == "formatter") {
      const auto name = x.text();
      const auto i = patterns_.find(name);
      if (i == patterns_.end())
        x.fail("there is no formatter '" + name + "'");
      to.pattern = i->second;
    } else if (key == "stream") {
      to.to_stdout = x.choice<bool>({{"stderr", false}, {"stdout", true}});
    } else if (key == "color") {
      using colors = log_config::colors;
      to.color = x.choice<colors>({{"auto", colors::automatic},
                                   {"always", colors::always},
                                   {"never", colors::never}});
    } else if (key == "filename") {
      to.filename = x.text();
      if (to.filename.empty())
        x.fail("expected the name of a file");
    } else if (key == "mode") {
      to.truncate = x.choice<bool>({{"append", false}, {"truncate", true}});
    } else if (key == "max_bytes") {
      to.max_bytes = x.number(1, std::numeric_limits<std::int64_t>::max());
    } else if (key == "backup_count") {
      to.backup_count = x.number(0, 200'000);
    } else if (key == "at") {
      read_time(x, to);
    } else if (key == "ident") {
      to.ident = x.text();
    } else if (key == "facility") {
      to.facility = x.choice<int>({{"user", LOG_USER},
                                   {"daemon", LOG_DAEMON},
                                   {"local0", LOG_LOCAL0},
                                   {"local1", LOG_LOCAL1},
                                   {"local2", LOG_LOCAL2},
                                   {"local3", LOG_LOCAL3},
                                   {"local4", LOG_LOCAL4},
                                   {"local5", LOG_LOCAL5},
                                   {"local6", LOG_LOCAL6},
                                   {"local7", LOG_LOCAL7}});
    }
  }

  log_config::logger read_logger(const item& from, const names& keys) {
    log_config::logger result;
    from.for_each(keys, [&](const std::string& key, const item& x) {
      if (key == "level")
        result.level = x.level();
      else if (key == "propagate")
        result.propagate = x.boolean();
      else
        for (auto& y : x.items()) {
          const auto name = y.text();
          if (!result_.handlers.contains(name))
            y.fail("there is no handler '" + name + "'");
          result.handlers.push_back(name);
        }
    });
    return result;
  }

  log_config result_;
  std::map<std::string, std::string> patterns_;
};

} // namespace

log_config log_config::defaults() {
  log_config result;
  handler console;
  console.pattern = standard_pattern;
  result.handlers["console"] = std::move(console);
  result.loggers[""] = {log_level::warning, {"console"}, true};
  // What is printed is meant to be seen.
  for (const auto* name : {"stdout", "stderr", "caf"})
    result.loggers[name] = {log_level::info, {}, true};
  return result;
}

log_config log_config::load(std::string_view source) {
  if (const auto* ready = find_ready_config(source))
    return parse(ready, std::string{source});
  const std::string name{source};
  errno = 0;
  std::ifstream file{name};
  std::ostringstream text;
  if (file)
    text << file.rdbuf();
  if (!file)
    throw usage_error{
      "log configuration '" + name + "': cannot be read: "
      + (errno != 0 ? std::strerror(errno) : "it is no file with text")
      + "; expected a file, 'development' or 'production'"};
  return parse(text.str(), name);
}

log_config log_config::parse(const std::string& text,
                             const std::string& source) {
  try {
    const auto all = YAML::Load(text);
    return reader{}.read(item{all, source, ""});
  } catch (const YAML::Exception& error) {
    throw usage_error{source + ":" + std::to_string(error.mark.line + 1) + ":"
                      + std::to_string(error.mark.column + 1)
                      + ": not YAML: " + error.msg};
  }
}

} // namespace puma::internal
