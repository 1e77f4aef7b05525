// SPDX-License-Identifier: Apache-2.0
#include "text/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/na.h"
#include "text/say.h"

struct choice {
	const struct hs_rows_input *in;
	struct hs_source_report *report;
	uint64_t lost_to_words; // rows without an empty cell, dropped for a word
};

// What is wrong with a row.
struct loss {
	bool text, label; // missing
	bool empty;       // some cell is truly empty
	struct hs_span word;
};

static void look_at(const struct choice *c, size_t row, size_t which, struct loss *loss)
{
	size_t column = which == 0 ? c->in->columns->text : c->in->columns->labels[which - 1];
	struct hs_span cell = c->in->csv->cells[row * c->in->csv->width + column];
	if (!hs_types_missing(&c->in->types[which], row, cell))
		return;
	if (which == 0)
		loss->text = true;
	else
		loss->label = true;
	if (cell.len == 0)
		loss->empty = true;
	else if (!loss->word.ptr)
		loss->word = cell;
}

static int count_word(struct choice *c, struct hs_span word, uint32_t line)
{
	struct hs_source_report *r = c->report;
	size_t i = 0;
	while (i < r->nwords && !hs_span_eq(r->words[i].word, word))
		i++;
	if (i == r->nwords) { // at most as many as there are such words
		struct hs_word_count *more = realloc(r->words, (i + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->words = more;
		more[r->nwords++] = (struct hs_word_count){.word = word};
	}
	hs_row_count_add(&r->words[i].count, line);
	return 0;
}

// 1: the row stays, 0: it is dropped and counted, or -ENOMEM.
static int judge(struct choice *c, size_t row)
{
	struct loss loss = {0};
	uint32_t line = c->in->csv->lines[row];
	for (size_t which = 0; which <= c->in->columns->nlabels; which++)
		look_at(c, row, which, &loss);
	if (!loss.text && !loss.label)
		return 1;
	hs_row_count_add(loss.text ? &c->report->missing_text : &c->report->missing_label, line);
	if (loss.empty)
		return 0;
	c->lost_to_words++;
	return count_word(c, loss.word, line);
}

static const struct hs_word_count *most_frequent(const struct hs_source_report *r)
{
	const struct hs_word_count *most = r->words;
	for (size_t i = 1; i < r->nwords; i++)
		if (r->words[i].count.rows > most->count.rows)
			most = &r->words[i];
	return most;
}

static int check_words(const struct choice *c, struct hs_err *reterr)
{
	const struct hs_source_report *r = c->report;
	if (c->in->options->na_given || c->lost_to_words * 100 <= c->in->csv->nrows)
		return 0;
	char list[200] = "";
	for (size_t i = 0, n = 0; i < r->nwords && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s (%llu)", i ? ", " : "",
				      hs_quote(r->words[i].word).text, (unsigned long long)r->words[i].count.rows);
	const struct hs_word_count *most = most_frequent(r);
	hs_err_set(reterr, HSFEED_ENAWORDS,
		   "%s: line %u: %s means a missing value to pandas; such words would drop %llu of %zu rows: %s",
		   c->in->options->file_name, most->count.lines[0], hs_quote(most->word).text,
		   (unsigned long long)c->lost_to_words, c->in->csv->nrows, list);
	return hs_err_hint(reterr, "say --na empty to keep these rows, or --na pandas to drop them as pandas does");
}

static int no_row_left(const struct choice *c, struct hs_err *reterr)
{
	const struct hs_source_report *r = c->report;
	hs_err_set(
		reterr, HSFEED_ENOROWS,
		"%s: no row is left of %llu: %llu without text, %llu without a label, %llu with too many fields",
		c->in->options->file_name, (unsigned long long)c->in->csv->rows_read,
		(unsigned long long)r->missing_text.rows, (unsigned long long)r->missing_label.rows,
		(unsigned long long)c->in->csv->too_many_fields.rows);
	if (r->missing_text.rows >= r->missing_label.rows)
		return hs_err_hint(reterr, "if the texts are in another column, name it with --text");
	return hs_err_hint(reterr, "name other label columns with --labels A,B, or say --labels none");
}

int hs_rows_choose(const struct hs_rows_input *in, struct hs_rows *ret, struct hs_source_report *report,
		   struct hs_err *reterr)
{
	struct choice c = {.in = in, .report = report};
	struct hs_rows rows = {.rows = hs_array(in->csv->nrows, sizeof(*rows.rows))};
	int rc = rows.rows ? 0 : hs_err_nomem(reterr, "choosing rows");
	for (size_t row = 0; row < in->csv->nrows && rc >= 0; row++) {
		rc = judge(&c, row);
		if (rc == 1)
			rows.rows[rows.n++] = (uint32_t)row;
		else if (rc < 0)
			hs_err_nomem(reterr, "choosing rows");
	}
	if (rc >= 0)
		rc = check_words(&c, reterr);
	if (rc == 0 && rows.n == 0)
		rc = no_row_left(&c, reterr);
	if (rc < 0)
		free(rows.rows);
	else
		*ret = rows;
	return rc;
}
