// SPDX-License-Identifier: Apache-2.0
#include "ingest/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_MS 100
#define MAX_DEPTH   16 // of a parent's frame: the job nests deeper than a client's request

static const char *const stage_names[HS_NSTAGES] = {"read", "parse", "tokenize", "write", "verify"};

void hs_frame_fini(struct hs_frame *frame)
{
	for (size_t i = 0; i < frame->nfds; i++)
		close(frame->fds[i]);
	frame->nfds = 0;
	hs_buf_fini(&frame->body);
}

int hs_channel_init(struct hs_channel *c, int fd)
{
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->wake = -1;
	c->next_seq = 1;
	return -pthread_mutex_init(&c->lock, NULL);
}

void hs_channel_fini(struct hs_channel *c)
{
	uint64_t one = 1;
	if (c->watching && write(c->wake, &one, sizeof(one)) == sizeof(one))
		pthread_join(c->watcher, NULL);
	if (c->wake >= 0)
		close(c->wake);
	for (size_t i = 0; i < c->ntmp; i++)
		free(c->tmp[i]);
	free(c->tmp);
	pthread_mutex_destroy(&c->lock);
}

// ---- files that must not stay ----

static void unlink_with(const char *path, const char *suffix)
{
	char name[4096];
	if (snprintf(name, sizeof(name), "%s%s", path, suffix) < (int)sizeof(name))
		unlink(name);
}

// Caller holds the lock.
static void unlink_owned(struct hs_channel *c)
{
	for (size_t i = 0; i < c->ntmp; i++) {
		unlink_with(c->tmp[i], "");
		unlink_with(c->tmp[i], ".crc");
		unlink_with(c->tmp[i], "-lock");
		free(c->tmp[i]);
	}
	c->ntmp = 0;
}

int hs_channel_own(struct hs_channel *c, const char *path)
{
	int rc = -ENOMEM;
	char *copy = strdup(path);
	pthread_mutex_lock(&c->lock);
	if (copy && hs_grow(&c->tmp, &c->tmp_cap, c->ntmp + 1, sizeof(*c->tmp)) == 0) {
		c->tmp[c->ntmp++] = copy;
		copy = NULL;
		rc = 0;
	}
	pthread_mutex_unlock(&c->lock);
	free(copy);
	return rc;
}

// Nobody is left to work for. Caller holds the lock and never gives it back: no further file can be begun.
static _Noreturn void leave(struct hs_channel *c)
{
	unlink_owned(c);
	_exit(1);
}

static void *watch(void *arg)
{
	struct hs_channel *c = arg;
	struct pollfd p[] = {{.fd = c->fd, .events = POLLRDHUP}, {.fd = c->wake, .events = POLLIN}};
	while (poll(p, 2, -1) < 0)
		;
	pthread_mutex_lock(&c->lock);
	if (!p[1].revents && !c->answered)
		leave(c);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int hs_channel_watch(struct hs_channel *c)
{
	c->wake = eventfd(0, EFD_CLOEXEC);
	if (c->wake < 0)
		return -errno;
	int rc = -pthread_create(&c->watcher, NULL, watch, c);
	c->watching = rc == 0;
	return rc;
}

// ---- in ----

static int take_fds(struct msghdr *msg, struct hs_frame *f)
{
	int rc = msg->msg_flags & MSG_CTRUNC ? HSFEED_EBADFRAME : 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (f->nfds < HS_INGEST_MAX_FILES) {
				f->fds[f->nfds++] = fd;
			} else {
				close(fd);
				rc = HSFEED_EBADFRAME;
			}
		}
	}
	return rc;
}

static int recv_all(int fd, void *data, size_t len, struct hs_frame *f)
{
	// One more than allowed, so that one too many is seen here and not cut off by the kernel.
	_Alignas(struct cmsghdr) char control[CMSG_SPACE((HS_INGEST_MAX_FILES + 1) * sizeof(int))];
	for (size_t done = 0; done < len;) {
		struct iovec iov = {.iov_base = (char *)data + done, .iov_len = len - done};
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		int rc = take_fds(&msg, f);
		if (rc < 0)
			return rc;
		if (n == 0)
			return HSFEED_ELOST;
		done += (size_t)n;
	}
	return 0;
}

static int recv_frame(int fd, struct hs_frame *f)
{
	uint8_t head[HS_WIRE_HEADER_BYTES];
	int rc = recv_all(fd, head, sizeof(head), f);
	if (rc < 0)
		return rc;
	uint32_t len = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
	if (len == 0 || len > HS_WIRE_MAX_REPLY)
		return HSFEED_EBADFRAME;
	rc = hs_buf_reserve(&f->body, len);
	if (rc < 0)
		return rc;
	f->body.len = len;
	return recv_all(fd, f->body.data, len, f);
}

int hs_channel_recv(struct hs_channel *c, struct hs_frame *ret, struct hs_err *reterr)
{
	struct hs_wire_limits limits = {.max_depth = MAX_DEPTH, .max_items = HS_WIRE_MAX_REPLY_ITEMS};
	struct hs_frame f = {.nfds = 0};
	size_t at;
	int rc = recv_frame(c->fd, &f);
	const char *fault = rc < 0 ? NULL : hs_wire_check(f.body.data, f.body.len, &limits, &at);
	if (fault)
		rc = hs_err_set(reterr, HSFEED_EBADFRAME, "the daemon's message is not well-formed at byte %zu: %s", at,
				fault);
	else if (rc < 0)
		hs_err_set(reterr, rc, "the daemon's message could not be received");
	if (rc < 0)
		hs_frame_fini(&f);
	else
		*ret = f;
	return rc;
}

// ---- out ----

// Caller holds the lock. A parent that is gone ends the process.
static void send_all(struct hs_channel *c, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			leave(c);
		data += n;
		len -= (size_t)n;
	}
}

void hs_channel_progress(struct hs_channel *c, enum hs_stage stage, uint64_t done, uint64_t total)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	pthread_mutex_lock(&c->lock);
	if (done >= total || ms - c->told_ms[stage] >= PROGRESS_MS) {
		c->told_ms[stage] = ms;
		struct hs_wbuf w = {.len = 0};
		size_t mark = hs_w_frame_begin(&w);
		hs_w_array(&w, 3);
		hs_w_uint(&w, HS_WIRE_NOTICE);
		hs_w_cstr(&w, "progress");
		hs_w_map(&w, 3);
		hs_w_cstr(&w, "stage");
		hs_w_cstr(&w, stage_names[stage]);
		hs_w_cstr(&w, "done");
		hs_w_uint(&w, done);
		hs_w_cstr(&w, "total");
		hs_w_uint(&w, total);
		hs_w_frame_end(&w, mark, 0);
		if (!w.failed) // a notice may be lost, the answer says what counts
			send_all(c, w.data, w.len);
		hs_w_fini(&w);
	}
	pthread_mutex_unlock(&c->lock);
}

void hs_channel_put_error(struct hs_wbuf *w, const struct hs_err *err)
{
	hs_w_map(w, 4);
	hs_w_cstr(w, "code");
	hs_w_cstr(w, hs_err_name(err->code));
	hs_w_cstr(w, "message");
	hs_w_cstr(w, err->message);
	hs_w_cstr(w, "hint");
	hs_w_cstr(w, err->hint);
	hs_w_cstr(w, "number");
	hs_w_int(w, err->code);
}

// An answer of either kind as a whole frame.
static void put_answer(struct hs_wbuf *w, uint32_t seq, const struct hs_wbuf *result, const struct hs_err *err)
{
	size_t mark = hs_w_frame_begin(w);
	hs_w_array(w, 4);
	hs_w_uint(w, HS_WIRE_REPLY);
	hs_w_uint(w, seq);
	if (result) {
		hs_w_nil(w);
		hs_w_raw(w, result->data, result->len);
	} else {
		hs_channel_put_error(w, err);
		hs_w_nil(w);
	}
	hs_w_frame_end(w, mark, 0);
}

int hs_channel_answer(struct hs_channel *c, uint32_t seq, const struct hs_wbuf *result, const struct hs_err *err)
{
	struct hs_err nomem;
	struct hs_wbuf w = {.len = 0};
	put_answer(&w, seq, result, err);
	if (result && (result->failed || w.failed)) {
		hs_w_fini(&w);
		hs_err_nomem(&nomem, "writing the result");
		result = NULL;
		put_answer(&w, seq, NULL, &nomem);
	}
	int rc = w.failed ? -ENOMEM : 0;
	pthread_mutex_lock(&c->lock);
	if (!result || rc < 0)
		unlink_owned(c);
	if (rc == 0) {
		send_all(c, w.data, w.len);
		c->answered = true;
		while (c->ntmp > 0) // with the result the files became the parent's
			free(c->tmp[--c->ntmp]);
	}
	pthread_mutex_unlock(&c->lock);
	hs_w_fini(&w);
	return rc;
}

static int send_request(struct hs_channel *c, const char *method, const struct hs_wbuf *params, uint32_t *ret_seq)
{
	struct hs_wbuf w = {.len = 0};
	pthread_mutex_lock(&c->lock);
	*ret_seq = c->next_seq++;
	size_t mark = hs_w_frame_begin(&w);
	hs_w_array(&w, 4);
	hs_w_uint(&w, HS_WIRE_REQUEST);
	hs_w_uint(&w, *ret_seq);
	hs_w_cstr(&w, method);
	hs_w_raw(&w, params->data, params->len);
	hs_w_frame_end(&w, mark, 0);
	int rc = w.failed || params->failed ? -ENOMEM : 0;
	if (rc == 0)
		send_all(c, w.data, w.len);
	pthread_mutex_unlock(&c->lock);
	hs_w_fini(&w);
	return rc;
}

// Opens [1, seq, error|nil, result|nil].
static int open_reply(const struct hs_frame *f, uint32_t seq, struct hs_rbuf *ret_result, struct hs_err *reterr)
{
	struct hs_rbuf r = {.p = f->body.data, .end = f->body.data + f->body.len};
	struct hs_wire_value array, type, number, error;
	if (!hs_r_next(&r, &array) || array.type != HS_WIRE_ARRAY || array.as.count != 4 || !hs_r_next(&r, &type) ||
	    type.type != HS_WIRE_UINT || type.as.u != HS_WIRE_REPLY || !hs_r_next(&r, &number) ||
	    number.type != HS_WIRE_UINT || number.as.u != seq)
		return hs_err_set(reterr, HSFEED_EBADFRAME,
				  "the daemon's message is not the answer that was asked for");
	struct hs_rbuf map = r;
	if (!hs_r_next(&r, &error) || error.type != HS_WIRE_NIL) {
		const char *text = "no reason given";
		size_t len = strlen(text);
		hs_r_get_str(map, "message", &text, &len);
		return hs_err_set(reterr, HSFEED_ECHILD, "the daemon refused to answer the ingest process: %.*s",
				  (int)len, text);
	}
	*ret_result = r;
	return 0;
}

int hs_channel_call(struct hs_channel *c, const char *method, const struct hs_wbuf *params, struct hs_frame *ret_frame,
		    struct hs_rbuf *ret_result, struct hs_err *reterr)
{
	uint32_t seq;
	struct hs_frame f = {.nfds = 0};
	if (send_request(c, method, params, &seq) < 0)
		return hs_err_nomem(reterr, "asking the daemon");
	int rc = hs_channel_recv(c, &f, reterr);
	if (rc < 0)
		return rc;
	rc = open_reply(&f, seq, ret_result, reterr);
	if (rc < 0)
		hs_frame_fini(&f);
	else
		*ret_frame = f;
	return rc;
}
