// SPDX-License-Identifier: Apache-2.0
// PLAN, as requests give it and answers tell it: plans.c; plan.save, plan.list and plan.rm: saved.c.
#ifndef HS_SERVER_PLANS_H
#define HS_SERVER_PLANS_H

#include "request.h"

struct hs_plan_params {
	const char *name, *kind, *group, *column, *rows;
	uint64_t folds, seed;
	bool shuffle;
	struct hs_strs by;
	double similarity;
	int rule;
	struct hs_uint_or_f64 test, train;
};
extern const struct hs_schema hs_plan_schema;

// hs_plan_params_read reads the key "plan" of a request about the source's dataset; one that names a saved plan gives
// that one's options. *ret points into the request. HSFEED_ENOTFOUND names the plans that there are.
int hs_plan_params_read(struct hs_request *req, const struct hs_plan_params *p, const struct hs_feed_source *source,
			struct hs_plan_request *ret);
// hs_plan_params_read_own does so for options that name no saved plan.
int hs_plan_params_read_own(const struct hs_plan_params *p, struct hs_plan_request *ret, struct hs_err *reterr);
// hs_plan_params_given counts what a request has in its map `key`; 0 where it has none.
unsigned hs_plan_params_given(const struct hs_request *req, const char *key);
void hs_plan_write(struct hs_wbuf *w, const struct hs_plan *plan);

int hs_req_plan_save_begin(struct hs_request *req);
int hs_req_plan_save_run(struct hs_request *req);
int hs_req_plan_save_settle(struct hs_request *req);
int hs_req_plan_list_run(struct hs_request *req);
int hs_req_plan_rm_run(struct hs_request *req);
extern const struct hs_schema hs_plan_save_schema, hs_plan_list_schema, hs_plan_rm_schema;

#endif
