# SPDX-License-Identifier: Apache-2.0
hs_layer(app daemon/app SOURCES app.c config.c notify.c paths.c USES hs_base hs_server PkgConfig::INIH)

install(FILES ${CMAKE_SOURCE_DIR}/config/hsfeedd.conf DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/hsfeed)
configure_file(${CMAKE_SOURCE_DIR}/systemd/hsfeedd.service.in ${CMAKE_BINARY_DIR}/hsfeedd.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/hsfeedd.service ${CMAKE_SOURCE_DIR}/systemd/hsfeedd.socket
        DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
install(FILES ${CMAKE_SOURCE_DIR}/systemd/hsfeed.conf DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/sysusers.d)
