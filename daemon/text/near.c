// SPDX-License-Identifier: Apache-2.0
// 1. Fold every text. 2. Find the rows of equal texts and of equal folded texts; from here on each folded text counts
// once. 3. Give each its set of 5-grams, and of that its MinHash keys, one a band. 4. Band by band, sort by key: texts
// of one key are a bucket, and its pairs are verified (bucket.c); what is found joins components.
//
// Buckets are dealt into chunks and chunks into waves by their sizes alone; a wave's chunks run on all threads, each
// with what was known before the wave, and are added up in their order: so the result is the same for any number of
// threads.
#include "text/near.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "text/arena.h"
#include "text/bucket.h"
#include "text/fold.h"
#include "text/forest.h"
#include "text/kinds.h"
#include "text/minhash.h"
#include "text/sort64.h"

#define TASK_ROWS   4096 // to fold, or to give keys
#define CHUNK_ITEMS 2048 // texts in one chunk's buckets; a larger bucket is a chunk of its own
#define WAVE_CHUNKS 32

struct search {
	const struct hs_near_options *options;
	const struct hs_span *texts;
	struct hs_near near;
	struct hs_span *folded;  // [nrows]
	struct hs_arena *arenas; // [narenas] one a folding task
	size_t narenas;
	struct hs_minhash minhash;
	size_t n;              // different folded texts
	uint32_t *rows;        // [n] their first rows
	struct hs_span *kinds; // [n]
	uint32_t *ngrams;      // [n]
	uint32_t *keys;        // [n * bands]
	uint32_t *compared;    // [n]
	uint32_t *forest;      // [n]
	uint64_t *items;       // [n] of a band: key and number of the text
	uint64_t *spare;       // [n]
	size_t *chunks;        // [n / 2 + 2] where they begin in items, and the end of the last
	size_t nchunks;
	struct hs_candidates candidates;
	struct hs_bucket work[WAVE_CHUNKS];
	size_t wave; // its first chunk
	size_t cap;  // of near.pairs
	bool full;
};

static size_t tasks_of(size_t n)
{
	return (n + TASK_ROWS - 1) / TASK_ROWS;
}

static size_t task_end(size_t n, size_t task)
{
	return n - task * TASK_ROWS < TASK_ROWS ? n : (task + 1) * TASK_ROWS;
}

static int check_stop(const struct search *s)
{
	return s->options->stop && __atomic_load_n(s->options->stop, __ATOMIC_RELAXED) ? -ECANCELED : 0;
}

static bool is_piece_of(struct hs_span piece, struct hs_span text)
{
	uintptr_t p = (uintptr_t)piece.ptr, start = (uintptr_t)text.ptr;
	return p >= start && p <= start + text.len;
}

static int fold_rows(void *arg, size_t task)
{
	struct search *s = arg;
	struct hs_fold fold = {0};
	int rc = 0;
	for (size_t i = task * TASK_ROWS; i < task_end(s->near.nrows, task) && rc == 0; i++) {
		rc = check_stop(s);
		if (rc == 0)
			rc = hs_fold_text(&fold, s->texts[i], &s->folded[i]);
		if (rc == 0 && !is_piece_of(s->folded[i], s->texts[i]))
			rc = hs_arena_copy(&s->arenas[task], s->folded[i], &s->folded[i]);
	}
	hs_fold_fini(&fold);
	return rc;
}

static int fold_all(struct search *s)
{
	size_t n = s->near.nrows;
	s->folded = hs_array(n, sizeof(*s->folded));
	s->arenas = hs_array(tasks_of(n), sizeof(*s->arenas));
	if (!s->folded || !s->arenas)
		return -ENOMEM;
	s->narenas = tasks_of(n);
	return hs_parallel(s->options->threads, tasks_of(n), fold_rows, s);
}

static size_t count_later(const uint32_t *first, size_t n)
{
	size_t later = 0;
	for (size_t i = 0; i < n; i++)
		later += first[i] != i;
	return later;
}

static int find_kinds(struct search *s)
{
	struct hs_near *near = &s->near;
	unsigned threads = s->options->threads;
	near->text_first = hs_array(near->nrows, sizeof(*near->text_first));
	near->folded_first = hs_array(near->nrows, sizeof(*near->folded_first));
	if (!near->text_first || !near->folded_first)
		return -ENOMEM;
	if (hs_kinds_find(s->texts, near->nrows, threads, near->text_first) < 0 ||
	    hs_kinds_find(s->folded, near->nrows, threads, near->folded_first) < 0)
		return -ENOMEM;
	near->exact_rows = count_later(near->text_first, near->nrows);
	near->folded_rows = count_later(near->folded_first, near->nrows);
	s->n = near->nrows - near->folded_rows;
	return 0;
}

static int allocate(struct search *s)
{
	s->rows = hs_array(s->n, sizeof(*s->rows));
	s->kinds = hs_array(s->n, sizeof(*s->kinds));
	s->ngrams = hs_array(s->n, sizeof(*s->ngrams));
	s->keys = hs_array(s->n, s->minhash.bands * sizeof(*s->keys));
	s->compared = hs_array(s->n, sizeof(*s->compared));
	s->forest = hs_array(s->n, sizeof(*s->forest));
	s->items = hs_array(s->n, sizeof(*s->items));
	s->spare = hs_array(s->n, sizeof(*s->spare));
	s->chunks = hs_array(s->n / 2 + 2, sizeof(*s->chunks));
	bool all = s->rows && s->kinds && s->ngrams && s->keys && s->compared && s->forest && s->items && s->spare &&
		   s->chunks;
	return all ? 0 : -ENOMEM;
}

static int give_keys(void *arg, size_t task)
{
	struct search *s = arg;
	struct hs_grams grams = {0};
	int rc = 0;
	for (size_t i = task * TASK_ROWS; i < task_end(s->n, task) && rc == 0; i++) {
		rc = check_stop(s);
		if (rc == 0)
			rc = hs_grams_make(&grams, s->kinds[i]);
		s->ngrams[i] = (uint32_t)grams.n;
		if (rc == 0 && grams.n > 0)
			hs_minhash_keys(&s->minhash, grams.items, grams.n, s->keys + i * s->minhash.bands);
	}
	hs_grams_fini(&grams);
	return rc;
}

static int prepare(struct search *s)
{
	if (allocate(s) < 0)
		return -ENOMEM;
	for (size_t row = 0, i = 0; row < s->near.nrows; row++) {
		if (s->near.folded_first[row] != row)
			continue;
		s->rows[i] = (uint32_t)row;
		s->kinds[i++] = s->folded[row];
	}
	hs_forest_init(s->forest, s->n);
	s->candidates = (struct hs_candidates){.texts = s->kinds,
					       .ngrams = s->ngrams,
					       .bands = s->minhash.bands,
					       .keys = s->keys,
					       .compared = s->compared,
					       .roots = s->forest,
					       .similarity = s->options->similarity};
	return hs_parallel(s->options->threads, tasks_of(s->n), give_keys, s);
}

static size_t bucket_end(const uint64_t *items, size_t start, size_t n)
{
	size_t end = start + 1;
	while (end < n && items[end] >> 32 == items[start] >> 32)
		end++;
	return end;
}

// Fills items with the buckets of a band, lone texts left out; returns their number.
static size_t sort_band(struct search *s, unsigned band)
{
	size_t n = 0, kept = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->ngrams[i] > 0)
			s->items[n++] = (uint64_t)s->keys[i * s->minhash.bands + band] << 32 | i;
	hs_sort64(s->items, n, s->spare);
	for (size_t i = 0, end; i < n; i = end) {
		end = bucket_end(s->items, i, n);
		if (end - i < 2)
			continue;
		memmove(s->items + kept, s->items + i, (end - i) * sizeof(*s->items));
		kept += end - i;
	}
	return kept;
}

static void deal_chunks(struct search *s, size_t n)
{
	s->nchunks = 0;
	s->chunks[0] = 0;
	for (size_t i = 0, end; i < n; i = end) {
		end = bucket_end(s->items, i, n);
		if (end - s->chunks[s->nchunks] >= CHUNK_ITEMS || end == n)
			s->chunks[++s->nchunks] = end;
	}
}

static int search_chunk(void *arg, size_t task)
{
	struct search *s = arg;
	struct hs_bucket *work = &s->work[task];
	size_t end = s->chunks[s->wave + task + 1];
	int rc = 0;
	for (size_t i = s->chunks[s->wave + task]; i < end && rc == 0; i += work->n) {
		work->items = s->items + i;
		work->n = bucket_end(s->items, i, end) - i;
		rc = check_stop(s);
		if (rc == 0)
			rc = hs_bucket_search(work);
	}
	return rc;
}

static int compare_pairs(const void *pa, const void *pb)
{
	const struct hs_near_pair *x = pa, *y = pb;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

// A crowded bucket may find again what another band's bucket found.
static void sort_pairs(struct hs_near *near)
{
	size_t kept = 0;
	if (near->npairs > 0)
		qsort(near->pairs, near->npairs, sizeof(*near->pairs), compare_pairs);
	for (size_t i = 0; i < near->npairs; i++)
		if (kept == 0 || compare_pairs(&near->pairs[kept - 1], &near->pairs[i]) != 0)
			near->pairs[kept++] = near->pairs[i];
	near->npairs = kept;
}

static int keep_pair(struct search *s, struct hs_near_pair pair)
{
	struct hs_near *near = &s->near;
	if (near->npairs == s->options->max_pairs && !s->full) {
		sort_pairs(near);
		s->full = near->npairs >= s->options->max_pairs - s->options->max_pairs / 8; // else worth a repetition
	}
	if (s->full) {
		near->unlisted++;
		return 0;
	}
	if (hs_grow(&near->pairs, &s->cap, near->npairs + 1, sizeof(*near->pairs)) < 0)
		return -ENOMEM;
	near->pairs[near->npairs++] = pair;
	return 0;
}

// Takes over what a chunk found and empties it.
static int add_up(struct search *s, struct hs_bucket *work)
{
	int rc = 0;
	for (size_t i = 0; i < work->npairs && rc == 0; i++) {
		struct hs_near_pair pair = work->pairs[i];
		hs_forest_join(s->forest, pair.a, pair.b);
		rc = keep_pair(s, (struct hs_near_pair){s->rows[pair.a], s->rows[pair.b], pair.similarity});
	}
	s->near.unlisted += work->unlisted;
	s->near.uncompared += work->uncompared;
	work->npairs = 0;
	work->unlisted = work->uncompared = 0;
	return rc;
}

static int search_wave(struct search *s, unsigned band)
{
	size_t n = s->nchunks - s->wave < WAVE_CHUNKS ? s->nchunks - s->wave : WAVE_CHUNKS;
	for (size_t i = 0; i < n; i++) {
		s->work[i].in = &s->candidates;
		s->work[i].band = band;
	}
	int rc = hs_parallel(s->options->threads, n, search_chunk, s);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_up(s, &s->work[i]);
	hs_forest_flatten(s->forest, s->n);
	return rc;
}

static int search_bands(struct search *s)
{
	int rc = 0;
	for (unsigned band = 0; band < s->minhash.bands && rc == 0; band++) {
		deal_chunks(s, sort_band(s, band));
		for (s->wave = 0; s->wave < s->nchunks && rc == 0; s->wave += WAVE_CHUNKS)
			rc = search_wave(s, band);
	}
	sort_pairs(&s->near);
	return rc;
}

// Pairs of one crowded bucket that are in different components now.
static uint64_t count_apart(struct search *s, size_t start, size_t end)
{
	uint64_t n = end - start, apart = n * (n - 1) / 2;
	for (size_t i = start; i < end; i++)
		s->spare[s->forest[(uint32_t)s->items[i]]] = 0;
	for (size_t i = start; i < end; i++)
		apart -= s->spare[s->forest[(uint32_t)s->items[i]]]++;
	return apart;
}

// What a crowded bucket had to leave apart, later bands may have joined.
static int recount_uncompared(struct search *s)
{
	uint64_t apart = 0;
	if (s->near.uncompared == 0)
		return 0;
	for (unsigned band = 0; band < s->minhash.bands; band++) {
		size_t n = sort_band(s, band);
		for (size_t i = 0, end; i < n; i = end) {
			end = bucket_end(s->items, i, n);
			if (!(s->compared[(uint32_t)s->items[i]] >> band & 1))
				apart += count_apart(s, i, end);
		}
	}
	if (apart < s->near.uncompared)
		s->near.uncompared = apart;
	return 0;
}

static int number_groups(struct search *s)
{
	struct hs_near *near = &s->near;
	near->group = hs_array(near->nrows, sizeof(*near->group));
	if (!near->group)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		uint32_t root = hs_forest_root(s->forest, (uint32_t)i);
		near->group[s->rows[i]] = root == i ? (uint32_t)near->ngroups++ : near->group[s->rows[root]];
	}
	for (size_t row = 0; row < near->nrows; row++)
		near->group[row] = near->group[near->folded_first[row]];
	return 0;
}

static void search_fini(struct search *s)
{
	for (size_t i = 0; i < s->narenas; i++)
		hs_arena_fini(&s->arenas[i]);
	for (size_t i = 0; i < WAVE_CHUNKS; i++)
		hs_bucket_fini(&s->work[i]);
	void *owned[] = {s->folded,   s->arenas, s->rows,  s->kinds, s->ngrams, s->keys,
			 s->compared, s->forest, s->items, s->spare, s->chunks};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	hs_near_fini(&s->near);
}

static int check(size_t n, const struct hs_near_options *options, struct hs_err *reterr)
{
	if (!(options->similarity >= HS_MINHASH_LEAST_SIMILARITY && options->similarity <= 1)) {
		hs_err_set(reterr, HSFEED_EBADREQUEST, "similarity: %g is not between %g and 1", options->similarity,
			   HS_MINHASH_LEAST_SIMILARITY);
		return hs_err_hint(reterr, "0.8 finds copies with small edits; 1 finds texts of the same 5-grams only");
	}
	if (n > UINT32_MAX)
		return hs_err_set(reterr, HSFEED_EUNSUPPORTED, "not supported yet: more than 4,294,967,295 rows");
	return 0;
}

int hs_near_find(const struct hs_span *texts, size_t n, const struct hs_near_options *options, struct hs_near *ret,
		 struct hs_err *reterr)
{
	int rc = check(n, options, reterr);
	if (rc < 0)
		return rc;
	struct search *s = hs_array(1, sizeof(*s)); // tens of kilobytes: too much for some threads' stacks
	if (!s)
		return hs_err_nomem(reterr, "looking for near duplicates");
	s->options = options;
	s->texts = texts;
	s->near.nrows = n;
	hs_minhash_init(&s->minhash, options->similarity);
	int (*const steps[])(struct search *) = {fold_all,     find_kinds,         prepare,
						 search_bands, recount_uncompared, number_groups};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && rc == 0; i++)
		rc = steps[i](s);
	if (rc == 0) {
		*ret = s->near;
		s->near = (struct hs_near){0};
	}
	search_fini(s);
	free(s);
	if (rc == -ECANCELED)
		return hs_err_set(reterr, rc, "the search for near duplicates was stopped");
	return rc < 0 ? hs_err_nomem(reterr, "looking for near duplicates") : 0;
}

void hs_near_fini(struct hs_near *near)
{
	free(near->text_first);
	free(near->folded_first);
	free(near->group);
	free(near->pairs);
	*near = (struct hs_near){0};
}
