// SPDX-License-Identifier: Apache-2.0
#include "tok/trie.h"
#include "tok_fixture.h"

#define NKEYS   20000
#define MAX_LEN 6

struct made {
	uint32_t codes[NKEYS][MAX_LEN];
	struct hs_trie_key keys[NKEYS];
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

// Skewed codes: most keys share letters, some have rare ones.
static void make_keys(struct made *made, uint32_t max_code, uint32_t seed)
{
	for (uint32_t i = 0; i < NKEYS; i++) {
		uint32_t len = 1 + next_random(&seed) % MAX_LEN;
		for (uint32_t k = 0; k < len; k++)
			made->codes[i][k] =
				1 + next_random(&seed) %
					    (next_random(&seed) % 8 ? (max_code < 20 ? max_code : 20) : max_code);
		made->keys[i] = (struct hs_trie_key){made->codes[i], len, next_random(&seed) % 2, i};
	}
}

static uint32_t walk(const struct hs_trie *trie, uint32_t root, const uint32_t *codes, uint32_t len)
{
	uint32_t node = root;
	for (uint32_t i = 0; i < len && node != HS_TRIE_NONE; i++)
		node = hs_trie_step(trie->nodes, node, codes[i]);
	return node == HS_TRIE_NONE ? HS_TRIE_NONE : trie->nodes[node].value;
}

static int compare_keys(const void *a, const void *b)
{
	const struct hs_trie_key *x = a, *y = b;
	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	int rc = memcmp(x->codes, y->codes, x->len * sizeof(*x->codes));
	return rc ? rc : x->value < y->value ? -1 : 1;
}

static void check_trie(uint32_t max_code, uint32_t seed)
{
	struct made *made = calloc(1, sizeof(*made));
	struct hs_trie_key *sorted = calloc(NKEYS, sizeof(*sorted));
	struct hs_trie trie = {0};
	assert_non_null(made);
	assert_non_null(sorted);
	make_keys(made, max_code, seed);
	memcpy(sorted, made->keys, NKEYS * sizeof(*sorted));
	qsort(sorted, NKEYS, sizeof(*sorted), compare_keys);
	assert_int_equal(hs_trie_create(made->keys, NKEYS, max_code, &trie), 0);
	for (size_t i = 0; i < NKEYS; i++) {
		struct hs_trie_key next = i + 1 < NKEYS ? sorted[i + 1] : (struct hs_trie_key){0};
		int twin = next.len == sorted[i].len && next.root == sorted[i].root &&
			   memcmp(next.codes, sorted[i].codes, next.len * sizeof(*next.codes)) == 0;
		if (!twin) // of equal keys the greatest value wins
			assert_int_equal(walk(&trie, sorted[i].root, sorted[i].codes, sorted[i].len), sorted[i].value);
		if (sorted[i].len < MAX_LEN) { // a key with one more code is there only if it was put in
			uint32_t longer[MAX_LEN];
			memcpy(longer, sorted[i].codes, sorted[i].len * sizeof(*longer));
			longer[sorted[i].len] = max_code;
			struct hs_trie_key key = {longer, sorted[i].len + 1, sorted[i].root, 0};
			uint32_t found = walk(&trie, key.root, longer, key.len);
			if (found != HS_TRIE_NONE)
				assert_memory_equal(made->codes[found], longer, key.len * sizeof(*longer));
		}
	}
	assert_true(trie.nnodes < 8u * NKEYS); // no hole-riddled array
	hs_trie_fini(&trie);
	free(made);
	free(sorted);
}

static void a_trie_finds_every_key_and_no_other(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {1, 3, 21, 256, 5000};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_trie(sizes[i], (uint32_t)i + 1);
}

static void an_empty_trie_and_empty_keys_lead_nowhere(void **state)
{
	(void)state;
	struct hs_trie trie = {0};
	assert_int_equal(hs_trie_create(NULL, 0, 300, &trie), 0);
	for (uint32_t code = 0; code <= 300; code++)
		assert_int_equal(hs_trie_step(trie.nodes, 1, code), HS_TRIE_NONE);
	hs_trie_fini(&trie);
	struct hs_trie_key empty = {&(uint32_t){1}, 0, 0, 5};
	assert_int_equal(hs_trie_create(&empty, 1, 300, &trie), 0);
	assert_int_equal(trie.nodes[0].value, HS_TRIE_NONE);
	hs_trie_fini(&trie);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trie_finds_every_key_and_no_other),
		cmocka_unit_test(an_empty_trie_and_empty_keys_lead_nowhere),
	};
	return cmocka_run_group_tests_name("tok_trie", tests, NULL, NULL);
}
