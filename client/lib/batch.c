// SPDX-License-Identifier: Apache-2.0
// A batch: checked against what the stream's opening said, copied once into its slot's aligned memory.
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define ALIGN 64u

const char hs_no_memory[] = "out of memory";

const char *hsfeed_dtype_name(enum hsfeed_dtype dtype)
{
	switch (dtype) {
	case HSFEED_INT64:
		return "int64";
	case HSFEED_INT32:
		return "int32";
	case HSFEED_FLOAT32:
		return "float32";
	}
	return NULL;
}

size_t hsfeed_dtype_bytes(enum hsfeed_dtype dtype)
{
	if (dtype == HSFEED_INT64)
		return 8;
	return dtype == HSFEED_INT32 || dtype == HSFEED_FLOAT32 ? 4 : 0;
}

static bool read_dtype(const hsfeed_value *v, enum hsfeed_dtype *ret)
{
	const char *name = hsfeed_value_str(v, NULL, "");
	for (enum hsfeed_dtype d = HSFEED_INT64; d <= HSFEED_FLOAT32; d++) {
		if (strcmp(name, hsfeed_dtype_name(d)) == 0) {
			*ret = d;
			return true;
		}
	}
	return false;
}

static const char *read_array(const hsfeed_value *v, size_t nroles, struct hs_array_spec *ret)
{
	const hsfeed_value *role = hsfeed_value_get(v, "role");
	uint64_t dims = hsfeed_value_uint(hsfeed_value_get(v, "dims"), 0);
	uint64_t columns = hsfeed_value_uint(hsfeed_value_get(v, "columns"), 1);
	uint64_t r = hsfeed_value_uint(role, UINT64_MAX);
	if (!read_dtype(hsfeed_value_get(v, "dtype"), &ret->dtype))
		return "an array's dtype is unknown";
	if (dims < 1 || dims > 2 || columns > HS_LIB_MAX_DATA || (dims == 2 && columns == 0))
		return "an array's shape is not usable";
	if (hsfeed_value_type(role) != HSFEED_NIL && (r >= nroles || dims != 2))
		return "an array's role is out of range";
	ret->dims = (unsigned)dims;
	ret->columns = (size_t)columns;
	ret->role = hsfeed_value_type(role) == HSFEED_NIL ? -1 : (int)r;
	ret->offset = (size_t)hsfeed_value_uint(hsfeed_value_get(v, "offset"), 0);
	ret->bytes = (size_t)hsfeed_value_uint(hsfeed_value_get(v, "bytes"), 0);
	ret->name = strdup(hsfeed_value_str(hsfeed_value_get(v, "name"), NULL, "?"));
	return ret->name ? NULL : hs_no_memory;
}

// Where arrays lie in a slot counts with a ring only: each must hold a full batch at its widest.
static const char *check_places(const struct hs_layout *layout)
{
	for (size_t i = 0; i < layout->narrays; i++) {
		const struct hs_array_spec *a = &layout->arrays[i];
		uint64_t widest = a->dims == 1 ? 1 : a->columns;
		if (a->offset % ALIGN != 0 || a->offset > layout->slot_bytes ||
		    a->bytes > layout->slot_bytes - a->offset ||
		    layout->batch_size * widest * hsfeed_dtype_bytes(a->dtype) > a->bytes)
			return "an array has no place in its slot";
	}
	return layout->slot_bytes % ALIGN ? "its slots are not aligned" : NULL;
}

bool hs_stream_is_ring(const hsfeed_value *info)
{
	return strcmp(hsfeed_value_str(hsfeed_value_get(info, "transport"), NULL, ""), "ring") == 0;
}

static const char *read_layout(const hsfeed_value *info, struct hs_layout *ret)
{
	const hsfeed_value *encodings = hsfeed_value_get(info, "encodings"), *arrays = hsfeed_value_get(info, "arrays");
	uint64_t batch_size = hsfeed_value_uint(hsfeed_value_get(info, "batch_size"), 0);
	if (batch_size == 0 || batch_size > HS_LIB_MAX_DATA)
		return "the batch size is not usable";
	if (hsfeed_value_len(encodings) > HS_LIB_MAX_ROLES || hsfeed_value_type(arrays) != HSFEED_ARRAY ||
	    hsfeed_value_len(arrays) > HS_LIB_MAX_ARRAYS)
		return "there are more roles or arrays than can be";
	uint64_t slot_bytes = hsfeed_value_uint(hsfeed_value_get(info, "slot_bytes"), 0);
	if (slot_bytes > HS_LIB_MAX_DATA)
		return "its slots are too large";
	ret->batch_size = (size_t)batch_size;
	ret->slot_bytes = (size_t)slot_bytes;
	ret->nroles = hsfeed_value_len(encodings);
	for (size_t i = 0; i < hsfeed_value_len(arrays); i++) {
		const char *wrong = read_array(hsfeed_value_at(arrays, i), ret->nroles, &ret->arrays[i]);
		if (wrong)
			return wrong;
		ret->narrays++;
	}
	return hs_stream_is_ring(info) ? check_places(ret) : NULL;
}

int hs_layout_fault(const char *wrong, struct hsfeed_error *reterr)
{
	if (!wrong)
		return 0;
	if (wrong == hs_no_memory)
		return hs_error_nomem(reterr);
	return hs_error_set(reterr, HSFEED_EBADFRAME, "the daemon opened a stream that cannot be: %s", wrong);
}

int hs_layout_read(const hsfeed_value *info, struct hs_layout *ret, struct hsfeed_error *reterr)
{
	struct hs_layout layout = {0};
	const char *wrong = read_layout(info, &layout);
	if (!wrong)
		*ret = layout;
	else
		hs_layout_fini(&layout);
	return hs_layout_fault(wrong, reterr);
}

void hs_layout_fini(struct hs_layout *layout)
{
	for (size_t i = 0; i < layout->narrays; i++)
		free(layout->arrays[i].name);
	*layout = (struct hs_layout){0};
}

// ---- slots ----

struct hs_slot *hs_slot_create(hsfeed_stream *stream, uint32_t index)
{
	struct hs_slot *slot = calloc(1, sizeof(*slot) + stream->names_bytes);
	if (!slot)
		return NULL;
	slot->stream = stream;
	slot->slot = index;
	char *name = slot->names;
	for (size_t i = 0; i < stream->layout.narrays; i++) {
		const struct hs_array_spec *spec = &stream->layout.arrays[i];
		slot->arrays[i].name = memcpy(name, spec->name, strlen(spec->name) + 1);
		slot->arrays[i].dtype = spec->dtype;
		slot->arrays[i].ndim = spec->dims;
		slot->pointers[i] = &slot->arrays[i];
		name += strlen(spec->name) + 1;
	}
	slot->batch.narrays = stream->layout.narrays;
	slot->batch.arrays = slot->pointers;
	return slot;
}

void hs_slot_free(struct hs_slot *slot)
{
	if (!slot)
		return;
	free(slot->data);
	free(slot);
}

static bool room_for(struct hs_slot *slot, size_t bytes)
{
	if (bytes <= slot->data_cap)
		return true;
	size_t cap = (bytes + 4095) & ~(size_t)4095;
	uint8_t *data = aligned_alloc(ALIGN, cap);
	if (!data)
		return false;
	free(slot->data);
	slot->data = data;
	slot->data_cap = cap;
	return true;
}

// Lays the arrays out, back to back or where they lie in a slot of a ring; returns the bytes that `data` must have, or
// more than HS_LIB_MAX_DATA where a length is beyond what the opening said (which may be above max_length: padding goes
// up to a multiple).
static uint64_t place_arrays(const struct hs_layout *layout, const struct hs_arrival *a, struct hs_slot *slot,
			     uint64_t ret_offset[])
{
	uint64_t end = 0;
	for (size_t i = 0; i < layout->narrays && end <= HS_LIB_MAX_DATA; i++) {
		const struct hs_array_spec *spec = &layout->arrays[i];
		uint64_t width = spec->dims == 1 ? 1 : spec->role >= 0 ? a->lengths[spec->role] : spec->columns;
		if (spec->dims == 2 && width > spec->columns)
			return UINT64_MAX;
		uint64_t bytes = a->rows * width * hsfeed_dtype_bytes(spec->dtype); // < 2^28 * 2^28 * 8
		uint64_t offset = (end + ALIGN - 1) / ALIGN * ALIGN;
		ret_offset[i] = a->data ? offset : spec->offset;
		slot->arrays[i].shape[0] = (size_t)a->rows;
		slot->arrays[i].shape[1] = (size_t)width;
		slot->arrays[i].bytes = (size_t)bytes;
		end = offset + bytes;
	}
	return end;
}

const char *hs_batch_fill(const hsfeed_stream *stream, const struct hs_arrival *a, struct hs_slot *slot)
{
	const struct hs_layout *layout = &stream->layout;
	uint64_t offset[HS_LIB_MAX_ARRAYS];
	if (a->rows == 0 || a->rows > layout->batch_size)
		return "its rows do not fit the stream";
	uint64_t bytes = place_arrays(layout, a, slot, offset);
	if (bytes > HS_LIB_MAX_DATA)
		return "its lengths do not fit the stream";
	const uint8_t *base = stream->ring ? stream->ring + a->slot * layout->slot_bytes : NULL;
	if (!base) {
		if (!a->data || bytes != a->len)
			return "its data has another size than its arrays";
		if (!room_for(slot, a->len))
			return hs_no_memory;
		if (a->len > 0)
			memcpy(slot->data, a->data, a->len);
		base = slot->data;
	}
	for (size_t i = 0; i < layout->narrays; i++)
		slot->arrays[i].data = base + offset[i];
	slot->batch.batch = a->batch;
	slot->batch.at = a->at;
	slot->batch.rows = (size_t)a->rows;
	return NULL;
}
