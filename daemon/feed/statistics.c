// SPDX-License-Identifier: Apache-2.0
// The fold table's figures beside its counts: tokens, drift, deviation. Each row is looked at once for its tokens and
// once for its label combination, whatever the number of folds:
//
//   class_of[row]     the number of the row's label combination
//   by_fold[...]      the classes of fold 0's rows, of fold 1's, ... (a counting sort)
//   in_all[class]     rows of any split
//
// so that each fold compares its own classes with all, and needs to touch no other class: what a fold does not have
// differs by its whole share.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "feed/internal.h"
#include "feed/statistics.h"

// ---- tokens ----

void hs_feed_token_table(const struct hs_encoding *e, const struct hs_plan *plan, uint32_t max_length,
			 struct hs_token_sums *ret)
{
	size_t nfolds = plan->spec.nfolds;
	memset(ret, 0, (nfolds + 1) * sizeof(*ret));
	for (size_t row = 0; row < plan->nrows; row++) {
		if (plan->fold_of_row[row] == HS_FOLD_UNUSED)
			continue;
		size_t length = hs_feed_row_length(e, row);
		struct hs_token_sums *sums = &ret[plan->fold_of_row[row] < nfolds ? plan->fold_of_row[row] : nfolds];
		sums->rows++;
		sums->tokens += length;
		sums->truncated_rows += length > max_length;
		sums->lost_tokens += length > max_length ? length - max_length : 0;
	}
	for (size_t fold = 0; fold < nfolds; fold++) {
		ret[nfolds].rows += ret[fold].rows;
		ret[nfolds].tokens += ret[fold].tokens;
		ret[nfolds].truncated_rows += ret[fold].truncated_rows;
		ret[nfolds].lost_tokens += ret[fold].lost_tokens;
	}
}

// ---- label combinations ----

#define PACKED_LABELS 16 // so many 0/1 columns are a class number themselves

static bool is_binary(const struct hs_label_layout *layout)
{
	for (size_t c = 0; c < layout->ncolumns; c++)
		if (layout->nvalues[c] != 2)
			return false;
	return layout->ncolumns > 0;
}

static void pack_labels(const struct hs_version *v, uint32_t *ret_classes)
{
	for (size_t row = 0; row < v->nrows; row++) {
		const float *values = (const float *)v->labels[row / HS_GROUP_ROWS] + row % HS_GROUP_ROWS * v->nlabels;
		uint32_t bits = 0;
		for (size_t c = 0; c < v->nlabels; c++)
			bits |= (uint32_t)(values[c] != 0.0f) << c;
		ret_classes[row] = bits;
	}
}

static int number_labels(const struct hs_version *v, uint32_t *ret_classes, size_t *ret_nclasses)
{
	float *values = hs_array(v->nrows * v->nlabels, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (size_t row = 0; row < v->nrows; row++)
		memcpy(values + row * v->nlabels,
		       (const float *)v->labels[row / HS_GROUP_ROWS] + row % HS_GROUP_ROWS * v->nlabels,
		       v->nlabels * sizeof(*values));
	int rc = hs_label_combinations(values, v->nrows, v->nlabels, ret_classes, ret_nclasses);
	free(values);
	return rc;
}

// Numbers the label combinations of all rows, from 0.
static int read_classes(const struct hs_feed_source *source, uint32_t *ret_classes, size_t *ret_nclasses)
{
	const struct hs_version *v = hs_feed_source_version(source);
	struct hs_label_layout layout;
	if (v->label_type == HS_LABELS_CLASS) {
		uint32_t most = 0;
		for (size_t row = 0; row < v->nrows; row++) {
			uint32_t id = ((const uint32_t *)v->labels[row / HS_GROUP_ROWS])[row % HS_GROUP_ROWS];
			ret_classes[row] = id;
			most = id > most ? id : most;
		}
		*ret_nclasses = (size_t)most + 1;
		return 0;
	}
	hs_feed_label_layout(source, &layout);
	if (v->nlabels > PACKED_LABELS || layout.ncolumns != v->nlabels || !is_binary(&layout))
		return number_labels(v, ret_classes, ret_nclasses);
	pack_labels(v, ret_classes);
	*ret_nclasses = (size_t)1 << v->nlabels;
	return 0;
}

// ---- drift ----

struct drift {
	const struct hs_plan *plan;
	size_t nclasses, nused;
	uint32_t *class_of; // [rows]
	uint32_t *by_fold;  // [rows that are validated]
	size_t *ends;       // [nfolds + 1]: fold f's are by_fold[ends[f - 1]] .. by_fold[ends[f] - 1]; first starts
	uint32_t *in_all, *in_fold; // [nclasses]; in_fold is zero between folds
};

static void drift_fini(struct drift *d)
{
	free(d->class_of);
	free(d->by_fold);
	free(d->ends);
	free(d->in_all);
	free(d->in_fold);
}

static int drift_alloc(struct drift *d)
{
	d->by_fold = hs_array(d->plan->nrows, sizeof(*d->by_fold));
	d->ends = hs_array((size_t)d->plan->spec.nfolds + 1, sizeof(*d->ends));
	d->in_all = hs_array(d->nclasses, sizeof(*d->in_all));
	d->in_fold = hs_array(d->nclasses, sizeof(*d->in_fold));
	return d->by_fold && d->ends && d->in_all && d->in_fold ? 0 : -ENOMEM;
}

// Counts classes of all used rows, and sorts those of validated rows by fold.
static void sort_by_fold(struct drift *d)
{
	const uint16_t *fold_of_row = d->plan->fold_of_row;
	size_t nfolds = d->plan->spec.nfolds;
	for (size_t row = 0; row < d->plan->nrows; row++) {
		if (fold_of_row[row] == HS_FOLD_UNUSED)
			continue;
		d->nused++;
		d->in_all[d->class_of[row]]++;
		if (fold_of_row[row] < nfolds)
			d->ends[fold_of_row[row] + 1]++;
	}
	for (size_t fold = 0; fold < nfolds; fold++)
		d->ends[fold + 1] += d->ends[fold];
	for (size_t row = 0; row < d->plan->nrows; row++)
		if (fold_of_row[row] < nfolds)
			d->by_fold[d->ends[fold_of_row[row]]++] = d->class_of[row]; // a start becomes its fold's end
}

static double drift_of(struct drift *d, const uint32_t *classes, size_t n)
{
	double sum = 0;
	uint64_t met = 0; // rows of all that have a class of this fold
	for (size_t i = 0; i < n; i++)
		d->in_fold[classes[i]]++;
	for (size_t i = 0; i < n; i++) {
		uint32_t c = classes[i];
		if (d->in_fold[c] == 0)
			continue; // seen
		sum += fabs((double)d->in_fold[c] / (double)n - (double)d->in_all[c] / (double)d->nused);
		met += d->in_all[c];
		d->in_fold[c] = 0;
	}
	return n == 0 ? 0 : (sum + (double)(d->nused - met) / (double)d->nused) / 2;
}

int hs_feed_drift(const struct hs_feed_source *source, const struct hs_plan *plan, double *ret_drift,
		  struct hs_err *reterr)
{
	struct drift d = {.plan = plan, .class_of = hs_array(plan->nrows, sizeof(*d.class_of))};
	memset(ret_drift, 0, plan->spec.nfolds * sizeof(*ret_drift));
	int rc = d.class_of ? 0 : -ENOMEM;
	if (rc == 0 && hs_feed_source_version(source)->label_type == HS_LABELS_NONE)
		goto out;
	if (rc == 0)
		rc = read_classes(source, d.class_of, &d.nclasses);
	if (rc == 0)
		rc = drift_alloc(&d);
	if (rc < 0)
		goto out;
	sort_by_fold(&d);
	for (size_t fold = 0, start = 0; fold < plan->spec.nfolds; start = d.ends[fold++])
		ret_drift[fold] = drift_of(&d, d.by_fold + start, d.ends[fold] - start);
out:
	drift_fini(&d);
	return rc < 0 ? hs_err_nomem(reterr, "comparing label combinations") : 0;
}

// ---- deviation ----

bool hs_label_deviation(const struct hs_label_layout *layout, const struct hs_label_counts *part,
			const struct hs_label_counts *all, struct hs_deviation *ret)
{
	bool found = false;
	if (part->rows == 0 || all->rows == 0)
		return false;
	for (size_t column = 0, at = 0; column < layout->ncolumns; at += layout->nvalues[column++]) {
		for (size_t value = layout->nvalues[column] == 2; value < layout->nvalues[column]; value++) {
			struct hs_deviation here = {
				.column = column,
				.value = value,
				.part = (double)part->counts[at + value] / (double)part->rows,
				.all = (double)all->counts[at + value] / (double)all->rows,
			};
			if (!found || fabs(here.part - here.all) > fabs(ret->part - ret->all))
				*ret = here;
			found = true;
		}
	}
	return found;
}
