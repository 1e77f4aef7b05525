// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ingest/slurp.h"

static int temporary_file(size_t len)
{
	int fd = memfd_create("slurp", MFD_CLOEXEC);
	char block[4096];
	memset(block, 'x', sizeof(block));
	assert_true(fd >= 0);
	for (size_t done = 0; done < len; done += sizeof(block)) {
		size_t n = len - done < sizeof(block) ? len - done : sizeof(block);
		assert_int_equal(write(fd, block, n), (ssize_t)n);
	}
	return fd;
}

static void all_bytes_are_read_whatever_the_descriptors_position(void **state)
{
	struct hs_slurp s;
	struct hs_err err;
	int fd = temporary_file(5000);
	uint8_t want[HS_SHA256_BYTES];
	(void)state;
	assert_int_equal(pwrite(fd, "begin", 5, 0), 5); // the position stays at the end
	assert_int_equal(hs_slurp_read(fd, "f", NULL, &s, &err), 0);
	assert_int_equal(s.len, 5000);
	assert_memory_equal(s.data, "beginx", 6);
	assert_int_equal(hs_slurp_digest(&s, &err), 0);
	hs_sha256(s.data, s.len, want);
	assert_memory_equal(s.sha256, want, sizeof(want));
	hs_slurp_fini(&s);
	close(fd);
}

static void an_empty_file_is_no_absent_one(void **state)
{
	struct hs_slurp s;
	int fd = temporary_file(0);
	(void)state;
	assert_int_equal(hs_slurp_read(fd, "f", NULL, &s, NULL), 0);
	assert_int_equal(s.len, 0);
	assert_non_null(s.data);
	hs_slurp_fini(&s);
	close(fd);
}

struct writer {
	int fd;
	_Atomic bool stop;
	_Atomic unsigned long writes;
};

static void *grow(void *arg)
{
	struct writer *w = arg;
	while (!w->stop && write(w->fd, "y", 1) == 1)
		w->writes++;
	return NULL;
}

static void a_file_that_changes_while_it_is_read_is_refused(void **state)
{
	struct writer w = {.fd = temporary_file(8u << 20)};
	struct hs_err err = {.code = 0};
	pthread_t thread;
	int rc = 0;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, grow, &w), 0);
	while (w.writes == 0)
		;
	for (int i = 0; i < 1000 && rc == 0; i++) { // the writer may sleep through one reading, not through all
		struct hs_slurp s;
		rc = hs_slurp_read(w.fd, "growing.csv", NULL, &s, &err);
		if (rc == 0)
			hs_slurp_fini(&s);
	}
	w.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(rc, HSFEED_EBADFILE);
	assert_string_equal(err.message, "growing.csv changed while it was read");
	assert_true(strlen(err.hint) > 0);
	close(w.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_bytes_are_read_whatever_the_descriptors_position),
		cmocka_unit_test(an_empty_file_is_no_absent_one),
		cmocka_unit_test(a_file_that_changes_while_it_is_read_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
