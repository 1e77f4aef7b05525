// SPDX-License-Identifier: Apache-2.0
// Rows with equal texts are a class, told by its first row. Of each class two rows are enough to know: the lowest one
// that is used, and the lowest in another fold than that. One of the two is the lowest training row for any fold:
//
//   rows of a class     3   8   9  20        lowest: 3       validation rows of fold 1 (3, 8) leak from 9
//   their folds         1   1   0   2        other:  9       those of any other fold (9, 20) leak from 3
//
// It is the same with what is near: of a class, the most similar row of all near classes, and the most similar in
// another fold than that. So no row is compared with all rows of all classes near its own.
#include "feed/leaks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"

#define NONE UINT32_MAX

struct nearest { // a row of a near class, and the pair that says so
	uint32_t row, pair;
};

struct finder {
	const struct hs_version *version;
	const struct hs_plan *plan;
	const struct hs_near *near;
	uint32_t *lowest, *other;         // [nrows] by class
	struct nearest *nearest, *second; // [nrows] by class
	uint32_t *of_row;                 // [nrows] NONE: does not leak
	uint8_t *how;                     // [nrows]
};

static uint16_t fold_of(const struct finder *f, uint32_t row)
{
	return f->plan->fold_of_row[row];
}

static bool is_validated(const struct finder *f, uint32_t row)
{
	return fold_of(f, row) < f->plan->spec.nfolds;
}

static void finder_fini(struct finder *f)
{
	free(f->lowest);
	free(f->other);
	free(f->nearest);
	free(f->second);
	free(f->of_row);
	free(f->how);
}

static int finder_init(struct finder *f)
{
	size_t n = f->version->nrows;
	f->lowest = hs_array(n, sizeof(*f->lowest));
	f->other = hs_array(n, sizeof(*f->other));
	f->nearest = hs_array(n, sizeof(*f->nearest));
	f->second = hs_array(n, sizeof(*f->second));
	f->of_row = hs_array(n, sizeof(*f->of_row));
	f->how = hs_array(n, sizeof(*f->how));
	if (!f->lowest || !f->other || !f->nearest || !f->second || !f->of_row || !f->how)
		return -ENOMEM;
	memset(f->nearest, 0xff, n * sizeof(*f->nearest)); // NONE
	memset(f->second, 0xff, n * sizeof(*f->second));
	memset(f->of_row, 0xff, n * sizeof(*f->of_row));
	return 0;
}

// ---- equal texts ----

static void find_lowest(struct finder *f, const uint32_t *class_of)
{
	uint32_t n = (uint32_t)f->version->nrows;
	memset(f->lowest, 0xff, n * sizeof(*f->lowest));
	memset(f->other, 0xff, n * sizeof(*f->other));
	for (uint32_t row = 0; row < n; row++) {
		uint32_t class = class_of[row];
		if (fold_of(f, row) == HS_FOLD_UNUSED)
			continue;
		if (f->lowest[class] == NONE)
			f->lowest[class] = row;
		else if (f->other[class] == NONE && fold_of(f, f->lowest[class]) != fold_of(f, row))
			f->other[class] = row;
	}
}

// The lowest row of a class that is in use and not in that fold, or NONE.
static uint32_t row_outside(const struct finder *f, uint32_t class, uint16_t fold)
{
	uint32_t row = f->lowest[class];
	return row == NONE || fold_of(f, row) != fold ? row : f->other[class];
}

static void find_equal(struct finder *f, const uint32_t *class_of, enum hs_leak_how how)
{
	find_lowest(f, class_of);
	for (uint32_t row = 0; row < f->version->nrows; row++) {
		if (!is_validated(f, row) || f->of_row[row] != NONE)
			continue;
		f->of_row[row] = row_outside(f, class_of[row], fold_of(f, row));
		f->how[row] = (uint8_t)how;
	}
}

// ---- near texts ----

static double similarity_of(const struct finder *f, const struct nearest *nearest)
{
	return f->near->pairs[nearest->pair].similarity;
}

static void offer(const struct finder *f, struct nearest *best, struct nearest one)
{
	if (one.row == NONE)
		return;
	double now = best->row == NONE ? 0 : similarity_of(f, best), then = similarity_of(f, &one);
	if (then > now || (then == now && one.row < best->row))
		*best = one;
}

static void offer_second(struct finder *f, uint32_t class, uint32_t of, uint32_t pair)
{
	if (f->nearest[class].row == NONE)
		return;
	uint16_t fold = fold_of(f, f->nearest[class].row);
	offer(f, &f->second[class], (struct nearest){row_outside(f, of, fold), pair});
}

static struct nearest nearest_of(const struct finder *f, uint32_t row)
{
	uint32_t class = f->near->folded_first[row];
	struct nearest best = f->nearest[class];
	return best.row == NONE || fold_of(f, best.row) != fold_of(f, row) ? best : f->second[class];
}

// After find_equal of the folded texts: classes are theirs.
static void find_near(struct finder *f)
{
	const struct hs_near_pair *pairs = f->near->pairs;
	for (uint32_t i = 0; i < f->near->npairs; i++) {
		offer(f, &f->nearest[pairs[i].a], (struct nearest){f->lowest[pairs[i].b], i});
		offer(f, &f->nearest[pairs[i].b], (struct nearest){f->lowest[pairs[i].a], i});
	}
	for (uint32_t i = 0; i < f->near->npairs; i++) {
		offer_second(f, pairs[i].a, pairs[i].b, i);
		offer_second(f, pairs[i].b, pairs[i].a, i);
	}
	for (uint32_t row = 0; row < f->version->nrows; row++) {
		if (!is_validated(f, row) || f->of_row[row] != NONE)
			continue;
		f->of_row[row] = nearest_of(f, row).row;
		f->how[row] = HS_LEAK_NEAR;
	}
}

// ---- labels ----

static const void *label_at(const struct hs_version *v, size_t row, size_t bytes)
{
	return (const char *)v->labels[row / HS_GROUP_ROWS] + row % HS_GROUP_ROWS * bytes;
}

static bool labels_differ(const struct hs_version *v, size_t row, size_t other)
{
	size_t bytes = v->label_type == HS_LABELS_CLASS ? sizeof(uint32_t) : v->nlabels * sizeof(float);
	return v->label_type != HS_LABELS_NONE &&
	       memcmp(label_at(v, row, bytes), label_at(v, other, bytes), bytes) != 0;
}

// ---- the answer ----

static struct hs_leak leak_of(const struct finder *f, uint32_t row)
{
	struct hs_leak leak = {.fold = fold_of(f, row),
			       .row = row,
			       .of_row = f->of_row[row],
			       .how = (enum hs_leak_how)f->how[row],
			       .similarity = 1,
			       .conflict = labels_differ(f->version, row, f->of_row[row])};
	if (leak.how == HS_LEAK_NEAR) {
		struct nearest nearest = nearest_of(f, row);
		leak.similarity = similarity_of(f, &nearest);
	}
	return leak;
}

static void count(struct hs_leak_counts *counts, const struct hs_leak *leak)
{
	counts->exact += leak->how == HS_LEAK_EXACT;
	counts->same += leak->how == HS_LEAK_SAME;
	counts->near += leak->how == HS_LEAK_NEAR;
	counts->conflicting += leak->conflict;
}

static int list_leaks(const struct finder *f, struct hs_leaks *leaks)
{
	uint32_t nrows = (uint32_t)f->version->nrows;
	size_t n = 0;
	for (uint32_t row = 0; row < nrows; row++)
		n += f->of_row[row] != NONE;
	leaks->nfolds = f->plan->spec.nfolds;
	leaks->folds = hs_array(leaks->nfolds, sizeof(*leaks->folds));
	leaks->items = hs_array(n, sizeof(*leaks->items));
	if (!leaks->folds || !leaks->items)
		return -ENOMEM;
	for (uint32_t row = 0; row < nrows; row++) {
		if (is_validated(f, row))
			leaks->folds[fold_of(f, row)].val_rows++;
		if (f->of_row[row] == NONE)
			continue;
		leaks->items[leaks->n] = leak_of(f, row);
		count(&leaks->folds[fold_of(f, row)], &leaks->items[leaks->n++]);
	}
	return 0;
}

// Groups are numbered in the order of their first rows, so each meets its first row first.
static int sum_groups(const struct hs_version *v, const struct hs_near *near, struct hs_duplicate_sums *sums)
{
	struct {
		uint32_t first, rows;
		bool conflict;
	} *groups = hs_array(near->ngroups, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	for (uint32_t row = 0; row < near->nrows; row++) {
		uint32_t g = near->group[row];
		if (groups[g].rows++ == 0)
			groups[g].first = row;
		else
			groups[g].conflict = groups[g].conflict || labels_differ(v, groups[g].first, row);
	}
	for (size_t g = 0; g < near->ngroups; g++) {
		if (groups[g].rows < 2)
			continue;
		sums->groups++;
		sums->rows_in_groups += groups[g].rows;
		sums->largest = groups[g].rows > sums->largest ? groups[g].rows : sums->largest;
		sums->conflicting_groups += groups[g].conflict;
	}
	free(groups);
	return 0;
}

static int sum_duplicates(const struct hs_version *v, const struct hs_near *near, struct hs_duplicate_sums *ret)
{
	*ret = (struct hs_duplicate_sums){.exact_rows = near->exact_rows,
					  .same_rows = near->folded_rows - near->exact_rows,
					  .near_pairs = near->npairs,
					  .unlisted = near->unlisted,
					  .uncompared = near->uncompared};
	return sum_groups(v, near, ret);
}

int hs_leaks_find(const struct hs_feed_source *source, const struct hs_plan *plan, const struct hs_near *near,
		  struct hs_leaks *ret, struct hs_err *reterr)
{
	struct finder f = {.version = hs_feed_source_version(source), .plan = plan, .near = near};
	struct hs_leaks leaks = {0};
	int rc = finder_init(&f);
	if (rc == 0) {
		find_equal(&f, near->text_first, HS_LEAK_EXACT);
		find_equal(&f, near->folded_first, HS_LEAK_SAME);
		find_near(&f);
		rc = list_leaks(&f, &leaks);
	}
	if (rc == 0)
		rc = sum_duplicates(f.version, near, &leaks.duplicates);
	finder_fini(&f);
	if (rc < 0) {
		hs_leaks_fini(&leaks);
		return hs_err_nomem(reterr, "looking for leaks");
	}
	*ret = leaks;
	return 0;
}

void hs_leaks_fini(struct hs_leaks *leaks)
{
	free(leaks->folds);
	free(leaks->items);
	*leaks = (struct hs_leaks){0};
}
