// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/node_error.hpp"
#include "puma/environments/worker_environment.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace puma {

class runtime;

namespace internal {
class remote_host;
} // namespace internal

/// What this side shows to nodes, and wants to see of them. A runtime of
/// `puma::main` takes what is left empty from its command line: see
/// `--puma-help`.
struct node_credentials {
  std::string certificate{}; ///< A PEM file, with what leads to the CA.
  std::string key{};         ///< A PEM file with its private key.
  std::string ca{}; ///< A PEM file: who signed the certificates of nodes.

  /// A secret that all nodes of a cluster know, beside certificates.
  std::string token{};

  /// Allows `tcp://`: anybody in the network can then read and change what goes
  /// over it. The node has to allow it, too.
  bool insecure = false;
};

/// Options of a `node`.
struct node_options {
  /// What it is called in errors and log lines; empty: its address.
  std::string name{};

  node_credentials credentials{};

  /// The name that its certificate has to be for; empty: the host of the
  /// address.
  std::string host_name{};

  /// Worker processes there that share the runnables, in turn; 0 stands for one
  /// process per runnable, which ends with it.
  std::size_t workers = 0;

  /// Scheduler threads of each worker; 0 stands for one per core of that host
  /// where workers are shared, and for one otherwise.
  std::size_t threads = 0;

  /// How long one try to connect may take, with all that is shown and proved.
  std::chrono::milliseconds connect_timeout{5'000};

  /// How long a runnable waits for a node to come back that is not there when
  /// it is to start. It is tried again and again, at growing intervals.
  std::chrono::milliseconds reconnect_timeout{30'000};

  /// How long a worker may take until it answers for the first time.
  std::chrono::milliseconds start_timeout{30'000};

  /// How often the node and its workers are asked for a sign of life.
  std::chrono::milliseconds ping_interval{500};

  /// A node or a worker that does not answer for so long is given up, and what
  /// ran there fails; 0 never does that. Time during which this process stood
  /// still itself does not count. A node ends what it runs for an owner that it
  /// has not heard of for twice as long.
  std::chrono::milliseconds answer_timeout{3'000};

  /// Whether a connection that breaks is made anew, and goes on where it was
  /// cut, within `answer_timeout` (or `reconnect_timeout` where that is 0):
  /// nothing is lost then, and nothing comes twice. Without it a connection
  /// that breaks is a lost worker. Empty: with TLS only, which passes bytes on
  /// anyway; otherwise connections lead straight to the workers, which is
  /// faster.
  std::optional<bool> resume{};

  /// Whether what workers print is logged line by line, by the loggers `stdout`
  /// and `stderr`. Otherwise it goes where the output of the node goes.
  bool capture_output = true;
};

/// Runs runnables on another host, where the same executable has been started
/// as a node: `./app --puma-node tls://0.0.0.0:4711`. In all else it is as a
/// `process_environment`.
///
/// *Security.* Both sides show a certificate that the given CA has signed, the
/// node one that is for the expected host; both prove that they have the same
/// token, and say which build they run. Before that a node neither tells nor
/// does anything. Whoever may connect may run code there.
///
/// *Threads.* As any environment. Connections are made by a thread of the
/// node's own: one that hangs holds up nothing else.
///
/// *Lifetime.* A cheap handle; its runtime must outlive it. The workers at the
/// node end with the runtime, or when the connection is lost.
///
/// *Failure.* `connect` throws a `node_error`. Later a node that is lost is an
/// error of type `process_lost` of each runnable there, and of the streams that
/// it published to. The handle stays good: what is started later connects
/// again, and supervised runnables restart there when the node is back.
class node final : public worker_environment {
 public:
  /// Throws `usage_error` for an address, options or certificates that are of
  /// no use. Does not connect yet.
  node(runtime& rt, const std::string& address, node_options options = {});

  /// Connects, unless it is connected: waits at most `connect_timeout`. Throws
  /// a `node_error`; see there for the kinds.
  void connect() const;

  [[nodiscard]] bool is_connected() const;

  [[nodiscard]] const std::string& name() const noexcept;

 protected:
  std::shared_ptr<const environment> share() const override;

 private:
  std::shared_ptr<internal::remote_host> host_;
};

} // namespace puma
