// SPDX-License-Identifier: Apache-2.0
// Whole ingests: what is written, reported and known again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ingest_fixture.h"

// ---- ingest ----

static void an_ingest_writes_a_version_with_texts_labels_lines_and_cells(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .labels = "Label"};
	struct pn_answer a = ix_ingest(&s);
	struct hs_buf scratch = {.len = 0};
	struct hs_span text;
	(void)state;
	ix_expect_done(&a);
	struct hs_file *file = ix_open_made(ix_version_of(&a));
	struct hs_version *v = ix_open_version(file);
	assert_int_equal(v->nrows, 5);
	assert_int_equal(pn_uint(ix_version_of(&a), "rows"), 5);
	assert_int_equal(v->label_type, HS_LABELS_FLOAT);
	assert_int_equal(v->lines[0][2], 4);
	assert_int_equal(v->lines[0][4], 8);
	assert_true(((const float *)v->labels[0])[2] == 1.0f && ((const float *)v->labels[0])[4] == 0.0f);
	assert_int_equal(hs_version_text(v, 2, &scratch, &text), 0);
	assert_true(hs_span_is(text, "the river\nis long"));
	assert_int_equal(hs_version_cell(v, 0, 4, &text), 0);
	assert_true(hs_span_is(text, "f"));
	hs_version_close(v);
	hs_file_close(file);
	pn_fini(&a);
	hs_buf_fini(&scratch);
}

static void an_ingest_writes_ids_without_special_tokens(void **state)
{
	static const uint32_t first[] = {5, 7, 8, 9}, last[] = {5, 16, 18, 17};
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .labels = "Label"};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_done(&a);
	struct hs_file *file = ix_open_made(ix_encoding_of(&a, 0));
	struct hs_encoding *e = ix_open_encoding(file);
	struct hs_id version = ix_id_of(ix_version_of(&a));
	assert_true(hs_id_eq(&e->version, &version));
	assert_int_equal(e->tokens_total, 20);
	assert_int_equal(e->nprefix, 1);
	assert_int_equal(e->cls_id, 2);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(ix_id_at(e, 0, i), first[i]);
		assert_int_equal(ix_id_at(e, 4, i), last[i]);
	}
	hs_encoding_close(e);
	hs_file_close(file);
	pn_fini(&a);
}

static void the_report_counts_what_was_dropped_and_what_repeats(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .labels = "Label"};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_done(&a);
	struct hs_file *file = ix_open_made(ix_version_of(&a));
	struct hs_rbuf report = pn_get(ix_header_of(file), "report"), duplicates = pn_get(report, "duplicates");
	struct hs_rbuf dropped = pn_get(report, "dropped"), label = pn_item(pn_get(ix_header_of(file), "labels"), 0);
	assert_int_equal(pn_uint(report, "rows_read"), 6);
	assert_int_equal(pn_uint(report, "rows"), 5);
	assert_int_equal(pn_count(dropped), 1);
	assert_true(hs_span_is(pn_text(pn_item(dropped, 0), "reason"), "missing_label"));
	assert_int_equal(pn_uint(pn_item(dropped, 0), "rows"), 1);
	assert_int_equal(pn_item(pn_get(pn_item(dropped, 0), "lines"), 0).p[0], 7);
	assert_int_equal(pn_uint(duplicates, "rows"), 1);
	assert_int_equal(pn_uint(duplicates, "conflicting_rows"), 2);
	struct hs_rbuf columns = pn_get(ix_header_of(file), "columns"), cells = pn_get(ix_header_of(file), "cells");
	assert_int_equal(pn_count(columns), 3);
	assert_memory_equal(pn_item(columns, 1).p, "\xA5Label", 6);
	assert_int_equal(pn_count(cells), 1);
	assert_memory_equal(pn_item(cells, 0).p, "\xA2id", 3);
	struct hs_rbuf pair = pn_item(pn_get(duplicates, "lines"), 0);
	assert_int_equal(pn_item(pair, 0).p[0], 2);
	assert_int_equal(pn_item(pair, 1).p[0], 6);
	assert_true(hs_span_is(pn_text(label, "name"), "Label"));
	assert_int_equal(pn_item(pn_get(label, "counts"), 0).p[0], 3);
	assert_int_equal(pn_item(pn_get(label, "counts"), 1).p[0], 2);
	assert_int_equal(pn_uint(label, "missing"), 1);
	hs_file_close(file);
	pn_fini(&a);
}

static void unknown_tokens_and_long_rows_are_counted(void **state)
{
	char text[4096] = "Text\nquartz and the\n";
	for (int i = 0; i < 127; i++) // with [CLS] and [SEP]: 129
		strcat(text, "river ");
	strcat(text, "\n");
	for (int i = 0; i < 126; i++)
		strcat(text, "bird ");
	struct ix_spec s = {.path = ix_source("long.csv", text)};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_done(&a);
	struct hs_file *file = ix_open_made(ix_encoding_of(&a, 0));
	struct hs_rbuf header = ix_header_of(file), over = pn_get(header, "over");
	assert_int_equal(pn_uint(header, "unknown"), 2);
	assert_int_equal(pn_uint(header, "tokens"), 3 + 127 + 126);
	assert_int_equal(pn_uint(header, "max_tokens"), 127);
	assert_int_equal(pn_item(pn_item(over, 0), 1).p[0], 1);
	assert_int_equal(pn_item(pn_item(over, 1), 1).p[0], 0);
	hs_file_close(file);
	pn_fini(&a);
}

static void string_labels_become_classes_with_their_counts(void **state)
{
	struct ix_spec s = {.path = ix_long_source(50), .labels = "Kind"};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_done(&a);
	struct hs_file *file = ix_open_made(ix_version_of(&a));
	struct hs_version *v = ix_open_version(file);
	struct hs_rbuf label = pn_item(pn_get(ix_header_of(file), "labels"), 0), values = pn_get(label, "values");
	assert_int_equal(v->label_type, HS_LABELS_CLASS);
	assert_true(hs_span_is(pn_text(label, "type"), "class"));
	assert_memory_equal(pn_item(values, 0).p, "\xA3odd", 4);
	assert_memory_equal(pn_item(values, 1).p, "\xA5plain", 6);
	assert_int_equal(pn_item(pn_get(label, "counts"), 0).p[0], 10);
	assert_int_equal(pn_item(pn_get(label, "counts"), 1).p[0], 40);
	assert_int_equal(((const uint32_t *)v->labels[0])[0], 0);
	assert_int_equal(((const uint32_t *)v->labels[0])[1], 1);
	hs_version_close(v);
	hs_file_close(file);
	pn_fini(&a);
}

static void the_ids_do_not_depend_on_the_number_of_threads(void **state)
{
	struct ix_spec s = {.path = ix_long_source(20000), .labels = "Kind", .threads = 1};
	struct pn_answer one = ix_ingest(&s);
	(void)state;
	ix_expect_done(&one);
	struct hs_file *first = ix_open_made(ix_encoding_of(&one, 0));
	hs_ingest_sweep(ix_tmp, "t"); // the open file stays readable
	s.threads = 7;
	struct pn_answer seven = ix_ingest(&s);
	ix_expect_done(&seven);
	struct hs_file *second = ix_open_made(ix_encoding_of(&seven, 0));
	struct hs_encoding *a = ix_open_encoding(first), *b = ix_open_encoding(second);
	assert_int_equal(a->ngroups, 3);
	assert_int_equal(a->tokens_total, b->tokens_total);
	for (size_t g = 0; g < 3; g++) {
		size_t n = g < 2 ? HS_GROUP_ROWS : 20000 - 2 * HS_GROUP_ROWS;
		assert_memory_equal(a->offsets[g], b->offsets[g], (n + 1) * 4);
		assert_memory_equal(a->tokens[g], b->tokens[g], a->offsets[g][n] * a->width / 8);
	}
	hs_encoding_close(a);
	hs_encoding_close(b);
	hs_file_close(first);
	hs_file_close(second);
	pn_fini(&one);
	pn_fini(&seven);
}

static void progress_is_told_but_not_for_every_row(void **state)
{
	struct ix_spec s = {.path = ix_long_source(20000)};
	struct timespec from, to;
	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	struct pn_answer a = ix_ingest(&s);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ix_expect_done(&a);
	// read, parse, tokenize, write: their beginnings and ends, and ten of each a second at most
	double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	assert_in_range(a.nprogress, 5, 20 + (unsigned)(40 * seconds));
	pn_fini(&a);
}

#define DECOMPOSED                                                                                                     \
	"e\xCC\x81t"                                                                                                   \
	"e\xCC\x81" // "ete" with acute accents of their own

static void nfc_is_advised_where_it_halves_the_unknown_tokens(void **state)
{
	struct ix_spec raw = {.path = ix_source("nfd.csv", "Text\nthe " DECOMPOSED "\nthe river\n")};
	struct ix_spec nfc = {.path = raw.path, .normalize = "nfc"};
	struct pn_answer a = ix_ingest(&raw);
	(void)state;
	ix_expect_done(&a);
	struct hs_file *file = ix_open_made(ix_encoding_of(&a, 0));
	struct hs_rbuf advice = pn_get(ix_header_of(file), "advice");
	assert_true(hs_span_is(pn_text(advice, "normalize"), "nfc"));
	assert_true(pn_f64(advice, "unknown_share") == 0.25);
	assert_true(pn_f64(advice, "with") == 0.0);
	assert_int_equal(pn_uint(advice, "sampled_rows"), 2);
	hs_file_close(file);
	hs_ingest_sweep(ix_tmp, "t");
	struct pn_answer b = ix_ingest(&nfc);
	ix_expect_done(&b);
	file = ix_open_made(ix_encoding_of(&b, 0));
	assert_false(hs_r_find(ix_header_of(file), "advice", &advice));
	assert_int_equal(pn_uint(ix_header_of(file), "unknown"), 0);
	hs_file_close(file);
	pn_fini(&a);
	pn_fini(&b);
}

static void nfc_is_not_advised_for_words_it_does_not_help(void **state)
{
	struct ix_spec s = {.path = ix_source("q.csv", "Text\nquartz " DECOMPOSED " feldspar granite\n")};
	struct pn_answer a = ix_ingest(&s);
	struct hs_rbuf advice;
	(void)state;
	ix_expect_done(&a);
	struct hs_file *file = ix_open_made(ix_encoding_of(&a, 0));
	assert_int_equal(pn_uint(ix_header_of(file), "unknown"), 4);
	assert_false(hs_r_find(ix_header_of(file), "advice", &advice));
	hs_file_close(file);
	pn_fini(&a);
}

// ---- identity ----

struct ids {
	struct hs_id version, encoding;
};

static struct ids ids_of(const struct ix_spec *s)
{
	struct pn_answer a = ix_ingest(s);
	ix_expect_done(&a);
	struct ids ids = {.version = ix_id_of(ix_version_of(&a)), .encoding = ix_id_of(ix_encoding_of(&a, 0))};
	pn_fini(&a);
	hs_ingest_sweep(ix_tmp, "t");
	return ids;
}

static bool same(const struct ids *a, const struct ids *b)
{
	assert_int_equal(hs_id_eq(&a->version, &b->version), hs_id_eq(&a->encoding, &b->encoding));
	return hs_id_eq(&a->version, &b->version);
}

static void what_is_given_and_what_is_guessed_alike_are_one_version(void **state)
{
	static const char *const given[][2] = {{"text_column", "Text"}, {"delimiter", "comma"},  {"charset", "UTF8"},
					       {"na", "pandas"},        {"label_type", "float"}, {NULL, NULL}};
	struct ix_spec plain = {.path = ix_source("a.csv", ix_six_rows), .labels = "Label"}, worded = plain;
	worded.options = given;
	worded.file_name = "another name.csv";
	(void)state;
	struct ids a = ids_of(&plain), b = ids_of(&worded);
	assert_true(same(&a, &b));
}

static void another_option_or_another_byte_is_another_version(void **state)
{
	static const char *const empty[][2] = {{"na", "empty"}, {NULL, NULL}};
	struct ix_spec plain = {.path = ix_source("a.csv", ix_six_rows), .labels = "Label"}, other = plain,
		       unlabelled = plain;
	other.options = empty;
	unlabelled.labels = NULL;
	(void)state;
	struct ids a = ids_of(&plain), b = ids_of(&other), c = ids_of(&unlabelled);
	struct ix_spec bytes = {.path = ix_source("b.csv", "Text,Label\nthe river,1\n"), .labels = "Label"};
	struct ids d = ids_of(&bytes);
	assert_false(same(&a, &b));
	assert_false(same(&a, &c));
	assert_false(same(&a, &d));
}

static void another_normalisation_is_another_encoding_of_the_same_version(void **state)
{
	struct ix_spec raw = {.path = ix_source("a.csv", ix_six_rows)}, nfc = raw;
	nfc.normalize = "nfc";
	(void)state;
	struct ids a = ids_of(&raw), b = ids_of(&nfc);
	assert_true(hs_id_eq(&a.version, &b.version));
	assert_false(hs_id_eq(&a.encoding, &b.encoding));
}

static void what_is_known_is_not_written_again(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows)};
	struct pn_answer a = {.known_version = true, .known_encodings = true}, b = {.known_version = true};
	struct pn_job job = ix_ingest_job(&s);
	struct hs_rbuf path;
	(void)state;
	pn_run(&a, &job);
	ix_expect_done(&a);
	assert_int_equal(a.nknown, 1);
	assert_true(pn_bool(ix_version_of(&a), "known") && pn_bool(ix_encoding_of(&a, 0), "known"));
	assert_false(hs_r_find(ix_version_of(&a), "path", &path));
	assert_int_equal(ix_files_in(ix_tmp), 0);
	job = ix_ingest_job(&s);
	pn_run(&b, &job);
	ix_expect_done(&b);
	assert_true(pn_bool(ix_version_of(&b), "known"));
	assert_false(pn_bool(ix_encoding_of(&b, 0), "known"));
	assert_int_equal(ix_files_in(ix_tmp), 2); // the encoding and its checksums
	hs_file_close(ix_open_made(ix_encoding_of(&b, 0)));
	pn_fini(&a);
	pn_fini(&b);
}

static void two_roles_with_one_tokenizer_share_one_file(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .roles = {"teacher", "student", NULL}};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_done(&a);
	struct hs_id first = ix_id_of(ix_encoding_of(&a, 0)), second = ix_id_of(ix_encoding_of(&a, 1));
	assert_true(hs_id_eq(&first, &second));
	assert_false(pn_bool(ix_encoding_of(&a, 0), "known"));
	assert_true(pn_bool(ix_encoding_of(&a, 1), "known"));
	assert_true(hs_span_is(pn_text(ix_encoding_of(&a, 1), "role"), "student"));
	assert_int_equal(ix_files_in(ix_tmp), 4);
	pn_fini(&a);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], HS_INGEST_ARG) == 0)
		return hs_ingest_child_main(atoi(argv[2]));
#define TEST(name) cmocka_unit_test_setup(name, ix_empty_tmp)
	const struct CMUnitTest tests[] = {
		TEST(an_ingest_writes_a_version_with_texts_labels_lines_and_cells),
		TEST(an_ingest_writes_ids_without_special_tokens),
		TEST(the_report_counts_what_was_dropped_and_what_repeats),
		TEST(unknown_tokens_and_long_rows_are_counted),
		TEST(string_labels_become_classes_with_their_counts),
		TEST(the_ids_do_not_depend_on_the_number_of_threads),
		TEST(progress_is_told_but_not_for_every_row),
		TEST(nfc_is_advised_where_it_halves_the_unknown_tokens),
		TEST(nfc_is_not_advised_for_words_it_does_not_help),
		TEST(what_is_given_and_what_is_guessed_alike_are_one_version),
		TEST(another_option_or_another_byte_is_another_version),
		TEST(another_normalisation_is_another_encoding_of_the_same_version),
		TEST(what_is_known_is_not_written_again),
		TEST(two_roles_with_one_tokenizer_share_one_file),
	};
	return cmocka_run_group_tests(tests, ix_make_folders, ix_remove_folders);
}
