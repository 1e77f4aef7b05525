// SPDX-License-Identifier: Apache-2.0
// The writer of HTML, the charts, and a page of answers that hold nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail // the command has a function of that name

#include "page.h"

const struct command commands[] = {{.name = NULL}};

static char *written;
static size_t written_bytes;

static FILE *begin(void)
{
	free(written);
	written = NULL;
	FILE *out = open_memstream(&written, &written_bytes);
	assert_non_null(out);
	return out;
}

static const char *text_of(const char *text, size_t len)
{
	FILE *out = begin();
	html_text(out, text, len);
	fclose(out);
	return written;
}

static void every_character_that_means_something_is_an_entity(void **state)
{
	(void)state;
	assert_string_equal(text_of("<a href=\"x\">'&'</a>", 19),
			    "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
	assert_string_equal(text_of("বাংলা 中文 é 🙂", strlen("বাংলা 中文 é 🙂")),
			    "বাংলা 中文 é 🙂");
}

static void control_characters_and_marks_that_reorder_are_shown_in_hex(void **state)
{
	(void)state;
	assert_string_equal(text_of("a\0b\n\x7f", 5), "a\\x00b\\x0a\\x7f");
	assert_string_equal(text_of("\xC2\x85", 2), "\\xc2\\x85");
	assert_string_equal(text_of("\xE2\x80\xAE\xE2\x81\xA6", 6), "\\xe2\\x80\\xae\\xe2\\x81\\xa6");
	assert_string_equal(text_of("\xE2\x80\x9C", 3), "\xE2\x80\x9C");
}

// What XML has no place for: broken, overlong, surrogate, too large, no character, cut off at the end.
static void bytes_that_are_no_text_become_a_replacement(void **state)
{
	static const char *const bad[] = {
		"\xFF", "\x80",     "\xC0\xBC",     "\xE0\x80\xBC", "\xED\xA0\x80", "\xF4\x90\x80\x80",
		"\xF8", "\xE2\x80", "\xEF\xBF\xBE", "\xEF\xBF\xBF"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *text = text_of(bad[i], strlen(bad[i]));
		assert_non_null(strstr(text, "\xEF\xBF\xBD"));
		assert_int_equal(strlen(text) % 3, 0); // replacements alone
		assert_null(strchr(text, '<'));
	}
	assert_string_equal(text_of("a\xE2<", 3), "a\xEF\xBF\xBD&lt;");
}

static void only_the_format_is_markup(void **state)
{
	(void)state;
	FILE *out = begin();
	html(out, "<p class=\"x\">%s %u %zu %llu %.2f %%</p>", "<b>", 7U, (size_t)8, 9ULL, 1.005);
	fclose(out);
	assert_string_equal(written, "<p class=\"x\">&lt;b&gt; 7 8 9 1.00 %</p>");
}

static void a_long_name_is_cut_between_characters(void **state)
{
	char name[400] = "";
	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(name, "ব"); // three bytes
	FILE *out = begin();
	html_name(out, name);
	fclose(out);
	assert_int_equal(strlen(written), strlen("<bdi></bdi>") + 159 + strlen("…"));
	out = begin();
	html_name(out, "a&b");
	fclose(out);
	assert_string_equal(written, "<bdi>a&amp;b</bdi>");
}

static void a_number_for_people_carries_the_exact_one(void **state)
{
	(void)state;
	FILE *out = begin();
	html_percent(out, 0.1);
	html_percent(out, 1e-9);
	html_percent(out, 0.0123456789);
	fclose(out);
	assert_string_equal(written, "<data value=\"0.1\">10.0 %</data><data value=\"1e-09\">&lt; 0.01 %</data>"
				     "<data value=\"0.0123456789\">1.23 %</data>");
}

// ---- charts ----

static void no_chart_draws_outside_its_numbers(void **state)
{
	static const double nothing[3] = {0}, some[3] = {1, 0, 0.5};
	struct bar_chart bars = {
		.title = "<t>", .width = 300, .height = 100, .n = 3, .val = nothing, .line_words = "&"};
	(void)state;
	FILE *out = begin();
	chart_bars(out, &bars); // all zero: no bar, no division
	bars.train = some;
	bars.val = some;
	chart_bars(out, &bars);
	fclose(out);
	assert_null(strstr(written, "nan"));
	assert_null(strstr(written, "inf"));
	assert_null(strstr(written, "<t>"));
	assert_non_null(strstr(written, "<title>&lt;t&gt;</title>"));
}

static void cuts_that_are_beyond_the_chart_are_not_drawn(void **state)
{
	static const uint64_t counts[4] = {0, 5, 2, 1}, cuts[3] = {16, 17, UINT64_MAX};
	struct length_chart c = {
		.title = "t", .what = "r", .counts = counts, .n = 4, .width = 8, .cuts = cuts, .ncuts = 3};
	(void)state;
	FILE *out = begin();
	chart_lengths(out, &c);
	fclose(out);
	assert_non_null(strstr(written, ">16</text>"));
	assert_null(strstr(written, ">17</text>")); // too near the one before
	assert_null(strstr(written, ">18446744073709551615<"));
	assert_null(strstr(written, ">more<"));
	c.beyond = 3;
	out = begin();
	chart_lengths(out, &c);
	fclose(out);
	assert_non_null(strstr(written, ">more<"));
}

// ---- the page ----

static void answers_that_hold_nothing_make_a_page_that_says_so(void **state)
{
	(void)state;
	struct page page = {.name = "x"};
	page.out = begin();
	page_write(&page);
	fclose(page.out);
	assert_int_equal(strncmp(written, PAGE_MARK, strlen(PAGE_MARK)), 0);
	assert_non_null(strstr(written, "This dataset has no labels."));
	assert_non_null(strstr(written, "There is no encoding yet"));
	assert_null(strstr(written, "nan"));
	assert_string_equal(written + written_bytes - strlen("</body>\n</html>\n"), "</body>\n</html>\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_that_means_something_is_an_entity),
		cmocka_unit_test(control_characters_and_marks_that_reorder_are_shown_in_hex),
		cmocka_unit_test(bytes_that_are_no_text_become_a_replacement),
		cmocka_unit_test(only_the_format_is_markup),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(a_number_for_people_carries_the_exact_one),
		cmocka_unit_test(no_chart_draws_outside_its_numbers),
		cmocka_unit_test(cuts_that_are_beyond_the_chart_are_not_drawn),
		cmocka_unit_test(answers_that_hold_nothing_make_a_page_that_says_so),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(written);
	return rc;
}
