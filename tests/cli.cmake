# SPDX-License-Identifier: Apache-2.0
hs_test(test_cli_options unit/test_cli_options.c hsfeed_static)
target_sources(test_cli_options PRIVATE ${CMAKE_SOURCE_DIR}/client/cli/options.c ${CMAKE_SOURCE_DIR}/client/cli/print.c)
target_include_directories(test_cli_options PRIVATE ${CMAKE_SOURCE_DIR}/client/cli)
hs_test(test_cli_plan unit/test_cli_plan.c hsfeed_static hs_wire)
target_sources(test_cli_plan PRIVATE ${CMAKE_SOURCE_DIR}/client/cli/options.c ${CMAKE_SOURCE_DIR}/client/cli/print.c
               ${CMAKE_SOURCE_DIR}/client/cli/plan.c)
target_include_directories(test_cli_plan PRIVATE ${CMAKE_SOURCE_DIR}/client/cli ${CMAKE_SOURCE_DIR}/client/lib)

# The manuals; a manual that is not installed is no fault of theirs, so only what mandoc warns of counts.
find_program(HSFEED_MANDOC mandoc)
if(HSFEED_MANDOC)
  add_test(NAME manuals COMMAND ${HSFEED_MANDOC} -Tlint -W warning ${CMAKE_SOURCE_DIR}/client/cli/hsfeed.1
           ${CMAKE_SOURCE_DIR}/daemon/app/hsfeedd.8 ${CMAKE_SOURCE_DIR}/config/hsfeedd.conf.5)
endif()
