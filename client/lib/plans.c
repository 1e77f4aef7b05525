// SPDX-License-Identifier: Apache-2.0
// Saved split plans.
#include "client.h"

#define MAX_ROWS_BYTES (512u << 20) // 50 million row numbers; the daemon knows how many rows there are

static int send_rows(hsfeed_client *client, const struct hsfeed_plan_save_options *o, uint64_t *ret_handle,
		     struct hsfeed_error *reterr)
{
	if (o->rows_path)
		return hs_file_upload(client, o->rows_path, MAX_ROWS_BYTES, ret_handle, reterr);
	return hs_file_send(client, o->rows, o->rows_bytes, "row numbers", ret_handle, reterr);
}

static int put_save(hsfeed_params *params, const char *name, const struct hsfeed_plan_save_options *o,
		    struct hsfeed_error *reterr)
{
	int rc = hs_params_name(params, name, reterr);
	if (rc == 0)
		rc = hs_params_plan(params, "options", o->options, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params_str(params, "plan", o->plan);
	if (o->replace)
		hsfeed_params_bool(params, "replace", 1);
	return 0;
}

static int save(hsfeed_client *client, const char *name, const struct hsfeed_plan_save_options *o,
		hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	uint64_t handle = 0;
	bool sent = false;
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	int rc = put_save(params, name, o, reterr);
	if (rc == 0 && (o->rows_path || o->rows)) {
		rc = send_rows(client, o, &handle, reterr);
		sent = rc == 0;
		hsfeed_params_uint(params, "rows", handle);
	}
	if (rc == 0)
		rc = hs_call(client, &(struct hs_call){.method = "plan.save", .params = params, .fd = -1}, ret_value,
			     reterr);
	if (rc < 0 && sent)
		hs_file_close(client, handle); // where the daemon did not take it
	hsfeed_params_destroy(params);
	return rc;
}

int hsfeed_plan_save(hsfeed_client *client, const char *name, const struct hsfeed_plan_save_options *options,
		     hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	struct hsfeed_plan_save_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc < 0)
		return rc;
	if (!o.plan)
		return hs_error_set(reterr, HSFEED_EBADARG, "plan.save needs a name for the plan");
	return save(client, name, &o, ret_value, reterr);
}

int hsfeed_plan_list(hsfeed_client *client, const char *name, hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	if (!name)
		return hs_error_set(reterr, HSFEED_EBADARG, "plan.list needs the name of a dataset");
	return hs_call_simple(client, "plan.list", name, ret_value, reterr);
}

int hsfeed_plan_remove(hsfeed_client *client, const char *name, const char *plan, hsfeed_value **ret_value,
		       struct hsfeed_error *reterr)
{
	if (!plan)
		return hs_error_set(reterr, HSFEED_EBADARG, "plan.rm needs the name of a plan");
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	int rc = hs_params_name(params, name, reterr);
	hsfeed_params_str(params, "plan", plan);
	if (rc == 0)
		rc = hs_call(client, &(struct hs_call){.method = "plan.rm", .params = params, .fd = -1}, ret_value,
			     reterr);
	hsfeed_params_destroy(params);
	return rc;
}
