# SPDX-License-Identifier: Apache-2.0
# Runs when a wheel is put together: copies the shared libraries of HSFEED_PROGRAMS, and what these need, into
# hsfeed/_lib under the names by which they are looked for, with what their packages say about their licences. The C
# library's family stays the machine's.
cmake_policy(VERSION 3.22)
set(libc "^(lib(c|m|dl|rt|util|pthread|resolv|mvec)\\.so|ld-linux|linux-vdso)")
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${HSFEED_PROGRAMS} PRE_EXCLUDE_REGEXES "${libc}"
     RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing)
if(missing)
  message(FATAL_ERROR "these libraries are needed and not there: ${missing}")
endif()

set(to "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/hsfeed/_lib")
file(MAKE_DIRECTORY "${to}/licenses")
find_program(dpkg dpkg)

# package_of(FILE OUT): the Debian package that a file is of, or "". Where /lib is a link to /usr/lib, the package may
# name either.
function(package_of file out)
  set(${out} "" PARENT_SCOPE)
  string(REGEX REPLACE "^/usr/lib" "/lib" other "${file}")
  foreach(path "${file}" "${other}")
    if(dpkg)
      execute_process(COMMAND ${dpkg} -S "${path}" OUTPUT_VARIABLE said ERROR_QUIET RESULT_VARIABLE status)
      if(status EQUAL 0 AND said MATCHES "^([a-z0-9.+-]+)")
        set(${out} "${CMAKE_MATCH_1}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
endfunction()

# licences_of(FILE OUT): the short names in a machine-readable copyright file.
function(licences_of file out)
  file(STRINGS "${file}" lines REGEX "^License: *[^ ]")
  list(TRANSFORM lines REPLACE "^License: *" "")
  list(REMOVE_DUPLICATES lines)
  list(JOIN lines ", " lines)
  set(${out} "${lines}" PARENT_SCOPE)
endfunction()

set(notice "The programs beside this folder use these shared libraries, which are copies of the build machine's.\n")
list(SORT found)
foreach(path ${found})
  get_filename_component(name "${path}" NAME)
  get_filename_component(real "${path}" REALPATH)
  file(COPY_FILE "${real}" "${to}/${name}")
  package_of("${real}" package)
  set(copyright "/usr/share/doc/${package}/copyright")
  if(package AND EXISTS "${copyright}")
    file(COPY_FILE "${copyright}" "${to}/licenses/${package}")
    licences_of("${copyright}" licences)
    string(APPEND notice "\n${name}\n  of the package ${package}: ${licences}\n  see licenses/${package}\n")
  else()
    string(APPEND notice "\n${name}\n  no statement of its licence was found on the build machine\n")
  endif()
endforeach()
file(WRITE "${to}/NOTICE" "${notice}")
