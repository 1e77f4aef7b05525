// SPDX-License-Identifier: Apache-2.0
// Weights of samples: each rule gives the rows that have a label its weight; of several the largest counts, and rows
// that no rule is about have 1.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"
#include "feed/labels.h"

// The id of a class by its value in the header, which the first label has. HSFEED_ENOTFOUND names those there are.
static int find_class(const struct hs_feed_source *source, const char *name, uint32_t *ret, struct hs_err *reterr)
{
	struct hs_label_column classes;
	struct hs_wire_value v;
	char known[256] = "";
	size_t used = 0;
	hs_feed_label_column(source, 0, &classes);
	for (uint32_t i = 0; i < classes.nvalues && hs_r_next(&classes.values, &v) && v.type == HS_WIRE_STR; i++) {
		if (hs_span_is((struct hs_span){(const char *)v.as.str.ptr, v.as.str.len}, name)) {
			*ret = i;
			return 0;
		}
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%.*s", used ? ", " : "",
						 (int)v.as.str.len, (const char *)v.as.str.ptr);
	}
	hs_err_set(reterr, HSFEED_ENOTFOUND, "weight: \"%.128s\" is not a class of %s", name,
		   hs_feed_source_entry(source)->name);
	return hs_err_hint(reterr, "classes: %s", known[0] ? known : "none");
}

static int find_label(const struct hs_feed_source *source, const char *name, uint32_t *ret, struct hs_err *reterr)
{
	uint16_t column;
	if (hs_feed_source_version(source)->label_type == HS_LABELS_CLASS)
		return find_class(source, name, ret, reterr);
	int rc = hs_feed_label_find(source, name, &column, reterr);
	if (rc == 0)
		*ret = column;
	return rc;
}

static int read_rule(const struct hs_feed_source *source, const struct hs_weight_rule *rule, struct hs_weight *ret,
		     struct hs_err *reterr)
{
	// As float32 it must be finite and positive too.
	if (!(rule->weight >= (double)FLT_TRUE_MIN && rule->weight <= (double)FLT_MAX))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "the weight of \"%.128s\" is a float32 above 0, not %g",
				  rule->label, rule->weight);
	ret->weight = (float)rule->weight;
	return find_label(source, rule->label, &ret->at, reterr);
}

int hs_feed_weights_init(struct hs_weights *w, const struct hs_feed_source *source, const struct hs_stream_spec *spec,
			 struct hs_err *reterr)
{
	*w = (struct hs_weights){.n = spec->nweights};
	if (w->n == 0)
		return 0;
	if (hs_feed_source_version(source)->label_type == HS_LABELS_NONE)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "weights go by labels; %s has none",
				  hs_feed_source_entry(source)->name);
	w->rules = hs_array(w->n, sizeof(*w->rules));
	if (!w->rules)
		return hs_err_nomem(reterr, "opening a stream");
	for (size_t i = 0; i < w->n; i++) {
		int rc = read_rule(source, &spec->weights[i], &w->rules[i], reterr);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void hs_feed_weights_fini(struct hs_weights *w)
{
	free(w->rules);
}

static bool applies(const struct hs_version *v, uint32_t row, uint32_t at)
{
	const void *group = v->labels[row / HS_GROUP_ROWS];
	size_t i = row % HS_GROUP_ROWS;
	if (v->label_type == HS_LABELS_CLASS)
		return ((const uint32_t *)group)[i] == at;
	return ((const float *)group)[i * v->nlabels + at] != 0.0f;
}

float hs_feed_weight(const struct hs_weights *w, const struct hs_version *v, uint32_t row)
{
	float most = 0;
	for (size_t i = 0; i < w->n; i++)
		if (w->rules[i].weight > most && applies(v, row, w->rules[i].at))
			most = w->rules[i].weight;
	return most > 0 ? most : 1.0f;
}
