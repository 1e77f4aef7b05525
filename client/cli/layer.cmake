# SPDX-License-Identifier: Apache-2.0
# The command `hsfeed`: speaks through libhsfeed alone; libcrypto for the digests of streams.
set(cli ${CMAKE_CURRENT_SOURCE_DIR}/cli)
add_executable(hsfeed_cli
  ${cli}/main.c ${cli}/help.c ${cli}/options.c ${cli}/print.c ${cli}/json.c ${cli}/table.c ${cli}/connect.c
  ${cli}/progress.c ${cli}/digest.c ${cli}/plan.c ${cli}/ingest.c ${cli}/report.c ${cli}/data.c ${cli}/show.c
  ${cli}/rows.c ${cli}/folds.c ${cli}/plans.c ${cli}/rowlist.c ${cli}/stream.c ${cli}/batches.c ${cli}/daemon.c
  ${cli}/start.c ${cli}/conf.c ${cli}/leaks.c ${cli}/screen.c ${cli}/epoch.c ${cli}/masks.c ${cli}/attach.c
  ${cli}/npy.c ${cli}/lengths.c ${cli}/weights.c ${cli}/estimate.c ${cli}/html.c ${cli}/html_chart.c ${cli}/page.c
  ${cli}/page_style.c ${cli}/page_glance.c ${cli}/page_source.c ${cli}/page_labels.c ${cli}/page_folds.c
  ${cli}/page_lengths.c ${cli}/page_leaks.c ${cli}/page_repeat.c ${cli}/report_page.c)
set_target_properties(hsfeed_cli PROPERTIES OUTPUT_NAME hsfeed)
target_link_libraries(hsfeed_cli PRIVATE hsfeed_static PkgConfig::LIBCRYPTO m)
install(TARGETS hsfeed_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${cli}/hsfeed.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
if(EXISTS ${CMAKE_SOURCE_DIR}/daemon/app/hsfeedd.8)
  install(FILES ${CMAKE_SOURCE_DIR}/daemon/app/hsfeedd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
endif()
if(EXISTS ${CMAKE_SOURCE_DIR}/config/hsfeedd.conf.5)
  install(FILES ${CMAKE_SOURCE_DIR}/config/hsfeedd.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
endif()
