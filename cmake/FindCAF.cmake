# SPDX-License-Identifier: Apache-2.0

#[[
Finds CAF, the C++ Actor Framework: 0.17.6 or a later 0.17.

Usage:   find_package(CAF 0.17.6 COMPONENTS core io)
Hints:   CAF_ROOT, the prefix CAF was installed to
Targets: CAF::core, CAF::io
Result:  CAF_FOUND, CAF_VERSION, CAF_<component>_FOUND

CAF 0.17 has no package configuration file of its own.
]]

include(FindPackageHandleStandardArgs)

if(NOT CAF_FIND_COMPONENTS)
  set(CAF_FIND_COMPONENTS core io)
endif()

find_path(CAF_INCLUDE_DIR NAMES caf/config.hpp)
mark_as_advanced(CAF_INCLUDE_DIR)

unset(CAF_VERSION)
unset(_caf_reason)
set(_caf_version_usable FALSE)
if(CAF_INCLUDE_DIR)
  # CAF_VERSION is {MAJOR}{MINOR}{PATCH} with two digits each: 1706 is 0.17.6.
  file(STRINGS "${CAF_INCLUDE_DIR}/caf/config.hpp" _caf_line
       REGEX "^#define CAF_VERSION [0-9]+$")
  if(_caf_line MATCHES "([0-9]+)$")
    math(EXPR _caf_major "${CMAKE_MATCH_1} / 10000")
    math(EXPR _caf_minor "${CMAKE_MATCH_1} / 100 % 100")
    math(EXPR _caf_patch "${CMAKE_MATCH_1} % 100")
    set(CAF_VERSION "${_caf_major}.${_caf_minor}.${_caf_patch}")
  endif()
  if(CAF_VERSION VERSION_GREATER_EQUAL 0.17.6 AND CAF_VERSION VERSION_LESS 0.18)
    set(_caf_version_usable TRUE)
  else()
    # Later releases define the version in another way.
    set(_caf_found_version "${CAF_VERSION}")
    if(NOT CAF_VERSION)
      set(_caf_found_version "a version that cannot be read")
    endif()
    string(
      CONCAT _caf_reason
             "puma needs CAF 0.17.6 or a later 0.17, because 0.18 has another "
             "API. ${CAF_INCLUDE_DIR} holds ${_caf_found_version}. Set CAF_ROOT "
             "to the prefix of a CAF 0.17.6.")
    unset(_caf_found_version)
  endif()
endif()

foreach(_caf_component IN LISTS CAF_FIND_COMPONENTS)
  find_library(CAF_${_caf_component}_LIBRARY NAMES caf_${_caf_component}
                                                   caf_${_caf_component}_static)
  mark_as_advanced(CAF_${_caf_component}_LIBRARY)
  if(CAF_INCLUDE_DIR AND CAF_${_caf_component}_LIBRARY)
    set(CAF_${_caf_component}_FOUND TRUE)
  endif()
endforeach()

# VERSION_VAR alone would accept 0.18 for `find_package(CAF 0.17.6)`.
find_package_handle_standard_args(
  CAF
  REQUIRED_VARS CAF_INCLUDE_DIR _caf_version_usable
  VERSION_VAR CAF_VERSION
  HANDLE_COMPONENTS REASON_FAILURE_MESSAGE "${_caf_reason}")

if(CAF_FOUND)
  foreach(_caf_component IN LISTS CAF_FIND_COMPONENTS)
    if(CAF_${_caf_component}_FOUND AND NOT TARGET CAF::${_caf_component})
      add_library(CAF::${_caf_component} UNKNOWN IMPORTED)
      set_target_properties(
        CAF::${_caf_component}
        PROPERTIES IMPORTED_LOCATION "${CAF_${_caf_component}_LIBRARY}"
                   INTERFACE_INCLUDE_DIRECTORIES "${CAF_INCLUDE_DIR}")
    endif()
  endforeach()
  # A static CAF::io has to come before CAF::core on the link line.
  if(TARGET CAF::io AND TARGET CAF::core)
    set_target_properties(CAF::io PROPERTIES INTERFACE_LINK_LIBRARIES CAF::core)
  endif()
endif()

unset(_caf_component)
unset(_caf_line)
unset(_caf_major)
unset(_caf_minor)
unset(_caf_patch)
unset(_caf_reason)
unset(_caf_version_usable)
