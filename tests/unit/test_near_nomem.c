// SPDX-License-Identifier: Apache-2.0
// Near duplicates with the first, second, third, ... allocation failing: an error each time, nothing lost, nothing
// touched. Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc.
#include "text_help.h"

#include <errno.h>
#include <stdio.h>

#include "text/near.h"

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

// How often the search fails before it works, with one more allocation allowed each time.
static long failures_until_it_works(const struct hs_span *texts, size_t n)
{
	for (long allowed = 0;; allowed++) {
		struct hs_near near;
		memset(&near, 0xA5, sizeof(near));
		struct hs_near untouched = near;
		struct hs_err err = {0};
		struct hs_near_options options = {.similarity = 0.8, .max_pairs = 1000, .threads = 1};
		allocations_left = allowed;
		int rc = hs_near_find(texts, n, &options, &near, &err);
		bool all_given = allocations_left >= 0;
		allocations_left = -1;
		if (rc == 0) {
			hs_near_fini(&near);
			assert_true(all_given);
			return allowed;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_string_equal(err.message, "out of memory while looking for near duplicates");
		assert_memory_equal(&near, &untouched, sizeof(near));
	}
}

static void near_find_survives_every_failing_allocation(void **state)
{
	(void)state;
	const struct hs_span texts[] = {
		SPAN("A text with Stra\u00DFe, folded  and spaced"),
		SPAN("a text with strasse, folded and spaced!"),
		SPAN("a text with strasse, folded and spaced?"),
		SPAN("A\u030A text that is normalised"),
		SPAN("abc"),
	};
	assert_true(failures_until_it_works(texts, sizeof(texts) / sizeof(texts[0])) > 20);
}

static void near_find_survives_failing_allocations_in_a_crowd(void **state)
{
	(void)state;
	static char bytes[150][80];
	struct hs_span texts[150];
	for (unsigned i = 0; i < 150; i++) {
		snprintf(bytes[i], sizeof(bytes[i]), "the same long words for every parcel, number %03u of today", i);
		texts[i] = (struct hs_span){bytes[i], strlen(bytes[i])};
	}
	assert_true(failures_until_it_works(texts, 150) > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_find_survives_every_failing_allocation),
		cmocka_unit_test(near_find_survives_failing_allocations_in_a_crowd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
