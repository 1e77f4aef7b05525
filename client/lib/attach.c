// SPDX-License-Identifier: Apache-2.0
// hsfeed_attach and hsfeed_detach: values are handed over as a file, then the daemon is asked.
#include <string.h>

#include "client.h"

static int give_values(hsfeed_client *client, const struct hsfeed_attach_options *o, const char *shown,
		       uint64_t *ret_handle, struct hsfeed_error *reterr)
{
	if (o->path)
		return hs_file_attach(client, o->path, shown, ret_handle, reterr);
	if (o->data)
		return hs_file_share(client, o->data, o->data_bytes, shown, ret_handle, reterr);
	if (o->has_fd)
		return hs_file_attach_fd(client, o->fd, shown, ret_handle, reterr);
	return hs_error_set(reterr, HSFEED_EBADARG, "there is neither a path nor data nor a descriptor to attach");
}

static void put_options(hsfeed_params *p, const struct hsfeed_attach_options *o, uint64_t handle, const char *shown)
{
	hsfeed_params_str(p, "array", o->array);
	hsfeed_params_uint(p, "source", handle);
	hsfeed_params_str(p, "file_name", shown);
	if (o->offset)
		hsfeed_params_uint(p, "offset", o->offset);
	hsfeed_params_str(p, "dtype", o->dtype);
	hsfeed_params_array(p, "shape");
	hsfeed_params_uint(p, NULL, o->rows);
	if (o->columns)
		hsfeed_params_uint(p, NULL, o->columns);
	hsfeed_params_end(p);
	if (o->allow_nan)
		hsfeed_params_str(p, "nan", "allow");
	if (o->replace)
		hsfeed_params_bool(p, "replace", 1);
}

// The handle is gone afterwards, whatever the outcome.
static int ask(hsfeed_client *client, const struct hsfeed_attach_options *o, uint64_t handle, const char *shown,
	       hsfeed_value **ret, struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	int rc = params ? hs_params_name(params, o->name, reterr) : hs_error_nomem(reterr);
	put_options(params, o, handle, shown);
	struct hs_call call = {.method = "attach", .params = params, .fd = -1, .cancel = true};
	call.timeout_ms = o->timeout_ms ? (int64_t)o->timeout_ms : -1;
	call.progress = o->progress;
	call.progress_arg = o->arg;
	if (rc == 0)
		rc = hs_call(client, &call, ret, reterr);
	if (rc < 0)
		hs_file_close(client, handle); // where the daemon did not take it
	hsfeed_params_destroy(params);
	return rc;
}

int hsfeed_attach(hsfeed_client *client, const struct hsfeed_attach_options *options, hsfeed_value **ret_value,
		  struct hsfeed_error *reterr)
{
	struct hsfeed_attach_options o;
	uint64_t handle = 0;
	int rc = hs_client_enter(client, reterr);
	if (rc == 0)
		rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0 && (!o.name || !o.array || !o.dtype))
		rc = hs_error_set(reterr, HSFEED_EBADARG, "attach needs a dataset, the array's name and its dtype");
	if (rc < 0)
		return rc;
	const char *shown = o.file_name ? o.file_name : o.path ? o.path : o.array;
	rc = give_values(client, &o, shown, &handle, reterr);
	return rc < 0 ? rc : ask(client, &o, handle, shown, ret_value, reterr);
}

int hsfeed_detach(hsfeed_client *client, const char *name, const char *array, hsfeed_value **ret_value,
		  struct hsfeed_error *reterr)
{
	if (!array)
		return hs_error_set(reterr, HSFEED_EBADARG, "detach needs the array's name");
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	int rc = hs_params_name(params, name, reterr);
	hsfeed_params_str(params, "array", array);
	if (rc == 0)
		rc = hs_call(client, &(struct hs_call){.method = "detach", .params = params, .fd = -1}, ret_value,
			     reterr);
	hsfeed_params_destroy(params);
	return rc;
}
