// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "cli.h"

struct table {
	size_t ncolumns, ncells, cap;
	const char *align;
	char **cells; // row by row; the first row are the heads
};

unsigned text_width(const char *text)
{
	unsigned width = 0;
	mbstate_t state = {0};
	size_t left = strlen(text);
	while (left > 0) {
		wchar_t c;
		size_t n = mbrtowc(&c, text, left, &state);
		if (n == 0 || n > left) { // not of this locale: a byte is a column
			memset(&state, 0, sizeof(state));
			n = 1;
			width++;
		} else {
			int w = wcwidth(c);
			width += w > 0 ? (unsigned)w : 0;
		}
		text += n;
		left -= n;
	}
	return width;
}

struct table *table_create(const char *const *heads, size_t ncolumns, const char *align)
{
	struct table *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->ncolumns = ncolumns;
	t->align = align;
	for (size_t i = 0; i < ncolumns; i++)
		table_cell(t, heads[i]);
	return t;
}

void table_cell(struct table *t, const char *text)
{
	if (!t)
		return;
	if (t->ncells == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		char **cells = realloc(t->cells, cap * sizeof(*cells));
		if (!cells)
			return;
		t->cells = cells;
		t->cap = cap;
	}
	char *copy = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&copy, &len); // escaped once, so that widths are those of what is shown
	if (!memory)
		return;
	put_cstr(memory, text);
	if (fclose(memory) == 0)
		t->cells[t->ncells++] = copy;
}

void table_share(struct table *t, uint64_t n, uint64_t of)
{
	char text[64];
	snprintf(text, sizeof(text), "%s (%s)", fmt_count(n), fmt_share(n, of));
	table_cell(t, text);
}

static unsigned column_width(const struct table *t, size_t column)
{
	unsigned most = 0;
	for (size_t i = column; i < t->ncells; i += t->ncolumns) {
		unsigned w = text_width(t->cells[i]);
		most = w > most ? w : most;
	}
	return most;
}

static void print_cell(const struct table *t, size_t cell, unsigned width, bool last)
{
	int pad = (int)(width - text_width(t->cells[cell]));
	if (t->align[cell % t->ncolumns] == 'r')
		printf("%*s%s", pad, "", t->cells[cell]);
	else
		printf("%s%*s", t->cells[cell], last ? 0 : pad, "");
}

// Columns 0 .. nkeys - 1 and first .. end - 1 of all rows.
struct block {
	size_t nkeys, first, end;
};

static void print_block(const struct table *t, const char *indent, const struct block *b, const unsigned *widths)
{
	for (size_t row = 0; row < t->ncells; row += t->ncolumns) {
		fputs(indent, stdout);
		for (size_t column = 0; column < b->end && row + column < t->ncells; column++) {
			if (column >= b->nkeys && column < b->first)
				continue;
			bool last = column + 1 == b->end;
			if (last && !*t->cells[row + column])
				continue; // no spaces at the end of a line
			fputs(column ? "  " : "", stdout);
			print_cell(t, row + column, widths[column], last);
		}
		putchar('\n');
	}
}

static void print_blocks(const struct table *t, const char *indent, size_t nkeys, unsigned screen)
{
	unsigned *widths = calloc(t->ncolumns, sizeof(*widths)), keys = (unsigned)strlen(indent);
	for (size_t i = 0; widths && i < t->ncolumns; i++) {
		widths[i] = column_width(t, i);
		keys += i < nkeys ? widths[i] + 2 : 0;
	}
	struct block b = {nkeys, nkeys, nkeys};
	for (; widths && b.end < t->ncolumns; b.first = b.end) {
		unsigned width = keys;
		while (b.end < t->ncolumns && (b.end == b.first || width + widths[b.end] <= screen))
			width += widths[b.end++] + 2;
		fputs(b.first > nkeys ? "\n" : "", stdout);
		print_block(t, indent, &b, widths);
	}
	free(widths);
}

void table_print(struct table *t, const char *indent)
{
	if (t)
		print_blocks(t, indent, 0, UINT_MAX / 2);
}

void table_print_blocks(struct table *t, const char *indent, size_t nkeys)
{
	if (t)
		print_blocks(t, indent, nkeys, screen_width());
}

void table_destroy(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}
