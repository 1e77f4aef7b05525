// SPDX-License-Identifier: Apache-2.0
#include "asked.h"

#include "describe.h"

struct hs_source_request hs_asked_source(const struct hs_request *req, const char *name, uint64_t owner)
{
	return (struct hs_source_request){
		.uid = req->uid, .spec = name, .owner = owner == HS_UNSET ? req->uid : (uint32_t)owner};
}

int hs_asked_open(struct hs_request *req, const struct hs_source_request *source, const struct hs_plan_params *plan,
		  struct hs_asked *ret)
{
	struct hs_feed *feed = req->server->feed;
	struct hs_asked asked = {NULL, NULL};
	struct hs_plan_request request;
	int rc = hs_feed_source_open(feed, source, &asked.source, &req->err);
	if (rc < 0)
		return rc;
	if (plan)
		rc = hs_plan_params_read(req, plan, asked.source, &request);
	if (rc == 0 && plan)
		rc = hs_feed_plan_get(feed, asked.source, &request, &asked.plan, &req->err);
	if (rc < 0)
		hs_feed_source_close(asked.source);
	else
		*ret = asked;
	return rc;
}

void hs_asked_close(struct hs_request *req, const struct hs_asked *asked)
{
	hs_feed_plan_put(req->server->feed, asked->plan);
	hs_feed_source_close(asked->source);
}

void hs_asked_write(struct hs_wbuf *w, const struct hs_asked *asked)
{
	const struct hs_version_entry *entry = hs_feed_source_entry(asked->source);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, entry->name);
	hs_w_cstr(w, "owner");
	hs_w_uint(w, entry->owner);
	hs_write_id(w, "version", &entry->version);
	if (!asked->plan)
		return;
	hs_w_cstr(w, "plan");
	hs_plan_write(w, asked->plan);
}

// ---- labels ----

void hs_write_label_value(struct hs_wbuf *w, struct hs_rbuf *values)
{
	struct hs_wire_value value;
	if (hs_r_next(values, &value) && value.type == HS_WIRE_STR)
		hs_w_str(w, value.as.str.ptr, value.as.str.len);
	else
		hs_w_cstr(w, "");
}
