// SPDX-License-Identifier: Apache-2.0
// weights: what to weigh labels or classes with, from the training rows of one fold.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "base/buf.h"
#include "datasets.h"
#include "feed/statistics.h"
#include "plan/weights.h"

#define BALANCED  (HS_WEIGHT_EFFECTIVE + 1) // of the request's schemes
#define MAX_NAMED 5                         // labels in a warning

struct weights_params {
	const char *name;
	uint64_t owner, fold;
	struct hs_plan_params plan;
	int scheme;
	double beta, cap;
	bool pooled, normalize;
};
static const char *const schemes[] = {"ratio", "sqrt", "log", "effective", "balanced", NULL};

#define AT(member) .offset = offsetof(struct weights_params, member)
static const struct hs_field fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},
	{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "plan", .type = HS_T_MAP, AT(plan), .sub = &hs_plan_schema},
	{.key = "fold", .type = HS_T_UINT, AT(fold), .required = true, .max = UINT32_MAX},
	{.key = "scheme", .type = HS_T_ENUM, AT(scheme), .names = schemes, .def = HS_UNSET},
	{.key = "beta", .type = HS_T_F64, AT(beta)},
	{.key = "cap", .type = HS_T_F64, AT(cap)},
	{.key = "pooled", .type = HS_T_BOOL, AT(pooled)},
	{.key = "normalize", .type = HS_T_BOOL, AT(normalize)},
};
#undef AT
const struct hs_schema hs_weights_schema = HS_SCHEMA(struct weights_params, fields);

struct answer {
	struct hs_request *req;
	const struct weights_params *params;
	struct hs_asked asked;
	struct hs_label_layout layout;
	bool classes; // one column of classes
	int scheme;   // as resolved
	struct hs_weight_spec spec;
	uint64_t *counts, rows; // of the training rows, laid out by `layout`
	size_t n;               // entries
	float *weights;         // [n]
};

// ---- what was asked for, and whether it can be ----

static int refuse_labels(struct answer *a, size_t column, struct hs_err *reterr)
{
	struct hs_label_column label;
	if (!hs_feed_label_column(a->asked.source, column, &label))
		return hs_err_set(reterr, HSFEED_EBADLABEL, "weights: the labels cannot be read");
	hs_err_set(reterr, HSFEED_EBADLABEL, "weights are of labels of 0 and 1, or of classes; %.*s has other numbers",
		   (int)label.name_len, label.name);
	return hs_err_hint(reterr, "ingest it with --label-type class to make each value a class");
}

static int check_labels(struct answer *a, struct hs_err *reterr)
{
	if (a->layout.ncolumns == 0) {
		hs_err_set(reterr, HSFEED_EBADLABEL, "weights need labels, and %s was ingested without",
			   hs_feed_source_entry(a->asked.source)->name);
		return hs_err_hint(reterr, "ingest it with --labels COLUMN");
	}
	for (size_t c = 0; !a->classes && c < a->layout.ncolumns; c++)
		if (a->layout.nvalues[c] != 2)
			return refuse_labels(a, c, reterr);
	return 0;
}

static int check_scheme(const struct answer *a, struct hs_err *reterr)
{
	if (a->classes && a->scheme != BALANCED)
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "the scheme %s is for labels of 0 and 1; a column of classes takes balanced",
				  schemes[a->scheme]);
	if (a->classes && a->params->pooled)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "pooled is for labels of 0 and 1, not for classes");
	if (a->scheme != BALANCED)
		return 0;
	if (!a->classes && a->layout.ncolumns > 1)
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "balanced weighs the classes of one column, and there are %zu label columns: use "
				  "ratio, which weighs each",
				  a->layout.ncolumns);
	if (a->params->pooled || a->params->normalize)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s has no meaning with the scheme balanced",
				  a->params->pooled ? "pooled" : "normalize");
	return 0;
}

static int check_numbers(const struct answer *a, struct hs_err *reterr)
{
	const struct weights_params *p = a->params;
	if (!isnan(p->beta) && a->scheme != HS_WEIGHT_EFFECTIVE)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "beta belongs to the scheme effective, not to %s",
				  schemes[a->scheme]);
	if (!isnan(p->cap) && !(p->cap > 0))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "cap=%g must be more than 0", p->cap);
	if (p->fold >= a->asked.plan->spec.nfolds)
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "weights: there is no fold %llu; the plan has %u, counted from 0",
				  (unsigned long long)p->fold, a->asked.plan->spec.nfolds);
	return a->scheme == BALANCED ? 0 : hs_weight_check(&a->spec, reterr);
}

static int resolve(struct answer *a, struct hs_err *reterr)
{
	const struct weights_params *p = a->params;
	hs_feed_label_layout(a->asked.source, &a->layout);
	a->classes = hs_feed_source_version(a->asked.source)->label_type == HS_LABELS_CLASS;
	a->scheme = p->scheme >= 0 ? p->scheme : a->classes ? BALANCED : HS_WEIGHT_RATIO;
	a->spec = (struct hs_weight_spec){
		.scheme = a->scheme == BALANCED ? HS_WEIGHT_RATIO : (enum hs_weight_scheme)a->scheme,
		.beta = isnan(p->beta) ? 0.9999 : p->beta,
		.normalize = p->normalize,
		.max_weight = isnan(p->cap) ? 0 : p->cap,
		.pooled = p->pooled,
	};
	int rc = check_labels(a, reterr);
	if (rc == 0)
		rc = check_scheme(a, reterr);
	return rc == 0 ? check_numbers(a, reterr) : rc;
}

// ---- numbers ----

static void balance(struct answer *a)
{
	hs_balanced_weights(a->counts, a->n, a->weights);
	for (size_t i = 0; a->spec.max_weight > 0 && i < a->n; i++)
		if (a->weights[i] > a->spec.max_weight)
			a->weights[i] = (float)a->spec.max_weight;
}

static void weigh(struct answer *a)
{
	uint64_t positives = 0;
	if (a->scheme == BALANCED) {
		balance(a);
		return;
	}
	for (size_t c = 0; c < a->layout.ncolumns; c++) {
		positives += a->counts[2 * c + 1];
		if (!a->spec.pooled)
			a->weights[c] = hs_weight_of(&a->spec, a->counts[2 * c + 1], a->counts[2 * c]);
	}
	if (a->spec.pooled)
		a->weights[0] = hs_weight_of(&a->spec, positives, a->rows * a->layout.ncolumns - positives);
}

// ---- the reply ----

// Positives of entry i, and of how many.
static uint64_t positives_of(const struct answer *a, size_t i, uint64_t *ret_of)
{
	uint64_t sum = 0;
	*ret_of = a->rows;
	if (a->scheme == BALANCED)
		return a->counts[i];
	if (!a->spec.pooled)
		return a->counts[2 * i + 1];
	for (size_t c = 0; c < a->layout.ncolumns; c++)
		sum += a->counts[2 * c + 1];
	*ret_of = a->rows * a->layout.ncolumns;
	return sum;
}

static void write_entry(const struct answer *a, size_t i, struct hs_rbuf *values)
{
	struct hs_wbuf *w = &a->req->result;
	struct hs_label_column label = {.name = ""};
	uint64_t of, positives = positives_of(a, i, &of);
	if (!a->spec.pooled)
		hs_feed_label_column(a->asked.source, a->scheme == BALANCED ? 0 : i, &label);
	hs_w_map(w, 5);
	hs_w_cstr(w, "label");
	hs_w_str(w, label.name, label.name_len);
	hs_w_cstr(w, "value");
	if (a->scheme == BALANCED)
		hs_write_label_value(w, values);
	else
		hs_w_cstr(w, "1");
	hs_w_cstr(w, "positives");
	hs_w_uint(w, positives);
	hs_w_cstr(w, "negatives");
	hs_w_uint(w, of - positives);
	hs_w_cstr(w, "weight");
	hs_w_f64(w, (double)a->weights[i]);
}

static void write_entries(const struct answer *a)
{
	struct hs_wbuf *w = &a->req->result;
	struct hs_label_column first = {.name = ""};
	hs_feed_label_column(a->asked.source, 0, &first);
	hs_w_cstr(w, "weights");
	hs_w_array(w, (uint32_t)a->n);
	for (size_t i = 0; i < a->n; i++)
		write_entry(a, i, &first.values);
}

// How warnings name entry i: its class, its label, or all labels together; moves `values` on.
static struct hs_span name_of(const struct answer *a, size_t i, struct hs_rbuf *values)
{
	struct hs_wire_value value;
	struct hs_label_column label;
	if (a->spec.pooled)
		return (struct hs_span){"any label", 9};
	if (a->scheme == BALANCED && hs_r_next(values, &value) && value.type == HS_WIRE_STR)
		return (struct hs_span){value.as.str.ptr, value.as.str.len};
	if (a->scheme != BALANCED && hs_feed_label_column(a->asked.source, i, &label))
		return (struct hs_span){label.name, label.name_len};
	return (struct hs_span){"", 0};
}

// Lists the entries that have no positives, or nothing else: the first few by name. Returns how many there are.
static size_t list_entries(const struct answer *a, bool none, struct hs_buf *ret)
{
	size_t found = 0;
	struct hs_label_column first = {.name = ""};
	hs_feed_label_column(a->asked.source, 0, &first);
	for (size_t i = 0; i < a->n; i++) {
		uint64_t of, positives = positives_of(a, i, &of);
		struct hs_span name = name_of(a, i, &first.values);
		if (positives == (none ? 0 : of) && found++ < MAX_NAMED)
			hs_buf_printf(ret, "%s%.*s", found > 1 ? ", " : "", (int)name.len, name.ptr);
	}
	if (found > MAX_NAMED)
		hs_buf_printf(ret, " and %zu more", found - MAX_NAMED);
	return found;
}

static void warn_of(const struct answer *a, bool none, struct hs_buf *ret)
{
	struct hs_buf names = {0};
	double weight = !none ? 0 : a->spec.max_weight > 0 && a->spec.max_weight < 1 ? a->spec.max_weight : 1;
	if (list_entries(a, none, &names) > 0)
		hs_buf_printf(ret, "fold %llu has no training row %s %.*s: the weight is %g",
			      (unsigned long long)a->params->fold, none ? "of" : "without", (int)names.len,
			      (const char *)names.data, weight);
	hs_buf_fini(&names);
}

static void write_warnings(const struct answer *a)
{
	struct hs_wbuf *w = &a->req->result;
	struct hs_buf none = {0}, all = {0};
	bool tiny = a->scheme == HS_WEIGHT_EFFECTIVE && !a->spec.normalize;
	const char *plan = a->asked.plan->warning;
	warn_of(a, true, &none);
	if (a->scheme != BALANCED && !tiny)
		warn_of(a, false, &all);
	hs_w_cstr(w, "warnings");
	hs_w_array(w, (plan[0] != '\0') + (none.len > 0) + (all.len > 0) + tiny);
	if (plan[0])
		hs_w_cstr(w, plan);
	if (none.len)
		hs_w_str(w, (const char *)none.data, none.len);
	if (all.len)
		hs_w_str(w, (const char *)all.data, all.len);
	if (tiny)
		hs_w_cstr(w, "effective gives class weights of about 1 / positives, tiny as a pos_weight: normalize "
			     "divides them by those of the negatives");
	hs_buf_fini(&none);
	hs_buf_fini(&all);
}

static void write_answer(const struct answer *a)
{
	struct hs_wbuf *w = &a->req->result;
	bool beta = a->scheme == HS_WEIGHT_EFFECTIVE, cap = a->spec.max_weight > 0;
	hs_w_map(w, HS_ASKED_PAIRS + 7 + beta + cap);
	hs_asked_write(w, &a->asked);
	hs_w_cstr(w, "fold");
	hs_w_uint(w, a->params->fold);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, a->rows);
	hs_w_cstr(w, "scheme");
	hs_w_cstr(w, schemes[a->scheme]);
	if (beta) {
		hs_w_cstr(w, "beta");
		hs_w_f64(w, a->spec.beta);
	}
	if (cap) {
		hs_w_cstr(w, "cap");
		hs_w_f64(w, a->spec.max_weight);
	}
	hs_w_cstr(w, "pooled");
	hs_w_bool(w, a->spec.pooled);
	hs_w_cstr(w, "normalize");
	hs_w_bool(w, a->spec.normalize);
	write_entries(a);
	write_warnings(a);
}

// A reply has so many values and no more.
static int check_size(const struct answer *a, struct hs_err *reterr)
{
	if (a->n * 11 + 256 <= HS_WIRE_MAX_REPLY_ITEMS)
		return 0;
	return hs_err_set(reterr, HSFEED_ELIMIT, "weights: a column of %zu classes is too large for a reply", a->n);
}

static int run(struct answer *a, struct hs_err *reterr)
{
	int rc = resolve(a, reterr);
	a->n = a->spec.pooled ? 1 : a->scheme == BALANCED ? a->layout.nvalues[0] : a->layout.ncolumns;
	if (rc == 0)
		rc = check_size(a, reterr);
	if (rc < 0)
		return rc;
	a->counts = hs_array(a->layout.total, sizeof(*a->counts));
	a->weights = hs_array(a->n, sizeof(*a->weights));
	if (!a->counts || !a->weights)
		return hs_err_nomem(reterr, "computing weights");
	hs_feed_label_counts(a->asked.source, a->asked.plan, (uint32_t)a->params->fold, false, a->counts, &a->rows);
	weigh(a);
	write_answer(a);
	return 0;
}

int hs_req_weights_run(struct hs_request *req)
{
	struct answer a = {.req = req, .params = req->params};
	struct hs_source_request source = hs_asked_source(req, a.params->name, a.params->owner);
	source.no_encodings = true;
	int rc = hs_asked_open(req, &source, &a.params->plan, &a.asked);
	if (rc < 0)
		return rc;
	rc = run(&a, &req->err);
	free(a.counts);
	free(a.weights);
	hs_asked_close(req, &a.asked);
	return rc;
}
