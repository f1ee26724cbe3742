// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/detail/ends.hpp"
#include "puma/buffers/subscriber.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace puma {

class runnable;
class source_runnable;

namespace internal {
class task;
struct supervised;
} // namespace internal

} // namespace puma

/// What runnables need from the host that runs them.
namespace puma::detail {

/// Returns the host whose hook is running on this thread.
///
/// @pre there is one
[[nodiscard]] internal::task& running_host() noexcept;

/// Says where the running host's runnable is about to be made. What is made
/// elsewhere meanwhile, such as by its constructor, is not the host's.
void announce_object(const void* begin, std::size_t size) noexcept;

/// Returns the host that is just making its runnable on this thread if `x` is
/// that runnable; otherwise null.
[[nodiscard]] internal::task* claim_host(const runnable& x) noexcept;

// -- scopes -------------------------------------------------------------------

/// Returns what tells scopes apart: that of the runnable whose hook is running
/// on this thread, and the one outside of runnables, which is null.
[[nodiscard]] const void* current_scope() noexcept;

/// Returns whether that runnable is just being made, and `part` is in it.
[[nodiscard]] bool is_in_construction(const void* part) noexcept;

/// Returns who that is, such as `runnable 'squarer'`.
[[nodiscard]] std::string describe_current_scope();

/// Adds an input, to be called from the host's scope. Returns its number.
std::size_t add_input(internal::task& host, const buffer_core& source,
                      const input_ops& ops, void* subscriber);

/// Holds an input back, or lets it go on.
void hold_input(internal::task& host, std::size_t number);
void resume_input(internal::task& host, std::size_t number);

/// Asks for `on_room`.
void await_room(internal::task& host) noexcept;

/// Declares that the runnable has inputs, and is wrong without any.
void require_input(internal::task& host);

/// Declares `source` as what the host asks for values.
void set_source(internal::task& host, source_runnable& source);

/// What names a recipe or a call in all processes of one executable.
struct crossing_key {
  std::string type;
  /// Where its decoder lies: tells types of the same name apart that different
  /// files define for themselves.
  std::string module;
  std::uint64_t offset = 0;
};

/// Makes one runnable in the scope where it will live.
class recipe {
 public:
  virtual ~recipe() = default;

  /// Makes the runnable; called at most once.
  [[nodiscard]] virtual std::unique_ptr<runnable> make() = 0;

  /// Makes it from copies, so that it can be made again.
  [[nodiscard]] virtual std::unique_ptr<runnable> make_again() const = 0;

  /// Returns why it cannot be made again; empty if it can.
  [[nodiscard]] virtual std::string repeat_obstacle() const = 0;

  /// Returns a name to be known by before the runnable exists.
  [[nodiscard]] virtual std::string name() const = 0;

  /// Returns what it is most likely to be called: the first argument, if that
  /// is a text; otherwise as `name`.
  [[nodiscard]] virtual std::string label() const { return name(); }

  /// Returns why it cannot be made in another process; empty if it can.
  [[nodiscard]] virtual std::string obstacle() const = 0;

  /// Encodes what it takes to make it in another process; nothing if it cannot
  /// be.
  [[nodiscard]] virtual std::optional<crossing_key>
  encode(encoder& to) const = 0;

  /// The buffers that the runnable may publish to. Their streams are held open
  /// until it has been made.
  std::vector<buffer_core_ptr> buffers;
};

using recipe_ptr = std::unique_ptr<recipe>;

/// What a supervisor knows of a runnable; null for one without supervisor.
using care_ptr = std::shared_ptr<internal::supervised>;

} // namespace puma::detail
