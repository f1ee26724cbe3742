// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_queue.hpp"

#include "puma/base/error.hpp"
#include "tests/support/forks.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using puma::log_level;
using puma::internal::log_queue;
using puma::internal::log_record;

namespace {

constexpr std::size_t small = 64 * 1024;

log_record line(std::string_view text, log_level level = log_level::info) {
  log_record result;
  result.level = level;
  result.logger = "a.logger";
  result.file = "file.cpp";
  result.line = 7;
  result.process_id = 11;
  result.thread_id = 12;
  result.text = text;
  return result;
}

/// Returns how many lines fit.
int fill(log_queue& queue, log_level level) {
  const std::string text(100, 'x');
  int count = 0;
  while (queue.push(line(text, level)) != log_queue::push_result::dropped)
    ++count;
  return count;
}

} // namespace

TEST(log_queue, gives_lines_back_in_order_with_numbers_and_times) {
  const auto queue = log_queue::make(small);
  queue->push(line("one"));
  queue->push(line("two", log_level::error));

  const auto first = queue->front();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->text, "one");
  EXPECT_EQ(first->logger, "a.logger");
  EXPECT_EQ(first->file, "file.cpp");
  EXPECT_EQ(first->line, 7u);
  EXPECT_EQ(first->process_id, 11u);
  EXPECT_EQ(first->thread_id, 12u);
  EXPECT_EQ(first->sequence, 0u);
  const auto time = first->time;
  queue->pop();
  const auto second = queue->front();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->text, "two");
  EXPECT_EQ(second->level, log_level::error);
  EXPECT_EQ(second->sequence, 1u);
  EXPECT_GE(second->time, time);
  queue->pop();
  EXPECT_FALSE(queue->front());
}

TEST(log_queue, can_be_used_for_ever) {
  const auto queue = log_queue::make(small);
  const std::string text(777, 'x');
  for (int i = 0; i != 1'000; ++i) {
    ASSERT_NE(queue->push(line(text + std::to_string(i))),
              log_queue::push_result::dropped);
    ASSERT_EQ(queue->front()->text, text + std::to_string(i));
    queue->pop();
  }
}

TEST(log_queue, drops_and_counts_what_has_no_room) {
  const auto queue = log_queue::make(small);
  const auto count = fill(*queue, log_level::info);
  EXPECT_GT(count, 100);
  EXPECT_EQ(queue->dropped(), 1u);

  queue->pop(); // nothing: there was no front
  EXPECT_TRUE(queue->front());
  queue->pop();
  EXPECT_NE(queue->push(line("again")), log_queue::push_result::dropped);
}

TEST(log_queue, counts_no_lines_that_are_tried_again) {
  const auto queue = log_queue::make(small);
  fill(*queue, log_level::error);
  const auto dropped = queue->dropped();

  EXPECT_EQ(queue->push(line("again"), log_queue::attempt::first),
            log_queue::push_result::dropped);

  EXPECT_EQ(queue->dropped(), dropped);
}

TEST(log_queue, shows_dropped_lines_as_gaps) {
  const auto queue = log_queue::make(small);
  const auto count = fill(*queue, log_level::info);
  while (queue->front())
    queue->pop();

  queue->push(line("after"));

  EXPECT_EQ(queue->front()->sequence, static_cast<std::uint64_t>(count) + 1);
}

TEST(log_queue, keeps_room_for_warnings) {
  const auto queue = log_queue::make(small);
  fill(*queue, log_level::info);

  EXPECT_GT(fill(*queue, log_level::warning), 50);
}

TEST(log_queue, lets_lines_wait_for_room_if_told) {
  const auto queue = log_queue::make(small);
  fill(*queue, log_level::error);
  queue->set_patience(10'000);

  std::thread reader{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
    EXPECT_TRUE(queue->front());
    queue->pop();
  }};
  EXPECT_NE(queue->push(line("patient", log_level::error)),
            log_queue::push_result::dropped);
  reader.join();
}

TEST(log_queue, cuts_texts_that_are_too_long) {
  const auto queue = log_queue::make(small);
  queue->push(line(std::string(small, 'x')));

  const auto text = queue->front()->text;
  EXPECT_EQ(text.size(), queue->capacity() / 8 + 6);
  EXPECT_TRUE(text.ends_with("xxx [cut]"));
}

TEST(log_queue, tells_a_writer_to_wake_a_sleeping_reader_once) {
  const auto queue = log_queue::make(small);
  EXPECT_TRUE(queue->fall_asleep());

  EXPECT_EQ(queue->push(line("one")), log_queue::push_result::reader_sleeps);
  EXPECT_EQ(queue->push(line("two")), log_queue::push_result::accepted);
  EXPECT_FALSE(queue->fall_asleep());
}

TEST(log_queue, passes_levels_to_writers) {
  const auto queue = log_queue::make(small);
  const auto before = queue->level_generation();

  EXPECT_TRUE(queue->set_levels("levels"));

  EXPECT_NE(queue->level_generation(), before);
  EXPECT_EQ(queue->levels(), "levels");
  EXPECT_FALSE(queue->set_levels(std::string(100'000, 'x')));
}

TEST(log_queue, keeps_lines_of_processes_that_are_killed) {
  if (!puma_test::forks_may_allocate)
    GTEST_SKIP() << "AddressSanitizer may have locked the memory of a fork";
  const auto queue = log_queue::make(small);

  const auto child = ::fork();
  if (child == 0) {
    const auto other = log_queue::attach(::dup(queue->descriptor()));
    other->push(line("last words"));
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);

  ASSERT_TRUE(queue->front());
  EXPECT_EQ(queue->front()->text, "last words");
}

TEST(log_queue, goes_on_after_writers_that_are_killed_at_any_time) {
  const auto queue = log_queue::make(small);
  const std::string text(500, 'x');
  for (int i = 0; i != 50; ++i) {
    const auto child = ::fork();
    if (child == 0) {
      for (;;)
        queue->push(line(text));
    }
    while (!queue->front())
      std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::microseconds{37 * i});
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (; queue->front(); queue->pop())
      ASSERT_EQ(queue->front()->text.size(), 500u);
    ASSERT_NE(queue->push(line("alive")), log_queue::push_result::dropped);
    ASSERT_EQ(queue->front()->text, "alive");
    queue->pop();
  }
  EXPECT_FALSE(queue->was_damaged());
}

TEST(log_queue, survives_writers_that_damage_it) {
  // Every word of what a writer shares, one after the other.
  const auto size = [] {
    const auto queue = log_queue::make(small);
    const auto at = ::lseek(queue->descriptor(), 0, SEEK_END);
    return static_cast<std::size_t>(at) - queue->capacity();
  }();
  for (const std::uint64_t junk :
       {~std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 40U}) {
    for (std::size_t at = 0; at < 64; at += 8) {
      const auto queue = log_queue::make(small);
      queue->push(line("one"));
      ::pwrite(queue->descriptor(), &junk, sizeof(junk),
               static_cast<off_t>(size + at));
      for (int i = 0; i != 100 && queue->front(); ++i)
        queue->pop();
      EXPECT_FALSE(queue->front());
    }
  }
}

TEST(log_queue, refuses_descriptors_of_something_else) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_THROW(log_queue::attach(ends[0]), puma::error);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(log_queue, cannot_be_shortened_by_writers) {
  const auto queue = log_queue::make(small);
  EXPECT_NE(::ftruncate(queue->descriptor(), 0), 0);
}
