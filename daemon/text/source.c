// SPDX-License-Identifier: Apache-2.0
// The life of a source: decode (charset.c), split (csv.c), name the columns (names.c), choose them (columns.c), infer
// types (types.c), drop rows (rows.c), then texts (clean.c), labels (labels.c) and the other columns.
#include "text/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text/charset.h"
#include "text/clean.h"
#include "text/columns.h"
#include "text/csv.h"
#include "text/labels.h"
#include "text/na.h"
#include "text/rows.h"
#include "text/say.h"
#include "text/types.h"

// What the spans of a source point into, apart from the file's own bytes.
struct owner {
	struct hs_decoded decoded;
	struct hs_csv csv;
	struct hs_arena arena;
};

struct reading {
	struct hs_source_options options;
	struct owner *owner;
	struct hs_columns columns;
	struct hs_types *types; // of the text, then of each label: [1 + ntypes]
	size_t ntypes;
	struct hs_rows rows;
	struct hs_source *s; // being built
};

static struct hs_span cell_at(const struct reading *r, size_t row, size_t column)
{
	return r->owner->csv.cells[row * r->owner->csv.width + column];
}

static int split(struct reading *r, struct hs_span data, struct hs_err *reterr)
{
	const struct hs_source_options *o = &r->options;
	struct hs_csv_options csv = {.file_name = o->file_name,
				     .delimiter = o->delimiter,
				     .no_header = o->no_header,
				     .delimiter_given = o->delimiter_given,
				     .bad_rows = o->bad_rows};
	int rc = hs_charset_decode(data, o->charset, o->file_name, &r->owner->decoded, reterr);
	if (rc == 0)
		rc = hs_csv_read(r->owner->decoded.text, &csv, &r->owner->csv, reterr);
	return rc;
}

static int infer_types(struct reading *r, struct hs_err *reterr)
{
	size_t n = 1 + r->columns.nlabels;
	r->types = hs_array(n, sizeof(*r->types));
	if (!r->types)
		return hs_err_nomem(reterr, "inferring types");
	for (; r->ntypes < n; r->ntypes++) {
		size_t column = r->ntypes ? r->columns.labels[r->ntypes - 1] : r->columns.text;
		if (hs_types_infer(&r->owner->csv, column, r->options.na, &r->types[r->ntypes]) < 0)
			return hs_err_nomem(reterr, "inferring types");
	}
	return 0;
}

static void fill_report(struct reading *r)
{
	const struct hs_csv *csv = &r->owner->csv;
	struct hs_source_report *report = &r->s->report;
	report->rows_read = csv->rows_read;
	report->too_many_fields = csv->too_many_fields;
	report->short_rows = csv->short_rows;
	report->bom = r->owner->decoded.bom;
	r->s->ncolumns = csv->width;
	r->s->columns = csv->names;
	r->s->delimiter = csv->delimiter;
	r->s->text_column = csv->names[r->columns.text];
}

// ---- texts ----

static int text_too_long(const struct reading *r, size_t row, size_t len, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_ETOOLONG, "%s: line %u, column %s: a text of %zu bytes; the longest may have %u",
		   r->options.file_name, r->owner->csv.lines[row], hs_quote(r->s->text_column).text, len,
		   HS_TEXT_MAX_BYTES);
	return hs_err_hint(
		reterr, "shorten the text; if it should be many rows, look for a quote that is never closed before it");
}

static int clean_text(struct reading *r, size_t row, struct hs_span *ret, struct hs_err *reterr)
{
	struct hs_span text;
	struct hs_arena *arena = &r->owner->arena;
	if (hs_types_text(&r->types[0], row, cell_at(r, row, r->columns.text), arena, &text) < 0)
		return hs_err_nomem(reterr, "reading texts");
	if (text.len > HS_TEXT_MAX_BYTES)
		return text_too_long(r, row, text.len, reterr);
	char *room = hs_arena_room(arena, text.len);
	if (!room)
		return hs_err_nomem(reterr, "cleaning texts");
	*ret = hs_clean_text(r->options.steps, r->options.nsteps, text, room);
	if (ret->ptr >= room && ret->ptr <= room + text.len)
		hs_arena_take(arena, (size_t)(ret->ptr + ret->len - room));
	return 0;
}

// Cleans every text that stays, and with drop_empty lets go of those that became empty.
static int make_texts(struct reading *r, struct hs_err *reterr)
{
	struct hs_source *s = r->s;
	s->texts = hs_array(r->rows.n, sizeof(*s->texts));
	s->lines = hs_array(r->rows.n, sizeof(*s->lines));
	if (!s->texts || !s->lines)
		return hs_err_nomem(reterr, "reading texts");
	for (size_t i = 0; i < r->rows.n; i++) {
		uint32_t row = r->rows.rows[i], line = r->owner->csv.lines[row];
		int rc = clean_text(r, row, &s->texts[s->nrows], reterr);
		if (rc < 0)
			return rc;
		bool empty = s->texts[s->nrows].len == 0;
		if (empty)
			hs_row_count_add(&s->report.empty_texts, line);
		if (empty && r->options.drop_empty)
			continue;
		r->rows.rows[s->nrows] = row;
		s->lines[s->nrows++] = line;
	}
	r->rows.n = s->nrows;
	if (s->nrows == 0)
		return hs_err_set(reterr, HSFEED_ENOROWS, "%s: no row is left: all %llu texts are empty after cleaning",
				  r->options.file_name, (unsigned long long)s->report.empty_texts.rows);
	return 0;
}

// ---- labels ----

static int label_values(struct reading *r, size_t label, struct hs_span *values, struct hs_err *reterr)
{
	for (size_t i = 0; i < r->rows.n; i++) {
		uint32_t row = r->rows.rows[i];
		struct hs_span cell = cell_at(r, row, r->columns.labels[label]);
		if (hs_types_text(&r->types[1 + label], row, cell, &r->owner->arena, &values[i]) < 0)
			return hs_err_nomem(reterr, "reading labels");
	}
	return 0;
}

static uint64_t count_missing(const struct reading *r, size_t label)
{
	uint64_t n = 0;
	for (size_t row = 0; row < r->owner->csv.nrows; row++)
		n += hs_types_missing(&r->types[1 + label], row, cell_at(r, row, r->columns.labels[label]));
	return n;
}

static int convert_labels(struct reading *r, struct hs_span *const *values, struct hs_span *names, bool *numeric,
			  struct hs_err *reterr)
{
	struct hs_source *s = r->s;
	struct hs_labels labels = {0};
	struct hs_labels_input in = {.options = &r->options,
				     .nrows = r->rows.n,
				     .ncolumns = s->nlabels,
				     .names = names,
				     .values = values,
				     .numeric = numeric,
				     .lines = s->lines};
	for (size_t i = 0; i < s->nlabels; i++) {
		names[i] = s->labels[i].name;
		numeric[i] = r->types[1 + i].numeric || r->types[1 + i].pieces[0] == HS_TYPE_PYLONG;
	}
	int rc = hs_labels_make(&in, &labels, reterr);
	if (rc < 0)
		return rc;
	s->label_classes = labels.classes;
	s->classes = labels.ids;
	s->floats = labels.floats;
	s->labels[0].values = labels.values;
	s->labels[0].nvalues = labels.nvalues;
	return 0;
}

static int make_labels(struct reading *r, struct hs_err *reterr)
{
	struct hs_source *s = r->s;
	size_t n = r->columns.nlabels;
	if (n == 0)
		return 0;
	s->labels = hs_array(n, sizeof(*s->labels));
	struct hs_span **values = hs_array(n, sizeof(*values)), *names = hs_array(n, sizeof(*names));
	bool *numeric = hs_array(n, sizeof(*numeric));
	int rc = s->labels && values && names && numeric ? 0 : hs_err_nomem(reterr, "reading labels");
	for (; s->nlabels < n && rc == 0; s->nlabels++) {
		s->labels[s->nlabels].name = r->owner->csv.names[r->columns.labels[s->nlabels]];
		s->labels[s->nlabels].missing = count_missing(r, s->nlabels);
		values[s->nlabels] = hs_array(r->rows.n, sizeof(**values));
		rc = values[s->nlabels] ? label_values(r, s->nlabels, values[s->nlabels], reterr)
					: hs_err_nomem(reterr, "reading labels");
	}
	if (rc == 0)
		rc = convert_labels(r, values, names, numeric, reterr);
	for (size_t i = 0; values && i < n; i++)
		free(values[i]);
	free(values);
	free(names);
	free(numeric);
	return rc;
}

// ---- the other columns ----

static bool is_other(const struct reading *r, size_t column)
{
	for (size_t i = 0; i < r->columns.nlabels; i++)
		if (r->columns.labels[i] == column)
			return false;
	return column != r->columns.text;
}

static int make_others(struct reading *r, struct hs_err *reterr)
{
	struct hs_source *s = r->s;
	const struct hs_csv *csv = &r->owner->csv;
	s->others = hs_array(csv->width, sizeof(*s->others));
	if (!s->others)
		return hs_err_nomem(reterr, "reading columns");
	for (size_t column = 0; column < csv->width; column++) {
		if (!is_other(r, column))
			continue;
		struct hs_source_column *other = &s->others[s->nothers];
		*other = (struct hs_source_column){csv->names[column], hs_array(s->nrows, sizeof(*other->cells))};
		if (!other->cells)
			return hs_err_nomem(reterr, "reading columns");
		s->nothers++;
		for (size_t i = 0; i < s->nrows; i++) {
			struct hs_span cell = cell_at(r, r->rows.rows[i], column);
			if (!hs_na_is(r->options.na, cell))
				other->cells[i] = cell;
		}
	}
	return 0;
}

static int read_all(struct reading *r, struct hs_span data, struct hs_err *reterr)
{
	int rc = split(r, data, reterr);
	if (rc == 0)
		rc = hs_columns_choose(&r->owner->csv, &r->options, &r->columns, reterr);
	if (rc == 0)
		rc = infer_types(r, reterr);
	if (rc < 0)
		return rc;
	fill_report(r);
	struct hs_rows_input rows = {&r->owner->csv, &r->columns, r->types, &r->options};
	rc = hs_rows_choose(&rows, &r->rows, &r->s->report, reterr);
	if (rc == 0)
		rc = make_texts(r, reterr);
	if (rc == 0)
		rc = make_labels(r, reterr);
	if (rc == 0)
		rc = make_others(r, reterr);
	return rc;
}

int hs_source_read(struct hs_span data, const struct hs_source_options *options, struct hs_source *ret,
		   struct hs_err *reterr)
{
	struct hs_source s = {0};
	struct reading r = {.options = *options, .s = &s};
	if (!r.options.file_name)
		r.options.file_name = "source";
	s.owner = r.owner = hs_array(1, sizeof(*r.owner));
	int rc = r.owner ? read_all(&r, data, reterr) : hs_err_nomem(reterr, "reading the source");
	for (size_t i = 0; i < r.ntypes; i++)
		hs_types_fini(&r.types[i]);
	free(r.types);
	free(r.rows.rows);
	hs_columns_fini(&r.columns);
	if (rc < 0) {
		hs_source_fini(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void hs_source_fini(struct hs_source *s)
{
	struct owner *owner = s->owner;
	for (size_t i = 0; i < s->nothers; i++)
		free(s->others[i].cells);
	for (size_t i = 0; i < s->nlabels; i++)
		free(s->labels[i].values);
	free(s->others);
	free(s->labels);
	free(s->texts);
	free(s->lines);
	free(s->classes);
	free(s->floats);
	free(s->report.words);
	if (owner) {
		hs_decoded_fini(&owner->decoded);
		hs_csv_fini(&owner->csv);
		hs_arena_fini(&owner->arena);
		free(owner);
	}
	*s = (struct hs_source){0};
}
