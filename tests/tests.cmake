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

# -- calls ---------------------------------------------------------------------

puma_compile_fail(
  a_call_refuses_arguments_of_wrong_types compile_fail/call_wrong_argument.cpp
  "error: static assertion failed: call: the method does not take arguments")
puma_compile_fail(
  a_call_refuses_a_wrong_number_of_arguments
  compile_fail/call_missing_argument.cpp
  "error: static assertion failed: call: the method takes another number")
puma_compile_fail(
  a_call_refuses_methods_that_change_arguments
  compile_fail/call_reference_argument.cpp
  "error: static assertion failed: call: the method takes a non-const")
puma_compile_fail(
  a_reference_refuses_methods_of_other_classes
  compile_fail/call_foreign_method.cpp
  "error: static assertion failed: call: the method is one of another class")

# -- pools ---------------------------------------------------------------------

puma_compile_fail(
  a_pool_refuses_arguments_of_wrong_types compile_fail/submit_wrong_argument.cpp
  "error: static assertion failed: submit: the function does not take arguments")
puma_compile_fail(
  a_pool_refuses_results_that_its_buffer_does_not_take
  compile_fail/submit_wrong_result.cpp
  "error: static assertion failed: submit: the function must return what")
# -- attributes ----------------------------------------------------------------

puma_compile_fail(
  a_copied_attribute_refuses_what_cannot_be_copied
  compile_fail/copied_move_only.cpp
  "error: static assertion failed: copied: the value must be copyable")
puma_compile_fail(
  a_managed_attribute_refuses_to_copy_what_cannot_be_copied
  compile_fail/managed_copy_of_move_only.cpp
  "error: static assertion failed: manually_managed: what is to be copied")
puma_compile_fail(
  handing_over_needs_a_list_of_attributes
  compile_fail/handing_over_without_attributes.cpp
  "error: static assertion failed: run: the class has no public member")
puma_compile_fail(
  handing_over_takes_attributes_only
  compile_fail/handing_over_other_members.cpp
  "error: static assertion failed: run: attributes.. is to return")
puma_compile_fail(
  handing_over_needs_a_default_constructor
  compile_fail/handing_over_without_default_constructor.cpp
  "error: static assertion failed: run: a child is made by the default")

# -- routing -------------------------------------------------------------------

puma_compile_fail(
  a_multicaster_refuses_values_that_cannot_be_copied
  compile_fail/multicast_move_only.cpp
  "error: static assertion failed: multicaster: each output gets a copy")

# -- runnables, runners and environments ---------------------------------------

# What holds in every environment: compiled once, linked with the environment
# under test.
add_library(
  environment_tests OBJECT
  actors/backpressure_test.cpp
  actors/batcher_test.cpp
  actors/caf_test.cpp
  actors/calls_test.cpp
  actors/dedicated_test.cpp
  actors/distributor_test.cpp
  actors/endings_test.cpp
  actors/errors_test.cpp
  actors/functions_test.cpp
  actors/inputs_test.cpp
  actors/lifetime_test.cpp
  actors/merger_test.cpp
  actors/multicaster_test.cpp
  actors/parallel_transform_test.cpp
  actors/runner_test.cpp
  actors/status_test.cpp
  actors/scope_test.cpp
  actors/several_publishers_test.cpp
  actors/source_test.cpp
  actors/stopping_test.cpp
  actors/throttler_test.cpp
  actors/ticks_test.cpp
  actors/values_test.cpp
  attributes/attributes_test.cpp
  environments/drain_test.cpp
  environments/executor_test.cpp
  environments/join_test.cpp
  environments/pool_test.cpp
  environments/pipeline_test.cpp
  environments/shared_test.cpp
  environments/shutdown_test.cpp
  environments/supervision_test.cpp
  testing/fault_script_test.cpp)
target_include_directories(environment_tests PRIVATE "${PROJECT_SOURCE_DIR}")
target_precompile_headers(environment_tests PRIVATE ${puma_test_headers})
target_link_libraries(environment_tests PRIVATE puma::puma puma::caf
                                                puma_options GTest::gmock)

puma_test(
  virtual_environment_test
  LABEL unit
  SOURCES $<TARGET_OBJECTS:environment_tests> support/environments_virtual.cpp
          actors/batching_test.cpp actors/pausing_test.cpp
          actors/restarts_test.cpp actors/throttling_test.cpp
          actors/ticking_test.cpp environments/pool_growth_test.cpp)

puma_test(
  thread_environment_test
  LABEL threads
  SOURCES $<TARGET_OBJECTS:environment_tests> support/environments_threads.cpp
          environments/hanging_test.cpp environments/scheduling_test.cpp
          environments/pool_threads_test.cpp environments/threads_test.cpp)

add_executable(main_app environments/main_app.cpp)
target_link_libraries(main_app PRIVATE puma::puma puma_options)
# One test per case, so that each has its own name and time limit.
foreach(
  case
  lists_its_options
  names_an_unknown_option
  names_an_option_with_a_wrong_value
  names_an_option_without_its_value
  takes_options_of_a_file
  names_what_is_wrong_with_a_file_of_options
  makes_as_many_threads_as_told
  makes_one_thread_per_core
  leaves_the_other_arguments
  leaves_all_arguments_after_two_dashes
  returns_what_the_body_returns
  reports_an_exception_of_the_body
  reports_an_exception_without_text
  reports_an_error_that_nobody_took
  reports_an_error_that_join_threw
  reports_no_error_that_was_caught
  drains_at_a_signal
  closes_the_publisher_of_the_main_thread_at_a_signal
  stops_what_cannot_drain_after_the_drain_timeout
  stops_what_cannot_drain_at_the_second_signal
  ends_what_hangs_at_the_third_signal
  ends_what_hangs_some_time_after_the_second_signal
  names_what_hangs_after_the_drain_timeout)
  add_test(
    NAME main.${case}
    COMMAND
      "${Python3_EXECUTABLE}"
      "${CMAKE_CURRENT_SOURCE_DIR}/environments/main_test.py"
      $<TARGET_FILE:main_app> Main.test_${case})
  set_tests_properties(main.${case} PROPERTIES LABELS process TIMEOUT 60)
endforeach()

# -- pipelines -----------------------------------------------------------------

puma_compile_fail(
  a_pipeline_needs_a_source compile_fail/pipeline_without_source.cpp
  "error: static assertion failed: pipeline: has no source")
puma_compile_fail(
  a_pipeline_needs_a_sink compile_fail/pipeline_without_sink.cpp
  "error: static assertion failed: pipeline: nobody consumes the values")
puma_compile_fail(
  a_pipeline_needs_stages compile_fail/pipeline_without_stages.cpp
  "error: static assertion failed: pipeline: there is nothing in it")
puma_compile_fail(
  a_pipeline_ends_at_its_sink compile_fail/pipeline_after_sink.cpp
  "error: static assertion failed: pipeline: nothing can follow a stage")
puma_compile_fail(
  a_pipeline_has_one_source compile_fail/pipeline_second_source.cpp
  "error: static assertion failed: pipeline: a source can only stand")
puma_compile_fail(
  a_pipeline_refuses_transforms_of_other_types compile_fail/pipeline_transform_type.cpp
  "error: static assertion failed: pipeline: the function of transform does not")
puma_compile_fail(
  a_pipeline_refuses_transforms_to_nothing compile_fail/pipeline_transform_of_nothing.cpp
  "error: static assertion failed: pipeline: the function of transform returns")
puma_compile_fail(
  a_pipeline_refuses_filters_that_give_no_bool compile_fail/pipeline_filter_type.cpp
  "error: static assertion failed: pipeline: the function of filter must")
puma_compile_fail(
  a_pipeline_refuses_flat_maps_that_give_no_range compile_fail/pipeline_flat_map_type.cpp
  "error: static assertion failed: pipeline: the function of flat_map must")
puma_compile_fail(
  a_pipeline_refuses_sinks_of_other_types compile_fail/pipeline_for_each_type.cpp
  "error: static assertion failed: pipeline: the function of for_each does")
puma_compile_fail(
  a_pipeline_refuses_sources_that_give_no_optional compile_fail/pipeline_generate_type.cpp
  "error: static assertion failed: pipeline: the function of generate must")
puma_compile_fail(
  a_pipeline_refuses_buffers_of_other_types compile_fail/pipeline_buffer_type.cpp
  "error: static assertion failed: pipeline: the buffer is not one")
puma_compile_fail(
  a_pipeline_refuses_to_merge_other_types compile_fail/pipeline_merge_types.cpp
  "error: static assertion failed: pipeline: all branches of merge")
puma_compile_fail(
  a_pipeline_refuses_classes_of_other_types compile_fail/pipeline_class_type.cpp
  "error: static assertion failed: pipeline: the runnable of stage has no")
puma_compile_fail(
  a_pipeline_refuses_branches_of_different_ends
  compile_fail/pipeline_branch_types.cpp
  "error: static assertion failed: pipeline: either all branches")
puma_compile_fail(
  a_pipeline_refuses_to_copy_what_cannot_be_copied
  compile_fail/pipeline_multicast_of_move_only.cpp
  "error: static assertion failed: pipeline: multicast copies")

# -- processes -----------------------------------------------------------------

puma_test(launcher_test LABEL process OWN_MAIN SOURCES
          environments/launcher_test.cpp)

puma_test(resumable_stream_test LABEL threads SOURCES
          environments/resumable_stream_test.cpp)

# Its runnables and recipes are known to the workers, too.
add_library(shared_stage SHARED processes/shared_stage.cpp)
target_include_directories(shared_stage PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(shared_stage PRIVATE puma_options)

puma_test(
  process_environment_test
  LABEL process
  OWN_MAIN
  SOURCES processes/main.cpp
          processes/places.cpp
          processes/stages.cpp
          processes/proc.cpp
          processes/nodes.cpp
          processes/attributes_test.cpp
          processes/calls_test.cpp
          processes/deaths_test.cpp
          processes/errors_test.cpp
          processes/faults_test.cpp
          processes/functions_test.cpp
          processes/functions_other_file.cpp
          processes/handover_test.cpp
          processes/logging_test.cpp
          processes/monitor_test.cpp
          processes/pool_test.cpp
          processes/primitives_test.cpp
          processes/pipeline_test.cpp
          processes/restarts_test.cpp
          processes/routing_test.cpp
          processes/runner_test.cpp
          processes/shutdown_test.cpp
          processes/status_test.cpp
          processes/system_test.cpp
          processes/values_test.cpp
  LIBRARIES shared_stage)
target_precompile_headers(process_environment_test PRIVATE
                          ${puma_test_headers})

puma_test(
  node_test
  LABEL process
  OWN_MAIN
  SOURCES processes/main.cpp
          processes/places.cpp
          processes/stages.cpp
          processes/proc.cpp
          processes/nodes.cpp
          processes/by_hand.cpp
          processes/hostile.cpp
          processes/net_hosts.cpp
          processes/net_proxy.cpp
          processes/node_hostile_test.cpp
          processes/node_links_test.cpp
          processes/node_network_test.cpp
          processes/node_security_test.cpp
          processes/nodes_test.cpp
          processes/placement_test.cpp)

# Recipes must survive what drops unreferenced parts of a program.
foreach(how IN ITEMS gc_sections lto)
  add_executable(linked_app_${how} processes/linked_app.cpp)
  target_link_libraries(linked_app_${how} PRIVATE puma::puma puma_options)
  add_test(NAME linked_with_${how} COMMAND linked_app_${how})
  set_tests_properties(
    linked_with_${how} PROPERTIES LABELS process TIMEOUT 60
                                  PASS_REGULAR_EXPRESSION "sum 1001000")
endforeach()
target_compile_options(
  linked_app_gc_sections PRIVATE -O2 -ffunction-sections -fdata-sections)
target_link_options(linked_app_gc_sections PRIVATE -Wl,--gc-sections)
target_compile_options(linked_app_lto PRIVATE -O2 -flto)
target_link_options(linked_app_lto PRIVATE -O2 -flto -Wl,--gc-sections)

add_executable(process_app processes/app.cpp)
target_include_directories(process_app PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(process_app PRIVATE puma::puma ${puma_internal_libraries}
                                          puma_options)
foreach(
  case
  drains_when_the_group_gets_sigint
  drains_when_the_group_gets_sighup_and_then_the_owner_sigterm
  goes_on_after_the_group_was_stopped
  takes_its_workers_along_when_it_is_killed
  takes_its_workers_along_when_it_exits
  takes_stopped_workers_along_when_it_is_killed
  fails_when_a_worker_is_killed)
  add_test(
    NAME process_app.${case}
    COMMAND
      "${Python3_EXECUTABLE}"
      "${CMAKE_CURRENT_SOURCE_DIR}/processes/app_test.py"
      $<TARGET_FILE:process_app> App.test_${case})
  set_tests_properties(process_app.${case} PROPERTIES LABELS process TIMEOUT
                                                      60)
endforeach()

# -- values that cross process boundaries --------------------------------------

puma_test(codec_test LABEL unit SOURCES base/codec_test.cpp
                                        base/crossing_test.cpp)
puma_test(decoders_test LABEL unit SOURCES actors/crossing_test.cpp)
# Counts all allocations, which no other test should pay for.
puma_test(codec_mutation_test LABEL unit SOURCES base/codec_mutation_test.cpp)
puma_test(failure_wire_test LABEL unit SOURCES base/failure_wire_test.cpp)
puma_compile_fail(
  a_type_that_cannot_cross_is_not_encoded compile_fail/encode_pointer.cpp
  "error: static assertion failed: values of this type cannot cross")

# Hundreds of random orders of events each, which sanitizers slow down.
puma_test(links_test LABEL unit TIMEOUT 60 SOURCES environments/links_test.cpp)

# -- errors, logging and test support ------------------------------------------

puma_test(
  support_test
  LABEL unit
  SOURCES base/failure_test.cpp logging/log_config_test.cpp
          logging/log_handler_test.cpp logging/log_queue_test.cpp
          logging/log_test.cpp
          testing/capture_logs_test.cpp testing/virtual_runtime_test.cpp)
