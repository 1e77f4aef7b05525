// SPDX-License-Identifier: Apache-2.0
// The parts that near duplicates are found with: folding, sets of 5-grams, their keys, sorting.
#include "text_help.h"

#include <math.h>

#include "text/fold.h"
#include "text/minhash.h"
#include "text/shingle.h"
#include "text/sort64.h"

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void folding_is_nfc_full_case_folding_and_single_spaces(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{"", ""},
		{" \t\n ", ""},
		{"\u00A0 A  b\u2003\u3000C\x1C", "a b c"},
		{"Stra\u00DFe", "strasse"},
		{"A\u030A", "\u00E5"},                  // A and a ring
		{"\u1E9E\u0130", "ssi\u0307"},          // sharp S, dotted I
		{"\u0390", "\u0390"},                   // folds into three, which compose again
		{"\u03A3\u03C2", "\u03C3\u03C3"},       // both sigmas
		{"\u0995\u09C7\u09BE", "\u0995\u09CB"}, // Bengali: E and AA compose
		{"\u09DC", "\u09A1\u09BC"},             // and RRA never does
		{"\u10A0\uAB70", "\u2D00\u13A0"},       // Georgian, Cherokee
		{"\U00010400x", "\U00010428x"},         // Deseret
	};
	struct hs_fold fold = {0};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct hs_span text = own_copy((struct hs_span){pairs[i][0], strlen(pairs[i][0])}), folded;
		assert_int_equal(hs_fold_text(&fold, text, &folded), 0);
		assert_int_equal(folded.len, strlen(pairs[i][1]));
		if (folded.len)
			assert_memory_equal(folded.ptr, pairs[i][1], folded.len);
		free((void *)(uintptr_t)text.ptr);
	}
	hs_fold_fini(&fold);
}

static void folding_gives_a_piece_of_the_text_where_nothing_inside_changes(void **state)
{
	(void)state;
	struct hs_fold fold = {0};
	struct hs_span text = SPAN(" \u09AC\u09BE\u0982\u09B2\u09BE text "), folded;
	assert_int_equal(hs_fold_text(&fold, text, &folded), 0);
	assert_ptr_equal(folded.ptr, text.ptr + 1);
	assert_int_equal(folded.len, text.len - 2);
	hs_fold_fini(&fold);
}

static void gram_sets_hold_each_gram_once_in_order(void **state)
{
	(void)state;
	struct hs_grams g = {0};
	assert_int_equal(hs_grams_make(&g, SPAN("abcd")), 0);
	assert_int_equal(g.n, 0);
	assert_int_equal(hs_grams_make(&g, SPAN("aaaaaaaaa")), 0);
	assert_int_equal(g.n, 1);
	assert_int_equal(hs_grams_make(&g, SPAN("abababababab")), 0);
	assert_int_equal(g.n, 2);
	assert_true(g.items[0] < g.items[1]);
	assert_int_equal(hs_grams_common(&g, &g, 2), 2);
	assert_int_equal(hs_grams_common(&g, &g, 3), 0);
	assert_int_equal(hs_grams_make(&g, SPAN("abcd\U0001F600efgh\U0001F600")), 0);
	assert_int_equal(g.n, 6);
	for (size_t i = 1; i < g.n; i++)
		assert_true(g.items[i - 1] < g.items[i]);
	hs_grams_fini(&g);
}

// The position of a wide character in the gram matters, and so does which it is.
static void grams_of_wide_characters_are_told_apart(void **state)
{
	(void)state;
	struct hs_grams a = {0}, b = {0};
	static const char *const others[] = {"x\u4E00xxx", "xx\u4E00xx", "xxx\u4E00x",     "xxxx\u4E00",
					     "\u4E01xxxx", "\u4E00xxxy", "\U00014E00xxxx", "\u0E00xxxx"};
	assert_int_equal(hs_grams_make(&a, SPAN("\u4E00xxxx")), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(hs_grams_make(&b, (struct hs_span){others[i], strlen(others[i])}), 0);
		assert_int_equal(a.n, 1);
		assert_int_equal(b.n, 1);
		assert_int_equal(hs_grams_common(&a, &b, 0), 0);
	}
	hs_grams_fini(&a);
	hs_grams_fini(&b);
}

static void what_two_sets_must_share_is_never_overstated(void **state)
{
	(void)state;
	static const double similarities[] = {0.5, 0.7, 0.8, 0.9, 1.0};
	for (size_t s = 0; s < 5; s++)
		for (size_t na = 1; na < 120; na++)
			for (size_t nb = 1; nb < 120; nb++) {
				size_t need = hs_grams_need(na, nb, similarities[s]), least = na < nb ? na : nb;
				size_t real = 0;
				while (real <= least && (double)real / (double)(na + nb - real) < similarities[s])
					real++;
				if (real <= least)
					assert_true(need <= real && real <= need + 2);
				else
					assert_true(need + 1 >= least);
			}
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void sort64_sorts_as_qsort_does(void **state)
{
	(void)state;
	static uint64_t items[1000], same[1000], spare[1000];
	uint64_t seed = 1;
	for (size_t n = 0; n <= 1000; n += n < 60 ? 1 : 47)
		for (uint64_t range = 2; range < 100000; range *= 300) {
			for (size_t i = 0; i < n; i++)
				same[i] = items[i] = next_random(&seed) % range << 20;
			hs_sort64(items, n, spare);
			qsort(same, n, sizeof(*same), compare_numbers);
			assert_memory_equal(items, same, n * sizeof(*same));
		}
}

static void minhash_has_the_bands_that_its_recall_asks_for(void **state)
{
	(void)state;
	struct hs_minhash m;
	hs_minhash_init(&m, 0.8);
	assert_int_equal(m.bands, 23);
	assert_int_equal(m.rows, 6);
	for (double s = 0.5; s <= 1.0; s += 0.001) {
		hs_minhash_init(&m, s);
		assert_true(m.bands <= HS_MINHASH_MAX_BANDS && m.rows <= HS_MINHASH_MAX_ROWS && m.rows >= 1);
		assert_true(1 - pow(1 - pow(s, m.rows), m.bands) >= HS_MINHASH_RECALL);
		assert_true(m.bands == 1 || 1 - pow(1 - pow(s, m.rows), m.bands - 1) < HS_MINHASH_RECALL);
	}
}

// Over 20,000 pairs of sets of similarity 0.5: how often each band's keys agree.
static void minhash_keys_agree_as_often_as_the_similarity_says(void **state)
{
	(void)state;
	struct hs_minhash m;
	uint64_t seed = 7, a[30], b[30];
	uint32_t x[HS_MINHASH_MAX_BANDS], y[HS_MINHASH_MAX_BANDS];
	double agree = 0, pairs = 20000;
	hs_minhash_init(&m, 0.5);
	for (size_t p = 0; p < 20000; p++) {
		for (size_t i = 0; i < 30; i++) {
			a[i] = next_random(&seed);
			b[i] = i < 20 ? a[i] : next_random(&seed);
		}
		hs_minhash_keys(&m, a, 30, x);
		hs_minhash_keys(&m, b, 30, y);
		for (unsigned band = 0; band < m.bands; band++)
			agree += x[band] == y[band];
	}
	double expected = pow(0.5, m.rows);
	assert_true(fabs(agree / pairs / m.bands - expected) < 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folding_is_nfc_full_case_folding_and_single_spaces),
		cmocka_unit_test(folding_gives_a_piece_of_the_text_where_nothing_inside_changes),
		cmocka_unit_test(gram_sets_hold_each_gram_once_in_order),
		cmocka_unit_test(grams_of_wide_characters_are_told_apart),
		cmocka_unit_test(what_two_sets_must_share_is_never_overstated),
		cmocka_unit_test(sort64_sorts_as_qsort_does),
		cmocka_unit_test(minhash_has_the_bands_that_its_recall_asks_for),
		cmocka_unit_test(minhash_keys_agree_as_often_as_the_similarity_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
