# SPDX-License-Identifier: Apache-2.0
# What a wheel has beside hsfeed/*.py:
#
#   hsfeed/_hsfeed.*.so         the extension module; needs libc alone
#   hsfeed/_bin/                hsfeedd, hsfeed
#   hsfeed/_lib/                the shared libraries these need, and theirs (bundle.cmake)
#
# The programs look for libraries in _lib before anywhere else. --disable-new-dtags: an RPATH, unlike a RUNPATH, also
# counts for what a library needs, so that no library has to be changed; and LD_LIBRARY_PATH does not override it.
foreach(program hsfeedd hsfeed_cli)
  target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../_lib")
endforeach()
install(TARGETS hsfeed_python LIBRARY DESTINATION hsfeed COMPONENT python)
install(TARGETS hsfeedd hsfeed_cli RUNTIME DESTINATION hsfeed/_bin COMPONENT python)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION hsfeed COMPONENT python)
install(CODE "set(HSFEED_PROGRAMS \"$<TARGET_FILE:hsfeedd>\" \"$<TARGET_FILE:hsfeed_cli>\")" COMPONENT python)
install(SCRIPT ${CMAKE_CURRENT_SOURCE_DIR}/bundle.cmake COMPONENT python)
