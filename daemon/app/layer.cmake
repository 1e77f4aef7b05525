# SPDX-License-Identifier: Apache-2.0
hs_layer(app daemon/app SOURCES app.c config.c notify.c paths.c USES hs_base hs_server PkgConfig::INIH)

# An example: every line of it is a comment, and what stands in /etc/hsfeed is its administrator's.
install(FILES ${CMAKE_SOURCE_DIR}/config/hsfeedd.conf DESTINATION ${CMAKE_INSTALL_DOCDIR})
# The unit names the installed program, whose prefix may be said as late as `cmake --install --prefix`.
install(CODE "set(HSFEED_SBINDIR \"${CMAKE_INSTALL_SBINDIR}\")
  if(NOT IS_ABSOLUTE \"\${HSFEED_SBINDIR}\")
    set(HSFEED_SBINDIR \"\${CMAKE_INSTALL_PREFIX}/\${HSFEED_SBINDIR}\")
  endif()
  configure_file(\"${CMAKE_SOURCE_DIR}/systemd/hsfeedd.service.in\" \"${CMAKE_BINARY_DIR}/hsfeedd.service\" @ONLY)")
install(FILES ${CMAKE_BINARY_DIR}/hsfeedd.service ${CMAKE_SOURCE_DIR}/systemd/hsfeedd.socket
        DESTINATION lib/systemd/system)
install(FILES ${CMAKE_SOURCE_DIR}/systemd/hsfeed.conf DESTINATION lib/sysusers.d)
