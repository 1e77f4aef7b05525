// SPDX-License-Identifier: Apache-2.0
// Lets planmore.py call the plan layer's further splits and weights. In and out as plan_dump.c: little-endian words.
//   request   operation, 8 arguments, number of payload words, payload
//   answer    return code, bytes of text, text (the error's or the warning's), number of result words, result
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/deal_groups.h"
#include "plan/groups.h"
#include "plan/holdout.h"
#include "plan/multilabel.h"
#include "plan/predefined.h"
#include "plan/ranks.h"
#include "plan/sort.h"
#include "plan/weights.h"

struct request {
	uint32_t op, args[8], nwords;
};

struct answer {
	int rc;
	char warning[256];
	struct hs_err err;
	uint32_t *words;
	size_t nwords;
};

static void *must(void *p)
{
	if (p == NULL)
		exit(3);
	return p;
}

static void make_room(struct answer *a, size_t nwords)
{
	a->words = must(realloc(a->words, (nwords + 1) * sizeof(*a->words)));
	memset(a->words, 0, (nwords + 1) * sizeof(*a->words));
	a->nwords = nwords;
}

static void give_folds(struct answer *a, uint16_t *folds, uint32_t n)
{
	make_room(a, a->rc == 0 ? n : 0);
	for (size_t i = 0; i < a->nwords; i++)
		a->words[i] = folds[i];
	free(folds);
}

// n, k, shuffle, seed, nlabels; payload: floats
static void run_multilabel(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_plan_spec spec = {HS_SPLIT_MULTICLASS, q->args[1], q->args[2] != 0, q->args[3]};
	uint16_t *folds = must(calloc((size_t)q->args[0] + 1, sizeof(*folds)));
	a->rc = hs_multilabel_kfold((const float *)payload, q->args[0], q->args[4], &spec, folds, &a->err);
	give_folds(a, folds, q->args[0]);
}

// n, k, shuffle, seed, older, stratified; payload: groups, then (stratified) classes
static void run_groups(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_plan_spec spec = {HS_SPLIT_PLAIN, q->args[1], q->args[2] != 0, q->args[3]};
	uint32_t n = q->args[0];
	enum hs_group_rule rule = q->args[4] ? HS_GROUP_RULE_OLDER : HS_GROUP_RULE_CURRENT;
	uint16_t *folds = must(calloc((size_t)n + 1, sizeof(*folds)));
	struct hs_group_rows rows = {payload + n, payload, n};
	a->rc = q->args[5] ? hs_stratified_group_kfold(&rows, &spec, rule, folds, a->warning, &a->err)
			   : hs_group_kfold(payload, n, &spec, rule, folds, &a->err);
	give_folds(a, folds, n);
}

// n, k, shuffle, seed, ngroups, nlabels (0: classes); payload: groups, then classes or floats -> folds, figures
static void run_deal_groups(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_plan_spec spec = {HS_SPLIT_STRATIFIED, q->args[1], q->args[2] != 0, q->args[3]};
	uint32_t n = q->args[0], nlabels = q->args[5];
	uint16_t *folds = must(calloc((size_t)n + 1, sizeof(*folds)));
	struct hs_deal_rows rows = {.n = n, .groups = payload, .ngroups = q->args[4], .nlabels = nlabels};
	struct hs_deal_figures f = {0};
	rows.classes = nlabels == 0 ? payload + n : NULL;
	rows.values = nlabels == 0 ? NULL : (const float *)(payload + n);
	a->rc = hs_deal_groups(&rows, &spec, folds, &f, a->warning, &a->err);
	make_room(a, a->rc == 0 ? n + 8 : 0);
	const uint64_t figures[8] = {f.groups,    f.largest, f.together,   f.size_gap,
				     f.label_gap, f.bounded, f.size_bound, f.label_bound};
	for (size_t i = 0; i < a->nwords; i++)
		a->words[i] = i < n ? folds[i] : (uint32_t)figures[i - n];
	free(folds);
}

// n, shuffle, seed, stratified, unit of test, unit of train; payload: both sizes (double or int64), classes
static void run_holdout(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_holdout_spec spec = {.shuffle = q->args[1] != 0, .seed = q->args[2]};
	struct hs_size *sizes[2] = {&spec.test, &spec.train};
	for (int i = 0; i < 2; i++) {
		sizes[i]->unit = (enum hs_size_unit)q->args[4 + i];
		memcpy(&sizes[i]->fraction, payload + 2 * i, sizeof(double));
		memcpy(&sizes[i]->nrows, payload + 2 * i, sizeof(int64_t));
	}
	struct hs_holdout h = {0};
	a->rc = hs_holdout_split(q->args[3] ? payload + 4 : NULL, q->args[0], &spec, &h, &a->err);
	make_room(a, a->rc == 0 ? 1 + h.ntrain + h.ntest : 0);
	a->words[0] = (uint32_t)h.ntrain;
	for (size_t i = 0; i < h.ntrain; i++)
		a->words[1 + i] = h.train[i];
	for (size_t i = 0; i < h.ntest; i++)
		a->words[1 + h.ntrain + i] = h.test[i];
	hs_holdout_fini(&h);
}

// n; payload: int64 fold numbers -> nfolds, folds
static void run_predefined(const struct request *q, const uint32_t *payload, struct answer *a)
{
	uint32_t n = q->args[0], nfolds = 0;
	int64_t *numbers = must(calloc((size_t)n + 1, sizeof(*numbers)));
	uint16_t *folds = must(calloc((size_t)n + 1, sizeof(*folds)));
	memcpy(numbers, payload, n * sizeof(*numbers));
	a->rc = hs_predefined_folds(numbers, n, folds, &nfolds, &a->err);
	give_folds(a, folds, n);
	free(numbers);
}

// nrows, nlabels, scheme, normalize, pooled; payload: beta, max_weight (doubles), values -> floats
static void run_weights(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_weight_spec spec = {
		.scheme = (enum hs_weight_scheme)q->args[2], .normalize = q->args[3] != 0, .pooled = q->args[4] != 0};
	memcpy(&spec.beta, payload, sizeof(double));
	memcpy(&spec.max_weight, payload + 2, sizeof(double));
	struct hs_weight_rows in = {(const float *)(payload + 4), q->args[1], NULL, q->args[0]};
	make_room(a, q->args[4] ? 1 : q->args[1]);
	int rc = hs_weights(&in, &spec, (float *)a->words, &a->err);
	a->rc = rc < 0 ? rc : 0;
}

// scheme, then pairs of positives and negatives -> one weight each
static void run_weight_of(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_weight_spec spec = {.scheme = (enum hs_weight_scheme)q->args[0], .normalize = q->args[1] != 0};
	memcpy(&spec.beta, payload, sizeof(double));
	make_room(a, (q->nwords - 2) / 2);
	for (size_t i = 0; i < a->nwords; i++) {
		float weight = hs_weight_of(&spec, payload[2 + 2 * i], payload[3 + 2 * i]);
		memcpy(&a->words[i], &weight, sizeof(weight));
	}
}

// payload: counts -> floats
static void run_balanced(const struct request *q, const uint32_t *payload, struct answer *a)
{
	uint64_t *counts = must(calloc((size_t)q->nwords + 1, sizeof(*counts)));
	for (uint32_t i = 0; i < q->nwords; i++)
		counts[i] = payload[i];
	make_room(a, q->nwords);
	hs_balanced_weights(counts, q->nwords, (float *)a->words);
	free(counts);
}

// payload: keys -> order; argument: stable
static void run_argsort(const struct request *q, const uint32_t *payload, struct answer *a)
{
	make_room(a, q->nwords);
	uint64_t *keys = must(calloc((size_t)q->nwords + 1, sizeof(*keys)));
	for (uint32_t i = 0; i < q->nwords; i++)
		keys[i] = payload[i];
	if (q->args[0])
		a->rc = hs_argsort_stable(keys, q->nwords, a->words);
	else
		hs_argsort_numpy1(payload, q->nwords, a->words);
	free(keys);
}

// n, nlabels; payload: floats -> class of each row
static void run_ranks(const struct request *q, const uint32_t *payload, struct answer *a)
{
	size_t nclasses = 0;
	make_room(a, q->args[0]);
	a->rc = hs_label_ranks((const float *)payload, q->args[0], q->args[1], a->words, &nclasses);
}

static const struct {
	uint32_t op;
	void (*run)(const struct request *q, const uint32_t *payload, struct answer *a);
} operations[] = {
	{'l', run_multilabel}, {'g', run_groups},   {'h', run_holdout}, {'p', run_predefined}, {'w', run_weights},
	{'o', run_weight_of},  {'b', run_balanced}, {'s', run_argsort}, {'r', run_ranks},      {'d', run_deal_groups},
};

static void run(const struct request *q, const uint32_t *payload, struct answer *a)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (operations[i].op == q->op) {
			operations[i].run(q, payload, a);
			return;
		}
	}
	exit(4);
}

static void put_answer(const struct answer *a)
{
	const char *text = a->rc != 0 ? a->err.message : a->warning;
	uint32_t head[2] = {(uint32_t)a->rc, (uint32_t)strlen(text)}, nwords = (uint32_t)a->nwords;
	fwrite(head, sizeof(head), 1, stdout);
	fwrite(text, 1, head[1], stdout);
	fwrite(&nwords, sizeof(nwords), 1, stdout);
	fwrite(a->words, sizeof(*a->words), a->nwords, stdout);
	fflush(stdout);
}

int main(void)
{
	struct request q;
	while (fread(&q, sizeof(q), 1, stdin) == 1) {
		uint32_t *payload = must(calloc((size_t)q.nwords + 1, sizeof(*payload)));
		if (fread(payload, sizeof(*payload), q.nwords, stdin) != q.nwords)
			exit(5);
		struct answer a = {.words = must(calloc(1, sizeof(uint32_t)))};
		run(&q, payload, &a);
		put_answer(&a);
		free(a.words);
		free(payload);
	}
	return 0;
}
