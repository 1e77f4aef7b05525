// SPDX-License-Identifier: Apache-2.0
// bench_tok TOKENIZER_DIR CSV COLUMN: tokenizes one column on one core, several times, and prints the median as one
// JSON line. Its CSV reading is only as good as a benchmark needs (RFC 4180 quotes, commas or, for .tsv, tabs).
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../oracle/tok_folder.h"
#include "base/err.h"

#define RUNS 15

struct texts {
	struct hs_span *items;
	size_t n, cap, bytes;
};

// Processor time of this thread: what "one core" can do, also on a machine that is busy with other things.
static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

// One cell, unquoted in place; *p moves behind its separator. Sets *ret_last at the end of a record.
static struct hs_span next_cell(char **p, char *end, char separator, int *ret_last)
{
	char *in = *p, *out = in, *start = in;
	int quoted = in < end && *in == '"';
	in += quoted;
	while (in < end && (quoted || (*in != separator && *in != '\n'))) {
		if (quoted && *in == '"' && (in + 1 == end || in[1] != '"')) {
			quoted = 0;
			in++;
			continue;
		}
		in += quoted && *in == '"';
		*out++ = *in++;
	}
	*ret_last = in >= end || *in == '\n';
	*p = in + (in < end);
	if (*ret_last && out > start && out[-1] == '\r')
		out--;
	return (struct hs_span){start, (size_t)(out - start)};
}

static struct texts read_column(char *p, char *end, char separator, const char *column)
{
	struct texts texts = {0};
	long want = -1;
	for (int row = 0; p < end; row++)
		for (int last = 0, i = 0; !last; i++) {
			struct hs_span cell = next_cell(&p, end, separator, &last);
			if (row == 0 && hs_span_is(cell, column))
				want = i;
			if (row == 0 || i != want)
				continue;
			if (hs_grow(&texts.items, &texts.cap, texts.n + 1, sizeof(cell)) < 0)
				exit(1);
			texts.items[texts.n++] = cell;
			texts.bytes += cell.len;
		}
	return texts;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double encode_once(const struct hs_tok *tok, const struct texts *texts, struct hs_ids *ids)
{
	struct hs_tok_scratch *scratch;
	if (hs_tok_scratch_create(&scratch) < 0)
		exit(1);
	double start = now_ms();
	ids->n = 0;
	for (size_t i = 0; i < texts->n; i++)
		if (hs_tok_encode(tok, scratch, texts->items[i], ids) < 0)
			exit(1);
	double took = now_ms() - start;
	hs_tok_scratch_destroy(scratch);
	return took;
}

static double build_once(const struct hs_tok_files *files, struct hs_tok **ret)
{
	struct hs_err err = {0};
	double start = now_ms();
	if (hs_tok_create(files, ret, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		exit(1);
	}
	return now_ms() - start;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: bench_tok TOKENIZER_DIR CSV COLUMN\n");
		return 2;
	}
	struct hs_tok_files files = tok_folder_read(argv[1]);
	struct hs_span csv = slurp(argv[2]);
	char *data = (char *)csv.ptr;
	size_t len = strlen(argv[2]);
	char separator = len > 4 && strcmp(argv[2] + len - 4, ".tsv") == 0 ? '\t' : ',';
	struct texts texts = read_column(data, data + csv.len, separator, argv[3]);
	if (texts.n == 0) {
		fprintf(stderr, "no texts in column \"%s\" of %s\n", argv[3], argv[2]);
		return 1;
	}
	double build[RUNS], took[RUNS];
	struct hs_tok *tok = NULL;
	struct hs_ids ids = {0};
	for (int i = 0; i < RUNS; i++) {
		hs_tok_destroy(tok);
		build[i] = build_once(&files, &tok);
	}
	for (int i = 0; i < RUNS; i++)
		took[i] = encode_once(tok, &texts, &ids);
	qsort(build, RUNS, sizeof(build[0]), compare);
	qsort(took, RUNS, sizeof(took[0]), compare);
	double ms = took[RUNS / 2];
	printf("{\"tokenizer\":\"%s\",\"texts\":%zu,\"bytes\":%zu,\"tokens\":%zu,\"texts_per_s\":%.0f,\"mb_per_s\":%."
	       "1f,"
	       "\"best_mb_per_s\":%.1f,\"build_ms\":%.1f}\n",
	       argv[1], texts.n, texts.bytes, ids.n, (double)texts.n / ms * 1e3, (double)texts.bytes / ms / 1e3,
	       (double)texts.bytes / took[0] / 1e3, build[RUNS / 2]);
	hs_ids_fini(&ids);
	hs_tok_destroy(tok);
	tok_folder_free(&files);
	free(data);
	free(texts.items);
	return 0;
}
