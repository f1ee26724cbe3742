# SPDX-License-Identifier: Apache-2.0

# The examples: one puma_example(...) each. Paths are relative to examples/.

puma_example(010_hello_runnable EXPECT "^hello world\nhello puma$")
puma_example(
  020_buffer_publish_subscribe EXPECT
  "^first subscription: a\nsecond subscription: b c d\nthe end$")
puma_example(
  030_backpressure EXPECT
  "^accepted 4, full at \"e\"\n10 ms later: full\nwith room again: accepted\nwaiting: b c d e\nlatest of 5: 5, dropped 4$"
)
puma_example(
  040_complete_and_fail EXPECT
  "^1 2 3, completed\n1 2, failed: not a number: x\nit came from parser, on_value"
)
puma_example(050_three_stage_pipeline EXPECT
             "^sum of the squares of 1 to 1000: 333833500$")
puma_example(
  060_calls_and_status EXPECT
  "^factor was 1\n3 6 9\nstatus: 3 values\nrefused: a factor must not be 0$")
puma_example(070_ticks EXPECT
             "^tick at 0 ms\ntick at 10 ms\ntick at 20 ms$")
puma_example(
  080_references
  PROCESSES
  EXPECT
  "^stored as 1: to be\nstored as 2: or not\nthe archive has 2 lines\nthe cache has 2 lines, and was never here$"
)
puma_example(
  110_two_processes PROCESSES EXPECT
  "^sum of the squares of 1 to 1000: 333833500\ncomputed in 3 processes$")
puma_example(
  120_a_process_dies PROCESSES EXPECT
  "^fragile: 1 2\nprocess_lost: .*was killed by .*\nsteady: 1 2 3, completed$")

puma_example(
  090_restarts
  EXPECT
  "^handled 1\nrestarted, 1 time.s.\nhandled 3\nrestarted, 2 time.s.\nhandled 5\ngave up on it:\n.*'guard': gave up on runnable 'fragile' after 2 restarts.*\n  after: runnable 'fragile': on_value .value 6 of buffer 'in'."
)

puma_example(
  100_dead_letters EXPECT
  "^sum of the others: 8\ndead after 3 attempts: \"2b\" .std::invalid_argument: not a number.$"
)

puma_example(130_with_caf_actors EXPECT
             "^sum of 1 to 1000, times 2: 1001000$")
target_link_libraries(130_with_caf_actors PRIVATE puma::caf)

find_package(GTest REQUIRED)
puma_example(140_testing_your_runnable EXPECT "PASSED.* 5 tests")
target_link_libraries(140_testing_your_runnable PRIVATE GTest::gtest_main)

puma_example(
  150_nested_supervisors
  EXPECT
  "^handled 3\nhandled 4\nhandled 5\nshutdown: went as far as drain\nbuffer 'parts': accepted 5, handled 3, failed 2$"
)

# -- the word count ------------------------------------------------------------

puma_example(
  word_count
  SOURCES
  word_count.cpp
  word_count/counter.cpp
  word_count/files.cpp
  word_count/pipeline.cpp
  word_count/progress_bar.cpp
  word_count/reader.cpp
  word_count/splitter.cpp
  ARGS
  "${CMAKE_CURRENT_SOURCE_DIR}"
  --top
  3
  EXPECT
  "^[0-9]+ [a-z]+\n[0-9]+ [a-z]+\n[0-9]+ [a-z]+\n")
target_link_libraries(word_count PRIVATE CLI11::CLI11)

# One test per case and environment, so that each has its own name and time
# limit.
foreach(
  case
  counts_like_tr_sort_uniq
  counts_words_across_block_borders
  prints_the_top_words_in_order
  says_that_a_directory_is_missing
  says_which_file_is_unreadable
  skips_binary_files
  takes_an_empty_directory
  leaves_out_links_and_special_files
  rejects_wrong_arguments
  says_that_an_interrupted_result_is_partial
  draws_a_progress_bar_on_a_terminal)
  foreach(environment thread process)
    set(name word_count.${environment}.${case})
    set(labels examples)
    if(environment STREQUAL "process")
      list(APPEND labels process)
    endif()
    add_test(
      NAME ${name}
      COMMAND
        "${Python3_EXECUTABLE}"
        "${PROJECT_SOURCE_DIR}/tests/examples/word_count_test.py"
        $<TARGET_FILE:word_count> ${environment} WordCount.test_${case})
    set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 60
                                            SKIP_RETURN_CODE 77)
  endforeach()
endforeach()

add_test(
  NAME word_count.nodes
  COMMAND
    "${Python3_EXECUTABLE}"
    "${PROJECT_SOURCE_DIR}/tests/examples/word_count_nodes_test.py"
    $<TARGET_FILE:word_count>)
set_tests_properties(
  word_count.nodes PROPERTIES LABELS "examples;process" TIMEOUT 60
                              SKIP_RETURN_CODE 77)

puma_example(
  160_one_log
  PROCESSES
  EXPECT
  "app: sends 2 texts\nworker-1 debug parser.a: got 5 characters\n(.*\n)*worker-1 warning parser.a: skipped an empty text\n"
)

puma_example(
  220_pool
  PROCESSES
  EXPECT
  "7: process_lost\nfactors: 12 = 2 2 3, 49 = 7 7, 97 = 97, 1001 = 7 11 13\n")
puma_example(
  230_executor EXPECT "async: 42\nmap: 1 4 9 16 25\n20 is too much after 18 19\n")

puma_example(
  240_scoped_attributes
  PROCESSES
  EXPECT
  "^handled 3 of 5: apple, pear, plum\nthe parent has no lines\nlimit here 4, there 3$"
)
puma_example(250_shared_values PROCESSES EXPECT "^hits 3000\nin turn: 123$")

puma_example(170_multicast EXPECT
             "^stored: 1 2 3 4\nshown: 3 4\nsampled: 3, dropped 1$")
puma_example(
  180_distribute_and_merge EXPECT
  "^ann: 1 2 3\nbob: 1 2 3\neve: 1 2 3\ncounted by 2 runnables$")
puma_example(
  200_parallel_transform
  PROCESSES
  EXPECT
  "^2 3 5 7 11 13 17 19 23 29 31 37 41 43 47\ncomputed in 4 processes\nfailed after 4: not a number$"
)

puma_example(
  190_batch_and_throttle
  EXPECT "^a batch of 4, a batch of 4, a batch of 2\ntook at least 20 ms$")

puma_example(
  210_pipeline
  EXPECT
  "^words: 10, longest: pipeline\npipeline: 2 problems\n- 2 stages have the name 'again'\n- buffer 'texts': several stages read from it .'again', 'again'., "
)
