// SPDX-License-Identifier: Apache-2.0
// Reading a source with the first, second, third, ... allocation failing: an error each time, nothing lost, nothing
// touched. Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc.
#include "text_help.h"

#include <errno.h>

#include "text/norm.h"

static long allocations_left = -1; // < 0: none fails

static bool fails(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

// How often reading fails before it works, with one more allocation allowed each time.
static long failures_until_it_works(struct hs_span data, struct hs_source_options options)
{
	for (long allowed = 0;; allowed++) {
		struct hs_source s;
		memset(&s, 0xA5, sizeof(s));
		struct hs_source untouched = s;
		struct hs_err err = {0};
		allocations_left = allowed;
		int rc = hs_source_read(data, &options, &s, &err);
		bool all_given = allocations_left >= 0;
		allocations_left = -1;
		if (rc == 0) {
			hs_source_fini(&s);
			assert_true(all_given);
			return allowed;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(err.code, -ENOMEM);
		assert_true(strncmp(err.message, "out of memory while ", 20) == 0);
		assert_memory_equal(&s, &untouched, sizeof(s));
	}
}

static void source_read_survives_every_failing_allocation(void **state)
{
	(void)state;
	static const char *const two[] = {"label", "b"};
	static const struct hs_clean_step steps[] = {{HS_CLEAN_URLS, {NULL, 0}}, {HS_CLEAN_WHITESPACE, {NULL, 0}}};
	static const char data[] =
		"text,label,b,b,\n\"say \"\"hi\"\"  http://x\",1,0,x,\n,1,1,,\nNA,1,1,,\nlast,02,1.5,y,z\n";
	assert_true(failures_until_it_works(SPAN(data), OPTIONS(.steps = steps, .nsteps = 2, .na_given = true)) > 15);
	static const char unique[] = "text,label,b\nx,1,0\n\"y\",02,1.5\n";
	assert_true(failures_until_it_works(SPAN(unique), OPTIONS(.label_columns = two, .nlabel_columns = 2)) > 15);
	assert_true(failures_until_it_works(SPAN(data), OPTIONS(.no_header = true, .text_column = "0",
								.label_columns = no_labels, .na_given = true)) > 10);
}

static void source_read_survives_failing_allocations_with_many_classes_and_long_numbers(void **state)
{
	(void)state;
	struct hs_buf b = {0};
	assert_int_equal(hs_buf_printf(&b, "text,label\n"), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(hs_buf_printf(&b, "%0*d.5,c%d\n", 100, i, i), 0);
	struct hs_span data = {(const char *)b.data, b.len};
	assert_true(failures_until_it_works(data, OPTIONS(.na = HS_NA_PANDAS)) > 15);
	hs_buf_fini(&b);
}

static void norm_apply_survives_every_failing_allocation(void **state)
{
	(void)state;
	struct hs_buf text = {0}, scratch = {0};
	for (int i = 0; i < 200; i++) // one run of marks, out of order, longer than what needs no allocation
		assert_int_equal(hs_buf_printf(&text, "%s", i % 2 ? "\u0323" : "\u0301"), 0);
	struct hs_span in = {(const char *)text.data, text.len}, out = {NULL, 0};
	for (long allowed = 0;; allowed++) {
		allocations_left = allowed;
		int rc = hs_norm_apply(HS_NORM_NFC, in, &scratch, &out);
		allocations_left = -1;
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_null(out.ptr);
		hs_buf_fini(&scratch);
	}
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.ptr, "\u0323\u0323", 4);
	hs_buf_fini(&scratch);
	hs_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_read_survives_every_failing_allocation),
		cmocka_unit_test(source_read_survives_failing_allocations_with_many_classes_and_long_numbers),
		cmocka_unit_test(norm_apply_survives_every_failing_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
