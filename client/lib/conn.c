// SPDX-License-Identifier: Apache-2.0
// Bytes in and out. Everything that waits, waits here, and while it waits it reads and writes both: a daemon that
// cannot write because we do not read would otherwise never read what we write.
//
//   caller:  queue a frame in `out`  ->  hs_conn_step until what it waits for is there
//   step:    understand what is in `in`; else poll, send, receive
//
// Frames that follow an awaited answer stay in `in` until the next step, so that a stream exists before its batches
// come.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define RECEIVE_BYTES 262144u // at once; more than a Unix socket holds by default
#define SIGNAL_MS     200     // a signal that comes just before a wait begins is seen this late

int hs_client_enter(hsfeed_client *client, struct hsfeed_error *reterr)
{
	if (!client)
		return hs_error_set(reterr, HSFEED_EBADARG, "the connection is NULL");
	if (client->owner_pid != getpid())
		return hs_error_set(reterr, HSFEED_EFORKED,
				    "this connection belongs to process %ld; a child must connect for itself",
				    (long)client->owner_pid);
	if (client->in_callback)
		return hs_error_set(reterr, HSFEED_EBADARG, "the library was called from one of its callbacks");
	if (client->broken.code)
		return hs_error_copy(reterr, &client->broken);
	return 0;
}

int hs_conn_break(hsfeed_client *client, int code, const char *fmt, ...)
{
	if (client->broken.code)
		return client->broken.code;
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	hs_error_set(&client->broken, code, "%s", text);
	if (client->bye.code) {
		hs_error_set(&client->broken, code, "%s: %s", text, client->bye.message);
		hs_error_hint(&client->broken, "%s", client->bye.hint);
	}
	close(client->fd);
	client->fd = -1;
	client->out_fd = -1;
	return code;
}

static ssize_t send_some(hsfeed_client *client)
{
	struct iovec iov = {client->out.data + client->out_start, client->out.len - client->out_start};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (client->out_fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &client->out_fd, sizeof(int));
	}
	return sendmsg(client->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int hs_conn_flush(hsfeed_client *client)
{
	if (client->out.failed)
		return hs_conn_break(client, -ENOMEM, "out of memory");
	while (client->fd >= 0 && client->out_start < client->out.len) {
		ssize_t n = send_some(client);
		if (n > 0) {
			client->out_start += (size_t)n;
			client->out_fd = -1;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			break; // what the daemon still said is read first; its end then breaks the connection
		} else if (n < 0 && errno != EAGAIN && errno != ENOBUFS) {
			return hs_conn_break(client, HSFEED_ELOST, "cannot send to the daemon: %s",
					     hsfeed_strerror(-errno));
		} else {
			return 0;
		}
	}
	hs_w_reset(&client->out);
	client->out_start = 0;
	return 0;
}

// How many bytes the frame at the front has, its length included; 0: not known yet.
static size_t front_bytes(const hsfeed_client *client)
{
	const uint8_t *p = client->in + client->in_start;
	if (client->in_end - client->in_start < HS_WIRE_HEADER_BYTES)
		return 0;
	uint32_t len = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	return (size_t)len + HS_WIRE_HEADER_BYTES;
}

// Room for more bytes. It grows with what has come, never by what a length promises.
static int make_room(hsfeed_client *client)
{
	if (client->in_start == client->in_end)
		client->in_start = client->in_end = 0;
	if (client->in_cap - client->in_end >= RECEIVE_BYTES / 2)
		return 0;
	if (client->in_start > 0) {
		memmove(client->in, client->in + client->in_start, client->in_end - client->in_start);
		client->in_end -= client->in_start;
		client->in_start = 0;
	}
	if (client->in_cap - client->in_end >= RECEIVE_BYTES / 2)
		return 0;
	size_t cap = client->in_cap ? 2 * client->in_cap : RECEIVE_BYTES;
	uint8_t *in = realloc(client->in, cap);
	if (!in)
		return hs_conn_break(client, -ENOMEM, "out of memory for a message of the daemon's");
	client->in = in;
	client->in_cap = cap;
	return 0;
}

void hs_conn_close_fds(hsfeed_client *client)
{
	while (client->nin_fds > 0)
		close(client->in_fds[--client->nin_fds]);
}

int hs_conn_take_fd(hsfeed_client *client)
{
	if (client->nin_fds == 0)
		return -1;
	int fd = client->in_fds[0];
	memmove(client->in_fds, client->in_fds + 1, --client->nin_fds * sizeof(fd));
	return fd;
}

static void keep_fds(hsfeed_client *client, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (client->nin_fds < HS_LIB_MAX_FDS)
				client->in_fds[client->nin_fds++] = fd;
			else
				close(fd);
		}
	}
}

// Room for descriptors is given only where a ring was asked for: others are closed by the kernel.
static ssize_t receive_some(hsfeed_client *client)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(HS_LIB_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {client->in + client->in_end, client->in_cap - client->in_end};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (client->rings) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	ssize_t n = recvmsg(client->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n > 0 && client->rings && msg.msg_controllen > 0)
		keep_fds(client, &msg);
	return n;
}

static int receive(hsfeed_client *client)
{
	int rc = make_room(client);
	if (rc < 0)
		return rc;
	ssize_t n = receive_some(client);
	if (n > 0) {
		client->in_end += (size_t)n;
		return 0;
	}
	if (n == 0)
		return hs_conn_break(client, HSFEED_ELOST, "the daemon closed the connection");
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	return hs_conn_break(client, HSFEED_ELOST, "the connection to the daemon broke: %s", hsfeed_strerror(-errno));
}

// Takes whole frames from `in`. Returns how many, or what broke the connection.
static int dispatch_received(hsfeed_client *client)
{
	int n = 0;
	while (!(client->wait.active && client->wait.answered)) {
		size_t bytes = front_bytes(client);
		if (bytes > (size_t)client->max_reply + HS_WIRE_HEADER_BYTES)
			return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon announced a message of %zu bytes",
					     bytes);
		if (bytes == 0 || client->in_end - client->in_start < bytes)
			break;
		const uint8_t *frame = client->in + client->in_start;
		client->in_start += bytes;
		int rc = hs_conn_dispatch(client, frame + HS_WIRE_HEADER_BYTES, bytes - HS_WIRE_HEADER_BYTES);
		if (rc < 0)
			return rc;
		n++;
	}
	return n;
}

int hs_conn_poll(hsfeed_client *client, struct pollfd *fds, unsigned nfds, int64_t deadline,
		 struct hsfeed_error *reterr)
{
	const int64_t most = client->interrupted ? SIGNAL_MS : 3600000;
	int64_t now = hs_now_ms(), left = deadline - now;
	if (left < 0)
		return HSFEED_ETIMEOUT;
	int n = poll(fds, nfds, (int)(left < most ? left : most));
	if (n == 0 && left <= most)
		return HSFEED_ETIMEOUT;
	if (n < 0 && errno != EINTR)
		return hs_error_set(reterr, -errno, "cannot wait for the daemon: %s", hsfeed_strerror(-errno));
	if (client->interrupted && (n <= 0 || now - client->asked_ms >= SIGNAL_MS)) {
		client->asked_ms = now;
		if (client->interrupted(client->arg))
			return hs_error_set(reterr, -EINTR, "interrupted");
	}
	return n > 0;
}

static int wait_ready(hsfeed_client *client, int64_t deadline, struct hsfeed_error *reterr)
{
	short events = client->out_start < client->out.len ? POLLIN | POLLOUT : POLLIN;
	struct pollfd p = {.fd = client->fd, .events = events};
	int rc = hs_conn_poll(client, &p, 1, deadline, reterr);
	return rc < 0 ? rc : 0;
}

int hs_conn_step(hsfeed_client *client, int64_t deadline, struct hsfeed_error *reterr)
{
	int rc = dispatch_received(client);
	if (rc == 0)
		rc = hs_conn_flush(client);
	else if (rc > 0)
		return hs_conn_flush(client) < 0 ? hs_error_copy(reterr, &client->broken) : 0;
	if (rc == 0)
		rc = wait_ready(client, deadline, reterr);
	if (rc == HSFEED_ETIMEOUT || rc == -EINTR)
		return rc;
	if (rc == 0)
		rc = hs_conn_flush(client);
	if (rc == 0)
		rc = receive(client);
	if (rc == 0)
		rc = dispatch_received(client);
	if (rc >= 0)
		rc = hs_conn_flush(client); // what the dispatching queued: nobody may come back soon
	if (rc < 0 && client->broken.code)
		return hs_error_copy(reterr, &client->broken);
	return rc < 0 ? rc : 0;
}
