// SPDX-License-Identifier: Apache-2.0
// Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011) as iterative-stratification 0.1.9 has it:
//
//   shuffle the rows; each fold wants 1/k of them, and 1/k of each label's positives
//   while some label has rows left:
//     take the label with the fewest          (tie: drawn)
//     give each of its rows, in order, to the fold that wants most of this label
//                                             (tie: that wants most rows; tie: drawn)
//     the fold then wants one less of each label that the row has, and one row less
//   rows without labels go to the fold that wants most rows (tie: drawn)
//
// The package counts all labels and looks through all rows anew for every label. Here each label's rows are listed
// once, and counts are kept. What is wanted is a double from (1/k) * count, not count / k, and compared exactly: the
// rounding decides ties.
#include "plan/multilabel.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "plan/check.h"
#include "plan/mt19937.h"

#define AHEAD 16 // rows fetched ahead: shuffled, each is a cache miss

struct stratify {
	const float *values;
	size_t n, nlabels;
	uint32_t k;
	struct hs_mt19937 mt;
	uint32_t *order;      // place -> row
	uint16_t *fold_of_row;
	bool *done;           // by place
	size_t *label_end;    // per label: its places are label_places[label_end[l - 1] .. label_end[l])
	uint32_t *label_places;
	uint32_t *left;       // per label: rows not dealt yet
	double *wanted;       // per fold
	double *wanted_label; // per label, then fold
	uint32_t *tied;       // folds, while one is chosen
};

static void stratify_fini(struct stratify *s)
{
	free(s->order);
	free(s->done);
	free(s->label_end);
	free(s->label_places);
	free(s->left);
	free(s->wanted);
	free(s->wanted_label);
	free(s->tied);
}

static int allocate(struct stratify *s)
{
	s->order = hs_array(s->n, sizeof(*s->order));
	s->done = hs_array(s->n, sizeof(*s->done));
	s->label_end = hs_array(s->nlabels + 1, sizeof(*s->label_end));
	s->left = hs_array(s->nlabels, sizeof(*s->left));
	s->wanted = hs_array(s->k, sizeof(*s->wanted));
	s->wanted_label = hs_array(s->nlabels, s->k * sizeof(*s->wanted_label));
	s->tied = hs_array(s->k, sizeof(*s->tied));
	if (s->order == NULL || s->done == NULL || s->label_end == NULL || s->left == NULL || s->wanted == NULL ||
	    s->wanted_label == NULL || s->tied == NULL)
		return -ENOMEM;
	size_t npositives = 0;
	for (size_t i = 0; i < s->n; i++) {
		for (size_t l = 0; l < s->nlabels; l++) {
			bool positive = s->values[i * s->nlabels + l] != 0;
			s->left[l] += positive;
			npositives += positive;
		}
	}
	s->label_places = hs_array(npositives, sizeof(*s->label_places));
	return s->label_places == NULL ? -ENOMEM : 0;
}

static const float *row_at(const struct stratify *s, size_t place)
{
	return s->values + s->order[place] * s->nlabels;
}

static void list_places(struct stratify *s)
{
	for (size_t l = 1; l < s->nlabels; l++) // where each begins; moves to where it ends
		s->label_end[l] = s->label_end[l - 1] + s->left[l - 1];
	for (size_t place = 0; place < s->n; place++) {
		const float *row = row_at(s, place);
		if (place + AHEAD < s->n)
			__builtin_prefetch(row_at(s, place + AHEAD));
		for (size_t l = 0; l < s->nlabels; l++)
			if (row[l] != 0)
				s->label_places[s->label_end[l]++] = (uint32_t)place;
	}
}

static void set_wanted(struct stratify *s)
{
	double share = 1.0 / s->k;
	for (uint32_t fold = 0; fold < s->k; fold++) {
		s->wanted[fold] = share * (double)s->n;
		for (size_t l = 0; l < s->nlabels; l++)
			s->wanted_label[l * s->k + fold] = share * s->left[l];
	}
}

// The folds with the largest value, ascending, in s->tied; the first ncandidates of s->tied are looked at.
static uint32_t keep_largest(struct stratify *s, const double *values, uint32_t ncandidates)
{
	double largest = -HUGE_VAL;
	uint32_t nkept = 0;
	for (uint32_t i = 0; i < ncandidates; i++) {
		uint32_t fold = s->tied[i]; // read before it may be written over
		if (values[fold] > largest) {
			largest = values[fold];
			nkept = 0;
		}
		if (values[fold] == largest)
			s->tied[nkept++] = fold;
	}
	return nkept;
}

static uint32_t choose_fold(struct stratify *s, const double *wanted_label)
{
	uint32_t ntied = s->k;
	for (uint32_t fold = 0; fold < s->k; fold++)
		s->tied[fold] = fold;
	if (wanted_label != NULL)
		ntied = keep_largest(s, wanted_label, ntied);
	if (ntied > 1)
		ntied = keep_largest(s, s->wanted, ntied);
	return s->tied[hs_mt19937_below(&s->mt, ntied - 1)];
}

static void deal_place(struct stratify *s, size_t place, const double *wanted_label)
{
	uint32_t fold = choose_fold(s, wanted_label);
	const float *row = row_at(s, place);
	for (size_t l = 0; wanted_label != NULL && l < s->nlabels; l++) {
		if (row[l] != 0) {
			s->wanted_label[l * s->k + fold] -= 1;
			s->left[l]--;
		}
	}
	s->wanted[fold] -= 1;
	s->fold_of_row[s->order[place]] = (uint16_t)fold;
	s->done[place] = true;
}

// The label with the fewest rows left, or nlabels when none has any.
static size_t choose_label(struct stratify *s)
{
	uint32_t fewest = UINT32_MAX, ntied = 0;
	for (size_t l = 0; l < s->nlabels; l++) {
		if (s->left[l] == 0 || s->left[l] > fewest)
			continue;
		ntied = s->left[l] == fewest ? ntied + 1 : 1;
		fewest = s->left[l];
	}
	if (ntied == 0)
		return s->nlabels;
	uint64_t skip = hs_mt19937_below(&s->mt, ntied - 1);
	for (size_t l = 0;; l++)
		if (s->left[l] == fewest && skip-- == 0)
			return l;
}

static void deal_label(struct stratify *s, size_t label)
{
	for (size_t i = label == 0 ? 0 : s->label_end[label - 1]; i < s->label_end[label]; i++) {
		if (i + AHEAD < s->label_end[label])
			__builtin_prefetch(row_at(s, s->label_places[i + AHEAD]));
		if (!s->done[s->label_places[i]])
			deal_place(s, s->label_places[i], s->wanted_label + label * s->k);
	}
}

// check_array's and scikit-learn's own checks, in the package's order.
static int check(const float *values, size_t n, size_t nlabels, uint32_t nfolds, struct hs_err *reterr)
{
	if (nfolds <= 1)
		return hs_check_folds(n, nfolds, reterr);
	bool infinite = false, missing = false;
	for (size_t i = 0; i < n * nlabels; i++) {
		missing = missing || isnan(values[i]);
		infinite = infinite || isinf(values[i]);
	}
	if (missing || infinite)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "Input contains %s.", missing ? "NaN" :
				  "infinity or a value too large for dtype('float32')");
	if (n == 0 || nlabels == 0)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "Found array with 0 %s(s) (shape=(%zu, %zu)) while a minimum of 1 is required.",
				  n == 0 ? "sample" : "feature", n, nlabels);
	int rc = hs_check_folds(n, nfolds, reterr);
	if (rc < 0)
		return rc;
	if (nlabels == 1)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "Supported target type is: multilabel-indicator. Got 'binary' instead.");
	double steps = ((double)n + (double)nlabels) * ((double)nlabels + nfolds);
	return hs_check_work(steps, (double)nlabels * nfolds, "multilabel", reterr);
}

int hs_multilabel_kfold(const float *values, size_t n, size_t nlabels, const struct hs_plan_spec *spec,
			uint16_t *ret_fold_of_row, struct hs_err *reterr)
{
	struct stratify s = {.values = values, .n = n, .nlabels = nlabels, .k = spec->nfolds,
			     .fold_of_row = ret_fold_of_row};
	int rc = check(values, n, nlabels, spec->nfolds, reterr);
	if (rc < 0)
		return rc;
	if (allocate(&s) < 0) {
		rc = hs_err_nomem(reterr, "splitting rows into multilabel folds");
		goto out;
	}
	hs_mt19937_init(&s.mt, spec->seed);
	for (size_t i = 0; i < n; i++)
		s.order[i] = (uint32_t)i;
	if (spec->shuffle)
		hs_mt19937_shuffle_u32(&s.mt, s.order, n);
	list_places(&s);
	set_wanted(&s);
	for (size_t label = choose_label(&s); label < nlabels; label = choose_label(&s))
		deal_label(&s, label);
	for (size_t place = 0; place < n; place++)
		if (!s.done[place])
			deal_place(&s, place, NULL);
out:
	stratify_fini(&s);
	return rc;
}
