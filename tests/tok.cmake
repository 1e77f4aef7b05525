# SPDX-License-Identifier: Apache-2.0
hs_test(test_tok unit/test_tok.c hs_tok)
hs_test(test_tok_load unit/test_tok_load.c hs_tok)
hs_test(test_tok_trie unit/test_tok_trie.c hs_tok)
hs_test(test_tok_golden unit/test_tok_golden.c hs_tok)
hs_test(test_tok_nomem unit/test_tok_nomem.c hs_tok)
target_link_options(test_tok_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
hs_test(fuzz_tok fuzz/fuzz_tok.c hs_tok)

add_executable(tok_dump oracle/tok_dump.c)
target_link_libraries(tok_dump PRIVATE hs_tok)
include(${CMAKE_CURRENT_LIST_DIR}/bench/tok.cmake)
