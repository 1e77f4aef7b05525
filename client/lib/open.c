// SPDX-License-Identifier: Apache-2.0
// hsfeed_stream_open: the option struct, written as the request. hsfeed_stream_reopen: an opening's answer, written as
// the request that gives it again.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static int role_at(const struct hsfeed_stream_options *o, size_t i, struct hsfeed_stream_role *ret,
		   struct hsfeed_error *reterr)
{
	int rc = hs_options_read(ret, sizeof(*ret), hs_options_item(o->roles, i), reterr);
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

static int put_roles(hsfeed_params *p, const struct hsfeed_stream_options *o, bool pins, struct hsfeed_error *reterr)
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
	if (pinned && !pins)
		return hs_error_set(reterr, HSFEED_EBADARG,
				    "an estimate is of what roles are now: it takes no encoding");
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

static int array_at(const struct hsfeed_stream_options *o, size_t i, struct hsfeed_stream_array *ret,
		    struct hsfeed_error *reterr)
{
	int rc = hs_options_read(ret, sizeof(*ret), hs_options_item(o->arrays, i), reterr);
	if (rc == 0 && !ret->array)
		rc = hs_error_set(reterr, HSFEED_EBADARG, "attached array %zu of the stream has no name", i);
	return rc;
}

static int put_arrays(hsfeed_params *p, const struct hsfeed_stream_options *o, struct hsfeed_error *reterr)
{
	struct hsfeed_stream_array arrays[HS_LIB_MAX_ATTACHED];
	bool pinned = false;
	if (o->narrays > HS_LIB_MAX_ATTACHED || (o->narrays && !o->arrays))
		return hs_error_set(reterr, HSFEED_EBADARG, "a stream has at most %d attached arrays",
				    HS_LIB_MAX_ATTACHED);
	for (size_t i = 0; i < o->narrays; i++) {
		int rc = array_at(o, i, &arrays[i], reterr);
		if (rc < 0)
			return rc;
		pinned = pinned || arrays[i].id;
	}
	if (o->narrays == 0)
		return 0;
	hsfeed_params_array(p, "arrays");
	for (size_t i = 0; i < o->narrays; i++)
		hsfeed_params_str(p, NULL, arrays[i].array);
	hsfeed_params_end(p);
	if (!pinned)
		return 0;
	hsfeed_params_map(p, "attached");
	for (size_t i = 0; i < o->narrays; i++)
		hsfeed_params_str(p, arrays[i].array, arrays[i].id);
	hsfeed_params_end(p);
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

// Of a share 0 is off; whatever else it is, the daemon looks at it.
static int put_masks(hsfeed_params *p, const struct hsfeed_stream_options *o, struct hsfeed_error *reterr)
{
	if (o->mask_rows != 0)
		hsfeed_params_f64(p, "mask_rows", o->mask_rows);
	if (o->mask_prob != 0)
		hsfeed_params_f64(p, "mask_prob", o->mask_prob);
	if (o->has_mask_seed)
		hsfeed_params_uint(p, "mask_seed", o->mask_seed);
	if (o->nmask_roles == 0)
		return 0;
	if (!o->mask_roles)
		return hs_error_set(reterr, HSFEED_EBADARG, "mask_roles is NULL, but nmask_roles is %zu",
				    o->nmask_roles);
	hsfeed_params_array(p, "mask_roles");
	for (size_t i = 0; i < o->nmask_roles; i++)
		hsfeed_params_str(p, NULL, o->mask_roles[i]);
	hsfeed_params_end(p);
	return 0;
}

static int put_weights(hsfeed_params *p, const struct hsfeed_stream_options *o, struct hsfeed_error *reterr)
{
	int rc = 0;
	if (o->nweights == 0)
		return 0;
	if (!o->weights)
		return hs_error_set(reterr, HSFEED_EBADARG, "weights is NULL, but nweights is %zu", o->nweights);
	hsfeed_params_map(p, "weight");
	for (size_t i = 0; i < o->nweights && rc == 0; i++) {
		struct hsfeed_weight weight;
		rc = hs_options_read(&weight, sizeof(weight), hs_options_item(o->weights, i), reterr);
		if (rc == 0 && !weight.label)
			rc = hs_error_set(reterr, HSFEED_EBADARG, "weight %zu of the stream has no label", i);
		if (rc == 0)
			hsfeed_params_f64(p, weight.label, weight.weight);
	}
	hsfeed_params_end(p);
	return rc;
}

int hs_params_epoch(hsfeed_params *p, const struct hsfeed_stream_options *o, bool pins, struct hsfeed_error *reterr)
{
	int rc = hs_params_name(p, o->name, reterr);
	if (rc == 0)
		rc = hs_params_plan(p, "plan", o->plan, reterr);
	if (rc < 0)
		return rc;
	if (o->has_fold)
		hsfeed_params_uint(p, "fold", o->fold);
	hsfeed_params_str(p, "order", o->order);
	put_uint(p, "length_batch", o->length_batch);
	if (o->has_seed)
		hsfeed_params_uint(p, "seed", o->seed);
	put_uint(p, "epoch", o->epoch);
	put_uint(p, "world", o->world);
	hsfeed_params_str(p, "shard", o->shard);
	put_uint(p, "batch_size", o->batch_size);
	put_flag(p, "drop_last", o->drop_last);
	put_padding(p, o->padding);
	return put_roles(p, o, pins, reterr);
}

static int put_options(hsfeed_params *p, const struct hsfeed_stream_options *o, struct hsfeed_error *reterr)
{
	int rc = hs_params_epoch(p, o, true, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params_str(p, "split", o->split);
	put_uint(p, "at", o->at);
	put_uint(p, "rank", o->rank);
	if (o->dtype)
		hsfeed_params_str(p, "dtype", hsfeed_dtype_name(o->dtype) ? hsfeed_dtype_name(o->dtype) : "?");
	put_flag(p, "token_type_ids", o->token_type_ids);
	put_uint(p, "slots", o->slots);
	rc = put_masks(p, o, reterr);
	if (rc == 0)
		rc = put_weights(p, o, reterr);
	return rc < 0 ? rc : put_arrays(p, o, reterr);
}

static int open_stream(hsfeed_client *client, hsfeed_params *params, hsfeed_stream **ret, struct hsfeed_error *reterr)
{
	hsfeed_value *info = NULL;
	struct hs_call call = {.method = "stream.open", .params = params, .fd = -1, .late = HS_LATE_CLOSE_STREAM};
	int rc = hs_call(client, &call, &info, reterr);
	if (rc < 0)
		return rc;
	uint64_t id = hsfeed_value_uint(hsfeed_value_get(info, "stream"), 0);
	rc = hs_stream_create(client, info, ret, reterr);
	if (rc < 0 && hs_send_request(client, "stream.close", "stream", id) == 0)
		hs_conn_flush(client);
	return rc;
}

// One opening, whatever it is of: `put` writes its parameters but for the transport.
struct asked {
	int (*put)(hsfeed_params *params, const void *what, struct hsfeed_error *reterr);
	const void *what;
	const struct hs_list *list; // of an explicit order
	const char *transport;      // NULL: a ring where that can be
};

// The daemon takes a handle whatever comes of the request; one that it does not know the key of leaves it.
static int open_with_list(hsfeed_client *client, hsfeed_params *params, const struct hs_list *list, hsfeed_stream **ret,
			  struct hsfeed_error *reterr)
{
	uint64_t handle;
	int rc = hs_list_send(client, list, &handle, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params_uint(params, "rows", handle);
	rc = open_stream(client, params, ret, reterr);
	if (rc < 0)
		hs_file_close(client, handle);
	return rc;
}

static int open_as(hsfeed_client *client, const struct asked *asked, const char *transport, hsfeed_stream **ret,
		   struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	int rc = asked->put(params, asked->what, reterr);
	hsfeed_params_str(params, "transport", transport);
	if (client->packs && transport && strcmp(transport, "ring") == 0)
		hsfeed_params_bool(params, "packed", 1);
	if (rc == 0 && asked->list->rows)
		rc = open_with_list(client, params, asked->list, ret, reterr);
	else if (rc == 0)
		rc = open_stream(client, params, ret, reterr);
	hsfeed_params_destroy(params);
	return rc;
}

// Where nobody insists on a ring and there can be none, batches come through the socket.
static int open_asked(hsfeed_client *client, const struct asked *asked, hsfeed_stream **ret,
		      struct hsfeed_error *reterr)
{
	const char *wanted = asked->transport;
	if (wanted && strcmp(wanted, "ring") == 0 && !client->rings) {
		hs_error_set(reterr, HSFEED_EUNSUPPORTED,
			     "a ring was asked for, but this daemon has none, or descriptors may not pass");
		return hs_error_hint(reterr, "leave the transport out, and unset HSFEED_NO_FDPASS");
	}
	if (wanted || !client->rings)
		return open_as(client, asked, wanted, ret, reterr);
	struct hsfeed_error why;
	int rc = open_as(client, asked, "ring", ret, &why);
	if (rc != HSFEED_EUNSUPPORTED && rc != HSFEED_ELIMIT)
		return rc < 0 ? hs_error_copy(reterr, &why) : rc;
	if (rc == HSFEED_EUNSUPPORTED)
		client->rings = false;
	return open_as(client, asked, "inline", ret, reterr);
}

// The stream keeps a list of its own.
static int open_and_keep(hsfeed_client *client, struct asked *asked, const int64_t *rows, size_t n, hsfeed_stream **ret,
			 struct hsfeed_error *reterr)
{
	struct hs_list list;
	int rc = hs_list_copy(rows, n, &list, reterr);
	if (rc < 0)
		return rc;
	asked->list = &list;
	rc = open_asked(client, asked, ret, reterr);
	if (rc < 0)
		hs_list_fini(&list);
	else
		(*ret)->list = list;
	return rc;
}

static int put_asked(hsfeed_params *params, const void *what, struct hsfeed_error *reterr)
{
	return put_options(params, what, reterr);
}

int hsfeed_stream_open(hsfeed_client *client, const struct hsfeed_stream_options *options, hsfeed_stream **ret_stream,
		       struct hsfeed_error *reterr)
{
	struct hsfeed_stream_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0)
		rc = hs_client_enter(client, reterr);
	if (rc == 0 && o.slots > HS_LIB_MAX_SLOTS)
		rc = hs_error_set(reterr, HSFEED_EBADARG, "a stream has at most %d slots", HS_LIB_MAX_SLOTS);
	struct asked asked = {.put = put_asked, .what = &o, .transport = o.transport};
	return rc < 0 ? rc : open_and_keep(client, &asked, o.rows, o.nrows, ret_stream, reterr);
}

// ---- again ----

static int put_version(hsfeed_params *p, const hsfeed_value *info, struct hsfeed_error *reterr)
{
	const char *name = hsfeed_value_str(hsfeed_value_get(info, "name"), NULL, "");
	const char *version = hsfeed_value_str(hsfeed_value_get(info, "version"), NULL, "");
	char text[320];
	int n = snprintf(text, sizeof(text), "%s@%s", name, version);
	if (n < 0 || (size_t)n >= sizeof(text) || !*version)
		return hs_error_set(reterr, HSFEED_EBADFRAME, "the stream does not say of which version it is");
	hsfeed_params_str(p, "name", text);
	hs_params_value(p, "owner", hsfeed_value_get(info, "owner"));
	return 0;
}

static void put_encodings(hsfeed_params *p, const hsfeed_value *info)
{
	static const char *const keys[][2] = {{"encodings", "encoding"}, {"max_length", "max_length"}};
	const hsfeed_value *encodings = hsfeed_value_get(info, "encodings");
	hsfeed_params_array(p, "roles");
	for (size_t i = 0; i < hsfeed_value_len(encodings); i++)
		hs_params_value(p, NULL, hsfeed_value_get(hsfeed_value_at(encodings, i), "role"));
	hsfeed_params_end(p);
	for (size_t k = 0; k < 2; k++) {
		hsfeed_params_map(p, keys[k][0]);
		for (size_t i = 0; i < hsfeed_value_len(encodings); i++) {
			const hsfeed_value *e = hsfeed_value_at(encodings, i);
			const char *role = hsfeed_value_str(hsfeed_value_get(e, "role"), NULL, "");
			hs_params_value(p, role, hsfeed_value_get(e, keys[k][1]));
		}
		hsfeed_params_end(p);
	}
}

static bool has_array(const hsfeed_value *info, const char *name)
{
	const hsfeed_value *arrays = hsfeed_value_get(info, "arrays");
	for (size_t i = 0; i < hsfeed_value_len(arrays); i++)
		if (strcmp(hsfeed_value_str(hsfeed_value_get(hsfeed_value_at(arrays, i), "name"), NULL, ""), name) == 0)
			return true;
	return false;
}

static int put_again(hsfeed_params *p, const void *what, struct hsfeed_error *reterr)
{
	static const char *const same[] = {
		"split", "order", "rank",      "world",     "shard",     "batch_size", "drop_last", "padding",
		"dtype", "slots", "mask_rows", "mask_prob", "mask_seed", "mask_roles", "weight",    "length_batch"};
	const hsfeed_stream *s = what;
	const hsfeed_value *info = s->info;
	struct hsfeed_seek_options place;
	hs_stream_place(s, &place);
	int rc = put_version(p, info, reterr);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		hs_params_value(p, same[i], hsfeed_value_get(info, same[i]));
	if (hsfeed_value_type(hsfeed_value_get(info, "plan")) == HSFEED_MAP) {
		hs_params_value(p, "plan", hsfeed_value_get(info, "plan"));
		hs_params_value(p, "fold", hsfeed_value_get(info, "fold"));
	}
	if (hsfeed_value_len(hsfeed_value_get(info, "attached")) > 0)
		hs_params_value(p, "attached", hsfeed_value_get(info, "attached"));
	hsfeed_params_bool(p, "token_type_ids", has_array(info, "token_type_ids"));
	hsfeed_params_uint(p, "seed", place.seed);
	hsfeed_params_uint(p, "epoch", place.epoch);
	hsfeed_params_uint(p, "at", place.at);
	put_encodings(p, info);
	return rc;
}

int hsfeed_stream_reopen(hsfeed_client *client, const hsfeed_stream *stream, hsfeed_stream **ret_stream,
			 struct hsfeed_error *reterr)
{
	int rc = stream ? hs_client_enter(client, reterr) : hs_error_set(reterr, HSFEED_EBADARG, "the stream is NULL");
	if (rc < 0)
		return rc;
	struct asked asked = {.put = put_again, .what = stream, .transport = stream->ring ? NULL : "inline"};
	return open_and_keep(client, &asked, stream->list.rows, stream->list.n, ret_stream, reterr);
}
