// SPDX-License-Identifier: Apache-2.0
// Fold tables, each computed once and shared: fold_of_row by (version, plan).
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "feed/internal.h"

struct cached_plan {
	struct hs_plan plan; // first: hs_plan pointers are cached_plan pointers
	struct hs_cache_entry *entry;
	struct hs_holdout holdout;
	struct hs_wbuf map;
	uint16_t fold_of_row[];
};

void hs_feed_key_version(struct cache_key *key, const struct hs_feed_source *source)
{
	hs_feed_key_add(key, &source->entry.owner, sizeof(source->entry.owner));
	hs_feed_key_add(key, source->entry.version.bytes, sizeof(source->entry.version.bytes));
}

// ---- plans ----

static void plan_destroy(void *value)
{
	struct cached_plan *cached = value;
	hs_holdout_fini(&cached->holdout);
	hs_w_fini(&cached->map);
	free(cached);
}

static int write_map(struct cached_plan *cached, const struct plan_make *make, struct hs_err *reterr)
{
	struct hs_plan *plan = &cached->plan;
	struct hs_plan_request resolved = make->request;
	resolved.spec = plan->spec;
	hs_feed_plan_write(&cached->map, &resolved);
	plan->map = cached->map.data;
	plan->map_len = cached->map.len;
	if (cached->map.failed || hs_sha256(plan->map, plan->map_len, plan->digest) < 0)
		return hs_err_nomem(reterr, "making a split plan");
	return 0;
}

static int deal(struct cached_plan *cached, const struct plan_make *make, struct hs_err *reterr)
{
	struct hs_plan *plan = &cached->plan;
	struct dealt dealt = {.fold_of_row = cached->fold_of_row};
	int rc = hs_feed_plan_deal(make, &dealt, reterr);
	cached->holdout = dealt.holdout;
	if (rc < 0)
		return rc;
	plan->spec = make->request.spec;
	plan->spec.nfolds = dealt.nfolds;
	plan->nrows = hs_feed_source_version(make->source)->nrows;
	plan->fold_of_row = cached->fold_of_row;
	plan->train = dealt.holdout.train;
	plan->ntrain = dealt.holdout.ntrain;
	plan->val = dealt.holdout.test;
	plan->nval = dealt.holdout.ntest;
	plan->grouped = make->request.group || make->request.similarity > 0;
	plan->groups = dealt.groups;
	memcpy(plan->warning, dealt.warning, sizeof(plan->warning));
	return write_map(cached, make, reterr);
}

static int plan_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	const struct plan_make *make = arg;
	size_t n = hs_feed_source_version(make->source)->nrows;
	struct cached_plan *cached = calloc(1, sizeof(struct cached_plan) + n * sizeof(uint16_t));
	if (!cached)
		return hs_err_nomem(reterr, "making a split plan");
	int rc = deal(cached, make, reterr);
	if (rc < 0) {
		plan_destroy(cached);
		return rc;
	}
	*ret_value = cached;
	*ret_bytes = sizeof(struct cached_plan) + n * sizeof(uint16_t) +
		     (cached->plan.ntrain + cached->plan.nval) * sizeof(uint32_t);
	return 0;
}

const struct hs_cache_kind hs_feed_plan_cache = {plan_make, plan_destroy, 64u << 20};

static int key_of(const struct plan_make *make, struct cache_key *ret, struct hs_err *reterr)
{
	struct hs_wbuf map = {0};
	uint8_t digest[HS_SHA256_BYTES];
	hs_feed_plan_write(&map, &make->request);
	int rc = map.failed ? -ENOMEM : hs_sha256(map.data, map.len, digest);
	hs_w_fini(&map);
	if (rc < 0)
		return hs_err_nomem(reterr, "making a split plan");
	hs_feed_key_version(ret, make->source);
	hs_feed_key_add(ret, digest, sizeof(digest));
	return 0;
}

int hs_feed_plan_get(struct hs_feed *feed, struct hs_feed_source *source, const struct hs_plan_request *request,
		     const struct hs_plan **ret, struct hs_err *reterr)
{
	struct plan_make make;
	struct cache_key key = {0};
	struct hs_cache_entry *entry;
	int rc = hs_feed_plan_resolve(feed, source, request, &make, reterr);
	if (rc == 0)
		rc = key_of(&make, &key, reterr);
	if (rc == 0)
		rc = hs_cache_get(feed->plans, key.bytes, key.len, &make, &entry, reterr);
	if (rc < 0)
		return rc;
	struct cached_plan *cached = hs_cache_value(entry);
	__atomic_store_n(&cached->entry, entry, __ATOMIC_RELAXED); // every user stores the same pointer
	*ret = &cached->plan;
	return 0;
}

void hs_feed_plan_put(struct hs_feed *feed, const struct hs_plan *plan)
{
	if (!plan)
		return;
	const struct cached_plan *cached = (const struct cached_plan *)(const void *)plan;
	hs_cache_put(feed->plans, __atomic_load_n(&cached->entry, __ATOMIC_RELAXED));
}

size_t hs_plan_rows(const struct hs_plan *plan, uint32_t fold, bool val, uint32_t *ret_rows)
{
	if (!plan->train)
		return hs_fold_rows(plan->fold_of_row, plan->nrows, fold, val, ret_rows);
	size_t n = val ? plan->nval : plan->ntrain;
	memcpy(ret_rows, val ? plan->val : plan->train, n * sizeof(*ret_rows));
	return n;
}
