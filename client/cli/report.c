// SPDX-License-Identifier: Apache-2.0
// What an ingest did with every row, and what a version is: read by people.
#include <string.h>

#include "cli.h"

#define BAR_WIDTH 20

static void label_values(const hsfeed_value *label, uint64_t rows)
{
	const hsfeed_value *values = hsfeed_value_get(label, "values"), *counts = hsfeed_value_get(label, "counts");
	size_t n = hsfeed_value_len(values), shown = n > 20 ? 20 : n;
	unsigned widest = 0;
	for (size_t i = 0; i < shown; i++) {
		unsigned w = text_width(hsfeed_value_str(hsfeed_value_at(values, i), NULL, ""));
		widest = w > widest ? w : widest;
	}
	for (size_t i = 0; i < shown; i++) {
		const char *value = hsfeed_value_str(hsfeed_value_at(values, i), NULL, "");
		uint64_t count = hsfeed_value_uint(hsfeed_value_at(counts, i), 0);
		printf("             ");
		put_cstr(stdout, value);
		printf("%*s  %9s  %7s  ", (int)(widest - text_width(value)), "", fmt_count(count),
		       fmt_share(count, rows));
		put_bar(stdout, rows ? (double)count / (double)rows : 0, BAR_WIDTH);
		putchar('\n');
	}
	if (n > shown)
		printf("             and %s more values\n", fmt_count(n - shown));
}

static void print_labels(const hsfeed_value *labels, uint64_t rows)
{
	if (hsfeed_value_len(labels) == 0)
		printf("  labels     none\n");
	for (size_t i = 0; i < hsfeed_value_len(labels); i++) {
		const hsfeed_value *label = hsfeed_value_at(labels, i);
		printf("  label      ");
		put_cstr(stdout, get_str(label, "name"));
		printf(" (%s)\n",
		       strcmp(get_str(label, "type"), "class") == 0 ? "classes, ids by sorted value" : "float");
		label_values(label, rows);
	}
}

const char *reason_words(const char *reason)
{
	static const struct {
		const char *reason, *words;
	} table[] = {
		{"missing_text", "without text"},
		{"missing_label", "without a label"},
		{"too_many_fields", "with too many fields"},
		{"empty_text", "whose cleaned text is empty"},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].reason, reason) == 0)
			return table[i].words;
	}
	return reason;
}

static void located(const char *head, const hsfeed_value *what, const char *tail)
{
	uint64_t rows = get_uint(what, "rows");
	if (rows == 0)
		return;
	printf("             %s%s %s%s: ", head, fmt_count(rows), rows == 1 ? "row " : "rows ", tail);
	put_lines(stdout, hsfeed_value_get(what, "lines"), rows);
	putchar('\n');
}

static void print_dropped(const hsfeed_value *report)
{
	const hsfeed_value *dropped = hsfeed_value_get(report, "dropped");
	for (size_t i = 0; i < hsfeed_value_len(dropped); i++) {
		const hsfeed_value *d = hsfeed_value_at(dropped, i);
		located("dropped ", d, reason_words(get_str(d, "reason")));
	}
	located("", hsfeed_value_get(report, "short_rows"), "with too few fields, filled as missing");
	located("", hsfeed_value_get(report, "empty_texts"), "whose text is empty, kept");
	const hsfeed_value *words = hsfeed_value_get(report, "na_words");
	for (size_t i = 0; i < hsfeed_value_len(words); i++) {
		const hsfeed_value *w = hsfeed_value_at(words, i);
		printf("             \"");
		put_cstr(stdout, get_str(w, "word"));
		printf("\" counts as missing in %s rows: ", fmt_count(get_uint(w, "rows")));
		put_lines(stdout, hsfeed_value_get(w, "lines"), get_uint(w, "rows"));
		printf(" (--na empty keeps it)\n");
	}
}

static void print_pairs(const hsfeed_value *pairs)
{
	size_t n = hsfeed_value_len(pairs);
	for (size_t i = 0; i < n && i < 5; i++) {
		const hsfeed_value *pair = hsfeed_value_at(pairs, i);
		printf("%s%llu and %llu", i ? ", " : ": lines ",
		       (unsigned long long)hsfeed_value_uint(hsfeed_value_at(pair, 0), 0),
		       (unsigned long long)hsfeed_value_uint(hsfeed_value_at(pair, 1), 0));
	}
	fputs(n > 5 ? ", ...\n" : "\n", stdout);
}

static void print_duplicates(const hsfeed_value *d)
{
	if (get_uint(d, "rows") == 0) {
		printf("  duplicates none\n");
		return;
	}
	printf("  duplicates %s texts beyond the first of their kind, in %s groups\n", fmt_count(get_uint(d, "rows")),
	       fmt_count(get_uint(d, "groups")));
	if (get_uint(d, "conflicting_groups") == 0)
		return;
	printf("             %s groups (%s rows) have the same text under different labels",
	       fmt_count(get_uint(d, "conflicting_groups")), fmt_count(get_uint(d, "conflicting_rows")));
	print_pairs(hsfeed_value_get(d, "lines"));
}

static void print_option(const char *key, const hsfeed_value *v)
{
	put_cstr(stdout, key);
	putchar(' ');
	switch (hsfeed_value_type(v)) {
	case HSFEED_STR:
		put_cstr(stdout, hsfeed_value_str(v, NULL, ""));
		break;
	case HSFEED_BOOL:
		fputs(hsfeed_value_bool(v, 0) ? "yes" : "no", stdout);
		break;
	case HSFEED_ARRAY:
		if (hsfeed_value_len(v) == 0)
			fputs("none", stdout);
		put_list(stdout, v);
		break;
	case HSFEED_NIL:
		fputs("none", stdout);
		break;
	default:
		json_value(stdout, v);
	}
}

static void print_options(const hsfeed_value *options)
{
	printf("  options    ");
	for (size_t i = 0; i < hsfeed_value_len(options); i++) {
		fputs(i ? i % 6 ? "; " : ";\n             " : "", stdout);
		print_option(hsfeed_value_key(options, i), hsfeed_value_at(options, i));
	}
	putchar('\n');
}

void print_version(const hsfeed_value *version)
{
	const hsfeed_value *report = hsfeed_value_get(version, "report");
	uint64_t rows = get_uint(version, "rows"), read = get_uint(report, "rows_read");
	printf("  source     ");
	put_cstr(stdout, get_str(version, "file_name"));
	printf(", %s, %s\n", fmt_bytes(get_uint(version, "source_bytes")), fmt_time(get_uint(version, "created_ms")));
	printf("  columns    ");
	put_list(stdout, hsfeed_value_get(version, "columns"));
	printf("; text is ");
	put_cstr(stdout, get_str(version, "text_column"));
	printf("\n  rows       %s read, %s kept, %s dropped\n", fmt_count(read), fmt_count(rows),
	       fmt_count(read > rows ? read - rows : 0));
	print_dropped(report);
	print_labels(hsfeed_value_get(version, "labels"), rows);
	print_duplicates(hsfeed_value_get(report, "duplicates"));
	print_options(hsfeed_value_get(version, "options"));
}

// ---- encodings ----

static uint64_t over(const hsfeed_value *role, uint64_t length)
{
	const hsfeed_value *pairs = hsfeed_value_get(role, "over");
	for (size_t i = 0; i < hsfeed_value_len(pairs); i++) {
		const hsfeed_value *pair = hsfeed_value_at(pairs, i);
		if (hsfeed_value_uint(hsfeed_value_at(pair, 0), 0) == length)
			return hsfeed_value_uint(hsfeed_value_at(pair, 1), 0);
	}
	return 0;
}

static void role_row(struct table *t, const hsfeed_value *role)
{
	uint64_t rows = get_uint(role, "rows"), tokens = get_uint(role, "tokens");
	char per_row[32];
	snprintf(per_row, sizeof(per_row), "%.1f", rows ? (double)tokens / (double)rows : 0);
	table_cell(t, get_str(role, "role"));
	table_cell(t, get_str(role, "tokenizer"));
	table_cell(t, fmt_count(tokens));
	table_cell(t, per_row);
	table_cell(t, fmt_share(get_uint(role, "unknown"), tokens));
	table_cell(t, fmt_count(get_uint(role, "max_tokens")));
	table_cell(t, fmt_count(over(role, 128)));
	table_cell(t, fmt_count(over(role, 256)));
	table_cell(t, fmt_count(over(role, 512)));
	table_cell(t, fmt_bytes(get_uint(role, "bytes")));
}

static void print_advice(const hsfeed_value *role)
{
	const hsfeed_value *advice = hsfeed_value_get(role, "advice");
	if (!advice)
		return;
	printf("  ");
	put_cstr(stdout, get_str(role, "role"));
	printf(": %.2f %% of its tokens are unknown; with --normalize %s it would be %.2f %% (on %s sampled rows).\n",
	       100 * hsfeed_value_f64(hsfeed_value_get(advice, "unknown_share"), 0), get_str(advice, "normalize"),
	       100 * hsfeed_value_f64(hsfeed_value_get(advice, "with"), 0),
	       fmt_count(get_uint(advice, "sampled_rows")));
}

void print_roles(const hsfeed_value *roles)
{
	static const char *const heads[] = {"role",    "tokenizer", "tokens", "per row", "unknown",
					    "longest", "> 128",     "> 256",  "> 512",   "stored"};
	struct table *t = table_create(heads, 10, "llrrrrrrrr");
	for (size_t i = 0; i < hsfeed_value_len(roles); i++)
		role_row(t, hsfeed_value_at(roles, i));
	putchar('\n');
	table_print(t, "  ");
	table_destroy(t);
	for (size_t i = 0; i < hsfeed_value_len(roles); i++)
		print_advice(hsfeed_value_at(roles, i));
}

static void print_moved_roles(const hsfeed_value *roles)
{
	for (size_t i = 0; i < hsfeed_value_len(roles); i++) {
		const hsfeed_value *r = hsfeed_value_at(roles, i);
		if (!*get_str(r, "previous"))
			continue;
		printf("  role ");
		put_cstr(stdout, get_str(r, "role"));
		printf(" moved to %s; it was %s, which open streams and saved states keep\n",
		       fmt_id(get_str(r, "encoding")), fmt_id(get_str(r, "previous")));
	}
}

void ingest_report(const hsfeed_value *answer)
{
	const char *state = get_str(answer, "state"), *previous = get_str(answer, "previous");
	put_cstr(stdout, fmt_ref(get_str(answer, "dataset"), get_str(answer, "version")));
	if (strcmp(state, "known") == 0)
		printf(": known already; nothing was done\n");
	else if (strcmp(state, "added") == 0)
		printf(": the version was there; new encodings were added\n");
	else
		printf(": a new version\n");
	if (*previous)
		printf("  the name moved; it was %.6s, which stays and which open streams keep\n", previous);
	print_version(hsfeed_value_get(answer, "version_info"));
	print_roles(hsfeed_value_get(answer, "roles"));
	print_moved_roles(hsfeed_value_get(answer, "roles"));
}
