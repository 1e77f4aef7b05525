// SPDX-License-Identifier: Apache-2.0
// Sending: a connection's queue of things that stay where they are until the kernel took their bytes.
//
// A frame that carries a descriptor begins a sendmsg of its own: the kernel then hands the descriptor over with the
// read that takes the frame's first byte, and with no earlier one.
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// A frame in a buffer of its own.
struct flat {
	struct hs_out out; // first member
	struct iovec piece;
	struct hs_passing passing;
};

static void on_retry_closed(uv_handle_t *handle)
{
	free(handle);
}

void hs_conn_drop_retry(struct hs_conn *conn)
{
	if (conn->retry)
		uv_close((uv_handle_t *)conn->retry, on_retry_closed);
	conn->retry = NULL;
}

static void unqueue_first(struct hs_conn *conn)
{
	struct hs_out *out = conn->out_first;
	conn->out_first = out->next;
	if (!conn->out_first)
		conn->out_last = NULL;
	conn->charged -= out->charged;
}

void hs_conn_push(struct hs_conn *conn, struct hs_out *out)
{
	out->next = NULL;
	out->sent = 0;
	if (conn->doomed) {
		out->done(out, false);
		return;
	}
	if (conn->out_last)
		conn->out_last->next = out;
	else
		conn->out_first = out;
	conn->out_last = out;
	// One answer may be of any size; what may not pile up is answers behind answers.
	if (out->charged > 0 && conn->charged > conn->server->options->limits.queue_bytes)
		hs_conn_doom(conn, "too many answers that it does not read");
	conn->charged += out->charged;
}

// Gathers the unsent bytes of the queue's head, across items, up to one that carries a descriptor.
static int gather(const struct hs_conn *conn, struct iovec *iov, int max)
{
	int n = 0;
	for (const struct hs_out *out = conn->out_first; out && n < max; out = out->next) {
		if (out->nfds > 0 && out != conn->out_first)
			break;
		size_t skip = out->sent;
		for (unsigned i = 0; i < out->npieces && n < max; i++) {
			const struct iovec *piece = &out->pieces[i];
			size_t gone = skip < piece->iov_len ? skip : piece->iov_len;
			skip -= gone;
			if (piece->iov_len > gone)
				iov[n++] = (struct iovec){(char *)piece->iov_base + gone, piece->iov_len - gone};
		}
	}
	return n;
}

static void account_sent(struct hs_conn *conn, size_t sent)
{
	conn->deadline_ms = uv_now(&conn->server->loop) + conn->server->options->limits.stall_ms;
	while (conn->out_first) {
		struct hs_out *out = conn->out_first;
		size_t take = out->len - out->sent < sent ? out->len - out->sent : sent;
		out->sent += take;
		sent -= take;
		if (out->sent < out->len)
			return;
		unqueue_first(conn);
		out->done(out, true);
	}
}

static void on_retry(uv_timer_t *timer)
{
	struct hs_conn *conn = timer->data;
	hs_conn_drop_retry(conn);
	hs_conn_flush(conn);
}

// The kernel is out of memory: polling for room would spin, so a timer tries again.
static void retry_later(struct hs_conn *conn)
{
	conn->retry = malloc(sizeof(*conn->retry));
	if (!conn->retry) {
		hs_conn_doom(conn, "out of memory");
		return;
	}
	uv_timer_init(&conn->server->loop, conn->retry);
	conn->retry->data = conn;
	uv_timer_start(conn->retry, on_retry, 20, 0);
}

static ssize_t send_some(const struct hs_conn *conn)
{
	struct iovec iov[64];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(HS_SEND_FDS * sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)gather(conn, iov, 64)};
	const struct hs_out *first = conn->out_first;
	if (first->nfds > 0 && first->sent == 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(first->nfds * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(first->nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), first->fds, first->nfds * sizeof(int));
	}
	return sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_flat_done(struct hs_out *out, bool whole);

// Too many descriptors of this process are under way, unread by their receivers. The first frame goes without.
static void refuse_descriptors(struct hs_conn *conn)
{
	struct flat *flat = (struct flat *)conn->out_first;
	if (flat->out.done != on_flat_done || flat->out.nfds == 0 || flat->passing.instead.failed) {
		retry_later(conn);
		return;
	}
	for (unsigned i = 0; i < flat->out.nfds; i++)
		close(flat->passing.fds[i]);
	flat->out.nfds = 0;
	free(flat->piece.iov_base);
	flat->piece = (struct iovec){flat->passing.instead.data, flat->passing.instead.len};
	flat->out.len = flat->passing.instead.len;
	flat->passing.instead = (struct hs_wbuf){0};
	struct hs_pump *pump = hs_pump_find(conn, flat->passing.stream);
	if (pump)
		hs_pump_kill(pump, true);
}

void hs_conn_flush(struct hs_conn *conn)
{
	while (conn->out_first && !conn->doomed && !conn->retry) {
		ssize_t n = send_some(conn);
		if (n >= 0)
			account_sent(conn, (size_t)n);
		else if (errno == EAGAIN)
			break;
		else if (errno == ENOBUFS || errno == ENOMEM)
			retry_later(conn);
		else if (errno == ETOOMANYREFS)
			refuse_descriptors(conn);
		else if (errno == EPIPE || errno == ECONNRESET)
			hs_conn_left(conn);
		else if (errno != EINTR)
			hs_conn_doom(conn, strerror(errno));
	}
	hs_conn_update(conn);
}

void hs_conn_drop(struct hs_conn *conn, bool (*match)(const struct hs_out *out, const void *arg), const void *arg)
{
	struct hs_out *kept = NULL, *next;
	for (struct hs_out *out = conn->out_first; out; out = next) {
		next = out->next;
		if (out->sent > 0 || !match(out, arg)) {
			kept = out;
			continue;
		}
		if (kept)
			kept->next = next;
		else
			conn->out_first = next;
		conn->charged -= out->charged;
		out->done(out, false);
	}
	conn->out_last = kept;
}

static void on_flat_done(struct hs_out *out, bool whole)
{
	struct flat *flat = (struct flat *)out;
	(void)whole;
	free(flat->piece.iov_base);
	for (unsigned i = 0; i < flat->out.nfds; i++)
		close(flat->passing.fds[i]);
	hs_w_fini(&flat->passing.instead);
	free(flat);
}

static struct flat *push_frame(struct hs_conn *conn, struct hs_wbuf *frame, struct hs_passing *passing)
{
	struct flat *flat = frame->failed ? NULL : calloc(1, sizeof(*flat));
	if (!flat) {
		hs_w_fini(frame);
		hs_conn_doom(conn, "out of memory");
		return NULL;
	}
	flat->piece = (struct iovec){frame->data, frame->len};
	flat->out = (struct hs_out){
		.pieces = &flat->piece, .npieces = 1, .len = frame->len, .charged = frame->len, .done = on_flat_done};
	*frame = (struct hs_wbuf){0};
	if (passing) {
		flat->passing = *passing;
		flat->out.fds = flat->passing.fds;
		flat->out.nfds = HS_SEND_FDS;
		*passing = (struct hs_passing){.fds = {-1, -1}};
	}
	hs_conn_push(conn, &flat->out);
	return flat;
}

void hs_conn_send_ring(struct hs_conn *conn, struct hs_wbuf *frame, struct hs_passing *passing)
{
	if (push_frame(conn, frame, passing))
		hs_conn_flush(conn);
}

void hs_conn_send(struct hs_conn *conn, struct hs_wbuf *frame)
{
	hs_conn_send_ring(conn, frame, NULL);
}

void hs_conn_bye(struct hs_conn *conn, int code, const char *message)
{
	struct hs_wbuf w = {0};
	if (conn->doomed)
		return;
	size_t mark = hs_w_frame_begin(&w);
	hs_w_array(&w, 3);
	hs_w_uint(&w, HS_WIRE_NOTICE);
	hs_w_cstr(&w, "bye");
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "code");
	hs_w_cstr(&w, hs_err_name(code));
	hs_w_cstr(&w, "message");
	hs_w_cstr(&w, message);
	hs_w_frame_end(&w, mark, 0);
	hs_conn_send(conn, &w);
	hs_conn_doom(conn, message);
}
