// SPDX-License-Identifier: Apache-2.0
// An ingest whose n-th allocation fails, for n = 1, 2, ..., and one whose disk is full: it says so, or ends; nothing
// stays behind, nothing crashes. The allocator is wrapped at link time (tests/ingest.cmake), in the child only.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ingest_fixture.h"

#define FAIL_AT "HSFEED_TEST_FAIL_ALLOCATION" // which allocation of the child fails

// ---- the allocator ----

static atomic_long allocations; // so many succeed; not positive at start: all do
static atomic_bool counting;

static bool fails(void)
{
	return counting && atomic_fetch_sub(&allocations, 1) == 1;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

static int child_main(int fd)
{
	const char *at = getenv(FAIL_AT);
	allocations = at ? atol(at) : 0;
	counting = at != NULL;
	int rc = hs_ingest_child_main(fd);
	// An allocation that never came: all of them succeeded.
	return rc == 0 && at && allocations > 0 ? 2 : rc;
}

// ---- tests ----

typedef struct pn_answer work(void);

static struct pn_answer ingest(void)
{
	struct ix_spec s = {.path = ix_source("a.csv", ix_six_rows), .labels = "Label"};
	return ix_ingest(&s);
}

static struct pn_answer attach_rows(uint64_t rows)
{
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	const uint8_t version[32] = {1};
	int fd = memfd_create("values", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)rows * 8), 0);
	pn_begin(&job, "attach");
	ix_put_place(&job, "birds");
	pn_str(&job, "file_name", "values");
	hs_w_uint(pn_key(&job, "source"), pn_attach_fd(&job, fd));
	hs_w_bin(pn_key(&job, "version"), version, sizeof(version));
	pn_str(&job, "array", "logits");
	pn_str(&job, "dtype", "float32");
	hs_w_uint(pn_key(&job, "rows"), rows);
	hs_w_uint(pn_key(&job, "dims"), 2);
	hs_w_uint(pn_key(&job, "columns"), 2);
	pn_run(&a, &job);
	return a;
}

static struct pn_answer attach(void)
{
	return attach_rows(9000);
}

static struct pn_answer run_failing(work *run, long at)
{
	char text[24];
	snprintf(text, sizeof(text), "%ld", at);
	setenv(FAIL_AT, text, 1);
	struct pn_answer a = run();
	unsetenv(FAIL_AT);
	return a;
}

// Returns true when the allocation was beyond the last one.
static bool expect_clean_failure(const struct pn_answer *a, long at)
{
	int64_t number;
	if (!WIFEXITED(a->status))
		print_message("allocation %ld: the child died of signal %d\n", at, WTERMSIG(a->status));
	assert_true(WIFEXITED(a->status));
	if (a->result.p) // one that could be done without, or none that failed
		return WEXITSTATUS(a->status) == 2;
	assert_int_equal(ix_files_in(ix_tmp), 0);
	if (!a->error.p) {
		assert_int_equal(WEXITSTATUS(a->status), 1);
		return false;
	}
	if (!hs_r_get_int(a->error, "number", &number) || number != -ENOMEM)
		print_message("allocation %ld: %.*s\n", at, (int)pn_text(a->error, "message").len,
			      pn_text(a->error, "message").ptr);
	assert_true(hs_span_is(pn_text(a->error, "code"), "out_of_memory"));
	return false;
}

static void fail_each(work *run)
{
	bool last = false;
	unsigned runs = 0;
	for (long at = 1; !last; at += 1 + at / 24, runs++) {
		struct pn_answer a = run_failing(run, at);
		last = expect_clean_failure(&a, at);
		pn_fini(&a);
		hs_ingest_sweep(ix_tmp, "t");
	}
	assert_true(runs > 20);
}

static void an_allocation_that_fails_is_told_and_leaves_nothing(void **state)
{
	(void)state;
	fail_each(ingest);
	fail_each(attach);
}

// Enters a mount namespace of its own, as root or by way of a user namespace.
static bool enter_namespace(void)
{
	char map[64];
	snprintf(map, sizeof(map), "0 %u 1", (unsigned)getuid());
	if (getuid() == 0 && unshare(CLONE_NEWNS) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, map, strlen(map)) > 0;
	close(fd);
	return ok;
}

// Exit codes: 0 as wanted, 1 not, 77 no namespace to be had.
static bool is_full(struct pn_answer *a)
{
	int64_t number = 0;
	bool ok = a->error.p && hs_r_get_int(a->error, "number", &number) && number == -ENOSPC &&
		  hs_span_is(pn_text(a->error, "code"), "no_space") && ix_files_in(ix_tmp) == 0;
	if (a->error.p && !ok)
		print_message("%.*s\n", (int)pn_text(a->error, "message").len, pn_text(a->error, "message").ptr);
	pn_fini(a);
	return ok;
}

static int work_on_full_disk(const char *path)
{
	struct ix_spec s = {.path = path};
	if (!enter_namespace() || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", ix_tmp, "tmpfs", 0, "size=256k") < 0)
		return 77;
	struct pn_answer ingested = ix_ingest(&s), attached = attach_rows(50000);
	return is_full(&ingested) && is_full(&attached) ? 0 : 1;
}

static void a_full_disk_is_told_and_leaves_nothing(void **state)
{
	const char *path = ix_long_source(20000);
	int status;
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(work_on_full_disk(path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: this system gives no mount namespace\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], HS_INGEST_ARG) == 0)
		return child_main(atoi(argv[2]));
#define TEST(name) cmocka_unit_test_setup(name, ix_empty_tmp)
	const struct CMUnitTest tests[] = {
		TEST(an_allocation_that_fails_is_told_and_leaves_nothing),
		TEST(a_full_disk_is_told_and_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, ix_make_folders, ix_remove_folders);
}
