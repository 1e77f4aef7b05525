// SPDX-License-Identifier: Apache-2.0
// Near duplicates of a version (text/near.h), found once and shared by whoever asks for the same similarity: leaks, and
// plans that keep duplicates together. They lie in memory only: after a restart, or when many others were asked for
// meanwhile, they are found again.
//
// A search takes all that the machine has for seconds, when texts are a million. So it runs on threads of its own that
// stand behind all others, at most MOST_THREADS of them, and one search at a time in the daemon, of bounded memory:
// those who ask for another one meanwhile wait, on the threads of requests; streams that are open are filled elsewhere.
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/parallel.h"
#include "feed/internal.h"
#include "text/arena.h"
#include "text/minhash.h"

#define MOST_THREADS 4
#define NICE         10
#define MAX_PAIRS    ((size_t)1 << 22) // listed; 64 MiB
#define ROW_BYTES    112               // of a search, without keys and texts: see text/near.h, and the spans here

struct cached_near {
	struct hs_near near; // first: hs_near pointers are cached_near pointers
	struct hs_cache_entry *entry;
};

struct near_request {
	struct hs_feed *feed;
	const struct hs_version *version;
	double similarity;
};

struct search {
	const struct hs_version *version;
	struct hs_near_options options;
	struct hs_span *texts; // into the version's file, or into the arena
	struct hs_arena arena; // texts that straddle two chunks
	struct hs_near near;
	int rc;
	struct hs_err err;
};

static uint64_t text_bytes(const struct hs_version *v)
{
	uint64_t sum = 0;
	for (size_t g = 0, row = 0; g < v->ngroups; g++, row += HS_GROUP_ROWS)
		sum += v->text_ends[g][v->nrows - row < HS_GROUP_ROWS ? v->nrows - row : HS_GROUP_ROWS];
	return sum;
}

static int check_memory(const struct hs_version *v, double similarity, struct hs_err *reterr)
{
	struct hs_minhash minhash;
	hs_minhash_init(&minhash, similarity);
	uint64_t bytes = v->nrows * (ROW_BYTES + 4 * minhash.bands) + text_bytes(v) + MAX_PAIRS * 16;
	if (bytes <= HS_FEED_NEAR_MAX_BYTES)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT,
		   "looking for duplicates among %zu rows takes up to %llu MiB of memory, more than the %llu MiB that "
		   "hsfeedd spends on it",
		   v->nrows, (unsigned long long)(bytes >> 20), (unsigned long long)(HS_FEED_NEAR_MAX_BYTES >> 20));
	return hs_err_hint(reterr, "remove duplicates before ingesting, or name a column of groups");
}

static int read_text(struct search *s, size_t row, struct hs_buf *scratch)
{
	int rc = hs_version_text(s->version, row, scratch, &s->texts[row]);
	if (rc == 0 && s->texts[row].ptr == (const char *)scratch->data)
		rc = hs_arena_copy(&s->arena, s->texts[row], &s->texts[row]);
	return rc;
}

static int read_texts(struct search *s)
{
	struct hs_buf scratch = {0};
	int rc = 0;
	s->texts = hs_array(s->version->nrows, sizeof(*s->texts));
	if (!s->texts)
		return hs_err_nomem(&s->err, "looking for duplicates");
	for (size_t row = 0; row < s->version->nrows && rc == 0; row++) {
		rc = read_text(s, row, &scratch);
		if (rc < 0 && rc != -ENOMEM)
			hs_err_set(&s->err, rc, "row %zu cannot be read", row);
	}
	hs_buf_fini(&scratch);
	return rc == -ENOMEM ? hs_err_nomem(&s->err, "looking for duplicates") : rc;
}

static void *run_search(void *arg)
{
	struct search *s = arg;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); // threads that it starts inherit it
	s->rc = read_texts(s);
	if (s->rc == 0)
		s->rc = hs_near_find(s->texts, s->version->nrows, &s->options, &s->near, &s->err);
	hs_arena_fini(&s->arena);
	free(s->texts);
	return NULL;
}

// On a thread of its own, because a thread that has stepped back may not step forward again.
static int search(struct near_request *request, struct hs_near *ret, struct hs_err *reterr)
{
	unsigned threads = hs_cores() < MOST_THREADS ? hs_cores() : MOST_THREADS;
	struct search s = {.version = request->version, .options = {request->similarity, MAX_PAIRS, threads}};
	pthread_t thread;
	pthread_mutex_lock(&request->feed->near_lock);
	int rc = -pthread_create(&thread, NULL, run_search, &s);
	if (rc == 0)
		pthread_join(thread, NULL);
	pthread_mutex_unlock(&request->feed->near_lock);
	if (rc < 0)
		return hs_err_set(reterr, rc, "cannot start a thread to look for duplicates");
	*ret = s.near;
	if (s.rc < 0 && reterr)
		*reterr = s.err;
	return s.rc;
}

static void near_destroy(void *value)
{
	struct cached_near *cached = value;
	hs_near_fini(&cached->near);
	free(cached);
}

static int near_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	struct near_request *request = arg;
	int rc = check_memory(request->version, request->similarity, reterr);
	if (rc < 0)
		return rc;
	struct cached_near *cached = calloc(1, sizeof(*cached));
	if (!cached)
		return hs_err_nomem(reterr, "looking for duplicates");
	rc = search(request, &cached->near, reterr);
	if (rc < 0) {
		near_destroy(cached);
		return rc;
	}
	struct hs_near *near = &cached->near;
	struct hs_near_pair *pairs = realloc(near->pairs, (near->npairs + 1) * sizeof(*pairs)); // to what is needed
	near->pairs = pairs ? pairs : near->pairs;
	*ret_value = cached;
	*ret_bytes = sizeof(*cached) + 3 * near->nrows * sizeof(uint32_t) + near->npairs * sizeof(*pairs);
	return 0;
}

const struct hs_cache_kind hs_feed_near_cache = {near_make, near_destroy, 128u << 20};

int hs_feed_near_get(struct hs_feed *feed, const struct hs_feed_source *source, double similarity,
		     const struct hs_near **ret, struct hs_err *reterr)
{
	if (!(similarity >= HS_MINHASH_LEAST_SIMILARITY && similarity <= 1))
		return hs_near_find(NULL, 0, &(struct hs_near_options){.similarity = similarity}, NULL, reterr);
	struct near_request request = {feed, hs_feed_source_version(source), similarity};
	struct cache_key key = {0};
	hs_feed_key_version(&key, source);
	hs_feed_key_add(&key, &similarity, sizeof(similarity));
	struct hs_cache_entry *entry;
	int rc = hs_cache_get(feed->nears, key.bytes, key.len, &request, &entry, reterr);
	if (rc < 0)
		return rc;
	struct cached_near *cached = hs_cache_value(entry);
	__atomic_store_n(&cached->entry, entry, __ATOMIC_RELAXED); // every user stores the same pointer
	*ret = &cached->near;
	return 0;
}

void hs_feed_near_put(struct hs_feed *feed, const struct hs_near *near)
{
	if (!near)
		return;
	const struct cached_near *cached = (const struct cached_near *)(const void *)near;
	hs_cache_put(feed->nears, __atomic_load_n(&cached->entry, __ATOMIC_RELAXED));
}
