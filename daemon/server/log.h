// SPDX-License-Identifier: Apache-2.0
// One line per event on stderr; the service manager or `hsfeed logs` adds the time's context it wants.
#ifndef HS_SERVER_LOG_H
#define HS_SERVER_LOG_H

enum hs_log_level { HS_LOG_ERROR, HS_LOG_WARNING, HS_LOG_INFO, HS_LOG_DEBUG };

void hs_log_set_level(enum hs_log_level level); // once, before threads start
// hs_log writes one line, if the level asks for it. Control characters and broken UTF-8 are escaped, so that no name a
// client chose can forge a line or reach a terminal. Any thread.
void hs_log(enum hs_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
