// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "plan/order.h"

static void randperm_equals_torchs(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("orders_randperm.json", &root), *c;
	size_t at, n;
	json_array_foreach(cases, at, c)
	{
		uint32_t *expected = golden_numbers(json_object_get(c, "perm"), &n);
		uint32_t *perm = calloc(n + 1, sizeof(*perm));
		assert_non_null(perm);
		assert_int_equal(hs_randperm(n, (uint64_t)golden_int(c, "seed"), perm, NULL), 0);
		assert_memory_equal(perm, expected, n * sizeof(*perm));
		free(perm);
		free(expected);
	}
	json_decref(root);
}

static void check_ranks(const json_t *c, const uint32_t *perm)
{
	struct hs_deal d = {.n = (size_t)golden_int(c, "n"),
			    .world = (uint32_t)golden_int(c, "world"),
			    .batch_size = 2,
			    .shard = golden_int(c, "drop_last") ? HS_SHARD_DROP : HS_SHARD_PAD};
	for (d.rank = 0; d.rank < d.world; d.rank++) {
		size_t n;
		uint32_t *expected = golden_numbers(json_array_get(json_object_get(c, "ranks"), d.rank), &n);
		assert_int_equal(hs_deal_check(&d, NULL), 0);
		assert_int_equal(hs_deal_samples(&d), n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(perm[hs_deal_index(&d, i)], expected[i]);
		free(expected);
	}
}

static void shares_equal_distributed_sampler(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("orders_distributed.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c)
	{
		uint32_t perm[64];
		size_t n = (size_t)golden_int(c, "n");
		assert_int_equal(hs_randperm(n, (uint64_t)golden_int(c, "seed"), perm, NULL), 0);
		check_ranks(c, perm);
	}
	json_decref(root);
}

static void check_batches(const json_t *c)
{
	struct hs_deal d = {.n = (size_t)golden_int(c, "n"),
			    .world = (uint32_t)golden_int(c, "world"),
			    .batch_size = (uint32_t)golden_int(c, "batch"),
			    .drop_last = golden_int(c, "drop_last") != 0,
			    .shard = golden_int(c, "even") ? HS_SHARD_EVEN : HS_SHARD_BATCHES};
	for (d.rank = 0; d.rank < d.world; d.rank++) {
		const json_t *batches = json_array_get(json_object_get(c, "ranks"), d.rank);
		assert_int_equal(hs_deal_check(&d, NULL), 0);
		assert_int_equal(hs_deal_batches(&d), json_array_size(batches));
		for (size_t b = 0; b < json_array_size(batches); b++) {
			size_t n;
			uint32_t *expected = golden_numbers(json_array_get(batches, b), &n);
			assert_int_equal(hs_deal_batch_rows(&d, b), n);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(hs_deal_index(&d, b * d.batch_size + i), expected[i]);
			free(expected);
		}
	}
}

static void rounds_equal_batch_sampler_shard(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("orders_batches.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c) check_batches(c);
	json_decref(root);
}

static void randperm_refuses_what_torch_would_draw_otherwise(void **state)
{
	(void)state;
	struct hs_err err = {0};
	assert_int_equal(hs_randperm(214748364, 0, NULL, &err), HSFEED_EBADPLAN); // refused before anything is written
	assert_non_null(strstr(err.message, "214748364"));
}

static void same_rest(const struct hs_deal *whole, size_t at)
{
	struct hs_deal rest = *whole;
	size_t skipped = whole->shard >= HS_SHARD_EVEN ? at / whole->world / whole->batch_size * whole->batch_size
						       : at / whole->world;
	rest.at = at;
	assert_int_equal(hs_deal_check(&rest, NULL), 0);
	assert_int_equal(hs_deal_samples(&rest) + skipped, hs_deal_samples(whole));
	assert_int_equal(hs_deal_end(&rest), hs_deal_end(whole));
	for (size_t j = 0; j < hs_deal_samples(&rest); j++)
		assert_int_equal(hs_deal_index(&rest, j), hs_deal_index(whole, skipped + j));
	if (skipped % whole->batch_size != 0)
		return;
	assert_int_equal(hs_deal_batches(&rest) + skipped / whole->batch_size, hs_deal_batches(whole));
	for (size_t b = 0; b < hs_deal_batches(&rest); b++)
		assert_int_equal(hs_deal_batch_rows(&rest, b),
				 hs_deal_batch_rows(whole, skipped / whole->batch_size + b));
}

static void an_epoch_resumed_by_the_same_world_goes_on_as_if_uninterrupted(void **state)
{
	(void)state;
	for (unsigned trial = 0; trial < 50 * 9 * 3 * 2; trial++) {
		struct hs_deal d = {.n = trial % 50,
				    .world = 1 + trial / 50 % 9,
				    .shard = (enum hs_shard)(trial / 450 % 3),
				    .batch_size = 1 + trial % 4,
				    .drop_last = trial >= 1350};
		for (d.rank = 0; d.rank < d.world; d.rank++)
			for (size_t at = 0; at / d.world <= hs_deal_samples(&d) && at <= hs_deal_end(&d); at += d.world)
				same_rest(&d, at);
	}
}

static size_t step_of(const struct hs_deal *d)
{
	return d->shard >= HS_SHARD_EVEN ? (size_t)d->world * d->batch_size : d->world;
}

static void rounds_resumed_by_the_same_world_go_on_as_if_uninterrupted(void **state)
{
	(void)state;
	for (unsigned trial = 0; trial < 60 * 7 * 2 * 2; trial++) {
		struct hs_deal d = {.n = trial % 60,
				    .world = 1 + trial / 60 % 7,
				    .batch_size = 1 + trial % 5,
				    .shard = trial / 420 % 2 ? HS_SHARD_EVEN : HS_SHARD_BATCHES,
				    .drop_last = trial >= 840};
		for (d.rank = 0; d.rank < d.world; d.rank++)
			for (size_t at = 0; at <= d.n; at += step_of(&d))
				same_rest(&d, at);
	}
}

// How often each row is dealt to all ranks together; returns the samples in all.
static size_t tally(struct hs_deal d, unsigned *counts)
{
	size_t total = 0;
	memset(counts, 0, d.n * sizeof(*counts));
	for (d.rank = 0; d.rank < d.world; d.rank++) {
		for (size_t j = 0; j < hs_deal_samples(&d); j++) {
			assert_true(hs_deal_index(&d, j) < d.n);
			counts[hs_deal_index(&d, j)]++;
		}
		total += hs_deal_samples(&d);
	}
	return total;
}

static void check_rest(const struct hs_deal *d)
{
	unsigned counts[64];
	size_t total = tally(*d, counts), rest = d->at < d->n ? d->n - d->at : 0, in_rest = 0;
	assert_int_equal(hs_deal_end(d), d->at + total);
	for (size_t i = d->at; i < d->n; i++)
		in_rest += counts[i] > 0;
	if (d->shard == HS_SHARD_EXACT || d->shard == HS_SHARD_BATCHES)
		assert_int_equal(total, rest);
	size_t round = (size_t)d->world * d->batch_size;
	if (d->shard == HS_SHARD_EVEN)
		assert_true(total >= rest && total % round == 0 && total < rest + round);
	if (d->shard == HS_SHARD_DROP)
		assert_int_equal(total, rest - rest % d->world);
	if (d->shard == HS_SHARD_PAD) // all, and fewer extra ones than there are ranks
		assert_true(total >= rest && total % d->world == 0 && total < rest + d->world);
	assert_int_equal(in_rest, total < rest ? total : rest); // no row is left out before another one comes twice
}

static void the_rest_is_dealt_whole_to_any_number_of_ranks(void **state)
{
	(void)state;
	for (unsigned trial = 0; trial < 40 * 17 * 5; trial++) {
		struct hs_deal d = {.n = trial % 40,
				    .world = 1 + trial / 40 % 17,
				    .batch_size = 3,
				    .shard = (enum hs_shard)(trial / 680)};
		for (d.at = 0; d.at <= d.n; d.at++)
			check_rest(&d);
	}
}

static void batches_cover_the_samples_and_only_the_last_is_short(void **state)
{
	(void)state;
	struct hs_deal d = {.n = 35, .world = 2, .shard = HS_SHARD_EXACT, .batch_size = 4};
	assert_int_equal(hs_deal_samples(&d), 18);
	assert_int_equal(hs_deal_batches(&d), 5);
	assert_int_equal(hs_deal_batch_rows(&d, 0), 4);
	assert_int_equal(hs_deal_batch_rows(&d, 4), 2);
	d.drop_last = true;
	assert_int_equal(hs_deal_batches(&d), 4);
	assert_int_equal(hs_deal_samples(&d), 18); // drop_last is not applied to samples
	d.batch_size = UINT32_MAX;
	assert_int_equal(hs_deal_batches(&d), 0);
	d.drop_last = false;
	assert_int_equal(hs_deal_batches(&d), 1);
	assert_int_equal(hs_deal_batch_rows(&d, 0), 18);
}

static void two_billion_rows_and_four_billion_ranks_do_not_overflow(void **state)
{
	(void)state;
	struct hs_deal d = {.n = (size_t)1 << 31, .rank = 6, .world = 7, .shard = HS_SHARD_PAD, .batch_size = 32};
	assert_int_equal(hs_deal_samples(&d), 306783379); // 2^31 = 7 * 306783378 + 2
	assert_int_equal(hs_deal_end(&d), 2147483653u);
	assert_int_equal(hs_deal_index(&d, 306783378), 4);
	d.rank = d.world = UINT32_MAX;
	d.rank--;
	assert_int_equal(hs_deal_check(&d, NULL), 0);
	assert_int_equal(hs_deal_samples(&d), 1);
	assert_int_equal(hs_deal_index(&d, 0), (UINT32_MAX - (size_t)1) % d.n);
	d.at = SIZE_MAX;
	assert_int_equal(hs_deal_check(&d, NULL), HSFEED_EBADPLAN);
	d = (struct hs_deal){.n = (size_t)1 << 31,
			     .rank = UINT32_MAX - 1u,
			     .world = UINT32_MAX,
			     .shard = HS_SHARD_EVEN,
			     .batch_size = 65536,
			     .at = 3};
	assert_int_equal(hs_deal_check(&d, NULL), 0);
	assert_int_equal(hs_deal_samples(&d), 65536);
	assert_int_equal(hs_deal_end(&d), 3 + (uint64_t)UINT32_MAX * 65536);
	assert_int_equal(hs_deal_index(&d, 65535), (3 + (uint64_t)UINT32_MAX * 65536 - 1) % d.n);
	d.batch_size = 65538;
	assert_int_equal(hs_deal_check(&d, NULL), HSFEED_EBADPLAN);
}

static void positions_beyond_the_epoch_are_refused_but_its_padded_end_is_not(void **state)
{
	(void)state;
	struct hs_err err = {0};
	struct hs_deal d = {.n = 10, .at = 16, .world = 3, .shard = HS_SHARD_PAD, .batch_size = 1};
	assert_int_equal(hs_deal_check(&d, &err), 0); // where an epoch for eight ranks ended
	assert_int_equal(hs_deal_samples(&d), 0);
	assert_int_equal(hs_deal_end(&d), 16);
	d.shard = HS_SHARD_EXACT;
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "position 16 is beyond the epoch, which has 10 rows");
	assert_true(err.hint[0] != '\0');
	d.at = 10;
	assert_int_equal(hs_deal_check(&d, &err), 0);
	d.shard = HS_SHARD_PAD;
	d.at = 10 + 4096;
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
	d = (struct hs_deal){.n = 10, .at = 10 + 4095 * 3, .world = 3, .shard = HS_SHARD_EVEN, .batch_size = 3};
	assert_int_equal(hs_deal_check(&d, &err), 0); // 4,096 ranks would have completed it to 12,288
	assert_int_equal(hs_deal_samples(&d), 0);
	d.at = 10 + 4096 * 3;
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
	d.shard = HS_SHARD_BATCHES;
	d.at = 11;
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
	d = (struct hs_deal){.n = 0, .at = 1, .world = 3, .shard = HS_SHARD_PAD, .batch_size = 1};
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
}

static void wrong_ranks_and_batch_sizes_are_refused_in_torchs_words(void **state)
{
	(void)state;
	struct hs_err err = {0};
	struct hs_deal d = {.n = 10, .rank = 5, .world = 4, .batch_size = 1};
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "Invalid rank 5, rank should be in the interval [0, 3]");
	d = (struct hs_deal){.n = 10, .rank = 0, .world = 0, .batch_size = 1};
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "Invalid rank 0, rank should be in the interval [0, -1]");
	d = (struct hs_deal){.n = 10, .rank = 0, .world = 1, .batch_size = 0};
	assert_int_equal(hs_deal_check(&d, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "batch_size should be a positive integer value, but got batch_size=0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(randperm_equals_torchs),
		cmocka_unit_test(shares_equal_distributed_sampler),
		cmocka_unit_test(rounds_equal_batch_sampler_shard),
		cmocka_unit_test(randperm_refuses_what_torch_would_draw_otherwise),
		cmocka_unit_test(an_epoch_resumed_by_the_same_world_goes_on_as_if_uninterrupted),
		cmocka_unit_test(rounds_resumed_by_the_same_world_go_on_as_if_uninterrupted),
		cmocka_unit_test(the_rest_is_dealt_whole_to_any_number_of_ranks),
		cmocka_unit_test(batches_cover_the_samples_and_only_the_last_is_short),
		cmocka_unit_test(two_billion_rows_and_four_billion_ranks_do_not_overflow),
		cmocka_unit_test(positions_beyond_the_epoch_are_refused_but_its_padded_end_is_not),
		cmocka_unit_test(wrong_ranks_and_batch_sizes_are_refused_in_torchs_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
