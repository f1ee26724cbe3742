# SPDX-License-Identifier: Apache-2.0

# Test executables of the sources in PUMA_LOCKCORE_SOURCES, which include no
# CAF. Paths are relative to tests/, so these begin with tsan/.

puma_test(chunked_test LABEL unit SOURCES tsan/chunked_test.cpp
                                          tsan/waiting_host_test.cpp)
puma_test(queue_race_test LABEL threads TIMEOUT 120
          SOURCES tsan/direct_race_test.cpp tsan/queue_race_test.cpp)

# Proves that the preset sees races: passes when one is reported.
if(PUMA_TSAN_ONLY)
  add_executable(planted_race tsan/planted_race.cpp)
  target_include_directories(planted_race PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(planted_race PRIVATE puma_lockcore puma_options)
  add_test(
    NAME a_planted_race_is_reported
    COMMAND ${puma_expect} --exit failure --match
            "WARNING: ThreadSanitizer: data race" -- $<TARGET_FILE:planted_race>)
  set_tests_properties(a_planted_race_is_reported PROPERTIES LABELS threads
                                                             TIMEOUT 60)
endif()

puma_test(sleepers_test LABEL threads SOURCES tsan/sleepers_test.cpp)
puma_test(polled_loop_test LABEL threads SOURCES tsan/polled_loop_test.cpp)
puma_test(job_inbox_test LABEL threads SOURCES tsan/job_inbox_test.cpp)
puma_test(alarm_clock_test LABEL threads SOURCES tsan/alarm_clock_test.cpp)
puma_test(run_queue_test LABEL threads SOURCES tsan/run_queue_test.cpp)
