// SPDX-License-Identifier: Apache-2.0
// Where the arrays of a batch lie in a slot: fixed for a stream's life, sized for a full batch at its widest, 64-byte
// aligned.
#include <stdio.h>
#include <string.h>

#include "feed/internal.h"

uint32_t hs_feed_round_up(uint32_t length, uint32_t multiple)
{
	return multiple ? (length + multiple - 1) / multiple * multiple : length;
}

static size_t item_bytes(enum hs_dtype dtype)
{
	return dtype == HS_I64 ? 8 : 4;
}

static void add_array(struct hs_layout *layout, const struct hs_array *array, size_t batch_size)
{
	struct hs_array *a = &layout->arrays[layout->narrays++];
	*a = *array;
	a->bytes = batch_size * a->columns * item_bytes(a->dtype);
	a->offset = layout->slot_bytes;
	layout->slot_bytes += (a->bytes + 63) / 64 * 64;
}

static void add_token_arrays(const struct hs_feed_source *source, const struct hs_stream_spec *spec, size_t role,
			     struct hs_layout *layout)
{
	static const char *const names[] = {"input_ids", "attention_mask", "token_type_ids"};
	uint32_t multiple = spec->padding == HS_PAD_MULTIPLE ? spec->multiple : 0;
	for (size_t i = 0; i < (spec->token_type_ids ? 3u : 2u); i++) {
		struct hs_array array = {.dtype = spec->int32 ? HS_I32 : HS_I64,
					 .dims = 2,
					 .role = (int)role,
					 .columns = hs_feed_round_up(spec->max_length[role], multiple)};
		const char *prefix = role == 0 ? "" : hs_feed_source_role(source, role);
		snprintf(array.name, sizeof(array.name), "%s%s%s", prefix, role == 0 ? "" : "_", names[i]);
		add_array(layout, &array, spec->batch_size);
	}
}

static void add_attached(const struct hs_feed_source *source, const struct hs_stream_spec *spec,
			 struct hs_layout *layout)
{
	for (size_t i = 0; i < hs_feed_source_narrays(source); i++) {
		const struct hs_attached *a = hs_feed_source_attached(source, i);
		struct hs_array array = {.dtype = HS_F32, .dims = a->dims, .role = -1, .columns = a->columns};
		snprintf(array.name, sizeof(array.name), "%s", hs_feed_source_array(source, i));
		add_array(layout, &array, spec->batch_size);
	}
}

// A batch is a map: an attached array may not be called as a role's ids.
static int check_array_names(const struct hs_layout *layout, struct hs_err *reterr)
{
	for (size_t i = 0; i < layout->narrays; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(layout->arrays[i].name, layout->arrays[k].name) == 0)
				return hs_err_set(reterr, HSFEED_EBADREQUEST,
						  "two arrays of a batch would be called \"%s\"",
						  layout->arrays[i].name);
		}
	}
	return 0;
}

int hs_feed_layout_init(const struct hs_feed_source *source, const struct hs_stream_spec *spec, struct hs_layout *ret,
			struct hs_err *reterr)
{
	struct hs_layout layout = {0};
	const struct hs_version *v = hs_feed_source_version(source);
	for (size_t role = 0; role < hs_feed_source_nroles(source); role++)
		add_token_arrays(source, spec, role, &layout);
	if (v->label_type != HS_LABELS_NONE) {
		bool floats = v->label_type == HS_LABELS_FLOAT;
		struct hs_array labels = {.name = "labels",
					  .dtype = floats ? HS_F32 : HS_I64,
					  .dims = floats ? 2 : 1,
					  .role = -1,
					  .columns = floats ? v->nlabels : 1};
		add_array(&layout, &labels, spec->batch_size);
	}
	if (spec->nweights > 0) {
		struct hs_array weight = {.name = "weight", .dtype = HS_F32, .dims = 1, .role = -1, .columns = 1};
		add_array(&layout, &weight, spec->batch_size);
	}
	add_attached(source, spec, &layout);
	struct hs_array index = {.name = "index", .dtype = HS_I64, .dims = 1, .role = -1, .columns = 1};
	add_array(&layout, &index, spec->batch_size);
	if (layout.slot_bytes > HS_FEED_MAX_SLOT_BYTES) {
		hs_err_set(reterr, HSFEED_ELIMIT, "a batch of %u rows would need %zu bytes; a slot holds at most %u",
			   spec->batch_size, layout.slot_bytes, HS_FEED_MAX_SLOT_BYTES);
		return hs_err_hint(reterr, "lower the batch size or max_length, or ask for int32");
	}
	int rc = check_array_names(&layout, reterr);
	if (rc == 0)
		*ret = layout;
	return rc;
}

// A role's tokens at their most: every row as long as the longest, or as max_length lets it be.
static size_t packed_codes(const struct hs_feed_source *source, const struct hs_stream_spec *spec, size_t role)
{
	const struct hs_encoding *e = hs_feed_source_encoding(source, role);
	size_t budget = spec->max_length[role] - e->nprefix - e->nsuffix;
	return spec->batch_size * (budget < e->max_tokens ? budget : e->max_tokens);
}

void hs_feed_packed_init(const struct hs_feed_source *source, const struct hs_stream_spec *spec,
			 const struct hs_layout *layout, struct hs_layout *ret)
{
	*ret = (struct hs_layout){0};
	for (size_t role = 0; role < hs_feed_source_nroles(source); role++) {
		const struct hs_encoding *e = hs_feed_source_encoding(source, role);
		bool ids = spec->mask.kind != HS_MASK_NONE && spec->mask.roles[role];
		struct hs_array *a = &ret->arrays[ret->narrays++];
		*a = (struct hs_array){.dtype = HS_I32, .dims = 1, .role = (int)role, .offset = ret->slot_bytes};
		a->bytes = HS_FEED_PACKED_COUNTS(spec->batch_size) +
			   packed_codes(source, spec, role) * (ids ? 4 : e->width / 8);
		ret->slot_bytes += (a->bytes + 63) / 64 * 64;
	}
	for (size_t i = 0; i < layout->narrays; i++)
		if (layout->arrays[i].role < 0)
			add_array(ret, &layout->arrays[i], spec->batch_size);
}

size_t hs_fill_array_bytes(const struct hs_array *array, const struct hs_fill *fill)
{
	size_t width = array->role >= 0 ? fill->lengths[array->role] : array->columns;
	return fill->rows * width * item_bytes(array->dtype);
}
