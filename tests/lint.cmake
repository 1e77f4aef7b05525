# SPDX-License-Identifier: Apache-2.0
# Standard library only: any python3 does, and without one there is no lint.
set(HSFEED_LINT_PYTHON ${HSFEED_TEST_PYTHON})
if(NOT HSFEED_LINT_PYTHON)
  find_program(HSFEED_PYTHON3 python3)
  set(HSFEED_LINT_PYTHON ${HSFEED_PYTHON3})
endif()
if(HSFEED_LINT_PYTHON)
  add_test(NAME lint.rules COMMAND ${HSFEED_LINT_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/lint/test_lint.py)
  add_test(NAME lint COMMAND ${HSFEED_LINT_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/lint/lint.py)
  add_test(NAME demo.data COMMAND ${HSFEED_LINT_PYTHON} -B ${CMAKE_SOURCE_DIR}/config/demo/make_demo.py --check)
  set_tests_properties(lint.rules lint demo.data PROPERTIES TIMEOUT 60)
endif()
