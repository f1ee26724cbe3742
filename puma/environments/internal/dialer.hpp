// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/channel.hpp"
#include "puma/environments/internal/greeting.hpp"
#include "puma/environments/internal/net_address.hpp"
#include "puma/environments/internal/net_socket.hpp"
#include "puma/environments/internal/pump.hpp"
#include "puma/environments/internal/resumable_stream.hpp"
#include "puma/environments/internal/tls.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <semaphore>
#include <string>
#include <vector>

namespace puma::internal {

/// A node, and what it takes to be let in.
struct node_target {
  net_address where;
  std::string host_name; ///< Whom the certificate is for; empty: see `where`.
  std::string token;
  std::string title; ///< Goes before the text of errors.
  std::chrono::milliseconds silence_limit{0}; ///< See `limit_silence`; 0: none.
};

/// How long connections that break may take to go on; nothing: they do not.
using stream_grace = std::optional<std::chrono::milliseconds>;

/// Makes connections to nodes, and makes those anew that break.
///
/// *Threads.* All functions may be called from any thread; those that connect
/// wait, with signals blocked.
class dialer {
 public:
  /// Uses `tls` for `tls://`, which must outlive it.
  explicit dialer(tls_context* tls);

  dialer(const dialer&) = delete;
  dialer& operator=(const dialer&) = delete;

  /// Ends all connections that it passes bytes on for.
  ~dialer();

  /// Greets a node; returns what leads there, and in `answer` what it said.
  /// Tries again when it is sent away because too many came at once, unless it
  /// is a stranger there. Throws an error of
  /// `puma/environments/node_error.hpp`.
  std::unique_ptr<channel> greet(const node_target& whom,
                                 const node_request& what,
                                 const wait_limit& limit, std::string& answer,
                                 const node_route& route = {});

  /// Makes a connection. Throws as `greet`.
  owned_descriptor open(const node_target& whom, node_request what,
                        const wait_limit& limit, stream_grace grace);

  /// Connections that are broken are not to go on.
  void give_up_broken();

  /// Calls off all waiting, now and in future.
  void cancel() noexcept;

  /// Limits waiting to what comes before `deadline` and `cancel`.
  [[nodiscard]] wait_limit
  until(std::chrono::steady_clock::time_point deadline) const noexcept {
    return {deadline, cancel_.get()};
  }

  /// Waits; false when it was called off.
  [[nodiscard]] bool pause(std::chrono::milliseconds time) const noexcept;

  /// What passes bytes on.
  [[nodiscard]] pump_set& pumps() noexcept { return pumps_; }

 private:
  enum class attempt { succeeded, failed, is_over };

  /// Limits how many greet at a time, since nodes send away who comes beyond.
  static constexpr std::ptrdiff_t most_resuming = 16;

  std::unique_ptr<channel> greet_once(const node_target& whom,
                                      const node_request& what,
                                      const wait_limit& limit,
                                      std::string& answer,
                                      const node_route& route);
  [[nodiscard]] bool pause_about(std::chrono::milliseconds time);
  owned_descriptor make_resumable(const node_target& whom,
                                  std::unique_ptr<byte_end> first,
                                  const stream_token& token,
                                  std::chrono::milliseconds grace);
  void resume(resumable_stream& stream, const node_target& whom,
              const node_request& what);
  [[nodiscard]] attempt
  try_to_resume(resumable_stream& stream, const node_target& whom,
                const node_request& what,
                std::chrono::steady_clock::time_point until);

  tls_context* const tls_;
  const owned_descriptor cancel_; // becomes readable at the end

  std::counting_semaphore<most_resuming> resuming_{most_resuming};
  std::mutex mutex_;
  std::mt19937 random_{std::random_device{}()};
  std::vector<std::weak_ptr<resumable_stream>> streams_;

  pump_set pumps_; // last: its threads use what is above
};

/// Two numbers that nobody can guess.
std::array<std::uint64_t, 2> make_token();

/// Whether another try to connect may end otherwise.
[[nodiscard]] bool is_passing(const std::exception_ptr& failed);

/// How long to wait before another try, and at most if it fails again and
/// again.
inline constexpr std::chrono::milliseconds least_pause{50};
inline constexpr std::chrono::milliseconds most_pause{2'000};

} // namespace puma::internal
