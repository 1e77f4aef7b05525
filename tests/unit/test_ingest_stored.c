// SPDX-License-Identifier: Apache-2.0
// What a child does with files that are stored already: add, why, verify.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest_fixture.h"

// ---- add, why, verify ----

static void add_makes_what_the_ingest_would_have_made(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .labels = "Label"};
	struct pn_answer whole = ix_ingest(&s), added = {.known_version = true};
	struct pn_job job;
	(void)state;
	ix_expect_done(&whole);
	char *version = strdup(ix_path_of(ix_version_of(&whole)));
	struct hs_file *first = ix_open_made(ix_encoding_of(&whole, 0));
	pn_begin(&job, "add");
	pn_str(&job, "tmp", ix_tmp);
	pn_str(&job, "prefix", "t-more");
	pn_str(&job, "name", "birds");
	hs_w_uint(pn_key(&job, "owner"), 1000);
	pn_str(&job, "version_path", version);
	ix_put_tokenizers(&job, &s);
	pn_run(&added, &job);
	ix_expect_done(&added);
	struct hs_file *second = ix_open_made(ix_encoding_of(&added, 0));
	struct hs_encoding *a = ix_open_encoding(first), *b = ix_open_encoding(second);
	assert_true(hs_id_eq(hs_file_get_id(first), hs_file_get_id(second)));
	assert_int_equal(a->tokens_total, b->tokens_total);
	assert_memory_equal(a->tokens[0], b->tokens[0], a->tokens_total * a->width / 8);
	assert_true(pn_bool(ix_version_of(&added), "known"));
	hs_encoding_close(a);
	hs_encoding_close(b);
	hs_file_close(first);
	hs_file_close(second);
	free(version);
	pn_fini(&whole);
	pn_fini(&added);
}

static struct pn_answer why(const struct ix_spec *s, const char *version, const char *encoding)
{
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	pn_begin(&job, "why");
	pn_str(&job, "file_name", "birds.csv");
	hs_w_uint(pn_key(&job, "source"), pn_attach(&job, s->path));
	ix_put_options(&job, s);
	ix_put_tokenizers(&job, s);
	pn_str(&job, "version_path", version);
	hs_w_array(pn_key(&job, "encodings"), 1);
	hs_w_map(&job.w, 2);
	hs_w_cstr(&job.w, "role");
	hs_w_cstr(&job.w, "text");
	hs_w_cstr(&job.w, "path");
	hs_w_cstr(&job.w, encoding);
	pn_run(&a, &job);
	ix_expect_done(&a);
	assert_int_equal(a.nknown, 0);
	return a;
}

static void why_names_the_option_that_changed(void **state)
{
	static const char *const empty[][2] = {{"na", "empty"}, {NULL, NULL}};
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows)}, changed = s;
	struct pn_answer made = ix_ingest(&s);
	(void)state;
	ix_expect_done(&made);
	char *version = strdup(ix_path_of(ix_version_of(&made))),
	     *encoding = strdup(ix_path_of(ix_encoding_of(&made, 0)));
	struct pn_answer same_again = why(&s, version, encoding);
	assert_int_equal(pn_count(pn_get(same_again.result, "changes")), 0);
	assert_int_equal(pn_count(pn_get(pn_item(pn_get(same_again.result, "roles"), 0), "changes")), 0);
	struct hs_span now = pn_text(same_again.result, "version"), stored = pn_text(same_again.result, "current");
	assert_true(hs_span_eq(now, stored));
	changed.options = empty;
	changed.normalize = "nfc";
	struct pn_answer other = why(&changed, version, encoding);
	struct hs_rbuf changes = pn_get(other.result, "changes");
	struct hs_rbuf role = pn_get(pn_item(pn_get(other.result, "roles"), 0), "changes");
	assert_int_equal(pn_count(changes), 1);
	assert_true(hs_span_is(pn_text(pn_item(changes, 0), "what"), "na"));
	assert_true(hs_span_is(pn_text(pn_item(changes, 0), "stored"), "pandas"));
	assert_true(hs_span_is(pn_text(pn_item(changes, 0), "given"), "empty"));
	assert_int_equal(pn_count(role), 2);
	assert_true(hs_span_is(pn_text(pn_item(role, 0), "what"), "version"));
	assert_true(hs_span_is(pn_text(pn_item(role, 1), "what"), "normalize"));
	free(version);
	free(encoding);
	pn_fini(&made);
	pn_fini(&same_again);
	pn_fini(&other);
}

static void why_of_nothing_stored_tells_the_ids_alone(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows)};
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	struct hs_rbuf current;
	(void)state;
	pn_begin(&job, "why");
	pn_str(&job, "file_name", "birds.csv");
	hs_w_uint(pn_key(&job, "source"), pn_attach(&job, s.path));
	ix_put_tokenizers(&job, &s);
	pn_run(&a, &job);
	ix_expect_done(&a);
	assert_int_equal(pn_text(a.result, "version").len, 32);
	assert_false(hs_r_find(a.result, "current", &current));
	assert_int_equal(pn_count(pn_get(a.result, "changes")), 0);
	assert_int_equal(pn_text(pn_item(pn_get(a.result, "roles"), 0), "id").len, 32);
	assert_int_equal(ix_files_in(ix_tmp), 0);
	pn_fini(&a);
}

static void flip(const char *path)
{
	char byte;
	int fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, 9000), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, 9000), 1);
	close(fd);
}

static void put_item(struct pn_job *job, const char *path, enum hs_file_kind kind, const struct hs_id *id)
{
	hs_w_map(&job->w, 3);
	hs_w_cstr(&job->w, "path");
	hs_w_cstr(&job->w, path);
	hs_w_cstr(&job->w, "kind");
	hs_w_uint(&job->w, (uint64_t)kind);
	hs_w_cstr(&job->w, "id");
	hs_w_bin(&job->w, id->bytes, sizeof(id->bytes));
}

static void verify_finds_a_flipped_bit_and_a_file_that_took_anothers_place(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows)};
	struct pn_answer made = ix_ingest(&s), a = {.pid = 0};
	struct pn_job job;
	(void)state;
	ix_expect_done(&made);
	struct hs_id version = ix_id_of(ix_version_of(&made)), encoding = ix_id_of(ix_encoding_of(&made, 0));
	char *version_path = strdup(ix_path_of(ix_version_of(&made))),
	     *encoding_path = strdup(ix_path_of(ix_encoding_of(&made, 0)));
	flip(encoding_path);
	pn_begin(&job, "verify");
	hs_w_array(pn_key(&job, "items"), 4);
	put_item(&job, version_path, HS_FILE_VERSION, &version);
	put_item(&job, encoding_path, HS_FILE_ENCODING, &encoding);
	put_item(&job, version_path, HS_FILE_VERSION, &encoding);
	put_item(&job, "/nowhere/x.mdb", HS_FILE_VERSION, &version);
	pn_run(&a, &job);
	ix_expect_done(&a);
	struct hs_rbuf results = pn_get(a.result, "results");
	assert_int_equal(pn_count(results), 4);
	assert_int_equal(pn_item(results, 0).p[0], 0xC0); // nil
	assert_true(hs_span_is(pn_text(pn_item(results, 1), "code"), "corrupt"));
	assert_true(hs_span_is(pn_text(pn_item(results, 2), "code"), "corrupt"));
	assert_true(pn_text(pn_item(results, 3), "message").len > 0);
	assert_true(a.nprogress > 0);
	free(version_path);
	free(encoding_path);
	pn_fini(&made);
	pn_fini(&a);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], HS_INGEST_ARG) == 0)
		return hs_ingest_child_main(atoi(argv[2]));
#define TEST(name) cmocka_unit_test_setup(name, ix_empty_tmp)
	const struct CMUnitTest tests[] = {
		TEST(add_makes_what_the_ingest_would_have_made),
		TEST(why_names_the_option_that_changed),
		TEST(why_of_nothing_stored_tells_the_ids_alone),
		TEST(verify_finds_a_flipped_bit_and_a_file_that_took_anothers_place),
	};
	return cmocka_run_group_tests(tests, ix_make_folders, ix_remove_folders);
}
