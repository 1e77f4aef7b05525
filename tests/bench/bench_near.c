// SPDX-License-Identifier: Apache-2.0
// bench_near ROWS THREADS < texts: near duplicates among ROWS texts, made of the lines on stdin; prints time, memory
// and counts as one JSON line. The first lines stand as they are; when they are used up, copies follow: of four, one
// has one character in a hundred changed, the others one in two.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "text/near.h"

struct texts {
	struct hs_span *items;
	size_t n, cap;
};

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_near: %s\n", what);
		exit(1);
	}
}

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void add(struct texts *texts, struct hs_span text)
{
	must(hs_grow(&texts->items, &texts->cap, texts->n + 1, sizeof(*texts->items)) == 0, "out of memory");
	texts->items[texts->n++] = text;
}

static void read_lines(struct texts *texts, size_t most)
{
	char *line = NULL;
	size_t cap = 0;
	for (ssize_t len; texts->n < most && (len = getline(&line, &cap, stdin)) > 0;) {
		len -= line[len - 1] == '\n';
		char *copy = malloc((size_t)len + 1);
		must(copy != NULL, "out of memory");
		memcpy(copy, line, (size_t)len);
		add(texts, (struct hs_span){copy, (size_t)len});
	}
	free(line);
}

// A copy with some characters replaced by a letter.
static struct hs_span edited(struct hs_span text, unsigned one_in, uint64_t *state)
{
	char *copy = malloc(text.len + 1);
	size_t len = 0;
	must(copy != NULL, "out of memory");
	for (size_t i = 0; i < text.len;) {
		size_t end = i + 1;
		while (end < text.len && ((unsigned char)text.ptr[end] & 0xC0) == 0x80)
			end++;
		if (next_random(state) % one_in == 0) {
			copy[len++] = (char)('a' + next_random(state) % 26);
		} else {
			memcpy(copy + len, text.ptr + i, end - i);
			len += end - i;
		}
		i = end;
	}
	return (struct hs_span){copy, len};
}

int main(int argc, char **argv)
{
	must(argc == 3, "usage: bench_near ROWS THREADS < texts");
	struct texts texts = {0};
	size_t rows = strtoul(argv[1], NULL, 10), given, bytes = 0;
	uint64_t state = 88172645463325252u;
	read_lines(&texts, rows);
	given = texts.n;
	must(given > 0, "no texts");
	for (size_t i = 0; texts.n < rows; i++)
		add(&texts, edited(texts.items[i % given], i % 4 == 0 ? 100 : 2, &state));
	for (size_t i = 0; i < texts.n; i++)
		bytes += texts.items[i].len;
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	struct hs_near_options options = {
		.similarity = HS_NEAR_SIMILARITY, .max_pairs = 1000000, .threads = (unsigned)atoi(argv[2])};
	struct hs_near near;
	struct hs_err err;
	must(hs_near_find(texts.items, texts.n, &options, &near, &err) == 0, "hs_near_find failed");
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	getrusage(RUSAGE_SELF, &after);
	printf("{\"rows\": %zu, \"bytes_per_row\": %.1f, \"wall_s\": %.3f, \"cpu_s\": %.3f, \"texts_mib\": %.1f, "
	       "\"peak_mib\": %.1f, ",
	       texts.n, (double)bytes / (double)texts.n, wall, cpu, (double)before.ru_maxrss / 1024,
	       (double)after.ru_maxrss / 1024);
	printf("\"exact_rows\": %zu, \"folded_rows\": %zu, \"groups\": %zu, \"pairs\": %zu, \"unlisted\": %llu, "
	       "\"uncompared\": %llu}\n",
	       near.exact_rows, near.folded_rows, near.ngroups, near.npairs, (unsigned long long)near.unlisted,
	       (unsigned long long)near.uncompared);
	return 0;
}
