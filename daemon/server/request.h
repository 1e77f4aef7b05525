// SPDX-License-Identifier: Apache-2.0
// A request: one method call, from its frame to its answer. The table of methods (methods.c) says what its parameters
// are, where it runs and which functions do it:
//
//   begin   on the loop thread: checks and reserves. HS_LATER: somebody else will call hs_request_finish.
//   run     on a thread of `place`: may block and compute; must not touch conn or server, except store and feed. One
//           that computes first and changes the catalog then returns HS_TO_WRITER, and is called again on the store
//           thread. What answers HS_FEED_SEARCHING is called again where it is, from the start.
//   settle  back on the loop thread, whatever `rc` is and even if the connection is gone: attaches or cleans up.
//
// Each returns 0 or a negative error with req->err set; the answer is in req->result: one msgpack value (the empty map
// when nothing was written).
#ifndef HS_SERVER_REQUEST_H
#define HS_SERVER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "conn.h"
#include "core.h"
#include "crew.h"

#define HS_LATER     1
#define HS_TO_WRITER 2

enum hs_place { HS_ON_LOOP, HS_ON_REQUESTS, HS_ON_WRITER };

struct hs_request;

struct hs_method {
	const char *name;
	const struct hs_schema *schema;
	enum hs_place place;
	int (*begin)(struct hs_request *req);
	int (*run)(struct hs_request *req);
	int (*settle)(struct hs_request *req);
};

struct hs_request {
	struct hs_chore chore;          // first member
	struct hs_request *next, *prev; // conn->requests
	struct hs_server *server;
	struct hs_conn *conn; // counted
	const struct hs_method *method;
	uint32_t seq, uid;
	uint8_t *frame; // what msg and params point into
	struct hs_message msg;
	void *params;           // method->schema's struct
	unsigned npending;      // rm: files left to their last user
	void *state;            // the method's own, between its functions
	bool waits, runs;       // for its turn on a thread; has it
	bool gone;              // atomic: the connection ended meanwhile, so that running it is of no use
	struct hs_child *child; // the child process it waits for
	struct hs_request *next_waiter;
	int rc;
	struct hs_err err;
	struct hs_wbuf result;
	struct hs_passing passing; // what goes with the answer
	size_t frame_mark, result_mark;
};

extern const struct hs_method hs_methods[]; // name NULL ends it

void hs_request_frame(struct hs_conn *conn, const uint8_t *data, size_t len); // one whole frame from a client
void hs_request_finish(struct hs_request *req, int rc); // answers (or not, when the connection is gone) and frees
// hs_request_next gives a waiting request its turn: one of a connection's at a time, so that heavy ones of one client
// leave the threads to others, and none while the client leaves answers unread, so that those stay bounded.
void hs_request_next(struct hs_conn *conn);
void hs_request_abandon(struct hs_conn *conn); // the connection is gone
struct hs_request *hs_request_find(struct hs_conn *conn, uint32_t seq);

void hs_error_write(struct hs_wbuf *w, const struct hs_err *err); // {code, message, hint}
// hs_notice_begin starts [2, name, {params}], hs_notice_end completes it.
size_t hs_notice_begin(struct hs_wbuf *w, const char *name, uint32_t npairs);

#endif
