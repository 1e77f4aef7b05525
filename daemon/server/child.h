// SPDX-License-Identifier: Apache-2.0
// Work that a child process does: ingest, add, why, verify. Clients that ask for the same at the same time wait for one
// child; it is killed when the last of them is gone.
//
//   PREPARING  a request thread looks up what the job needs
//   WAITING    for its turn (so many children at once, in all and per user)
//   RUNNING    the process works and reports
//   FINISHING  published on the store thread, then described on a request thread
#ifndef HS_SERVER_CHILD_H
#define HS_SERVER_CHILD_H

#include <sys/types.h>

#include "crew.h"
#include "file.h"
#include "ingest/ingest.h"
#include "request.h"

struct hs_child;

struct hs_child_kind {
	const char *name;                         // the job's "task"
	int (*prepare)(struct hs_child *child);   // request thread: appends what is looked up to the job; or NULL
	int (*publish)(struct hs_child *child);   // store thread; or NULL
	int (*answer)(struct hs_child *child);    // request thread: writes the reply from child->result
	void (*announce)(struct hs_child *child); // loop thread, after success; or NULL
	void (*fini)(struct hs_child *child);     // frees child->state; or NULL
};

enum hs_child_phase { HS_PREPARING, HS_WAITING, HS_RUNNING, HS_FINISHING };

struct hs_child {
	struct hs_chore chore; // first member: one at a time
	struct hs_child *next;
	struct hs_server *server;
	struct hs_user *user; // counted
	const struct hs_child_kind *kind;
	enum hs_child_phase phase;
	uint32_t uid;
	char name[HS_NAME_MAX + 80]; // dataset, perhaps with @version
	char prefix[48];             // of its files in tmp/
	struct hs_wbuf key;          // equal keys join
	struct hs_request *waiters;
	struct hs_input *inputs[HS_INGEST_MAX_FILES]; // its descriptors, in order
	size_t ninputs;
	struct hs_wbuf job; // the frame to send
	size_t frame_mark, map_mark, job_sent;
	uint32_t npairs;
	bool cancelled, answered, held; // held: somebody works on it or waits for it (against `alive`, the process)
	bool alive, eof, killed, polling;
	pid_t pid;
	int fd, status;
	uv_poll_t poll;
	uv_timer_t retry;
	unsigned nclosing; // handles that libuv still closes
	uint8_t *in;
	size_t in_len, in_cap;
	uint8_t *answer; // the whole answer's bytes, checked; result points into it
	struct hs_rbuf result;
	int rc;
	struct hs_err err;
	struct hs_wbuf reply; // the result for every waiter
	void *state;          // the kind's own
};

// hs_child_create begins a child for its first request: the job has its task and nothing else. NULL: out of memory, or
// too many wait (err set).
struct hs_child *hs_child_create(struct hs_request *req, const struct hs_child_kind *kind, const char *name);
struct hs_wbuf *hs_child_param(struct hs_child *child,
			       const char *key); // appends a key to the job; write its value next
// hs_child_input adds a file to the job's descriptors (taking the reference) and returns its index.
size_t hs_child_input(struct hs_child *child, struct hs_input *input);
// hs_child_submit lets the request wait for the child, or for one that does the same already (this one is then freed).
// Returns HS_LATER.
int hs_child_submit(struct hs_child *child, struct hs_request *req);
void hs_child_discard(struct hs_child *child); // instead of submit

// hs_child_leave answers a waiting request with `cancelled`; the last one kills the child.
void hs_child_leave(struct hs_request *req);
void hs_child_reap(struct hs_server *server);     // on SIGCHLD
void hs_child_kill_all(struct hs_server *server); // the daemon stops: waiters get shutting_down

#endif
