// SPDX-License-Identifier: Apache-2.0
// lengths: how long rows are, and what each max_length would cut and pad.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_CUTS  64
#define MAX_LINES 20 // of the histogram
#define BAR_MAX   40

static int read_cuts(const struct args *args, uint32_t *ret, size_t *ret_n)
{
	struct item_walk w = {0};
	const char *text;
	size_t len;
	while ((text = args_item(args, "max-length", &w, &len))) {
		char *end;
		errno = 0;
		unsigned long n = strtoul(text, &end, 10);
		if (*text < '0' || *text > '9' || end != text + len || errno || n == 0 || n > 1048576)
			return fail(EXIT_USAGE, "--max-length takes numbers from 1 to 1048576, as 64,128; not \"%s\"",
				    w.given);
		if (*ret_n == MAX_CUTS)
			return fail(EXIT_USAGE, "--max-length takes at most %d numbers", MAX_CUTS);
		ret[(*ret_n)++] = (uint32_t)n;
	}
	return 0;
}

// ---- the histogram ----

// Lines are `merge` buckets of the answer's each; what is longer than the last line's is one line more.
struct lines {
	const hsfeed_value *counts;
	uint64_t width; // of a bucket
	size_t merge, first, n;
};

static uint64_t rows_between(const struct lines *l, size_t from, size_t to)
{
	uint64_t rows = 0;
	for (size_t i = from; i < to && i < hsfeed_value_len(l->counts); i++)
		rows += hsfeed_value_uint(hsfeed_value_at(l->counts, i), 0);
	return rows;
}

static uint64_t line_rows(const struct lines *l, size_t line)
{
	size_t from = (l->first + line) * l->merge;
	return rows_between(l, from, line < l->n ? from + l->merge : SIZE_MAX);
}

// As fine as MAX_LINES lines allow for 99 % of the rows; the rest is often a few very long ones.
static void choose_lines(const hsfeed_value *answer, struct lines *l)
{
	const hsfeed_value *histogram = hsfeed_value_get(answer, "histogram");
	const hsfeed_value *p99 = hsfeed_value_at(hsfeed_value_get(answer, "percentiles"), 4);
	*l = (struct lines){.counts = hsfeed_value_get(histogram, "counts"), .merge = 1};
	l->width = get_uint(histogram, "width");
	l->width += l->width == 0; // never, but from a daemon that lies
	uint64_t last = hsfeed_value_uint(hsfeed_value_at(p99, 1), 0) / l->width,
		 first = get_uint(answer, "min") / l->width;
	while (last / l->merge - first / l->merge >= MAX_LINES)
		l->merge *= 2;
	l->first = first / l->merge;
	l->n = last / l->merge - l->first + 1;
}

static void put_line(struct table *t, const struct lines *l, size_t line, uint64_t all, double most)
{
	char range[64];
	uint64_t from = (l->first + line) * l->merge * l->width, to = from + l->merge * l->width - 1;
	uint64_t rows = line_rows(l, line);
	unsigned screen = screen_width(), bar = screen > 30 + BAR_MAX ? BAR_MAX : screen > 40 ? screen - 30 : 10;
	if (line == l->n)
		snprintf(range, sizeof(range), "%s and more", fmt_count(from));
	else if (from == to)
		snprintf(range, sizeof(range), "%s", fmt_count(from));
	else
		snprintf(range, sizeof(range), "%s to %s", fmt_count(from), fmt_count(to));
	table_cell(t, range);
	table_cell(t, fmt_count(rows));
	table_cell(t, fmt_share(rows, all));
	table_cell(t, fmt_bar((double)rows / most, bar));
}

static void put_histogram(const hsfeed_value *answer)
{
	static const char *const heads[] = {"tokens", "rows", "share", ""};
	struct lines l;
	uint64_t most = 1;
	choose_lines(answer, &l);
	size_t n = l.n + (line_rows(&l, l.n) > 0);
	for (size_t line = 0; line < n; line++)
		most = line_rows(&l, line) > most ? line_rows(&l, line) : most;
	struct table *t = table_create(heads, 4, "rrrl");
	for (size_t line = 0; line < n; line++)
		put_line(t, &l, line, get_uint(answer, "rows"), (double)most);
	table_print(t, "  ");
	table_destroy(t);
}

// ---- the rest ----

static void put_percentiles(const hsfeed_value *answer)
{
	static const char *const heads[] = {"shortest", "mean", "median", "75 %",   "90 %",
					    "95 %",     "99 %", "99.9 %", "longest"};
	const hsfeed_value *percentiles = hsfeed_value_get(answer, "percentiles");
	char mean[32];
	struct table *t = table_create(heads, 9, "rrrrrrrrr");
	snprintf(mean, sizeof(mean), "%.1f", hsfeed_value_f64(hsfeed_value_get(answer, "mean"), 0));
	table_cell(t, fmt_count(get_uint(answer, "min")));
	table_cell(t, mean);
	for (size_t i = 0; i < 6; i++)
		table_cell(t, fmt_count(hsfeed_value_uint(hsfeed_value_at(hsfeed_value_at(percentiles, i), 1), 0)));
	table_cell(t, fmt_count(get_uint(answer, "max")));
	table_print(t, "  ");
	table_destroy(t);
}

static void put_cuts(const hsfeed_value *answer)
{
	static const char *const heads[] = {"max length", "rows cut", "tokens lost", "padding", ""};
	const hsfeed_value *cuts = hsfeed_value_get(answer, "cuts");
	struct table *t = table_create(heads, 5, "rrrrl");
	for (size_t i = 0; i < hsfeed_value_len(cuts); i++) {
		const hsfeed_value *cut = hsfeed_value_at(cuts, i);
		double padding = hsfeed_value_f64(hsfeed_value_get(cut, "padding_share"), 0);
		table_cell(t, fmt_count(get_uint(cut, "max_length")));
		table_share(t, get_uint(cut, "truncated_rows"), get_uint(answer, "rows"));
		table_share(t, get_uint(cut, "lost_tokens"), get_uint(answer, "tokens"));
		table_cell(t, fmt_percent(padding));
		table_cell(t, fmt_bar(padding, 20));
	}
	table_print(t, "  ");
	table_destroy(t);
}

static void lengths_report(const hsfeed_value *answer)
{
	uint64_t specials = get_uint(answer, "specials");
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(answer, "version")));
	printf(", role ");
	put_cstr(stdout, get_str(answer, "role"));
	printf(": %s rows, %s tokens\n", fmt_count(get_uint(answer, "rows")), fmt_count(get_uint(answer, "tokens")));
	printf("%s special token%s a row %s counted; tokenizer ", fmt_count(specials), specials == 1 ? "" : "s",
	       specials == 1 ? "is" : "are");
	put_cstr(stdout, get_str(answer, "tokenizer"));
	printf("\n\n");
	put_percentiles(answer);
	putchar('\n');
	put_histogram(answer);
	if (hsfeed_value_len(hsfeed_value_get(answer, "cuts")) == 0)
		return;
	printf("\nPadded to a max length, longer rows cut:\n\n");
	put_cuts(answer);
}

int lengths_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	uint32_t cuts[MAX_CUTS];
	struct hsfeed_lengths_options options = {.size = sizeof(options), .max_lengths = cuts};
	options.role = args_text(args, "role", NULL);
	int rc = read_cuts(args, cuts, &options.nmax_lengths);
	if (rc == 0)
		rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_lengths(client, args->words[0], &options, &answer, &error);
	return done(client, rc, answer, &error, lengths_report);
}
