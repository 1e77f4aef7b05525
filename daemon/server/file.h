// SPDX-License-Identifier: Apache-2.0
// Files that clients hand in: as a descriptor (file.attach), or byte by byte into an unlinked file of ours
// (file.begin).
#ifndef HS_SERVER_FILE_H
#define HS_SERVER_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conn.h"

// What tells one file's state from another's, taken without asking the file system (a hostile one may never answer).
struct hs_input_stamp {
	uint64_t dev, ino, bytes;
	int64_t mtime_ns, ctime_ns;
};

// An open file with its users: handles, chunk writes in flight, jobs. Loop thread only, except fd.
struct hs_input {
	struct hs_server *server;
	unsigned refs;
	int fd;
	char name[256]; // for sentences
	struct hs_input_stamp stamp;
	bool upload;
	uint64_t received, written; // of an upload: bytes that came, bytes that are in the file
};

struct hs_handle {
	struct hs_handle *next;
	uint32_t id;
	struct hs_input *input;
};

struct hs_input *hs_input_ref(struct hs_input *input);
void hs_input_unref(struct hs_input *input);  // NULL does nothing
void hs_handle_abandon(struct hs_conn *conn); // closes all

// hs_handle_take removes a handle and gives its file, whole, to the caller. HSFEED_ENOTFOUND; HSFEED_EBADFILE for an
// unfinished upload (the handle is gone all the same).
int hs_handle_take(struct hs_conn *conn, uint64_t id, struct hs_input **ret, struct hs_err *reterr);

// Each handle, and each ring's channel, is a descriptor of the daemon's, and those are for all: an eighth is as many as
// one user's connections may hold together.
uint64_t hs_user_fds_max(void);

int hs_req_file_attach_begin(struct hs_request *req);
int hs_req_file_begin_begin(struct hs_request *req);
int hs_req_file_begin_run(struct hs_request *req);
int hs_req_file_begin_settle(struct hs_request *req);
int hs_req_file_chunk_begin(struct hs_request *req);
int hs_req_file_chunk_run(struct hs_request *req);
int hs_req_file_chunk_settle(struct hs_request *req);
int hs_req_file_close_begin(struct hs_request *req);
extern const struct hs_schema hs_file_attach_schema, hs_file_begin_schema, hs_file_chunk_schema, hs_file_close_schema;

#endif
