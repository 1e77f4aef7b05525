# SPDX-License-Identifier: Apache-2.0
# libhsfeed, static and shared from the same objects: the client's files and proto/wire. libc only.
set(lib ${CMAKE_CURRENT_SOURCE_DIR}/lib)
add_library(hsfeed_objects OBJECT
  ${lib}/error.c ${lib}/value.c ${lib}/params.c ${lib}/paths.c ${lib}/socket.c ${lib}/conn.c ${lib}/client.c
  ${lib}/call.c ${lib}/data.c ${lib}/statistics.c ${lib}/rows.c ${lib}/files.c ${lib}/lists.c ${lib}/tokenizer.c
  ${lib}/ingest.c ${lib}/attach.c ${lib}/plans.c ${lib}/stream.c ${lib}/open.c ${lib}/batch.c ${lib}/packed.c
  ${lib}/ring.c)
target_link_libraries(hsfeed_objects PRIVATE hs_wire hs_rows)
target_include_directories(hsfeed_objects PUBLIC ${CMAKE_SOURCE_DIR}/include)

add_library(hsfeed_static STATIC $<TARGET_OBJECTS:hsfeed_objects> $<TARGET_OBJECTS:hs_wire>
            $<TARGET_OBJECTS:hs_rows>)
set_target_properties(hsfeed_static PROPERTIES OUTPUT_NAME hsfeed)
target_include_directories(hsfeed_static PUBLIC ${CMAKE_SOURCE_DIR}/include)

add_library(hsfeed SHARED $<TARGET_OBJECTS:hsfeed_objects> $<TARGET_OBJECTS:hs_wire>
            $<TARGET_OBJECTS:hs_rows>)
set_target_properties(hsfeed PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${lib}/hsfeed.map)
target_link_options(hsfeed PRIVATE -Wl,--version-script=${lib}/hsfeed.map)
target_include_directories(hsfeed PUBLIC ${CMAKE_SOURCE_DIR}/include)

# The pkg-config file finds its prefix from where it lies, so that `cmake --install --prefix` and copies keep working.
file(RELATIVE_PATH HSFEED_PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${lib}/hsfeed.pc.in ${CMAKE_CURRENT_BINARY_DIR}/hsfeed.pc @ONLY)
install(TARGETS hsfeed hsfeed_static LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/include/hsfeed.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hsfeed.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
