// SPDX-License-Identifier: Apache-2.0
#include "fake_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

void fake_check_at(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: the fake daemon's check failed: %s\n", file, line, what);
	abort();
}

static void *run(void *arg)
{
	struct fake *f = arg;
	f->fd = accept(f->listen_fd, NULL, NULL);
	if (f->fd >= 0) {
		f->script(f);
		close(f->fd);
	}
	return NULL;
}

void fake_start(struct fake *f, void (*script)(struct fake *f))
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	f->script = script;
	f->passed_fd = -1;
	strcpy(f->folder, "/tmp/hsfeed-test-XXXXXX");
	fake_check(mkdtemp(f->folder) != NULL);
	snprintf(f->path, sizeof(f->path), "%s/sock", f->folder);
	strcpy(addr.sun_path, f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fake_check(bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	fake_check(listen(f->listen_fd, 4) == 0);
	fake_check(pthread_create(&f->thread, NULL, run, f) == 0);
}

void fake_stop(struct fake *f)
{
	shutdown(f->listen_fd, SHUT_RDWR); // wakes an accept nobody answered
	pthread_join(f->thread, NULL);
	close(f->listen_fd);
	if (f->passed_fd >= 0)
		close(f->passed_fd);
	unlink(f->path);
	rmdir(f->folder);
	free(f->frame);
}

static bool receive(struct fake *f, int fd, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = {(char *)data + at, len - at};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		ssize_t n = recvmsg(fd, &msg, 0);
		if (n <= 0)
			return false;
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		if (cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
			if (f->passed_fd >= 0)
				close(f->passed_fd);
			memcpy(&f->passed_fd, CMSG_DATA(cmsg), sizeof(int));
		}
		at += (size_t)n;
	}
	return true;
}

static void parse(struct fake *f)
{
	static const struct hs_wire_limits limits = {HS_WIRE_MAX_DEPTH, HS_WIRE_MAX_ITEMS};
	size_t offset;
	struct hs_rbuf r = {f->frame, f->frame + f->len};
	struct hs_wire_value v;
	fake_check(hs_wire_check(f->frame, f->len, &limits, &offset) == NULL);
	fake_check(hs_r_next(&r, &v) && v.type == HS_WIRE_ARRAY);
	fake_check(hs_r_next(&r, &v) && v.type == HS_WIRE_UINT);
	f->kind = v.as.u;
	if (f->kind == HS_WIRE_REQUEST) {
		fake_check(hs_r_next(&r, &v) && v.type == HS_WIRE_UINT);
		f->seq = v.as.u;
	}
	fake_check(hs_r_next(&r, &v) && v.type == HS_WIRE_STR && v.as.str.len < sizeof(f->method));
	memcpy(f->method, v.as.str.ptr, v.as.str.len);
	f->method[v.as.str.len] = '\0';
	f->params = r;
}

bool fake_read_on(struct fake *f, int fd)
{
	uint8_t head[4];
	if (!receive(f, fd, head, 4))
		return false;
	f->len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
	fake_check(f->len > 0 && f->len <= HS_WIRE_MAX_REQUEST);
	free(f->frame);
	f->frame = malloc(f->len);
	fake_check(f->frame != NULL);
	if (!receive(f, fd, f->frame, f->len))
		return false;
	parse(f);
	return true;
}

bool fake_read(struct fake *f)
{
	return fake_read_on(f, f->fd);
}

void fake_expect_on(struct fake *f, int fd, const char *method)
{
	fake_check(fake_read_on(f, fd));
	if (strcmp(f->method, method) != 0)
		fprintf(stderr, "expected %s, got %s\n", method, f->method);
	fake_check(strcmp(f->method, method) == 0);
}

void fake_expect(struct fake *f, const char *method)
{
	fake_expect_on(f, f->fd, method);
}

uint64_t fake_param(struct fake *f, const char *key)
{
	uint64_t v = 0;
	fake_check(hs_r_get_uint(f->params, key, &v));
	return v;
}

static ssize_t send_some(int fd, struct iovec iov, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void send_all(int fd, const void *bytes, size_t len, const int *fds, unsigned nfds)
{
	for (size_t at = 0; at < len; nfds = 0) {
		ssize_t n = send_some(fd, (struct iovec){(char *)(uintptr_t)bytes + at, len - at}, fds, nfds);
		if (n <= 0)
			return; // the client has left
		at += (size_t)n;
	}
}

void fake_send(struct fake *f, const void *bytes, size_t len)
{
	send_all(f->fd, bytes, len, NULL, 0);
}

// Every message begins a buffer, so its frame's mark is 0.
static struct hs_wbuf begin(uint32_t items)
{
	struct hs_wbuf w = {0};
	fake_check(hs_w_frame_begin(&w) == 0);
	hs_w_array(&w, items);
	return w;
}

struct hs_wbuf fake_begin_reply(uint64_t seq)
{
	struct hs_wbuf w = begin(4);
	hs_w_uint(&w, HS_WIRE_REPLY);
	hs_w_uint(&w, seq);
	hs_w_nil(&w);
	return w;
}

struct hs_wbuf fake_begin_error(uint64_t seq)
{
	struct hs_wbuf w = begin(4);
	hs_w_uint(&w, HS_WIRE_REPLY);
	hs_w_uint(&w, seq);
	return w;
}

struct hs_wbuf fake_begin_notice(const char *name)
{
	struct hs_wbuf w = begin(3);
	hs_w_uint(&w, HS_WIRE_NOTICE);
	hs_w_cstr(&w, name);
	return w;
}

void fake_end_on(int fd, struct hs_wbuf *w, const int *fds, unsigned nfds)
{
	hs_w_frame_end(w, 0, 0);
	fake_check(!w->failed);
	send_all(fd, w->data, w->len, fds, nfds);
	hs_w_fini(w);
}

void fake_end(struct fake *f, struct hs_wbuf *w)
{
	fake_end_on(f->fd, w, NULL, 0);
}

void fake_reply_empty(struct fake *f, uint64_t seq)
{
	struct hs_wbuf w = fake_begin_reply(seq);
	hs_w_map(&w, 0);
	fake_end(f, &w);
}

void fake_reply_error(struct fake *f, uint64_t seq, const char *code, const char *message, const char *hint)
{
	struct hs_wbuf w = fake_begin_error(seq);
	hs_w_map(&w, 3);
	hs_w_cstr(&w, "code");
	hs_w_cstr(&w, code);
	hs_w_cstr(&w, "message");
	hs_w_cstr(&w, message);
	hs_w_cstr(&w, "hint");
	hs_w_cstr(&w, hint);
	hs_w_nil(&w);
	fake_end(f, &w);
}

void fake_hello(struct fake *f, bool fdpass)
{
	fake_expect(f, "hello");
	fake_check(fake_param(f, "protocol") == HS_WIRE_PROTOCOL);
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 4);
	hs_w_cstr(&w, "protocol");
	hs_w_uint(&w, 1);
	hs_w_cstr(&w, "daemon");
	hs_w_cstr(&w, "fake");
	hs_w_cstr(&w, "features");
	hs_w_array(&w, 1 + (uint32_t)fdpass + (uint32_t)f->rings + (uint32_t)f->packs);
	hs_w_cstr(&w, "inline");
	if (fdpass)
		hs_w_cstr(&w, "fdpass");
	if (f->rings)
		hs_w_cstr(&w, "ring");
	if (f->packs)
		hs_w_cstr(&w, "packed");
	hs_w_cstr(&w, "limits");
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "max_request");
	hs_w_uint(&w, HS_WIRE_MAX_REQUEST);
	hs_w_cstr(&w, "max_reply");
	hs_w_uint(&w, 1u << 24);
	fake_end(f, &w);
}

void fake_ring_make(struct fake_ring *r, size_t bytes, int seals)
{
	int ends[2];
	r->bytes = bytes;
	r->memory = memfd_create("fake-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fake_check(r->memory >= 0 && ftruncate(r->memory, (off_t)bytes) == 0);
	fake_check(seals == 0 || fcntl(r->memory, F_ADD_SEALS, seals) == 0);
	r->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory, 0);
	fake_check(r->map != MAP_FAILED);
	fake_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	fake_check(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
	r->channel = ends[0];
	r->given = ends[1];
}

void fake_ring_free(struct fake_ring *r)
{
	munmap(r->map, r->bytes);
	close(r->memory);
	close(r->channel);
	if (r->given >= 0)
		close(r->given);
}

hsfeed_client *fake_connect(struct fake *f, unsigned timeout_ms)
{
	struct hsfeed_connect_options options = {.size = sizeof(options), .socket = f->path};
	hsfeed_client *client = NULL;
	struct hsfeed_error error;
	if (hsfeed_connect(&options, &client, &error) < 0)
		fprintf(stderr, "connect: %s\n", error.message);
	fake_check(client != NULL);
	if (timeout_ms > 0)
		fake_set_timeout(client, timeout_ms);
	return client;
}

void fake_set_timeout(hsfeed_client *client, unsigned timeout_ms)
{
	client->timeout_ms = timeout_ms;
}

static int ask_twice(void *arg)
{
	return ++*(int *)arg == 2;
}

void fake_interrupt(hsfeed_client *client, int *asked)
{
	client->interrupted = ask_twice;
	client->arg = asked;
}
