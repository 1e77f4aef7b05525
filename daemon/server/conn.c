// SPDX-License-Identifier: Apache-2.0
// Reading: recvmsg into the server's one scratch buffer; whole frames are handled there, and only an incomplete rest is
// kept with the connection, in a buffer that is freed when it is used up. So an idle connection holds no buffer.
//
// Descriptors: the kernel ends a recvmsg after bytes that carry descriptors, so that one read brings those of one
// sendmsg at most, and they belong to a frame that ends in this read or is still incomplete after it. Whatever nobody
// took by then came with the wrong frame.
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file.h"
#include "log.h"
#include "request.h"
#include "stream.h"

#define FIRST_BUFFER    512
#define READS_PER_TURN  4
#define FRAMES_PER_TURN 64 // then the other clients' turn comes, however much this one has sent

static void on_events(uv_poll_t *poll, int status, int events);
static void watch_events(struct hs_conn *conn, int events);
static void handle_bytes(struct hs_conn *conn, const uint8_t *fresh, size_t n);

// ---- life ----

static int read_peer(struct hs_conn *conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	conn->uid = cred.uid;
	conn->gid = cred.gid;
	conn->pid = cred.pid;
	conn->user = hs_server_user(conn->server, cred.uid);
	return conn->user ? 0 : -ENOMEM;
}

static void link_conn(struct hs_conn *conn)
{
	struct hs_server *server = conn->server;
	conn->next = server->conns;
	if (conn->next)
		conn->next->prev = conn;
	server->conns = conn;
	server->nconns++;
	server->ngreeting++;
	conn->user->conns++;
}

static void unlink_conn(struct hs_conn *conn)
{
	struct hs_server *server = conn->server;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	server->nconns--;
	server->ngreeting -= !conn->greeted;
	server->npaused -= conn->paused;
	conn->user->conns--;
}

static void check_room(struct hs_conn *conn)
{
	const struct hs_limits *limits = &conn->server->options->limits;
	if (conn->server->nconns > limits->connections)
		hs_conn_bye(conn, HSFEED_ELIMIT, "the daemon has no room for more connections");
	else if (conn->user->conns > limits->connections_per_user)
		hs_conn_bye(conn, HSFEED_ELIMIT, "the user has no room for more connections");
}

void hs_conn_accept(struct hs_server *server, int fd)
{
	struct hs_conn *conn = calloc(1, sizeof(*conn));
	if (!conn) {
		hs_server_close_socket(server, fd);
		return;
	}
	conn->server = server;
	conn->fd = fd;
	conn->pending_fd = -1;
	conn->refs = 1;
	conn->deadline_ms = uv_now(&server->loop) + server->options->limits.hello_ms;
	if (read_peer(conn) < 0 || uv_poll_init(&server->loop, &conn->poll, fd) < 0) {
		if (conn->user)
			hs_user_put(server, conn->user);
		hs_server_close_socket(server, fd);
		free(conn);
		return;
	}
	conn->poll.data = conn;
	link_conn(conn);
	watch_events(conn, UV_READABLE);
	hs_server_watch(server);
	check_room(conn);
}

struct hs_conn *hs_conn_ref(struct hs_conn *conn)
{
	conn->refs++;
	return conn;
}

void hs_conn_unref(struct hs_conn *conn)
{
	if (--conn->refs > 0)
		return;
	hs_user_put(conn->server, conn->user);
	free(conn);
}

void hs_conn_doom(struct hs_conn *conn, const char *why)
{
	if (conn->doomed)
		return;
	hs_log(HS_LOG_DEBUG, "uid %u pid %d: connection ends: %s", conn->uid, conn->pid, why);
	conn->doomed = true;
	conn->next_doomed = conn->server->doomed;
	conn->server->doomed = conn;
}

void hs_conn_left(struct hs_conn *conn)
{
	conn->left_us = true;
	hs_conn_doom(conn, "the client closed it");
}

static void on_closed(uv_handle_t *handle)
{
	hs_conn_unref(handle->data);
}

static bool match_all(const struct hs_out *out, const void *arg)
{
	(void)out;
	(void)arg;
	return true;
}

static void close_conn(struct hs_conn *conn)
{
	struct hs_out *partial = conn->out_first && conn->out_first->sent > 0 ? conn->out_first : NULL;
	if (partial)
		partial->sent = 0; // nobody will read the rest
	hs_conn_drop(conn, match_all, NULL);
	hs_request_abandon(conn);
	hs_pump_abandon(conn);
	hs_handle_abandon(conn);
	hs_conn_drop_retry(conn);
	unlink_conn(conn);
	free(conn->in);
	conn->in = NULL;
	uv_close((uv_handle_t *)&conn->poll, on_closed);
	hs_server_close_socket(conn->server, conn->fd);
	if (conn->pending_fd >= 0)
		hs_server_close_fd(conn->server, conn->pending_fd);
	conn->fd = conn->pending_fd = -1;
}

// Those that still have whole frames after their turn stand in line again, for the loop's next round.
static void resume(struct hs_server *server)
{
	struct hs_conn *next, *conn = server->resumed;
	server->resumed = NULL;
	for (; conn; conn = next) {
		next = conn->next_resumed;
		conn->resumed = false;
		if (!conn->doomed && !conn->paused)
			handle_bytes(conn, conn->in, 0);
		hs_conn_unref(conn);
	}
}

void hs_conn_reap(struct hs_server *server)
{
	resume(server);
	while (server->doomed) {
		struct hs_conn *conn = server->doomed;
		server->doomed = conn->next_doomed;
		close_conn(conn);
	}
}

void hs_conn_check_deadline(struct hs_conn *conn, uint64_t now_ms)
{
	bool stalled = conn->charged > conn->server->options->limits.queue_bytes / 2;
	if (conn->doomed || now_ms < conn->deadline_ms)
		return;
	if (!conn->greeted)
		hs_conn_bye(conn, HSFEED_ETIMEOUT, "hello did not come in time");
	else if (stalled)
		hs_conn_doom(conn, "it does not read its answers");
}

// ---- sending ----

// libuv makes two system calls of every uv_poll_start, so it is told of changes only.
static void watch_events(struct hs_conn *conn, int events)
{
	if (events == conn->events)
		return;
	conn->events = events;
	if (events)
		uv_poll_start(&conn->poll, events, on_events);
	else
		uv_poll_stop(&conn->poll);
}

// Whole frames may have been left when reading paused or the turn was over, and epoll will not report them again. They
// are not handled here: this may be the middle of a handler.
static void resume_later(struct hs_conn *conn)
{
	if (conn->resumed || !conn->left)
		return;
	conn->resumed = true;
	conn->next_resumed = conn->server->resumed;
	conn->server->resumed = hs_conn_ref(conn);
}

// What epoll should tell us: readable unless paused, writable only while something waits.
void hs_conn_update(struct hs_conn *conn)
{
	const struct hs_limits *limits = &conn->server->options->limits;
	if (conn->doomed)
		return;
	bool full = conn->charged > limits->queue_bytes / 2;
	bool pause = full || conn->nrequests >= limits->requests;
	if (pause && !conn->paused)
		conn->deadline_ms = uv_now(&conn->server->loop) + limits->stall_ms;
	conn->server->npaused += pause - conn->paused;
	conn->paused = pause;
	bool write = conn->out_first && !conn->retry;
	watch_events(conn, (pause ? 0 : UV_READABLE) | (write ? UV_WRITABLE : 0));
	if (pause)
		hs_server_watch(conn->server);
	else
		resume_later(conn);
	hs_request_next(conn);
}

// ---- receiving ----

int hs_conn_take_fd(struct hs_conn *conn)
{
	int fd = conn->pending_fd;
	conn->pending_fd = -1;
	return fd;
}

static void keep_fd(struct hs_conn *conn, int fd)
{
	if (conn->pending_fd < 0 && conn->greeted) {
		conn->pending_fd = fd;
		return;
	}
	hs_server_close_fd(conn->server, fd);
	hs_conn_bye(conn, HSFEED_EBADFRAME,
		    conn->greeted ? "a frame carries one descriptor at most" : "a descriptor came before hello");
}

unsigned hs_conn_read_fds(struct msghdr *msg, int ret_fds[HS_MAX_FDS])
{
	unsigned n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && n < HS_MAX_FDS; i++)
			memcpy(&ret_fds[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

static void take_control(struct hs_conn *conn, struct msghdr *msg)
{
	int fds[HS_MAX_FDS];
	unsigned n = hs_conn_read_fds(msg, fds);
	for (unsigned i = 0; i < n; i++)
		keep_fd(conn, fds[i]);
	if (msg->msg_flags & MSG_CTRUNC)
		hs_conn_bye(conn, HSFEED_EBADFRAME, "too many descriptors at once, or the daemon has none left");
}

static uint32_t frame_length(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// Handles the whole frames at data[0..len). Returns how many bytes they took; stops when doomed or paused, or when the
// turn is over.
static size_t handle_frames(struct hs_conn *conn, const uint8_t *data, size_t len)
{
	size_t at = 0;
	conn->left = false;
	for (int i = 0; !conn->doomed && len - at >= HS_WIRE_HEADER_BYTES; i++) {
		conn->left = conn->paused || i == FRAMES_PER_TURN;
		if (conn->left)
			break;
		uint32_t n = frame_length(data + at);
		if (n == 0 || n > HS_WIRE_MAX_REQUEST) {
			hs_conn_bye(conn, HSFEED_EBADFRAME, "a frame's length is 0 or above the limit");
			break;
		}
		if (len - at - HS_WIRE_HEADER_BYTES < n)
			break;
		hs_request_frame(conn, data + at + HS_WIRE_HEADER_BYTES, n);
		at += HS_WIRE_HEADER_BYTES + n;
	}
	return at;
}

// Room for what is needed now: what came, or the whole of a frame whose length is known and allowed.
static int grow_in(struct hs_conn *conn, size_t need)
{
	size_t cap = conn->in_cap ? conn->in_cap : FIRST_BUFFER;
	while (cap < need)
		cap *= 2;
	if (cap == conn->in_cap)
		return 0;
	uint8_t *in = realloc(conn->in, cap);
	if (!in)
		return -ENOMEM;
	conn->in = in;
	conn->in_cap = cap;
	return 0;
}

static void keep_rest(struct hs_conn *conn, const uint8_t *rest, size_t len)
{
	if (len == 0) {
		free(conn->in);
		conn->in = NULL;
		conn->in_len = conn->in_cap = 0;
		return;
	}
	bool own = conn->in && rest >= conn->in && rest < conn->in + conn->in_len;
	if (own) {
		if (rest != conn->in) // otherwise a frame that comes byte by byte would be moved at each
			memmove(conn->in, rest, len);
	} else if (grow_in(conn, len) == 0) {
		memcpy(conn->in, rest, len);
	} else {
		hs_conn_doom(conn, "out of memory");
		return;
	}
	conn->in_len = len;
}

static void handle_bytes(struct hs_conn *conn, const uint8_t *fresh, size_t n)
{
	const uint8_t *data = fresh;
	size_t len = n;
	if (conn->in_len > 0) {
		if (grow_in(conn, conn->in_len + n) < 0) {
			hs_conn_doom(conn, "out of memory");
			return;
		}
		if (n > 0)
			memcpy(conn->in + conn->in_len, fresh, n);
		conn->in_len += n;
		data = conn->in;
		len = conn->in_len;
	}
	size_t used = handle_frames(conn, data, len);
	keep_rest(conn, data + used, len - used);
	if (!conn->doomed && !conn->paused)
		resume_later(conn);
	if (!conn->doomed && conn->in_len == 0 && conn->pending_fd >= 0)
		hs_conn_bye(conn, HSFEED_EBADFRAME, "a descriptor came with a frame that takes none");
}

// Returns false when there is nothing more to read now.
static bool read_once(struct hs_conn *conn)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(HS_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {conn->server->scratch, HS_READ_BYTES};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0) {
		if (errno == ECONNRESET)
			hs_conn_left(conn);
		else if (errno != EAGAIN && errno != EINTR)
			hs_conn_doom(conn, strerror(errno));
		return errno == EINTR;
	}
	if (msg.msg_controllen > 0)
		take_control(conn, &msg);
	if (n == 0)
		hs_conn_left(conn);
	if (!conn->doomed)
		handle_bytes(conn, conn->server->scratch, (size_t)n);
	return n == HS_READ_BYTES || msg.msg_controllen > 0;
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct hs_conn *conn = poll->data;
	if (status < 0)
		hs_conn_doom(conn, uv_strerror(status));
	if (events & UV_WRITABLE)
		hs_conn_flush(conn);
	if (!(events & UV_READABLE))
		return;
	// One that has frames left is not read from: what it sends waits in its socket.
	for (int i = 0; i < READS_PER_TURN && !conn->doomed && !conn->paused && !conn->resumed; i++)
		if (!read_once(conn))
			break;
}
