// SPDX-License-Identifier: Apache-2.0
// The record machine of pandas' C engine, one byte of delimiter, the quote '"' (pandas/_libs/src/parser/tokenizer.c;
// rules measured on 1.5.3 and 3.1.1). In its own words:
//
//   - Between records, empty lines and lines of blanks and tabs (other than the delimiter) are skipped. After a lone CR
//     that ended such an empty line, one delimiter is swallowed.
//   - A field is quoted only when its first character is the quote; "" inside is one quote, line ends inside are kept,
//     and after the closing quote anything up to the delimiter or the line end is kept as written.
//   - LF, CR LF and lone CR end a record. At the end of the text an open record ends too, an open quote is an error.
//   - A short record is padded with empty fields.
//
// Where pandas lets the first data row be longer than the header (its first columns silently become the index), we
// refuse.
#include "text/csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/say.h"
#include "text/scan.h"

// A header of a million names above a million one-field rows would be 10^12 cells: short rows may add so many per byte.
#define PADDING_PER_BYTE 64

#define SAMPLE_ROWS 512

struct machine {
	const char *p, *end;
	char delimiter;
	uint32_t line; // of p
	uint32_t record_line;
	struct hs_csv *csv;
	struct hs_span *fields; // every field so far, heap
	size_t nfields, cap;
	const struct hs_csv_options *options;
	size_t text_bytes, padded; // cells that padding added
};

uint32_t hs_csv_count_lines(const char *text, size_t len)
{
	const char *end = text + len;
	uint32_t lines = 0;
	for (const char *p = hs_scan_any3(text, end, '\n', '\r', '\n'); p < end;) {
		lines++;
		p += *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1;
		p = hs_scan_any3(p, end, '\n', '\r', '\n');
	}
	return lines;
}

static bool is_blank(const struct machine *m, char c)
{
	return (c == ' ' || c == '\t') && c != m->delimiter;
}

// Takes empty lines and lines of blanks; false at the end of the text. Blanks that turn out to be data are read again
// from the start of their line, and so is a swallowed delimiter before them.
static bool skip_blank_lines(struct machine *m)
{
	const char *line_start = m->p;
	while (m->p < m->end) {
		const char *q = m->p;
		while (q < m->end && is_blank(m, *q))
			q++;
		if (q == m->end)
			return false;
		if (*q != '\n' && *q != '\r') {
			m->p = q > m->p ? line_start : m->p;
			return true;
		}
		m->line++;
		m->p = line_start = q + 1;
		if (*q == '\r' && m->p < m->end && (*m->p == '\n' || *m->p == m->delimiter))
			line_start = *m->p++ == '\n' ? m->p : line_start;
	}
	return false;
}

static int push_field(struct machine *m, struct hs_span field)
{
	int rc = hs_grow(&m->fields, &m->cap, m->nfields + 1, sizeof(field));
	if (rc == 0)
		m->fields[m->nfields++] = field;
	return rc;
}

// Finds the quote that closes a field; *ret_doubled says whether it holds doubled ones. NULL: it is never closed.
static const char *closing_quote(const struct machine *m, bool *ret_doubled)
{
	*ret_doubled = false;
	const char *q = memchr(m->p, '"', (size_t)(m->end - m->p));
	while (q && q + 1 < m->end && q[1] == '"') {
		*ret_doubled = true;
		q = memchr(q + 2, '"', (size_t)(m->end - q - 2));
	}
	return q;
}

// Copies a quoted part without its doubled quotes, and what follows the closing quote.
static int copy_quoted(struct machine *m, const char *start, const char *close, const char *rest_end,
		       struct hs_span *ret)
{
	char *room = hs_arena_room(&m->csv->arena, (size_t)(rest_end - start)), *out = room;
	if (!room)
		return -ENOMEM;
	for (const char *p = start; p < close; p++) {
		*out++ = *p;
		if (*p == '"')
			p++;
	}
	size_t rest = (size_t)(rest_end - close - 1);
	memcpy(out, close + 1, rest);
	*ret = (struct hs_span){room, (size_t)(out - room) + rest};
	hs_arena_take(&m->csv->arena, ret->len);
	return 0;
}

static int unclosed(const struct machine *m, size_t column, struct hs_err *reterr)
{
	const struct hs_csv *csv = m->csv;
	if (csv->names && column < csv->width)
		hs_err_set(reterr, HSFEED_EBADCSV,
			   "%s: line %u, column %s: a quoted field opens here and is never closed",
			   m->options->file_name, m->line, hs_quote(csv->names[column]).text);
	else
		hs_err_set(reterr, HSFEED_EBADCSV,
			   "%s: line %u, column %zu: a quoted field opens here and is never closed",
			   m->options->file_name, m->line, column + 1);
	return hs_err_hint(
		reterr, "close the quote there; a quote that belongs to the text is written twice, in a quoted field; "
			"or the file is cut off");
}

static int quoted_field(struct machine *m, size_t column, struct hs_span *ret, struct hs_err *reterr)
{
	const char *start = ++m->p;
	bool doubled;
	const char *close = closing_quote(m, &doubled);
	if (!close)
		return unclosed(m, column, reterr);
	m->line += hs_csv_count_lines(start, (size_t)(close - start));
	m->p = hs_scan_any3(close + 1, m->end, m->delimiter, '\n', '\r');
	if (doubled || m->p != close + 1)
		return copy_quoted(m, start, close, m->p, ret);
	*ret = (struct hs_span){start, (size_t)(close - start)};
	return 0;
}

// Steps over the end of a record.
static void end_line(struct machine *m)
{
	if (m->p == m->end)
		return;
	m->line++;
	if (*m->p++ == '\r' && m->p < m->end && *m->p == '\n')
		m->p++;
}

// Appends the fields of the next record. 1, 0 at the end of the text, or an error.
static int next_record(struct machine *m, struct hs_err *reterr)
{
	if (!skip_blank_lines(m))
		return 0;
	m->record_line = m->line;
	for (size_t column = 0;; column++) {
		struct hs_span field = {NULL, 0};
		int rc = 0;
		if (m->p < m->end && *m->p == '"') {
			rc = quoted_field(m, column, &field, reterr);
		} else {
			const char *start = m->p;
			m->p = hs_scan_any3(start, m->end, m->delimiter, '\n', '\r');
			field = (struct hs_span){start, (size_t)(m->p - start)};
		}
		if (rc == 0)
			rc = push_field(m, field);
		if (rc < 0)
			return rc == -ENOMEM ? hs_err_nomem(reterr, "reading records") : rc;
		if (m->p == m->end || *m->p != m->delimiter)
			break;
		m->p++;
	}
	end_line(m);
	return 1;
}

// Outside quotes, how often each candidate occurs in the first record: the most frequent wins, comma when none does.
static char choose_delimiter(const char *p, const char *end)
{
	static const char candidates[] = {',', '\t', ';'};
	size_t counts[sizeof(candidates)] = {0}, best = 0;
	bool quoted = false, begun = false;
	for (; p < end && (quoted || !begun || (*p != '\n' && *p != '\r')); p++) {
		quoted ^= *p == '"';
		begun |= *p != '\n' && *p != '\r';
		for (size_t i = 0; i < sizeof(candidates); i++)
			counts[i] += !quoted && *p == candidates[i];
	}
	for (size_t i = 1; i < sizeof(candidates); i++)
		if (counts[i] > counts[best])
			best = i;
	return candidates[best];
}

static int set_delimiter(struct machine *m, struct hs_err *reterr)
{
	int d = m->options->delimiter;
	if (d == 0)
		d = choose_delimiter(m->p, m->end);
	if (d == '"' || d == '\n' || d == '\r' || d < 0 || d > 0x7E) {
		hs_err_set(reterr, HSFEED_EBADREQUEST,
			   "the delimiter must be one ASCII character other than a quote or a line end");
		return hs_err_hint(reterr, "say --delimiter comma, tab, semicolon, or the character itself");
	}
	m->csv->delimiter = d;
	m->delimiter = (char)d;
	return 0;
}

// One column whose name is full of another delimiter: nobody's file.
static int check_one_column(struct machine *m, struct hs_err *reterr)
{
	static const char others[] = {'\t', ';', ','};
	if (m->options->delimiter_given || m->csv->width != 1)
		return 0;
	struct hs_span name = m->fields[0];
	for (size_t i = 0; i < sizeof(others); i++) {
		if (others[i] == m->delimiter || (others[i] == ',' && m->delimiter != '\t') || !name.len ||
		    !memchr(name.ptr, others[i], name.len))
			continue;
		struct hs_quoted used = hs_delimiter_name(m->delimiter), other = hs_delimiter_name(others[i]);
		hs_err_set(reterr, HSFEED_EBADCSV,
			   "%s: line %u: with the delimiter %s the first line is one column, %s, which has a %s in it",
			   m->options->file_name, m->record_line, used.text, hs_quote(name).text, other.text);
		return hs_err_hint(reterr, "say --delimiter %s, or --delimiter %s if it is one column", other.text,
				   used.text);
	}
	return 0;
}

static int name_columns(struct machine *m, struct hs_err *reterr)
{
	struct hs_csv *csv = m->csv;
	csv->raw_names = hs_array(csv->width, sizeof(*csv->raw_names));
	csv->names = hs_array(csv->width, sizeof(*csv->names));
	if (!csv->raw_names || !csv->names)
		return hs_err_nomem(reterr, "naming columns");
	for (size_t i = 0; i < csv->width; i++) {
		char number[24];
		int len = snprintf(number, sizeof(number), "%zu", i);
		csv->raw_names[i] = m->fields[i];
		if (m->options->no_header &&
		    hs_arena_copy(&csv->arena, (struct hs_span){number, (size_t)len}, &csv->raw_names[i]) < 0)
			return hs_err_nomem(reterr, "naming columns");
	}
	if (hs_csv_name_columns(csv->raw_names, csv->width, &csv->arena, csv->names) < 0)
		return hs_err_nomem(reterr, "naming columns");
	return 0;
}

// The first record: the header, or with no_header the first row.
static int read_header(struct machine *m, struct hs_err *reterr)
{
	int rc = next_record(m, reterr);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return hs_err_set(reterr, HSFEED_ENOROWS, "%s: the file is empty", m->options->file_name);
	m->csv->width = m->nfields;
	rc = check_one_column(m, reterr);
	if (rc < 0)
		return rc;
	rc = name_columns(m, reterr);
	if (rc == 0 && !m->options->no_header)
		m->nfields = 0;
	return rc;
}

static int too_many_fields(struct machine *m, size_t seen, struct hs_err *reterr)
{
	struct hs_csv *csv = m->csv;
	if (m->options->bad_rows == HS_BAD_ROWS_SKIP) {
		hs_row_count_add(&csv->too_many_fields, m->record_line);
		m->nfields -= seen;
		return 0;
	}
	hs_err_set(reterr, HSFEED_EBADCSV, "%s: line %u: expected %zu fields, saw %zu", m->options->file_name,
		   m->record_line, csv->width, seen);
	return hs_err_hint(reterr,
			   "quote a field that has a %s in it, or name the further columns in the first line; "
			   "--bad-rows skip drops such rows",
			   hs_delimiter_name(csv->delimiter).text);
}

static int too_much_padding(const struct machine *m, size_t seen, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_EBADCSV, "%s: line %u: expected %zu fields, saw %zu, as in %llu rows before it",
		   m->options->file_name, m->record_line, m->csv->width, seen,
		   (unsigned long long)m->csv->short_rows.rows - 1);
	return hs_err_hint(reterr, "is the first line the header, and the delimiter %s?",
			   hs_delimiter_name(m->csv->delimiter).text);
}

static int keep_row(struct machine *m, size_t seen, size_t *lines_cap, struct hs_err *reterr)
{
	struct hs_csv *csv = m->csv;
	csv->rows_read++;
	if (seen > csv->width)
		return too_many_fields(m, seen, reterr);
	if (seen < csv->width) {
		hs_row_count_add(&csv->short_rows, m->record_line);
		m->padded += csv->width - seen;
		if (m->padded / PADDING_PER_BYTE > m->text_bytes)
			return too_much_padding(m, seen, reterr);
	}
	for (; seen < csv->width; seen++)
		if (push_field(m, (struct hs_span){"", 0}) < 0)
			return hs_err_nomem(reterr, "reading records");
	if (hs_grow(&csv->lines, lines_cap, csv->nrows + 1, sizeof(*csv->lines)) < 0)
		return hs_err_nomem(reterr, "reading records");
	csv->lines[csv->nrows++] = m->record_line;
	return 0;
}

// After a sample of rows, makes room for as many cells as the rest is likely to hold: untouched room costs nothing,
// while growing by doubling copies every cell once more. Nothing is lost where the room cannot be had.
static void expect_cells(struct machine *m)
{
	size_t taken = m->text_bytes - (size_t)(m->end - m->p);
	if (m->csv->nrows != SAMPLE_ROWS || taken == 0)
		return;
	double likely = (double)m->nfields * (double)m->text_bytes / (double)taken * 1.1;
	if (likely < (double)m->text_bytes) // more cells than bytes would be padding, which need not go on
		(void)hs_grow(&m->fields, &m->cap, (size_t)likely, sizeof(*m->fields));
}

static int read_rows(struct machine *m, struct hs_err *reterr)
{
	size_t lines_cap = 0, before = m->nfields;
	int rc = 0;
	if (m->options->no_header)
		rc = keep_row(m, before, &lines_cap, reterr);
	while (rc == 0) {
		before = m->nfields;
		rc = next_record(m, reterr);
		if (rc <= 0)
			break;
		rc = keep_row(m, m->nfields - before, &lines_cap, reterr);
		expect_cells(m);
	}
	if (rc == 0 && m->csv->rows_read == 0)
		return hs_err_set(reterr, HSFEED_ENOROWS, "%s: there is a header but no row below it",
				  m->options->file_name);
	return rc;
}

int hs_csv_read(struct hs_span text, const struct hs_csv_options *options, struct hs_csv *ret, struct hs_err *reterr)
{
	struct hs_csv csv = {0};
	struct machine m = {.p = text.ptr,
			    .end = text.ptr + text.len,
			    .line = 1,
			    .csv = &csv,
			    .options = options,
			    .text_bytes = text.len};
	int rc = set_delimiter(&m, reterr);
	if (rc == 0)
		rc = read_header(&m, reterr);
	if (rc == 0)
		rc = read_rows(&m, reterr);
	csv.cells = m.fields;
	if (rc < 0) {
		hs_csv_fini(&csv);
		return rc;
	}
	*ret = csv;
	return 0;
}

void hs_csv_fini(struct hs_csv *csv)
{
	free(csv->cells);
	free(csv->lines);
	free(csv->raw_names);
	free(csv->names);
	hs_arena_fini(&csv->arena);
	*csv = (struct hs_csv){0};
}
