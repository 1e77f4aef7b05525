// SPDX-License-Identifier: Apache-2.0
// The places where state and socket are looked for by default.
#ifndef HS_APP_PATHS_H
#define HS_APP_PATHS_H

#include <stddef.h>

#define HS_MAX_SOCKETS 4

// hs_default_state writes the default state folder. 0, or -ENOENT when the environment says too little.
int hs_default_state(char *ret, size_t cap);
// hs_default_config writes where the configuration is looked for: systemd's $CONFIGURATION_DIRECTORY, else, for root,
// /etc/hsfeed. 0, or -ENOENT: nowhere.
int hs_default_config(char *ret, size_t cap);
// hs_default_sockets writes the candidates, NULL-terminated, into ret; texts is their room.
void hs_default_sockets(const char *ret[HS_MAX_SOCKETS + 1], char texts[HS_MAX_SOCKETS][512]);
// hs_make_parents makes the folders above path, 0700. 0 or -errno.
int hs_make_parents(const char *path);

#endif
