# SPDX-License-Identifier: Apache-2.0

# The test executables: one puma_test(...) or puma_compile_fail(...) each. Paths
# are relative to tests/.

# -- buffers -------------------------------------------------------------------

puma_test(
  buffers_test
  LABEL unit
  SOURCES buffers/call_events_test.cpp
          buffers/end_of_stream_test.cpp
          buffers/lifetime_test.cpp
          buffers/overflow_test.cpp
          buffers/publish_test.cpp
          buffers/receive_test.cpp
          buffers/storage_test.cpp
          buffers/stream_error_test.cpp)

puma_test(buffers_threads_test LABEL threads SOURCES buffers/threads_test.cpp
                                                     buffers/waiting_test.cpp)

puma_compile_fail(
  a_buffer_refuses_items_whose_move_may_throw
  compile_fail/throwing_move_item.cpp
  "error: static assertion failed: buffer values must be nothrow-movable")
foreach(item IN ITEMS const reference array)
  puma_compile_fail(
    a_buffer_refuses_${item}_items compile_fail/${item}_item.cpp
    "error: static assertion failed: a buffer holds plain object types")
endforeach()
puma_compile_fail(
  a_publisher_does_not_copy_move_only_items
  compile_fail/move_only_item_is_not_copied.cpp
  "error: (no matching function|cannot bind rvalue reference)")

# -- runnables, runners and environments ---------------------------------------

# What holds in every environment: compiled once, linked with the environment
# under test.
add_library(
  environment_tests OBJECT
  actors/backpressure_test.cpp
  actors/dedicated_test.cpp
  actors/endings_test.cpp
  actors/errors_test.cpp
  actors/functions_test.cpp
  actors/inputs_test.cpp
  actors/lifetime_test.cpp
  actors/runner_test.cpp
  actors/scope_test.cpp
  actors/several_publishers_test.cpp
  actors/source_test.cpp
  actors/values_test.cpp
  environments/drain_test.cpp
  environments/join_test.cpp
  environments/shared_test.cpp)
target_include_directories(environment_tests PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(environment_tests PRIVATE puma::puma puma_options
                                                GTest::gmock)

puma_test(
  virtual_environment_test
  LABEL unit
  SOURCES $<TARGET_OBJECTS:environment_tests> support/environments_virtual.cpp
          actors/pausing_test.cpp)

puma_test(
  thread_environment_test
  LABEL threads
  SOURCES $<TARGET_OBJECTS:environment_tests> support/environments_threads.cpp
          environments/hanging_test.cpp environments/scheduling_test.cpp
          environments/threads_test.cpp)
