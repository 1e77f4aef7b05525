// SPDX-License-Identifier: Apache-2.0
// Arrays: numbers of other types made float32, and the child that turns a file of them into one of the store's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/floats.h"
#include "ingest_fixture.h"
#include "store/attached.h"

// ---- numbers ----

static void every_float16_becomes_the_same_number_as_float32(void **state)
{
	(void)state;
	for (uint32_t half = 0; half < 65536; half++) {
		uint16_t in = (uint16_t)half;
		float out;
		int exponent = half >> 10 & 31, fraction = half & 1023;
		double sign = half & 0x8000 ? -1 : 1;
		bool finite = hs_floats_read(HS_FLOATS_16, &in, 1, &out);
		assert_int_equal(finite, exponent < 31);
		assert_int_equal(finite, hs_floats_is_finite(HS_FLOATS_16, &in, 0));
		if (exponent == 31) {
			assert_true(fraction ? isnan(out) : out == (float)(sign * INFINITY));
			continue;
		}
		double want = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
		assert_true((double)out == sign * want);
		assert_int_equal(!signbit(out), sign > 0);
	}
}

static void float64_is_rounded_to_the_nearest_and_too_large_is_noticed(void **state)
{
	(void)state;
	const struct {
		double in;
		float out;
	} cases[] = {{0.1, 0.1f},
		     {1 + ldexp(1, -24), 1.0f}, // a tie: to even
		     {1 + ldexp(3, -24), 1.0f + ldexpf(1, -22)},
		     {-0.0, -0.0f},
		     {1e-45, ldexpf(1, -149)},
		     {1e-46, 0.0f},
		     {FLT_MAX, FLT_MAX},
		     {3.4028235677973362e38, FLT_MAX}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		float out;
		assert_true(hs_floats_read(HS_FLOATS_64, &cases[i].in, 1, &out));
		assert_memory_equal(&out, &cases[i].out, sizeof(out));
	}
	const double large = 3.4028235677973366e38, infinite = -INFINITY; // the first that rounds to infinity
	float out;
	assert_false(hs_floats_read(HS_FLOATS_64, &large, 1, &out));
	assert_true(hs_floats_is_finite(HS_FLOATS_64, &large, 0));
	assert_false(hs_floats_read(HS_FLOATS_64, &infinite, 1, &out));
	assert_false(hs_floats_is_finite(HS_FLOATS_64, &infinite, 0));
}

static void every_nan_is_stored_alike(void **state)
{
	(void)state;
	const uint32_t singles[] = {0x7f800001, 0xffffffff, 0x7fc00000, 0x3f800000};
	const uint64_t doubles[] = {0x7ff0000000000001, 0xfff8000000000000};
	float out[4];
	uint32_t bits[4];
	assert_false(hs_floats_read(HS_FLOATS_32, singles, 4, out));
	memcpy(bits, out, sizeof(bits));
	assert_int_equal(bits[0], 0x7fc00000);
	assert_int_equal(bits[1], 0x7fc00000);
	assert_int_equal(bits[2], 0x7fc00000);
	assert_int_equal(bits[3], 0x3f800000);
	assert_false(hs_floats_read(HS_FLOATS_64, doubles, 2, out));
	memcpy(bits, out, sizeof(bits));
	assert_int_equal(bits[0], 0x7fc00000);
	assert_int_equal(bits[1], 0x7fc00000);
}

// ---- the child ----

struct spec {
	const char *array, *dtype;
	uint64_t rows, dims, columns, offset;
	bool nan;
};
static const struct spec usual = {"logits", "float32", 5, 2, 3, 0, false};

static int file_of(const void *data, size_t bytes)
{
	int fd = memfd_create("values", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, bytes), (ssize_t)bytes);
	return fd;
}

// Takes fd.
static struct pn_answer attach(const struct spec *s, int fd)
{
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	uint8_t version[32];
	memset(version, 7, sizeof(version));
	pn_begin(&job, "attach");
	ix_put_place(&job, "birds");
	pn_str(&job, "file_name", "values.npy");
	hs_w_uint(pn_key(&job, "source"), pn_attach_fd(&job, fd));
	hs_w_bin(pn_key(&job, "version"), version, sizeof(version));
	pn_str(&job, "array", s->array);
	pn_str(&job, "dtype", s->dtype);
	hs_w_uint(pn_key(&job, "rows"), s->rows);
	hs_w_uint(pn_key(&job, "dims"), s->dims);
	hs_w_uint(pn_key(&job, "columns"), s->columns);
	hs_w_uint(pn_key(&job, "offset"), s->offset);
	hs_w_bool(pn_key(&job, "nan"), s->nan);
	pn_run(&a, &job);
	return a;
}

static struct hs_attached *open_array(const struct hs_file *f)
{
	struct hs_attached *a;
	struct hs_err err;
	if (hs_attached_open(f, &a, &err) < 0 || hs_attached_check(a, &err) < 0)
		fail_msg("%s", err.message);
	return a;
}

static void values_of_every_type_come_back_as_float32(void **state)
{
	(void)state;
	const float singles[15] = {0, 1, -2.5f, FLT_MIN, -FLT_MAX, 0.1f, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	double doubles[15];
	struct hs_id ids[2];
	for (size_t i = 0; i < 15; i++)
		doubles[i] = singles[i];
	for (unsigned wide = 0; wide < 2; wide++) {
		struct spec s = usual;
		s.dtype = wide ? "float64" : "float32";
		struct pn_answer a =
			attach(&s, wide ? file_of(doubles, sizeof(doubles)) : file_of(singles, sizeof(singles)));
		ix_expect_done(&a);
		struct hs_file *f = ix_open_made(a.result);
		struct hs_attached *array = open_array(f);
		assert_int_equal(array->nrows, 5);
		assert_int_equal(array->columns, 3);
		assert_memory_equal(hs_attached_row(array, 0), singles, sizeof(singles));
		assert_true(hs_span_is(pn_text(ix_header_of(f), "from"), s.dtype));
		assert_int_equal(pn_uint(a.result, "nan_rows"), 0);
		ids[wide] = ix_id_of(a.result);
		assert_true(hs_id_eq(&ids[wide], hs_file_get_id(f)));
		hs_attached_close(array);
		hs_file_close(f);
		pn_fini(&a);
		ix_empty_tmp(NULL);
	}
	assert_true(hs_id_eq(&ids[0], &ids[1])); // the values count, not how they came
}

static void many_rows_behind_a_head_come_back_in_order(void **state)
{
	(void)state;
	const size_t rows = 3 * HS_GROUP_ROWS + 11, columns = 70; // chunks end within rows
	struct spec s = {"hidden", "float16", rows, 2, columns, 10, false};
	uint16_t *halves = calloc(5 + rows * columns, sizeof(*halves));
	for (size_t i = 0; i < rows * columns; i++)
		halves[5 + i] = (uint16_t)(i * 2654435761u >> 17) & 0x3bff;
	struct pn_answer a = attach(&s, file_of(halves, 10 + rows * columns * 2));
	ix_expect_done(&a);
	assert_true(a.nprogress > 0);
	struct hs_file *f = ix_open_made(a.result);
	struct hs_attached *array = open_array(f);
	for (size_t i = 0; i < rows * columns; i++) {
		float want;
		hs_floats_read(HS_FLOATS_16, &halves[5 + i], 1, &want);
		if (hs_attached_row(array, i / columns)[i % columns] != want)
			fail_msg("item %zu differs", i);
	}
	hs_attached_close(array);
	hs_file_close(f);
	pn_fini(&a);
	free(halves);
}

static void nan_is_refused_by_place_or_counted_by_row(void **state)
{
	(void)state;
	float values[15] = {0};
	struct spec allowed = usual, line = usual;
	allowed.nan = true;
	line.dims = 1, line.columns = 1, line.rows = 15;
	values[7] = values[8] = values[14] = NAN;
	struct pn_answer a = attach(&usual, file_of(values, sizeof(values)));
	ix_expect_refused(&a, HSFEED_EBADARRAY, "values.npy: row 2, column 1 is NaN");
	pn_fini(&a);
	a = attach(&line, file_of(values, sizeof(values)));
	ix_expect_refused(&a, HSFEED_EBADARRAY, "values.npy: row 7 is NaN");
	pn_fini(&a);
	a = attach(&allowed, file_of(values, sizeof(values)));
	ix_expect_done(&a);
	assert_int_equal(pn_uint(a.result, "nan_rows"), 2);
	struct hs_file *f = ix_open_made(a.result);
	struct hs_attached *array = open_array(f);
	assert_true(isnan(hs_attached_row(array, 4)[2]));
	hs_attached_close(array);
	hs_file_close(f);
	pn_fini(&a);
}

static void infinite_and_too_large_values_are_refused_by_place(void **state)
{
	(void)state;
	double values[15] = {0};
	struct spec s = usual;
	s.dtype = "float64";
	s.nan = true;
	values[3] = NAN;
	values[4] = -INFINITY;
	struct pn_answer a = attach(&s, file_of(values, sizeof(values)));
	ix_expect_refused(&a, HSFEED_EBADARRAY, "row 1, column 1 is infinite");
	pn_fini(&a);
	values[4] = 1e39;
	a = attach(&s, file_of(values, sizeof(values)));
	ix_expect_refused(&a, HSFEED_EBADARRAY, "row 1, column 1 is larger than a float32 can be");
	pn_fini(&a);
}

static void a_file_of_another_size_is_refused(void **state)
{
	(void)state;
	const float values[16] = {0};
	struct spec beyond = usual;
	struct pn_answer a = attach(&usual, file_of(values, 14 * 4));
	ix_expect_refused(&a, HSFEED_EBADARRAY, "it holds 56 bytes of values; 5 row(s) of 3 float32 number(s) are 60");
	pn_fini(&a);
	a = attach(&usual, file_of(values, 16 * 4));
	ix_expect_refused(&a, HSFEED_EBADARRAY, "it holds 64 bytes");
	pn_fini(&a);
	beyond.offset = 1000;
	a = attach(&beyond, file_of(values, sizeof(values)));
	ix_expect_refused(&a, HSFEED_EBADARRAY, "it holds -936 bytes");
	pn_fini(&a);
}

static void what_no_array_can_be_is_refused(void **state)
{
	(void)state;
	const float values[15] = {0};
	static const struct spec bad[] = {
		{"labels", "float32", 5, 2, 3, 0, false},
		{"a/b", "float32", 5, 2, 3, 0, false},
		{"logits", "int64", 5, 2, 3, 0, false},
		{"logits", "float32", 5, 3, 3, 0, false},
		{"logits", "float32", 5, 0, 3, 0, false},
		{"logits", "float32", 5, 1, 3, 0, false},
		{"logits", "float32", 5, 2, 0, 0, false},
		{"logits", "float32", 5, 2, 4097, 0, false},
		{"logits", "float32", 1ull << 33, 2, 3, 0, false},
		{"logits", "float32", UINT64_MAX, 2, 3, 0, false},
		{"logits", "float32", 5, 2, 3, UINT64_MAX, false},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pn_answer a = attach(&bad[i], file_of(values, sizeof(values)));
		ix_expect_refused(&a, HSFEED_EBADREQUEST, "");
		pn_fini(&a);
	}
}

// The writer commits every 32 MiB: by then the child has begun to read, and is far from the end.
static bool first_part_is_written(void)
{
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/t-array.mdb", ix_tmp);
	return stat(path, &st) == 0 && st.st_size > 16 << 20;
}

static void a_file_that_changes_while_it_is_read_is_refused(void **state)
{
	(void)state;
	const size_t rows = 400000, columns = 64; // 100 MB: long enough to be caught at it
	struct spec s = {"logits", "float32", rows, 2, columns, 0, false};
	int fd = memfd_create("growing", MFD_CLOEXEC), own = dup(fd);
	assert_int_equal(ftruncate(fd, (off_t)(rows * columns * 4)), 0);
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	uint8_t version[32] = {1};
	pn_begin(&job, "attach");
	ix_put_place(&job, "birds");
	pn_str(&job, "file_name", "growing");
	hs_w_uint(pn_key(&job, "source"), pn_attach_fd(&job, fd));
	hs_w_bin(pn_key(&job, "version"), version, sizeof(version));
	pn_str(&job, "array", s.array);
	pn_str(&job, "dtype", s.dtype);
	hs_w_uint(pn_key(&job, "rows"), s.rows);
	hs_w_uint(pn_key(&job, "dims"), s.dims);
	hs_w_uint(pn_key(&job, "columns"), s.columns);
	pn_start(&a);
	pn_send(&a, &job);
	do { // it goes on only while nobody looks
		kill(a.pid, SIGCONT);
		usleep(200);
		kill(a.pid, SIGSTOP);
	} while (!first_part_is_written());
	assert_int_equal(ftruncate(own, (off_t)(rows * columns * 4 + 4)), 0);
	kill(a.pid, SIGCONT);
	pn_wait(&a);
	ix_expect_refused(&a, HSFEED_EBADFILE, "changed while it was read");
	pn_fini(&a);
	close(own);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], HS_INGEST_ARG) == 0)
		return hs_ingest_child_main(atoi(argv[2]));
#define TEST(name) cmocka_unit_test_setup(name, ix_empty_tmp)
	const struct CMUnitTest tests[] = {
		TEST(every_float16_becomes_the_same_number_as_float32),
		TEST(float64_is_rounded_to_the_nearest_and_too_large_is_noticed),
		TEST(every_nan_is_stored_alike),
		TEST(values_of_every_type_come_back_as_float32),
		TEST(many_rows_behind_a_head_come_back_in_order),
		TEST(nan_is_refused_by_place_or_counted_by_row),
		TEST(infinite_and_too_large_values_are_refused_by_place),
		TEST(a_file_of_another_size_is_refused),
		TEST(what_no_array_can_be_is_refused),
		TEST(a_file_that_changes_while_it_is_read_is_refused),
	};
	return cmocka_run_group_tests(tests, ix_make_folders, ix_remove_folders);
}
