// SPDX-License-Identifier: Apache-2.0
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

static unsigned column_width(const struct table *t, size_t column)
{
	unsigned most = 0;
	for (size_t i = column; i < t->ncells; i += t->ncolumns) {
		unsigned w = text_width(t->cells[i]);
		most = w > most ? w : most;
	}
	return most;
}

void table_print(struct table *t, const char *indent)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->ncells; i++) {
		size_t column = i % t->ncolumns;
		int pad = (int)(column_width(t, column) - text_width(t->cells[i]));
		bool last = column + 1 == t->ncolumns || i + 1 == t->ncells;
		fputs(column ? "  " : indent, stdout);
		if (t->align[column] == 'r')
			printf("%*s%s", pad, "", t->cells[i]);
		else
			printf("%s%*s", t->cells[i], last ? 0 : pad, "");
		if (last)
			putchar('\n');
	}
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
