// SPDX-License-Identifier: Apache-2.0
// Batches in the socket: each a frame of its own, whose data is sent straight from the slot.
//
// A slot is FREE -> FILLING (a fill thread writes it) -> QUEUED (in the connection's queue) -> OUT (the kernel took
// every byte; the client's) -> FREE again by the client's release, the only credit there is.
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pump.h"

#define TURN_SLOTS 4 // filled per turn: the fill threads go round all streams that want some

enum state { FREE, FILLING, QUEUED, OUT };

struct slot {
	struct hs_out out; // first member
	struct hs_pump *pump;
	enum state state;
	uint64_t fill; // the number of its last fill
	struct hs_fill info;
	struct hs_wbuf head; // the frame up to the data
	struct iovec pieces[2 * HS_FEED_MAX_ARRAYS + 1];
	uint8_t *data;
};

struct own {
	uint64_t nfills;
	unsigned nturn, nfilled;
	bool ended; // this turn came to the epoch's end
	unsigned turn[TURN_SLOTS];
	struct slot slots[];
};

static const uint8_t zeros[64];

static void on_slot_done(struct hs_out *out, bool whole)
{
	struct slot *slot = (struct slot *)out;
	slot->state = whole ? OUT : FREE;
	slot->pump->queued--;
	hs_pump_end_when_unused(slot->pump);
}

static int init(struct hs_pump *pump)
{
	size_t bytes = pump->memory_bytes;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	pump->memory = memory;
	struct own *own = pump->own = calloc(1, sizeof(*own) + pump->nslots * sizeof(own->slots[0]));
	if (!own)
		return -ENOMEM;
	for (unsigned i = 0; i < pump->nslots; i++) {
		own->slots[i].pump = pump;
		own->slots[i].data = pump->memory + i * pump->layout->slot_bytes;
		own->slots[i].out.done = on_slot_done;
	}
	return 0;
}

static void fini(struct hs_pump *pump)
{
	struct own *own = pump->own;
	for (unsigned i = 0; own && i < pump->nslots; i++)
		hs_w_fini(&own->slots[i].head);
	free(own);
	if (pump->memory)
		munmap(pump->memory, pump->memory_bytes);
	pump->memory = NULL;
}

// ---- frames ----

static void write_head(struct slot *slot, uint64_t index, uint64_t generation, size_t data_bytes)
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
		{"stream", pump->id},      {"generation", generation},  {"slot", index},
		{"fill", slot->fill},      {"batch", slot->info.batch}, {"at", slot->info.at},
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
static size_t gather_arrays(struct slot *slot)
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

static void make_frame(struct slot *slot, unsigned index, uint64_t generation)
{
	size_t data_bytes = gather_arrays(slot);
	write_head(slot, index, generation, data_bytes);
	slot->pieces[0] = (struct iovec){slot->head.data, slot->head.len};
	slot->out.pieces = slot->pieces;
	slot->out.len = slot->head.len + data_bytes;
}

// ---- turns ----

static bool due(const struct hs_pump *pump)
{
	const struct own *own = pump->own;
	unsigned i = 0;
	while (i < pump->nslots && own->slots[i].state != FREE)
		i++;
	return i < pump->nslots && !pump->ended;
}

static void begin(struct hs_pump *pump)
{
	struct own *own = pump->own;
	own->nturn = own->nfilled = 0;
	own->ended = false;
	for (unsigned i = 0; i < pump->nslots && own->nturn < TURN_SLOTS; i++) {
		if (own->slots[i].state != FREE)
			continue;
		own->slots[i].state = FILLING;
		own->slots[i].fill = ++own->nfills;
		own->turn[own->nturn++] = i;
	}
}

static void turn(struct hs_pump *pump, uint64_t generation)
{
	struct own *own = pump->own;
	for (; own->nfilled < own->nturn; own->nfilled++) {
		unsigned index = own->turn[own->nfilled];
		struct slot *slot = &own->slots[index];
		if (hs_stream_fill(pump->stream, slot->data, &slot->info) == 0) {
			pump->ended = own->ended = true;
			return;
		}
		make_frame(slot, index, generation);
		pump->end_at = slot->info.at;
		pump->nbatches++;
		pump->nrows += slot->info.rows;
	}
}

static void send_slot(struct hs_pump *pump, struct slot *slot)
{
	if (slot->head.failed) {
		hs_conn_doom(pump->conn, "out of memory");
		slot->state = FREE;
		return;
	}
	slot->state = QUEUED;
	pump->queued++;
	hs_conn_push(pump->conn, &slot->out);
}

static void settle(struct hs_pump *pump)
{
	struct own *own = pump->own;
	for (unsigned i = 0; i < own->nturn; i++) {
		struct slot *slot = &own->slots[own->turn[i]];
		if (i < own->nfilled && !pump->dead)
			send_slot(pump, slot);
		else
			slot->state = FREE;
	}
	if (pump->dead)
		return;
	if (own->ended) {
		struct hs_wbuf w = {0};
		hs_pump_write_end(pump, &w, pump->generation);
		hs_conn_send(pump->conn, &w);
	}
	hs_conn_flush(pump->conn);
}

static bool match_pump(const struct hs_out *out, const void *pump)
{
	return out->done == on_slot_done && ((const struct slot *)out)->pump == pump;
}

static void drop(struct hs_pump *pump)
{
	hs_conn_drop(pump->conn, match_pump, pump);
}

static bool release_one(struct hs_pump *pump, uint64_t index, uint64_t fill)
{
	struct own *own = pump->own;
	if (index >= pump->nslots || own->slots[index].state != OUT || own->slots[index].fill != fill)
		return false;
	own->slots[index].state = FREE;
	return true;
}

bool hs_inline_release(struct hs_pump *pump, const struct hs_pairs *fills)
{
	for (size_t i = 0; i < fills->n; i++)
		if (!release_one(pump, fills->items[i][0], fills->items[i][1]))
			return false;
	return true;
}

const struct hs_transport hs_inline = {init, fini, due, begin, turn, settle, drop, 0};
