// SPDX-License-Identifier: Apache-2.0
// The parser of options, near matches, and what is printed of hostile text.
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

static int nothing(const struct args *args)
{
	(void)args;
	return 0;
}

static const struct option options[] = {
	{.name = "folds", .kind = OPT_NUMBER, .arg = "K", .min = 1, .max = 100},
	{.name = "split", .letter = 's', .kind = OPT_TEXT, .arg = "S", .choices = "train|val"},
	{.name = "clean", .kind = OPT_LIST, .arg = "STEP"},
	{.name = "indices", .kind = OPT_FLAG},
	{.name = "group", .kind = OPT_TEXT, .arg = "COLUMN", .later = true},
	{.name = "similarity", .kind = OPT_SHARE, .arg = "S", .min = 50, .max = 100},
	{.name = "test-size", .kind = OPT_SIZE, .arg = "N"},
	OPT_END,
};

const struct command commands[] = {
	{.name = "folds", .run = nothing, .min_words = 1, .max_words = 1, .usage = "NAME", .options = {options}},
	{.name = "stream", .run = nothing},
	{.name = NULL},
};

// Parses words; what was printed is in `said`.
static char said[1024];

static int parse(struct args *args, const char *const *words)
{
	int n = 0;
	while (words[n])
		n++;
	fflush(stderr);
	FILE *real = stderr;
	memset(said, 0, sizeof(said));
	FILE *memory = fmemopen(said, sizeof(said) - 1, "w");
	assert_non_null(memory);
	stderr = memory;
	int rc = args_parse(&commands[0], n, (char **)(uintptr_t)words, args);
	stderr = real;
	fclose(memory);
	return rc;
}

#define PARSE(args, ...) parse(args, (const char *const[]){__VA_ARGS__, NULL})

static void options_stand_anywhere_with_or_without_an_equals_sign(void **state)
{
	(void)state;
	struct args a;
	unsigned i = 0;
	assert_int_equal(PARSE(&a, "--folds=7", "name", "--split", "val", "--indices", "--json"), 0);
	assert_int_equal(a.nwords, 1);
	assert_string_equal(a.words[0], "name");
	assert_int_equal(args_number(&a, "folds", 5), 7);
	assert_string_equal(args_text(&a, "split", "train"), "val");
	assert_true(args_has(&a, "indices"));
	assert_true(args_has(&a, "json"));
	assert_int_equal(args_number(&a, "seed", 42), 42);
	assert_null(args_each(&a, "clean", &i));
}

static void a_size_is_a_share_or_a_whole_number(void **state)
{
	(void)state;
	struct args a;
	assert_int_equal(PARSE(&a, "x", "--test-size", "200", "--similarity", "1"), 0);
	assert_int_equal(args_number(&a, "test-size", 0), 200);
	assert_true(args_share(&a, "test-size", 9) == 0);
	assert_true(args_share(&a, "similarity", 0) == 1.0);
	assert_int_equal(PARSE(&a, "x", "--test-size=.25", "--similarity=5e-1"), 0);
	assert_int_equal(args_number(&a, "test-size", 9), 0);
	assert_true(args_share(&a, "test-size", 0) == 0.25);
	assert_true(args_share(&a, "similarity", 0) == 0.5);
	assert_true(args_share(&a, "other", 0.75) == 0.75);
}

static void a_repeated_list_keeps_its_order(void **state)
{
	(void)state;
	struct args a;
	unsigned i = 0;
	assert_int_equal(PARSE(&a, "--clean", "b", "name", "--clean=a", "--clean", "--b"), 0);
	assert_string_equal(args_each(&a, "clean", &i), "b");
	assert_string_equal(args_each(&a, "clean", &i), "a");
	assert_string_equal(args_each(&a, "clean", &i), "--b");
	assert_null(args_each(&a, "clean", &i));
}

static void after_two_dashes_everything_is_a_word(void **state)
{
	(void)state;
	struct args a;
	assert_int_equal(PARSE(&a, "--", "--folds"), 0);
	assert_string_equal(a.words[0], "--folds");
}

static void assert_usage(const char *part, const char *const *words)
{
	struct args a;
	assert_int_equal(parse(&a, words), EXIT_USAGE);
	if (!strstr(said, part))
		print_message("\"%s\" is not in \"%s\"\n", part, said);
	assert_non_null(strstr(said, part));
}

static void wrong_usage_is_named(void **state)
{
	(void)state;
	assert_usage("did you mean --folds?", (const char *const[]){"x", "--fold", "3", NULL});
	assert_usage("there is no option --zzzzzz", (const char *const[]){"x", "--zzzzzz", NULL});
	assert_usage("--folds takes a number, not \"five\"", (const char *const[]){"x", "--folds", "five", NULL});
	assert_usage("--folds takes a number, not \"-1\"", (const char *const[]){"x", "--folds=-1", NULL});
	assert_usage("from 1 to 100", (const char *const[]){"x", "--folds", "101", NULL});
	assert_usage("from 1 to 100", (const char *const[]){"x", "--folds", "0", NULL});
	assert_usage("--folds takes a number", (const char *const[]){"x", "--folds", "99999999999999999999999", NULL});
	assert_usage("one of train|val, not \"all\"", (const char *const[]){"x", "--split", "all", NULL});
	assert_usage("--split takes one of", (const char *const[]){"x", "--split", "train|val", NULL});
	assert_usage("--split needs S", (const char *const[]){"x", "--split", NULL});
	assert_usage("--clean needs STEP", (const char *const[]){"x", "--clean=", NULL});
	assert_usage("--indices takes no argument", (const char *const[]){"x", "--indices=1", NULL});
	assert_usage("--folds is given twice", (const char *const[]){"x", "--folds", "3", "--folds", "4", NULL});
	assert_usage("--similarity takes a number from 0.5 to 1, not 0.49",
		     (const char *const[]){"x", "--similarity", "0.49", NULL});
	assert_usage("--similarity takes a decimal number, not \"nan\"",
		     (const char *const[]){"x", "--similarity", "nan", NULL});
	assert_usage("--similarity takes a decimal number, not \"0x1\"",
		     (const char *const[]){"x", "--similarity", "0x1", NULL});
	assert_usage("--similarity takes a decimal number", (const char *const[]){"x", "--similarity", "1e", NULL});
	assert_usage("--test-size takes a number from 1", (const char *const[]){"x", "--test-size", "0", NULL});
	assert_usage("a share between 0 and 1, not 0.0", (const char *const[]){"x", "--test-size", "0.0", NULL});
	assert_usage("a share between 0 and 1, not 1.0", (const char *const[]){"x", "--test-size", "1.0", NULL});
	assert_usage("from 0 to 1, not -0.2", (const char *const[]){"x", "--test-size", "-0.2", NULL});
	assert_usage("--group is not supported yet", (const char *const[]){"x", "--group", "a", NULL});
	assert_usage("one word too many: \"y\"", (const char *const[]){"x", "y", NULL});
	assert_usage("something is missing", (const char *const[]){"--indices", NULL});
	assert_usage("there is no option -f", (const char *const[]){"x", "-f", NULL});
}

static void what_is_not_there_yet_is_never_suggested(void **state)
{
	(void)state;
	struct args a;
	assert_int_equal(PARSE(&a, "x", "--groupe", "a"), EXIT_USAGE);
	assert_null(strstr(said, "did you mean"));
	assert_string_equal(near_command("flods"), "folds");
	assert_null(near_command("weights"));
}

static void control_characters_are_shown_and_not_sent(void **state)
{
	(void)state;
	char text[256] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	static const char hostile[] = "a\x1b[2J\x7f\xc2\x9b"
				      "b\xe2\x80\xae"
				      "c\xe0\xa6\x95";
	put_text(out, hostile, sizeof(hostile) - 1);
	fclose(out);
	assert_string_equal(text, "a\\x1b[2J\\x7f\\xc2\\x9bb\\xe2\\x80\\xaec\xe0\xa6\x95");
}

static void numbers_are_written_for_people(void **state)
{
	(void)state;
	assert_string_equal(fmt_count(0), "0");
	assert_string_equal(fmt_count(999), "999");
	assert_string_equal(fmt_count(1000), "1,000");
	assert_string_equal(fmt_count(UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(fmt_bytes(999), "999 B");
	assert_string_equal(fmt_bytes(1700000), "1.7 MB");
	assert_string_equal(fmt_bytes(UINT64_MAX), "18447 PB");
	assert_string_equal(fmt_share(1, 3), "33.3 %");
	assert_string_equal(fmt_share(1, 1000000), "< 0.01 %");
	assert_string_equal(fmt_share(0, 0), "0.00 %");
	assert_string_equal(fmt_ref("hate", "2f3a9c77"), "hate@2f3a9c");
}

static void a_letter_stands_for_its_option_with_or_without_a_space(void **state)
{
	struct args args;
	(void)state;
	assert_int_equal(PARSE(&args, "x", "-s", "val"), 0);
	assert_string_equal(args_text(&args, "split", ""), "val");
	assert_int_equal(PARSE(&args, "-strain", "x"), 0);
	assert_string_equal(args_text(&args, "split", ""), "train");
	assert_int_equal(PARSE(&args, "x", "-s", "wide"), EXIT_USAGE);
	assert_non_null(strstr(said, "--split"));
	assert_int_equal(PARSE(&args, "x", "-s"), EXIT_USAGE);
	assert_non_null(strstr(said, "-s needs S"));
	assert_int_equal(PARSE(&args, "x", "-q", "val"), EXIT_USAGE);
	assert_non_null(strstr(said, "there is no option -q"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere_with_or_without_an_equals_sign),
		cmocka_unit_test(a_letter_stands_for_its_option_with_or_without_a_space),
		cmocka_unit_test(a_size_is_a_share_or_a_whole_number),
		cmocka_unit_test(a_repeated_list_keeps_its_order),
		cmocka_unit_test(after_two_dashes_everything_is_a_word),
		cmocka_unit_test(wrong_usage_is_named),
		cmocka_unit_test(what_is_not_there_yet_is_never_suggested),
		cmocka_unit_test(control_characters_are_shown_and_not_sent),
		cmocka_unit_test(numbers_are_written_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
