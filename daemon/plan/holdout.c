// SPDX-License-Identifier: Apache-2.0
// Not stratified, the head of one permutation is tested and the next rows train. Stratified, class after class:
//   1. how many of each class train, then how many of those left are tested: the class's share of the wanted rows,
//      rounded down; what is missing goes to the largest remainders, equal ones by lot
//   2. the class's rows are permuted: the first train, the next are tested
// Then both lists are shuffled. One generator throughout; what is drawn when is part of the result. Source:
// scikit-learn 1.9 model_selection/_split.py (StratifiedShuffleSplit) and utils/extmath.py (_approximate_mode).
#include "plan/holdout.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/mt19937.h"
#include "plan/sizes.h"
#include "plan/sort.h"

#define NAMED_CLASSES 10 // of those with a single member

struct strata {
	size_t nclasses;
	uint32_t *class_of_row; // by rank
	uint32_t *rows;         // by class, then ascending
	int64_t *counts;        // per class: rows not dealt yet
	int64_t *take[2];       // per class: rows that train, rows that are tested
	uint32_t *perm;         // of one class; and classes with equal remainders
	uint32_t *order;        // classes by remainder, largest first
	uint64_t *keys;
	double *remainders;
	struct hs_mt19937 mt;
};

static void strata_fini(struct strata *s)
{
	free(s->class_of_row);
	free(s->rows);
	free(s->counts);
	free(s->take[0]);
	free(s->take[1]);
	free(s->perm);
	free(s->order);
	free(s->keys);
	free(s->remainders);
}

static int strata_init(struct strata *s, const uint32_t *classes, size_t n)
{
	s->class_of_row = hs_array(n, sizeof(*s->class_of_row));
	s->rows = hs_array(n, sizeof(*s->rows));
	s->perm = hs_array(n, sizeof(*s->perm));
	if (s->class_of_row == NULL || s->rows == NULL || s->perm == NULL ||
	    hs_rank_u32(classes, n, s->class_of_row, &s->nclasses) < 0)
		return -ENOMEM;
	s->counts = hs_array(s->nclasses, sizeof(*s->counts));
	s->take[0] = hs_array(s->nclasses, sizeof(*s->take[0]));
	s->take[1] = hs_array(s->nclasses, sizeof(*s->take[1]));
	s->order = hs_array(s->nclasses, sizeof(*s->order));
	s->keys = hs_array(s->nclasses, sizeof(*s->keys));
	s->remainders = hs_array(s->nclasses, sizeof(*s->remainders));
	if (s->counts == NULL || s->take[0] == NULL || s->take[1] == NULL || s->order == NULL || s->keys == NULL ||
	    s->remainders == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		s->counts[s->class_of_row[i]]++;
	return 0;
}

// Uses keys as the next place of each class, before they are needed.
static void list_rows(struct strata *s, size_t n)
{
	uint64_t start = 0;
	for (size_t c = 0; c < s->nclasses; c++) {
		s->keys[c] = start;
		start += (uint64_t)s->counts[c];
	}
	for (size_t i = 0; i < n; i++)
		s->rows[s->keys[s->class_of_row[i]]++] = (uint32_t)i;
}

static int refuse_single(const struct strata *s, const uint32_t *classes, struct hs_err *reterr)
{
	char names[NAMED_CLASSES * 12 + 8] = "";
	size_t len = 0, nsingle = 0, row = 0;
	for (size_t c = 0; c < s->nclasses; row += (size_t)s->counts[c++]) {
		if (s->counts[c] >= 2)
			continue;
		if (++nsingle > NAMED_CLASSES)
			break;
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%u", nsingle > 1 ? ", " : "",
					classes[s->rows[row]]);
	}
	if (nsingle == 0)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADPLAN,
			  "The least populated classes in y have only 1 member, which is too few. The minimum number "
			  "of groups for any class cannot be less than 2. Classes with too few members are: [%s%s]",
			  names, nsingle > NAMED_CLASSES ? ", ..." : "");
}

static int check_parts(const struct strata *s, const struct hs_holdout *parts, struct hs_err *reterr)
{
	bool few_train = parts->ntrain < s->nclasses;
	if (!few_train && parts->ntest >= s->nclasses)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADPLAN,
			  "The %s_size = %zu should be greater or equal to the number of classes = %zu",
			  few_train ? "train" : "test", few_train ? parts->ntrain : parts->ntest, s->nclasses);
}

static void permute(struct strata *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->perm[i] = (uint32_t)i;
	hs_mt19937_shuffle_u32(&s->mt, s->perm, n);
}

static int order_by_remainder(struct strata *s)
{
	for (size_t c = 0; c < s->nclasses; c++) { // remainders are not negative: they sort as their bits do
		memcpy(&s->keys[c], &s->remainders[c], sizeof(s->keys[c]));
		s->keys[c] = ~s->keys[c];
	}
	return hs_argsort_stable(s->keys, s->nclasses, s->order);
}

static void hand_out(struct strata *s, int64_t missing, int64_t *take)
{
	for (size_t i = 0, end; missing > 0 && i < s->nclasses; i = end) {
		for (end = i + 1; end < s->nclasses && s->keys[s->order[end]] == s->keys[s->order[i]];)
			end++;
		size_t nadd = (int64_t)(end - i) < missing ? end - i : (size_t)missing;
		permute(s, end - i);
		for (size_t j = 0; j < nadd; j++)
			take[s->order[i + s->perm[j]]]++;
		missing -= (int64_t)nadd;
	}
}

// _approximate_mode: take[c] of counts[c], `wanted` in all.
static int share_out(struct strata *s, size_t wanted, int64_t *take)
{
	int64_t total = 0;
	double floored = 0;
	for (size_t c = 0; c < s->nclasses; c++)
		total += s->counts[c];
	for (size_t c = 0; c < s->nclasses; c++) {
		double share = (double)s->counts[c] / (double)total * (double)wanted;
		take[c] = (int64_t)floor(share);
		s->remainders[c] = share - floor(share);
		floored += floor(share);
	}
	int64_t missing = (int64_t)((double)wanted - floored);
	if (missing <= 0)
		return 0;
	int rc = order_by_remainder(s);
	if (rc == 0)
		hand_out(s, missing, take);
	return rc;
}

// Python's slices: a piece beyond the end is as long as it can be.
static size_t clip(int64_t at, size_t n)
{
	return at < 0 ? 0 : (uint64_t)at < n ? (size_t)at : n;
}

static void deal_classes(struct strata *s, struct hs_holdout *parts)
{
	const uint32_t *rows = s->rows;
	parts->ntrain = parts->ntest = 0;
	for (size_t c = 0; c < s->nclasses; c++) {
		size_t count = (size_t)(s->counts[c] + s->take[0][c]); // all rows of the class
		size_t cut = clip(s->take[0][c], count), end = clip(s->take[0][c] + s->take[1][c], count);
		permute(s, count);
		for (size_t i = 0; i < cut; i++)
			parts->train[parts->ntrain++] = rows[s->perm[i]];
		for (size_t i = cut; i < end; i++)
			parts->test[parts->ntest++] = rows[s->perm[i]];
		rows += count;
	}
	hs_mt19937_shuffle_u32(&s->mt, parts->train, parts->ntrain);
	hs_mt19937_shuffle_u32(&s->mt, parts->test, parts->ntest);
}

static int split_strata(const uint32_t *classes, size_t n, uint32_t seed, struct hs_holdout *parts,
			struct hs_err *reterr)
{
	struct strata s = {0};
	int rc = strata_init(&s, classes, n);
	if (rc < 0)
		goto out;
	list_rows(&s, n);
	rc = refuse_single(&s, classes, reterr);
	if (rc == 0)
		rc = check_parts(&s, parts, reterr);
	if (rc < 0)
		goto out;
	hs_mt19937_init(&s.mt, seed);
	rc = share_out(&s, parts->ntrain, s.take[0]);
	for (size_t c = 0; rc == 0 && c < s.nclasses; c++)
		s.counts[c] -= s.take[0][c];
	if (rc == 0)
		rc = share_out(&s, parts->ntest, s.take[1]);
	if (rc == 0)
		deal_classes(&s, parts);
out:
	strata_fini(&s);
	return rc;
}

static int split_plain(size_t n, const struct hs_holdout_spec *spec, struct hs_holdout *parts)
{
	uint32_t *perm = hs_array(n, sizeof(*perm));
	if (perm == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		perm[i] = (uint32_t)i;
	if (spec->shuffle) {
		struct hs_mt19937 mt;
		hs_mt19937_init(&mt, spec->seed);
		hs_mt19937_shuffle_u32(&mt, perm, n);
	}
	const uint32_t *train = spec->shuffle ? perm + parts->ntest : perm;
	const uint32_t *test = spec->shuffle ? perm : perm + parts->ntrain;
	memcpy(parts->train, train, parts->ntrain * sizeof(*train));
	memcpy(parts->test, test, parts->ntest * sizeof(*test));
	free(perm);
	return 0;
}

static int check(const uint32_t *classes, size_t n, const struct hs_holdout_spec *spec, struct hs_err *reterr)
{
	if (n > UINT32_MAX)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "%zu rows are more than the %u that hsfeed splits", n,
				  UINT32_MAX);
	if (classes != NULL && !spec->shuffle)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "Stratified train/test split is not implemented for shuffle=False");
	return 0;
}

int hs_holdout_split(const uint32_t *classes, size_t n, const struct hs_holdout_spec *spec, struct hs_holdout *ret,
		     struct hs_err *reterr)
{
	struct hs_holdout parts = {0};
	int rc = hs_holdout_sizes(n, spec, &parts.ntrain, &parts.ntest, reterr);
	if (rc == 0)
		rc = check(classes, n, spec, reterr);
	if (rc < 0)
		return rc;
	parts.train = hs_array(parts.ntrain + parts.ntest, sizeof(*parts.train));
	if (parts.train == NULL)
		return hs_err_nomem(reterr, "splitting rows into train and test");
	parts.test = parts.train + parts.ntrain;
	rc = classes == NULL ? split_plain(n, spec, &parts) : split_strata(classes, n, spec->seed, &parts, reterr);
	if (rc == -ENOMEM)
		hs_err_nomem(reterr, "splitting rows into train and test");
	if (rc == 0)
		*ret = parts;
	else
		free(parts.train);
	return rc;
}

void hs_holdout_fini(struct hs_holdout *h)
{
	free(h->train);
	*h = (struct hs_holdout){0};
}
