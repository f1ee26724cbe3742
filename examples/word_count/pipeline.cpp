// SPDX-License-Identifier: Apache-2.0

#include "pipeline.hpp"

#include "counter.hpp"
#include "progress_bar.hpp"
#include "reader.hpp"
#include "splitter.hpp"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace word_count {

namespace {

/// Makes a summary of all reports.
class collector {
 public:
  explicit collector(const file_list& files)
    : all_files_(files.paths.size()),
      progress_(all_files_, files.bytes) {
    for (const auto& x : files.failures)
      tell(x.path, x.reason);
  }

  void operator()(block_read& x) {
    bytes_ += x.bytes;
    unfinished_ = std::move(x.path);
    progress_.update(result_.files_done(), bytes_);
  }

  void operator()(const file_done& x) {
    unfinished_.clear();
    switch (x.result) {
    case file_done::outcome::read:
      ++result_.files_read;
      break;
    case file_done::outcome::binary:
      ++result_.files_skipped;
      tell(x.path, "skipped, it is a binary file");
      break;
    case file_done::outcome::failed:
      ++result_.files_failed;
      tell(x.path, x.reason);
    }
  }

  void operator()(totals& x) {
    auto& words = result_.words;
    words.words += x.words;
    words.different_words += x.different_words;
    std::move(x.top.begin(), x.top.end(), std::back_inserter(words.top));
  }

  [[nodiscard]] summary take(const pipeline_options& options) {
    result_.complete = result_.files_done() == all_files_;
    if (!unfinished_.empty())
      tell(unfinished_, "only partly counted");
    auto& top = result_.words.top;
    std::sort(top.begin(), top.end(), ranks_before);
    if (options.top != 0 && options.top < top.size())
      top.erase(top.begin() + static_cast<std::ptrdiff_t>(options.top),
                top.end());
    return std::move(result_);
  }

 private:
  void tell(const std::string& path, const std::string& what) {
    progress_.clear();
    std::cerr << "word_count: " << path << ": " << what << '\n';
  }

  std::size_t all_files_;
  std::uintmax_t bytes_ = 0;
  std::string unfinished_;
  progress_bar progress_;
  summary result_;
};

template <class T>
std::vector<puma::buffer<T>> make_buffers(const puma::environment& env,
                                          const std::string& name,
                                          const pipeline_options& options) {
  std::vector<puma::buffer<T>> result;
  for (std::size_t i = 1; i <= options.counters; ++i)
    result.push_back(
      env.make_buffer<T>(name + ' ' + std::to_string(i), options.capacity));
  return result;
}

template <class T>
bool all_taken(const std::vector<puma::buffer<T>>& buffers) {
  return std::all_of(buffers.begin(), buffers.end(),
                     [](const auto& x) { return x.stats().waiting == 0; });
}

} // namespace

summary run_pipeline(puma::runtime& rt, const puma::environment& env,
                     const file_list& files, const pipeline_options& options) {
  // [pipeline]
  const auto blocks = make_buffers<text_block>(env, "blocks", options);
  const auto batches = make_buffers<word_batch>(env, "batches", options);
  const auto reports = env.make_buffer<report>("reports", options.capacity);
  auto incoming = reports.subscribe();

  std::vector<puma::runner> runners;
  for (std::size_t i = 0; i != options.counters; ++i) {
    const auto number = std::to_string(i + 1);
    runners.push_back(
      env.run<counter>("counter " + number, batches[i], reports, options.top));
    runners.push_back(
      env.run<splitter>("splitter " + number, blocks[i], batches));
  }
  runners.push_back(
    env.run<reader>(puma::dedicated, files.paths, blocks, reports));

  collector collect{files};
  for (auto& x : incoming) // ends when the reader and all counters have
    std::visit(collect, x);
  rt.join();
  // [pipeline]

  auto result = collect.take(options);
  result.complete = result.complete && all_taken(blocks) && all_taken(batches);
  return result;
}

} // namespace word_count
