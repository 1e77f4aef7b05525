# SPDX-License-Identifier: Apache-2.0
hs_test(test_ingest_identity unit/test_ingest_identity.c hs_ingest)
hs_test(test_ingest_duplicates unit/test_ingest_duplicates.c hs_ingest)
hs_test(test_ingest_slurp unit/test_ingest_slurp.c hs_ingest)

# The parent's side, for whole ingests: these programs are their own child.
add_library(ingest_parent STATIC unit/ingest_parent.c)
target_include_directories(ingest_parent PUBLIC unit)
target_link_libraries(ingest_parent PUBLIC hs_ingest)
function(hs_ingest_test name)
  hs_test(${name} unit/${name}.c ingest_parent)
  target_sources(${name} PRIVATE unit/ingest_fixture.c)
endfunction()
hs_ingest_test(test_ingest)
hs_ingest_test(test_ingest_refusals)
hs_ingest_test(test_ingest_stored)
hs_ingest_test(test_ingest_attach)
target_link_libraries(test_ingest_attach PRIVATE m)

hs_test(test_ingest_faults fault/test_ingest_faults.c ingest_parent)
target_sources(test_ingest_faults PRIVATE unit/ingest_fixture.c)
target_link_options(test_ingest_faults PRIVATE
                    LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup)

add_executable(bench_ingest bench/bench_ingest.c)
target_link_libraries(bench_ingest PRIVATE ingest_parent)
