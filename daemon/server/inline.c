// SPDX-License-Identifier: Apache-2.0
// Batches in the socket: each a frame of its own, whose data is sent straight from the slot.
#include <errno.h>
#include <stdlib.h>

#include "pump.h"

static const uint8_t zeros[64];

static void on_parcel_done(struct hs_out *out, bool whole)
{
	struct hs_slot *slot = ((struct hs_parcel *)out)->slot;
	struct hs_pump *pump = slot->pump;
	if (whole)
		slot->state = HS_SLOT_OUT;
	else
		hs_pump_free_slot(pump, (unsigned)(slot - pump->slots));
	pump->queued--;
	hs_pump_end_when_unused(pump);
}

int hs_inline_init(struct hs_pump *pump)
{
	struct hs_parcel *parcels = calloc(pump->nslots, sizeof(*parcels));
	if (!parcels)
		return -ENOMEM;
	for (unsigned i = 0; i < pump->nslots; i++) {
		parcels[i].out.done = on_parcel_done;
		parcels[i].slot = &pump->slots[i];
		pump->slots[i].parcel = &parcels[i];
	}
	return 0;
}

void hs_inline_fini(struct hs_pump *pump)
{
	for (unsigned i = 0; i < pump->nslots && pump->slots[i].parcel; i++)
		hs_w_fini(&pump->slots[i].parcel->head);
	free(pump->slots[0].parcel);
}

static void write_head(struct hs_slot *slot, uint64_t generation, size_t data_bytes)
{
	const struct hs_pump *pump = slot->pump;
	struct hs_wbuf *w = &slot->parcel->head;
	size_t nroles = hs_feed_source_nroles(hs_stream_get_source(pump->stream));
	hs_w_reset(w);
	size_t mark = hs_notice_begin(w, "stream.batch", 9);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"stream", pump->id},      {"generation", generation},       {"slot", (uint64_t)(slot - pump->slots)},
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
	struct hs_parcel *parcel = slot->parcel;
	size_t at = 0;
	unsigned n = 1;
	for (size_t i = 0; i < layout->narrays; i++) {
		size_t pad = -at & 63u, bytes = hs_fill_array_bytes(&layout->arrays[i], &slot->info);
		if (pad > 0)
			parcel->pieces[n++] = (struct iovec){(void *)(uintptr_t)zeros, pad};
		if (bytes > 0)
			parcel->pieces[n++] = (struct iovec){slot->data + layout->arrays[i].offset, bytes};
		at += pad + bytes;
	}
	parcel->out.npieces = n;
	return at;
}

void hs_inline_pack(struct hs_slot *slot, uint64_t generation)
{
	struct hs_parcel *parcel = slot->parcel;
	size_t data_bytes = gather_arrays(slot);
	write_head(slot, generation, data_bytes);
	parcel->pieces[0] = (struct iovec){parcel->head.data, parcel->head.len};
	parcel->out.pieces = parcel->pieces;
	parcel->out.len = parcel->head.len + data_bytes;
}

bool hs_inline_send(struct hs_slot *slot)
{
	if (slot->parcel->head.failed)
		return false;
	slot->pump->queued++;
	hs_conn_push(slot->pump->conn, &slot->parcel->out);
	return true;
}

bool hs_inline_match(const struct hs_out *out, const void *pump)
{
	return out->done == on_parcel_done && ((const struct hs_parcel *)out)->slot->pump == pump;
}
