// SPDX-License-Identifier: Apache-2.0
// A pump's turns: up to four free slots are handed to a fill thread, come back filled, and are queued for the client;
// the pump then stands in line again. Slots and counters belong to the loop thread; during a turn the thread has the
// stream and the slots in FILLING, and nothing else.
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"

// What a stream takes beside its slots (measured: 11 KiB). Charged, or streams of tiny slots would cost nothing.
#define STREAM_BYTES 12288

static const uint8_t zeros[64];

static void start_turn(struct hs_pump *pump);
static void free_when_unused(struct hs_pump *pump);

// ---- life ----

static void on_slot_done(struct hs_out *out, bool whole)
{
	struct hs_slot *slot = (struct hs_slot *)out;
	slot->state = whole ? HS_SLOT_OUT : HS_SLOT_FREE;
	slot->pump->queued--;
	free_when_unused(slot->pump);
}

int hs_pump_create(struct hs_server *server, struct hs_stream *stream, unsigned nslots, struct hs_pump **ret)
{
	struct hs_pump *pump = calloc(1, sizeof(*pump));
	size_t slot_bytes = hs_stream_get_layout(stream)->slot_bytes;
	struct hs_slot *slots = calloc(nslots, sizeof(*slots));
	size_t bytes = nslots * slot_bytes;
	void *memory = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!pump || !slots || memory == MAP_FAILED) {
		if (memory != MAP_FAILED)
			munmap(memory, bytes ? bytes : 1);
		free(pump);
		free(slots);
		hs_stream_destroy(stream);
		return -ENOMEM;
	}
	*pump = (struct hs_pump){.server = server,
				 .stream = stream,
				 .layout = hs_stream_get_layout(stream),
				 .generation = 1,
				 .nslots = nslots,
				 .slots = slots,
				 .memory = memory,
				 .memory_bytes = bytes ? bytes : 1,
				 .cost = bytes + nslots * sizeof(*slots) + STREAM_BYTES};
	for (unsigned i = 0; i < nslots; i++) {
		slots[i].pump = pump;
		slots[i].data = pump->memory + i * slot_bytes;
		slots[i].out.done = on_slot_done;
	}
	*ret = pump;
	return 0;
}

void hs_pump_attach(struct hs_pump *pump, struct hs_conn *conn)
{
	pump->conn = hs_conn_ref(conn);
	pump->next = conn->pumps;
	conn->pumps = pump;
	conn->user->slot_bytes += pump->cost;
	pump->charged = true;
	pump->server->nstreams++;
	start_turn(pump);
}

// Unmapping files and memory is the disk's and the kernel's time, not the loop's.
static void run_end(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	hs_stream_destroy(pump->stream);
	munmap(pump->memory, pump->memory_bytes);
	for (unsigned i = 0; i < pump->nslots; i++)
		hs_w_fini(&pump->slots[i].head);
	free(pump->slots);
}

static void on_end(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	if (pump->charged) {
		pump->conn->user->slot_bytes -= pump->cost;
		pump->server->nstreams--;
		hs_conn_unref(pump->conn);
	}
	hs_server_sweep_store(pump->server);
	free(pump);
}

static void free_when_unused(struct hs_pump *pump)
{
	if (!pump->dead || pump->doing != HS_IDLE || pump->queued > 0)
		return;
	pump->doing = HS_ENDING;
	pump->chore.run = run_end;
	pump->chore.done = on_end;
	hs_crew_submit(pump->server->requests, &pump->chore);
}

static bool match_pump(const struct hs_out *out, const void *arg)
{
	return out->done == on_slot_done && ((const struct hs_slot *)out)->pump == arg;
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

void hs_pump_kill(struct hs_pump *pump)
{
	pump->dead = true;
	if (pump->conn) {
		unlink_pump(pump);
		if (pump->doing != HS_SEEKING)
			cancel_seek(pump); // otherwise a thread still reads the request: on_sought answers it
		hs_conn_drop(pump->conn, match_pump, pump);
	}
	free_when_unused(pump);
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
		hs_pump_kill(conn->pumps);
}

// ---- turns ----

static void write_head(struct hs_slot *slot, unsigned index, size_t data_bytes)
{
	const struct hs_pump *pump = slot->pump;
	struct hs_wbuf *w = &slot->head;
	size_t nroles = hs_feed_source_nroles(hs_stream_get_source(pump->stream));
	hs_w_reset(w);
	size_t mark = hs_notice_begin(w, "stream.batch", 9);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"stream", pump->id},      {"generation", pump->generation}, {"slot", index},
		{"fill", slot->fill},      {"batch", slot->info.batch},      {"at", slot->info.at},
		{"rows", slot->info.rows},
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
	hs_w_cstr(w, "lengths");
	hs_w_array(w, (uint32_t)nroles);
	for (size_t i = 0; i < nroles; i++)
		hs_w_uint(w, slot->info.lengths[i]);
	hs_w_cstr(w, "data");
	hs_w_bin_header(w, data_bytes);
	hs_w_frame_end(w, mark, data_bytes);
}

// Gathers the arrays' used bytes, each at a multiple of 64 from the data's start; pieces[0] is left for the head.
static size_t gather_arrays(struct hs_slot *slot)
{
	const struct hs_layout *layout = slot->pump->layout;
	size_t at = 0;
	unsigned n = 1;
	for (size_t i = 0; i < layout->narrays; i++) {
		size_t pad = -at & 63u, bytes = hs_fill_array_bytes(&layout->arrays[i], &slot->info);
		if (pad > 0)
			slot->pieces[n++] = (struct iovec){(void *)(uintptr_t)zeros, pad};
		if (bytes > 0)
			slot->pieces[n++] = (struct iovec){slot->data + layout->arrays[i].offset, bytes};
		at += pad + bytes;
	}
	slot->out.npieces = n;
	return at;
}

static void make_frame(struct hs_slot *slot, unsigned index)
{
	size_t data_bytes = gather_arrays(slot);
	write_head(slot, index, data_bytes);
	slot->pieces[0] = (struct iovec){slot->head.data, slot->head.len};
	slot->out.pieces = slot->pieces;
	slot->out.len = slot->head.len + data_bytes;
}

static void run_turn(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	for (pump->nfilled = 0; pump->nfilled < pump->nturn; pump->nfilled++) {
		unsigned index = pump->turn[pump->nfilled];
		struct hs_slot *slot = &pump->slots[index];
		if (hs_stream_fill(pump->stream, slot->data, &slot->info) == 0)
			return;
		make_frame(slot, index);
	}
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

static void queue_slot(struct hs_pump *pump, struct hs_slot *slot)
{
	slot->state = HS_SLOT_QUEUED;
	pump->queued++;
	pump->end_at = slot->info.at;
	pump->server->nbatches++;
	pump->server->nrows += slot->info.rows;
	hs_conn_push(pump->conn, &slot->out);
}

static void take_turn(struct hs_pump *pump)
{
	for (unsigned i = 0; i < pump->nturn; i++) {
		struct hs_slot *slot = &pump->slots[pump->turn[i]];
		if (i < pump->nfilled && !pump->dead && !slot->head.failed)
			queue_slot(pump, slot);
		else
			slot->state = HS_SLOT_FREE;
		if (slot->head.failed)
			hs_conn_doom(pump->conn, "out of memory");
	}
}

static void run_seek(struct hs_chore *chore);
static void on_sought(struct hs_chore *chore);

static void start_seek(struct hs_pump *pump)
{
	pump->doing = HS_SEEKING;
	pump->chore.run = run_seek;
	pump->chore.done = on_sought;
	hs_crew_submit_fair(pump->server->requests, &pump->chore, &pump->conn->user->request_turn);
}

static void on_turn(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	pump->doing = HS_IDLE;
	bool ended = pump->nfilled < pump->nturn;
	take_turn(pump);
	if (!pump->dead) {
		hs_conn_flush(pump->conn);
		pump->ended = ended;
		if (ended)
			send_end(pump);
	}
	if (!pump->dead && pump->seek)
		start_seek(pump);
	else
		start_turn(pump);
	free_when_unused(pump);
}

static void start_turn(struct hs_pump *pump)
{
	if (pump->doing != HS_IDLE || pump->dead || pump->ended || pump->conn->doomed)
		return;
	pump->nturn = 0;
	for (unsigned i = 0; i < pump->nslots && pump->nturn < HS_TURN_SLOTS; i++) {
		if (pump->slots[i].state != HS_SLOT_FREE)
			continue;
		pump->slots[i].state = HS_SLOT_FILLING;
		pump->slots[i].fill = ++pump->nfills;
		pump->turn[pump->nturn++] = i;
	}
	if (pump->nturn == 0)
		return;
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

static void on_sought(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	struct hs_request *req = pump->seek;
	pump->doing = HS_IDLE;
	if (pump->dead) {
		cancel_seek(pump);
		free_when_unused(pump);
		return;
	}
	pump->seek = NULL;
	if (req->rc == 0) {
		// What was not begun to be sent is not sent: it would only be released unread.
		hs_conn_drop(pump->conn, match_pump, pump);
		pump->generation++;
		pump->ended = false;
		pump->end_at = hs_stream_get_spec(pump->stream)->at;
		write_sought(pump, &req->result);
	}
	hs_request_finish(req, req->rc);
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
	slot->state = HS_SLOT_FREE;
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
