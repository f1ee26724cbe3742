// SPDX-License-Identifier: Apache-2.0

#include "progress_bar.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

#include <unistd.h>

namespace word_count {

namespace {

constexpr std::size_t width = 30;
constexpr std::chrono::milliseconds interval{100};

double megabytes(std::uintmax_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

} // namespace

progress_bar::progress_bar(std::size_t files, std::uintmax_t bytes) noexcept
  : all_files_(files),
    all_bytes_(bytes),
    is_terminal_(::isatty(STDERR_FILENO) == 1) {}

progress_bar::~progress_bar() {
  clear();
}

void progress_bar::update(std::size_t files, std::uintmax_t bytes) {
  const auto now = std::chrono::steady_clock::now();
  if (!is_terminal_ || now < next_)
    return;
  next_ = now + interval;
  is_drawn_ = true;

  // Files may have grown since they were listed.
  const auto done = std::min(bytes, all_bytes_);
  const auto part = all_bytes_ == 0 ? 1.0
                                    : megabytes(done) / megabytes(all_bytes_);
  std::string bar(static_cast<std::size_t>(part * width), '=');
  bar.resize(width, ' ');
  std::fprintf(stderr, "\r[%s] %3.0f %%  %zu/%zu files  %.1f/%.1f MB\033[K",
               bar.c_str(), part * 100, files, all_files_, megabytes(done),
               megabytes(all_bytes_));
  std::fflush(stderr);
}

void progress_bar::clear() {
  if (!is_drawn_)
    return;
  is_drawn_ = false;
  std::fputs("\r\033[K", stderr);
}

} // namespace word_count
