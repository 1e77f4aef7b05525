// SPDX-License-Identifier: Apache-2.0
// The daemon's end of a child's socket. The child parses hostile bytes, so what it says is checked like a client's.
#include "childio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "request.h"

static const struct hs_wire_limits limits = {.max_depth = 16, .max_items = HS_WIRE_MAX_REPLY_ITEMS};

static void on_events(uv_poll_t *poll, int status, int events);

// ---- sending ----

static ssize_t send_some(struct hs_child *child)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(HS_INGEST_MAX_FILES * sizeof(int))];
	} control;
	struct iovec iov = {child->job.data + child->job_sent, child->job.len - child->job_sent};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (child->job_sent == 0 && child->ninputs > 0) { // descriptors leave with the first byte, once
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(child->ninputs * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(child->ninputs * sizeof(int));
		for (size_t i = 0; i < child->ninputs; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &child->inputs[i]->fd, sizeof(int));
	}
	return sendmsg(child->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_rest(struct hs_child *child);

static void on_retry(uv_timer_t *timer)
{
	send_rest(timer->data);
}

// Sends what the kernel takes; its copy of the descriptors then lives on, ours are closed. ETOOMANYREFS (too many
// descriptors on their way in the whole system) is retried by a timer: the socket would report room at once, for ever.
static void send_rest(struct hs_child *child)
{
	while (!child->eof && child->job_sent < child->job.len) {
		ssize_t n = send_some(child);
		if (n >= 0) {
			child->job_sent += (size_t)n;
			while (child->ninputs > 0)
				hs_input_unref(child->inputs[--child->ninputs]);
			continue;
		}
		if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM) {
			uv_timer_start(&child->retry, on_retry, 50, 0);
			break;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			break; // its end is closed: reading will say so
		uv_poll_start(&child->poll, UV_READABLE | UV_WRITABLE, on_events);
		return;
	}
	if (!child->eof)
		uv_poll_start(&child->poll, UV_READABLE, on_events);
}

// ---- receiving ----

void hs_child_progress(struct hs_child *child, const char *stage, uint64_t done, uint64_t total)
{
	for (struct hs_request *req = child->waiters; req; req = req->next_waiter) {
		if (req->conn->doomed || req->conn->out_first)
			continue; // it reads slowly: better news will come
		struct hs_wbuf w = {0};
		size_t mark = hs_notice_begin(&w, "progress", 4);
		hs_w_cstr(&w, "seq");
		hs_w_uint(&w, req->seq);
		hs_w_cstr(&w, "stage");
		hs_w_cstr(&w, stage);
		hs_w_cstr(&w, "done");
		hs_w_uint(&w, done);
		hs_w_cstr(&w, "total");
		hs_w_uint(&w, total);
		hs_w_frame_end(&w, mark, 0);
		hs_conn_send(req->conn, &w);
	}
}

static bool take_progress(struct hs_child *child, struct hs_rbuf params)
{
	const char *text;
	size_t len;
	uint64_t done, total;
	char stage[16];
	if (!hs_r_get_str(params, "stage", &text, &len) || len >= sizeof(stage) ||
	    !hs_r_get_uint(params, "done", &done) || !hs_r_get_uint(params, "total", &total))
		return false;
	memcpy(stage, text, len);
	stage[len] = '\0';
	hs_child_progress(child, stage, done, total);
	return true;
}

static bool read_id(struct hs_rbuf *r, struct hs_id *ret)
{
	struct hs_wire_value v;
	if (!hs_r_next(r, &v) || v.type != HS_WIRE_BIN || v.as.str.len != sizeof(ret->bytes))
		return false;
	memcpy(ret->bytes, v.as.str.ptr, sizeof(ret->bytes));
	return true;
}

static void write_known(const struct hs_child *child, enum hs_file_kind kind, const struct hs_id *id, struct hs_wbuf *w)
{
	hs_w_bool(w, hs_store_has(child->server->store, child->uid, kind, id));
}

// The answer is a few dozen bytes on an empty socket: if the kernel does not take it whole, the child is beyond help.
static bool take_known(struct hs_child *child, uint64_t seq, struct hs_rbuf params)
{
	struct hs_rbuf version, encodings;
	struct hs_wire_value head;
	struct hs_id id;
	struct hs_wbuf w = {0};
	if (!hs_r_find(params, "version", &version) || !read_id(&version, &id) ||
	    !hs_r_find(params, "encodings", &encodings) || !hs_r_next(&encodings, &head) || head.type != HS_WIRE_ARRAY)
		return false;
	size_t mark = hs_w_frame_begin(&w);
	hs_w_array(&w, 4);
	hs_w_uint(&w, HS_WIRE_REPLY);
	hs_w_uint(&w, seq);
	hs_w_nil(&w);
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "version");
	write_known(child, HS_FILE_VERSION, &id, &w);
	hs_w_cstr(&w, "encodings");
	hs_w_array(&w, head.as.count);
	bool ok = true;
	for (uint32_t i = 0; i < head.as.count && ok; i++) {
		ok = read_id(&encodings, &id);
		write_known(child, HS_FILE_ENCODING, &id, &w);
	}
	hs_w_frame_end(&w, mark, 0);
	ok = ok && !w.failed && send(child->fd, w.data, w.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)w.len;
	hs_w_fini(&w);
	return ok;
}

static void take_error(struct hs_child *child, struct hs_rbuf error)
{
	const char *text;
	size_t len;
	int64_t number;
	if (!hs_r_get_int(error, "number", &number) || number >= 0 || number < INT32_MIN)
		number = HSFEED_ECHILD;
	if (hs_r_get_str(error, "message", &text, &len))
		hs_err_set(&child->err, (int)number, "%.*s", (int)(len < 1024 ? len : 1024), text);
	else
		hs_err_set(&child->err, (int)number, "%s %s: failed", child->kind->name, child->name);
	if (hs_r_get_str(error, "hint", &text, &len))
		hs_err_hint(&child->err, "%.*s", (int)(len < 512 ? len : 512), text);
	child->rc = (int)number;
}

static bool take_answer(struct hs_child *child, const uint8_t *data, size_t len, struct hs_rbuf r)
{
	struct hs_rbuf error = r;
	struct hs_wire_value v;
	if (!hs_r_next(&r, &v) || child->answered)
		return false;
	child->answered = true;
	if (v.type == HS_WIRE_MAP) {
		take_error(child, error);
		return true;
	}
	child->answer = malloc(len);
	if (!child->answer) {
		child->rc = hs_err_nomem(&child->err, "reading a result");
		return true;
	}
	memcpy(child->answer, data, len);
	child->result = (struct hs_rbuf){child->answer + (r.p - data), child->answer + len};
	return true;
}

// Returns false when the child does not speak as it should.
static bool take_frame(struct hs_child *child, const uint8_t *data, size_t len)
{
	struct hs_rbuf r = {data, data + len};
	struct hs_wire_value head, kind, seq, name;
	size_t offset;
	if (hs_wire_check(data, len, &limits, &offset) || !hs_r_next(&r, &head) || head.type != HS_WIRE_ARRAY ||
	    !hs_r_next(&r, &kind) || kind.type != HS_WIRE_UINT)
		return false;
	if (kind.as.u == HS_WIRE_NOTICE && head.as.count == 3)
		return hs_r_next(&r, &name) && take_progress(child, r);
	if (head.as.count != 4 || !hs_r_next(&r, &seq) || seq.type != HS_WIRE_UINT)
		return false;
	if (kind.as.u == HS_WIRE_REPLY)
		return take_answer(child, data, len, r);
	return kind.as.u == HS_WIRE_REQUEST && hs_r_next(&r, &name) && take_known(child, seq.as.u, r);
}

static bool take_frames(struct hs_child *child)
{
	size_t at = 0;
	while (child->in_len - at >= HS_WIRE_HEADER_BYTES) {
		const uint8_t *p = child->in + at;
		uint32_t n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		if (n == 0 || n > HS_WIRE_MAX_REPLY)
			return false;
		if (child->in_len - at - HS_WIRE_HEADER_BYTES < n)
			break;
		if (!take_frame(child, p + HS_WIRE_HEADER_BYTES, n))
			return false;
		at += HS_WIRE_HEADER_BYTES + n;
	}
	memmove(child->in, child->in + at, child->in_len - at);
	child->in_len -= at;
	return true;
}

static int keep_bytes(struct hs_child *child, const uint8_t *data, size_t n)
{
	if (child->in_len + n > child->in_cap) {
		size_t cap = child->in_cap ? child->in_cap * 2 : 4096;
		while (cap < child->in_len + n)
			cap *= 2;
		uint8_t *in = realloc(child->in, cap);
		if (!in)
			return -ENOMEM;
		child->in = in;
		child->in_cap = cap;
	}
	memcpy(child->in + child->in_len, data, n);
	child->in_len += n;
	return 0;
}

static void on_read(struct hs_child *child)
{
	ssize_t n = recv(child->fd, child->server->scratch, HS_READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hs_child_io_stop(child);
		hs_child_ended(child);
		return;
	}
	if (keep_bytes(child, child->server->scratch, (size_t)n) < 0)
		hs_child_kill(child, -ENOMEM, "out of memory while listening to its process");
	else if (!take_frames(child) && !child->answered)
		hs_child_kill(child, HSFEED_EINTERNAL,
			      "its process said something that the daemon does not understand");
	if (child->killed)
		hs_child_ended(child);
	else if (child->answered && child->phase == HS_RUNNING)
		hs_child_answered(child);
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct hs_child *child = poll->data;
	if (status < 0 || (events & UV_READABLE))
		on_read(child);
	else if (events & UV_WRITABLE)
		send_rest(child);
}

// ---- beginning and end ----

static void on_closed(uv_handle_t *handle)
{
	struct hs_child *child = handle->data;
	child->nclosing--;
	hs_child_unref(child);
}

int hs_child_io_start(struct hs_child *child)
{
	int rc = uv_poll_init(&child->server->loop, &child->poll, child->fd);
	if (rc < 0)
		return rc;
	uv_timer_init(&child->server->loop, &child->retry);
	child->poll.data = child->retry.data = child;
	child->polling = true;
	send_rest(child);
	return 0;
}

void hs_child_io_stop(struct hs_child *child)
{
	if (child->polling) {
		child->polling = false;
		child->nclosing = 2;
		uv_close((uv_handle_t *)&child->poll, on_closed);
		uv_close((uv_handle_t *)&child->retry, on_closed);
	}
	if (child->fd >= 0)
		close(child->fd);
	child->fd = -1;
	child->eof = true;
}
