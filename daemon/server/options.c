// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <string.h>

const char *const hs_option_paddings[] = {"max_length", "longest", NULL};

int hs_source_add_role(struct hs_source_request *source, const char *method, const char *role, struct hs_err *reterr)
{
	for (size_t i = 0; i < source->nroles; i++)
		if (strcmp(source->roles[i], role) == 0)
			return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s: the role \"%.128s\" is named twice", method,
					  role);
	source->roles[source->nroles++] = role;
	return 0;
}

int hs_batch_params_roles(const struct hs_batch_params *p, const char *method, struct hs_source_request *ret,
			  struct hs_err *reterr)
{
	int rc = 0;
	for (size_t i = 0; i < p->roles.n && rc == 0; i++)
		rc = hs_source_add_role(ret, method, p->roles.items[i], reterr);
	return rc;
}

static int read_lengths(const struct hs_batch_params *p, const char *method, const struct hs_feed_source *source,
			uint32_t *ret, struct hs_err *reterr)
{
	const struct hs_named *named = &p->max_length.named;
	size_t found = 0, nroles = hs_feed_source_nroles(source);
	for (size_t i = 0; i < nroles; i++) {
		ret[i] = (uint32_t)p->max_length.u;
		for (size_t k = 0; k < named->n; k++)
			if (strcmp(named->items[k].name, hs_feed_source_role(source, i)) == 0) {
				ret[i] = (uint32_t)named->items[k].u;
				found++;
			}
	}
	if (found == named->n)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s: max_length names a role that %s", method,
			  p->roles.n ? "roles does not" : "is not asked for");
}

int hs_batch_params_spec(const struct hs_batch_params *p, const char *method, const struct hs_feed_source *source,
			 enum hs_split split, struct hs_stream_spec *ret, struct hs_err *reterr)
{
	bool train = split == HS_TRAIN;
	*ret = (struct hs_stream_spec){
		.split = split,
		.order = p->order >= 0 ? (enum hs_order)p->order
			 : train       ? HS_ORDER_SHUFFLE
				       : HS_ORDER_SEQUENTIAL,
		.shard = p->shard >= 0 ? (enum hs_shard)p->shard
			 : train       ? HS_SHARD_PAD
				       : HS_SHARD_EXACT,
		.seed = p->seed,
		.epoch = p->epoch,
		.world = (uint32_t)p->world,
		.batch_size = (uint32_t)p->batch_size,
		.length_batch = (uint32_t)(p->length_batch == HS_UNSET ? p->batch_size : p->length_batch),
		.drop_last = p->drop_last,
		.padding = p->padding.e < 0 ? HS_PAD_MULTIPLE : (enum hs_padding)p->padding.e,
		.multiple = (uint32_t)p->padding.u,
	};
	if (p->length_batch != HS_UNSET && ret->order != HS_ORDER_LENGTH)
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "%s: length_batch goes with the order \"length\", not \"%s\"", method,
				  hs_order_name(ret->order));
	return read_lengths(p, method, source, ret->max_length, reterr);
}

void hs_write_padding(struct hs_wbuf *w, const struct hs_stream_spec *spec)
{
	hs_w_cstr(w, "padding");
	if (spec->padding == HS_PAD_MULTIPLE)
		hs_w_uint(w, spec->multiple);
	else
		hs_w_cstr(w, hs_option_paddings[spec->padding]);
}
