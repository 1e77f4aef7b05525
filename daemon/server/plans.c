// SPDX-License-Identifier: Apache-2.0
#include "plans.h"

static const struct hs_field fields[] = {
	{.key = "kind", .type = HS_T_STR, .offset = offsetof(struct hs_plan_params, kind), .min = 1, .max = 64},
	{.key = "folds",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct hs_plan_params, folds),
	 .max = UINT32_MAX,
	 .def = 5},
	{.key = "fold_seed",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct hs_plan_params, seed),
	 .max = UINT32_MAX,
	 .def = 42},
	{.key = "shuffle", .type = HS_T_BOOL, .offset = offsetof(struct hs_plan_params, shuffle), .def = 1},
};
const struct hs_schema hs_plan_schema = HS_SCHEMA(struct hs_plan_params, fields);

int hs_plan_params_read(const struct hs_plan_params *p, struct hs_plan_request *ret, struct hs_err *reterr)
{
	struct hs_plan_request plan = {.kind_given = p->kind != NULL};
	if (p->kind) {
		int rc = hs_split_kind_parse(p->kind, &plan.spec.kind, reterr);
		if (rc < 0)
			return rc;
	}
	plan.spec.nfolds = (uint32_t)p->folds;
	plan.spec.seed = (uint32_t)p->seed;
	plan.spec.shuffle = p->shuffle;
	*ret = plan;
	return 0;
}

void hs_plan_write(struct hs_wbuf *w, const struct hs_plan_spec *spec)
{
	hs_w_map(w, 4);
	hs_w_cstr(w, "kind");
	hs_w_cstr(w, hs_split_kind_name(spec->kind));
	hs_w_cstr(w, "folds");
	hs_w_uint(w, spec->nfolds);
	hs_w_cstr(w, "fold_seed");
	hs_w_uint(w, spec->seed);
	hs_w_cstr(w, "shuffle");
	hs_w_bool(w, spec->shuffle);
}
