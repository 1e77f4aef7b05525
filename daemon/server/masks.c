// SPDX-License-Identifier: Apache-2.0
#include "masks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int name_role(const struct hs_feed_source *source, const char *role, struct hs_mask_spec *ret,
		     struct hs_err *reterr)
{
	for (size_t i = 0; i < hs_feed_source_nroles(source); i++) {
		if (strcmp(hs_feed_source_role(source, i), role) != 0)
			continue;
		ret->roles[i] = true;
		return 0;
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST,
			  "stream.open: mask_roles names the role \"%.128s\", which the stream does not have", role);
}

static int check_given(const struct hs_mask_params *p, struct hs_err *reterr)
{
	if (p->rows != 0 && !isnan(p->rows) && p->prob != 0 && !isnan(p->prob)) {
		hs_err_set(reterr, HSFEED_EBADREQUEST, "stream.open: mask_rows and mask_prob exclude each other");
		return hs_err_hint(reterr, "mask_rows masks one token of a share of the rows, mask_prob a share of all "
					   "tokens");
	}
	if (!isnan(p->rows) || !isnan(p->prob) || (p->seed == HS_UNSET && p->roles.n == 0))
		return 0;
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "stream.open: %s says nothing without mask_rows or mask_prob",
			  p->roles.n ? "mask_roles" : "mask_seed");
}

int hs_mask_params_read(const struct hs_mask_params *p, const struct hs_feed_source *source, uint64_t seed,
			struct hs_mask_spec *ret, struct hs_err *reterr)
{
	bool prob = !isnan(p->prob) && p->prob != 0, rows = !isnan(p->rows) && p->rows != 0;
	*ret = (struct hs_mask_spec){.kind = prob   ? HS_MASK_PROB
					     : rows ? HS_MASK_ROWS
						    : HS_MASK_NONE,
				     .share = prob   ? p->prob
					      : rows ? p->rows
						     : 0,
				     .seed = p->seed == HS_UNSET ? seed : p->seed};
	int rc = check_given(p, reterr);
	for (size_t i = 0; i < p->roles.n && rc == 0; i++)
		rc = name_role(source, p->roles.items[i], ret, reterr);
	for (size_t i = 0; i < HS_FEED_MAX_ROLES && p->roles.n == 0; i++)
		ret->roles[i] = i < hs_feed_source_nroles(source);
	return rc;
}

int hs_weight_params_read(const struct hs_mask_params *p, struct hs_stream_spec *ret, struct hs_err *reterr)
{
	if (p->weight.n == 0)
		return 0;
	struct hs_weight_rule *rules = hs_array(p->weight.n, sizeof(*rules));
	if (!rules)
		return hs_err_nomem(reterr, "opening a stream");
	for (size_t i = 0; i < p->weight.n; i++)
		rules[i] = (struct hs_weight_rule){p->weight.items[i].name, p->weight.items[i].f};
	ret->weights = rules;
	ret->nweights = p->weight.n;
	return 0;
}

// ---- answers ----

unsigned hs_mask_params_keys(const struct hs_mask_params *p, const struct hs_stream_spec *spec)
{
	return (spec->mask.kind != HS_MASK_NONE ? 4 : 0) + (p->weight.n > 0);
}

static void write_mask(struct hs_wbuf *w, const struct hs_mask_spec *mask, const struct hs_feed_source *source)
{
	uint32_t nroles = 0;
	for (size_t i = 0; i < HS_FEED_MAX_ROLES; i++)
		nroles += mask->roles[i];
	hs_w_cstr(w, hs_mask_name(mask->kind));
	hs_w_f64(w, mask->share);
	hs_w_cstr(w, "mask_seed");
	hs_w_uint(w, mask->seed);
	hs_w_cstr(w, "mask_algorithm");
	hs_w_uint(w, HS_MASK_ALGORITHM);
	hs_w_cstr(w, "mask_roles");
	hs_w_array(w, nroles);
	for (size_t i = 0; i < hs_feed_source_nroles(source); i++)
		if (mask->roles[i])
			hs_w_cstr(w, hs_feed_source_role(source, i));
}

void hs_mask_params_write(struct hs_wbuf *w, const struct hs_mask_params *p, const struct hs_stream *stream)
{
	const struct hs_mask_spec *mask = &hs_stream_get_spec(stream)->mask;
	if (mask->kind != HS_MASK_NONE)
		write_mask(w, mask, hs_stream_get_source(stream));
	if (p->weight.n == 0)
		return;
	hs_w_cstr(w, "weight");
	hs_w_map(w, (uint32_t)p->weight.n);
	for (size_t i = 0; i < p->weight.n; i++) {
		hs_w_cstr(w, p->weight.items[i].name);
		hs_w_f64(w, p->weight.items[i].f);
	}
}

const char *hs_mask_warning(const struct hs_stream_spec *spec)
{
	return spec->mask.kind != HS_MASK_NONE && spec->split == HS_VAL
		       ? "validation rows are masked: what is measured on them is not what the model makes of the texts"
		       : NULL;
}
