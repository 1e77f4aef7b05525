// SPDX-License-Identifier: Apache-2.0
// What systemd's service protocol needs, without its library: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).
#ifndef HS_APP_NOTIFY_H
#define HS_APP_NOTIFY_H

#include <stdint.h>

void hs_notify(const char *state);    // a datagram to $NOTIFY_SOCKET; nothing without it
int hs_notify_listen_fd(void);        // the one socket that was passed: 3; -1: none; -2: several
uint64_t hs_notify_watchdog_ms(void); // how often to send WATCHDOG=1; 0: not asked for

#endif
