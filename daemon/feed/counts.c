// SPDX-License-Identifier: Apache-2.0
// How often each label value occurs among the rows of each fold: the fold table's numbers.
#include <string.h>

#include "feed/internal.h"
#include "feed/labels.h"
#include "feed/statistics.h"

void hs_feed_label_layout(const struct hs_feed_source *source, struct hs_label_layout *ret)
{
	memset(ret, 0, sizeof(*ret));
	struct hs_rbuf labels;
	size_t n = hs_feed_labels(source, &labels), most = hs_feed_source_version(source)->nlabels;
	for (size_t i = 0; i < n && i < most && i < HS_FEED_MAX_LABELS; i++) {
		struct hs_label_column column;
		hs_feed_label_next(&labels, &column);
		ret->nvalues[i] = column.nvalues;
		ret->total += column.nvalues;
		ret->ncolumns = i + 1;
	}
}

static void count_row(const struct hs_version *v, const struct hs_label_layout *layout, size_t row, uint64_t *counts)
{
	const void *group = v->labels[row / HS_GROUP_ROWS];
	size_t at = row % HS_GROUP_ROWS;
	if (v->label_type == HS_LABELS_CLASS) {
		uint32_t id = ((const uint32_t *)group)[at];
		if (id < layout->nvalues[0])
			counts[id]++;
		return;
	}
	const float *values = (const float *)group + at * v->nlabels;
	for (size_t c = 0; c < layout->ncolumns; c++) {
		if (layout->nvalues[c] == 2) // 0/1 by construction: index 1 counts the positives
			counts[values[c] != 0.0f]++;
		counts += layout->nvalues[c];
	}
}

void hs_feed_label_table(const struct hs_feed_source *source, const struct hs_plan *plan, uint64_t *ret_counts,
			 uint64_t *ret_rows)
{
	const struct hs_version *v = hs_feed_source_version(source);
	struct hs_label_layout layout;
	size_t nfolds = plan->spec.nfolds;
	hs_feed_label_layout(source, &layout);
	memset(ret_counts, 0, (nfolds + 1) * layout.total * sizeof(*ret_counts));
	memset(ret_rows, 0, (nfolds + 1) * sizeof(*ret_rows));
	for (size_t row = 0; row < v->nrows; row++) {
		size_t fold = plan->fold_of_row[row] < nfolds ? plan->fold_of_row[row] : nfolds;
		if (plan->fold_of_row[row] == HS_FOLD_UNUSED)
			continue;
		ret_rows[fold]++;
		if (v->label_type != HS_LABELS_NONE)
			count_row(v, &layout, row, ret_counts + fold * layout.total);
	}
	for (size_t fold = 0; fold < nfolds; fold++) {
		ret_rows[nfolds] += ret_rows[fold];
		for (size_t i = 0; i < layout.total; i++)
			ret_counts[nfolds * layout.total + i] += ret_counts[fold * layout.total + i];
	}
}

void hs_feed_label_counts(const struct hs_feed_source *source, const struct hs_plan *plan, uint32_t fold, bool val,
			  uint64_t *ret_counts, uint64_t *ret_rows)
{
	const struct hs_version *v = hs_feed_source_version(source);
	struct hs_label_layout layout;
	uint64_t nrows = 0;
	hs_feed_label_layout(source, &layout);
	memset(ret_counts, 0, layout.total * sizeof(*ret_counts));
	for (size_t row = 0; row < v->nrows; row++) {
		if (!hs_plan_has(plan, row, fold, val))
			continue;
		nrows++;
		if (v->label_type != HS_LABELS_NONE)
			count_row(v, &layout, row, ret_counts);
	}
	*ret_rows = nrows;
}
