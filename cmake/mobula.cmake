# How Mobula is compiled: one place for the language, the warnings, the packages and the helpers
# that make a component, a proto library and a test.

set(CMAKE_CXX_EXTENSIONS OFF)
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endif()
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
# A compiler cache where it pays. With precompiled headers it needs clang, which can leave the time
# out of them, and to be told that they hold no surprises.
find_program(MOBULA_CCACHE ccache)
if(MOBULA_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  if(NOT MOBULA_PRECOMPILE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${MOBULA_CCACHE})
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros ${MOBULA_CCACHE})
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
endif()

if(NOT PROJECT_IS_TOP_LEVEL)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # who links mobula::mobula from above sees ours too
endif()
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
set(Protobuf_USE_STATIC_LIBS OFF)
find_package(Protobuf REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CLI11 REQUIRED)
find_library(MOBULA_XXHASH_FILE xxhash REQUIRED)
set(MOBULA_XXHASH xxhash)  # by name: an installed package must not carry this machine's paths

# Compile flags of our own code only; a user's project never sees them.
add_library(mobula_flags INTERFACE)
target_compile_features(mobula_flags INTERFACE cxx_std_23)
target_compile_options(mobula_flags INTERFACE -Wall -Wextra -Wpedantic -Werror
  -Wno-psabi)  # only a note about a long gone ABI
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # With -O2, GCC 12 sees ghosts inside std::string and std::vector (its bugs 105329, 105651), and
  # takes the error side of a std::expected for read when it holds a value.
  target_compile_options(mobula_flags INTERFACE
    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  # The stable_sort of GCC 12's library calls what C++17 deprecated, and clang blames its caller.
  target_compile_options(mobula_flags INTERFACE -Wno-deprecated-declarations)
endif()
target_include_directories(mobula_flags INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR})
if(MOBULA_SANITIZE MATCHES "thread")
  # Asio has a fence that GCC cannot model.
  target_compile_options(mobula_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
endif()
if(MOBULA_SANITIZE)
  target_compile_options(mobula_flags INTERFACE
    -fsanitize=${MOBULA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(mobula_flags INTERFACE -fsanitize=${MOBULA_SANITIZE})
endif()

# A driver hashes its own program when it starts, and so does each zygote, so every byte in the file
# costs time then. Most of them are line numbers for the debugger, which reads them compressed too.
include(CheckLinkerFlag)
check_linker_flag(CXX LINKER:--compress-debug-sections=zstd MOBULA_LINKER_HAS_ZSTD)
if(MOBULA_LINKER_HAS_ZSTD)
  target_link_options(mobula_flags INTERFACE
    $<$<CONFIG:RelWithDebInfo>:LINKER:--compress-debug-sections=zstd>)
endif()

# mobula_component(NAME DEPS ...): library mobula_NAME of every .cc below this folder, with the
# .proto files beside them. EXCLUDE: files and folders ("api/") that are not part of it.
function(mobula_component name)
  cmake_parse_arguments(ARG "" "" "DEPS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  file(GLOB_RECURSE protos CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.proto)
  foreach(excluded IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/${excluded}")
    list(FILTER protos EXCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/${excluded}")
  endforeach()
  if(NOT sources)  # interfaces only, so far
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/no_sources_yet.cc)
    file(GENERATE OUTPUT ${sources} CONTENT "")
  endif()
  set(target mobula_${name})
  if(protos)
    mobula_proto(${target}_proto ${protos})
    list(APPEND ARG_DEPS ${target}_proto)
    set_property(GLOBAL APPEND PROPERTY MOBULA_LIBRARIES ${target}_proto)
  endif()
  add_library(${target} STATIC ${sources})
  target_link_libraries(${target} PUBLIC ${ARG_DEPS} PRIVATE $<BUILD_INTERFACE:mobula_flags>)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  mobula_precompile(${target})
  set_property(GLOBAL APPEND PROPERTY MOBULA_LIBRARIES ${target})
endfunction()

# The standard headers that nearly every file needs, compiled once and shared. Clang reads from a
# precompiled header only what a file uses, so that its one may hold Protobuf too.
function(mobula_precompile target)
  if(NOT MOBULA_PRECOMPILE)
    return()
  endif()
  if(target STREQUAL mobula_base)
    if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
      set(with_protobuf <google/protobuf/message.h>)
    endif()
    target_precompile_headers(${target} PRIVATE <algorithm> <chrono> <expected> <fmt/core.h>
      <functional> <map> <memory> <optional> <string> <unordered_map> <vector>
      ${with_protobuf})
  else()
    target_precompile_headers(${target} REUSE_FROM mobula_base)
  endif()
endfunction()

# The same for tests, with GTest. Sanitized ones are compiled fast and not for speed: the code they
# test is what runs long.
function(mobula_precompile_test target)
  if(MOBULA_SANITIZE)
    set(fast -O0)
  else()
    set(fast)
  endif()
  target_compile_options(${target} PRIVATE ${fast})
  if(NOT MOBULA_PRECOMPILE OR NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    return()
  endif()
  if(NOT TARGET mobula_test_headers)
    file(WRITE ${PROJECT_BINARY_DIR}/mobula_test_headers.cc "")
    add_library(mobula_test_headers OBJECT ${PROJECT_BINARY_DIR}/mobula_test_headers.cc)
    target_link_libraries(mobula_test_headers PRIVATE mobula_flags GTest::gmock GTest::gtest_main)
    target_compile_options(mobula_test_headers PRIVATE ${fast})
    target_precompile_headers(mobula_test_headers PRIVATE <algorithm> <chrono> <expected>
      <fmt/core.h> <functional> <map> <memory> <optional> <string> <unordered_map> <vector>
      <gmock/gmock.h> <gtest/gtest.h> <google/protobuf/message.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM mobula_test_headers)
endfunction()

# mobula_proto(TARGET FILES...): C++ of .proto files, included by their path from the root.
function(mobula_proto target)
  set(generated)
  foreach(proto IN LISTS ARGN)
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${proto})
    string(REGEX REPLACE "\\.proto$" ".pb" stem ${path})
    set(outputs ${PROJECT_BINARY_DIR}/${stem}.cc ${PROJECT_BINARY_DIR}/${stem}.h)
    add_custom_command(OUTPUT ${outputs}
      COMMAND protobuf::protoc --cpp_out=${PROJECT_BINARY_DIR} -I${PROJECT_SOURCE_DIR} ${proto}
      DEPENDS ${proto} VERBATIM)
    list(APPEND generated ${outputs})
  endforeach()
  if(NOT TARGET mobula_messages)
    add_custom_target(mobula_messages)  # what has to be generated before a source can be read
  endif()
  add_custom_target(${target}_messages DEPENDS ${generated})
  add_dependencies(mobula_messages ${target}_messages)
  add_library(${target} STATIC ${generated})
  add_dependencies(${target} ${target}_messages)
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}>)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_CLANG_TIDY "")
  if(MOBULA_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${MOBULA_SANITIZE})
  endif()
endfunction()

# mobula_test(NAME SOURCES ... LIBS ... [LABELS ...]): one GTest binary; each test is a CTest test.
function(mobula_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} mobula_flags GTest::gmock GTest::gtest_main)
  mobula_precompile_test(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# The one library a program names: mobula::mobula, everything above in one.
function(mobula_umbrella)
  get_property(libraries GLOBAL PROPERTY MOBULA_LIBRARIES)
  add_library(mobula_all INTERFACE)
  add_library(mobula::mobula ALIAS mobula_all)
  target_compile_features(mobula_all INTERFACE cxx_std_23)
  target_include_directories(mobula_all INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:include> $<INSTALL_INTERFACE:include/mobula_internal>)
  target_link_libraries(mobula_all INTERFACE ${libraries})
  set_target_properties(mobula_all PROPERTIES EXPORT_NAME mobula)
endfunction()
