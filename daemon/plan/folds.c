// SPDX-License-Identifier: Apache-2.0
// KFold deals consecutive pieces of the (shuffled) rows. StratifiedKFold (since scikit-learn 0.22) thinks of the rows
// sorted by class, classes in order of first appearance, and deals those places round-robin: place p goes to fold
// p mod k.
//
//   class      0 0 0 0 0 1 1 1 2 2      five, three and two rows, k = 3
//   place      0 1 2 3 4 5 6 7 8 9
//   fold       0 1 2 0 1 2 0 1 2 0      class 0 gives folds {0,0,1,1,2}, class 1 {0,1,2}, class 2 {0,2}
//
// Each class's folds are then sorted (a "block"), shuffled if asked with one generator for all classes, and handed to
// the class's rows in row order. Sources: scikit-learn 1.9 model_selection/_split.py, numpy RandomState.shuffle. Linear
// in n, whatever the number of classes: the k x classes table of the original is never built.
#include "plan/folds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/check.h"
#include "plan/mt19937.h"
#include "plan/number.h"

static const char *const kind_names[] = {
	[HS_SPLIT_PLAIN] = "plain",           [HS_SPLIT_STRATIFIED] = "stratified",
	[HS_SPLIT_MULTICLASS] = "multiclass", [HS_SPLIT_MULTILABEL] = "multilabel",
	[HS_SPLIT_GROUP] = "group",           [HS_SPLIT_STRATIFIED_GROUP] = "stratified-group",
	[HS_SPLIT_HOLDOUT] = "holdout",       [HS_SPLIT_STRATIFIED_HOLDOUT] = "stratified-holdout",
	[HS_SPLIT_PREDEFINED] = "predefined", [HS_SPLIT_ROWS] = "rows",
};

int hs_split_kind_parse(const char *name, enum hs_split_kind *ret, struct hs_err *reterr)
{
	if (strcmp(name, "binary") == 0)
		name = kind_names[HS_SPLIT_STRATIFIED];
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (strcmp(name, kind_names[i]) == 0) {
			*ret = (enum hs_split_kind)i;
			return 0;
		}
	}
	hs_err_set(reterr, HSFEED_EBADREQUEST, "there is no kind \"%.64s\"", name);
	return hs_err_hint(reterr, "kinds: stratified (or binary), multiclass, multilabel, plain, group, "
				   "stratified-group, holdout, stratified-holdout, predefined, rows");
}

const char *hs_split_kind_name(enum hs_split_kind kind)
{
	return kind_names[kind];
}

// check_array's sentence comes between the two of the shared checks.
static int check_stratified(size_t n, uint32_t nfolds, struct hs_err *reterr)
{
	if (n == 0 && nfolds > 1)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required.");
	return hs_check_folds(n, nfolds, reterr);
}

int hs_kfold(size_t n, const struct hs_plan_spec *spec, uint16_t *ret_fold_of_row, struct hs_err *reterr)
{
	int rc = hs_check_folds(n, spec->nfolds, reterr);
	if (rc < 0)
		return rc;
	uint32_t *order = hs_array(n, sizeof(*order));
	if (order == NULL)
		return hs_err_nomem(reterr, "splitting rows into folds");
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	if (spec->shuffle) {
		struct hs_mt19937 mt;
		hs_mt19937_init(&mt, spec->seed);
		hs_mt19937_shuffle_u32(&mt, order, n);
	}
	size_t at = 0;
	for (uint32_t fold = 0; fold < spec->nfolds; fold++)
		for (size_t left = n / spec->nfolds + (fold < n % spec->nfolds); left > 0; left--)
			ret_fold_of_row[order[at++]] = (uint16_t)fold;
	free(order);
	return 0;
}

// What the stratified deal works with: rows numbered by class, and one entry per place.
struct deal {
	uint32_t *class_of_row; // by first appearance
	uint32_t *class_end;    // per class: where its block ends; while dealing: its next entry
	uint16_t *blocks;       // per place: the fold
	size_t nclasses;
};

static void deal_fini(struct deal *d)
{
	free(d->class_of_row);
	free(d->class_end);
	free(d->blocks);
}

static int deal_init(struct deal *d, const uint32_t *classes, size_t n)
{
	struct hs_number_input in = {.words = classes, .stride = 1, .nrows = n};
	d->class_of_row = hs_array(n, sizeof(*d->class_of_row));
	d->blocks = hs_array(n, sizeof(*d->blocks));
	if (d->class_of_row == NULL || d->blocks == NULL || hs_number_pairs(&in, d->class_of_row, &d->nclasses) < 0)
		return -ENOMEM;
	d->class_end = hs_array(d->nclasses, sizeof(*d->class_end));
	return d->class_end == NULL ? -ENOMEM : 0;
}

static void count_classes(struct deal *d, size_t n, uint32_t *ret_smallest, uint32_t *ret_largest)
{
	uint32_t smallest = UINT32_MAX, largest = 0;
	for (size_t i = 0; i < n; i++)
		d->class_end[d->class_of_row[i]]++;
	for (size_t c = 0; c < d->nclasses; c++) {
		smallest = d->class_end[c] < smallest ? d->class_end[c] : smallest;
		largest = d->class_end[c] > largest ? d->class_end[c] : largest;
	}
	*ret_smallest = smallest;
	*ret_largest = largest;
}

// The folds of places start .. start + count - 1, sorted.
static void fill_block(uint16_t *block, uint32_t count, uint32_t start, uint32_t k)
{
	uint32_t each = count / k, from = start % k, extra = count % k, at = 0;
	uint32_t wrapped = from + extra > k ? from + extra - k : 0; // folds below it have one more, by going round
	if (each == 0) {                                            // no walk over all k folds for every tiny class
		for (uint32_t fold = 0; fold < wrapped; fold++)
			block[at++] = (uint16_t)fold;
		for (uint32_t fold = from; at < count; fold++)
			block[at++] = (uint16_t)fold;
		return;
	}
	for (uint32_t fold = 0; fold < k; fold++) {
		bool more = fold < wrapped || (fold >= from && fold - from < extra);
		for (uint32_t left = each + more; left > 0; left--)
			block[at++] = (uint16_t)fold;
	}
}

static void deal_folds(struct deal *d, size_t n, const struct hs_plan_spec *spec, uint16_t *ret_fold_of_row)
{
	struct hs_mt19937 mt;
	uint32_t start = 0;
	hs_mt19937_init(&mt, spec->seed);
	for (size_t c = 0; c < d->nclasses; c++) {
		uint32_t count = d->class_end[c];
		fill_block(d->blocks + start, count, start, spec->nfolds);
		if (spec->shuffle)
			hs_mt19937_shuffle_u16(&mt, d->blocks + start, count);
		d->class_end[c] = start;
		start += count;
	}
	for (size_t i = 0; i < n; i++)
		ret_fold_of_row[i] = d->blocks[d->class_end[d->class_of_row[i]]++];
}

int hs_stratified_kfold(const uint32_t *classes, size_t n, const struct hs_plan_spec *spec, uint16_t *ret_fold_of_row,
			char ret_warning[256], struct hs_err *reterr)
{
	struct deal d = {0};
	uint32_t smallest, largest;
	int rc = check_stratified(n, spec->nfolds, reterr);
	if (rc < 0)
		return rc;
	if (deal_init(&d, classes, n) < 0) {
		rc = hs_err_nomem(reterr, "splitting rows into stratified folds");
		goto out;
	}
	count_classes(&d, n, &smallest, &largest);
	rc = hs_check_class_sizes(smallest, largest, spec->nfolds, ret_warning, reterr);
	if (rc == 0)
		deal_folds(&d, n, spec, ret_fold_of_row);
out:
	deal_fini(&d);
	return rc;
}

// Floats with equal results are equal labels: -0 is 0, and a missing value is one value whatever its bits.
static uint32_t canonical_float(uint32_t word)
{
	if ((word & 0x7fffffffu) == 0)
		return 0;
	return (word & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : word;
}

int hs_label_combinations(const float *values, size_t n, size_t nlabels, uint32_t *ret_classes, size_t *ret_nclasses)
{
	_Static_assert(sizeof(float) == sizeof(uint32_t), "labels are IEEE single");
	uint32_t *words = n > UINT32_MAX ? NULL : hs_array(n, sizeof(*words));
	uint32_t *group = n > UINT32_MAX ? NULL : hs_array(n, sizeof(*group));
	size_t ngroups = n > 0; // without any label all rows are one combination
	int rc = words == NULL || group == NULL ? -ENOMEM : 0;
	for (size_t label = 0; rc == 0 && label < nlabels; label++) {
		struct hs_number_input in = {group, words, 1, n, canonical_float};
		for (size_t i = 0; i < n; i++)
			memcpy(&words[i], &values[i * nlabels + label], sizeof(words[i]));
		rc = hs_number_pairs(&in, group, &ngroups);
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		ret_classes[i] = group[i];
	if (rc == 0)
		*ret_nclasses = ngroups;
	free(words);
	free(group);
	return rc;
}

size_t hs_fold_rows(const uint16_t *fold_of_row, size_t n, uint32_t fold, bool val, uint32_t *ret_rows)
{
	size_t nrows = 0;
	for (size_t i = 0; i < n; i++)
		if (fold_of_row[i] != HS_FOLD_UNUSED && (fold_of_row[i] == fold) == val)
			ret_rows[nrows++] = (uint32_t)i;
	return nrows;
}
