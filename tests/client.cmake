# SPDX-License-Identifier: Apache-2.0
add_library(fake_daemon STATIC unit/fake_daemon.c)
target_link_libraries(fake_daemon PUBLIC hs_wire hsfeed_static Threads::Threads)
target_include_directories(fake_daemon PRIVATE ${CMAKE_SOURCE_DIR}/client/lib)
hs_test(test_client unit/test_client.c fake_daemon)
hs_test(test_client_files unit/test_client_files.c fake_daemon)
hs_test(test_client_stream unit/test_client_stream.c fake_daemon)
add_library(fake_stream STATIC unit/fake_stream.c unit/fake_packed.c)
target_link_libraries(fake_stream PUBLIC fake_daemon PkgConfig::CMOCKA)
hs_test(test_client_ring unit/test_client_ring.c fake_stream)
hs_test(test_client_ahead unit/test_client_ahead.c fake_stream)
hs_test(test_client_ring_lies unit/test_client_ring_lies.c fake_stream)
hs_test(test_client_reopen unit/test_client_reopen.c fake_stream)
hs_test(test_client_lists unit/test_client_lists.c fake_stream)
add_library(packed_fixture STATIC unit/packed_fixture.c)
target_link_libraries(packed_fixture PUBLIC hs_wire hs_rows hsfeed_static PkgConfig::CMOCKA)
target_include_directories(packed_fixture PUBLIC ${CMAKE_SOURCE_DIR}/client/lib)
hs_test(test_client_packed unit/test_client_packed.c packed_fixture)
hs_test(test_client_packed_stream unit/test_client_packed_stream.c fake_stream)
hs_test(test_client_value unit/test_client_value.c fake_daemon)
hs_test(test_client_plans unit/test_client_plans.c fake_daemon)
hs_test(test_client_fault unit/test_client_fault.c fake_stream)
target_link_options(test_client_fault PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
                    -Wl,--wrap=strdup)

# The shared library exports what the header declares and nothing else; the header is C++ too.
add_test(NAME client_exports COMMAND ${CMAKE_COMMAND} -DLIBRARY=$<TARGET_FILE:hsfeed>
         -DHEADER=${CMAKE_SOURCE_DIR}/include/hsfeed.h -P ${CMAKE_CURRENT_SOURCE_DIR}/lint/exports.cmake)
find_program(HSFEED_CXX NAMES c++ g++ clang++)
if(HSFEED_CXX)
  add_test(NAME client_header_is_cxx COMMAND ${HSFEED_CXX} -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror
           -fsyntax-only ${CMAKE_SOURCE_DIR}/include/hsfeed.h)
endif()
