// SPDX-License-Identifier: Apache-2.0
// Every plan with the first, second, third, ... allocation failing: an error each time, nothing lost, nothing touched.
// Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/deal_groups.h"
#include "plan/groups.h"
#include "plan/holdout.h"
#include "plan/length.h"
#include "plan/multilabel.h"
#include "plan/predefined.h"
#include "plan/rowlist.h"
#include "plan/ranks.h"
#include "plan/weights.h"

#define N 200

static long allocations_left = -1; // < 0: none fails

static bool fails(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

// What all plans are made from, and everything they may write.
struct input {
	float labels[N][2];
	uint32_t classes[N], groups[N];
	int64_t numbers[N];
};

struct output {
	uint16_t folds[N];
	uint32_t classes[N], nfolds;
	size_t nclasses;
	char warning[256];
	struct hs_holdout holdout;
	struct hs_deal_figures figures;
	float weights[2];
};

static const struct hs_plan_spec folds5 = {.nfolds = 5, .shuffle = true, .seed = 42};
static const struct hs_plan_spec unshuffled = {.nfolds = 5};

static int make_kfold(const struct input *in, struct output *out, struct hs_err *reterr)
{
	(void)in;
	return hs_kfold(N, &folds5, out->folds, reterr);
}

static int make_stratified(const struct input *in, struct output *out, struct hs_err *reterr)
{
	return hs_stratified_kfold(in->classes, N, &folds5, out->folds, out->warning, reterr);
}

static int make_combinations(const struct input *in, struct output *out, struct hs_err *reterr)
{
	int rc = hs_label_combinations(in->labels[0], N, 2, out->classes, &out->nclasses);
	return rc < 0 ? hs_err_nomem(reterr, "numbering") : rc;
}

static int make_ranks(const struct input *in, struct output *out, struct hs_err *reterr)
{
	int rc = hs_label_ranks(in->labels[0], N, 2, out->classes, &out->nclasses);
	return rc < 0 ? hs_err_nomem(reterr, "ranking") : rc;
}

static int make_multilabel(const struct input *in, struct output *out, struct hs_err *reterr)
{
	return hs_multilabel_kfold(in->labels[0], N, 2, &folds5, out->folds, reterr);
}

static int make_groups(const struct input *in, struct output *out, struct hs_err *reterr)
{
	return hs_group_kfold(in->groups, N, &unshuffled, HS_GROUP_RULE_CURRENT, out->folds, reterr);
}

static int make_older_groups(const struct input *in, struct output *out, struct hs_err *reterr)
{
	return hs_group_kfold(in->groups, N, &unshuffled, HS_GROUP_RULE_OLDER, out->folds, reterr);
}

static int make_stratified_groups(const struct input *in, struct output *out, struct hs_err *reterr)
{
	struct hs_group_rows rows = {in->classes, in->groups, N};
	return hs_stratified_group_kfold(&rows, &folds5, HS_GROUP_RULE_CURRENT, out->folds, out->warning, reterr);
}

static int make_dealt_classes(const struct input *in, struct output *out, struct hs_err *reterr)
{
	struct hs_deal_rows rows = {.n = N, .groups = in->groups, .ngroups = N, .classes = in->classes};
	return hs_deal_groups(&rows, &folds5, out->folds, &out->figures, out->warning, reterr);
}

static int make_dealt_labels(const struct input *in, struct output *out, struct hs_err *reterr)
{
	struct hs_deal_rows rows = {.n = N, .groups = in->groups, .ngroups = N, .values = in->labels[0], .nlabels = 2};
	return hs_deal_groups(&rows, &folds5, out->folds, &out->figures, out->warning, reterr);
}

static int make_holdout(const struct input *in, struct output *out, struct hs_err *reterr)
{
	(void)in;
	struct hs_holdout_spec spec = {.shuffle = true};
	return hs_holdout_split(NULL, N, &spec, &out->holdout, reterr);
}

static int make_stratified_holdout(const struct input *in, struct output *out, struct hs_err *reterr)
{
	struct hs_holdout_spec spec = {.test = {HS_SIZE_FRACTION, 0.33, 0}, .shuffle = true};
	return hs_holdout_split(in->classes, N, &spec, &out->holdout, reterr);
}

static int make_predefined(const struct input *in, struct output *out, struct hs_err *reterr)
{
	return hs_predefined_folds(in->numbers, N, out->folds, &out->nfolds, reterr);
}

static int make_rowlist(const struct input *in, struct output *out, struct hs_err *reterr)
{
	(void)in;
	return hs_row_list_read((struct hs_span){"1\n2\n", 4}, N, out->folds, &out->nfolds, reterr);
}

static int make_weights(const struct input *in, struct output *out, struct hs_err *reterr)
{
	struct hs_weight_rows rows = {in->labels[0], 2, NULL, N};
	return hs_weights(&rows, &(struct hs_weight_spec){.scheme = HS_WEIGHT_LOG}, out->weights, reterr);
}

static int make_length(const struct input *in, struct output *out, struct hs_err *reterr)
{
	uint32_t order[N];
	int rc = hs_length_order(in->groups, N, 3, 5, order, reterr);
	if (rc == 0)
		memcpy(out->classes, order, sizeof(order));
	return rc;
}

static const struct {
	int (*make)(const struct input *in, struct output *out, struct hs_err *reterr);
	long allocations; // at least
} plans[] = {
	{make_kfold, 1}, {make_stratified, 3}, {make_combinations, 3}, {make_ranks, 10}, {make_multilabel, 8},
	{make_groups, 10}, {make_older_groups, 8}, {make_stratified_groups, 20}, {make_holdout, 2},
	{make_stratified_holdout, 14}, {make_predefined, 1}, {make_rowlist, 1}, {make_weights, 1},
	{make_dealt_classes, 20}, {make_dealt_labels, 20}, {make_length, 5},
};

static void fill(struct input *in)
{
	for (uint32_t i = 0; i < N; i++) {
		in->labels[i][0] = i % 3 == 0;
		in->labels[i][1] = i % 7 == 0;
		in->classes[i] = i % 7 % 3;
		in->groups[i] = i * i % 61;
		in->numbers[i] = i % 4;
	}
}

// How often a plan fails before it is made, with one more allocation allowed each time.
static long failures_until_it_works(size_t plan, const struct input *in)
{
	for (long allowed = 0;; allowed++) {
		struct output out, untouched;
		struct hs_err err = {0};
		memset(&out, 0xA5, sizeof(out));
		untouched = out;
		allocations_left = allowed;
		int rc = plans[plan].make(in, &out, &err);
		bool all_given = allocations_left >= 0;
		allocations_left = -1;
		if (rc == 0) {
			assert_true(all_given);
			assert_memory_not_equal(&out, &untouched, sizeof(out));
			if (memcmp(&out.holdout, &untouched.holdout, sizeof(out.holdout)) != 0)
				hs_holdout_fini(&out.holdout);
			return allowed;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(err.code, -ENOMEM);
		assert_true(strncmp(err.message, "out of memory while ", 20) == 0);
		assert_memory_equal(&out, &untouched, sizeof(out));
	}
}

static void every_plan_survives_every_failing_allocation(void **state)
{
	(void)state;
	static struct input in;
	fill(&in);
	for (size_t plan = 0; plan < sizeof(plans) / sizeof(plans[0]); plan++)
		assert_true(failures_until_it_works(plan, &in) >= plans[plan].allocations);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_plan_survives_every_failing_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
