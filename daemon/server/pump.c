// SPDX-License-Identifier: Apache-2.0
// A pump's turns: some free slots are handed to a fill thread, come back full, and go to the client; the pump then
// stands in line again. Slots and counters belong to the loop thread; during a turn the thread has the stream and the
// slots in FILLING, and nothing else.
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

// What a stream takes beside its slots (measured: 11 KiB). Charged, or streams of tiny slots would cost nothing.
#define STREAM_BYTES 12288
// A turn of large slots is short: other streams wait for its end.
#define TURN_BYTES 1048576u
#define INLINE_TURN 4

static void start_turn(struct hs_pump *pump);

// ---- life ----

static int charge(struct hs_pump *pump, const struct hs_pump_options *options, struct hs_err *reterr)
{
	uint64_t before = __atomic_fetch_add(options->slot_bytes, pump->cost, __ATOMIC_RELAXED);
	if (before + pump->cost <= options->max_bytes)
		return 0;
	__atomic_fetch_sub(options->slot_bytes, pump->cost, __ATOMIC_RELAXED);
	hs_err_set(reterr, HSFEED_ELIMIT,
		   "stream.open: the slots of the user's streams would take more than %llu bytes",
		   (unsigned long long)options->max_bytes);
	return hs_err_hint(reterr,
			   "fewer slots, a smaller batch or max_length, or slot_bytes_per_user in the configuration");
}

void hs_pump_discharge(struct hs_pump *pump, struct hs_user *user)
{
	__atomic_fetch_sub(&user->slot_bytes, pump->cost, __ATOMIC_RELAXED);
}

static int make_memory(struct hs_pump *pump, int *ret_fd)
{
	void *memory;
	if (pump->transport == HS_RING) {
		int rc = hs_ring_create(pump->memory_bytes, &memory, ret_fd);
		if (rc < 0)
			return rc;
	} else {
		memory = mmap(NULL, pump->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			return -errno;
	}
	pump->memory = memory;
	return 0;
}

static int make_slots(struct hs_pump *pump, int *ret_fd)
{
	pump->slots = calloc(pump->nslots, sizeof(*pump->slots));
	pump->free = calloc(pump->nslots, sizeof(*pump->free));
	int rc = pump->slots && pump->free ? make_memory(pump, ret_fd) : -ENOMEM;
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < pump->nslots; i++) {
		pump->slots[i].pump = pump;
		pump->slots[i].data = pump->memory + i * pump->layout->slot_bytes;
		pump->free[i] = pump->nslots - 1 - i; // the first one is taken first
	}
	pump->nfree = pump->nslots;
	return pump->transport == HS_RING ? hs_news_init(pump) : hs_inline_init(pump);
}

static void free_parts(struct hs_pump *pump, bool pages)
{
	if (pump->transport == HS_RING)
		hs_news_fini(pump);
	else if (pump->slots)
		hs_inline_fini(pump);
	if (pump->memory)
		hs_ring_destroy(pump->memory, pump->memory_bytes, pages);
	hs_stream_destroy(pump->stream);
	free(pump->slots);
	free(pump->free);
}

int hs_pump_create(struct hs_server *server, struct hs_stream *stream, const struct hs_pump_options *options,
		   struct hs_pump **ret, int *ret_fd, struct hs_err *reterr)
{
	struct hs_pump *pump = calloc(1, sizeof(*pump));
	if (!pump) {
		hs_stream_destroy(stream);
		return hs_err_nomem(reterr, "making a stream's slots");
	}
	const struct hs_layout *layout = hs_stream_get_layout(stream);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = options->nslots * layout->slot_bytes;
	*pump = (struct hs_pump){.server = server,
				 .stream = stream,
				 .layout = layout,
				 .transport = options->transport,
				 .id = options->id,
				 .generation = 1,
				 .nslots = options->nslots,
				 .memory_bytes = bytes ? (bytes + page - 1) / page * page : page};
	pump->cost = pump->memory_bytes + STREAM_BYTES +
		     options->nslots * (sizeof(*pump->slots) + sizeof(struct hs_parcel));
	int fd = -1, rc = charge(pump, options, reterr);
	if (rc == 0) {
		rc = make_slots(pump, &fd);
		if (rc == 0) {
			*ret = pump;
			*ret_fd = fd;
			return 0;
		}
		__atomic_fetch_sub(options->slot_bytes, pump->cost, __ATOMIC_RELAXED);
		hs_err_set(reterr, rc, "making a stream's slots: %s", strerror(-rc));
	}
	if (fd >= 0)
		close(fd);
	free_parts(pump, false);
	free(pump);
	return rc;
}

void hs_pump_attach(struct hs_pump *pump, struct hs_conn *conn)
{
	pump->conn = hs_conn_ref(conn);
	pump->next = conn->pumps;
	conn->pumps = pump;
	pump->attached = true;
	pump->server->nstreams++;
	start_turn(pump);
}

// Unmapping files and memory is the disk's and the kernel's time, not the loop's.
static void run_end(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	free_parts(pump, pump->left && pump->transport == HS_RING);
}

static void on_end(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	if (pump->attached) {
		hs_pump_discharge(pump, pump->conn->user);
		pump->server->nstreams--;
		hs_conn_unref(pump->conn);
	}
	hs_server_sweep_store(pump->server);
	free(pump);
}

void hs_pump_end_when_unused(struct hs_pump *pump)
{
	if (!pump->dead || pump->doing != HS_IDLE || pump->queued > 0)
		return;
	pump->doing = HS_ENDING;
	pump->chore.run = run_end;
	pump->chore.done = on_end;
	hs_crew_submit(pump->server->requests, &pump->chore);
}

void hs_pump_free_slot(struct hs_pump *pump, unsigned index)
{
	pump->slots[index].state = HS_SLOT_FREE;
	pump->free[pump->nfree++] = index;
}

// What was not begun to be sent is not sent: it would only be released unread.
static void drop_unsent(struct hs_pump *pump)
{
	hs_conn_drop(pump->conn, pump->transport == HS_RING ? hs_news_match : hs_inline_match, pump);
	if (pump->transport == HS_RING)
		hs_news_drop(pump);
}

static void unlink_pump(struct hs_pump *pump)
{
	struct hs_pump **at = &pump->conn->pumps;
	while (*at != pump)
		at = &(*at)->next;
	*at = pump->next;
	pump->conn->npumps--;
}

static void cancel_seek(struct hs_pump *pump)
{
	struct hs_request *req = pump->seek;
	if (!req)
		return;
	pump->seek = NULL;
	hs_request_finish(req, hs_err_set(&req->err, HSFEED_ECANCELLED, "stream.seek: the stream was closed"));
}

void hs_pump_kill(struct hs_pump *pump, bool left)
{
	pump->dead = true;
	pump->left = left;
	pump->queued++; // dropping must not end it while it is still looked at
	if (pump->conn) {
		unlink_pump(pump);
		if (pump->doing != HS_SEEKING)
			cancel_seek(pump); // otherwise a thread still reads the request: on_sought answers it
		drop_unsent(pump);
	}
	pump->queued--;
	hs_pump_end_when_unused(pump);
}

struct hs_pump *hs_pump_find(struct hs_conn *conn, uint64_t id)
{
	struct hs_pump *pump = conn->pumps;
	while (pump && pump->id != id)
		pump = pump->next;
	return pump;
}

void hs_pump_abandon(struct hs_conn *conn)
{
	while (conn->pumps)
		hs_pump_kill(conn->pumps, conn->left_us);
}

// ---- turns ----

// How many slots a turn fills: few when the client waits, so that it waits for them only; some at a time otherwise.
static unsigned turn_size(const struct hs_pump *pump)
{
	size_t most = TURN_BYTES / (pump->layout->slot_bytes + 1);
	unsigned n = INLINE_TURN;
	if (pump->transport == HS_RING)
		n = pump->nfree == pump->nslots ? 2 : (pump->nslots + 3) / 4;
	n = n > most ? (unsigned)most : n;
	return n < 1 ? 1 : n > HS_TURN_SLOTS ? HS_TURN_SLOTS : n;
}

// Hands free slots to the turn that begins.
static void take_slots(struct hs_pump *pump)
{
	unsigned n = turn_size(pump);
	for (pump->nturn = 0; pump->nturn < n && pump->nfree > 0; pump->nturn++) {
		unsigned index = pump->free[--pump->nfree];
		pump->slots[index].state = HS_SLOT_FILLING;
		pump->slots[index].fill = ++pump->nfills;
		pump->turn[pump->nturn] = index;
	}
}

static void fill_slots(struct hs_pump *pump, uint64_t generation)
{
	for (pump->nfilled = 0; pump->nfilled < pump->nturn; pump->nfilled++) {
		struct hs_slot *slot = &pump->slots[pump->turn[pump->nfilled]];
		if (hs_stream_fill(pump->stream, slot->data, &slot->info) == 0)
			return;
		if (pump->transport == HS_INLINE)
			hs_inline_pack(slot, generation);
	}
}

static void run_turn(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	fill_slots(pump, pump->generation);
}

static void send_end(struct hs_pump *pump)
{
	const struct hs_stream_spec *spec = hs_stream_get_spec(pump->stream);
	struct hs_wbuf w = {0};
	size_t mark = hs_notice_begin(&w, "stream.end", 4);
	hs_w_cstr(&w, "stream");
	hs_w_uint(&w, pump->id);
	hs_w_cstr(&w, "generation");
	hs_w_uint(&w, pump->generation);
	hs_w_cstr(&w, "epoch");
	hs_w_uint(&w, spec->epoch);
	hs_w_cstr(&w, "at");
	hs_w_uint(&w, pump->end_at);
	hs_w_frame_end(&w, mark, 0);
	hs_conn_send(pump->conn, &w);
}

static void queue_slot(struct hs_pump *pump, unsigned index)
{
	struct hs_slot *slot = &pump->slots[index];
	slot->state = HS_SLOT_QUEUED;
	pump->end_at = slot->info.at;
	pump->server->nbatches++;
	pump->server->nrows += slot->info.rows;
	if (pump->transport == HS_RING) {
		hs_news_add(pump, index);
	} else if (!hs_inline_send(slot)) {
		hs_pump_free_slot(pump, index);
		hs_conn_doom(pump->conn, "out of memory");
	}
}

// What a turn brought goes to the client; with the epoch's last batch also its end.
static void take_turn(struct hs_pump *pump)
{
	unsigned nfilled = pump->dead ? 0 : pump->nfilled;
	for (unsigned i = 0; i < nfilled; i++)
		queue_slot(pump, pump->turn[i]);
	for (unsigned i = pump->nturn; i > nfilled; i--)
		hs_pump_free_slot(pump, pump->turn[i - 1]);
	if (pump->dead)
		return;
	pump->ended = pump->nfilled < pump->nturn;
	if (pump->transport == HS_RING)
		hs_news_send(pump);
	if (pump->ended)
		send_end(pump);
	else
		hs_conn_flush(pump->conn);
}

static void run_seek(struct hs_chore *chore);
static void on_sought(struct hs_chore *chore);

// The thread that seeks fills the first slots too: a client that seeks waits for them.
static void start_seek(struct hs_pump *pump)
{
	pump->doing = HS_SEEKING;
	take_slots(pump);
	pump->chore.run = run_seek;
	pump->chore.done = on_sought;
	hs_crew_submit_fair(pump->server->requests, &pump->chore, &pump->conn->user->request_turn);
}

static void on_turn(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	pump->doing = HS_IDLE;
	take_turn(pump);
	if (!pump->dead && pump->seek)
		start_seek(pump);
	else
		start_turn(pump);
	hs_pump_end_when_unused(pump);
}

// Whatever is free is filled at once, be it one slot: the client may hold all others. It is the client that gives
// several back together where it can.
static void start_turn(struct hs_pump *pump)
{
	if (pump->doing != HS_IDLE || pump->dead || pump->ended || pump->conn->doomed || pump->nfree == 0)
		return;
	take_slots(pump);
	pump->doing = HS_TURNING;
	pump->chore.run = run_turn;
	pump->chore.done = on_turn;
	hs_crew_submit_fair(pump->server->fills, &pump->chore, &pump->conn->user->fill_turn);
}

// ---- seeking ----

static void run_seek(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	struct hs_request *req = pump->seek;
	const struct hs_seek_params *p = req->params;
	uint64_t seed = p->seed == HS_UNSET ? hs_stream_get_spec(pump->stream)->seed : p->seed;
	req->rc = hs_stream_seek(pump->stream, p->epoch, p->at, seed, &req->err);
	if (req->rc == 0)
		fill_slots(pump, pump->generation + 1);
}

static void write_sought(struct hs_pump *pump, struct hs_wbuf *w)
{
	const struct hs_stream_spec *spec = hs_stream_get_spec(pump->stream);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"generation", pump->generation},
		{"epoch", spec->epoch},
		{"at", spec->at},
		{"samples", hs_stream_samples(pump->stream)},
		{"batches", hs_stream_batches(pump->stream)},
		{"seed", spec->seed},
	};
	hs_w_map(w, sizeof(numbers) / sizeof(numbers[0]));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
}

static void give_slots_back(struct hs_pump *pump)
{
	while (pump->nturn > 0)
		hs_pump_free_slot(pump, pump->turn[--pump->nturn]);
}

static void on_sought(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	struct hs_request *req = pump->seek;
	pump->doing = HS_IDLE;
	if (pump->dead) {
		cancel_seek(pump);
		hs_pump_end_when_unused(pump);
		return;
	}
	pump->seek = NULL;
	if (req->rc < 0) { // the stream goes on as if nothing had been asked
		give_slots_back(pump);
		hs_request_finish(req, req->rc);
		start_turn(pump);
		return;
	}
	drop_unsent(pump);
	pump->generation++;
	pump->end_at = hs_stream_get_spec(pump->stream)->at;
	write_sought(pump, &req->result);
	hs_request_finish(req, 0);
	if (pump->nturn > 0)
		take_turn(pump);
	else
		pump->ended = false; // every slot is the client's
	start_turn(pump);
}

void hs_pump_seek(struct hs_pump *pump, struct hs_request *req)
{
	pump->seek = req;
	if (pump->doing == HS_IDLE)
		start_seek(pump);
}

// ---- releases ----

struct release_params {
	uint64_t stream;
	struct hs_pairs fills;
};
static const struct hs_field release_fields[] = {
	{.key = "stream",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct release_params, stream),
	 .required = true,
	 .max = UINT32_MAX},
	{.key = "fills",
	 .type = HS_T_PAIRS,
	 .offset = offsetof(struct release_params, fills),
	 .required = true,
	 .max = 1024},
};
static const struct hs_schema release_schema = HS_SCHEMA(struct release_params, release_fields);

static bool release_one(struct hs_pump *pump, uint64_t index, uint64_t fill)
{
	if (index >= pump->nslots)
		return false;
	struct hs_slot *slot = &pump->slots[index];
	if (slot->state != HS_SLOT_OUT || slot->fill != fill)
		return false;
	hs_pump_free_slot(pump, (unsigned)index);
	return true;
}

void hs_pump_release(struct hs_conn *conn, struct hs_message *m)
{
	struct release_params p;
	struct hs_fault fault;
	if (hs_message_decode(m, &release_schema, &p, &fault) < 0) {
		hs_conn_bye(conn, HSFEED_EBADREQUEST, fault.message[0] ? fault.message : "out of memory");
		return;
	}
	struct hs_pump *pump = hs_pump_find(conn, p.stream);
	if (!pump && p.stream > 0 && p.stream <= conn->next_stream)
		return; // it crossed the stream's close
	for (size_t i = 0; i < p.fills.n; i++)
		if (!pump || !release_one(pump, p.fills.items[i][0], p.fills.items[i][1])) {
			hs_conn_bye(conn, HSFEED_EBADREQUEST, "stream.release of a fill that is not out");
			return;
		}
	if (pump)
		start_turn(pump);
}
