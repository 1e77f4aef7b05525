// SPDX-License-Identifier: Apache-2.0
// What a child refuses, and what it leaves behind when it or its parent ends: nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ingest_fixture.h"

// ---- refusals ----

static void a_bad_source_is_refused_with_its_line_and_leaves_nothing(void **state)
{
	struct ix_spec s = {.path = ix_source("bad.csv", "Text,Label\nthe river,1\n\"the bird,0\n"),
			    .labels = "Label",
			    .file_name = "bad.csv"};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_refused(&a, HSFEED_EBADCSV, "bad.csv: line 3");
	pn_fini(&a);
}

static void a_missing_label_column_is_refused_by_name(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .labels = "Nothing"};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_refused(&a, HSFEED_EBADCOLUMN, "Nothing");
	pn_fini(&a);
}

static void options_that_are_not_understood_are_refused_by_name(void **state)
{
	static const char *const unknown[][2] = {{"colour", "red"}, {NULL, NULL}};
	static const char *const wrong[][2] = {{"na", "maybe"}, {NULL, NULL}};
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .options = unknown};
	struct pn_answer a = ix_ingest(&s);
	(void)state;
	ix_expect_refused(&a, HSFEED_EBADREQUEST, "colour");
	s.options = wrong;
	struct pn_answer b = ix_ingest(&s);
	ix_expect_refused(&b, HSFEED_EBADREQUEST, "na cannot be \"maybe\"");
	pn_fini(&a);
	pn_fini(&b);
}

static void a_bad_tokenizer_is_refused_after_the_source_was_fine(void **state)
{
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	(void)state;
	const char *path = ix_source("a.csv", ix_six_rows);
	pn_begin(&job, "ingest");
	ix_put_place(&job, "birds");
	pn_str(&job, "file_name", "a.csv");
	hs_w_uint(pn_key(&job, "source"), pn_attach(&job, path));
	hs_w_array(pn_key(&job, "tokenizers"), 1);
	hs_w_map(&job.w, 3);
	hs_w_cstr(&job.w, "role");
	hs_w_cstr(&job.w, "text");
	hs_w_cstr(&job.w, "name");
	hs_w_cstr(&job.w, "a folder");
	hs_w_cstr(&job.w, "files");
	hs_w_map(&job.w, 1);
	hs_w_cstr(&job.w, "tokenizer.json");
	hs_w_uint(&job.w, pn_attach(&job, ix_source("tokenizer.json", "{ no json")));
	pn_run(&a, &job);
	ix_expect_refused(&a, HSFEED_EBADTOKENIZER, "a folder");
	pn_fini(&a);
}

// An ingest whose source is this descriptor, with `extra` more that nothing names.
static struct pn_answer ingest_fd(int fd, unsigned extra)
{
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	pn_begin(&job, "ingest");
	ix_put_place(&job, "birds");
	pn_str(&job, "file_name", "birds.csv");
	hs_w_uint(pn_key(&job, "source"), pn_attach_fd(&job, fd));
	hs_w_array(pn_key(&job, "tokenizers"), 0);
	while (extra-- > 0)
		pn_attach(&job, "/dev/null");
	pn_run(&a, &job);
	return a;
}

static void only_regular_files_open_for_reading_are_taken(void **state)
{
	int pipes[2];
	const char *path = ix_source("a.csv", ix_six_rows);
	(void)state;
	assert_int_equal(pipe(pipes), 0);
	close(pipes[1]);
	const int fds[] = {pipes[0], open("/dev/null", O_RDONLY), open(ix_work, O_RDONLY), open(path, O_PATH),
			   open(path, O_WRONLY)};
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		struct pn_answer a = ingest_fd(fds[i], 0);
		ix_expect_refused(&a, HSFEED_EBADFILE, "birds.csv is not a regular file open for reading");
		pn_fini(&a);
	}
	struct pn_answer fine = ingest_fd(open(path, O_RDONLY), 0);
	ix_expect_done(&fine);
	pn_fini(&fine);
}

static void descriptors_are_counted(void **state)
{
	const char *path = ix_source("a.csv", ix_six_rows);
	struct pn_job job;
	struct pn_answer missing = {.pid = 0};
	(void)state;
	struct pn_answer extra = ingest_fd(open(path, O_RDONLY), 1);
	ix_expect_refused(&extra, HSFEED_EBADREQUEST, "nothing says what file 1 is for");
	pn_begin(&job, "ingest");
	ix_put_place(&job, "birds");
	pn_str(&job, "file_name", "birds.csv");
	hs_w_uint(pn_key(&job, "source"), 7);
	hs_w_array(pn_key(&job, "tokenizers"), 0);
	pn_attach(&job, path);
	pn_run(&missing, &job);
	ix_expect_refused(&missing, HSFEED_EBADREQUEST, "birds.csv is file 7, but 1 files came with it");
	pn_fini(&extra);
	pn_fini(&missing);
}

// ---- the parent's end ----

static void a_parent_that_goes_ends_the_child_and_its_files(void **state)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows)};
	struct pn_answer a = {.close_at_known = true};
	struct pn_job job = ix_ingest_job(&s);
	(void)state;
	pn_run(&a, &job);
	assert_null(a.result.p);
	assert_true(WIFEXITED(a.status) && WEXITSTATUS(a.status) == 1);
	assert_int_equal(ix_files_in(ix_tmp), 0);
	pn_fini(&a);
}

static void a_child_without_a_job_ends_with_its_parents_socket(void **state)
{
	struct pn_answer a = {.pid = 0};
	(void)state;
	pn_start(&a);
	close(a.fd);
	assert_int_equal(waitpid(a.pid, &a.status, 0), a.pid);
	assert_true(WIFEXITED(a.status) && WEXITSTATUS(a.status) == 1);
}

static void what_a_killed_child_left_is_swept_by_its_prefix(void **state)
{
	char path[128];
	static const char *const names[] = {"t-version.mdb", "t-version.mdb.crc", "tt-version.mdb"};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", ix_tmp, names[i]);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	assert_int_equal(hs_ingest_sweep(ix_tmp, "t"), 2);
	assert_int_equal(ix_files_in(ix_tmp), 1);
	assert_int_equal(unlink(path), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], HS_INGEST_ARG) == 0)
		return hs_ingest_child_main(atoi(argv[2]));
#define TEST(name) cmocka_unit_test_setup(name, ix_empty_tmp)
	const struct CMUnitTest tests[] = {
		TEST(a_bad_source_is_refused_with_its_line_and_leaves_nothing),
		TEST(a_missing_label_column_is_refused_by_name),
		TEST(options_that_are_not_understood_are_refused_by_name),
		TEST(a_bad_tokenizer_is_refused_after_the_source_was_fine),
		TEST(only_regular_files_open_for_reading_are_taken),
		TEST(descriptors_are_counted),
		TEST(a_parent_that_goes_ends_the_child_and_its_files),
		TEST(a_child_without_a_job_ends_with_its_parents_socket),
		TEST(what_a_killed_child_left_is_swept_by_its_prefix),
	};
	return cmocka_run_group_tests(tests, ix_make_folders, ix_remove_folders);
}
