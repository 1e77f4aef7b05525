// SPDX-License-Identifier: Apache-2.0
#include "client.h"

int hsfeed_leaks(hsfeed_client *client, const char *name, const struct hsfeed_leaks_options *options,
		 hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	struct hsfeed_leaks_options o;
	struct hsfeed_plan plan;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0)
		rc = hs_plan_read(&plan, o.plan, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	rc = hs_params_name(params, name, reterr);
	hs_params_plan(params, o.plan ? &plan : NULL);
	if (o.similarity != 0)
		hsfeed_params_f64(params, "similarity", o.similarity);
	if (o.start)
		hsfeed_params_uint(params, "start", o.start);
	if (o.count)
		hsfeed_params_uint(params, "count", o.count);
	struct hs_call call = {.method = "leaks", .params = params, .fd = -1};
	call.timeout_ms = o.timeout_ms ? (int64_t)o.timeout_ms : -1;
	if (rc == 0)
		rc = hs_call(client, &call, ret_value, reterr);
	hsfeed_params_destroy(params);
	return rc;
}
