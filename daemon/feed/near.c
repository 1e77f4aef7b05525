// SPDX-License-Identifier: Apache-2.0
// One search for near duplicates of a version (text/near.h): whether it may be made, and its texts. When it is made,
// for whom, and where its result goes is in searches.c.
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/parallel.h"
#include "feed/internal.h"
#include "text/arena.h"
#include "text/minhash.h"

#define MOST_THREADS 4
#define ROW_BYTES    112 // of a search, without keys and texts: see text/near.h, and the spans here

// ---- may it be made? ----

static uint64_t text_bytes(const struct hs_version *v)
{
	uint64_t sum = 0;
	for (size_t g = 0, row = 0; g < v->ngroups; g++, row += HS_GROUP_ROWS)
		sum += v->text_ends[g][v->nrows - row < HS_GROUP_ROWS ? v->nrows - row : HS_GROUP_ROWS];
	return sum;
}

bool hs_feed_near_is_empty(const struct hs_version *v)
{
	return v->nrows < 2 || text_bytes(v) == 0;
}

int hs_feed_near_check(const struct hs_version *v, double similarity, struct hs_err *reterr)
{
	struct hs_minhash minhash;
	if (!(similarity >= HS_MINHASH_LEAST_SIMILARITY && similarity <= 1)) // its sentence
		return hs_near_find(NULL, 0, &(struct hs_near_options){.similarity = similarity}, NULL, reterr);
	hs_minhash_init(&minhash, similarity);
	uint64_t bytes = v->nrows * (ROW_BYTES + 4 * minhash.bands) + text_bytes(v) +
			 HS_NEAR_MAX_PAIRS * sizeof(struct hs_near_pair);
	if (bytes <= HS_FEED_NEAR_MAX_BYTES)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT,
		   "looking for duplicates among %zu rows takes up to %llu MiB of memory, more than the %llu MiB that "
		   "hsfeedd spends on it",
		   v->nrows, (unsigned long long)(bytes >> 20), (unsigned long long)(HS_FEED_NEAR_MAX_BYTES >> 20));
	return hs_err_hint(reterr, "remove duplicates before ingesting, or name a column of groups");
}

// ---- one search ----

struct texts {
	struct hs_span *items; // into the version's file, or into the arena
	struct hs_arena arena; // texts that straddle two chunks
};

static int read_text(const struct hs_version *v, size_t row, struct hs_buf *scratch, struct texts *texts)
{
	struct hs_span *text = &texts->items[row];
	int rc = hs_version_text(v, row, scratch, text);
	if (rc == 0 && text->ptr == (const char *)scratch->data)
		rc = hs_arena_copy(&texts->arena, *text, text);
	return rc;
}

static int read_texts(const struct hs_version *v, struct texts *texts, const bool *stop, struct hs_err *reterr)
{
	struct hs_buf scratch = {0};
	int rc = 0;
	texts->items = hs_array(v->nrows, sizeof(*texts->items));
	if (!texts->items)
		return hs_err_nomem(reterr, "looking for duplicates");
	for (size_t row = 0; row < v->nrows && rc == 0; row++) {
		rc = __atomic_load_n(stop, __ATOMIC_RELAXED) ? -ECANCELED : read_text(v, row, &scratch, texts);
		if (rc < 0 && rc != -ENOMEM && rc != -ECANCELED)
			hs_err_set(reterr, rc, "row %zu cannot be read", row);
	}
	hs_buf_fini(&scratch);
	return rc == -ENOMEM ? hs_err_nomem(reterr, "looking for duplicates") : rc;
}

// The pairs' memory, cut to what is needed.
static void trim(struct hs_near *near)
{
	struct hs_near_pair *pairs = realloc(near->pairs, (near->npairs + 1) * sizeof(*pairs));
	near->pairs = pairs ? pairs : near->pairs;
}

int hs_feed_near_search(const struct hs_version *v, double similarity, const bool *stop, struct hs_near *ret,
			struct hs_err *reterr)
{
	unsigned threads = hs_cores() < MOST_THREADS ? hs_cores() : MOST_THREADS;
	const struct hs_near_options options = {similarity, HS_NEAR_MAX_PAIRS, threads, stop};
	struct texts texts = {0};
	int rc = read_texts(v, &texts, stop, reterr);
	if (rc == 0)
		rc = hs_near_find(texts.items, v->nrows, &options, ret, reterr);
	hs_arena_fini(&texts.arena);
	free(texts.items);
	if (rc == 0)
		trim(ret);
	return rc;
}

static void *search_idle(void *arg)
{
	struct hs_idle_search *search = arg;
	const struct sched_param none = {0};
	setpriority(PRIO_PROCESS, (id_t)gettid(), 19); // where the other is not to be had
	sched_setscheduler(0, SCHED_IDLE, &none);      // threads that it starts inherit both
	search->rc =
		hs_feed_near_search(search->version, search->similarity, search->stop, search->ret, search->reterr);
	return NULL;
}

int hs_feed_near_start_idle(struct hs_idle_search *search, pthread_t *ret)
{
	return -pthread_create(ret, NULL, search_idle, search);
}
