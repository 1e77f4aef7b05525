# SPDX-License-Identifier: Apache-2.0
hs_test(test_cli_options unit/test_cli_options.c hsfeed_static)
target_sources(test_cli_options PRIVATE ${CMAKE_SOURCE_DIR}/client/cli/options.c ${CMAKE_SOURCE_DIR}/client/cli/print.c)
target_include_directories(test_cli_options PRIVATE ${CMAKE_SOURCE_DIR}/client/cli)
hs_test(test_cli_plan unit/test_cli_plan.c hsfeed_static hs_wire)
target_sources(test_cli_plan PRIVATE ${CMAKE_SOURCE_DIR}/client/cli/options.c ${CMAKE_SOURCE_DIR}/client/cli/print.c
               ${CMAKE_SOURCE_DIR}/client/cli/plan.c)
target_include_directories(test_cli_plan PRIVATE ${CMAKE_SOURCE_DIR}/client/cli ${CMAKE_SOURCE_DIR}/client/lib)

hs_test(test_cli_page unit/test_cli_page.c hsfeed_static)
set(cli ${CMAKE_SOURCE_DIR}/client/cli)
target_sources(test_cli_page PRIVATE ${cli}/html.c ${cli}/html_chart.c ${cli}/page.c ${cli}/page_style.c
  ${cli}/page_glance.c ${cli}/page_source.c ${cli}/page_labels.c ${cli}/page_folds.c ${cli}/page_lengths.c
  ${cli}/page_leaks.c ${cli}/page_repeat.c ${cli}/print.c ${cli}/json.c ${cli}/options.c ${cli}/plan.c ${cli}/report.c
  ${cli}/table.c ${cli}/screen.c)
target_include_directories(test_cli_page PRIVATE ${cli})
target_link_libraries(test_cli_page PRIVATE m)
hs_test(test_cli_npy unit/test_cli_npy.c)
target_sources(test_cli_npy PRIVATE ${CMAKE_SOURCE_DIR}/client/cli/npy.c)
target_include_directories(test_cli_npy PRIVATE ${CMAKE_SOURCE_DIR}/client/cli)

# The manuals; a manual that is not installed is no fault of theirs, so only what mandoc warns of counts.
find_program(HSFEED_MANDOC mandoc)
if(HSFEED_MANDOC)
  add_test(NAME manuals COMMAND ${HSFEED_MANDOC} -Tlint -W warning ${CMAKE_SOURCE_DIR}/client/cli/hsfeed.1
           ${CMAKE_SOURCE_DIR}/daemon/app/hsfeedd.8 ${CMAKE_SOURCE_DIR}/config/hsfeedd.conf.5)
endif()
