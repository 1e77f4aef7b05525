// SPDX-License-Identifier: Apache-2.0
// hsfeed_stream_open: the option struct, written as the request.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

// The i-th role of the caller's array, whose items may be of an older, smaller size.
static int role_at(const struct hsfeed_stream_options *o, size_t i, struct hsfeed_stream_role *ret,
		   struct hsfeed_error *reterr)
{
	const char *first = (const char *)o->roles;
	int rc = hs_options_read(ret, sizeof(*ret), first + i * o->roles[0].size, reterr);
	if (rc == 0 && !ret->role)
		rc = hs_error_set(reterr, HSFEED_EBADARG, "role %zu of the stream has no name", i);
	return rc;
}

static void put_max_length(hsfeed_params *p, const struct hsfeed_stream_options *o,
			   const struct hsfeed_stream_role *roles)
{
	bool own = false;
	for (size_t i = 0; i < o->nroles; i++)
		own = own || roles[i].max_length;
	if (!own) {
		if (o->max_length)
			hsfeed_params_uint(p, "max_length", o->max_length);
		return;
	}
	hsfeed_params_map(p, "max_length");
	for (size_t i = 0; i < o->nroles; i++) {
		uint32_t length = roles[i].max_length ? roles[i].max_length : o->max_length;
		if (length)
			hsfeed_params_uint(p, roles[i].role, length);
	}
	hsfeed_params_end(p);
}

static int put_roles(hsfeed_params *p, const struct hsfeed_stream_options *o, struct hsfeed_error *reterr)
{
	struct hsfeed_stream_role roles[HS_LIB_MAX_ROLES];
	bool pinned = false;
	if (o->nroles > HS_LIB_MAX_ROLES || (o->nroles && !o->roles))
		return hs_error_set(reterr, HSFEED_EBADARG, "a stream has at most %d roles", HS_LIB_MAX_ROLES);
	for (size_t i = 0; i < o->nroles; i++) {
		int rc = role_at(o, i, &roles[i], reterr);
		if (rc < 0)
			return rc;
		pinned = pinned || roles[i].encoding;
	}
	if (o->nroles) {
		hsfeed_params_array(p, "roles");
		for (size_t i = 0; i < o->nroles; i++)
			hsfeed_params_str(p, NULL, roles[i].role);
		hsfeed_params_end(p);
	}
	if (pinned) {
		hsfeed_params_map(p, "encodings");
		for (size_t i = 0; i < o->nroles; i++)
			hsfeed_params_str(p, roles[i].role, roles[i].encoding);
		hsfeed_params_end(p);
	}
	put_max_length(p, o, roles);
	return 0;
}

static void put_padding(hsfeed_params *p, const char *padding)
{
	char *end = NULL;
	unsigned long long n = padding && *padding >= '0' && *padding <= '9' ? strtoull(padding, &end, 10) : 0;
	if (end && *end == '\0')
		hsfeed_params_uint(p, "padding", n);
	else
		hsfeed_params_str(p, "padding", padding);
}

static void put_uint(hsfeed_params *p, const char *key, uint64_t n)
{
	if (n)
		hsfeed_params_uint(p, key, n);
}

static void put_flag(hsfeed_params *p, const char *key, int on)
{
	if (on)
		hsfeed_params_bool(p, key, 1);
}

static int put_options(hsfeed_params *p, const struct hsfeed_stream_options *o, struct hsfeed_error *reterr)
{
	int rc = hs_params_name(p, o->name, reterr);
	struct hsfeed_plan plan;
	if (rc == 0 && o->plan)
		rc = hs_plan_read(&plan, o->plan, reterr);
	if (rc < 0)
		return rc;
	hs_params_plan(p, o->plan ? &plan : NULL);
	if (o->has_fold)
		hsfeed_params_uint(p, "fold", o->fold);
	hsfeed_params_str(p, "split", o->split);
	hsfeed_params_str(p, "order", o->order);
	if (o->has_seed)
		hsfeed_params_uint(p, "seed", o->seed);
	put_uint(p, "epoch", o->epoch);
	put_uint(p, "at", o->at);
	put_uint(p, "rank", o->rank);
	put_uint(p, "world", o->world);
	hsfeed_params_str(p, "shard", o->shard);
	put_uint(p, "batch_size", o->batch_size);
	put_flag(p, "drop_last", o->drop_last);
	put_padding(p, o->padding);
	if (o->dtype)
		hsfeed_params_str(p, "dtype", hsfeed_dtype_name(o->dtype) ? hsfeed_dtype_name(o->dtype) : "?");
	put_flag(p, "token_type_ids", o->token_type_ids);
	put_uint(p, "slots", o->slots);
	return put_roles(p, o, reterr);
}

static int open_stream(hsfeed_client *client, hsfeed_params *params, hsfeed_stream **ret, struct hsfeed_error *reterr)
{
	hsfeed_value *info = NULL;
	struct hs_call call = {.method = "stream.open", .params = params, .fd = -1, .late = HS_LATE_CLOSE_STREAM};
	int rc = hs_call(client, &call, &info, reterr);
	if (rc == 0)
		rc = hs_stream_create(client, info, ret, reterr);
	if (rc < 0)
		hsfeed_value_free(info);
	return rc;
}

int hsfeed_stream_open(hsfeed_client *client, const struct hsfeed_stream_options *options, hsfeed_stream **ret_stream,
		       struct hsfeed_error *reterr)
{
	struct hsfeed_stream_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0 && o.slots > HS_LIB_MAX_SLOTS)
		rc = hs_error_set(reterr, HSFEED_EBADARG, "a stream has at most %d slots", HS_LIB_MAX_SLOTS);
	if (rc < 0)
		return rc;
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	rc = put_options(params, &o, reterr);
	if (rc == 0)
		rc = open_stream(client, params, ret_stream, reterr);
	hsfeed_params_destroy(params);
	return rc;
}
