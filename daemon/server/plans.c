// SPDX-License-Identifier: Apache-2.0
#include "plans.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/sha256.h"

static const char *const rules[] = {[HS_GROUP_RULE_CURRENT] = "current", [HS_GROUP_RULE_OLDER] = "older", NULL};

#define AT(member) .offset = offsetof(struct hs_plan_params, member)
static const struct hs_field fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .min = 1, .max = HS_NAME_MAX},
	{.key = "kind", .type = HS_T_STR, AT(kind), .min = 1, .max = 64},
	{.key = "folds", .type = HS_T_UINT, AT(folds), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "fold_seed", .type = HS_T_UINT, AT(seed), .max = UINT32_MAX, .def = 42},
	{.key = "shuffle", .type = HS_T_BOOL, AT(shuffle), .def = 1},
	{.key = "by", .type = HS_T_STRS, AT(by), .max = HS_FEED_MAX_LABELS},
	{.key = "group", .type = HS_T_STR, AT(group), .min = 1, .max = 1024},
	{.key = "duplicates", .type = HS_T_F64, AT(similarity)},
	{.key = "rule", .type = HS_T_ENUM, AT(rule), .names = rules, .def = HS_UNSET},
	{.key = "column", .type = HS_T_STR, AT(column), .min = 1, .max = 1024},
	{.key = "test_size", .type = HS_T_UINT_OR_F64, AT(test), .max = INT64_MAX},
	{.key = "train_size", .type = HS_T_UINT_OR_F64, AT(train), .max = INT64_MAX},
	{.key = "rows", .type = HS_T_STR, AT(rows), .min = 64, .max = 64},
};
#undef AT
const struct hs_schema hs_plan_schema = HS_SCHEMA(struct hs_plan_params, fields);

static struct hs_size read_size(const struct hs_uint_or_f64 *given)
{
	switch (given->given) {
	case HS_NUMBER_UINT:
		return (struct hs_size){.unit = HS_SIZE_ROWS, .nrows = (int64_t)given->u};
	case HS_NUMBER_F64:
		return (struct hs_size){.unit = HS_SIZE_FRACTION, .fraction = given->f};
	default:
		return (struct hs_size){.unit = HS_SIZE_NONE};
	}
}

static int read_kind(const char *kind, struct hs_plan_request *plan, struct hs_err *reterr)
{
	plan->kind_given = kind != NULL;
	return kind ? hs_split_kind_parse(kind, &plan->spec.kind, reterr) : 0;
}

// Zero folds would be those that a request leaves open.
static int read_folds(uint64_t folds, struct hs_plan_request *plan, struct hs_err *reterr)
{
	plan->spec.nfolds = folds == HS_UNSET ? 0 : (uint32_t)folds;
	if (folds != 0)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADPLAN,
			  "k-fold cross-validation requires at least one train/test split by setting n_splits=2 or "
			  "more, got n_splits=0.");
}

static int read_rows(const char *hex, struct hs_plan_request *plan, struct hs_err *reterr)
{
	plan->rows_given = hex != NULL;
	if (!hex || hs_unhex(hex, sizeof(plan->rows.bytes), plan->rows.bytes) == 0)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "the row numbers of a plan are named by 64 hex digits");
}

int hs_plan_params_read_own(const struct hs_plan_params *p, struct hs_plan_request *ret, struct hs_err *reterr)
{
	struct hs_plan_request plan = {.nby = p->by.n,
				       .by = p->by.items,
				       .group = p->group,
				       .similarity = isnan(p->similarity) ? 0 : p->similarity,
				       .rule_given = p->rule >= 0,
				       .rule = p->rule == HS_GROUP_RULE_OLDER ? HS_GROUP_RULE_OLDER
									      : HS_GROUP_RULE_CURRENT,
				       .column = p->column,
				       .test = read_size(&p->test),
				       .train = read_size(&p->train)};
	int rc = read_kind(p->kind, &plan, reterr);
	if (rc == 0)
		rc = read_folds(p->folds, &plan, reterr);
	if (rc == 0 && p->similarity <= 0) // what is not given is not a number
		rc = hs_err_set(reterr, HSFEED_EBADREQUEST, "a similarity is from 0.5 to 1, not %g", p->similarity);
	if (rc == 0)
		rc = read_rows(p->rows, &plan, reterr);
	if (rc < 0)
		return rc;
	plan.spec.seed = (uint32_t)p->seed;
	plan.spec.shuffle = p->shuffle;
	*ret = plan;
	return 0;
}

// ---- saved plans ----

unsigned hs_plan_params_given(const struct hs_request *req, const char *key)
{
	struct hs_rbuf map;
	struct hs_wire_value head, value;
	unsigned given = 0;
	if (!hs_r_find(req->msg.params, key, &map) || !hs_r_next(&map, &head) || head.type != HS_WIRE_MAP)
		return 0;
	for (uint32_t i = 0; i < head.as.count && hs_r_skip(&map); i++) {
		struct hs_rbuf at = map;
		given += hs_r_next(&at, &value) && value.type != HS_WIRE_NIL;
		hs_r_skip(&map);
	}
	return given;
}

static int load_saved(struct hs_request *req, const char *plan, const struct hs_feed_source *source,
		      struct hs_plan_params *ret)
{
	const struct hs_version_entry *of = hs_feed_source_entry(source);
	const struct hs_plan_ref ref = {.uid = req->uid, .owner = of->owner, .name = of->name, .plan = plan};
	struct hs_plan_entry entry;
	struct hs_fault fault;
	int rc = hs_store_find_plan(req->server->store, &ref, &entry, &req->err);
	if (rc < 0)
		return rc;
	const struct hs_rbuf options = {entry.options, entry.options + entry.options_len};
	rc = hs_message_decode_map(&req->msg, options, &hs_plan_schema, ret, &fault);
	hs_plan_entry_fini(&entry);
	if (rc == -ENOMEM)
		return hs_err_nomem(&req->err, "reading a plan");
	if (rc == 0)
		return 0;
	hs_err_set(&req->err, HSFEED_EUNSUPPORTED, "the saved plan \"%s\" cannot be understood: %s", plan,
		   fault.message);
	return hs_err_hint(&req->err, "it may have been saved by a newer hsfeedd; save it again");
}

int hs_plan_params_read(struct hs_request *req, const struct hs_plan_params *p, const struct hs_feed_source *source,
			struct hs_plan_request *ret)
{
	struct hs_plan_params saved;
	if (!p->name)
		return hs_plan_params_read_own(p, ret, &req->err);
	if (hs_plan_params_given(req, "plan") != 1) {
		hs_err_set(&req->err, HSFEED_EBADREQUEST,
			   "the plan \"%s\" is saved with all its options; no others go "
			   "with its name",
			   p->name);
		return hs_err_hint(&req->err,
				   "name a saved plan, or give a plan's options; plan.save makes one of them");
	}
	int rc = load_saved(req, p->name, source, &saved);
	return rc < 0 ? rc : hs_plan_params_read_own(&saved, ret, &req->err);
}

void hs_plan_write(struct hs_wbuf *w, const struct hs_plan *plan)
{
	hs_w_raw(w, plan->map, plan->map_len);
}
