// SPDX-License-Identifier: Apache-2.0
// The options of split plans, and how a plan is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail // the command has a function of that name

#include "cli.h"
#include "client.h"

static int nothing(const struct args *args)
{
	(void)args;
	return 0;
}

const struct command commands[] = {
	{.name = "stream", .run = nothing, .options = {plan_options}},
	{.name = "folds", .run = nothing, .options = {plan_options}},
	{.name = NULL},
};

static char said[1024];

static unsigned command; // which is parsed

// Parses and checks words; what was printed is in `said`.
static int check(struct args *args, const char *const *words)
{
	int n = 0;
	while (words[n])
		n++;
	FILE *real = stderr, *memory = fmemopen(said, sizeof(said) - 1, "w");
	assert_non_null(memory);
	memset(said, 0, sizeof(said));
	stderr = memory;
	int rc = args_parse(&commands[command], n, (char **)(uintptr_t)words, args);
	if (rc == 0)
		rc = plan_check(args);
	stderr = real;
	fclose(memory);
	return rc;
}

#define CHECK(args, ...) check(args, (const char *const[]){__VA_ARGS__, NULL})

static void options_become_a_plan(void **state)
{
	(void)state;
	struct args a;
	assert_int_equal(CHECK(&a, "--kind", "holdout", "--folds", "3", "--fold-seed", "0", "--no-shuffle", "--rule",
			       "older", "--fold-column", "f", "--test-size", "0.2", "--train-size", "30"),
			 0);
	struct hsfeed_plan p = plan_of(&a);
	assert_string_equal(p.kind, "holdout");
	assert_int_equal(p.folds, 3);
	assert_true(p.has_fold_seed && p.fold_seed == 0 && p.no_shuffle);
	assert_string_equal(p.rule, "older");
	assert_string_equal(p.column, "f");
	assert_true(p.test_share == 0.2 && p.test_rows == 0 && p.train_share == 0 && p.train_rows == 30);
	assert_true(p.nby == 0 && !p.group && p.duplicates == 0 && !p.name && !p.rows);
}

static void label_columns_are_cut_at_commas(void **state)
{
	(void)state;
	struct args a;
	assert_int_equal(CHECK(&a, "--by", "a,b c", "--by=d"), 0);
	struct hsfeed_plan p = plan_of(&a);
	assert_int_equal(p.nby, 3);
	assert_string_equal(p.by[0], "a");
	assert_string_equal(p.by[1], "b c");
	assert_string_equal(p.by[2], "d");
}

static void a_group_is_a_column_or_duplicates(void **state)
{
	(void)state;
	struct args a;
	assert_int_equal(CHECK(&a, "--group", "author"), 0);
	assert_string_equal(plan_of(&a).group, "author");
	assert_true(plan_of(&a).duplicates == 0);
	assert_int_equal(CHECK(&a, "--group", "column:duplicates"), 0);
	assert_string_equal(plan_of(&a).group, "duplicates");
	assert_int_equal(CHECK(&a, "--group", "duplicates"), 0);
	assert_null(plan_of(&a).group);
	assert_true(plan_of(&a).duplicates == 0.8);
	assert_int_equal(CHECK(&a, "--group", "duplicates", "--similarity", "0.9"), 0);
	assert_true(plan_of(&a).duplicates == 0.9);
}

static void assert_usage(const char *part, const char *const *words)
{
	struct args a;
	assert_int_equal(check(&a, words), EXIT_USAGE);
	if (!strstr(said, part))
		print_message("\"%s\" is not in \"%s\"\n", part, said);
	assert_non_null(strstr(said, part));
}

static void what_does_not_go_together_is_refused(void **state)
{
	(void)state;
	assert_usage("--similarity goes with --group duplicates", (const char *const[]){"--similarity", "0.9", NULL});
	assert_usage("--similarity goes with",
		     (const char *const[]){"--similarity", "0.9", "--group", "column:duplicates", NULL});
	assert_usage("needs the column's name", (const char *const[]){"--group", "column:", NULL});
	assert_usage("as A,B; not \"a,,b\"", (const char *const[]){"--by", "a,,b", NULL});
	assert_usage("as A,B; not \"a,\"", (const char *const[]){"--by", "a,", NULL});
	assert_usage("stream: --plan NAME has all the options, and --folds does not go with it; save it first",
		     (const char *const[]){"--plan", "cv", "--folds", "5", NULL});
}

static void a_named_plan_takes_options_only_where_it_is_saved(void **state)
{
	(void)state;
	struct args a;
	assert_int_equal(CHECK(&a, "--plan", "cv"), 0);
	assert_string_equal(plan_of(&a).name, "cv");
	assert_null(plan_given(&a));
	command = 1;
	assert_int_equal(CHECK(&a, "--plan", "cv", "--no-shuffle"), 0);
	command = 0;
	assert_string_equal(plan_given(&a), "no-shuffle");
}

static const char *told(const struct hs_wbuf *w)
{
	static char text[512];
	hsfeed_value *plan;
	assert_int_equal(hs_value_decode(w->data, w->len, &plan), 0);
	FILE *out = fmemopen(text, sizeof(text), "w");
	put_plan(out, plan);
	fclose(out);
	hsfeed_value_free(plan);
	return text;
}

static void begin(struct hs_wbuf *w, uint32_t npairs, const char *kind, uint64_t folds, bool shuffle)
{
	hs_w_map(w, npairs);
	hs_w_cstr(w, "kind");
	hs_w_cstr(w, kind);
	hs_w_cstr(w, "folds");
	hs_w_uint(w, folds);
	hs_w_cstr(w, "fold_seed");
	hs_w_uint(w, 42);
	hs_w_cstr(w, "shuffle");
	hs_w_bool(w, shuffle);
}

static void a_plan_is_told_with_every_key(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	begin(&w, 8, "stratified-group", 5, true);
	hs_w_cstr(&w, "by");
	hs_w_array(&w, 2);
	hs_w_cstr(&w, "a");
	hs_w_cstr(&w, "b\x1b");
	hs_w_cstr(&w, "group");
	hs_w_cstr(&w, "author");
	hs_w_cstr(&w, "duplicates");
	hs_w_f64(&w, 0.85);
	hs_w_cstr(&w, "rule");
	hs_w_cstr(&w, "older");
	assert_string_equal(told(&w), "5 folds, stratified-group, fold seed 42, by a, b\\x1b, groups by column author, "
				      "groups of duplicates from similarity 0.85 on, rule older");
	hs_w_reset(&w);
	begin(&w, 7, "holdout", 1, false);
	hs_w_cstr(&w, "test_size");
	hs_w_f64(&w, 0.2);
	hs_w_cstr(&w, "train_size");
	hs_w_uint(&w, 1200);
	hs_w_cstr(&w, "column");
	hs_w_cstr(&w, "f");
	assert_string_equal(told(&w), "1 fold, holdout, not shuffled, folds of column f, 0.2 of the rows tested, "
				      "1,200 rows trained");
	hs_w_reset(&w);
	begin(&w, 5, "rows", 2, true);
	hs_w_cstr(&w, "rows");
	hs_w_cstr(&w, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	assert_string_equal(told(&w), "2 folds, rows 0123456789ab");
	hs_w_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_become_a_plan),
		cmocka_unit_test(label_columns_are_cut_at_commas),
		cmocka_unit_test(a_group_is_a_column_or_duplicates),
		cmocka_unit_test(what_does_not_go_together_is_refused),
		cmocka_unit_test(a_named_plan_takes_options_only_where_it_is_saved),
		cmocka_unit_test(a_plan_is_told_with_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
