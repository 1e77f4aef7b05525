// SPDX-License-Identifier: Apache-2.0
// PLAN, as requests give it and answers tell it.
#ifndef HS_SERVER_PLANS_H
#define HS_SERVER_PLANS_H

#include "decode/decode.h"
#include "feed/feed.h"

struct hs_plan_params {
	const char *kind, *group, *column;
	uint64_t folds, seed;
	bool shuffle;
	struct hs_strs by;
	double similarity;
	int rule;
	struct hs_uint_or_f64 test, train;
};
extern const struct hs_schema hs_plan_schema;

// hs_plan_params_read: *ret points into the parameters.
int hs_plan_params_read(const struct hs_plan_params *p, struct hs_plan_request *ret, struct hs_err *reterr);
void hs_plan_write(struct hs_wbuf *w, const struct hs_plan *plan);

#endif
