// SPDX-License-Identifier: Apache-2.0
#include "text_help.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "text/fold.h"
#include "text/forest.h"
#include "text/near.h"
#include "text/shingle.h"

struct texts {
	struct hs_span items[20000];
	size_t n;
};

static struct texts texts; // tests run one after the other

static void add(struct hs_span text)
{
	assert_true(texts.n < sizeof(texts.items) / sizeof(texts.items[0]));
	texts.items[texts.n++] = own_copy(text);
}

static void add_word(const char *word)
{
	add((struct hs_span){word, strlen(word)});
}

static void drop_texts(void)
{
	for (size_t i = 0; i < texts.n; i++)
		free((void *)(uintptr_t)texts.items[i].ptr);
	texts.n = 0;
}

static struct hs_near find(double similarity, size_t max_pairs, unsigned threads)
{
	struct hs_near near;
	struct hs_err err;
	struct hs_near_options options = {.similarity = similarity, .max_pairs = max_pairs, .threads = threads};
	assert_int_equal(hs_near_find(texts.items, texts.n, &options, &near, &err), 0);
	assert_int_equal(near.nrows, texts.n);
	return near;
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

// Letters that no 5-gram of another text has: character k of alphabet `start`, each once.
static void append_letters(struct hs_buf *b, unsigned start, size_t n)
{
	for (unsigned k = start; k < start + n; k++)
		assert_int_equal(hs_buf_printf(b, "%c%c%c", 0xE4 + (int)(k >> 12), 0x80 + (int)(k >> 6 & 63),
					       0x80 + (int)(k & 63)),
				 0);
}

// Two texts with na and nb different grams, `common` of them shared.
static void add_two(size_t na, size_t nb, size_t common)
{
	struct hs_buf b = {0};
	append_letters(&b, 0, common + 4);
	append_letters(&b, 12288, na - common);
	add((struct hs_span){(char *)b.data, b.len});
	b.len = 0;
	append_letters(&b, 0, common + 4);
	append_letters(&b, 24576, nb - common);
	add((struct hs_span){(char *)b.data, b.len});
	hs_buf_fini(&b);
}

static void assert_two(size_t na, size_t nb, size_t common, bool near_expected)
{
	add_two(na, nb, common);
	struct hs_near near = find(0.8, 10, 1);
	assert_int_equal(near.npairs, near_expected);
	assert_int_equal(near.ngroups, near_expected ? 1 : 2);
	if (near_expected) {
		assert_int_equal(near.pairs[0].a, 0);
		assert_int_equal(near.pairs[0].b, 1);
		assert_true(near.pairs[0].similarity == (double)common / (double)(na + nb - common));
	}
	hs_near_fini(&near);
	drop_texts();
}

static void a_pair_at_the_threshold_is_near_and_one_below_is_not(void **state)
{
	(void)state;
	assert_two(9, 9, 8, true);   // 8 / 10
	assert_two(9, 10, 8, false); // 8 / 11
	assert_two(90, 90, 80, true);
	assert_two(90, 90, 79, false); // 79 / 101
	assert_two(90, 90, 81, true);
	assert_two(100, 80, 80, true); // one within the other
	assert_two(101, 80, 80, false);
	assert_two(9000, 9000, 8000, true);
	assert_two(9000, 9001, 8000, false); // 8000 / 10001
	assert_two(1, 1, 0, false);
	assert_two(5, 4, 4, true);
}

static void texts_shorter_than_five_characters_are_near_only_when_equal_after_folding(void **state)
{
	(void)state;
	static const char *const words[] = {"abcd", "ABCD", " abcd\t", "abce", "abcd", "", "  ", "abcde", "abcd "};
	static const uint32_t text_first[] = {0, 1, 2, 3, 0, 5, 6, 7, 8}, folded_first[] = {0, 0, 0, 3, 0, 5, 5, 7, 0};
	static const uint32_t group[] = {0, 0, 0, 1, 0, 2, 2, 3, 0};
	for (size_t i = 0; i < 9; i++)
		add_word(words[i]);
	struct hs_near near = find(0.5, 10, 1);
	assert_memory_equal(near.text_first, text_first, sizeof(text_first));
	assert_memory_equal(near.folded_first, folded_first, sizeof(folded_first));
	assert_memory_equal(near.group, group, sizeof(group));
	assert_int_equal(near.ngroups, 4);
	assert_int_equal(near.exact_rows, 1);
	assert_int_equal(near.folded_rows, 5);
	assert_int_equal(near.npairs, 0);
	hs_near_fini(&near);
	drop_texts();
}

static void groups_are_chains_of_near_pairs_numbered_by_first_row(void **state)
{
	(void)state;
	add_word("something quite different from the others");
	add_word("one two three four five six seven eight nine ten eleven twelve");
	add_word("a lonely text that is like no other text in here");
	add_word("one two three four five six seven eight nine ten eleven twelve, thirteen");
	add_word("One two three four five six seven eight nine ten eleven twelve, thirteen fourteen");
	add_word("something quite different  from the others");
	static const uint32_t group[] = {0, 1, 2, 1, 1, 0};
	struct hs_near near = find(0.8, 10, 1);
	assert_memory_equal(near.group, group, sizeof(group));
	assert_int_equal(near.npairs, 2); // the first and the last of the chain are too far apart
	assert_true(near.pairs[0].a == 1 && near.pairs[0].b == 3);
	assert_true(near.pairs[1].a == 3 && near.pairs[1].b == 4);
	hs_near_fini(&near);
	drop_texts();
}

static void append_character(struct hs_buf *b, bool bengali, uint64_t *seed)
{
	uint64_t r = next_random(seed) % 40;
	if (r < 6)
		assert_int_equal(hs_buf_append(b, " ", 1), 0);
	else if (bengali)
		assert_int_equal(hs_buf_printf(b, "\xE0\xA6%c", 0x95 + (int)(r - 6)), 0);
	else
		assert_int_equal(hs_buf_printf(b, "%c", 'a' + (int)(r % 26)), 0);
}

// A copy with one character in `one_in` replaced, dropped or doubled.
static void add_edited(struct hs_span from, unsigned one_in, bool bengali, uint64_t *seed)
{
	struct hs_buf b = {0};
	for (size_t i = 0, end; i < from.len; i = end) {
		for (end = i + 1; end < from.len && ((unsigned char)from.ptr[end] & 0xC0) == 0x80;)
			end++;
		uint64_t edit = next_random(seed) % one_in ? 3 : next_random(seed) % 3;
		if (edit == 0)
			append_character(&b, bengali, seed);
		for (uint64_t copies = edit == 3 ? 1 : edit; copies > 0; copies--)
			assert_int_equal(hs_buf_append(&b, from.ptr + i, end - i), 0);
	}
	add(b.data ? (struct hs_span){(char *)b.data, b.len} : SPAN(""));
	hs_buf_fini(&b);
}

static void generate(size_t n, uint64_t seed)
{
	while (texts.n < n) {
		bool bengali = next_random(&seed) % 2;
		struct hs_buf b = {0};
		for (uint64_t len = 1 + next_random(&seed) % 120; len > 0; len--)
			append_character(&b, bengali, &seed);
		add((struct hs_span){(char *)b.data, b.len});
		hs_buf_fini(&b);
		struct hs_span base = texts.items[texts.n - 1];
		for (uint64_t copies = next_random(&seed) % 4; copies > 0 && texts.n < n; copies--)
			add_edited(base, 10 + (unsigned)(next_random(&seed) % 90), bengali, &seed);
	}
}

static void assert_consistent(const struct hs_near *near)
{
	size_t ngroups = 0;
	for (size_t i = 0; i < near->nrows; i++) {
		assert_true(near->folded_first[i] <= near->text_first[i] && near->text_first[i] <= i);
		assert_true(near->group[i] <= ngroups && near->group[i] == near->group[near->folded_first[i]]);
		ngroups += near->group[i] == ngroups;
	}
	assert_int_equal(ngroups, near->ngroups);
	for (size_t i = 0; i < near->npairs; i++) {
		struct hs_near_pair p = near->pairs[i];
		assert_true(p.a < p.b && near->group[p.a] == near->group[p.b]);
		assert_true(near->folded_first[p.a] == p.a && near->folded_first[p.b] == p.b);
		assert_true(i == 0 || near->pairs[i - 1].a < p.a ||
			    (near->pairs[i - 1].a == p.a && near->pairs[i - 1].b < p.b));
	}
}

static struct hs_grams *all_sets(void)
{
	struct hs_grams *sets = hs_array(texts.n, sizeof(*sets));
	struct hs_fold fold = {0};
	assert_non_null(sets);
	for (size_t i = 0; i < texts.n; i++) {
		struct hs_span folded;
		assert_int_equal(hs_fold_text(&fold, texts.items[i], &folded), 0);
		assert_int_equal(hs_grams_make(&sets[i], folded), 0);
	}
	hs_fold_fini(&fold);
	return sets;
}

// Every pair that is listed, by itself.
static void assert_verified(const struct hs_near *near)
{
	struct hs_grams *sets = all_sets();
	for (size_t i = 0; i < near->npairs; i++) {
		const struct hs_grams *a = &sets[near->pairs[i].a], *b = &sets[near->pairs[i].b];
		size_t common = hs_grams_common(a, b, 0);
		assert_true(near->pairs[i].similarity == (double)common / (double)(a->n + b->n - common));
		assert_true(near->pairs[i].similarity >= 0.8);
	}
	for (size_t i = 0; i < texts.n; i++)
		hs_grams_fini(&sets[i]);
	free(sets);
}

// All pairs of the first rows, by themselves; every one that was listed must be the next of them.
static void assert_as_brute_force(const struct hs_near *near)
{
	struct hs_grams *sets = all_sets();
	size_t pairs = 0, found = 0;
	for (uint32_t a = 0; a < near->nrows; a++)
		for (uint32_t b = a + 1; b < near->nrows && near->folded_first[a] == a; b++) {
			if (near->folded_first[b] != b)
				continue;
			size_t common = hs_grams_common(&sets[a], &sets[b], 0), all = sets[a].n + sets[b].n - common;
			if (common == 0 || (double)common / (double)all < 0.8)
				continue;
			pairs++;
			if (found < near->npairs && near->pairs[found].a == a && near->pairs[found].b == b)
				assert_true(near->pairs[found++].similarity == (double)common / (double)all);
		}
	assert_int_equal(found, near->npairs);
	assert_true(pairs > 200 && (double)found >= 0.99 * (double)pairs);
	for (size_t i = 0; i < texts.n; i++)
		hs_grams_fini(&sets[i]);
	free(sets);
}

static void pairs_of_generated_texts_are_those_of_brute_force(void **state)
{
	(void)state;
	generate(2500, 42);
	struct hs_near near = find(0.8, 100000, 2);
	assert_consistent(&near);
	assert_int_equal(near.unlisted, 0);
	assert_int_equal(near.uncompared, 0);
	assert_as_brute_force(&near);
	hs_near_fini(&near);
	drop_texts();
}

static void assert_same(const struct hs_near *a, const struct hs_near *b)
{
	assert_int_equal(a->npairs, b->npairs);
	assert_int_equal(a->ngroups, b->ngroups);
	assert_true(a->unlisted == b->unlisted && a->uncompared == b->uncompared);
	assert_memory_equal(a->group, b->group, a->nrows * sizeof(*a->group));
	for (size_t i = 0; i < a->npairs; i++)
		assert_true(a->pairs[i].a == b->pairs[i].a && a->pairs[i].b == b->pairs[i].b &&
			    a->pairs[i].similarity == b->pairs[i].similarity);
}

static void any_number_of_threads_gives_the_same_result(void **state)
{
	(void)state;
	generate(9000, 3);
	for (size_t max_pairs = 100; max_pairs <= 1000000; max_pairs *= 100) {
		struct hs_near one = find(0.8, max_pairs, 0), seven = find(0.8, max_pairs, 7);
		assert_same(&one, &seven);
		hs_near_fini(&one);
		hs_near_fini(&seven);
	}
	drop_texts();
}

static void ten_thousand_copies_are_one_group_without_pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10000; i++)
		add(i % 2 ? SPAN("the same text again and again") : SPAN("The same  text again and again"));
	struct hs_near near = find(0.8, 10, 1);
	assert_int_equal(near.ngroups, 1);
	assert_int_equal(near.exact_rows, 9998);
	assert_int_equal(near.folded_rows, 9999);
	assert_int_equal(near.npairs, 0);
	assert_int_equal(near.text_first[9999], 1);
	hs_near_fini(&near);
	drop_texts();
}

static void a_crowd_of_near_copies_is_one_group_and_tells_what_is_not_listed(void **state)
{
	(void)state;
	char text[200];
	for (unsigned i = 0; i < 8000; i++) {
		snprintf(text, sizeof(text),
			 "your parcel with the number %u has left our house, is on its way, arrives at %u", i, i % 24);
		add_word(text);
	}
	struct hs_near near = find(0.8, 10000000, 2), again = find(0.8, 5000, 1);
	assert_consistent(&near);
	assert_verified(&near);
	assert_memory_equal(near.group, again.group, texts.n * sizeof(*near.group));
	assert_int_equal(near.ngroups, 1);
	assert_int_equal(near.uncompared, 0);
	assert_true(near.unlisted > 0);
	assert_true(near.npairs < 100 * texts.n); // of 4,000 for each; which ones, the functions decide
	assert_true(again.npairs <= 5000 && again.unlisted > near.unlisted);
	hs_near_fini(&near);
	hs_near_fini(&again);
	drop_texts();
}

// The number of components, from all pairs.
static size_t count_components(void)
{
	struct hs_grams *sets = all_sets();
	uint32_t *forest = hs_array(texts.n, sizeof(*forest));
	size_t n = 0;
	assert_non_null(forest);
	hs_forest_init(forest, texts.n);
	for (uint32_t i = 0; i < texts.n; i++)
		for (uint32_t j = 0; j < i; j++) {
			size_t need = hs_grams_need(sets[i].n, sets[j].n, 0.8);
			size_t common = hs_grams_common(&sets[i], &sets[j], need);
			if ((double)common / (double)(sets[i].n + sets[j].n - common) >= 0.8)
				hs_forest_join(forest, i, j);
		}
	for (uint32_t i = 0; i < texts.n; i++) {
		n += hs_forest_root(forest, i) == i;
		hs_grams_fini(&sets[i]);
	}
	free(sets);
	free(forest);
	return n;
}

static uint64_t pairs_apart(const struct hs_near *near)
{
	uint64_t apart = 0;
	for (size_t i = 0; i < near->nrows; i++)
		for (size_t j = 0; j < i; j++)
			apart += near->group[i] != near->group[j];
	return apart;
}

// Random numbers in a fixed sentence: similar by 0.7 to 0.95, so crowded buckets hold pairs of every kind.
static void a_crowd_around_the_threshold_is_joined_nearly_as_by_brute_force(void **state)
{
	(void)state;
	char text[200];
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text),
			 "your parcel number %u has been sent and will reach you on day %u of the month",
			 i * 7919 % 1000003, i % 28);
		add_word(text);
	}
	struct hs_near near = find(0.8, 10000000, 1);
	size_t components = count_components();
	assert_verified(&near);
	assert_true(components > 20 && near.ngroups >= components);
	assert_true(near.ngroups <= components + components / 50);
	assert_true(near.uncompared > 0 && near.uncompared <= 23 * pairs_apart(&near));
	hs_near_fini(&near);
	drop_texts();
}

// Seven words in ten are common to all: alike enough for crowded buckets, and no two near.
static void a_crowd_of_texts_below_the_threshold_stays_apart_and_is_told(void **state)
{
	(void)state;
	uint64_t seed = 5;
	for (size_t i = 0; i < 3000; i++) {
		struct hs_buf b = {0};
		for (unsigned word = 0; word < 40; word++)
			if (word % 10 == 3)
				assert_int_equal(hs_buf_printf(&b, "%05u ", (unsigned)(next_random(&seed) % 100000)),
						 0);
			else
				assert_int_equal(hs_buf_printf(&b, "w%02uxyz ", word), 0);
		add((struct hs_span){(char *)b.data, b.len});
		hs_buf_fini(&b);
	}
	struct hs_near near = find(0.8, 5000, 2);
	assert_consistent(&near);
	assert_verified(&near);
	assert_true(near.ngroups > 2900);
	assert_true(near.uncompared > 0);
	hs_near_fini(&near);
	drop_texts();
}

// More texts, or longer ones, than a bucket may keep the sets of: all are "near" by their one long common part.
static void long_texts_are_compared_within_bounded_memory(void **state)
{
	(void)state;
	struct hs_buf b = {0};
	uint64_t seed = 9;
	for (size_t i = 0; i < 300000; i++)
		append_character(&b, false, &seed);
	size_t len = b.len;
	for (unsigned i = 0; i < 20; i++) {
		b.len = len;
		assert_int_equal(hs_buf_printf(&b, "%u", i), 0);
		add((struct hs_span){(char *)b.data, b.len});
	}
	hs_buf_fini(&b);
	struct hs_near near = find(0.8, 5000, 1);
	assert_int_equal(near.ngroups, 1);
	assert_true(near.npairs >= 19);
	hs_near_fini(&near);
	drop_texts();
}

static void a_cap_on_pairs_keeps_the_groups_and_is_told(void **state)
{
	(void)state;
	generate(2500, 42);
	struct hs_near all = find(0.8, 100000, 1), none = find(0.8, 0, 1), some = find(0.8, 10, 1);
	assert_memory_equal(all.group, none.group, texts.n * sizeof(*all.group));
	assert_memory_equal(all.group, some.group, texts.n * sizeof(*all.group));
	assert_int_equal(none.npairs, 0);
	assert_int_equal(none.unlisted, all.npairs);
	assert_int_equal(some.npairs, 10);
	assert_int_equal(some.unlisted, all.npairs - 10);
	hs_near_fini(&all);
	hs_near_fini(&none);
	hs_near_fini(&some);
	drop_texts();
}

static void a_similarity_out_of_range_is_refused_and_nothing_touched(void **state)
{
	(void)state;
	static const double wrong[] = {0, 0.49, 1.01, NAN, -1};
	struct hs_near near, untouched;
	memset(&near, 0xA5, sizeof(near));
	untouched = near;
	for (size_t i = 0; i < 5; i++) {
		struct hs_err err = {0};
		struct hs_near_options options = {.similarity = wrong[i], .max_pairs = 1, .threads = 1};
		assert_int_equal(hs_near_find(NULL, 0, &options, &near, &err), HSFEED_EBADREQUEST);
		assert_non_null(strstr(err.message, "similarity"));
		assert_true(err.hint[0] != 0);
		assert_memory_equal(&near, &untouched, sizeof(near));
	}
}

static void a_stopped_search_ends_and_touches_nothing(void **state)
{
	(void)state;
	struct hs_near near, untouched;
	struct hs_err err = {0};
	bool stop = true;
	struct hs_near_options options = {.similarity = 0.8, .max_pairs = 1, .threads = 2, .stop = &stop};
	memset(&near, 0xA5, sizeof(near));
	untouched = near;
	add_word("some text");
	add_word("some other text");
	assert_int_equal(hs_near_find(texts.items, texts.n, &options, &near, &err), -ECANCELED);
	assert_memory_equal(&near, &untouched, sizeof(near));
	drop_texts();
}

static void no_rows_and_one_row_are_answered(void **state)
{
	(void)state;
	struct hs_near near = find(0.8, 1, 2);
	assert_int_equal(near.ngroups, 0);
	hs_near_fini(&near);
	add_word("a single text");
	near = find(1, 1, 2);
	assert_int_equal(near.ngroups, 1);
	assert_int_equal(near.group[0], 0);
	hs_near_fini(&near);
	drop_texts();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_at_the_threshold_is_near_and_one_below_is_not),
		cmocka_unit_test(texts_shorter_than_five_characters_are_near_only_when_equal_after_folding),
		cmocka_unit_test(groups_are_chains_of_near_pairs_numbered_by_first_row),
		cmocka_unit_test(pairs_of_generated_texts_are_those_of_brute_force),
		cmocka_unit_test(any_number_of_threads_gives_the_same_result),
		cmocka_unit_test(ten_thousand_copies_are_one_group_without_pairs),
		cmocka_unit_test(a_crowd_of_near_copies_is_one_group_and_tells_what_is_not_listed),
		cmocka_unit_test(a_crowd_around_the_threshold_is_joined_nearly_as_by_brute_force),
		cmocka_unit_test(a_crowd_of_texts_below_the_threshold_stays_apart_and_is_told),
		cmocka_unit_test(long_texts_are_compared_within_bounded_memory),
		cmocka_unit_test(a_cap_on_pairs_keeps_the_groups_and_is_told),
		cmocka_unit_test(a_similarity_out_of_range_is_refused_and_nothing_touched),
		cmocka_unit_test(a_stopped_search_ends_and_touches_nothing),
		cmocka_unit_test(no_rows_and_one_row_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
