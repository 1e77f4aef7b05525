// SPDX-License-Identifier: Apache-2.0
// The gather against a naive reference, over encodings made in memory: both widths, with and without an id table, both
// dtypes, both sides of truncation and padding, every padding mode, one and two roles, float and class labels.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "feed/internal.h"

#define NROWS 200u // one group
#define VOCAB 90000u

static uint32_t rng_state = 1;

static uint32_t draw(uint32_t below)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)rng_state * below) >> 32);
}

// ---- a source without a store: caches whose values are given ----

static int give(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	(void)reterr;
	*ret_value = arg;
	*ret_bytes = 0;
	return 0;
}

static void keep(void *value)
{
	(void)value;
}

struct made {
	struct hs_encoding encoding;
	const uint32_t *offsets_of[1];
	const void *tokens_of[1];
	uint32_t offsets[NROWS + 1], *ids; // ids: what the tokens mean, u32
	uint16_t *codes;
	uint32_t *table;
	struct open_encoding open;
};

static void make_encoding(struct made *m, unsigned width, bool table, bool left)
{
	memset(m, 0, sizeof(*m));
	for (uint32_t i = 0; i < NROWS; i++)
		m->offsets[i + 1] = m->offsets[i] + draw(i % 7 == 0 ? 1 : 40);
	uint32_t n = m->offsets[NROWS];
	m->ids = calloc(n + 1, 4);
	m->codes = calloc(n + 1, 2);
	m->table = calloc(1000, 4);
	for (uint32_t i = 0; i < 1000; i++)
		m->table[i] = draw(VOCAB);
	for (uint32_t i = 0; i < n; i++) {
		m->codes[i] = (uint16_t)draw(table ? 1000 : 65536);
		m->ids[i] = width == 32 ? draw(VOCAB) : table ? m->table[m->codes[i]] : m->codes[i];
	}
	m->offsets_of[0] = m->offsets;
	m->tokens_of[0] = width == 32 ? (const void *)m->ids : m->codes;
	m->encoding = (struct hs_encoding){
		.nrows = NROWS,
		.ngroups = 1,
		.width = width,
		.offsets = m->offsets_of,
		.tokens = m->tokens_of,
		.table = table ? m->table : NULL,
		.table_len = table ? 1000 : 0,
		.vocab_size = VOCAB,
		.pad_id = 7,
		.unk_id = 1,
		.cls_id = 101,
		.sep_id = 102,
		.mask_id = -1,
		.nprefix = 2,
		.nsuffix = 1,
		.prefix = {101, 103},
		.prefix_type = {0, 1},
		.suffix = {102},
		.suffix_type = {3},
		.text_type = 2,
		.pad_type = 4,
		.truncate_left = left,
		.pad_left = left,
	};
	m->open.encoding = &m->encoding;
}

static void free_encoding(struct made *m)
{
	free(m->ids);
	free(m->codes);
	free(m->table);
}

struct world {
	struct hs_feed feed;
	struct hs_feed_source source;
	struct hs_version version;
	struct open_version open;
	const void *labels[1];
	float floats[NROWS * 3];
	uint32_t classes[NROWS];
};

static struct hs_cache_entry *hold(struct hs_cache *cache, uint32_t key, void *value)
{
	struct hs_cache_entry *entry = NULL;
	assert_int_equal(hs_cache_get(cache, &key, sizeof(key), value, &entry, NULL), 0);
	return entry;
}

static void world_init(struct world *w, struct made *made, size_t nroles, bool floats)
{
	memset(w, 0, sizeof(*w));
	const struct hs_cache_kind kind = {give, keep, 0};
	assert_int_equal(hs_cache_create(&kind, &w->feed.encodings), 0);
	assert_int_equal(hs_cache_create(&kind, &w->feed.versions), 0);
	for (uint32_t i = 0; i < NROWS; i++) {
		w->classes[i] = draw(9);
		for (uint32_t c = 0; c < 3; c++)
			w->floats[i * 3 + c] = (float)draw(2);
	}
	w->labels[0] = floats ? (const void *)w->floats : w->classes;
	w->version = (struct hs_version){.nrows = NROWS,
					 .ngroups = 1,
					 .nlabels = floats ? 3 : 1,
					 .labels = w->labels,
					 .label_type = floats ? HS_LABELS_FLOAT : HS_LABELS_CLASS};
	w->open.version = &w->version;
	w->source.feed = &w->feed;
	w->source.version = hold(w->feed.versions, 0, &w->open);
	w->source.nroles = nroles;
	for (uint32_t i = 0; i < nroles; i++) {
		w->source.encodings[i] = hold(w->feed.encodings, i, &made[i].open);
		strcpy(w->source.roles[i], i ? "student" : "teacher");
	}
}

static void world_fini(struct world *w)
{
	for (size_t i = 0; i < w->source.nroles; i++)
		hs_cache_put(w->feed.encodings, w->source.encodings[i]);
	hs_cache_put(w->feed.versions, w->source.version);
	hs_cache_destroy(w->feed.encodings);
	hs_cache_destroy(w->feed.versions);
}

// ---- the reference ----

struct expected {
	int64_t ids[256], mask[256], types[256];
	uint32_t len;
};

// One row, without padding.
static void expect_row(const struct made *m, uint32_t row, uint32_t max_length, struct expected *ret)
{
	const struct hs_encoding *e = &m->encoding;
	uint32_t begin = m->offsets[row], end = m->offsets[row + 1], budget = max_length - e->nprefix - e->nsuffix;
	if (end - begin > budget && e->truncate_left)
		begin = end - budget;
	else if (end - begin > budget)
		end = begin + budget;
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < e->nprefix; i++, ret->len++) {
		ret->ids[ret->len] = e->prefix[i];
		ret->types[ret->len] = e->prefix_type[i];
	}
	for (uint32_t i = begin; i < end; i++, ret->len++) {
		ret->ids[ret->len] = m->ids[i];
		ret->types[ret->len] = e->text_type;
	}
	for (uint32_t i = 0; i < e->nsuffix; i++, ret->len++) {
		ret->ids[ret->len] = e->suffix[i];
		ret->types[ret->len] = e->suffix_type[i];
	}
	for (uint32_t i = 0; i < ret->len; i++)
		ret->mask[i] = 1;
}

static int64_t item(const void *slot, const struct hs_array *array, size_t i)
{
	const uint8_t *at = (const uint8_t *)slot + array->offset;
	if (array->dtype == HS_I64)
		return ((const int64_t *)(const void *)at)[i];
	return ((const int32_t *)(const void *)at)[i];
}

static void check_role(const struct gather *g, const struct made *m, const struct hs_array *arrays, const void *slot,
		       uint32_t length)
{
	for (size_t i = 0; i < g->n; i++) {
		struct expected want;
		expect_row(m, g->rows[i], g->spec->max_length[arrays[0].role], &want);
		uint32_t shift = m->encoding.pad_left ? length - want.len : 0;
		for (uint32_t j = 0; j < length; j++) {
			bool pad = j < shift || j >= shift + want.len;
			uint32_t from = pad ? 0 : j - shift;
			assert_int_equal(item(slot, &arrays[0], i * length + j), pad ? 7 : want.ids[from]);
			assert_int_equal(item(slot, &arrays[1], i * length + j), pad ? 0 : 1);
			if (g->spec->token_type_ids)
				assert_int_equal(item(slot, &arrays[2], i * length + j), pad ? 4 : want.types[from]);
		}
	}
}

static uint32_t expect_length(const struct gather *g, const struct made *m, size_t role)
{
	uint32_t longest = 0, multiple = g->spec->multiple;
	if (g->spec->padding == HS_PAD_MAX_LENGTH)
		return g->spec->max_length[role];
	for (size_t i = 0; i < g->n; i++) {
		struct expected want;
		expect_row(m, g->rows[i], g->spec->max_length[role], &want);
		longest = want.len > longest ? want.len : longest;
	}
	while (g->spec->padding == HS_PAD_MULTIPLE && longest % multiple)
		longest++;
	return longest;
}

static void check_labels(const struct gather *g, const struct world *w, const struct hs_array *array, const void *slot)
{
	for (size_t i = 0; i < g->n; i++) {
		if (array->dtype == HS_I64)
			assert_int_equal(item(slot, array, i), w->classes[g->rows[i]]);
		for (size_t c = 0; c < 3 && array->dtype == HS_F32; c++) {
			float got;
			memcpy(&got, (const uint8_t *)slot + array->offset + 4 * (3 * i + c), 4);
			assert_true(got == w->floats[g->rows[i] * 3 + c]);
		}
	}
}

static void one_random_batch(void)
{
	struct made made[2];
	struct world w;
	size_t nroles = 1 + draw(2), per_role;
	for (size_t i = 0; i < nroles; i++) {
		unsigned width = draw(2) ? 16 : 32;
		make_encoding(&made[i], width, width == 16 && draw(2), draw(2));
	}
	world_init(&w, made, nroles, draw(2));
	struct hs_stream_spec spec = {.batch_size = 1 + draw(40),
				      .max_length = {3 + draw(60), 3 + draw(60)},
				      .padding = draw(3),
				      .multiple = 1 + draw(20),
				      .int32 = draw(2),
				      .token_type_ids = draw(2)};
	struct hs_layout layout;
	assert_int_equal(hs_feed_layout_init(&w.source, &spec, &layout, NULL), 0);
	uint32_t rows[64];
	struct hs_patterns patterns[2] = {{0}, {0}};
	bool wide = draw(4) == 0; // as if rows were too wide for patterns
	for (size_t i = 0; i < nroles; i++)
		assert_int_equal(hs_feed_patterns_init(&patterns[i], &made[i].encoding,
						       wide ? 1u << 20
							    : layout.arrays[i * (spec.token_type_ids ? 3 : 2)].columns,
						       spec.int32),
				 0);
	struct gather g = {&w.source, &spec, &layout, patterns, rows, 1 + draw(spec.batch_size)};
	for (size_t i = 0; i < g.n; i++)
		rows[i] = draw(NROWS);
	void *slot = aligned_alloc(64, layout.slot_bytes);
	memset(slot, 0xEE, layout.slot_bytes);
	struct hs_fill fill = {0};
	hs_feed_gather(&g, slot, &fill);
	assert_int_equal(fill.rows, g.n);
	per_role = spec.token_type_ids ? 3 : 2;
	for (size_t role = 0; role < nroles; role++) {
		assert_int_equal(fill.lengths[role], expect_length(&g, &made[role], role));
		check_role(&g, &made[role], &layout.arrays[role * per_role], slot, fill.lengths[role]);
		free_encoding(&made[role]);
		hs_feed_patterns_fini(&patterns[role]);
	}
	check_labels(&g, &w, &layout.arrays[nroles * per_role], slot);
	const struct hs_array *index = &layout.arrays[nroles * per_role + 1];
	assert_string_equal(index->name, "index");
	for (size_t i = 0; i < g.n; i++)
		assert_int_equal(item(slot, index, i), rows[i]);
	free(slot);
	world_fini(&w);
}

static void every_array_of_a_batch_equals_the_reference(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++)
		one_random_batch();
}

static void arrays_lie_apart_and_aligned_and_are_named_by_role(void **state)
{
	(void)state;
	struct made made[2];
	struct world w;
	make_encoding(&made[0], 16, false, false);
	make_encoding(&made[1], 16, false, false);
	world_init(&w, made, 2, true);
	struct hs_stream_spec spec = {.batch_size = 5, .max_length = {10, 9}, .token_type_ids = true};
	struct hs_layout layout;
	assert_int_equal(hs_feed_layout_init(&w.source, &spec, &layout, NULL), 0);
	static const char *const names[] = {"input_ids",
					    "attention_mask",
					    "token_type_ids",
					    "student_input_ids",
					    "student_attention_mask",
					    "student_token_type_ids",
					    "labels",
					    "index"};
	assert_int_equal(layout.narrays, 8);
	size_t end = 0;
	for (size_t i = 0; i < 8; i++) {
		assert_string_equal(layout.arrays[i].name, names[i]);
		assert_int_equal(layout.arrays[i].offset % 64, 0);
		assert_true(layout.arrays[i].offset >= end);
		end = layout.arrays[i].offset + layout.arrays[i].bytes;
	}
	assert_true(layout.slot_bytes >= end);
	assert_int_equal(layout.arrays[3].bytes, 5 * 9 * 8);
	assert_int_equal(layout.arrays[6].bytes, 5 * 3 * 4);
	spec.batch_size = 65536;
	spec.max_length[0] = 1 << 20;
	struct hs_err err;
	assert_int_equal(hs_feed_layout_init(&w.source, &spec, &layout, &err), HSFEED_ELIMIT);
	free_encoding(&made[0]);
	free_encoding(&made[1]);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_array_of_a_batch_equals_the_reference),
		cmocka_unit_test(arrays_lie_apart_and_aligned_and_are_named_by_role),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
