// SPDX-License-Identifier: Apache-2.0
// near_dump SIMILARITY MAX_PAIRS THREADS: near duplicates among the texts on stdin, as one JSON object, for
// test_near.py. near_dump fold: the folded texts, as they came. A text is a line "LENGTH" and its bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/fold.h"
#include "text/near.h"

struct texts {
	struct hs_span *items;
	size_t n, cap;
};

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "near_dump: %s\n", what);
		exit(1);
	}
}

static struct texts read_texts(void)
{
	struct texts texts = {0};
	size_t len;
	while (scanf("%zu", &len) == 1 && getchar() == '\n') {
		char *text = malloc(len + 1);
		must(text && fread(text, 1, len, stdin) == len, "a text is cut off");
		must(hs_grow(&texts.items, &texts.cap, texts.n + 1, sizeof(*texts.items)) == 0, "out of memory");
		texts.items[texts.n++] = (struct hs_span){text, len};
	}
	return texts;
}

static void put_numbers(const char *key, const uint32_t *items, size_t n)
{
	printf("\"%s\": [", key);
	for (size_t i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", items[i]);
	printf("], ");
}

static void put_near(const struct hs_near *near)
{
	printf("{");
	put_numbers("text_first", near->text_first, near->nrows);
	put_numbers("folded_first", near->folded_first, near->nrows);
	put_numbers("group", near->group, near->nrows);
	printf("\"ngroups\": %zu, \"exact_rows\": %zu, \"folded_rows\": %zu, \"unlisted\": %llu, \"uncompared\": %llu, "
	       "\"pairs\": [",
	       near->ngroups, near->exact_rows, near->folded_rows, (unsigned long long)near->unlisted,
	       (unsigned long long)near->uncompared);
	for (size_t i = 0; i < near->npairs; i++)
		printf("%s[%u, %u, %.17g]", i ? ", " : "", near->pairs[i].a, near->pairs[i].b,
		       near->pairs[i].similarity);
	printf("]}\n");
}

static void put_folded(const struct texts *texts)
{
	struct hs_fold fold = {0};
	for (size_t i = 0; i < texts->n; i++) {
		struct hs_span folded;
		must(hs_fold_text(&fold, texts->items[i], &folded) == 0, "out of memory");
		printf("%zu\n", folded.len);
		fwrite(folded.ptr, 1, folded.len, stdout);
	}
	hs_fold_fini(&fold);
}

int main(int argc, char **argv)
{
	struct texts texts = read_texts();
	if (argc == 2 && strcmp(argv[1], "fold") == 0) {
		put_folded(&texts);
	} else {
		must(argc == 4, "usage: near_dump SIMILARITY MAX_PAIRS THREADS, or near_dump fold");
		struct hs_near_options options = {.similarity = atof(argv[1]),
						  .max_pairs = strtoul(argv[2], NULL, 10),
						  .threads = (unsigned)atoi(argv[3])};
		struct hs_near near;
		struct hs_err err;
		int rc = hs_near_find(texts.items, texts.n, &options, &near, &err);
		must(rc == 0, err.message);
		put_near(&near);
		hs_near_fini(&near);
	}
	for (size_t i = 0; i < texts.n; i++)
		free((void *)(uintptr_t)texts.items[i].ptr);
	free(texts.items);
	return 0;
}
