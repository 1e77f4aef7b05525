// SPDX-License-Identifier: Apache-2.0
#include "ingest/report.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/words.h"

static void put_span(struct hs_wbuf *w, struct hs_span s)
{
	hs_w_str(w, s.ptr, s.len);
}

// The two keys that every count of rows has.
static void put_rows(struct hs_wbuf *w, const struct hs_row_count *c)
{
	hs_w_cstr(w, "rows");
	hs_w_uint(w, c->rows);
	hs_w_cstr(w, "lines");
	hs_w_array(w, c->nlines);
	for (uint32_t i = 0; i < c->nlines; i++)
		hs_w_uint(w, c->lines[i]);
}

static void put_count(struct hs_wbuf *w, const char *key, const struct hs_row_count *c)
{
	hs_w_cstr(w, key);
	hs_w_map(w, 2);
	put_rows(w, c);
}

static void put_dropped(struct hs_wbuf *w, const struct hs_source_report *r, bool drop_empty)
{
	static const struct hs_row_count none;
	const struct {
		const char *reason;
		const struct hs_row_count *count;
	} reasons[] = {{"missing_text", &r->missing_text},
		       {"missing_label", &r->missing_label},
		       {"too_many_fields", &r->too_many_fields},
		       {"empty_text", drop_empty ? &r->empty_texts : &none}};
	uint32_t n = 0;
	size_t mark = hs_w_array_begin(w);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (reasons[i].count->rows == 0)
			continue;
		hs_w_map(w, 3);
		hs_w_cstr(w, "reason");
		hs_w_cstr(w, reasons[i].reason);
		put_rows(w, reasons[i].count);
		n++;
	}
	hs_w_array_end(w, mark, n);
}

static void put_words(struct hs_wbuf *w, const struct hs_source_report *r)
{
	hs_w_array(w, (uint32_t)r->nwords);
	for (size_t i = 0; i < r->nwords; i++) {
		hs_w_map(w, 3);
		hs_w_cstr(w, "word");
		put_span(w, r->words[i].word);
		put_rows(w, &r->words[i].count);
	}
}

static void put_duplicates(struct hs_wbuf *w, const struct hs_duplicates *d)
{
	hs_w_map(w, 5);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, d->rows);
	hs_w_cstr(w, "groups");
	hs_w_uint(w, d->groups);
	hs_w_cstr(w, "conflicting_groups");
	hs_w_uint(w, d->conflicting_groups);
	hs_w_cstr(w, "conflicting_rows");
	hs_w_uint(w, d->conflicting_rows);
	hs_w_cstr(w, "lines");
	hs_w_array(w, d->nlines);
	for (uint32_t i = 0; i < d->nlines; i++) {
		hs_w_array(w, 2);
		hs_w_uint(w, d->lines[i][0]);
		hs_w_uint(w, d->lines[i][1]);
	}
}

void hs_report_put(const struct hs_source *s, bool drop_empty, const struct hs_duplicates *duplicates,
		   struct hs_wbuf *w)
{
	const struct hs_source_report *r = &s->report;
	hs_w_map(w, 7);
	hs_w_cstr(w, "rows_read");
	hs_w_uint(w, r->rows_read);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, s->nrows);
	hs_w_cstr(w, "dropped");
	put_dropped(w, r, drop_empty);
	put_count(w, "short_rows", &r->short_rows);
	put_count(w, "empty_texts", &r->empty_texts);
	hs_w_cstr(w, "na_words");
	put_words(w, r);
	hs_w_cstr(w, "duplicates");
	put_duplicates(w, duplicates);
}

// ---- labels ----

static bool is_binary(const struct hs_source *s, size_t column, uint64_t *ret_ones)
{
	uint64_t ones = 0;
	for (size_t i = 0; i < s->nrows; i++) {
		float v = s->floats[i * s->nlabels + column];
		if (v != 0.0f && v != 1.0f)
			return false;
		ones += v == 1.0f;
	}
	*ret_ones = ones;
	return true;
}

// `values` and `counts` of a column of floats: both empty unless it holds nothing but 0 and 1.
static void put_float_values(const struct hs_source *s, size_t column, struct hs_wbuf *w)
{
	uint64_t ones = 0;
	bool binary = is_binary(s, column, &ones);
	hs_w_cstr(w, "values");
	hs_w_array(w, binary ? 2 : 0);
	if (binary) {
		hs_w_cstr(w, "0");
		hs_w_cstr(w, "1");
	}
	hs_w_cstr(w, "counts");
	hs_w_array(w, binary ? 2 : 0);
	if (binary) {
		hs_w_uint(w, s->nrows - ones);
		hs_w_uint(w, ones);
	}
}

static void put_class_values(const struct hs_source *s, struct hs_wbuf *w)
{
	const struct hs_source_label *label = &s->labels[0];
	hs_w_cstr(w, "values");
	hs_w_array(w, (uint32_t)label->nvalues);
	for (size_t i = 0; i < label->nvalues; i++)
		put_span(w, label->values[i]);
	uint64_t *counts = hs_array(label->nvalues, sizeof(*counts));
	if (!counts) {
		w->failed = true;
		return;
	}
	for (size_t i = 0; i < s->nrows; i++)
		counts[s->classes[i]]++;
	hs_w_cstr(w, "counts");
	hs_w_array(w, (uint32_t)label->nvalues);
	for (size_t i = 0; i < label->nvalues; i++)
		hs_w_uint(w, counts[i]);
	free(counts);
}

void hs_report_put_labels(const struct hs_source *s, struct hs_wbuf *w)
{
	hs_w_array(w, (uint32_t)s->nlabels);
	for (size_t i = 0; i < s->nlabels; i++) {
		hs_w_map(w, 5);
		hs_w_cstr(w, "name");
		put_span(w, s->labels[i].name);
		hs_w_cstr(w, "type");
		hs_w_cstr(w, hs_words_of_labels(s));
		if (s->label_classes)
			put_class_values(s, w);
		else
			put_float_values(s, i, w);
		hs_w_cstr(w, "missing");
		hs_w_uint(w, s->labels[i].missing);
	}
}

// ---- options ----

static int put_steps(const struct hs_source_options *o, struct hs_wbuf *w)
{
	struct hs_buf word = {.len = 0};
	int rc = 0;
	hs_w_array(w, (uint32_t)o->nsteps);
	for (size_t i = 0; i < o->nsteps && rc == 0; i++) {
		word.len = 0;
		rc = hs_words_of_step(&word, &o->steps[i]);
		if (rc == 0)
			hs_w_str(w, (const char *)word.data, word.len);
	}
	hs_buf_fini(&word);
	return rc;
}

static void put_columns(const struct hs_source *s, struct hs_wbuf *w)
{
	hs_w_cstr(w, "text_column");
	put_span(w, s->text_column);
	hs_w_cstr(w, "labels");
	hs_w_array(w, (uint32_t)s->nlabels);
	for (size_t i = 0; i < s->nlabels; i++)
		put_span(w, s->labels[i].name);
}

int hs_report_put_options(const struct hs_source *s, const struct hs_source_options *o, struct hs_wbuf *w)
{
	char delimiter[16];
	hs_words_of_delimiter(s->delimiter, delimiter);
	const char *const words[][2] = {{"delimiter", delimiter},
					{"charset", o->charset ? o->charset : "utf-8"},
					{"na", hs_words_of_na(o->na)},
					{"bad_rows", hs_words_of_bad_rows(o->bad_rows)},
					{"label_type", hs_words_of_labels(s)}};
	hs_w_map(w, o->positive ? 11 : 10);
	put_columns(s, w);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		hs_w_cstr(w, words[i][0]);
		hs_w_cstr(w, words[i][1]);
	}
	hs_w_cstr(w, "header");
	hs_w_bool(w, !o->no_header);
	hs_w_cstr(w, "drop_empty");
	hs_w_bool(w, o->drop_empty);
	if (o->positive) {
		hs_w_cstr(w, "positive");
		hs_w_cstr(w, o->positive);
	}
	hs_w_cstr(w, "clean");
	return put_steps(o, w);
}
