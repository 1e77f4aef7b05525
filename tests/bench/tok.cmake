# SPDX-License-Identifier: Apache-2.0
add_executable(bench_tok bench/bench_tok.c)
target_link_libraries(bench_tok PRIVATE hs_tok)
