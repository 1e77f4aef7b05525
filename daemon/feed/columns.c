// SPDX-License-Identifier: Apache-2.0
// What plans read from the source's other columns: the values of a group column, and fold numbers.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"
#include "plan/predefined.h"
#include "text/na.h"
#include "text/number.h"

// ---- finding ----

static int no_column(const struct hs_feed_source *source, const char *name, const char *known, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_ENOTFOUND, "\"%.128s\" is not a further column of %s", name,
		   hs_feed_source_entry(source)->name);
	return hs_err_hint(reterr, "columns beside text and labels: %s", known[0] ? known : "none");
}

// The number of a column beside text and labels. HSFEED_ENOTFOUND names those there are.
static int find_column(const struct hs_feed_source *source, const char *name, uint16_t *ret, struct hs_err *reterr)
{
	struct hs_rbuf cells;
	struct hs_wire_value head, v;
	char known[256] = "";
	size_t used = 0;
	if (!hs_r_find(hs_feed_header(source), "cells", &cells) || !hs_r_next(&cells, &head) ||
	    head.type != HS_WIRE_ARRAY)
		return no_column(source, name, known, reterr);
	for (uint32_t i = 0; i < head.as.count && hs_r_next(&cells, &v) && v.type == HS_WIRE_STR; i++) {
		if (hs_span_is((struct hs_span){(const char *)v.as.str.ptr, v.as.str.len}, name)) {
			*ret = (uint16_t)i;
			return 0;
		}
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%.*s", used ? ", " : "",
						 (int)v.as.str.len, (const char *)v.as.str.ptr);
	}
	return no_column(source, name, known, reterr);
}

static enum hs_na na_of(const struct hs_feed_source *source)
{
	struct hs_rbuf options;
	const char *word;
	size_t len;
	if (!hs_r_find(hs_feed_header(source), "options", &options) || !hs_r_get_str(options, "na", &word, &len))
		return HS_NA_PANDAS;
	struct hs_span na = {word, len};
	return hs_span_is(na, "empty") ? HS_NA_EMPTY : hs_span_is(na, "pandas1") ? HS_NA_PANDAS1 : HS_NA_PANDAS;
}

// A column beside text and labels, open for reading.
struct column {
	const struct hs_feed_source *source;
	const char *name;
	uint16_t number;
	enum hs_na na;
};

static int open_column(const struct hs_feed_source *source, const char *name, struct column *ret, struct hs_err *reterr)
{
	*ret = (struct column){.source = source, .name = name, .na = na_of(source)};
	return find_column(source, name, &ret->number, reterr);
}

// A row's cell, which must hold a value.
static int read_cell(const struct column *column, size_t row, struct hs_span *ret, struct hs_err *reterr)
{
	const struct hs_version *v = hs_feed_source_version(column->source);
	int rc = hs_version_cell(v, column->number, row, ret);
	if (rc < 0)
		return hs_err_set(reterr, rc, "the column %.128s of %s cannot be read: row %zu", column->name,
				  hs_feed_source_entry(column->source)->name, row);
	if (ret->ptr && !hs_na_is(column->na, *ret))
		return 0;
	hs_err_set(reterr, HSFEED_EBADPLAN, "line %u, column %.128s: there is no value (row %zu)",
		   hs_version_line(v, row), column->name, row);
	return hs_err_hint(reterr, "every row needs one");
}

// ---- groups ----

enum cell_order { WORDS, INTEGERS, FLOATS };

struct item {
	struct hs_span cell;
	double real;
	int64_t whole;
	uint32_t row;
};

static int compare_cells(struct hs_span a, struct hs_span b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *left, const void *right, void *arg)
{
	const struct item *a = left, *b = right;
	switch (*(const enum cell_order *)arg) {
	case INTEGERS:
		return (a->whole > b->whole) - (a->whole < b->whole);
	case FLOATS:
		return (a->real > b->real) - (a->real < b->real);
	default:
		return compare_cells(a->cell, b->cell); // UTF-8 keeps the order of code points
	}
}

// What all cells are, as pandas would type the column. -ENOMEM, or an enum cell_order.
static int type_of(struct item *items, size_t n)
{
	bool whole = true, real = true;
	for (size_t i = 0; i < n && (whole || real); i++) {
		whole = whole && hs_number_int64(items[i].cell, &items[i].whole) == HS_NUMBER_OK;
		int rc = real ? hs_number_double(items[i].cell, &items[i].real) : 0;
		if (rc < 0)
			return rc;
		real = rc > 0;
	}
	return whole ? INTEGERS : real ? FLOATS : WORDS;
}

static int number_items(struct item *items, size_t n, uint32_t *ret_groups)
{
	int type = type_of(items, n);
	if (type < 0)
		return type;
	enum cell_order order = (enum cell_order)type;
	qsort_r(items, n, sizeof(*items), compare, &order);
	uint32_t group = 0;
	for (size_t i = 0; i < n; i++) {
		group += i > 0 && compare(&items[i - 1], &items[i], &order) != 0;
		ret_groups[items[i].row] = group;
	}
	return 0;
}

int hs_feed_group_column(const struct hs_feed_source *source, const char *column, uint32_t *ret_groups,
			 struct hs_err *reterr)
{
	size_t n = hs_feed_source_version(source)->nrows;
	struct column open;
	int rc = open_column(source, column, &open, reterr);
	if (rc < 0)
		return rc;
	struct item *items = hs_array(n, sizeof(*items));
	if (!items)
		return hs_err_nomem(reterr, "reading groups");
	for (size_t row = 0; row < n && rc == 0; row++) {
		items[row].row = (uint32_t)row;
		rc = read_cell(&open, row, &items[row].cell, reterr);
	}
	if (rc == 0 && number_items(items, n, ret_groups) < 0)
		rc = hs_err_nomem(reterr, "numbering groups");
	free(items);
	return rc;
}

// ---- fold numbers ----

int hs_feed_fold_column(const struct hs_feed_source *source, const char *column, int64_t *ret_numbers,
			struct hs_err *reterr)
{
	const struct hs_version *v = hs_feed_source_version(source);
	struct column open;
	int rc = open_column(source, column, &open, reterr);
	for (size_t row = 0; row < v->nrows && rc == 0; row++) {
		struct hs_span cell;
		struct hs_err why = {0};
		rc = read_cell(&open, row, &cell, reterr);
		if (rc == 0 && hs_fold_number(cell, &ret_numbers[row], &why) < 0)
			rc = hs_err_set(reterr, HSFEED_EBADPLAN, "line %u, column %.128s: %s", hs_version_line(v, row),
					column, why.message);
	}
	return rc;
}
