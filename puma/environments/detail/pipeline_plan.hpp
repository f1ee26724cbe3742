// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/environment.hpp"
#include "puma/environments/pipeline_runner.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace puma {

class runtime;

/// What is said about one buffer of a `pipeline`; what is left out is as the
/// pipeline has it.
struct edge_options {
  std::string name = {}; ///< Otherwise "a -> b", after the stages beside it.
  std::optional<std::size_t> capacity = {};
  std::optional<buffer_options> options = {};
};

/// What holds for the buffers of a `pipeline` for which nothing else is said.
struct pipeline_options {
  std::size_t capacity = 1024;
  buffer_options options = {};
};

} // namespace puma

namespace puma::detail {

using environment_ptr = std::shared_ptr<const environment>;

/// How a pipeline looks into environments.
struct environment_access {
  /// Returns a copy, also of a supervisor.
  static environment_ptr share(const environment& x);
  static const runtime* runtime_of(const environment& x) { return &x.owner(); }
};

/// A buffer of a pipeline.
class pipeline_edge {
 public:
  virtual ~pipeline_edge() = default;

  /// Makes the buffer, unless it is a given one.
  virtual void make(const environment& where, std::string name,
                    std::size_t capacity, buffer_options options)
    = 0;

  /// Returns the buffer; null before it is made.
  [[nodiscard]] virtual buffer_core_ptr core() const = 0;

  edge_options said;
  bool is_given = false;
  bool closes_loop = false;
  std::vector<std::size_t> from; // the numbers of the stages
  std::vector<std::size_t> to;
};

template <class T>
class typed_edge final : public pipeline_edge {
 public:
  void make(const environment& where, std::string name, std::size_t capacity,
            buffer_options options) override {
    if (!is_given)
      handle = where.make_buffer<T>(std::move(name), capacity, options);
  }

  [[nodiscard]] buffer_core_ptr core() const override {
    return handle == buffer<T>{} ? nullptr : handle.shared_core();
  }

  buffer<T> handle;
};

/// Where a stage is made.
struct stage_place {
  const environment& where;
  bool own_thread;

  template <class Recipe>
  [[nodiscard]] stage_host make(Recipe recipe) const {
    return own_thread ? where.make(dedicated, std::move(recipe))
                      : where.make(std::move(recipe));
  }

  template <class Runnable, class... Args>
  [[nodiscard]] stage_host make_of(Args&&... args) const {
    return own_thread
             ? where.make<Runnable>(dedicated, std::forward<Args>(args)...)
             : where.make<Runnable>(std::forward<Args>(args)...);
  }
};

/// What is known of a stage besides its types.
struct stage_settings {
  std::string name;
  environment_ptr where;
  bool own_thread = false;
};

/// What a pipeline consists of, while it is built.
///
/// *Threads.* To be used by one thread at a time.
class pipeline_plan {
 public:
  pipeline_plan(const environment& where, const pipeline_options& options);
  pipeline_plan(const pipeline_plan&) = delete;
  pipeline_plan& operator=(const pipeline_plan&) = delete;
  ~pipeline_plan();

  // -- edges, known by their numbers ------------------------------------------

  template <class T>
  std::size_t add_edge() {
    return add(std::make_unique<typed_edge<T>>());
  }

  /// Returns the edge that is a buffer of the user's, which `by` names.
  template <class T>
  std::size_t given_edge(const buffer<T>& x, std::string_view by) {
    auto result = std::make_unique<typed_edge<T>>();
    result->handle = x;
    result->is_given = true;
    return given(std::move(result), by);
  }

  /// Makes one edge of two of the same type, and returns it.
  std::size_t unite(std::size_t a, std::size_t b);

  void say(std::size_t edge, edge_options what);
  void close_loop(std::size_t edge);

  template <class T>
  [[nodiscard]] const buffer<T>& handle(std::size_t edge) const {
    return static_cast<const typed_edge<T>&>(*edges_[root(edge)]).handle;
  }

  // -- stages -----------------------------------------------------------------

  /// Adds a stage. `make(*this, place)` is called when the buffers are there,
  /// and returns its runner. `also_to` are other buffers that it gets.
  template <class Make>
  void add_stage(stage_settings settings, std::vector<std::size_t> in,
                 std::vector<std::size_t> out, Make make,
                 std::vector<buffer_core_ptr> also_to = {}) {
    add_stage({std::move(settings), std::move(in), std::move(out),
               std::make_unique<typed_maker<Make>>(std::move(make)),
               std::move(also_to)});
  }

  /// Checks everything, and prepares all stages. Throws one `usage_error` with
  /// all that is wrong.
  [[nodiscard]] pipeline_runner make();

 private:
  class maker {
   public:
    virtual ~maker() = default;
    virtual stage_host make(const pipeline_plan& plan, stage_place place) = 0;
  };

  template <class Make>
  class typed_maker final : public maker {
   public:
    explicit typed_maker(Make&& make) : make_(std::move(make)) {}

    stage_host make(const pipeline_plan& plan, stage_place place) override {
      return make_(plan, place);
    }

   private:
    Make make_;
  };

  struct planned_stage {
    stage_settings settings;
    std::vector<std::size_t> in;
    std::vector<std::size_t> out;
    std::unique_ptr<maker> how;
    std::vector<buffer_core_ptr> also_to;
  };

  std::size_t add(std::unique_ptr<pipeline_edge> x);
  std::size_t given(std::unique_ptr<pipeline_edge> x, std::string_view by);
  std::optional<std::size_t> find(const buffer_core_ptr& x) const;
  void add_stage(planned_stage x);
  [[nodiscard]] std::size_t root(std::size_t edge) const;
  [[nodiscard]] std::string name_of(std::size_t edge) const;
  [[nodiscard]] std::string described(std::size_t edge) const;
  void check_names();
  void check_places();
  void check_publishers();
  void check_subscribers();
  void check_loops();
  [[nodiscard]] std::vector<std::size_t> next_of(std::size_t stage,
                                                 bool through_loops) const;
  [[nodiscard]] bool publishes(std::size_t stage, std::size_t edge) const;
  [[nodiscard]] bool reaches(std::size_t from, std::size_t to) const;
  void make_buffers();
  pipeline_runner make_stages();

  environment_ptr where_;
  pipeline_options options_;
  std::vector<std::unique_ptr<pipeline_edge>> edges_;
  std::vector<std::size_t> united_; // into which edge; itself if none
  std::vector<planned_stage> stages_;
  std::vector<std::string> problems_;
  bool made_ = false;
};

} // namespace puma::detail
