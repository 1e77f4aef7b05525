// SPDX-License-Identifier: Apache-2.0
// The gather against a naive reference, over encodings made in memory: both widths, with and without an id table, both
// dtypes, both sides of truncation and padding, every padding mode, one and two roles, float and class labels, masks
// and weights.
#include <errno.h>
#include <math.h>
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
		m->table[i] = i < 300 ? 100 + i % 6 : draw(VOCAB); // special tokens in texts too
	for (uint32_t i = 0; i < n; i++) {
		m->codes[i] = (uint16_t)draw(table ? 1000 : 65536);
		m->codes[i] = !table && draw(4) == 0 ? (uint16_t)(100 + draw(6)) : m->codes[i];
		m->ids[i] = table ? m->table[m->codes[i]] : width == 32 && draw(4) ? draw(VOCAB) : m->codes[i];
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
		.mask_id = 104,
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
	for (uint32_t i = 0; i < NROWS; i++)
		if (m->offsets[i + 1] - m->offsets[i] > m->encoding.max_tokens)
			m->encoding.max_tokens = m->offsets[i + 1] - m->offsets[i];
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

static void world_init(struct world *w, struct made *const *made, size_t nroles, bool floats)
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
		w->source.encodings[i] = hold(w->feed.encodings, i, &made[i]->open);
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

// SplitMix64 as its authors publish it, one step after another.
static uint64_t splitmix_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9E3779B97F4A7C15u);
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static uint64_t splitmix(uint64_t state, uint64_t n)
{
	uint64_t z = splitmix_next(&state);
	for (uint64_t i = 0; i < n; i++)
		z = splitmix_next(&state);
	return z;
}

static double unit(uint64_t z)
{
	return (double)(z >> 11) / 9007199254740992.0;
}

static bool is_special(uint32_t id)
{
	return id == 7 || id == 1 || (id >= 101 && id <= 104);
}

// Masks ids[0..n), the tokens from place `first` on; those that every masked role has are from `begin` to `end`.
struct expected_mask {
	uint32_t row, first, n, begin, end;
};

static void expect_masked(const struct hs_stream_spec *spec, const struct expected_mask *x, int64_t *ids)
{
	uint64_t state = splitmix(splitmix(splitmix(spec->mask.seed, 0), spec->epoch), x->row), least = 0;
	bool rows = spec->mask.kind == HS_MASK_ROWS;
	uint32_t found = UINT32_MAX;
	for (uint32_t i = 0; i < x->n; i++) {
		uint64_t d = splitmix(state, x->first + i);
		if (is_special((uint32_t)ids[i]))
			continue;
		if (!rows && unit(d) < spec->mask.share)
			ids[i] = 104;
		if (rows && i >= x->begin && i < x->end && (found == UINT32_MAX || d < least)) {
			found = i;
			least = d;
		}
	}
	if (found != UINT32_MAX && unit(state) < spec->mask.share)
		ids[found] = 104;
}

struct expected {
	int64_t ids[256], mask[256], types[256];
	uint32_t len;
};

// One row, without padding.
static void expect_row(const struct gather *g, size_t role, const struct made *m, uint32_t row, struct expected *ret)
{
	const struct hs_encoding *e = &m->encoding;
	const struct hs_stream_spec *spec = g->spec;
	uint32_t max_length = spec->max_length[role];
	uint32_t begin = m->offsets[row], end = m->offsets[row + 1], budget = max_length - e->nprefix - e->nsuffix;
	if (end - begin > budget && e->truncate_left)
		begin = end - budget;
	else if (end - begin > budget)
		end = begin + budget;
	memset(ret, 0, sizeof(*ret));
	uint32_t first = begin - m->offsets[row], n = end - begin;
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
	if (spec->mask.kind == HS_MASK_NONE || !spec->mask.roles[role])
		return;
	uint32_t least = max_length;
	for (size_t i = 0; i < g->source->nroles; i++)
		if (spec->mask.roles[i] && spec->max_length[i] < least)
			least = spec->max_length[i];
	uint32_t both = n < least - 3 ? n : least - 3;
	const struct expected_mask x = {.row = row,
					.first = first,
					.n = n,
					.begin = e->truncate_left ? n - both : 0,
					.end = e->truncate_left ? n : both};
	expect_masked(spec, &x, ret->ids + e->nprefix);
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
		expect_row(g, (size_t)arrays[0].role, m, g->rows[i], &want);
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
		expect_row(g, role, m, g->rows[i], &want);
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

static void check_weights(const struct gather *g, const struct world *w, const struct hs_array *array, const void *slot)
{
	assert_string_equal(array->name, "weight");
	for (size_t i = 0; i < g->n; i++) {
		float got, want = 0;
		for (size_t k = 0; k < g->weights->n; k++) {
			const struct hs_weight *rule = &g->weights->rules[k];
			bool is = w->version.label_type == HS_LABELS_CLASS ? w->classes[g->rows[i]] == rule->at
									   : w->floats[g->rows[i] * 3 + rule->at] == 1;
			want = is && rule->weight > want ? rule->weight : want;
		}
		memcpy(&got, (const uint8_t *)slot + array->offset + 4 * i, 4);
		assert_true(got == (want > 0 ? want : 1));
	}
}

static void draw_mask(struct hs_stream_spec *spec, bool alike)
{
	spec->epoch = draw(4);
	spec->mask = (struct hs_mask_spec){
		.kind = draw(3), .share = draw(3) ? (draw(100) + 1) / 100.0 : 1, .seed = draw(1000)};
	for (size_t i = 0; i < HS_FEED_MAX_ROLES; i++)
		spec->mask.roles[i] = alike;
	if (!alike)
		spec->mask.roles[draw(2)] = true;
}

// A packed batch, written out as proto/RING.md says, has the bytes of one that was written out at once.
static void check_packed(const struct gather *g, const uint8_t *slot, const struct hs_fill *fill)
{
	struct hs_layout packed;
	struct hs_fill info = {0};
	hs_feed_packed_init(g->source, g->spec, g->layout, &packed);
	struct gather pack = *g;
	pack.layout = &packed;
	pack.put = NULL;
	uint8_t *from = aligned_alloc(64, packed.slot_bytes);
	memset(from, 0xEE, packed.slot_bytes);
	hs_feed_pack(&pack, from, &info);
	assert_int_equal(info.rows, fill->rows);
	size_t nroles = hs_feed_source_nroles(g->source), each = g->spec->token_type_ids ? 3 : 2;
	for (size_t role = 0; role < nroles; role++) {
		const struct hs_array *written = &g->layout->arrays[role * each];
		size_t bytes = g->n * fill->lengths[role] * (g->spec->int32 ? 4 : 8);
		const uint32_t *counts = (const uint32_t *)(const void *)(from + packed.arrays[role].offset);
		const uint8_t *codes = (const uint8_t *)counts + HS_FEED_PACKED_COUNTS(g->spec->batch_size);
		struct hs_rows put = g->put[role];
		void *arrays[3] = {malloc(bytes), malloc(bytes), malloc(bytes)};
		if (g->mask->kind != HS_MASK_NONE && g->mask->roles[role])
			put.width = 32;
		assert_int_equal(info.lengths[role], fill->lengths[role]);
		for (size_t i = 0; i < g->n; i++) {
			const struct hs_row row = {i, fill->lengths[role], codes, counts[i]};
			hs_rows_put(&put, &row, arrays[0], arrays[1], each == 3 ? arrays[2] : NULL);
			codes += counts[i] * put.width / 8;
		}
		assert_true(codes <= from + packed.arrays[role].offset + packed.arrays[role].bytes);
		for (size_t i = 0; i < each; i++)
			assert_memory_equal(arrays[i], slot + written[i].offset, bytes);
		for (size_t i = 0; i < 3; i++)
			free(arrays[i]);
	}
	for (size_t i = nroles; i < packed.narrays; i++) {
		const struct hs_array *written = &g->layout->arrays[nroles * each + i - nroles];
		assert_string_equal(packed.arrays[i].name, written->name);
		assert_memory_equal(from + packed.arrays[i].offset, slot + written->offset,
				    hs_fill_array_bytes(written, fill));
	}
	free(from);
}

static void one_random_batch(void)
{
	struct made made[2], *of[2] = {&made[0], &made[1]};
	struct world w;
	size_t nroles = 1 + draw(2), per_role;
	for (size_t i = 0; i < 2; i++) {
		unsigned width = draw(2) ? 16 : 32;
		make_encoding(&made[i], width, width == 16 && draw(2), draw(2));
	}
	bool alike = nroles == 1 || draw(2); // two roles of one encoding
	if (alike)
		of[1] = of[0];
	world_init(&w, of, nroles, draw(2));
	struct hs_stream_spec spec = {.batch_size = 1 + draw(40),
				      .max_length = {3 + draw(60), 3 + draw(60)},
				      .padding = draw(3),
				      .multiple = 1 + draw(20),
				      .int32 = draw(2),
				      .token_type_ids = draw(2)};
	draw_mask(&spec, alike);
	struct hs_weight rules[] = {{draw(3), 5}, {draw(3), 0.25f}, {draw(3), 2.5f}};
	const struct hs_weights weights = {.n = spec.nweights = draw(4), .rules = rules};
	struct hs_mask mask;
	assert_int_equal(hs_feed_mask_init(&mask, &w.source, &spec, NULL), 0);
	struct hs_layout layout;
	assert_int_equal(hs_feed_layout_init(&w.source, &spec, &layout, NULL), 0);
	uint32_t rows[64];
	struct hs_rows put[2] = {{0}, {0}};
	bool wide = draw(4) == 0; // as if rows were too wide for patterns
	for (size_t i = 0; i < nroles; i++) {
		put[i] = hs_feed_rows_of(&of[i]->encoding, spec.int32);
		assert_int_equal(hs_rows_init(&put[i], wide ? 1u << 20
							    : layout.arrays[i * (spec.token_type_ids ? 3 : 2)].columns),
				 0);
	}
	struct gather g = {.source = &w.source,
			   .spec = &spec,
			   .layout = &layout,
			   .put = put,
			   .rows = rows,
			   .n = 1 + draw(spec.batch_size),
			   .mask = &mask,
			   .weights = &weights};
	for (size_t i = 0; i < g.n; i++)
		rows[i] = draw(NROWS);
	void *slot = aligned_alloc(64, layout.slot_bytes);
	memset(slot, 0xEE, layout.slot_bytes);
	struct hs_fill fill = {0};
	hs_feed_gather(&g, slot, &fill);
	assert_int_equal(fill.rows, g.n);
	check_packed(&g, slot, &fill);
	per_role = spec.token_type_ids ? 3 : 2;
	for (size_t role = 0; role < nroles; role++) {
		assert_int_equal(fill.lengths[role], expect_length(&g, of[role], role));
		check_role(&g, of[role], &layout.arrays[role * per_role], slot, fill.lengths[role]);
		hs_rows_fini(&put[role]);
	}
	free_encoding(&made[0]);
	free_encoding(&made[1]);
	check_labels(&g, &w, &layout.arrays[nroles * per_role], slot);
	if (spec.nweights)
		check_weights(&g, &w, &layout.arrays[nroles * per_role + 1], slot);
	const struct hs_array *index = &layout.arrays[layout.narrays - 1];
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

static void masks_are_refused_without_a_mask_token_for_different_tokenizers_and_beyond_a_share(void **state)
{
	(void)state;
	struct made made[2], *of[2] = {&made[0], &made[1]};
	struct world w;
	struct hs_mask mask;
	struct hs_err err;
	make_encoding(&made[0], 16, false, false);
	make_encoding(&made[1], 16, false, false);
	world_init(&w, of, 2, true);
	struct hs_stream_spec spec = {.max_length = {9, 9},
				      .mask = {.kind = HS_MASK_ROWS, .share = 0.5, .roles = {true, true}}};
	assert_int_equal(hs_feed_mask_init(&mask, &w.source, &spec, &err), HSFEED_EBADREQUEST);
	assert_non_null(strstr(err.message, "the roles \"teacher\" and \"student\""));
	assert_non_null(strstr(err.hint, "mask_roles"));
	assert_int_equal(mask.kind, HS_MASK_NONE);
	spec.mask.roles[0] = false;
	assert_int_equal(hs_feed_mask_init(&mask, &w.source, &spec, &err), 0);
	static const double wrong[] = {0, -0.1, 1.0000001, 1e300, -1e300, NAN, INFINITY};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		spec.mask.share = wrong[i];
		assert_int_equal(hs_feed_mask_init(&mask, &w.source, &spec, &err), HSFEED_EBADREQUEST);
	}
	spec.mask.share = 1;
	made[1].encoding.mask_id = -1;
	assert_int_equal(hs_feed_mask_init(&mask, &w.source, &spec, &err), HSFEED_EBADREQUEST);
	assert_non_null(strstr(err.message, "needs a mask token; the tokenizer of role \"student\" has none"));
	free_encoding(&made[0]);
	free_encoding(&made[1]);
	world_fini(&w);
}

static void arrays_lie_apart_and_aligned_and_are_named_by_role(void **state)
{
	(void)state;
	struct made made[2], *of[2] = {&made[0], &made[1]};
	struct world w;
	make_encoding(&made[0], 16, false, false);
	make_encoding(&made[1], 16, false, false);
	world_init(&w, of, 2, true);
	struct hs_stream_spec spec = {.nweights = 1, .batch_size = 5, .max_length = {10, 9}, .token_type_ids = true};
	struct hs_layout layout;
	assert_int_equal(hs_feed_layout_init(&w.source, &spec, &layout, NULL), 0);
	static const char *const names[] = {"input_ids",
					    "attention_mask",
					    "token_type_ids",
					    "student_input_ids",
					    "student_attention_mask",
					    "student_token_type_ids",
					    "labels",
					    "weight",
					    "index"};
	assert_int_equal(layout.narrays, 9);
	size_t end = 0;
	for (size_t i = 0; i < 9; i++) {
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
		cmocka_unit_test(masks_are_refused_without_a_mask_token_for_different_tokenizers_and_beyond_a_share),
		cmocka_unit_test(arrays_lie_apart_and_aligned_and_are_named_by_role),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
