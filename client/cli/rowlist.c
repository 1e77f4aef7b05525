// SPDX-License-Identifier: Apache-2.0
// --rows-file: the order that somebody made, a row number per line (or anything else between them).
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int add(struct row_list *list, int64_t row)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 1024;
		int64_t *rows = realloc(list->rows, cap * sizeof(*rows));
		if (!rows)
			return fail(EXIT_REFUSED, "out of memory");
		list->rows = rows;
		list->cap = cap;
	}
	list->rows[list->n++] = row;
	return 0;
}

static int add_line(struct row_list *list, const char *line, const char *path, size_t number)
{
	for (const char *p = line;;) {
		p += strspn(p, " \t\r\n,");
		if (!*p)
			return 0;
		char *end;
		errno = 0;
		long long row = strtoll(p, &end, 10);
		if (!isdigit((unsigned char)*p) || errno || (*end && !strchr(" \t\r\n,", *end)))
			return fail(EXIT_REFUSED, "%s: line %zu: a row number is needed, not \"%.*s\"", path, number,
				    (int)strcspn(p, " \t\r\n,"), p);
		int rc = add(list, row);
		if (rc)
			return rc;
		p = end;
	}
}

int row_list_read(const char *path, struct row_list *ret)
{
	FILE *in = fopen(path, "re");
	if (!in)
		return fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
	char *line = NULL;
	size_t cap = 0;
	*ret = (struct row_list){.rows = malloc(sizeof(*ret->rows)), .cap = 1}; // an empty list is one, too
	int rc = ret->rows ? 0 : fail(EXIT_REFUSED, "out of memory");
	errno = 0;
	for (size_t number = 1; rc == 0 && getline(&line, &cap, in) >= 0; number++)
		rc = add_line(ret, line, path, number);
	if (rc == 0 && ferror(in))
		rc = fail(EXIT_REFUSED, "%s: cannot be read: %s", path, errno ? strerror(errno) : "I/O error");
	free(line);
	fclose(in);
	return rc;
}
