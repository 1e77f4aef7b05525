// SPDX-License-Identifier: Apache-2.0
// A stream's ring (proto/RING.md): the mapped memory, and the channel on which the daemon says which slots are full and
// we say which are free again. What it says is checked against the mapping before anything is read there.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define IN_BYTES   16384u // a frame of the daemon's has at most 64 slots x (5 + 8 roles) numbers
#define PARTING_MS 1000   // how long the daemon's last words are waited for

// Who slept for a short time only looks for a while, the next time, before it sleeps: waking it costs the daemon more
// than filling a batch. Who waits longer sleeps.
#define HOT_US  200
#define LOOK_US 50

struct hs_channel {
	int fd;
	bool hot;
	struct hs_wbuf out; // to be sent, from `sent` on
	size_t sent;
	size_t in_len;
	uint8_t in[IN_BYTES];
};

// ---- life ----

// Memory that could still shrink would end us with SIGBUS.
static const char *check_file(int fd, uint64_t bytes)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return "its memory is not sealed";
	if (fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size < bytes)
		return "its memory is smaller than its slots";
	return NULL;
}

// Of a packed ring the batches lie in memory of our own. It is shared with children too: after a fork a page of private
// memory could become another one, while a GPU still reads the one that was registered with it.
static int map_own(hsfeed_stream *s, size_t bytes, struct hsfeed_error *reterr)
{
	int rc = hs_packed_map(s->packed, s->ring, s->ring_bytes);
	s->ring = NULL;
	if (rc < 0)
		return hs_error_nomem(reterr);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return hs_error_set(reterr, -errno, "no memory for a stream's batches: %s", hsfeed_strerror(-errno));
	s->ring = memory;
	s->ring_bytes = bytes;
	return 0;
}

static int map(hsfeed_stream *s, int fd, struct hsfeed_error *reterr)
{
	uint64_t own = s->nslots * (uint64_t)s->layout.slot_bytes; // <= 64 * 2^28
	uint64_t bytes = s->packed ? hs_packed_ring_bytes(s->packed, s->nslots) : own;
	const char *wrong = bytes == 0 || own == 0 ? "it has no bytes" : check_file(fd, bytes);
	if (wrong)
		return hs_error_set(reterr, HSFEED_EBADFRAME, "the daemon opened a ring that cannot be used: %s",
				    wrong);
	void *memory = mmap(NULL, (size_t)bytes, s->packed ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return hs_error_set(reterr, -errno, "the ring cannot be mapped: %s", hsfeed_strerror(-errno));
	s->ring = memory;
	s->ring_bytes = (size_t)bytes;
	return s->packed ? map_own(s, (size_t)own, reterr) : 0;
}

static int no_descriptors(struct hsfeed_error *reterr)
{
	hs_error_set(
		reterr, HSFEED_EUNSUPPORTED,
		"a ring was opened, but its descriptors did not arrive: they cannot pass here, or this process has "
		"as many as it may");
	return hs_error_hint(reterr,
			     "leave the transport out, set HSFEED_NO_FDPASS=1, or raise the limit of open files");
}

int hs_ring_open(hsfeed_stream *s, hsfeed_client *client, struct hsfeed_error *reterr)
{
	int memory = hs_conn_take_fd(client), channel = hs_conn_take_fd(client), rc;
	s->channel = calloc(1, sizeof(*s->channel));
	if (channel < 0)
		rc = no_descriptors(reterr);
	else
		rc = s->channel ? map(s, memory, reterr) : hs_error_nomem(reterr);
	if (memory >= 0)
		close(memory);
	if (rc < 0) {
		if (channel >= 0)
			close(channel);
		free(s->channel);
		return rc;
	}
	s->channel->fd = channel;
	return 0;
}

void hs_ring_refuse(hsfeed_client *client)
{
	for (int i = 0; i < 2; i++) {
		int fd = hs_conn_take_fd(client);
		if (fd >= 0)
			close(fd);
	}
}

void hs_ring_close(hsfeed_stream *s)
{
	if (!s->channel)
		return;
	if (s->ring)
		munmap(s->ring, s->ring_bytes);
	hs_packed_free(s->packed);
	close(s->channel->fd);
	hs_w_fini(&s->channel->out);
	free(s->channel);
}

int hsfeed_stream_ring(const hsfeed_stream *stream, void **ret_memory, size_t *ret_bytes)
{
	if (!stream || !stream->ring)
		return 0;
	*ret_memory = stream->ring;
	*ret_bytes = stream->ring_bytes;
	return 1;
}

int hsfeed_stream_fd(const hsfeed_stream *stream)
{
	if (!stream || !stream->client || stream->client->closed)
		return -1;
	bool asked = stream->ahead.state == HS_AHEAD_ASKED; // a refusal comes on the connection alone
	return stream->ring && !asked ? stream->channel->fd : hsfeed_fd(stream->client);
}

// ---- out ----

// Sends what it can. A daemon that is gone is found by the next wait.
static void send_some(struct hs_channel *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			c->sent += (size_t)n;
		else if (errno != EINTR)
			return;
	}
	hs_w_reset(&c->out);
	c->sent = 0;
}

void hs_channel_release(hsfeed_stream *s)
{
	struct hs_channel *c = s->channel;
	hs_write_release(&c->out, s->id, (const uint64_t(*)[2])s->releases, s->nreleases);
	s->nreleases = 0;
	if (c->out.failed)
		hs_conn_break(s->client, -ENOMEM, "out of memory");
	else
		send_some(c);
}

// ---- in ----

// One of stream.ready's batches: [slot, fill, batch, at, rows, length of each role].
static const char *read_batch(struct hs_rbuf *r, const struct hs_layout *layout, struct hs_arrival *ret)
{
	uint64_t *const numbers[] = {&ret->slot, &ret->fill, &ret->batch, &ret->at, &ret->rows};
	struct hs_wire_value v;
	if (!hs_r_next(r, &v) || v.type != HS_WIRE_ARRAY || v.as.count != 5 + layout->nroles)
		return "it is no list of numbers";
	for (size_t i = 0; i < 5 + layout->nroles; i++) {
		if (!hs_r_next(r, &v) || v.type != HS_WIRE_UINT)
			return "it is no list of numbers";
		*(i < 5 ? numbers[i] : &ret->lengths[i - 5]) = v.as.u;
	}
	return NULL;
}

static int on_ready(hsfeed_stream *s, struct hs_rbuf params)
{
	struct hs_arrival a = {.data = NULL};
	struct hs_rbuf r;
	struct hs_wire_value v;
	if (!hs_r_get_uint(params, "generation", &a.generation) || !hs_r_find(params, "batches", &r) ||
	    !hs_r_next(&r, &v) || v.type != HS_WIRE_ARRAY)
		return hs_stream_bad_batch(s->client, "a key is missing");
	for (uint32_t i = 0; i < v.as.count; i++) {
		const char *wrong = read_batch(&r, &s->layout, &a);
		int rc = wrong ? hs_stream_bad_batch(s->client, wrong) : hs_stream_accept(s, &a);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool is_ready(const uint8_t *frame, size_t len, struct hs_rbuf *ret_params)
{
	static const struct hs_wire_limits limits = {HS_WIRE_MAX_DEPTH, HS_WIRE_MAX_ITEMS};
	struct hs_rbuf r = {frame, frame + len}, peek;
	struct hs_wire_value head, kind, name, params;
	size_t offset;
	if (hs_wire_check(frame, len, &limits, &offset) || !hs_r_next(&r, &head) || head.type != HS_WIRE_ARRAY ||
	    head.as.count != 3 || !hs_r_next(&r, &kind) || kind.type != HS_WIRE_UINT || kind.as.u != HS_WIRE_NOTICE ||
	    !hs_r_next(&r, &name) || name.type != HS_WIRE_STR || name.as.str.len != 12 ||
	    memcmp(name.as.str.ptr, "stream.ready", 12) != 0)
		return false;
	peek = *ret_params = r;
	return hs_r_next(&peek, &params) && params.type == HS_WIRE_MAP;
}

static int on_frame(hsfeed_stream *s, const uint8_t *frame, size_t len)
{
	struct hs_rbuf params;
	if (is_ready(frame, len, &params)) // by far the most frequent
		return on_ready(s, params);
	return hs_conn_dispatch(s->client, frame, len);
}

static int read_frames(hsfeed_stream *s)
{
	struct hs_channel *c = s->channel;
	size_t at = 0;
	int rc = 0;
	while (rc == 0 && c->in_len - at >= HS_WIRE_HEADER_BYTES) {
		const uint8_t *p = c->in + at;
		uint32_t n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		if (n == 0 || n > IN_BYTES - HS_WIRE_HEADER_BYTES)
			return hs_conn_break(s->client, HSFEED_EBADFRAME,
					     "the daemon announced a message of %u bytes on a channel", n);
		if (c->in_len - at - HS_WIRE_HEADER_BYTES < n)
			break;
		rc = on_frame(s, p + HS_WIRE_HEADER_BYTES, n);
		at += HS_WIRE_HEADER_BYTES + n;
	}
	c->in_len -= at;
	if (at > 0 && c->in_len > 0)
		memmove(c->in, c->in + at, c->in_len);
	return rc < 0 ? rc : 0;
}

// The daemon hung up. Why, it says on the connection, if anywhere.
static int hung_up(hsfeed_client *client)
{
	int64_t deadline = hs_deadline(PARTING_MS);
	while (!client->broken.code && hs_conn_step(client, deadline, NULL) == 0)
		continue;
	return hs_conn_break(client, HSFEED_ELOST, "the daemon closed a stream's channel");
}

// Takes what came: 1, or 0 when nothing did.
static int take(hsfeed_stream *s)
{
	struct hs_channel *c = s->channel;
	ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, MSG_DONTWAIT);
	if (n > 0) {
		c->in_len += (size_t)n;
		int rc = read_frames(s);
		return rc < 0 ? rc : 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return hung_up(s->client);
}

static int wait_ready(hsfeed_stream *s, int64_t deadline, struct hsfeed_error *reterr)
{
	hsfeed_client *client = s->client;
	struct hs_channel *c = s->channel;
	struct pollfd p[2] = {{.fd = c->fd, .events = c->out.len > 0 ? POLLIN | POLLOUT : POLLIN},
			      {.fd = client->fd, .events = POLLIN}};
	int rc = hs_conn_poll(client, p, 2, deadline, reterr);
	if (rc <= 0 || !p[1].revents || p[0].revents & POLLIN)
		return rc < 0 ? rc : 0;
	rc = hs_conn_step(client, hs_deadline(0), reterr); // what the connection has for us
	return rc == HSFEED_ETIMEOUT ? 0 : rc;
}

static int64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int look(hsfeed_stream *s, int64_t deadline)
{
	int64_t now = now_us(), end = deadline > now / 1000 + 1 ? now + LOOK_US : now;
	int rc = 0;
	while (rc == 0 && now_us() < end) {
		sched_yield(); // the daemon may be waiting for this very processor
		rc = take(s);
	}
	return rc;
}

static int sleep_until(hsfeed_stream *s, int64_t deadline, struct hsfeed_error *reterr)
{
	int64_t asleep = now_us();
	int rc = wait_ready(s, deadline, reterr);
	s->channel->hot = rc == 0 && now_us() - asleep < HOT_US;
	return rc;
}

int hs_channel_step(hsfeed_stream *s, int64_t deadline, struct hsfeed_error *reterr)
{
	send_some(s->channel);
	int rc = take(s);
	if (rc == 0 && s->channel->hot)
		rc = look(s, deadline);
	if (rc == 0) {
		rc = sleep_until(s, deadline, reterr);
		if (rc == HSFEED_ETIMEOUT || rc == -EINTR)
			return rc;
		if (rc == 0)
			rc = take(s);
	}
	if (rc < 0 && s->client->broken.code)
		return hs_error_copy(reterr, &s->client->broken);
	return rc < 0 ? rc : 0;
}
