// SPDX-License-Identifier: Apache-2.0
// StratifiedGroupKFold: groups are dealt from the most uneven class counts (standard deviation over classes) to the
// most even. Each is put, on trial, into every fold; the fold wins where the classes' shares then vary least over folds
// (per class the standard deviation over folds of the share of that class's rows, averaged over classes). Of folds that
// are close by numpy.isclose, the one with fewer rows wins.
//
// Counts are kept per group only for the classes it has. A trial changes only these classes' deviations, so those of
// the others are kept from the last group; sums are made anew each time, in numpy's order, because one rounding decides
// ties. Sources: scikit-learn 1.9 model_selection/_split.py, numpy 2.4 _core/_methods.py (_var, _mean).
#include "plan/groups.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/check.h"
#include "plan/mt19937.h"
#include "plan/pairwise.h"
#include "plan/sort.h"

struct cell {
	uint32_t class, count;
};

struct board {
	uint32_t k;
	size_t nrows, nclasses, ngroups;
	uint32_t *class_of_row, *group_of_row; // by rank
	uint32_t *class_rows;                  // rows per class
	struct cell *cells;                    // by group, then class
	size_t *cell_start;                    // [ngroups + 1]
	uint32_t *shuffled;                    // place -> the group whose counts lie there
	uint32_t *order;                       // places, as they are dealt
	uint16_t *fold_of_group;
	uint32_t *fold_class_rows;             // [class][fold]
	uint64_t *fold_rows;                   // [fold]
	double *shares;                        // [class][fold]: fold_class_rows / class_rows
	double *spread;                        // [class]: deviation of its shares over folds
	double *scratch;                       // [max(k, nclasses)]
};

static void board_fini(struct board *b)
{
	free(b->class_of_row);
	free(b->group_of_row);
	free(b->class_rows);
	free(b->cells);
	free(b->cell_start);
	free(b->shuffled);
	free(b->order);
	free(b->fold_of_group);
	free(b->fold_class_rows);
	free(b->fold_rows);
	free(b->shares);
	free(b->spread);
	free(b->scratch);
}

static int rank_rows(struct board *b, const struct hs_group_rows *rows)
{
	b->class_of_row = hs_array(rows->n, sizeof(*b->class_of_row));
	b->group_of_row = hs_array(rows->n, sizeof(*b->group_of_row));
	if (b->class_of_row == NULL || b->group_of_row == NULL ||
	    hs_rank_u32(rows->classes, rows->n, b->class_of_row, &b->nclasses) < 0 ||
	    hs_rank_u32(rows->groups, rows->n, b->group_of_row, &b->ngroups) < 0)
		return -ENOMEM;
	b->class_rows = hs_array(b->nclasses, sizeof(*b->class_rows));
	if (b->class_rows == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rows->n; i++)
		b->class_rows[b->class_of_row[i]]++;
	return 0;
}

static int check(const struct board *b, enum hs_group_rule rule, char ret_warning[256], struct hs_err *reterr)
{
	uint32_t smallest = UINT32_MAX, largest = 0;
	for (size_t c = 0; c < b->nclasses; c++) {
		smallest = b->class_rows[c] < smallest ? b->class_rows[c] : smallest;
		largest = b->class_rows[c] > largest ? b->class_rows[c] : largest;
	}
	int rc = hs_check_class_sizes(smallest, largest, b->k, ret_warning, reterr);
	if (rc < 0)
		return rc;
	if (rule == HS_GROUP_RULE_CURRENT && b->k > b->ngroups)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "Cannot have number of splits n_splits=%u greater than the "
				  "number of groups: %zu.", b->k, b->ngroups);
	// A group has no more classes than rows, so all of them together have at most nrows.
	double trials = (double)b->k * (double)b->k * (double)b->nrows;
	double cells = (double)b->k * (double)b->nclasses;
	return hs_check_work(trials + cells * (double)b->ngroups, cells, "stratified-group", reterr);
}

static int allocate(struct board *b)
{
	size_t longest = b->nclasses > b->k ? b->nclasses : b->k;
	b->cells = hs_array(b->nrows, sizeof(*b->cells));
	b->cell_start = hs_array(b->ngroups + 1, sizeof(*b->cell_start));
	b->shuffled = hs_array(b->ngroups, sizeof(*b->shuffled));
	b->order = hs_array(b->ngroups, sizeof(*b->order));
	b->fold_of_group = hs_array(b->ngroups, sizeof(*b->fold_of_group));
	b->fold_class_rows = hs_array(b->nclasses, b->k * sizeof(*b->fold_class_rows));
	b->fold_rows = hs_array(b->k, sizeof(*b->fold_rows));
	b->shares = hs_array(b->nclasses, b->k * sizeof(*b->shares));
	b->spread = hs_array(b->nclasses, sizeof(*b->spread));
	b->scratch = hs_array(longest, sizeof(*b->scratch));
	if (b->cells == NULL || b->cell_start == NULL || b->shuffled == NULL || b->order == NULL ||
	    b->fold_of_group == NULL || b->fold_class_rows == NULL || b->fold_rows == NULL || b->shares == NULL ||
	    b->spread == NULL || b->scratch == NULL)
		return -ENOMEM;
	return 0;
}

static int count_cells(struct board *b)
{
	uint64_t *keys = hs_array(b->nrows, sizeof(*keys));
	uint32_t *sorted = hs_array(b->nrows, sizeof(*sorted));
	int rc = keys == NULL || sorted == NULL ? -ENOMEM : 0;
	for (size_t i = 0; rc == 0 && i < b->nrows; i++)
		keys[i] = (uint64_t)b->group_of_row[i] << 32 | b->class_of_row[i];
	if (rc == 0)
		rc = hs_argsort_stable(keys, b->nrows, sorted);
	size_t ncells = 0;
	for (size_t i = 0; rc == 0 && i < b->nrows; i++) {
		uint64_t key = keys[sorted[i]];
		if (i == 0 || key != keys[sorted[i - 1]])
			b->cells[ncells++] = (struct cell){.class = (uint32_t)key};
		b->cells[ncells - 1].count++;
		b->cell_start[(key >> 32) + 1] = ncells;
	}
	free(keys);
	free(sorted);
	return rc;
}

// numpy.std of a group's counts of all classes.
static double group_spread(struct board *b, uint32_t group)
{
	double sum = 0, nclasses = (double)b->nclasses;
	for (size_t i = b->cell_start[group]; i < b->cell_start[group + 1]; i++)
		sum += b->cells[i].count; // integers: exact in any order
	double mean = sum / nclasses;
	for (size_t c = 0; c < b->nclasses; c++)
		b->scratch[c] = mean * mean;
	for (size_t i = b->cell_start[group]; i < b->cell_start[group + 1]; i++) {
		double off = b->cells[i].count - mean;
		b->scratch[b->cells[i].class] = off * off;
	}
	return sqrt(hs_pairwise_sum(b->scratch, b->nclasses) / nclasses);
}

static int order_groups(struct board *b, const struct hs_plan_spec *spec)
{
	uint64_t *keys = hs_array(b->ngroups, sizeof(*keys));
	if (keys == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->ngroups; i++)
		b->shuffled[i] = (uint32_t)i;
	if (spec->shuffle) {
		struct hs_mt19937 mt;
		hs_mt19937_init(&mt, spec->seed);
		hs_mt19937_shuffle_u32(&mt, b->shuffled, b->ngroups);
	}
	for (size_t i = 0; i < b->ngroups; i++) { // doubles that are not negative sort as their bits do
		double spread = group_spread(b, b->shuffled[i]);
		memcpy(&keys[i], &spread, sizeof(spread));
		keys[i] = ~keys[i];
	}
	int rc = hs_argsort_stable(keys, b->ngroups, b->order);
	free(keys);
	return rc;
}

// numpy.std of one class's shares over folds. A single class makes the table of shares one contiguous run, which numpy
// sums in pairs; more classes make it sum fold after fold.
static double share_spread(const struct board *b, const double *shares)
{
	double sum = 0, squares = 0;
	if (b->nclasses == 1) {
		double mean = hs_pairwise_sum(shares, b->k) / b->k;
		for (uint32_t fold = 0; fold < b->k; fold++)
			b->scratch[fold] = (shares[fold] - mean) * (shares[fold] - mean);
		return sqrt(hs_pairwise_sum(b->scratch, b->k) / b->k);
	}
	for (uint32_t fold = 0; fold < b->k; fold++)
		sum += shares[fold];
	double mean = sum / b->k;
	for (uint32_t fold = 0; fold < b->k; fold++)
		squares += (shares[fold] - mean) * (shares[fold] - mean);
	return sqrt(squares / b->k);
}

// What the classes' shares vary by, on average, if the group's cells join the fold.
static double try_fold(struct board *b, const struct cell *cells, size_t ncells, uint32_t fold)
{
	for (size_t i = 0; i < ncells; i++) {
		size_t at = (size_t)cells[i].class * b->k + fold;
		double before = b->shares[at];
		b->shares[at] = ((double)b->fold_class_rows[at] + cells[i].count) / b->class_rows[cells[i].class];
		b->spread[cells[i].class] = share_spread(b, b->shares + (size_t)cells[i].class * b->k);
		b->shares[at] = before;
	}
	return hs_pairwise_sum(b->spread, b->nclasses) / (double)b->nclasses;
}

static bool close_to(double a, double b)
{
	return a == b || (isfinite(b) && fabs(a - b) <= 1e-8 + 1e-5 * fabs(b));
}

static uint32_t find_fold(struct board *b, const struct cell *cells, size_t ncells)
{
	double best = HUGE_VAL;
	uint32_t best_fold = 0;
	for (uint32_t fold = 0; fold < b->k; fold++) {
		double now = try_fold(b, cells, ncells, fold);
		if (now < best || (close_to(now, best) && b->fold_rows[fold] < b->fold_rows[best_fold])) {
			best = now;
			best_fold = fold;
		}
	}
	return best_fold;
}

static void put_group(struct board *b, const struct cell *cells, size_t ncells, uint32_t fold)
{
	for (size_t i = 0; i < ncells; i++) {
		size_t class_at = (size_t)cells[i].class * b->k;
		b->fold_class_rows[class_at + fold] += cells[i].count;
		b->fold_rows[fold] += cells[i].count;
		b->shares[class_at + fold] = (double)b->fold_class_rows[class_at + fold] /
					     b->class_rows[cells[i].class];
		b->spread[cells[i].class] = share_spread(b, b->shares + class_at);
	}
}

static void deal_groups(struct board *b, enum hs_group_rule rule)
{
	for (size_t i = 0; i < b->ngroups; i++) {
		uint32_t place = b->order[i], group = b->shuffled[place];
		const struct cell *cells = b->cells + b->cell_start[group];
		size_t ncells = b->cell_start[group + 1] - b->cell_start[group];
		uint32_t fold = find_fold(b, cells, ncells);
		put_group(b, cells, ncells, fold);
		b->fold_of_group[rule == HS_GROUP_RULE_OLDER ? place : group] = (uint16_t)fold;
	}
}

int hs_stratified_group_kfold(const struct hs_group_rows *rows, const struct hs_plan_spec *spec,
			      enum hs_group_rule rule, uint16_t *ret_fold_of_row, char ret_warning[256],
			      struct hs_err *reterr)
{
	struct board b = {.k = spec->nfolds, .nrows = rows->n};
	char warning[256];
	int rc = hs_check_folds(rows->n, spec->nfolds, reterr);
	if (rc < 0)
		return rc;
	rc = rank_rows(&b, rows);
	if (rc == 0)
		rc = check(&b, rule, warning, reterr);
	if (rc == HSFEED_EBADPLAN)
		goto out;
	if (rc < 0 || allocate(&b) < 0 || count_cells(&b) < 0 || order_groups(&b, spec) < 0) {
		rc = hs_err_nomem(reterr, "splitting groups into stratified folds");
		goto out;
	}
	deal_groups(&b, rule);
	for (size_t i = 0; i < rows->n; i++)
		ret_fold_of_row[i] = b.fold_of_group[b.group_of_row[i]];
	if (ret_warning != NULL)
		memcpy(ret_warning, warning, sizeof(warning));
out:
	board_fini(&b);
	return rc;
}
