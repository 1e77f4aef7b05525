// SPDX-License-Identifier: Apache-2.0
// Configuration: defaults, then the file, then the command line. One table (config.c) has every key.
#ifndef HS_APP_CONFIG_H
#define HS_APP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "server/server.h"

struct hs_config {
	char *state, *socket; // heap; NULL: the default places
	uint64_t socket_mode; // 0: by the kind of daemon
	uint64_t log_level;   // enum hs_log_level
	uint64_t threads, ingest_threads;
	uint64_t search_duplicates; // 0 or 1
	struct hs_limits limits;
};

void hs_config_init(struct hs_config *c); // the defaults
void hs_config_fini(struct hs_config *c);

// hs_config_read reads a file over what is there. Each problem is told to `say` as "FILE:LINE: KEY: sentence" (it may
// be NULL). 0, or HSFEED_EBADCONFIG with the first problem.
int hs_config_read(struct hs_config *c, const char *path, void (*say)(const char *problem), struct hs_err *reterr);

// hs_config_set sets one key of a section, as the file would. 0 or HSFEED_EBADCONFIG.
int hs_config_set(struct hs_config *c, const char *section, const char *key, const char *value, struct hs_err *reterr);

// hs_config_write writes the default configuration file: every key with its meaning, commented out.
void hs_config_print(void (*line)(void *arg, const char *text), void *arg);

#endif
