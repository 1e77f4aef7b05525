# SPDX-License-Identifier: Apache-2.0
# With -DHSFEED_TEST_PYTHON=PATH (a Python that has pytest; tests/run makes one) every test_*.py of tests/oracle and
# tests/blackbox is a ctest test: oracle.test_pandas; with -DHSFEED_PYTHON=ON those of tests/python too. What needs
# torch or transformers, or builds wheels, is labelled heavy.
set(HSFEED_HEAVY_TESTS oracle.test_orders oracle.test_tokenizer_settings oracle.test_trainer_orders
    python.test_frameworks python.test_install python.test_lightning)
# transformers pins a tokenizers of its own, so it has an environment of its own too.
set(HSFEED_TEST_PYTHON_oracle.test_tokenizer_settings "${HSFEED_TRANSFORMERS_PYTHON}")
set(HSFEED_TEST_PYTHON_oracle.test_trainer_orders "${HSFEED_TRANSFORMERS_PYTHON}")
set(HSFEED_TEST_PYTHON_python.test_frameworks "${HSFEED_TRANSFORMERS_PYTHON}")
if(HSFEED_TEST_PYTHON)
  file(GLOB HSFEED_PYTHON_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/oracle/test_*.py
       ${CMAKE_CURRENT_SOURCE_DIR}/blackbox/test_*.py)
  if(HSFEED_PYTHON)
    file(GLOB package_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/python/test_*.py)
    list(APPEND HSFEED_PYTHON_TESTS ${package_tests})
  endif()
endif()
# A Python that loads a sanitized extension must have the sanitizer's runtime first. Leaks that Python itself leaves are
# not ours to find.
set(HSFEED_PRELOAD "")
if(HSFEED_SANITIZE MATCHES "address|thread" AND CMAKE_C_COMPILER_ID STREQUAL GNU)
  string(REGEX MATCH "address|thread" runtime ${HSFEED_SANITIZE})
  string(REPLACE address asan runtime ${runtime})
  string(REPLACE thread tsan runtime ${runtime})
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=lib${runtime}.so OUTPUT_VARIABLE HSFEED_PRELOAD
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  # And before it must be there what throws C++ exceptions, which it looks up once: torch throws.
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libstdc++.so.6 OUTPUT_VARIABLE cxx
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(HSFEED_PRELOAD "LD_PRELOAD=${HSFEED_PRELOAD}:${cxx};ASAN_OPTIONS=detect_leaks=0")
endif()
foreach(file ${HSFEED_PYTHON_TESTS})
  get_filename_component(stem ${file} NAME_WE)
  get_filename_component(folder ${file} DIRECTORY)
  get_filename_component(folder ${folder} NAME)
  set(name ${folder}.${stem})
  set(python ${HSFEED_TEST_PYTHON})
  if(HSFEED_TEST_PYTHON_${name})
    set(python ${HSFEED_TEST_PYTHON_${name}})
  endif()
  add_test(NAME ${name} COMMAND ${python} -B ${CMAKE_CURRENT_SOURCE_DIR}/run_pytest.py ${file}
           WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200 SKIP_RETURN_CODE 77 ENVIRONMENT
    "HSFEED_BUILD_DIR=${CMAKE_BINARY_DIR};HYPOTHESIS_STORAGE_DIRECTORY=${CMAKE_BINARY_DIR}/hypothesis")
  if("${folder}" STREQUAL "python")
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ${HSFEED_PRELOAD})
  endif()
  if(name IN_LIST HSFEED_HEAVY_TESTS)
    set_tests_properties(${name} PROPERTIES LABELS heavy)
  endif()
endforeach()
