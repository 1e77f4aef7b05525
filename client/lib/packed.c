// SPDX-License-Identifier: Apache-2.0
// Packed slots (proto/RING.md, section 3): the ring holds rows as the daemon stores them, and we write them out when a
// batch is taken, into memory of our own that looks like an unpacked ring.
//
//   ring     | slot 0 | slot 1 | ... | tables |      shared, small; a slot goes back as soon as it is written out
//   memory   | out 0      | out 1      | ...         ours; the out released last is used next: it is still in a cache
//
// Why: what crosses from one processor's cache to another's is then what the rows have, not what they are padded to,
// and a batch is written where it is about to be read.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"
#include "rows/rows.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define ALIGN       64u
#define SMALL_BYTES ((size_t)256 << 10)

struct role {
	size_t offset, bytes;    // in a slot: u32 counts of all rows, then their codes
	size_t array;            // of the layout: input_ids, then attention_mask, and token_type_ids
	bool types;              // whether there are such
	size_t table_at, ncodes; // of the id table in the ring; ncodes 0: none
	uint32_t *table;         // our copy, which has an id for every code that can be
	struct hs_rows put;
};

struct hs_packed {
	uint8_t *ring; // mapped
	size_t ring_bytes, slot_bytes, counts_bytes;
	size_t nroles;
	struct role roles[HS_LIB_MAX_ROLES];
	size_t offsets[HS_LIB_MAX_ARRAYS];            // in a slot, of the arrays that are no role's
	struct hs_arrival arrivals[HS_LIB_MAX_SLOTS]; // by slot
	struct hs_slot *outs[HS_LIB_MAX_SLOTS];       // NULL until first used
	uint8_t unused[HS_LIB_MAX_SLOTS];             // outs that nobody holds
	unsigned nunused;
};

// ---- what the opening says ----

static const char wrong_packing[] = "how its slots are packed is not usable";

static bool read_uint(const hsfeed_value *map, const char *key, uint64_t most, size_t *ret)
{
	uint64_t n = hsfeed_value_uint(hsfeed_value_get(map, key), UINT64_MAX);
	*ret = (size_t)n;
	return n <= most;
}

static bool read_special(const hsfeed_value *v, struct hs_special *ret)
{
	ret->id = hsfeed_value_int(hsfeed_value_at(v, 0), INT64_MIN);
	ret->type = hsfeed_value_int(hsfeed_value_at(v, 1), INT64_MIN);
	return hsfeed_value_len(v) == 2 && ret->id != INT64_MIN && ret->type != INT64_MIN;
}

static bool read_specials(const hsfeed_value *v, struct hs_special *ret, size_t *ret_n)
{
	*ret_n = hsfeed_value_len(v);
	if (hsfeed_value_type(v) != HSFEED_ARRAY || *ret_n > HS_ROWS_MAX_SPECIALS)
		return false;
	for (size_t i = 0; i < *ret_n; i++)
		if (!read_special(hsfeed_value_at(v, i), &ret[i]))
			return false;
	return true;
}

static bool read_table(const hsfeed_value *v, struct role *ret)
{
	if (hsfeed_value_type(v) == HSFEED_NIL)
		return true;
	uint64_t at = hsfeed_value_uint(hsfeed_value_at(v, 0), UINT64_MAX);
	uint64_t n = hsfeed_value_uint(hsfeed_value_at(v, 1), UINT64_MAX);
	if (ret->put.width != 16 || hsfeed_value_len(v) != 2 || at > UINT64_MAX / 2 || at % ALIGN || n == 0 ||
	    n > HS_ROWS_CODES)
		return false;
	ret->table_at = (size_t)at;
	ret->ncodes = (size_t)n;
	return true;
}

static bool read_role(const hsfeed_value *v, const struct hs_packed *p, struct role *ret)
{
	struct hs_rows *put = &ret->put;
	size_t width;
	if (!read_uint(v, "offset", p->slot_bytes, &ret->offset) || ret->offset % ALIGN ||
	    !read_uint(v, "bytes", p->slot_bytes - ret->offset, &ret->bytes) || ret->bytes < p->counts_bytes ||
	    !read_uint(v, "width", 32, &width) || (width != 16 && width != 32))
		return false;
	const hsfeed_value *pad_left = hsfeed_value_get(v, "pad_left");
	put->width = (unsigned)width;
	put->text_type = hsfeed_value_int(hsfeed_value_get(v, "text_type"), INT64_MIN);
	put->pad_left = hsfeed_value_bool(pad_left, 0);
	return put->text_type != INT64_MIN && hsfeed_value_type(pad_left) == HSFEED_BOOL &&
	       read_table(hsfeed_value_get(v, "table"), ret) &&
	       read_specials(hsfeed_value_get(v, "prefix"), put->prefix, &put->nprefix) &&
	       read_specials(hsfeed_value_get(v, "suffix"), put->suffix, &put->nsuffix) &&
	       read_special(hsfeed_value_get(v, "pad"), &put->pad);
}

// A role's arrays follow one another: ids, mask, and token types where they were asked for.
static bool find_arrays(const struct hs_layout *layout, size_t r, struct role *ret)
{
	size_t n = 0;
	for (size_t i = 0; i < layout->narrays; i++) {
		const struct hs_array_spec *a = &layout->arrays[i];
		if (a->role != (int)r)
			continue;
		ret->array = n ? ret->array : i;
		if (i != ret->array + n || a->dtype == HSFEED_FLOAT32 || a->dtype != layout->arrays[ret->array].dtype ||
		    a->columns != layout->arrays[ret->array].columns)
			return false;
		n++;
	}
	ret->types = n == 3;
	ret->put.int32 = n > 0 && layout->arrays[ret->array].dtype == HSFEED_INT32;
	return n == 2 || n == 3;
}

static const char *read_roles(const hsfeed_value *roles, const struct hs_layout *layout, struct hs_packed *p)
{
	if (hsfeed_value_type(roles) != HSFEED_ARRAY || hsfeed_value_len(roles) != layout->nroles)
		return wrong_packing;
	for (; p->nroles < layout->nroles; p->nroles++) {
		struct role *role = &p->roles[p->nroles];
		if (!read_role(hsfeed_value_at(roles, p->nroles), p, role) || !find_arrays(layout, p->nroles, role))
			return wrong_packing;
		if (hs_rows_init(&role->put, layout->arrays[role->array].columns) < 0)
			return hs_no_memory;
	}
	return NULL;
}

static const char *read_offsets(const hsfeed_value *offsets, const struct hs_layout *layout, struct hs_packed *p)
{
	size_t n = 0;
	for (size_t i = 0; i < layout->narrays; i++) {
		const struct hs_array_spec *a = &layout->arrays[i];
		if (a->role >= 0)
			continue;
		uint64_t offset = hsfeed_value_uint(hsfeed_value_at(offsets, n++), UINT64_MAX);
		if (offset > p->slot_bytes || offset % ALIGN || a->bytes > p->slot_bytes - offset)
			return wrong_packing;
		p->offsets[i] = (size_t)offset;
	}
	return hsfeed_value_type(offsets) == HSFEED_ARRAY && n == hsfeed_value_len(offsets) ? NULL : wrong_packing;
}

static const char *read_packed(const hsfeed_value *v, const struct hs_layout *layout, struct hs_packed *p)
{
	p->counts_bytes = (layout->batch_size * sizeof(uint32_t) + ALIGN - 1) / ALIGN * ALIGN;
	if (!read_uint(v, "slot_bytes", HS_LIB_MAX_DATA, &p->slot_bytes) || p->slot_bytes % ALIGN)
		return wrong_packing;
	const char *wrong = read_roles(hsfeed_value_get(v, "roles"), layout, p);
	return wrong ? wrong : read_offsets(hsfeed_value_get(v, "offsets"), layout, p);
}

const char *hs_packed_create(const hsfeed_value *info, const struct hs_layout *layout, unsigned nslots,
			     struct hs_packed **ret)
{
	const hsfeed_value *v = hsfeed_value_get(info, "packed");
	if (hsfeed_value_type(v) == HSFEED_NIL)
		return NULL;
	struct hs_packed *p = calloc(1, sizeof(*p));
	const char *wrong = p ? read_packed(v, layout, p) : hs_no_memory;
	if (wrong) {
		hs_packed_free(p);
		return wrong;
	}
	for (unsigned i = 0; i < nslots; i++)
		p->unused[p->nunused++] = (uint8_t)(nslots - 1 - i); // 0 first
	*ret = p;
	return NULL;
}

void hs_packed_free(struct hs_packed *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < HS_LIB_MAX_ROLES; i++) {
		hs_rows_fini(&p->roles[i].put);
		free(p->roles[i].table);
	}
	for (size_t i = 0; i < HS_LIB_MAX_SLOTS; i++)
		hs_slot_free(p->outs[i]);
	if (p->ring)
		munmap(p->ring, p->ring_bytes);
	free(p);
}

// ---- memory ----

uint64_t hs_packed_ring_bytes(const struct hs_packed *p, unsigned nslots)
{
	uint64_t bytes = nslots * (uint64_t)p->slot_bytes; // <= 64 * 2^28
	for (size_t i = 0; i < p->nroles; i++) {
		const struct role *role = &p->roles[i];
		uint64_t end = role->table_at + (uint64_t)role->ncodes * sizeof(uint32_t);
		bytes = role->ncodes && end > bytes ? end : bytes;
	}
	return bytes;
}

int hs_packed_map(struct hs_packed *p, void *ring, size_t bytes)
{
	p->ring = ring;
	p->ring_bytes = bytes;
	for (size_t i = 0; i < p->nroles; i++) {
		struct role *role = &p->roles[i];
		if (role->ncodes == 0)
			continue;
		role->table = calloc(HS_ROWS_CODES, sizeof(*role->table));
		if (!role->table)
			return -ENOMEM;
		memcpy(role->table, p->ring + role->table_at, role->ncodes * sizeof(*role->table));
		role->put.table = role->table;
	}
	return 0;
}

// ---- batches ----

void hs_packed_arrive(struct hs_packed *p, const struct hs_arrival *arrival)
{
	p->arrivals[arrival->slot] = *arrival;
}

// What lies in the ring may change while we read it: nothing is read twice.
static const char *put_role(const struct hs_packed *p, const struct role *role, const uint8_t *slot,
			    const struct hs_slot *out)
{
	const struct hsfeed_array *arrays = &out->arrays[role->array];
	const uint32_t *counts = (const uint32_t *)(const void *)(slot + role->offset);
	const uint8_t *codes = slot + role->offset + p->counts_bytes;
	void *ids = (void *)(uintptr_t)arrays[0].data, *mask = (void *)(uintptr_t)arrays[1].data;
	void *types = role->types ? (void *)(uintptr_t)arrays[2].data : NULL;
	size_t item = role->put.width / 8, left = (role->bytes - p->counts_bytes) / item;
	size_t length = arrays[0].shape[1], specials = role->put.nprefix + role->put.nsuffix;
	for (size_t i = 0; i < out->batch.rows; i++) {
		size_t n = __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
		if (n > left || n + specials > length)
			return "its rows do not fit the stream";
		const struct hs_row row = {i, length, codes, n};
		hs_rows_put(&role->put, &row, ids, mask, types);
		codes += n * item;
		left -= n;
	}
	return NULL;
}

static const char *write_out(const hsfeed_stream *s, uint64_t slot, const struct hs_slot *out)
{
	const struct hs_packed *p = s->packed;
	const uint8_t *base = p->ring + slot * p->slot_bytes;
	for (size_t i = 0; i < p->nroles; i++) {
		const char *wrong = put_role(p, &p->roles[i], base, out);
		if (wrong)
			return wrong;
	}
	for (size_t i = 0; i < s->layout.narrays; i++)
		if (s->layout.arrays[i].role < 0)
			memcpy((void *)(uintptr_t)out->arrays[i].data, base + p->offsets[i], out->arrays[i].bytes);
	return NULL;
}

bool hs_packed_has_room(const struct hs_packed *p)
{
	return !p || p->nunused > 0;
}

// A batch in memory of our own that was not written to yet. Its pages are made by one call, where writing would have
// the kernel make them one by one; of a large one, which may not be written to everywhere, it does.
static struct hs_slot *create_out(hsfeed_stream *s, uint32_t index)
{
	size_t bytes = s->layout.slot_bytes, at = index * bytes, from = at & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
	if (bytes <= SMALL_BYTES) // a hint: where it fails, or is not known, nothing is lost
		(void)madvise(s->ring + from, at + bytes - from, MADV_POPULATE_WRITE);
	return hs_slot_create(s, index);
}

const char *hs_packed_take(hsfeed_stream *s, uint32_t slot, struct hs_slot **ret)
{
	struct hs_packed *p = s->packed;
	struct hs_arrival a = p->arrivals[slot];
	uint8_t index = p->unused[p->nunused - 1];
	if (!p->outs[index])
		p->outs[index] = create_out(s, index);
	struct hs_slot *out = p->outs[index];
	if (!out)
		return hs_no_memory;
	a.slot = index;
	const char *wrong = hs_batch_fill(s, &a, out);
	if (!wrong)
		wrong = write_out(s, slot, out);
	if (!wrong)
		p->nunused--;
	*ret = out;
	return wrong;
}

void hs_packed_release(struct hs_packed *p, struct hs_slot *out)
{
	out->state = HS_SLOT_FREE;
	p->unused[p->nunused++] = (uint8_t)out->slot;
}
