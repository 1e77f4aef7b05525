// SPDX-License-Identifier: Apache-2.0
// Which rows a plan deals into which fold: labels and groups of the version, given to the layer that knows the rules.
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"
#include "plan/multilabel.h"
#include "plan/predefined.h"
#include "plan/ranks.h"

// ---- labels ----

static const char *not_supported(const struct hs_version *v)
{
	return v->label_type == HS_LABELS_FLOAT ? "binary" : "multiclass";
}

static int need_labels(const struct plan_make *make, struct hs_err *reterr)
{
	if (hs_feed_source_version(make->source)->label_type != HS_LABELS_NONE)
		return 0;
	hs_err_set(reterr, HSFEED_EBADPLAN, "a %s plan needs labels, and this dataset was ingested without",
		   hs_split_kind_name(make->request.spec.kind));
	return hs_err_hint(reterr, "use --kind plain, or ingest with --labels COLUMN");
}

// The label columns that count, laid end to end: [nrows, ncolumns].
static float *copy_floats(const struct plan_make *make)
{
	const struct hs_version *v = hs_feed_source_version(make->source);
	float *values = hs_array(v->nrows * make->ncolumns, sizeof(*values));
	for (size_t row = 0; values && row < v->nrows; row++) {
		const float *from = (const float *)v->labels[row / HS_GROUP_ROWS] + row % HS_GROUP_ROWS * v->nlabels;
		for (size_t c = 0; c < make->ncolumns; c++)
			values[row * make->ncolumns + c] = from[make->columns[c]];
	}
	return values;
}

static int check_classes(const float *values, size_t n, struct hs_err *reterr)
{
	for (size_t i = 0; i < n; i++)
		if (values[i] != __builtin_truncf(values[i]))
			return hs_err_set(
				reterr, HSFEED_EBADPLAN,
				"Supported target types are: ('binary', 'multiclass'). Got 'continuous' instead.");
	return 0;
}

// In the order of first appearance, or of values.
static int float_classes(const struct plan_make *make, bool ascending, uint32_t *ret, struct hs_err *reterr)
{
	size_t n = hs_feed_source_version(make->source)->nrows, nclasses;
	float *values = copy_floats(make);
	if (!values)
		return hs_err_nomem(reterr, "reading labels");
	int rc = check_classes(values, n * make->ncolumns, reterr);
	if (rc == 0 && (ascending ? hs_label_ranks(values, n, make->ncolumns, ret, &nclasses)
				  : hs_label_combinations(values, n, make->ncolumns, ret, &nclasses)) < 0)
		rc = hs_err_nomem(reterr, "numbering label combinations");
	free(values);
	return rc;
}

static int read_classes(const struct plan_make *make, bool ascending, uint32_t **ret, struct hs_err *reterr)
{
	const struct hs_version *v = hs_feed_source_version(make->source);
	int rc = need_labels(make, reterr);
	if (rc < 0)
		return rc;
	if (make->ncolumns > 1 && make->request.spec.kind == HS_SPLIT_STRATIFIED) {
		hs_err_set(reterr, HSFEED_EBADPLAN,
			   "Supported target types are: ('binary', 'multiclass'). Got 'multilabel-indicator' instead.");
		return hs_err_hint(reterr,
				   "there are %zu label columns: --kind multiclass makes every label combination a "
				   "class, multilabel balances each label, --by COLUMN takes one of them",
				   make->ncolumns);
	}
	uint32_t *classes = hs_array(v->nrows, sizeof(*classes));
	if (!classes)
		return hs_err_nomem(reterr, "reading labels");
	if (v->label_type == HS_LABELS_FLOAT)
		rc = float_classes(make, ascending, classes, reterr);
	for (size_t row = 0; v->label_type == HS_LABELS_CLASS && row < v->nrows; row++)
		classes[row] = ((const uint32_t *)v->labels[row / HS_GROUP_ROWS])[row % HS_GROUP_ROWS];
	if (rc < 0)
		free(classes);
	else
		*ret = classes;
	return rc;
}

// 0/1 columns for multilabel stratification.
static int read_matrix(const struct plan_make *make, float **ret, struct hs_err *reterr)
{
	const struct hs_version *v = hs_feed_source_version(make->source);
	int rc = need_labels(make, reterr);
	if (rc < 0)
		return rc;
	if (v->label_type == HS_LABELS_CLASS || make->ncolumns < 2) {
		hs_err_set(reterr, HSFEED_EBADPLAN, "Supported target type is: multilabel-indicator. Got '%s' instead.",
			   not_supported(v));
		return hs_err_hint(reterr, "with one label column use --kind stratified");
	}
	*ret = copy_floats(make);
	return *ret ? 0 : hs_err_nomem(reterr, "reading labels");
}

// ---- groups ----

static int near_groups(const struct plan_make *make, uint32_t *ret, struct hs_err *reterr)
{
	const struct hs_near *near;
	int rc = hs_feed_near_get(make->feed, make->source, make->request.similarity, &near, reterr);
	if (rc < 0)
		return rc;
	memcpy(ret, near->group, near->nrows * sizeof(*ret));
	hs_feed_near_put(make->feed, near);
	return 0;
}

// Numbers below the number of rows.
static int read_groups(const struct plan_make *make, uint32_t **ret, struct hs_err *reterr)
{
	uint32_t *groups = hs_array(hs_feed_source_version(make->source)->nrows, sizeof(*groups));
	if (!groups)
		return hs_err_nomem(reterr, "reading groups");
	int rc = make->request.group ? hs_feed_group_column(make->source, make->request.group, groups, reterr)
				     : near_groups(make, groups, reterr);
	if (rc < 0)
		free(groups);
	else
		*ret = groups;
	return rc;
}

static int count_groups(const uint32_t *groups, size_t n, struct hs_deal_figures *ret, struct hs_err *reterr)
{
	uint32_t *sizes = hs_array(n, sizeof(*sizes)); // there are no more groups than rows
	if (!sizes)
		return hs_err_nomem(reterr, "counting groups");
	for (size_t row = 0; row < n; row++)
		sizes[groups[row]]++;
	hs_deal_count_groups(sizes, n, ret);
	free(sizes);
	return 0;
}

static int count_folds(const uint16_t *fold_of_row, size_t n, uint32_t nfolds, struct hs_deal_figures *ret,
		       struct hs_err *reterr)
{
	uint64_t *sizes = hs_array(nfolds, sizeof(*sizes));
	if (!sizes)
		return hs_err_nomem(reterr, "counting folds");
	for (size_t row = 0; row < n; row++)
		sizes[fold_of_row[row]]++;
	hs_deal_count_folds(sizes, nfolds, ret);
	free(sizes);
	return 0;
}

// ---- kinds ----

static int deal_stratified(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr)
{
	uint32_t *classes;
	int rc = read_classes(make, false, &classes, reterr);
	if (rc < 0)
		return rc;
	rc = hs_stratified_kfold(classes, hs_feed_source_version(make->source)->nrows, &make->request.spec,
				 ret->fold_of_row, ret->warning, reterr);
	free(classes);
	return rc;
}

static int deal_multilabel(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr)
{
	float *values;
	int rc = read_matrix(make, &values, reterr);
	if (rc < 0)
		return rc;
	rc = hs_multilabel_kfold(values, hs_feed_source_version(make->source)->nrows, make->ncolumns,
				 &make->request.spec, ret->fold_of_row, reterr);
	free(values);
	return rc;
}

static int deal_stratified_groups(const struct plan_make *make, const uint32_t *groups, struct dealt *ret,
				  struct hs_err *reterr)
{
	uint32_t *classes;
	int rc = read_classes(make, true, &classes, reterr);
	if (rc < 0)
		return rc;
	const struct hs_group_rows rows = {classes, groups, hs_feed_source_version(make->source)->nrows};
	rc = hs_stratified_group_kfold(&rows, &make->request.spec, make->request.rule, ret->fold_of_row, ret->warning,
				       reterr);
	free(classes);
	return rc;
}

// Groups in kinds that no library has with groups: by our own rule.
static int deal_our_groups(const struct plan_make *make, const uint32_t *groups, struct dealt *ret,
			   struct hs_err *reterr)
{
	uint32_t *classes = NULL;
	float *values = NULL;
	size_t n = hs_feed_source_version(make->source)->nrows;
	int rc = make->request.spec.kind == HS_SPLIT_MULTILABEL ? read_matrix(make, &values, reterr)
								: read_classes(make, false, &classes, reterr);
	if (rc < 0)
		return rc;
	const struct hs_deal_rows rows = {n, groups, n, classes, values, make->ncolumns};
	rc = hs_deal_groups(&rows, &make->request.spec, ret->fold_of_row, &ret->groups, ret->warning, reterr);
	free(classes);
	free(values);
	return rc;
}

static int deal_library_groups(const struct plan_make *make, const uint32_t *groups, struct dealt *ret,
			       struct hs_err *reterr)
{
	const struct hs_plan_spec *spec = &make->request.spec;
	size_t n = hs_feed_source_version(make->source)->nrows;
	int rc = spec->kind == HS_SPLIT_GROUP
			 ? hs_group_kfold(groups, n, spec, make->request.rule, ret->fold_of_row, reterr)
			 : deal_stratified_groups(make, groups, ret, reterr);
	if (rc == 0)
		rc = count_groups(groups, n, &ret->groups, reterr);
	if (rc == 0)
		rc = count_folds(ret->fold_of_row, n, spec->nfolds, &ret->groups, reterr);
	return rc;
}

static int deal_groups(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr)
{
	enum hs_split_kind kind = make->request.spec.kind;
	uint32_t *groups = NULL;
	int rc = read_groups(make, &groups, reterr);
	if (rc < 0)
		return rc;
	rc = kind == HS_SPLIT_GROUP || kind == HS_SPLIT_STRATIFIED_GROUP
		     ? deal_library_groups(make, groups, ret, reterr)
		     : deal_our_groups(make, groups, ret, reterr);
	free(groups);
	return rc;
}

static int deal_holdout(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr)
{
	const struct hs_plan_request *r = &make->request;
	size_t n = hs_feed_source_version(make->source)->nrows;
	const struct hs_holdout_spec spec = {r->test, r->train, r->spec.shuffle, r->spec.seed};
	uint32_t *classes = NULL;
	int rc = r->spec.kind == HS_SPLIT_HOLDOUT ? 0 : read_classes(make, true, &classes, reterr);
	if (rc == 0)
		rc = hs_holdout_split(classes, n, &spec, &ret->holdout, reterr);
	free(classes);
	if (rc < 0)
		return rc;
	for (size_t row = 0; row < n; row++)
		ret->fold_of_row[row] = HS_FOLD_UNUSED;
	for (size_t i = 0; i < ret->holdout.ntrain; i++)
		ret->fold_of_row[ret->holdout.train[i]] = HS_FOLD_NONE;
	for (size_t i = 0; i < ret->holdout.ntest; i++)
		ret->fold_of_row[ret->holdout.test[i]] = 0;
	return 0;
}

static int deal_rows(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr)
{
	const struct hs_version_entry *entry = hs_feed_source_entry(make->source);
	const struct hs_plan_rows_request request = {.owner = entry->owner,
						     .name = entry->name,
						     .digest = make->request.rows,
						     .version = entry->version,
						     .nrows = hs_feed_source_version(make->source)->nrows};
	int rc = hs_store_find_plan_rows(make->feed->store, &request, ret->fold_of_row, reterr);
	if (rc < 0)
		return rc;
	uint32_t given = ret->nfolds;
	ret->nfolds = 0;
	for (size_t row = 0; row < request.nrows; row++) {
		uint32_t fold = ret->fold_of_row[row];
		if (fold < HS_PLAN_MAX_FOLDS && fold >= ret->nfolds)
			ret->nfolds = fold + 1;
	}
	if (!given || given == ret->nfolds)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADPLAN, "the row numbers make %u fold(s), not %u", ret->nfolds, given);
}

static int deal_predefined(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr)
{
	size_t n = hs_feed_source_version(make->source)->nrows;
	uint32_t given = make->request.spec.nfolds;
	int64_t *numbers = hs_array(n, sizeof(*numbers));
	if (!numbers)
		return hs_err_nomem(reterr, "reading fold numbers");
	int rc = hs_feed_fold_column(make->source, make->request.column, numbers, reterr);
	if (rc == 0)
		rc = hs_predefined_folds(numbers, n, ret->fold_of_row, &ret->nfolds, reterr);
	free(numbers);
	if (rc == 0 && given && given != ret->nfolds)
		rc = hs_err_set(reterr, HSFEED_EBADPLAN, "the column %.128s makes %u folds, not %u",
				make->request.column, ret->nfolds, given);
	return rc;
}

int hs_feed_plan_deal(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr)
{
	const struct hs_plan_request *r = &make->request;
	ret->nfolds = r->spec.nfolds;
	if (r->group || r->similarity > 0)
		return deal_groups(make, ret, reterr);
	switch (r->spec.kind) {
	case HS_SPLIT_PLAIN:
		return hs_kfold(hs_feed_source_version(make->source)->nrows, &r->spec, ret->fold_of_row, reterr);
	case HS_SPLIT_MULTILABEL:
		return deal_multilabel(make, ret, reterr);
	case HS_SPLIT_HOLDOUT:
	case HS_SPLIT_STRATIFIED_HOLDOUT:
		return deal_holdout(make, ret, reterr);
	case HS_SPLIT_PREDEFINED:
		return deal_predefined(make, ret, reterr);
	case HS_SPLIT_ROWS:
		return deal_rows(make, ret, reterr);
	default:
		return deal_stratified(make, ret, reterr);
	}
}
