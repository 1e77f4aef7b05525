# SPDX-License-Identifier: Apache-2.0
add_executable(source_dump oracle/source_dump.c)
target_link_libraries(source_dump PRIVATE hs_text)
