// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_fixture.h"

static struct fx_dir dir;
static struct fx_spec spec = {
	.seed = 3, .version_seed = 2, .owner = 1000, .name = "comments", .role = "text", .nrows = 5};

static int make_dir(void **state)
{
	(void)state;
	fx_dir_make(&dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	fx_dir_remove(&dir);
	return 0;
}

static char *fresh_path(void)
{
	static unsigned n;
	return fx_path("%s/file-%u", dir.path, n++);
}

static struct hs_file_writer *begin(const char *path)
{
	struct hs_err err;
	struct hs_file_writer *w;
	assert_int_equal(hs_file_writer_create(path, 1 << 20, &w, &err), 0);
	return w;
}

static struct hs_file *finish(struct hs_file_writer *w, struct hs_wbuf *header, char *path)
{
	struct hs_err err;
	struct hs_file *f;
	uint64_t bytes;
	assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_HEADER, 0, 0}, header->data, header->len, &err), 0);
	assert_int_equal(hs_file_writer_commit(w, &bytes, &err), 0);
	assert_int_equal(hs_file_open(path, 0, &f, &err), 0);
	hs_w_fini(header);
	free(path);
	return f;
}

static void rows_of_three_groups_come_back(void **state)
{
	(void)state;
	struct fx_spec big = spec;
	struct hs_err err;
	struct hs_file *f;
	struct hs_version *v;
	struct hs_buf scratch = {0};
	big.nrows = 2 * HS_GROUP_ROWS + 100;
	char *path = fresh_path();
	assert_int_equal(fx_write_version(path, &big, &err), 0);
	assert_int_equal(hs_file_open(path, 0, &f, &err), 0);
	assert_int_equal(hs_version_open(f, &v, &err), 0);
	assert_int_equal(v->nrows, big.nrows);
	assert_int_equal(v->ngroups, 3);
	assert_int_equal(v->label_type, HS_LABELS_CLASS);
	for (size_t i = 0; i < big.nrows; i++) {
		char want[256];
		struct hs_span text, cell;
		size_t len = fx_text(big.seed, i, want);
		assert_int_equal(hs_version_text(v, i, &scratch, &text), 0);
		assert_int_equal(text.len, len);
		assert_memory_equal(text.ptr, want, len);
		assert_int_equal(hs_version_cell(v, 0, i, &cell), 0);
		assert_true(hs_span_eq(cell, text));
		assert_int_equal(v->lines[i / HS_GROUP_ROWS][i % HS_GROUP_ROWS], i + 2);
		assert_int_equal(((const uint32_t *)v->labels[i / HS_GROUP_ROWS])[i % HS_GROUP_ROWS], i % 2);
	}
	struct hs_span cell;
	assert_int_equal(hs_version_cell(v, 1, 0, &cell), HSFEED_ENOTFOUND);
	hs_version_close(v);
	hs_file_close(f);
	hs_buf_fini(&scratch);
	free(path);
}

static void texts_that_straddle_chunks_come_back(void **state)
{
	(void)state;
	static const size_t lens[] = {3000000, 0, 3000000, HS_TEXT_CHUNK - 1805696, 10, 9000000};
	struct fx_spec six = spec;
	struct hs_err err;
	struct hs_span texts[6];
	struct hs_version *v;
	struct hs_wbuf header = {0};
	struct hs_buf scratch = {0};
	const uint32_t lines[6] = {1, 2, 3, 4, 5, 6};
	char *data = malloc(20000000), *path = fresh_path();
	size_t at = 0;
	six.nrows = 6;
	for (size_t i = 0; i < 20000000; i++)
		data[i] = (char)('a' + i % 23);
	for (size_t i = 0; i < 6; at += lens[i], i++)
		texts[i] = (struct hs_span){data + at, lens[i]};
	struct hs_file_writer *w = begin(path);
	assert_int_equal(hs_version_put_rows(w, texts, lines, 6, &err), 0);
	fx_version_header(&header, &six, "none", 0);
	struct hs_file *f = finish(w, &header, path);
	assert_int_equal(hs_version_open(f, &v, &err), 0);
	for (size_t i = 0; i < 6; i++) {
		struct hs_span text;
		assert_int_equal(hs_version_text(v, i, &scratch, &text), 0);
		assert_true(hs_span_eq(text, texts[i]));
	}
	hs_version_close(v);
	hs_file_close(f);
	hs_buf_fini(&scratch);
	free(data);
}

static void a_group_of_texts_too_long_for_its_offsets_names_its_lines(void **state)
{
	(void)state;
	struct hs_err err;
	struct hs_span *texts = calloc(HS_GROUP_ROWS + 5, sizeof(*texts));
	uint32_t *lines = calloc(HS_GROUP_ROWS + 5, 4);
	char *text = calloc(1, 1 << 20), *path = fresh_path();
	for (uint32_t i = 0; i < HS_GROUP_ROWS + 5; i++) {
		texts[i] = (struct hs_span){text, 1 << 20};
		lines[i] = i + 10;
	}
	struct hs_file_writer *w = begin(path);
	assert_int_equal(hs_version_put_rows(w, texts, lines, HS_GROUP_ROWS, &err), HSFEED_ETOOLONG);
	assert_non_null(strstr(err.message, "lines 10 to 8201"));
	assert_int_equal(hs_version_put_cells(w, 0, texts, lines, HS_GROUP_ROWS, &err), HSFEED_ETOOLONG);
	assert_non_null(strstr(err.message, "lines 10 to 8201"));
	hs_file_writer_abort(w);
	free(texts);
	free(lines);
	free(text);
	free(path);
}

static void an_absent_cell_differs_from_an_empty_one(void **state)
{
	(void)state;
	struct fx_spec two = spec;
	struct hs_err err;
	struct hs_version *v;
	struct hs_wbuf header = {0};
	struct hs_span cell, cells[2] = {{"", 0}, {NULL, 0}};
	const uint32_t lines[2] = {1, 2};
	char *path = fresh_path();
	two.nrows = 2;
	struct hs_file_writer *w = begin(path);
	assert_int_equal(hs_version_put_rows(w, cells, lines, 2, &err), 0);
	assert_int_equal(hs_version_put_cells(w, 4, cells, lines, 2, &err), 0);
	fx_version_header(&header, &two, "none", 0);
	struct hs_file *f = finish(w, &header, path);
	assert_int_equal(hs_version_open(f, &v, &err), 0);
	assert_int_equal(hs_version_cell(v, 4, 0, &cell), 0);
	assert_non_null(cell.ptr);
	assert_int_equal(hs_version_cell(v, 4, 1, &cell), 0);
	assert_null(cell.ptr);
	hs_version_close(v);
	hs_file_close(f);
}

static void ids_of_an_encoding_come_back(void **state)
{
	(void)state;
	struct fx_spec big = spec;
	struct hs_err err;
	struct hs_file *f;
	struct hs_encoding *e;
	big.nrows = HS_GROUP_ROWS + 1;
	char *path = fresh_path();
	assert_int_equal(fx_write_encoding(path, &big, &err), 0);
	assert_int_equal(hs_file_open(path, 0, &f, &err), 0);
	assert_int_equal(hs_encoding_open(f, &e, &err), 0);
	assert_int_equal(e->width, 16);
	assert_null(e->table);
	assert_int_equal(e->pad_id, 0);
	assert_int_equal(e->mask_id, -1);
	assert_int_equal(e->nprefix, 1);
	assert_int_equal(e->prefix[0], 2);
	assert_int_equal(e->suffix[0], 3);
	for (size_t i = 0; i < big.nrows; i++) {
		uint32_t want[64];
		size_t n = fx_ids(big.seed, i, want), g = i / HS_GROUP_ROWS, at = i % HS_GROUP_ROWS;
		assert_int_equal(e->offsets[g][at + 1] - e->offsets[g][at], n);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(((const uint16_t *)e->tokens[g])[e->offsets[g][at] + k], want[k]);
	}
	hs_encoding_close(e);
	hs_file_close(f);
	free(path);
}

// Two rows of ids with the given largest id and number of distinct ids: what width is chosen?
static void choose(uint32_t first, uint32_t step, uint32_t n, unsigned want_width, uint32_t want_table)
{
	struct hs_err err;
	uint32_t *ids = malloc(4 * (size_t)n), lines[2] = {1, 2};
	uint64_t ends[3] = {0, n / 2, n};
	struct hs_id_rows rows;
	struct hs_id_coding coding;
	char *path = fresh_path();
	for (uint32_t i = 0; i < n; i++)
		ids[i] = first + i * step;
	struct hs_file_writer *w = begin(path);
	rows = (struct hs_id_rows){ids, ends, 2, lines};
	assert_int_equal(hs_encoding_put_ids(w, &rows, &coding, &err), 0);
	assert_int_equal(coding.width, want_width);
	assert_int_equal(coding.table_len, want_table);
	hs_file_writer_abort(w);
	free(ids);
	free(path);
}

static void ids_are_16_bits_wide_where_values_or_their_number_allow(void **state)
{
	(void)state;
	choose(0, 1, 65536, 16, 0);     // largest id 65,535
	choose(1, 1, 65536, 16, 65536); // largest 65,536, but 65,536 distinct ones
	choose(0, 1, 65537, 32, 0);     // one distinct id too many
	choose(100000, 7, 10, 16, 10);
	choose(UINT32_MAX - 10, 1, 10, 32, 0); // far too large to count
}

static void with_table(uint32_t vocab)
{
	struct fx_spec two = spec;
	struct hs_err err;
	struct hs_encoding *e;
	struct hs_wbuf header = {0};
	const uint32_t ids[4] = {70000, 5, 70000, 65537}, lines[2] = {1, 2};
	const uint64_t ends[3] = {0, 3, 4};
	struct hs_id_rows rows;
	struct hs_id_coding coding;
	char *path = fresh_path();
	two.nrows = 2;
	two.vocab = vocab;
	struct hs_file_writer *w = begin(path);
	rows = (struct hs_id_rows){ids, ends, 2, lines};
	assert_int_equal(hs_encoding_put_ids(w, &rows, &coding, &err), 0);
	assert_int_equal(coding.table_len, 3);
	fx_encoding_header(&header, &two, coding.width, coding.table_len, 4, 3);
	struct hs_file *f = finish(w, &header, path);
	int rc = hs_encoding_open(f, &e, &err);
	if (vocab <= 70000) { // an id of the table lies beyond it
		assert_int_equal(rc, HSFEED_ECORRUPT);
		assert_non_null(strstr(err.message, "beyond the vocabulary"));
	} else {
		assert_int_equal(rc, 0);
		assert_int_equal(e->width, 16);
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(e->table[((const uint16_t *)e->tokens[0])[i]], ids[i]);
		hs_encoding_close(e);
	}
	hs_file_close(f);
}

static void a_table_of_ids_is_read_back_through_its_codes(void **state)
{
	(void)state;
	with_table(70001);
}

static void a_table_with_an_id_beyond_the_vocabulary_is_refused(void **state)
{
	(void)state;
	with_table(70000);
}

// ---- right checksums, wrong contents ----

struct encoding_case {
	const char *what;
	uint32_t offsets[3];
	uint16_t tokens[4];
	uint64_t tokens_stated, max_stated;
	uint32_t table_stated;
	size_t nrows_stated;
	bool good;
};

static void crafted_encodings_are_refused(void **state)
{
	(void)state;
	static const struct encoding_case cases[] = {
		{"all well", {0, 2, 4}, {1, 2, 3, 4}, 4, 2, 0, 2, true},
		{"offsets fall", {0, 4, 2}, {1, 2, 3, 4}, 2, 4, 0, 2, false},
		{"offsets do not start at 0", {1, 2, 4}, {1, 2, 3, 4}, 3, 2, 0, 2, false},
		{"offsets beyond the tokens", {0, 2, 4000000}, {1, 2, 3, 4}, 4000000, 3999998, 0, 2, false},
		{"an id beyond the vocabulary", {0, 2, 4}, {1, 2, 3, FX_VOCAB}, 4, 2, 0, 2, false},
		{"a table that is not there", {0, 2, 4}, {1, 2, 3, 4}, 4, 2, 5, 2, false},
		{"another number of tokens", {0, 2, 4}, {1, 2, 3, 4}, 5, 2, 0, 2, false},
		{"another longest row", {0, 2, 4}, {1, 2, 3, 4}, 4, 3, 0, 2, false},
		{"more rows than there are", {0, 2, 4}, {1, 2, 3, 4}, 4, 2, 0, HS_GROUP_ROWS + 2, false},
		{"rows without end", {0, 2, 4}, {1, 2, 3, 4}, 4, 2, 0, SIZE_MAX / 2, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct encoding_case *c = &cases[i];
		struct fx_spec crafted = spec;
		struct hs_err err;
		struct hs_encoding *e;
		struct hs_wbuf header = {0};
		char *path = fresh_path();
		struct hs_file_writer *w = begin(path);
		assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_OFFSETS, 0, 0}, c->offsets,
					     sizeof(c->offsets), &err),
				 0);
		assert_int_equal(
			hs_file_put(w, (struct hs_file_key){HS_COL_TOKENS, 0, 0}, c->tokens, sizeof(c->tokens), &err),
			0);
		crafted.nrows = c->nrows_stated;
		fx_encoding_header(&header, &crafted, 16, c->table_stated, c->tokens_stated, c->max_stated);
		struct hs_file *f = finish(w, &header, path);
		int rc = hs_encoding_open(f, &e, &err);
		assert_int_equal(rc, c->good ? 0 : HSFEED_ECORRUPT);
		if (rc == 0)
			hs_encoding_close(e);
		hs_file_close(f);
	}
}

struct version_case {
	const char *what, *label_type;
	unsigned nlabels;
	uint32_t classes[2], ends[3];
	size_t label_bytes;
	int want;
};

static void crafted_versions_are_refused(void **state)
{
	(void)state;
	static const struct version_case cases[] = {
		{"all well", "class", 1, {0, 1}, {0, 3, 6}, 8, 0},
		{"a class that the map lacks", "class", 1, {0, 2}, {0, 3, 6}, 8, HSFEED_ECORRUPT},
		{"an unknown label type", "klass", 1, {0, 1}, {0, 3, 6}, 8, HSFEED_ECORRUPT},
		{"two class columns", "class", 2, {0, 1}, {0, 3, 6}, 8, HSFEED_ECORRUPT},
		{"labels and none", "none", 1, {0, 1}, {0, 3, 6}, 8, HSFEED_ECORRUPT},
		{"texts that are not there", "class", 1, {0, 1}, {0, 3, 5000000}, 8, HSFEED_ECORRUPT},
		{"text ends fall", "class", 1, {0, 1}, {0, 6, 3}, 8, HSFEED_ECORRUPT},
		{"labels too short", "float", 4000, {0, 1}, {0, 3, 6}, 8, HSFEED_ECORRUPT},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct version_case *c = &cases[i];
		struct fx_spec crafted = spec;
		struct hs_err err;
		struct hs_version *v;
		struct hs_wbuf header = {0};
		const uint32_t lines[2] = {1, 2};
		char *path = fresh_path();
		struct hs_file_writer *w = begin(path);
		assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_LINES, 0, 0}, lines, 8, &err), 0);
		assert_int_equal(
			hs_file_put(w, (struct hs_file_key){HS_COL_LABELS, 0, 0}, c->classes, c->label_bytes, &err), 0);
		assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_TEXT_ENDS, 0, 0}, c->ends, 12, &err), 0);
		assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_TEXT, 0, 0},
					     "abc\xff"
					     "ef",
					     6, &err),
				 0);
		crafted.nrows = 2;
		fx_version_header(&header, &crafted, c->label_type, c->nlabels);
		struct hs_file *f = finish(w, &header, path);
		int rc = hs_version_open(f, &v, &err);
		assert_int_equal(rc, c->want);
		if (rc == 0) {
			struct hs_span text;
			assert_int_equal(hs_version_text(v, 0, NULL, &text), 0);
			assert_int_equal(hs_version_text(v, 1, NULL, &text), HSFEED_ECORRUPT); // not UTF-8
			hs_version_close(v);
		}
		hs_file_close(f);
	}
}

static void a_file_of_the_other_kind_is_refused(void **state)
{
	(void)state;
	struct hs_err err;
	struct hs_file *f;
	struct hs_version *v;
	struct hs_encoding *e;
	char *path = fresh_path(), *other = fresh_path();
	assert_int_equal(fx_write_version(path, &spec, &err), 0);
	assert_int_equal(hs_file_open(path, 0, &f, &err), 0);
	assert_int_equal(hs_encoding_open(f, &e, &err), HSFEED_ECORRUPT);
	hs_file_close(f);
	assert_int_equal(fx_write_encoding(other, &spec, &err), 0);
	assert_int_equal(hs_file_open(other, 0, &f, &err), 0);
	assert_int_equal(hs_version_open(f, &v, &err), HSFEED_ECORRUPT);
	hs_file_close(f);
	free(path);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_three_groups_come_back),
		cmocka_unit_test(texts_that_straddle_chunks_come_back),
		cmocka_unit_test(a_group_of_texts_too_long_for_its_offsets_names_its_lines),
		cmocka_unit_test(an_absent_cell_differs_from_an_empty_one),
		cmocka_unit_test(ids_of_an_encoding_come_back),
		cmocka_unit_test(ids_are_16_bits_wide_where_values_or_their_number_allow),
		cmocka_unit_test(a_table_of_ids_is_read_back_through_its_codes),
		cmocka_unit_test(a_table_with_an_id_beyond_the_vocabulary_is_refused),
		cmocka_unit_test(crafted_encodings_are_refused),
		cmocka_unit_test(crafted_versions_are_refused),
		cmocka_unit_test(a_file_of_the_other_kind_is_refused),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
