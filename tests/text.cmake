# SPDX-License-Identifier: Apache-2.0
hs_test(test_source unit/test_source.c hs_text)
hs_test(test_refusals unit/test_refusals.c hs_text)
hs_test(test_text_nomem unit/test_text_nomem.c hs_text)
target_link_options(test_text_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)

add_executable(source_dump oracle/source_dump.c)
target_link_libraries(source_dump PRIVATE hs_text)
hs_test(fuzz_csv fuzz/fuzz_csv.c hs_text)
hs_test(test_near unit/test_near.c hs_text)
hs_test(test_shingle unit/test_shingle.c hs_text)
hs_test(test_near_nomem unit/test_near_nomem.c hs_text)
target_link_options(test_near_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)

add_executable(near_dump oracle/near_dump.c)
target_link_libraries(near_dump PRIVATE hs_text)
add_executable(bench_near bench/bench_near.c)
target_link_libraries(bench_near PRIVATE hs_text)
