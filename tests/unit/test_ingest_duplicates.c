// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/duplicates.h"

struct rows {
	size_t n;
	struct hs_span *texts;
	uint32_t *lines, *labels;
	char (*bytes)[24];
};

// n rows, `kinds` different texts, labels of two kinds: all from a small generator.
static struct rows make_rows(size_t n, uint32_t kinds, uint32_t seed)
{
	struct rows r = {.n = n};
	r.texts = hs_array(n, sizeof(*r.texts));
	r.lines = hs_array(n, sizeof(*r.lines));
	r.labels = hs_array(n, sizeof(*r.labels));
	r.bytes = hs_array(n, sizeof(*r.bytes));
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		int len = snprintf(r.bytes[i], sizeof(r.bytes[i]), "text %u", (seed >> 8) % kinds);
		r.texts[i] = (struct hs_span){.ptr = r.bytes[i], .len = (size_t)len};
		r.lines[i] = (uint32_t)(2 * i + 2);
		r.labels[i] = (seed >> 28) == 0;
	}
	return r;
}

static void free_rows(struct rows *r)
{
	free(r->texts);
	free(r->lines);
	free(r->labels);
	free(r->bytes);
}

static struct hs_duplicates find(const struct rows *r, size_t row_bytes, unsigned threads)
{
	struct hs_duplicates d;
	struct hs_duplicates_in in = {.nrows = r->n,
				      .texts = r->texts,
				      .lines = r->lines,
				      .labels = r->labels,
				      .row_bytes = row_bytes,
				      .threads = threads};
	assert_int_equal(hs_duplicates_find(&in, &d, NULL), 0);
	return d;
}

// Every pair compared: the slow way that cannot be wrong.
static struct hs_duplicates find_naively(const struct rows *r)
{
	struct hs_duplicates d;
	memset(&d, 0, sizeof(d));
	for (size_t i = 0; i < r->n; i++) {
		size_t before = 0, n = 1, other = 0;
		for (size_t j = 0; j < r->n; j++) {
			if (j == i || !hs_span_eq(r->texts[i], r->texts[j]))
				continue;
			before += j < i;
			n++;
			if (j > i && other == 0 && r->labels[i] != r->labels[j])
				other = j;
		}
		d.rows += before > 0;
		d.groups += before == 0 && n > 1;
		if (before > 0 || other == 0)
			continue;
		d.conflicting_groups++;
		d.conflicting_rows += n;
		if (d.nlines < HS_REPORT_LINES) {
			d.lines[d.nlines][0] = r->lines[i];
			d.lines[d.nlines++][1] = r->lines[other];
		}
	}
	return d;
}

static void expect_same(const struct hs_duplicates *a, const struct hs_duplicates *b)
{
	assert_int_equal(a->rows, b->rows);
	assert_int_equal(a->groups, b->groups);
	assert_int_equal(a->conflicting_groups, b->conflicting_groups);
	assert_int_equal(a->conflicting_rows, b->conflicting_rows);
	assert_int_equal(a->nlines, b->nlines);
	assert_memory_equal(a->lines, b->lines, a->nlines * sizeof(a->lines[0]));
}

static void counts_equal_those_of_comparing_every_pair(void **state)
{
	static const uint32_t kinds[] = {1, 3, 50, 700, 1000000};
	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		struct rows r = make_rows(1200, kinds[k], (uint32_t)k + 1);
		struct hs_duplicates naive = find_naively(&r), one = find(&r, 4, 1), four = find(&r, 4, 4);
		expect_same(&one, &naive);
		expect_same(&four, &naive);
		free_rows(&r);
	}
}

static void the_pairs_shown_are_the_first_of_the_file(void **state)
{
	struct rows r = make_rows(20000, 2000, 7);
	struct hs_duplicates d = find(&r, 4, 2);
	(void)state;
	assert_int_equal(d.nlines, HS_REPORT_LINES);
	assert_true(d.conflicting_groups > HS_REPORT_LINES);
	for (uint32_t i = 1; i < d.nlines; i++)
		assert_true(d.lines[i - 1][0] < d.lines[i][0]);
	free_rows(&r);
}

static void without_labels_nothing_conflicts(void **state)
{
	struct rows r = make_rows(300, 5, 3);
	struct hs_duplicates d = find(&r, 0, 2);
	(void)state;
	assert_int_equal(d.groups, 5);
	assert_int_equal(d.rows, 295);
	assert_int_equal(d.conflicting_groups + d.conflicting_rows + d.nlines, 0);
	free_rows(&r);
}

static void empty_texts_are_duplicates_of_each_other(void **state)
{
	struct rows r = make_rows(3, 1000000, 9);
	r.texts[0].len = r.texts[2].len = 0;
	r.labels[0] = 0;
	r.labels[2] = 1;
	struct hs_duplicates d = find(&r, 4, 1);
	(void)state;
	assert_int_equal(d.rows, 1);
	assert_int_equal(d.conflicting_rows, 2);
	assert_int_equal(d.lines[0][0], 2);
	assert_int_equal(d.lines[0][1], 6);
	free_rows(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_equal_those_of_comparing_every_pair),
		cmocka_unit_test(the_pairs_shown_are_the_first_of_the_file),
		cmocka_unit_test(without_labels_nothing_conflicts),
		cmocka_unit_test(empty_texts_are_duplicates_of_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
