// SPDX-License-Identifier: Apache-2.0
// A small bucket compares all its pairs, but for those that a small bucket of an earlier band had too.
//
// A crowded one would take the square of its size. Its texts are put in the order of the next band's key, so that the
// most similar tend to be neighbours, and each is compared with the few before it that are not known to be in its
// component: in a crowd of near copies that is one comparison a text, because the first one joins it. What is left out
// is counted when the components are known.
#include "text/bucket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text/forest.h"
#include "text/sort64.h"

#define KEPT_GRAMS 1024 // a set's memory up to this is kept for the next text

static uint32_t candidate(const struct hs_bucket *b, size_t i)
{
	return (uint32_t)b->items[i];
}

// Does the size of the sets alone allow the similarity?
static bool may_be_near(const struct hs_candidates *in, uint32_t a, uint32_t b)
{
	size_t na = in->ngrams[a], nb = in->ngrams[b];
	return hs_grams_need(na, nb, in->similarity) <= (na < nb ? na : nb);
}

// Were both in one bucket of an earlier band that compared all its pairs?
static bool was_compared(const struct hs_candidates *in, uint32_t a, uint32_t b, unsigned band)
{
	const uint32_t *x = in->keys + (size_t)a * in->bands, *y = in->keys + (size_t)b * in->bands;
	for (unsigned i = 0; i < band; i++)
		if (x[i] == y[i] && (in->compared[a] >> i & 1))
			return true;
	return false;
}

static void drop_set(struct hs_grams *set)
{
	set->n = 0;
	if (set->cap > KEPT_GRAMS)
		hs_grams_fini(set);
}

// Sets are made in one room and copied: a long text may have few different grams.
static int need_set(struct hs_bucket *b, struct hs_grams *set, uint32_t candidate_number)
{
	struct hs_grams *made = &b->made;
	if (set->n > 0)
		return 0;
	int rc = hs_grams_make(made, b->in->texts[candidate_number]);
	if (rc == 0)
		rc = hs_grow(&set->items, &set->cap, made->n, sizeof(*set->items));
	if (rc == 0) {
		memcpy(set->items, made->items, made->n * sizeof(*set->items));
		set->n = made->n;
	}
	drop_set(made);
	return rc;
}

// Compares two texts and keeps the pair when they are near duplicates: 1; else 0, or -ENOMEM.
static int compare(struct hs_bucket *b, size_t i, size_t j, struct hs_grams *x, struct hs_grams *y)
{
	const struct hs_candidates *in = b->in;
	uint32_t a = candidate(b, i), c = candidate(b, j);
	if (need_set(b, x, a) < 0 || need_set(b, y, c) < 0)
		return -ENOMEM;
	size_t common = hs_grams_common(x, y, hs_grams_need(x->n, y->n, in->similarity));
	double similarity = (double)common / (double)(x->n + y->n - common);
	if (similarity < in->similarity)
		return 0;
	if (hs_grow(&b->pairs, &b->cap, b->npairs + 1, sizeof(*b->pairs)) < 0)
		return -ENOMEM;
	b->pairs[b->npairs++] = (struct hs_near_pair){a < c ? a : c, a < c ? c : a, similarity};
	return 1;
}

static int search_small(struct hs_bucket *b)
{
	const struct hs_candidates *in = b->in;
	int rc = 0;
	for (size_t i = 1; i < b->n && rc >= 0; i++)
		for (size_t j = 0; j < i && rc >= 0; j++) {
			uint32_t x = candidate(b, i), y = candidate(b, j);
			if (may_be_near(in, x, y) && !was_compared(in, x, y, b->band))
				rc = compare(b, i, j, &b->sets[i], &b->sets[j]);
		}
	for (size_t i = 0; i < b->n; i++) {
		in->compared[candidate(b, i)] |= (uint32_t)1 << b->band;
		drop_set(&b->sets[i]);
	}
	return rc < 0 ? rc : 0;
}

// A crowded bucket in its own order, and the components among its texts.
struct crowd {
	struct hs_bucket *bucket;
	uint64_t *order;  // [n] place in the bucket in the low half
	uint64_t *spare;  // [n]
	uint32_t *forest; // [n] by place in the bucket
};

static size_t place(const struct crowd *c, size_t i)
{
	return (uint32_t)c->order[i];
}

// Joins the texts whose component is known from earlier bands.
static void join_known(struct crowd *c)
{
	const struct hs_bucket *b = c->bucket;
	uint64_t *by_root = c->spare, *spare = c->order; // order is made after this
	for (size_t i = 0; i < b->n; i++)
		by_root[i] = (uint64_t)b->in->roots[candidate(b, i)] << 32 | i;
	hs_sort64(by_root, b->n, spare);
	hs_forest_init(c->forest, b->n);
	for (size_t i = 1; i < b->n; i++)
		if (by_root[i] >> 32 == by_root[i - 1] >> 32)
			hs_forest_join(c->forest, (uint32_t)by_root[i - 1], (uint32_t)by_root[i]);
}

static void put_in_order(struct crowd *c)
{
	const struct hs_bucket *b = c->bucket;
	unsigned next = (b->band + 1) % b->in->bands;
	for (size_t i = 0; i < b->n; i++)
		c->order[i] = (uint64_t)b->in->keys[(size_t)candidate(b, i) * b->in->bands + next] << 32 | i;
	hs_sort64(c->order, b->n, c->spare);
}

// How many texts before this one are compared with it: fewer where they are so long that their sets fill the memory.
static size_t window_of(const struct hs_bucket *b, size_t i)
{
	size_t window = HS_BUCKET_CROWD / b->n, room = HS_BUCKET_SET_GRAMS / b->in->ngrams[candidate(b, i)];
	if (window < HS_BUCKET_LEAST)
		window = HS_BUCKET_LEAST;
	if (window > HS_BUCKET_MOST)
		window = HS_BUCKET_MOST;
	if (room < 2)
		return 1;
	return window < room ? window : room - 1;
}

static struct hs_grams *set_of(struct hs_bucket *b, size_t at)
{
	return &b->sets[at % (HS_BUCKET_MOST + 1)];
}

// Compares the text at `at` with those before it; adds to *compared how many pairs are settled so. 0 or -ENOMEM.
static int search_before(struct crowd *c, size_t at, uint64_t *compared)
{
	struct hs_bucket *b = c->bucket;
	size_t i = place(c, at), window = window_of(b, i);
	drop_set(set_of(b, at));
	for (size_t back = 1; back <= window && back <= at; back++) {
		size_t j = place(c, at - back);
		uint32_t root = hs_forest_root(c->forest, (uint32_t)i);
		if (hs_forest_root(c->forest, (uint32_t)j) == root)
			continue;
		++*compared;
		if (!may_be_near(b->in, candidate(b, i), candidate(b, j)))
			continue;
		int rc = compare(b, i, j, set_of(b, at), set_of(b, at - back));
		if (rc < 0)
			return rc;
		if (rc == 1)
			hs_forest_join(c->forest, (uint32_t)i, (uint32_t)j);
	}
	for (size_t back = window; back < HS_BUCKET_MOST && back <= at; back++)
		drop_set(set_of(b, at - back));
	return 0;
}

static uint64_t pairs_among(uint64_t n)
{
	return n * (n - 1) / 2; // n is below 2^32
}

// Counts what was left out: all other pairs within a component, and across components.
static void count_left_out(struct crowd *c, uint64_t found, uint64_t compared)
{
	struct hs_bucket *b = c->bucket;
	uint64_t within = 0, all = pairs_among(b->n);
	for (size_t i = 0; i < b->n; i++)
		c->spare[i] = 0;
	for (size_t i = 0; i < b->n; i++)
		within += c->spare[hs_forest_root(c->forest, (uint32_t)i)]++;
	uint64_t across = all - within, rest = all - compared;
	b->unlisted += within - found;
	b->uncompared += across < rest ? across : rest;
}

static int search_crowd(struct hs_bucket *b)
{
	struct crowd c = {.bucket = b};
	size_t found = b->npairs;
	uint64_t compared = 0;
	c.order = hs_array(b->n, sizeof(*c.order));
	c.spare = hs_array(b->n, sizeof(*c.spare));
	c.forest = hs_array(b->n, sizeof(*c.forest));
	int rc = c.order && c.spare && c.forest ? 0 : -ENOMEM;
	if (rc == 0) {
		join_known(&c);
		put_in_order(&c);
		for (size_t at = 0; at < b->n && rc == 0; at++)
			rc = search_before(&c, at, &compared);
		for (size_t i = 0; i <= HS_BUCKET_MOST; i++)
			drop_set(&b->sets[i]);
	}
	if (rc == 0)
		count_left_out(&c, b->npairs - found, compared);
	free(c.order);
	free(c.spare);
	free(c.forest);
	return rc;
}

int hs_bucket_search(struct hs_bucket *b)
{
	size_t grams = 0;
	for (size_t i = 0; i < b->n && i < HS_BUCKET_SMALL; i++)
		grams += b->in->ngrams[candidate(b, i)];
	bool small = b->n <= HS_BUCKET_SMALL && (b->n == 2 || grams <= HS_BUCKET_SET_GRAMS);
	return small ? search_small(b) : search_crowd(b);
}

void hs_bucket_fini(struct hs_bucket *b)
{
	for (size_t i = 0; i < HS_BUCKET_SMALL; i++)
		hs_grams_fini(&b->sets[i]);
	hs_grams_fini(&b->made);
	free(b->pairs);
	*b = (struct hs_bucket){0};
}
