// SPDX-License-Identifier: Apache-2.0
// What a good source becomes. Parity with pandas is proven in tests/oracle/test_pandas.py; here is what pandas has no
// word for.
#include "text_help.h"

#include "text/clean.h"
#include "text/csv.h"
#include "text/number.h"
#include "text/scan.h"
#include "text/types.h"

static void source_lines_are_the_editors(void **state)
{
	(void)state;
	struct fixture f = read_source(SPAN("\n\ntext,label\r\n\"a\r\nb\rc\nd\",1\r\r\nx,0\r\n  \ny,1"),
				       OPTIONS(.na = HS_NA_PANDAS));
	assert_int_equal(f.s.nrows, 3);
	assert_int_equal(f.s.lines[0], 4);
	assert_int_equal(f.s.lines[1], 9);
	assert_int_equal(f.s.lines[2], 11);
	fixture_fini(&f);
}

static void source_counts_dropped_rows_by_reason_with_their_lines(void **state)
{
	(void)state;
	struct fixture f =
		read_source(SPAN("text,label,source\nhello,1,a\n,0,b\nNA,,c\nx,,d\ny,null,e\nz\n1,2,3,4\nok,0,NA\n"),
			    OPTIONS(.na_given = true, .bad_rows = HS_BAD_ROWS_SKIP));
	const struct hs_source_report *r = &f.s.report;
	assert_int_equal(f.s.nrows, 2);
	assert_int_equal(f.s.ncolumns, 3);
	assert_int_equal(r->rows_read, 8);
	assert_int_equal(r->missing_text.rows, 2);
	assert_int_equal(r->missing_text.lines[0], 3);
	assert_int_equal(r->missing_text.lines[1], 4);
	assert_int_equal(r->missing_label.rows, 3);
	assert_int_equal(r->missing_label.lines[2], 7);
	assert_int_equal(r->too_many_fields.rows, 1);
	assert_int_equal(r->too_many_fields.lines[0], 8);
	assert_int_equal(r->short_rows.rows, 1);
	assert_int_equal(r->short_rows.lines[0], 7);
	assert_int_equal(r->nwords, 1); // of line 6; line 4 has an empty cell too
	assert_span(r->words[0].word, "null");
	assert_int_equal(r->words[0].count.rows, 1);
	assert_int_equal(f.s.nothers, 1);
	assert_span(f.s.others[0].name, "source");
	assert_span(f.s.others[0].cells[0], "a");
	assert_null(f.s.others[0].cells[1].ptr);
	fixture_fini(&f);
}

static void source_keeps_twenty_lines_of_a_reason_and_counts_on(void **state)
{
	(void)state;
	struct hs_buf b = {0};
	assert_int_equal(hs_buf_printf(&b, "text,label\nhello,1\n"), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(hs_buf_printf(&b, ",1\n"), 0);
	struct fixture f = read_source((struct hs_span){(const char *)b.data, b.len}, OPTIONS(.na = HS_NA_PANDAS));
	assert_int_equal(f.s.report.missing_text.rows, 50);
	assert_int_equal(f.s.report.missing_text.nlines, HS_REPORT_LINES);
	assert_int_equal(f.s.report.missing_text.lines[HS_REPORT_LINES - 1], 22);
	fixture_fini(&f);
	hs_buf_fini(&b);
}

static void source_one_percent_of_word_rows_is_still_dropped_silently(void **state)
{
	(void)state;
	struct hs_buf b = {0};
	assert_int_equal(hs_buf_printf(&b, "text,label\nnone,1\nNone,1\n"), 0);
	for (int i = 0; i < 98; i++)
		assert_int_equal(hs_buf_printf(&b, "hello,1\n"), 0);
	struct fixture f = read_source((struct hs_span){(const char *)b.data, b.len}, OPTIONS(.na = HS_NA_PANDAS));
	assert_int_equal(f.s.nrows, 99);
	fixture_fini(&f);
	f = read_source((struct hs_span){(const char *)b.data, b.len}, OPTIONS(.na = HS_NA_PANDAS1));
	assert_int_equal(f.s.nrows, 100); // None is a word of pandas 2 and later
	fixture_fini(&f);
	f = read_source((struct hs_span){(const char *)b.data, b.len}, OPTIONS(.na = HS_NA_EMPTY));
	assert_int_equal(f.s.nrows, 100);
	fixture_fini(&f);
	hs_buf_fini(&b);
}

static void source_finds_the_delimiter_of_the_first_line(void **state)
{
	(void)state;
	static const struct {
		const char *data;
		int delimiter;
	} cases[] = {
		{"text,label\na,1\n", ','},
		{"text\tlabel\na\t1\n", '\t'},
		{"text;label\na;1\n", ';'},
		{"\n\"x,y,z\";label;text\n1;1;a\n", ';'},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hs_source_options o = OPTIONS(.delimiter_given = true);
		o.delimiter = 0;
		struct fixture f = read_source((struct hs_span){cases[i].data, strlen(cases[i].data)}, o);
		assert_int_equal(f.s.delimiter, cases[i].delimiter);
		assert_span(f.s.texts[0], "a");
		fixture_fini(&f);
	}
}

static void source_without_a_header_names_its_columns_by_number(void **state)
{
	(void)state;
	static const char *const one[] = {"1"};
	struct fixture f = read_source(SPAN("hello\t1\tx\nworld\t0\n"),
				       OPTIONS(.delimiter = '\t', .no_header = true, .text_column = "0",
					       .label_columns = one, .nlabel_columns = 1));
	assert_int_equal(f.s.nrows, 2);
	assert_int_equal(f.s.lines[0], 1);
	assert_span(f.s.texts[0], "hello");
	assert_span(f.s.others[0].name, "2");
	fixture_fini(&f);
}

static void source_converts_other_charsets(void **state)
{
	(void)state;
	struct fixture f = read_source(SPAN("text,label\ncaf\xE9 \x93x\x94,1\n"), OPTIONS(.charset = "cp1252"));
	assert_span(f.s.texts[0], "caf\u00e9 \u201cx\u201d");
	fixture_fini(&f);
	f = read_source(SPAN("\xFF\xFEt\0e\0x\0t\0,\0l\0a\0b\0e\0l\0\n\0\x95\x09,\0"
			     "1\0\n\0"),
			OPTIONS(.charset = "UTF-16"));
	assert_span(f.s.texts[0], "\u0995");
	fixture_fini(&f);
	f = read_source(SPAN("\xEF\xBB\xBFtext,label\nx,1\n"), OPTIONS(.charset = "UTF-8"));
	assert_true(f.s.report.bom);
	assert_span(f.s.text_column, "text");
	fixture_fini(&f);
	f = read_source(SPAN("text,label\ncaf\xE9,1\n"), OPTIONS(.charset = "latin-1"));
	assert_span(f.s.texts[0], "caf\u00e9");
	fixture_fini(&f);
}

static void source_empty_texts_are_kept_and_counted_or_dropped(void **state)
{
	(void)state;
	static const struct hs_clean_step urls = {HS_CLEAN_URLS, {NULL, 0}};
	struct hs_source_options o = OPTIONS(.steps = &urls, .nsteps = 1);
	struct fixture f = read_source(SPAN("text,label\nhttp://x,1\na http://y b,0\n"), o);
	assert_int_equal(f.s.nrows, 2);
	assert_int_equal(f.s.texts[0].len, 0);
	assert_non_null(f.s.texts[0].ptr);
	assert_int_equal(f.s.report.empty_texts.rows, 1);
	fixture_fini(&f);
	o.drop_empty = true;
	f = read_source(SPAN("text,label\nhttp://x,1\na http://y b,0\n"), o);
	assert_int_equal(f.s.nrows, 1);
	assert_int_equal(f.s.report.empty_texts.lines[0], 2);
	assert_span(f.s.texts[0], "a  b");
	assert_int_equal(f.s.lines[0], 3);
	assert_true(f.s.floats[0] == 0);
	fixture_fini(&f);
}

static void source_without_labels_has_none(void **state)
{
	(void)state;
	struct fixture f = read_source(SPAN("text,label\nhello,\n"), OPTIONS(.label_columns = no_labels));
	assert_int_equal(f.s.nlabels, 0);
	assert_false(f.s.label_classes);
	assert_null(f.s.floats);
	assert_int_equal(f.s.nothers, 1);
	fixture_fini(&f);
}

static void source_a_file_of_one_column_is_one(void **state)
{
	(void)state;
	struct fixture f = read_source(SPAN("text\nhello\n\"\"\nworld"), OPTIONS(.label_columns = no_labels));
	assert_int_equal(f.s.nrows, 2);
	assert_int_equal(f.s.lines[1], 4);
	fixture_fini(&f);
	f = read_source(SPAN("a;text\nhello\n"),
			OPTIONS(.label_columns = no_labels, .delimiter_given = true, .text_column = "a;text"));
	assert_span(f.s.texts[0], "hello");
	fixture_fini(&f);
}

// ---- labels ----

static void assert_floats(const char *data, struct hs_source_options o, const float *want, size_t n)
{
	struct fixture f = read_source((struct hs_span){data, strlen(data)}, o);
	assert_false(f.s.label_classes);
	assert_int_equal(f.s.nrows * f.s.nlabels, n);
	assert_int_equal(f.s.labels[0].nvalues, 0);
	for (size_t i = 0; i < n; i++)
		assert_true(f.s.floats[i] == want[i]);
	fixture_fini(&f);
}

static void labels_of_zero_and_one_are_told_by_value(void **state)
{
	(void)state;
	static const float want[] = {1, 0};
	static const char *const sources[] = {
		"text,label\na,1\nb,0\n",       "text,label\na,1.0\nb,0\n",  "text,label\na,True\nb,FALSE\n",
		"text,label\na, 01\nb,0\nc,\n", "text,label\na,True\nb,0\n", "text,label\na,\"1\"\nb,\"0\"\n",
	};
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		assert_floats(sources[i], OPTIONS(.na_given = true), want, 2);
}

static void assert_classes(const char *data, struct hs_source_options o, const uint32_t *ids, const char *const *values)
{
	struct fixture f = read_source((struct hs_span){data, strlen(data)}, o);
	assert_true(f.s.label_classes);
	assert_null(f.s.floats);
	for (size_t i = 0; i < f.s.nrows; i++)
		assert_int_equal(f.s.classes[i], ids[i]);
	size_t n = 0;
	for (; values[n]; n++)
		assert_span(f.s.labels[0].values[n], values[n]);
	assert_int_equal(f.s.labels[0].nvalues, n);
	fixture_fini(&f);
}

static void labels_of_other_values_are_classes_sorted_by_value(void **state)
{
	(void)state;
	struct hs_source_options o = OPTIONS(.na_given = true);
	assert_classes("text,label\na,10\nb,9\nc,-1\nd,9\n", o, (uint32_t[]){2, 1, 0, 1},
		       (const char *[]){"-1", "9", "10", NULL});
	assert_classes("text,label\na,10\nb,9\nc,x\n", o, (uint32_t[]){0, 1, 2},
		       (const char *[]){"10", "9", "x", NULL});
	assert_classes("text,label\na,2\nb,\nc,10\n", o, (uint32_t[]){0, 1}, (const char *[]){"2.0", "10.0", NULL});
	assert_classes("text,label\na,\u0996\nb,z\nc,Z\n", o, (uint32_t[]){2, 1, 0},
		       (const char *[]){"Z", "z", "\u0996", NULL});
	assert_classes(
		"text,label\na,99999999999999999999\nb,99999999999999999998\nc,-99999999999999999999\nd,5\n", o,
		(uint32_t[]){3, 2, 0, 1},
		(const char *[]){"-99999999999999999999", "5", "99999999999999999998", "99999999999999999999", NULL});
	assert_classes("text,label\na,-0.0\nb,0.0\nc,2.5\n", o, (uint32_t[]){0, 0, 1},
		       (const char *[]){"-0.0", "2.5", NULL});
}

static void labels_can_be_forced_to_be_classes_or_floats(void **state)
{
	(void)state;
	assert_classes("text,label\na,1\nb,0\n", OPTIONS(.label_type = HS_LABEL_CLASS), (uint32_t[]){1, 0},
		       (const char *[]){"0", "1", NULL});
	static const float want[] = {2.5f, -1, 0.1f};
	assert_floats("text,label\na,2.5\nb,-1\nc,.1\n", OPTIONS(.label_type = HS_LABEL_FLOAT), want, 3);
}

static void labels_positive_is_one_and_every_other_zero(void **state)
{
	(void)state;
	static const float want[] = {0, 1, 0};
	assert_floats("text,label\na,no\nb,hate\nc,maybe\n", OPTIONS(.positive = "hate"), want, 3);
	assert_floats("text,label\na,1.5\nb,2.0\nc,0\n", OPTIONS(.positive = "2"), want, 3);
	assert_floats("text,label\na,0\nb,1\nc,0\n", OPTIONS(.positive = "True"), want, 3);
}

static void labels_of_several_columns_are_rows_of_floats(void **state)
{
	(void)state;
	static const char *const two[] = {"b", "a"};
	static const float want[] = {2, 1, 0.5f, 0};
	assert_floats("a,b,text\n1,2,x\n0,0.5,y\n", OPTIONS(.label_columns = two, .nlabel_columns = 2), want, 4);
}

static void labels_of_many_values_are_found_as_well_as_few(void **state)
{
	(void)state;
	struct hs_buf b = {0};
	assert_int_equal(hs_buf_printf(&b, "text,label\n"), 0);
	for (int i = 0; i < 500; i++)
		assert_int_equal(hs_buf_printf(&b, "t,%d\n", (i * 37) % 250 + 2), 0);
	struct fixture f = read_source((struct hs_span){(const char *)b.data, b.len}, OPTIONS(.na = HS_NA_PANDAS));
	assert_int_equal(f.s.labels[0].nvalues, 250);
	for (int i = 0; i < 500; i++)
		assert_int_equal(f.s.classes[i], (i * 37) % 250);
	fixture_fini(&f);
	hs_buf_fini(&b);
}

// ---- cleaning ----

static void clean_parse_takes_names_and_a_removal_that_takes_the_rest(void **state)
{
	(void)state;
	struct hs_clean_step *steps = NULL;
	size_t n = 0;
	struct hs_err err = {0};
	assert_int_equal(hs_clean_parse("data.py,latin,remove:a,b", &steps, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(steps[0].kind, HS_CLEAN_URLS);
	assert_int_equal(steps[1].kind, HS_CLEAN_WHITESPACE);
	assert_int_equal(steps[2].kind, HS_CLEAN_LATIN);
	assert_span(steps[3].text, "a,b");
	assert_int_equal(hs_clean_parse("urls", &steps, &n, &err), 0);
	assert_int_equal(n, 5);
	assert_int_equal(hs_clean_parse("urls,lower", &steps, &n, &err), HSFEED_EBADREQUEST);
	assert_int_equal(n, 5);
	assert_string_equal(err.message, "clean: there is no step \"lower\"");
	assert_string_equal(err.hint,
			    "the steps are urls, whitespace, latin, data.py (urls,whitespace) and remove:TEXT");
	assert_int_equal(hs_clean_parse("remove:", &steps, &n, &err), HSFEED_EBADREQUEST);
	assert_string_equal(err.message, "clean: remove: needs the text to remove behind it");
	assert_int_equal(hs_clean_parse("remove:\xA6", &steps, &n, &err), HSFEED_EBADREQUEST);
	assert_string_equal(err.message, "clean: the text to remove is not UTF-8");
	assert_int_equal(hs_clean_parse("", &steps, &n, &err), HSFEED_EBADREQUEST);
	assert_int_equal(hs_clean_parse("urls,", &steps, &n, &err), HSFEED_EBADREQUEST);
	assert_int_equal(n, 5);
	free(steps);
}

static void clean_text_copies_only_what_changes_inside(void **state)
{
	(void)state;
	static const struct hs_clean_step steps[] = {{HS_CLEAN_URLS, {NULL, 0}}, {HS_CLEAN_WHITESPACE, {NULL, 0}}};
	char room[32];
	struct hs_span text = SPAN("  a b\t");
	struct hs_span cleaned = hs_clean_text(steps, 2, text, room);
	assert_ptr_equal(cleaned.ptr, text.ptr + 2);
	assert_int_equal(cleaned.len, 3);
	cleaned = hs_clean_text(steps, 2, SPAN(" a\u00a0 http://x  b"), room);
	assert_span(cleaned, "a b");
	assert_true(cleaned.ptr >= room && cleaned.ptr < room + sizeof(room));
}

// ---- scans ----

static void scan_utf8_agrees_with_the_plain_check_at_every_place(void **state)
{
	(void)state;
	static const char *const bad[] = {"\xC0\x80",
					  "\xC1\xBF",
					  "\xE0\x9F\xBF",
					  "\xED\xA0\x80",
					  "\xF0\x8F\xBF\xBF",
					  "\xF4\x90\x80\x80",
					  "\xF5\x80\x80\x80",
					  "\x80",
					  "\xE0\xA6",
					  "\xF0\x9F\x98",
					  "\xC3",
					  "\xFF",
					  "\xE0\xA6\x95\x95"};
	static const char *const good[] = {"\xC2\x80",         "\xDF\xBF",         "\xE0\xA0\x80",
					   "\xED\x9F\xBF",     "\xEE\x80\x80",     "\xEF\xBF\xBF",
					   "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xE0\xA6\x95\xE0\xA6\xBE"};
	char text[96];
	for (size_t at = 0; at < 90; at++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			memset(text, 'x', sizeof(text));
			size_t len = strlen(bad[i]), end = at + len < sizeof(text) ? sizeof(text) : at + len;
			if (at + len > sizeof(text))
				continue;
			memcpy(text + at, bad[i], len);
			assert_int_equal(hs_scan_utf8(text, end), at + (i == 12 ? 3 : 0));
			assert_true(hs_scan_utf8(text, at + len) < at + len); // also at the very end
		}
		for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
			memset(text, 'x', sizeof(text));
			size_t len = strlen(good[i]);
			if (at + len > sizeof(text))
				continue;
			memcpy(text + at, good[i], len);
			assert_int_equal(hs_scan_utf8(text, sizeof(text)), sizeof(text));
			assert_true(hs_scan_utf8(text, at + len - 1) <= at + len - 1);
		}
	}
}

static void scan_utf8_agrees_with_the_plain_check_on_noise(void **state)
{
	(void)state;
	static const unsigned char bytes[] = {'x',  0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2,
					      0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4, 0xF5};
	uint32_t random = 1;
	for (int round = 0; round < 200000; round++) {
		char text[80];
		memset(text, 'x', sizeof(text));
		for (size_t i = 20; i < 26; i++) {
			random = random * 1664525u + 1013904223u;
			text[i + (size_t)round % 50] = (char)bytes[(random >> 16) % sizeof(bytes)];
		}
		size_t want = sizeof(text);
		const unsigned char *u = (const unsigned char *)text;
		for (size_t i = 0;
		     i < sizeof(text);) { // straight from the table of well-formed sequences (Unicode 3-7)
			size_t n = u[i] < 0x80                   ? 1
				   : u[i] >= 0xC2 && u[i] < 0xE0 ? 2
				   : u[i] >= 0xE0 && u[i] < 0xF0 ? 3
				   : u[i] >= 0xF0 && u[i] < 0xF5 ? 4
								 : 0;
			bool ok = n > 0 && i + n <= sizeof(text);
			for (size_t k = 1; ok && k < n; k++)
				ok = u[i + k] >= 0x80 && u[i + k] < 0xC0;
			if (ok && n > 1)
				ok = !((u[i] == 0xE0 && u[i + 1] < 0xA0) || (u[i] == 0xED && u[i + 1] > 0x9F) ||
				       (u[i] == 0xF0 && u[i + 1] < 0x90) || (u[i] == 0xF4 && u[i + 1] > 0x8F));
			if (!ok) {
				want = i;
				break;
			}
			i += n;
		}
		assert_int_equal(hs_scan_utf8(text, sizeof(text)), want);
	}
}

static void types_pieces_are_as_long_as_pandas_pieces(void **state)
{
	(void)state;
	static const size_t want[][2] = {{1, 524288}, {2, 262144}, {3, 262144}, {4, 131072},
					 {7, 131072}, {30, 32768}, {2000000, 1}};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(hs_types_piece_rows(want[i][0]), want[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_lines_are_the_editors),
		cmocka_unit_test(source_counts_dropped_rows_by_reason_with_their_lines),
		cmocka_unit_test(source_keeps_twenty_lines_of_a_reason_and_counts_on),
		cmocka_unit_test(source_one_percent_of_word_rows_is_still_dropped_silently),
		cmocka_unit_test(source_finds_the_delimiter_of_the_first_line),
		cmocka_unit_test(source_without_a_header_names_its_columns_by_number),
		cmocka_unit_test(source_converts_other_charsets),
		cmocka_unit_test(source_empty_texts_are_kept_and_counted_or_dropped),
		cmocka_unit_test(source_without_labels_has_none),
		cmocka_unit_test(source_a_file_of_one_column_is_one),
		cmocka_unit_test(labels_of_zero_and_one_are_told_by_value),
		cmocka_unit_test(labels_of_other_values_are_classes_sorted_by_value),
		cmocka_unit_test(labels_can_be_forced_to_be_classes_or_floats),
		cmocka_unit_test(labels_positive_is_one_and_every_other_zero),
		cmocka_unit_test(labels_of_several_columns_are_rows_of_floats),
		cmocka_unit_test(labels_of_many_values_are_found_as_well_as_few),
		cmocka_unit_test(clean_parse_takes_names_and_a_removal_that_takes_the_rest),
		cmocka_unit_test(clean_text_copies_only_what_changes_inside),
		cmocka_unit_test(scan_utf8_agrees_with_the_plain_check_at_every_place),
		cmocka_unit_test(scan_utf8_agrees_with_the_plain_check_on_noise),
		cmocka_unit_test(types_pieces_are_as_long_as_pandas_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
