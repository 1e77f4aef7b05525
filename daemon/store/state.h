// SPDX-License-Identifier: Apache-2.0
// The state folder: whose it is, its lock, its sub-folders, what lies about in them.
#ifndef HS_STORE_STATE_H
#define HS_STORE_STATE_H

#include "store/store.h"

struct hs_state {
	char *path;  // absolute
	char *tmp;   // PATH/tmp
	int lock_fd; // holds the flock
	void (*log)(void *arg, const char *line);
	void *log_arg;
};

// hs_state_open makes the folder where it is missing (its last level), refuses one that is not ours or on a remote file
// system, locks it, mends modes that are too open, and makes the sub-folders. On failure nothing is held.
int hs_state_open(const struct hs_store_options *options, struct hs_state *ret, struct hs_err *reterr);
void hs_state_close(struct hs_state *state);
void hs_state_log(const struct hs_state *state, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// "versions", "encodings" or "arrays".
const char *hs_state_kind_folder(enum hs_file_kind kind);
char *hs_state_file_path(const struct hs_state *state, uint32_t owner, enum hs_file_kind kind,
			 const struct hs_id *id); // heap
// hs_state_owner_folder makes OF/<uid>/, durably, and gives its path (heap).
int hs_state_owner_folder(const struct hs_state *state, uint32_t owner, const char *of, char **ret,
			  struct hs_err *reterr);
bool hs_state_parse_owner(const char *name, uint32_t *ret); // a folder's name as such a uid

int hs_state_empty_tmp(const struct hs_state *state, struct hs_err *reterr);
// hs_state_lose moves a file to lost/, under a name that tells where it came from, and logs why.
int hs_state_lose(const struct hs_state *state, const char *path, const char *why, struct hs_err *reterr);

// A thing found in versions/, encodings/ or arrays/. ours: its name is <64 hex digits>.mdb or .mdb.crc in a folder
// named by a uid.
struct hs_state_found {
	const char *path;
	enum hs_file_kind kind;
	bool ours, is_table; // is_table: .mdb.crc
	uint32_t owner;
	struct hs_id id;
};
typedef int hs_state_visit(void *arg, const struct hs_state_found *found, struct hs_err *reterr);
// hs_state_each visits every file there; stops at the first error.
int hs_state_each(const struct hs_state *state, hs_state_visit *visit, void *arg, struct hs_err *reterr);

#endif
