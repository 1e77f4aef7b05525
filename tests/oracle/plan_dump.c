// SPDX-License-Identifier: Apache-2.0
// Lets plandump.py call the plan layer. Standard input and output are little-endian 32-bit words:
//   request   operation, 8 arguments, number of payload words, payload
//   answer    return code, bytes of text, text (the error's or the warning's), number of result words, result
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/folds.h"
#include "plan/length.h"
#include "plan/mt19937.h"
#include "plan/order.h"

struct request {
	uint32_t op, args[8], nwords;
};

struct answer {
	int rc;
	char warning[256];
	struct hs_err err;
	uint32_t *words;
	size_t nwords, cap;
};

static void *must(void *p)
{
	if (p == NULL)
		exit(3);
	return p;
}

static void emit(struct answer *a, uint32_t word)
{
	if (a->nwords == a->cap) {
		a->cap = a->cap * 2 + 64;
		a->words = must(realloc(a->words, a->cap * sizeof(*a->words)));
	}
	a->words[a->nwords++] = word;
}

// kind, argument pairs, all from one generator: 0 a word, 1 two words as one, 2 below(argument), 3 and 4 a shuffle of
// 0..argument-1
static void run_generator(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_mt19937 mt;
	hs_mt19937_init(&mt, q->args[0]);
	for (size_t i = 0; i + 1 < q->nwords; i += 2) {
		uint32_t kind = payload[i], arg = payload[i + 1], nitems = kind >= 3 ? arg : 0;
		uint32_t *items = must(calloc((size_t)nitems + 1, sizeof(*items)));
		uint16_t *shorts = must(calloc((size_t)nitems + 1, sizeof(*shorts)));
		for (uint32_t j = 0; j < nitems; j++)
			shorts[j] = (uint16_t)(items[j] = j);
		if (kind == 0)
			emit(a, hs_mt19937_next(&mt));
		uint64_t wide = kind == 1 ? hs_mt19937_next64(&mt) : 0;
		if (kind == 1)
			emit(a, (uint32_t)(wide >> 32));
		if (kind == 1)
			emit(a, (uint32_t)wide);
		if (kind == 2)
			emit(a, (uint32_t)hs_mt19937_below(&mt, arg));
		if (kind == 3)
			hs_mt19937_shuffle_u32(&mt, items, arg);
		if (kind == 4)
			hs_mt19937_shuffle_u16(&mt, shorts, arg);
		for (uint32_t j = 0; j < nitems; j++)
			emit(a, kind == 3 ? items[j] : shorts[j]);
		free(items);
		free(shorts);
	}
}

// n, k, shuffle, seed, stratified; payload: classes
static void run_folds(const struct request *q, const uint32_t *payload, struct answer *a)
{
	struct hs_plan_spec spec = {HS_SPLIT_PLAIN, q->args[1], q->args[2] != 0, q->args[3]};
	uint32_t n = q->args[0];
	uint16_t *folds = must(calloc(n + 1, sizeof(*folds)));
	a->rc = q->args[4] ? hs_stratified_kfold(payload, n, &spec, folds, a->warning, &a->err)
			   : hs_kfold(n, &spec, folds, &a->err);
	for (uint32_t i = 0; a->rc == 0 && i < n; i++)
		emit(a, folds[i]);
	free(folds);
}

// n, nlabels; payload: floats
static void run_combinations(const struct request *q, const uint32_t *payload, struct answer *a)
{
	uint32_t n = q->args[0], *classes = must(calloc(n + 1, sizeof(*classes)));
	size_t nclasses = 0;
	a->rc = hs_label_combinations((const float *)payload, n, q->args[1], classes, &nclasses);
	emit(a, (uint32_t)nclasses);
	for (uint32_t i = 0; i < n; i++)
		emit(a, classes[i]);
	free(classes);
}

// n, seed's low and high half
static void run_randperm(const struct request *q, struct answer *a)
{
	uint32_t n = q->args[0], *perm = must(calloc((size_t)n + 1, sizeof(*perm)));
	a->rc = hs_randperm(n, (uint64_t)q->args[2] << 32 | q->args[1], perm, &a->err);
	for (uint32_t i = 0; a->rc == 0 && i < n; i++)
		emit(a, perm[i]);
	free(perm);
}

// n, batch, seed's low and high half; payload: lengths
static void run_length(const struct request *q, const uint32_t *payload, struct answer *a)
{
	uint32_t n = q->args[0], *order = must(calloc((size_t)n + 1, sizeof(*order)));
	a->rc = hs_length_order(payload, n, q->args[1], (uint64_t)q->args[3] << 32 | q->args[2], order, &a->err);
	for (uint32_t i = 0; a->rc == 0 && i < n; i++)
		emit(a, order[i]);
	free(order);
}

// n, at, rank, world, shard, batch_size, drop_last -> samples, batches, end, each batch's rows, each sample's place
static void run_deal(const struct request *q, struct answer *a)
{
	struct hs_deal d = {.n = q->args[0],
			    .at = q->args[1],
			    .rank = q->args[2],
			    .world = q->args[3],
			    .shard = (enum hs_shard)q->args[4],
			    .batch_size = q->args[5],
			    .drop_last = q->args[6] != 0};
	a->rc = hs_deal_check(&d, &a->err);
	if (a->rc != 0)
		return;
	emit(a, (uint32_t)hs_deal_samples(&d));
	emit(a, (uint32_t)hs_deal_batches(&d));
	emit(a, (uint32_t)hs_deal_end(&d));
	for (size_t i = 0; i < hs_deal_batches(&d); i++)
		emit(a, (uint32_t)hs_deal_batch_rows(&d, i));
	for (size_t i = 0; i < hs_deal_samples(&d); i++)
		emit(a, (uint32_t)hs_deal_index(&d, i));
}

static void run(const struct request *q, const uint32_t *payload, struct answer *a)
{
	if (q->op == 'm')
		run_generator(q, payload, a);
	else if (q->op == 'f')
		run_folds(q, payload, a);
	else if (q->op == 'c')
		run_combinations(q, payload, a);
	else if (q->op == 'p')
		run_randperm(q, a);
	else if (q->op == 'l')
		run_length(q, payload, a);
	else if (q->op == 'd')
		run_deal(q, a);
	else
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
		struct answer a = {.cap = 0, .words = must(malloc(sizeof(uint32_t)))};
		run(&q, payload, &a);
		put_answer(&a);
		free(a.words);
		free(payload);
	}
	return 0;
}
