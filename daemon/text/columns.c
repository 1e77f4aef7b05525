// SPDX-License-Identifier: Apache-2.0
#include "text/columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/say.h"

#define LISTED_BYTES 512

// The names that data.py looked for, in its order, and one that its older versions took.
static const char *const usual_names[] = {"Comments", "comments", "Comment", "comment",
					  "text",     "Text",     "content", "comment_text"};
#define NUSUAL (sizeof(usual_names) / sizeof(usual_names[0]))

static struct hs_span name_span(const char *name)
{
	return (struct hs_span){name, strlen(name)};
}

static void list_columns(const struct hs_csv *csv, char text[LISTED_BYTES])
{
	size_t n = 0;
	text[0] = '\0';
	for (size_t i = 0; i < csv->width; i++) {
		struct hs_quoted name = hs_quote(csv->names[i]);
		if (n + strlen(name.text) + sizeof(", ...") > LISTED_BYTES) {
			snprintf(text + n, LISTED_BYTES - n, ", ...");
			return;
		}
		n += (size_t)snprintf(text + n, LISTED_BYTES - n, "%s%s", i ? ", " : "", name.text);
	}
}

// The index of a name, or csv->width.
static size_t find_column(const struct hs_csv *csv, const char *name)
{
	size_t i = 0;
	while (i < csv->width && !hs_span_eq(csv->names[i], name_span(name)))
		i++;
	return i;
}

static int no_column(const struct hs_csv *csv, const char *file_name, const char *what, const char *name,
		     struct hs_err *reterr)
{
	char list[LISTED_BYTES];
	list_columns(csv, list);
	hs_err_set(reterr, HSFEED_EBADCOLUMN, "%s: there is no %s column %s; the columns are %s", file_name, what,
		   hs_quote(name_span(name)).text, list);
	if (strcmp(what, "text") == 0)
		return hs_err_hint(reterr, "name the text's column with --text; the delimiter is %s (--delimiter)",
				   hs_delimiter_name(csv->delimiter).text);
	return hs_err_hint(reterr, "name the label columns with --labels A,B, or say --labels none");
}

// A name that the header holds more than once is no name.
static int check_unique(const struct hs_csv *csv, size_t column, const char *file_name, struct hs_err *reterr)
{
	size_t times = 0, other = 0;
	for (size_t i = 0; i < csv->width; i++) {
		if (!hs_span_eq(csv->raw_names[i], csv->names[column]))
			continue;
		times++;
		if (i != column)
			other = i;
	}
	if (times < 2)
		return 0;
	hs_err_set(reterr, HSFEED_EBADCOLUMN, "%s: %zu columns are named %s", file_name, times,
		   hs_quote(csv->names[column]).text);
	return hs_err_hint(reterr, "rename one in the file; column %zu can be named as %s", other + 1,
			   hs_quote(csv->names[other]).text);
}

static int named_column(const struct hs_csv *csv, const char *file_name, const char *what, const char *name,
			size_t *ret, struct hs_err *reterr)
{
	size_t column = find_column(csv, name);
	if (column == csv->width)
		return no_column(csv, file_name, what, name, reterr);
	int rc = check_unique(csv, column, file_name, reterr);
	if (rc == 0)
		*ret = column;
	return rc;
}

static int guess_text(const struct hs_csv *csv, const char *file_name, size_t *ret, struct hs_err *reterr)
{
	for (size_t i = 0; i < NUSUAL; i++)
		if (find_column(csv, usual_names[i]) < csv->width)
			return named_column(csv, file_name, "text", usual_names[i], ret, reterr);
	char list[LISTED_BYTES], looked[160] = "";
	list_columns(csv, list);
	for (size_t i = 0, n = 0; i < NUSUAL; i++)
		n += (size_t)snprintf(looked + n, sizeof(looked) - n, "%s%s", i ? ", " : "", usual_names[i]);
	hs_err_set(reterr, HSFEED_EBADCOLUMN, "%s: which column is the text? None is named %s; the columns are %s",
		   file_name, looked, list);
	return hs_err_hint(reterr, "name the text's column with --text");
}

static int label_column(const struct hs_csv *csv, const struct hs_source_options *options, struct hs_columns *c,
			struct hs_err *reterr)
{
	const char *name = options->label_columns[c->nlabels];
	size_t column = 0;
	int rc = named_column(csv, options->file_name, "label", name, &column, reterr);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c->nlabels; i++)
		if (c->labels[i] == column)
			return hs_err_set(reterr, HSFEED_EBADCOLUMN, "%s: the label column %s is named twice",
					  options->file_name, hs_quote(csv->names[column]).text);
	if (c->text == column) {
		hs_err_set(reterr, HSFEED_EBADCOLUMN, "%s: the column %s cannot be both the text and a label",
			   options->file_name, hs_quote(csv->names[column]).text);
		return hs_err_hint(reterr, "name the text's column with --text, the label columns with --labels");
	}
	c->labels[c->nlabels++] = column;
	return 0;
}

int hs_columns_choose(const struct hs_csv *csv, const struct hs_source_options *options, struct hs_columns *ret,
		      struct hs_err *reterr)
{
	struct hs_columns c = {0};
	c.labels = hs_array(options->nlabel_columns, sizeof(*c.labels));
	if (!c.labels)
		return hs_err_nomem(reterr, "choosing columns");
	int rc;
	if (options->text_column)
		rc = named_column(csv, options->file_name, "text", options->text_column, &c.text, reterr);
	else
		rc = guess_text(csv, options->file_name, &c.text, reterr);
	while (rc == 0 && c.nlabels < options->nlabel_columns)
		rc = label_column(csv, options, &c, reterr);
	if (rc < 0) {
		hs_columns_fini(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void hs_columns_fini(struct hs_columns *c)
{
	free(c->labels);
	*c = (struct hs_columns){0};
}
