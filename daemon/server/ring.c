// SPDX-License-Identifier: Apache-2.0
// Batches in memory shared with one client, and a socket of their own, the channel, on which both sides say which slots
// are whose (proto/RING.md).
//
// Nothing that a client can write to steers us. It may write what it likes into the ring: we write each batch in full,
// never read, and keep all indices here. It cannot shrink the memory (sealed), and pages are made before we write to
// them, by a call that can say no. (Where a client punches holes, writing makes new ones.)
//
// Why a channel: a batch takes 3 us to fill, waking a thread 40. A turn reads releases, fills and announces by itself,
// so that a stream at full speed wakes nobody, and lingers a moment for more releases before it gives up its thread.
// The loop thread only watches the channels of streams that no thread has.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packed.h"
#include "pump.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define IN_BYTES      4096   // a client's frames on a channel are not longer
#define CHANNEL_BYTES 4096   // the kernel's part of it: two sockets, and messages under way
#define PAGES_BYTES   65536  // so many are made at a time, since whoever opens a stream waits for the first batch alone
#define TURN_MIN      8      // slots that a turn fills before it leaves the thread to others
#define TURN_MAX      4096   // slots after which the loop thread hears of it
#define HEAR_MOST     4      // reads in a row: a client that sends without end is not listened to for ever
#define HOT_NS        200000 // a turn that begins so soon after the last one lingers at its end,
#define LINGER_NS     250000 // ... so long at most,
#define TIRED_TURNS   16     // ... but not for so many turns after it did so in vain

struct slot {
	uint64_t fill; // the number of its last fill
	bool out;      // the client's
};

struct own {
	int fd;            // our end of the channel
	bool watched;      // by server->channels
	bool wanted;       // loop thread: a turn has something to do
	bool brief;        // the next turn fills one slot, for a client that waits for it
	bool more;         // the turn stopped before it was done
	bool gone;         // the client closed its end
	bool blocked;      // the channel is full: what is left of `out` waits for room
	bool hot;          // the client keeps a thread busy
	unsigned tired;    // turns that will not linger
	const char *fault; // what the client did wrong, or that there is no memory to tell it anything
	uint64_t rested_ns, nfills;
	struct hs_wbuf out; // frames, of which `sent` bytes are gone
	size_t sent, in_len;
	unsigned nstrays;
	int strays[HS_MAX_FDS];  // descriptors that the client sent: to be closed where that may take its time
	unsigned nempty, *empty; // stack: the slot released last, still in a cache, is filled first
	size_t made;             // bytes of the memory, from its beginning, that have pages
	uint8_t in[IN_BYTES];    // what came and is no whole frame yet
	struct slot slots[];
};

// ---- memory ----

static int make_file(void)
{
	int fd = memfd_create("hsfeed-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) // before Linux 6.3
		fd = memfd_create("hsfeed-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

static int size_file(int fd, size_t bytes)
{
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
}

// Pages from an offset to another, both of pages.
static int make_pages(struct hs_pump *pump, size_t from, size_t to)
{
	while (madvise(pump->memory + from, to - from, MADV_POPULATE_WRITE) < 0)
		if (errno != EINTR)
			return errno == EFAULT ? -ENOMEM : -errno;
	return 0;
}

// Pages for a slot, and for more of those that follow, which are filled next.
static int make_slot(struct hs_pump *pump, unsigned index)
{
	struct own *own = pump->own;
	size_t end = (index + (size_t)1) * pump->layout->slot_bytes;
	if (end <= own->made)
		return 0;
	end = (end + PAGES_BYTES - 1) / PAGES_BYTES * PAGES_BYTES;
	end = end < pump->memory_bytes ? end : pump->memory_bytes;
	int rc = make_pages(pump, own->made, end);
	if (rc == 0)
		own->made = end;
	return rc;
}

// Those of the first slots and of the tables. All of them at once where the kernel is older than Linux 5.14.
static int make_first_pages(struct hs_pump *pump)
{
	struct own *own = pump->own;
	size_t tables = pump->nslots * pump->layout->slot_bytes / PAGES_BYTES * PAGES_BYTES;
	int rc = make_slot(pump, 0);
	if (rc == 0 && hs_packed_table_bytes(pump->stream) > 0)
		rc = make_pages(pump, tables, pump->memory_bytes);
	if (rc != -EINVAL)
		return rc;
	own->made = pump->memory_bytes;
	return -posix_fallocate(pump->fds[0], 0, (off_t)pump->memory_bytes);
}

static int make_memory(struct hs_pump *pump)
{
	int fd = pump->fds[0] = make_file();
	if (fd < 0)
		return -errno;
	int rc = size_file(fd, pump->memory_bytes);
	if (rc < 0)
		return rc;
	void *memory = mmap(NULL, pump->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	pump->memory = memory;
	rc = make_first_pages(pump);
	if (rc == 0)
		hs_packed_tables_put(pump->stream, pump->memory + pump->nslots * pump->layout->slot_bytes);
	return rc;
}

static int make_channel(struct hs_pump *pump, struct own *own)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	own->fd = fds[0];
	pump->fds[1] = fds[1];
	return 0;
}

static int init(struct hs_pump *pump)
{
	struct own *own = pump->own = calloc(1, sizeof(*own) + pump->nslots * sizeof(own->slots[0]));
	if (!own)
		return -ENOMEM;
	own->fd = -1;
	own->wanted = own->brief = true;
	own->empty = calloc(pump->nslots, sizeof(*own->empty));
	int rc = own->empty ? make_memory(pump) : -ENOMEM;
	if (rc == 0)
		rc = make_channel(pump, own);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < pump->nslots; i++)
		own->empty[own->nempty++] = pump->nslots - 1 - i; // slot 0 first
	hs_ring.turn(pump, pump->generation);
	return own->fault ? -ENOMEM : 0;
}

void hs_ring_free(struct hs_pump *pump)
{
	if (!pump->memory)
		return;
	if (pump->left) // whoever still maps it could otherwise keep more than is charged
		madvise(pump->memory, pump->memory_bytes, MADV_REMOVE);
	munmap(pump->memory, pump->memory_bytes);
	pump->memory = NULL;
}

static void fini(struct hs_pump *pump)
{
	struct own *own = pump->own;
	hs_ring_free(pump);
	if (!own)
		return;
	if (own->watched) // a child on its way to exec may still have a copy that would keep it watched
		epoll_ctl(pump->server->channels_fd, EPOLL_CTL_DEL, own->fd, NULL);
	pump->channel = own->fd; // what is unread in it can make its close hang
	hs_w_fini(&own->out);
	free(own->empty);
	free(own);
}

// ---- what the client says ----

static const char *release_one(struct hs_pump *pump, struct hs_rbuf *r)
{
	struct own *own = pump->own;
	struct hs_wire_value pair, index, fill;
	if (!hs_r_next(r, &pair) || pair.type != HS_WIRE_ARRAY || pair.as.count != 2 || !hs_r_next(r, &index) ||
	    index.type != HS_WIRE_UINT || !hs_r_next(r, &fill) || fill.type != HS_WIRE_UINT)
		return "stream.release: fills are pairs of slot and fill";
	if (index.as.u >= pump->nslots || !own->slots[index.as.u].out || own->slots[index.as.u].fill != fill.as.u)
		return "stream.release of a fill that is not out";
	own->slots[index.as.u].out = false;
	own->empty[own->nempty++] = (unsigned)index.as.u;
	return NULL;
}

// [2, "stream.release", {"stream": id, "fills": [[slot, fill], ...]}]
static const char *read_frame(struct hs_pump *pump, const uint8_t *data, size_t len)
{
	static const struct hs_wire_limits limits = {HS_WIRE_MAX_DEPTH, HS_WIRE_MAX_ITEMS};
	struct hs_rbuf r = {data, data + len}, fills;
	struct hs_wire_value head, kind, name, list;
	uint64_t stream;
	size_t offset;
	if (hs_wire_check(data, len, &limits, &offset))
		return "a message on the channel is not well-formed";
	if (!hs_r_next(&r, &head) || head.type != HS_WIRE_ARRAY || head.as.count != 3 || !hs_r_next(&r, &kind) ||
	    kind.type != HS_WIRE_UINT || kind.as.u != HS_WIRE_NOTICE || !hs_r_next(&r, &name) ||
	    name.type != HS_WIRE_STR || name.as.str.len != 14 || memcmp(name.as.str.ptr, "stream.release", 14) != 0)
		return "a client sends nothing but stream.release on a channel";
	if (!hs_r_get_uint(r, "stream", &stream) || stream != pump->id || !hs_r_find(r, "fills", &fills) ||
	    !hs_r_next(&fills, &list) || list.type != HS_WIRE_ARRAY)
		return "stream.release: a key is missing, or it is another stream's";
	const char *wrong = NULL;
	for (uint32_t i = 0; i < list.as.count && !wrong; i++)
		wrong = release_one(pump, &fills);
	return wrong;
}

static void read_frames(struct hs_pump *pump, struct own *own)
{
	size_t at = 0;
	while (!own->fault && own->in_len - at >= HS_WIRE_HEADER_BYTES) {
		const uint8_t *p = own->in + at;
		uint32_t n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		if (n == 0 || n > IN_BYTES - HS_WIRE_HEADER_BYTES) {
			own->fault = "a frame's length on the channel is 0 or above the limit";
			return;
		}
		if (own->in_len - at - HS_WIRE_HEADER_BYTES < n)
			break;
		own->fault = read_frame(pump, p + HS_WIRE_HEADER_BYTES, n);
		at += HS_WIRE_HEADER_BYTES + n;
	}
	own->in_len -= at;
	if (at > 0 && own->in_len > 0)
		memmove(own->in, own->in + at, own->in_len);
}

// Takes what came. Returns whether anything did.
static bool hear(struct hs_pump *pump)
{
	struct own *own = pump->own;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(HS_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {own->in + own->in_len, IN_BYTES - own->in_len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(own->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n > 0) {
		if (msg.msg_controllen > 0) {
			own->nstrays = hs_conn_read_fds(&msg, own->strays);
			own->fault = "a descriptor came on a channel";
			return true;
		}
		own->in_len += (size_t)n;
		read_frames(pump, own);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		own->gone = true;
	return false;
}

// Takes what came up to now, or much of it.
static void hear_all(struct hs_pump *pump)
{
	const struct own *own = pump->own;
	for (int i = 0; i < HEAR_MOST && !own->fault && hear(pump); i++)
		continue;
}

// Waits a moment for a release without giving up the thread.
static bool linger(struct hs_pump *pump)
{
	struct own *own = pump->own;
	if (!own->hot || !hs_chore_linger_begin(&pump->chore))
		return false;
	uint64_t end = uv_hrtime() + LINGER_NS;
	bool heard = false;
	own->tired = TIRED_TURNS;
	do {
		sched_yield(); // the client may be waiting for this very processor
		heard = hear(pump);
	} while (!heard && !own->gone && !hs_chore_is_waited_for(&pump->chore) &&
		 !__atomic_load_n(&pump->halt, __ATOMIC_RELAXED) && uv_hrtime() < end);
	hs_chore_linger_end(&pump->chore);
	if (heard || hs_chore_is_waited_for(&pump->chore))
		own->tired = 0;
	return heard;
}

// ---- what we say ----

// Sends what is left. Returns whether nothing is.
static bool tell(struct own *own)
{
	own->blocked = false;
	while (own->sent < own->out.len && !own->gone) {
		ssize_t n =
			send(own->fd, own->out.data + own->sent, own->out.len - own->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			own->sent += (size_t)n;
		} else if (errno == EAGAIN) {
			own->blocked = true;
			return false;
		} else if (errno == ENOBUFS || errno == ENOMEM) {
			own->fault = "out of memory";
			return false;
		} else if (errno != EINTR) {
			own->gone = true;
		}
	}
	hs_w_reset(&own->out);
	own->sent = 0;
	return !own->gone;
}

static void write_batch(struct hs_pump *pump, unsigned index, const struct hs_fill *info)
{
	struct own *own = pump->own;
	size_t nroles = hs_feed_source_nroles(hs_stream_get_source(pump->stream));
	hs_w_array(&own->out, (uint32_t)(5 + nroles));
	hs_w_uint(&own->out, index);
	hs_w_uint(&own->out, own->slots[index].fill);
	hs_w_uint(&own->out, info->batch);
	hs_w_uint(&own->out, info->at);
	hs_w_uint(&own->out, info->rows);
	for (size_t r = 0; r < nroles; r++)
		hs_w_uint(&own->out, info->lengths[r]);
}

// Fills the slot on top of the stack: 1, 0 at the epoch's end, or why there is no memory for it.
static int fill_one(struct hs_pump *pump)
{
	struct own *own = pump->own;
	struct hs_fill info;
	unsigned index = own->empty[own->nempty - 1];
	if (hs_stream_is_over(pump->stream))
		return 0;
	int rc = make_slot(pump, index);
	if (rc < 0)
		return rc;
	hs_stream_fill(pump->stream, pump->memory + index * pump->layout->slot_bytes, &info);
	own->nempty--;
	own->slots[index].fill = ++own->nfills;
	own->slots[index].out = true;
	write_batch(pump, index, &info);
	pump->end_at = info.at;
	pump->nbatches++;
	pump->nrows += info.rows;
	return 1;
}

static void write_last(struct hs_pump *pump, struct hs_wbuf *w, uint64_t generation, int rc)
{
	struct hs_err err = {0};
	if (rc == 0) {
		hs_pump_write_end(pump, w, generation);
		return;
	}
	hs_err_set(&err, rc, "making a stream's slots: %s", strerror(-rc));
	hs_err_hint(&err, "ask for fewer slots or smaller batches, or for the transport inline");
	hs_pump_write_failed(pump, w, generation, &err);
}

// Fills up to n slots and writes what there is to tell of them.
static void fill_some(struct hs_pump *pump, uint64_t generation, unsigned n)
{
	struct own *own = pump->own;
	struct hs_wbuf *w = &own->out;
	size_t before = w->len, mark = hs_pump_notice_begin(pump, w, generation, "stream.ready", 3);
	hs_w_cstr(w, "batches");
	size_t list = hs_w_array_begin(w);
	unsigned filled = 0;
	int rc = 1;
	while (filled < n && own->nempty > 0 && (rc = fill_one(pump)) > 0)
		filled++;
	pump->ended = rc <= 0;
	hs_w_array_end(w, list, filled);
	hs_w_frame_end(w, mark, 0);
	if (filled == 0 && !w->failed)
		w->len = before;
	if (pump->ended)
		write_last(pump, w, generation, rc);
	if (w->failed)
		own->fault = "out of memory";
}

// ---- turns ----

static bool due(const struct hs_pump *pump)
{
	return ((const struct own *)pump->own)->wanted;
}

static void begin(struct hs_pump *pump)
{
	((struct own *)pump->own)->wanted = false;
}

// How many slots are announced together at most, since each announcement costs as much as filling half a batch. A
// client that has none, and may sleep, hears of one first, then of twice as many each time.
static unsigned several(const struct hs_pump *pump)
{
	return (pump->nslots + 3) / 4;
}

static void full_turn(struct hs_pump *pump, uint64_t generation)
{
	struct own *own = pump->own;
	uint64_t most = pump->nbatches + TURN_MAX, least = pump->nbatches + TURN_MIN;
	unsigned together = own->nempty == pump->nslots ? 1 : several(pump);
	while (tell(own) && !own->fault && !__atomic_load_n(&pump->halt, __ATOMIC_RELAXED)) {
		hear_all(pump);
		if (own->gone || own->fault || pump->ended)
			return;
		if (own->nempty == 0) {
			if (!linger(pump))
				return;
			continue;
		}
		fill_some(pump, generation, together);
		together = 2 * together < several(pump) ? 2 * together : several(pump);
		own->more = pump->nbatches >= most;
		pump->chore.again = pump->nbatches >= least && hs_chore_is_waited_for(&pump->chore);
		if (own->more || pump->chore.again) {
			tell(own);
			return;
		}
	}
}

static void turn(struct hs_pump *pump, uint64_t generation)
{
	struct own *own = pump->own;
	bool brief = own->brief || generation != pump->generation;
	own->brief = false;
	own->more = brief;
	if (!brief) {
		own->hot = own->tired == 0 && uv_hrtime() - own->rested_ns < HOT_NS;
		own->tired -= own->tired > 0;
		full_turn(pump, generation);
		own->more |= __atomic_load_n(&pump->halt, __ATOMIC_RELAXED); // for a seek, which may be refused
		own->rested_ns = uv_hrtime();
	} else if (tell(own)) {
		if (generation != pump->generation)
			hear_all(pump); // releases that came before the seek
		fill_some(pump, generation, 1);
		tell(own);
	}
}

// ---- the loop thread's ----

// While there is no room to tell, nothing is heard either: what the client sends then would wake us in vain. Its end is
// always reported.
static void watch(struct hs_pump *pump)
{
	struct own *own = pump->own;
	struct epoll_event event = {.events = EPOLLONESHOT | (own->blocked ? EPOLLOUT : EPOLLIN), .data.ptr = pump};
	int op = own->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(pump->server->channels_fd, op, own->fd, &event) < 0)
		hs_conn_doom(pump->conn, strerror(errno));
	own->watched = true;
}

static void settle(struct hs_pump *pump)
{
	struct own *own = pump->own;
	while (own->nstrays > 0)
		hs_server_close_fd(pump->server, own->strays[--own->nstrays]);
	if (pump->dead)
		return;
	if (own->fault)
		hs_conn_bye(pump->conn, HSFEED_EBADREQUEST, own->fault);
	else if (own->gone)
		hs_pump_kill(pump, true);
	else if (own->more)
		own->wanted = true;
	else
		watch(pump);
}

// What was announced stays the client's until it releases it; nothing is held back here.
static void drop(struct hs_pump *pump)
{
	(void)pump;
}

const struct hs_transport hs_ring = {init, fini, due, begin, turn, settle, drop, sizeof(struct own) + CHANNEL_BYTES};

// A stream's end is not its channel's: we keep our end until the client lets go of its own.
//
// Until it does, it may not even have received the descriptors, which then are the kernel's and ours to answer for:
// they stay counted among the user's. And where it is we who end the connection, it may have views of the ring: those
// must not turn into zeros, nor may it keep memory that nobody is charged for, so that stays, and stays charged, too.
bool hs_ring_keep(const struct hs_pump *pump)
{
	return pump->transport == &hs_ring && pump->attached && !pump->server->stopping;
}

void hs_ring_wait(struct hs_pump *pump)
{
	struct own *own = pump->own;
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = pump};
	shutdown(own->fd, SHUT_WR); // which tells the client
	if (epoll_ctl(pump->server->channels_fd, own->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, own->fd, &event) == 0)
		own->watched = true;
	else
		hs_pump_let_go(pump);
}

static void on_channels(uv_poll_t *poll, int status, int events)
{
	struct hs_server *server = poll->data;
	struct epoll_event ready[64];
	(void)status;
	(void)events;
	int n = epoll_wait(server->channels_fd, ready, 64, 0);
	for (int i = 0; i < n; i++) {
		struct hs_pump *pump = ready[i].data.ptr;
		if (pump->dead) {
			if (pump->kept && pump->doing == HS_IDLE) {
				pump->left = true;
				hs_pump_let_go(pump);
			}
			continue;
		}
		((struct own *)pump->own)->wanted = true;
		hs_pump_start(pump);
	}
}

int hs_ring_open(struct hs_server *server)
{
	server->channels_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->channels_fd < 0)
		return -errno;
	int rc = uv_poll_init(&server->loop, &server->channels, server->channels_fd);
	if (rc < 0) {
		close(server->channels_fd);
		server->channels_fd = -1;
		return rc;
	}
	server->channels.data = server;
	uv_poll_start(&server->channels, UV_READABLE, on_channels);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct hs_server *server = handle->data;
	close(server->channels_fd);
}

void hs_ring_close(struct hs_server *server)
{
	if (server->channels_fd >= 0)
		uv_close((uv_handle_t *)&server->channels, on_closed);
}
