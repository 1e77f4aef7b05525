// SPDX-License-Identifier: Apache-2.0
// Questions about folds and lengths: option structs written as requests; the answers are the daemon's maps.
#include <stdlib.h>

#include "client.h"

// One question: `put` writes all its parameters.
typedef int put_fn(hsfeed_params *params, const char *name, const void *options, struct hsfeed_error *reterr);

struct question {
	const char *method, *name;
	put_fn *put;
	const void *options;
	int64_t timeout_ms; // as of struct hs_call
};

static int ask(hsfeed_client *client, const struct question *q, hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	int rc = q->put(params, q->name, q->options, reterr);
	if (rc == 0)
		rc = hs_call(
			client,
			&(struct hs_call){.method = q->method, .params = params, .fd = -1, .timeout_ms = q->timeout_ms},
			ret_value, reterr);
	hsfeed_params_destroy(params);
	return rc;
}

// ---- folds ----

static int put_folds(hsfeed_params *params, const char *name, const void *options, struct hsfeed_error *reterr)
{
	int rc = hs_params_name(params, name, reterr);
	return rc == 0 ? hs_params_plan(params, "plan", options, reterr) : rc;
}

int hsfeed_folds(hsfeed_client *client, const char *name, const struct hsfeed_plan *plan, hsfeed_value **ret_value,
		 struct hsfeed_error *reterr)
{
	return ask(client, &(struct question){"folds", name, put_folds, plan, 0}, ret_value, reterr);
}

// ---- the fold table ----

static int put_fold_table(hsfeed_params *params, const char *name, const void *options, struct hsfeed_error *reterr)
{
	struct hsfeed_fold_table_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0)
		rc = hs_params_name(params, name, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params_str(params, "role", o.role);
	if (o.max_length)
		hsfeed_params_uint(params, "max_length", o.max_length);
	return hs_params_plan(params, "plan", o.plan, reterr);
}

int hsfeed_fold_table(hsfeed_client *client, const char *name, const struct hsfeed_fold_table_options *options,
		      hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return ask(client, &(struct question){"folds", name, put_fold_table, options, 0}, ret_value, reterr);
}

// ---- lengths ----

static int put_lengths(hsfeed_params *params, const char *name, const void *options, struct hsfeed_error *reterr)
{
	struct hsfeed_lengths_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0)
		rc = hs_params_name(params, name, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params_str(params, "role", o.role);
	if (o.nmax_lengths == 0)
		return 0;
	if (!o.max_lengths)
		return hs_error_set(reterr, HSFEED_EBADARG, "max_lengths is NULL, and nmax_lengths is not 0");
	hsfeed_params_array(params, "max_lengths");
	for (size_t i = 0; i < o.nmax_lengths; i++)
		hsfeed_params_uint(params, NULL, o.max_lengths[i]);
	hsfeed_params_end(params);
	return 0;
}

int hsfeed_lengths(hsfeed_client *client, const char *name, const struct hsfeed_lengths_options *options,
		   hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return ask(client, &(struct question){"lengths", name, put_lengths, options, 0}, ret_value, reterr);
}

// ---- weights ----

static int put_weights(hsfeed_params *params, const char *name, const void *options, struct hsfeed_error *reterr)
{
	struct hsfeed_weights_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0)
		rc = hs_params_name(params, name, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params_uint(params, "fold", o.fold);
	hsfeed_params_str(params, "scheme", o.scheme);
	if (o.has_beta)
		hsfeed_params_f64(params, "beta", o.beta);
	if (o.has_cap)
		hsfeed_params_f64(params, "cap", o.cap);
	if (o.pooled)
		hsfeed_params_bool(params, "pooled", 1);
	if (o.normalize)
		hsfeed_params_bool(params, "normalize", 1);
	return hs_params_plan(params, "plan", o.plan, reterr);
}

int hsfeed_weights(hsfeed_client *client, const char *name, const struct hsfeed_weights_options *options,
		   hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return ask(client, &(struct question){"weights", name, put_weights, options, 0}, ret_value, reterr);
}

// ---- estimate ----

static int put_estimate(hsfeed_params *params, const char *name, const void *options, struct hsfeed_error *reterr)
{
	struct hsfeed_stream_options o;
	(void)name; // it is among the options
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	return rc == 0 ? hs_params_epoch(params, &o, false, reterr) : rc;
}

int hsfeed_estimate(hsfeed_client *client, const struct hsfeed_stream_options *options, hsfeed_value **ret_value,
		    struct hsfeed_error *reterr)
{
	return ask(client, &(struct question){"estimate", NULL, put_estimate, options, 0}, ret_value, reterr);
}

// ---- leaks ----

static int put_leaks(hsfeed_params *params, const char *name, const void *options, struct hsfeed_error *reterr)
{
	const struct hsfeed_leaks_options *o = options;
	int rc = hs_params_name(params, name, reterr);
	if (rc < 0)
		return rc;
	if (o->similarity != 0)
		hsfeed_params_f64(params, "similarity", o->similarity);
	if (o->start)
		hsfeed_params_uint(params, "start", o->start);
	if (o->count)
		hsfeed_params_uint(params, "count", o->count);
	return hs_params_plan(params, "plan", o->plan, reterr);
}

int hsfeed_leaks(hsfeed_client *client, const char *name, const struct hsfeed_leaks_options *options,
		 hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	struct hsfeed_leaks_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc < 0)
		return rc;
	int64_t timeout_ms = o.timeout_ms ? (int64_t)o.timeout_ms : -1; // a search may take long
	return ask(client, &(struct question){"leaks", name, put_leaks, &o, timeout_ms}, ret_value, reterr);
}
