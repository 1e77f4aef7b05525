// SPDX-License-Identifier: Apache-2.0
// leaks: what validation rows have copies among the training rows, and how to get rid of it.
#include <string.h>

#include "cli.h"

#define SHOWN 10 // pairs, unless all are asked for
#define PAGE  10000

const struct option leaks_options[] = {
	{.name = "similarity",
	 .kind = OPT_SHARE,
	 .arg = "S",
	 .min = 50,
	 .max = 100,
	 .help = "of texts that are nearly the same, 0.5 to 1; default 0.8"},
	{.name = "pairs", .kind = OPT_FLAG, .help = "all leaking rows by row and line; with --json one line each"},
	{.name = "fail-on-leak", .kind = OPT_FLAG, .help = "exit 1 when a row leaks"},
	OPT_END,
};

static const char *const counted[] = {"val_rows", "leaking", "exact", "same", "near", "conflicting"};
enum { VAL_ROWS, LEAKING, NCOUNTED = sizeof(counted) / sizeof(counted[0]) };

static void fold_row(struct table *t, const char *fold, const uint64_t counts[NCOUNTED])
{
	table_cell(t, fold);
	for (size_t i = 0; i < NCOUNTED; i++) {
		char text[64];
		snprintf(text, sizeof(text), "%s (%s)", fmt_count(counts[i]), fmt_share(counts[i], counts[VAL_ROWS]));
		table_cell(t, i == LEAKING ? text : fmt_count(counts[i]));
	}
}

static void print_folds(const hsfeed_value *folds)
{
	static const char *const heads[1 + NCOUNTED] = {"fold", "val rows", "leaking",    "exact",
							"same", "near",     "other label"};
	struct table *t = table_create(heads, 1 + NCOUNTED, "rrrrrrr");
	uint64_t sums[NCOUNTED] = {0};
	for (size_t f = 0; f < hsfeed_value_len(folds); f++) {
		const hsfeed_value *fold = hsfeed_value_at(folds, f);
		uint64_t counts[NCOUNTED];
		for (size_t i = 0; i < NCOUNTED; i++)
			sums[i] += counts[i] = get_uint(fold, counted[i]);
		fold_row(t, fmt_count(get_uint(fold, "fold")), counts);
	}
	if (hsfeed_value_len(folds) > 1)
		fold_row(t, "all", sums);
	table_print(t, "  ");
	table_destroy(t);
}

static void print_duplicates(const hsfeed_value *answer)
{
	const hsfeed_value *d = hsfeed_value_get(answer, "duplicates");
	printf("\n  exact: the same bytes; same: but for letter case, white space and Unicode normal form;\n"
	       "  near: a similarity of at least %g; other label: than the training row most like it.\n",
	       hsfeed_value_f64(hsfeed_value_get(answer, "similarity"), 0));
	printf("\n  duplicates of the whole dataset:\n"
	       "  %s rows repeat an earlier row exactly, %s more are the same, %s pairs are near\n",
	       fmt_count(get_uint(d, "exact_rows")), fmt_count(get_uint(d, "same_rows")),
	       fmt_count(get_uint(d, "near_pairs")));
	printf("  %s groups of %s rows, the largest of %s", fmt_count(get_uint(d, "groups")),
	       fmt_count(get_uint(d, "rows_in_groups")), fmt_count(get_uint(d, "largest")));
	printf("; %s groups have rows of different labels\n", fmt_count(get_uint(d, "conflicting_groups")));
}

// Where texts by the hundred are nearly alike, not every pair can be told.
static void warn_given_up(const hsfeed_value *d)
{
	uint64_t unlisted = get_uint(d, "unlisted"), uncompared = get_uint(d, "uncompared");
	fflush(stdout);
	if (unlisted > 0)
		fprintf(stderr,
			"hsfeed: warning: up to %s more pairs of near texts are not listed; rows that leak by "
			"such a pair alone are not told\n",
			fmt_count(unlisted));
	if (uncompared > 0)
		fprintf(stderr, "hsfeed: warning: up to %s pairs of texts were not compared\n", fmt_count(uncompared));
}

static void pair_row(struct table *t, const hsfeed_value *pair)
{
	static const char *const numbers[] = {"fold", "row", "line", "of_row", "of_line"};
	char text[32];
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)get_uint(pair, numbers[i]));
		table_cell(t, text);
	}
	table_cell(t, get_str(pair, "how"));
	snprintf(text, sizeof(text), "%.3f", hsfeed_value_f64(hsfeed_value_get(pair, "similarity"), 0));
	table_cell(t, text);
	table_cell(t, get_bool(pair, "conflict") ? "other" : "");
}

static void print_pairs(const hsfeed_value *pairs, size_t most)
{
	static const char *const heads[] = {"fold", "val row", "line",       "train row",
					    "line", "how",     "similarity", "label"};
	struct table *t = table_create(heads, sizeof(heads) / sizeof(heads[0]), "rrrrrlrl");
	for (size_t i = 0; i < hsfeed_value_len(pairs) && i < most; i++)
		pair_row(t, hsfeed_value_at(pairs, i));
	table_print(t, "  ");
	table_destroy(t);
}

static bool keeps_groups(const char *kind)
{
	static const char *const kinds[] = {"stratified", "multiclass", "multilabel", "group", "stratified-group"};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

static void print_remedy(const hsfeed_value *answer)
{
	const char *kind = get_str(hsfeed_value_get(answer, "plan"), "kind");
	double similarity = hsfeed_value_f64(hsfeed_value_get(answer, "similarity"), 0);
	char more[64] = "";
	if (similarity != USUAL_SIMILARITY)
		snprintf(more, sizeof(more), " --similarity %g", similarity);
	printf("\n  keep duplicates in one fold: hsfeed folds ");
	put_cstr(stdout, get_str(answer, "name"));
	printf(" --group duplicates%s\n", more);
	if (!keeps_groups(kind))
		printf("  (kinds with groups: stratified, multiclass, multilabel, group, stratified-group; not %s)\n",
		       kind);
}

static void print_head(const hsfeed_value *answer)
{
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(answer, "version")));
	printf(": %s rows in ", fmt_count(get_uint(answer, "rows")));
	put_plan(stdout, hsfeed_value_get(answer, "plan"));
	printf("\n\n");
}

static void leaks_report(const hsfeed_value *answer)
{
	const hsfeed_value *pairs = hsfeed_value_get(answer, "pairs");
	uint64_t total = get_uint(answer, "total");
	print_head(answer);
	print_folds(hsfeed_value_get(answer, "folds"));
	print_duplicates(answer);
	if (total == 0) {
		printf("\n  nothing leaks\n");
	} else {
		printf(total > SHOWN ? "\n  the first %d of %s (--pairs: all):\n" : "\n", SHOWN, fmt_count(total));
		print_pairs(pairs, SHOWN);
		print_remedy(answer);
	}
	warn_given_up(hsfeed_value_get(answer, "duplicates"));
}

static void print_page(const hsfeed_value *answer)
{
	const hsfeed_value *pairs = hsfeed_value_get(answer, "pairs");
	if (!json_asked)
		print_pairs(pairs, SIZE_MAX);
	for (size_t i = 0; json_asked && i < hsfeed_value_len(pairs); i++)
		json_line(hsfeed_value_at(pairs, i));
}

// All pages of the version that the first was of, whatever the name means by now.
static int print_all(hsfeed_client *client, const char *name, struct hsfeed_leaks_options *options,
		     hsfeed_value **answer)
{
	struct hsfeed_error error;
	char pinned[512];
	pin_name(pinned, name, get_str(*answer, "version"));
	print_page(*answer);
	while ((options->start = get_uint(*answer, "next")) > 0 && !ferror(stdout)) {
		hsfeed_value_free(*answer);
		*answer = NULL;
		if (hsfeed_leaks(client, pinned, options, answer, &error) < 0)
			return fail_error(&error);
		print_page(*answer);
	}
	warn_given_up(hsfeed_value_get(*answer, "duplicates"));
	return EXIT_DONE;
}

int leaks_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	struct hsfeed_plan plan = plan_of(args);
	bool all = args_has(args, "pairs");
	struct hsfeed_leaks_options options = {.size = sizeof(options),
					       .plan = &plan,
					       .similarity = args_share(args, "similarity", 0),
					       .count = all ? PAGE : 0};
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_leaks(client, args->words[0], &options, &answer, &error);
	bool fails = rc == 0 && get_uint(answer, "total") > 0 && args_has(args, "fail-on-leak");
	if (rc < 0 || !all) {
		rc = done(client, rc, answer, &error, leaks_report);
	} else {
		rc = print_all(client, args->words[0], &options, &answer);
		hsfeed_value_free(answer);
		hsfeed_close(client);
	}
	return rc == EXIT_DONE && fails ? EXIT_REFUSED : rc;
}
