// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/node.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

/// Nodes for tests: further processes of this program.
namespace puma_test {

/// A directory for files of a test, which goes with this object.
class scratch_directory {
 public:
  scratch_directory();
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  ~scratch_directory();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Writes a file; returns its path.
  std::string write(const std::string& name, std::string_view text) const;

 private:
  std::string path_;
};

/// How a node is started.
struct node_setup {
  std::string scheme = "tcp";
  std::string host = "127.0.0.1";
  std::vector<std::string> arguments = {"--puma-insecure"};
  std::string executable = "/proc/self/exe";
};

/// A node. It is killed, with its processes, when this object goes.
class test_node {
 public:
  /// Starts it, and waits until it is ready.
  explicit test_node(node_setup setup = {});

  test_node(const test_node&) = delete;
  test_node& operator=(const test_node&) = delete;

  ~test_node();

  [[nodiscard]] std::string address() const;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  /// The processes that it has started.
  [[nodiscard]] std::vector<pid_t> sessions() const;

  /// Sends a signal to it and to all below it.
  void signal_all(int signal) const;

  void kill();

  /// Starts it again, at the same port.
  void start();

  /// What it has written to its log.
  [[nodiscard]] std::string log() const;

  /// Whether it has written that, perhaps a little later.
  [[nodiscard]] bool has_logged(std::string_view text) const;

 private:
  scratch_directory directory_;
  node_setup setup_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// Returns options with which tests connect.
[[nodiscard]] puma::node_options insecure_node(std::string name = {});

/// Returns the processes that `parent` has started.
[[nodiscard]] std::vector<pid_t> children_of(pid_t parent);

} // namespace puma_test
