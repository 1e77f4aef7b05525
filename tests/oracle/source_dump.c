// SPDX-License-Identifier: Apache-2.0
// Reads sources from stdin and prints what hsfeed made of them, one JSON line each, for test_pandas.py.
//
// A request is one line "MODE LENGTH KEY=VALUE ..." (values percent-escaped) and LENGTH bytes. Modes:
//   table   every column as str(value) or null, with pandas' names        source  hs_source_read
//   clean   the bytes cleaned by the steps `clean=`                       norm    the bytes normalised by `form=`
//   repr    the bytes as words, one a line: repr(float) of each, or null
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/charset.h"
#include "text/na.h"
#include "text/norm.h"
#include "text/number.h"
#include "text/types.h"

#define MAX_LABELS 16

struct request {
	char mode[16];
	struct hs_span data;
	struct hs_source_options options;
	const char *labels[MAX_LABELS];
	struct hs_clean_step *steps;
	enum hs_norm norm;
};

static void put_string(struct hs_span s)
{
	if (!s.ptr) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7F)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void put_strings(const char *key, const struct hs_span *items, size_t n)
{
	printf("\"%s\": [", key);
	for (size_t i = 0; i < n; i++) {
		if (i)
			fputs(", ", stdout);
		put_string(items[i]);
	}
	fputs("]", stdout);
}

static void put_numbers(const char *key, const uint32_t *items, size_t n)
{
	printf("\"%s\": [", key);
	for (size_t i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", items[i]);
	fputs("]", stdout);
}

static void put_error(const struct hs_err *err)
{
	printf("{\"error\": \"%s\", \"message\": ", hs_err_name(err->code));
	put_string((struct hs_span){err->message, strlen(err->message)});
	fputs(", \"hint\": ", stdout);
	put_string((struct hs_span){err->hint, strlen(err->hint)});
	fputs("}\n", stdout);
}

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "source_dump: %s\n", what);
		exit(2);
	}
}

// ---- requests ----

static void unescape(char *text)
{
	char *out = text;
	for (const char *p = text; *p; p++) {
		unsigned byte = (unsigned char)*p;
		if (*p == '%') {
			must(sscanf(p + 1, "%2x", &byte) == 1, "a bad escape");
			p += 2;
		}
		*out++ = (char)byte;
	}
	*out = '\0';
}

static void set_option(struct request *r, const char *key, const char *value)
{
	struct hs_source_options *o = &r->options;
	struct hs_err err;
	if (strcmp(key, "delimiter") == 0) {
		o->delimiter_given = value[0] != '\0';
		o->delimiter = (unsigned char)value[0];
	} else if (strcmp(key, "header") == 0)
		o->no_header = strcmp(value, "no") == 0;
	else if (strcmp(key, "charset") == 0)
		o->charset = value;
	else if (strcmp(key, "na") == 0) {
		o->na = strcmp(value, "pandas1") == 0 ? HS_NA_PANDAS1 : value[0] == 'e' ? HS_NA_EMPTY : HS_NA_PANDAS;
		o->na_given = true;
	} else if (strcmp(key, "bad_rows") == 0)
		o->bad_rows = strcmp(value, "skip") == 0 ? HS_BAD_ROWS_SKIP : HS_BAD_ROWS_ERROR;
	else if (strcmp(key, "text") == 0)
		o->text_column = value;
	else if (strcmp(key, "label") == 0) {
		must(o->nlabel_columns < MAX_LABELS, "labels");
		r->labels[o->nlabel_columns++] = value;
	} else if (strcmp(key, "positive") == 0)
		o->positive = value;
	else if (strcmp(key, "label_type") == 0)
		o->label_type = value[0] == 'c' ? HS_LABEL_CLASS : value[0] == 'f' ? HS_LABEL_FLOAT : HS_LABEL_AUTO;
	else if (strcmp(key, "clean") == 0)
		must(hs_clean_parse(value, &r->steps, &o->nsteps, &err) == 0, "clean");
	else if (strcmp(key, "form") == 0)
		must(hs_norm_parse(value, &r->norm, &err) == 0, "form");
	else
		must(strcmp(key, "drop_empty") == 0 && (o->drop_empty = true), "an unknown key");
}

static void parse_request(char *line, struct request *r, size_t *ret_len)
{
	char *save = NULL, *word = strtok_r(line, " \n", &save);
	must(word && strlen(word) < sizeof(r->mode), "mode");
	strcpy(r->mode, word);
	word = strtok_r(NULL, " \n", &save);
	must(word != NULL, "length");
	*ret_len = strtoul(word, NULL, 10);
	r->options.file_name = "x.csv";
	r->options.delimiter = ',';
	while ((word = strtok_r(NULL, " \n", &save))) {
		char *value = strchr(word, '=');
		must(value != NULL, "KEY=VALUE");
		*value++ = '\0';
		unescape(value);
		set_option(r, word, value);
	}
	r->options.label_columns = r->labels;
	r->options.steps = r->steps;
}

// ---- answers ----

static int put_column(const struct hs_csv *csv, size_t column, enum hs_na na)
{
	struct hs_types types;
	struct hs_arena arena = {0};
	if (hs_types_infer(csv, column, na, &types) < 0)
		return -ENOMEM;
	printf("%s[", column ? ", " : "");
	for (size_t row = 0; row < csv->nrows; row++) {
		struct hs_span cell = csv->cells[row * csv->width + column], text = {NULL, 0};
		if (!hs_types_missing(&types, row, cell))
			must(hs_types_text(&types, row, cell, &arena, &text) == 0, "out of memory");
		if (row)
			fputs(", ", stdout);
		put_string(text);
	}
	fputs("]", stdout);
	hs_types_fini(&types);
	hs_arena_fini(&arena);
	return 0;
}

static void answer_table(const struct request *r)
{
	const struct hs_source_options *o = &r->options;
	struct hs_csv_options options = {.file_name = o->file_name,
					 .delimiter = o->delimiter,
					 .no_header = o->no_header,
					 .delimiter_given = true,
					 .bad_rows = o->bad_rows};
	struct hs_decoded decoded = {0};
	struct hs_csv csv = {0};
	struct hs_err err;
	int rc = hs_charset_decode(r->data, o->charset, o->file_name, &decoded, &err);
	if (rc == 0)
		rc = hs_csv_read(decoded.text, &options, &csv, &err);
	if (rc < 0) {
		put_error(&err);
	} else {
		fputs("{", stdout);
		put_strings("names", csv.names, csv.width);
		fputs(", ", stdout);
		put_numbers("lines", csv.lines, csv.nrows);
		fputs(", \"columns\": [", stdout);
		for (size_t column = 0; column < csv.width && rc == 0; column++)
			rc = put_column(&csv, column, o->na);
		must(rc == 0, "out of memory");
		fputs("]}\n", stdout);
	}
	hs_csv_fini(&csv);
	hs_decoded_fini(&decoded);
}

static void put_labels(const struct hs_source *s)
{
	if (s->label_classes) {
		put_numbers("classes", s->classes, s->nrows);
		fputs(", ", stdout);
		put_strings("values", s->labels[0].values, s->labels[0].nvalues);
		return;
	}
	fputs("\"floats\": [", stdout);
	for (size_t i = 0; i < s->nrows * s->nlabels; i++)
		printf("%s%.9g", i ? ", " : "", (double)s->floats[i]);
	fputs("]", stdout);
}

static void answer_source(const struct request *r)
{
	struct hs_source s;
	struct hs_err err;
	if (hs_source_read(r->data, &r->options, &s, &err) < 0) {
		put_error(&err);
		return;
	}
	const struct hs_source_report *p = &s.report;
	printf("{\"rows_read\": %llu, \"missing_text\": %llu, \"missing_label\": %llu, \"too_many\": %llu, \"short\": "
	       "%llu, ",
	       (unsigned long long)p->rows_read, (unsigned long long)p->missing_text.rows,
	       (unsigned long long)p->missing_label.rows, (unsigned long long)p->too_many_fields.rows,
	       (unsigned long long)p->short_rows.rows);
	put_strings("texts", s.texts, s.nrows);
	fputs(", ", stdout);
	put_numbers("lines", s.lines, s.nrows);
	fputs(", ", stdout);
	put_labels(&s);
	fputs(", \"others\": {", stdout);
	for (size_t i = 0; i < s.nothers; i++) {
		char key[32];
		snprintf(key, sizeof(key), "%zu", i);
		fputs(i ? ", " : "", stdout);
		put_strings(key, s.others[i].cells, s.nrows);
	}
	fputs("}}\n", stdout);
	hs_source_fini(&s);
}

static void answer_text(const struct request *r)
{
	struct hs_buf out = {0};
	struct hs_span result;
	if (strcmp(r->mode, "clean") == 0) {
		must(hs_clean_apply(r->steps, r->options.nsteps, r->data, &out) == 0, "out of memory");
		result = (struct hs_span){out.data ? (const char *)out.data : "", out.len};
	} else {
		must(hs_norm_apply(r->norm, r->data, &out, &result) == 0, "out of memory");
	}
	put_string(result);
	putchar('\n');
	hs_buf_fini(&out);
}

static void answer_repr(const struct request *r)
{
	putchar('[');
	for (const char *p = r->data.ptr, *end = p + r->data.len; p < end;) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		must(stop != NULL, "words end in newlines");
		char text[HS_NUMBER_REPR];
		double value;
		struct hs_span result = {NULL, 0};
		if (hs_number_double((struct hs_span){p, (size_t)(stop - p)}, &value) == 1)
			result = (struct hs_span){text, hs_number_repr(value, text)};
		fputs(p == r->data.ptr ? "" : ", ", stdout);
		put_string(result);
		p = stop + 1;
	}
	fputs("]\n", stdout);
}

static void answer(const struct request *r)
{
	if (strcmp(r->mode, "table") == 0)
		answer_table(r);
	else if (strcmp(r->mode, "source") == 0)
		answer_source(r);
	else if (strcmp(r->mode, "repr") == 0)
		answer_repr(r);
	else
		answer_text(r);
	fflush(stdout);
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	while (getline(&line, &cap, stdin) > 0) {
		struct request r = {0};
		size_t len = 0;
		parse_request(line, &r, &len);
		char *data = malloc(len ? len : 1);
		must(data && fread(data, 1, len, stdin) == len, "the data is cut off");
		r.data = (struct hs_span){data, len};
		answer(&r);
		free(data);
		free(r.steps);
	}
	free(line);
	return 0;
}
