// SPDX-License-Identifier: Apache-2.0
// The calls that answer with a map and take little more than a name.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

int hsfeed_datasets(hsfeed_client *client, hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return hs_call_simple(client, "datasets", NULL, ret_value, reterr);
}

static int named(hsfeed_client *client, const char *method, const char *name, hsfeed_value **ret_value,
		 struct hsfeed_error *reterr)
{
	if (!name)
		return hs_error_set(reterr, HSFEED_EBADARG, "%s needs the name of a dataset", method);
	return hs_call_simple(client, method, name, ret_value, reterr);
}

int hsfeed_versions(hsfeed_client *client, const char *name, hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return named(client, "versions", name, ret_value, reterr);
}

int hsfeed_show(hsfeed_client *client, const char *name, hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return named(client, "show", name, ret_value, reterr);
}

int hsfeed_rm(hsfeed_client *client, const char *name, hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return named(client, "rm", name, ret_value, reterr);
}

int hsfeed_status(hsfeed_client *client, hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	return hs_call_simple(client, "status", NULL, ret_value, reterr);
}

int hsfeed_ping(hsfeed_client *client, struct hsfeed_error *reterr)
{
	return hs_call_simple(client, "ping", NULL, NULL, reterr);
}

int hsfeed_verify(hsfeed_client *client, const struct hsfeed_verify_options *options, hsfeed_value **ret_value,
		  struct hsfeed_error *reterr)
{
	struct hsfeed_verify_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	if (o.name)
		rc = hs_params_name(params, o.name, reterr);
	struct hs_call call = {.method = "verify", .params = params, .fd = -1, .cancel = true};
	call.timeout_ms = o.timeout_ms ? (int64_t)o.timeout_ms : -1;
	call.progress = o.progress;
	call.progress_arg = o.arg;
	if (rc == 0)
		rc = hs_call(client, &call, ret_value, reterr);
	hsfeed_params_destroy(params);
	return rc;
}

// ---- fold rows: all pages of them ----

struct fold_rows {
	int64_t *rows;
	uint64_t n, total;
};

static int bad_page(struct hsfeed_error *reterr)
{
	return hs_error_set(reterr, HSFEED_EBADFRAME, "the daemon sent a page of fold rows that contradicts itself");
}

static int take_page(struct fold_rows *all, const hsfeed_value *page, struct hsfeed_error *reterr)
{
	size_t bytes = 0;
	const void *rows = hsfeed_value_bin(hsfeed_value_get(page, "rows"), &bytes);
	uint64_t count = hsfeed_value_uint(hsfeed_value_get(page, "count"), UINT64_MAX);
	uint64_t total = hsfeed_value_uint(hsfeed_value_get(page, "total"), UINT64_MAX);
	if (!rows || count != bytes / 8 || bytes % 8 || total > UINT32_MAX || (all->n > 0 && total != all->total) ||
	    count > total - all->n || (count == 0 && all->n < total))
		return bad_page(reterr);
	// total is only believed as far as rows have come: the array grows with them
	int64_t *grown = realloc(all->rows, (size_t)(all->n + count) * 8 + 8);
	if (!grown)
		return hs_error_nomem(reterr);
	all->rows = grown;
	memcpy(all->rows + all->n, rows, bytes);
	all->n += count;
	all->total = total;
	return 0;
}

static int fetch_page(hsfeed_client *client, const char *name, const struct hsfeed_fold_rows_options *o,
		      struct fold_rows *all, struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	hsfeed_value *page = NULL;
	int rc = hs_params_name(params, name, reterr);
	if (rc == 0)
		rc = hs_params_plan(params, "plan", o->plan, reterr);
	hsfeed_params_uint(params, "fold", o->fold);
	hsfeed_params_str(params, "split", o->split ? o->split : "val");
	hsfeed_params_uint(params, "start", all->n);
	hsfeed_params_uint(params, "count", 1u << 20);
	if (rc == 0)
		rc = hs_call(client, &(struct hs_call){.method = "folds.rows", .params = params, .fd = -1}, &page,
			     reterr);
	hsfeed_params_destroy(params);
	if (rc == 0)
		rc = take_page(all, page, reterr);
	hsfeed_value_free(page);
	return rc;
}

int hsfeed_fold_rows(hsfeed_client *client, const char *name, const struct hsfeed_fold_rows_options *options,
		     int64_t **ret_rows, size_t *ret_nrows, struct hsfeed_error *reterr)
{
	struct hsfeed_fold_rows_options o;
	struct fold_rows all = {0};
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	do {
		if (rc == 0)
			rc = fetch_page(client, name, &o, &all, reterr);
	} while (rc == 0 && all.n < all.total);
	if (rc < 0) {
		free(all.rows);
		return rc;
	}
	*ret_rows = all.rows;
	*ret_nrows = (size_t)all.n;
	return 0;
}
