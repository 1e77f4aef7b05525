# SPDX-License-Identifier: Apache-2.0
add_executable(tok_dump oracle/tok_dump.c)
target_link_libraries(tok_dump PRIVATE hs_tok)
include(${CMAKE_CURRENT_LIST_DIR}/bench/tok.cmake)
