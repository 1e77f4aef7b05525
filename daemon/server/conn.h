// SPDX-License-Identifier: Apache-2.0
// A connection: bytes in, frames out. It knows frames, descriptors and queues, and hands whole frames to request.c.
//
//   life: accepted -> greeted (hello) -> doomed -> freed
// Doomed: nothing is read or sent any more; the reaper closes it before the loop sleeps again, and the memory goes with
// the last reference. So a handler may doom its own connection at any depth.
#ifndef HS_SERVER_CONN_H
#define HS_SERVER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <uv.h>

#include "core.h"
#include "wire/wire.h"

#define HS_SEND_FDS 2 // a ring and its channel

struct hs_request;
struct hs_handle;
struct hs_pump;

// Descriptors on their way to a client. Whoever sends takes them, and `instead`: what is left is empty.
struct hs_passing {
	int fds[HS_SEND_FDS]; // -1: none
	uint32_t stream;      // whose they are
	struct hs_wbuf instead;
};

// Something to send: gathered pieces that stay where they are until `done`.
struct hs_out {
	struct hs_out *next;
	const struct iovec *pieces;
	unsigned npieces;
	size_t len, sent; // bytes
	size_t charged;   // bytes that count as the client's unread answers; 0 for batches, which have credits
	const int *fds;   // go with the first byte; stay open until `done`
	unsigned nfds;    // at most HS_SEND_FDS
	void (*done)(struct hs_out *out, bool whole); // whole: the kernel took every byte
};

struct hs_conn {
	struct hs_conn *next, *prev; // server->conns
	struct hs_conn *next_doomed, *next_resumed;
	struct hs_server *server;
	struct hs_user *user;
	uv_poll_t poll;
	uv_timer_t *retry;  // only while the kernel refuses for lack of memory
	int fd, pending_fd; // pending_fd: came with bytes not yet handled; -1: none
	unsigned refs;
	uint32_t uid, gid;
	int32_t pid;
	bool greeted, doomed, paused, resumed; // paused: not reading; resumed: on server->resumed, with a reference
	bool left_us;                          // the client closed it: nothing of its rings is looked at any more
	int events;                            // what uv_poll was told to look for
	uint8_t *in;                           // an incomplete frame; NULL when there is none
	size_t in_len, in_cap;
	bool left; // it may hold whole frames, left there when reading paused or the turn was over
	struct hs_out *out_first, *out_last;
	size_t charged;               // sum over the queue
	uint64_t deadline_ms;         // not greeted: for hello; paused by unread answers: for progress
	struct hs_request *requests;  // unanswered
	unsigned nrequests, nrunning; // nrunning: on request threads
	struct hs_handle *handles;
	unsigned nhandles;
	uint32_t next_handle, next_stream;
	struct hs_pump *pumps;
	unsigned npumps;
};

void hs_conn_accept(struct hs_server *server, int fd); // takes fd
struct hs_conn *hs_conn_ref(struct hs_conn *conn);
void hs_conn_unref(struct hs_conn *conn);

// hs_conn_doom ends the connection soon; `why` goes to the log, for people. Safe to repeat.
void hs_conn_doom(struct hs_conn *conn, const char *why);
// hs_conn_left is for a client that closed its end.
void hs_conn_left(struct hs_conn *conn);
// hs_conn_bye sends the notice `bye` as far as it fits, then dooms.
void hs_conn_bye(struct hs_conn *conn, int code, const char *message);
void hs_conn_reap(struct hs_server *server); // closes the doomed

// hs_conn_push queues; a doomed connection answers at once with done(out, false). hs_conn_flush sends what the kernel
// takes.
void hs_conn_push(struct hs_conn *conn, struct hs_out *out);
void hs_conn_flush(struct hs_conn *conn);
// hs_conn_drop takes out of the queue what `match` picks and no byte of which was sent; calls done(out, false).
void hs_conn_drop(struct hs_conn *conn, bool (*match)(const struct hs_out *out, const void *arg), const void *arg);

// hs_conn_send takes the buffer's whole frame(s) and sends them; on failure to allocate the connection is doomed.
// hs_conn_send_ring sends descriptors with them. Where the kernel will not pass them on, `instead` is sent and the
// stream closed.
void hs_conn_send(struct hs_conn *conn, struct hs_wbuf *frame);
void hs_conn_send_ring(struct hs_conn *conn, struct hs_wbuf *frame, struct hs_passing *passing);
void hs_conn_drop_retry(struct hs_conn *conn); // the timer of send.c, if there is one
// hs_conn_read_fds takes the descriptors of a received message: how many.
unsigned hs_conn_read_fds(struct msghdr *msg, int ret_fds[HS_MAX_FDS]);
int hs_conn_take_fd(struct hs_conn *conn); // the descriptor that came with the present frame, or -1; the caller's now
void hs_conn_update(struct hs_conn *conn); // look again whether to read
void hs_conn_check_deadline(struct hs_conn *conn, uint64_t now_ms);

#endif
