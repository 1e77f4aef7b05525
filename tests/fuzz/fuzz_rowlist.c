// SPDX-License-Identifier: Apache-2.0
// Any bytes at all as a list of row numbers. As a normal test it replays every cut and much damage of lists below. As a
// fuzzer: compile this file, daemon/plan/rowlist.c and daemon/base/*.c with clang -g -O1
// -fsanitize=fuzzer,address,undefined -DHSFEED_LIBFUZZER -lcrypto.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "plan/rowlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NROWS 300

#define REQUIRE(cond)                                                                                                  \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "fuzz_rowlist: line %d: %s\n", __LINE__, #cond);                               \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

// Every fold has rows, and some row trains in it.
static void check_folds(const uint16_t *folds, uint32_t nfolds)
{
	size_t rows[NROWS] = {0};
	REQUIRE(nfolds > 0 && nfolds <= NROWS);
	for (size_t i = 0; i < NROWS; i++) {
		REQUIRE(folds[i] < nfolds || folds[i] == HS_FOLD_NONE);
		if (folds[i] < nfolds)
			rows[folds[i]]++;
	}
	for (uint32_t f = 0; f < nfolds; f++)
		REQUIRE(rows[f] > 0 && rows[f] < NROWS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t folds[NROWS];
	uint32_t nfolds;
	struct hs_err err = {0};
	if (!data)
		return 0;
	if (hs_row_list_read((struct hs_span){(const char *)data, size}, NROWS, folds, &nfolds, &err) == 0) {
		check_folds(folds, nfolds);
		return 0;
	}
	REQUIRE(err.code == HSFEED_EBADPLAN && err.message[0]);
	REQUIRE(hs_utf8_check(err.message, strlen(err.message)) == strlen(err.message));
	return 0;
}

#ifndef HSFEED_LIBFUZZER
static void try_copy(const char *data, size_t size, size_t damaged, char byte)
{
	uint8_t *copy = malloc(size ? size : 1);
	REQUIRE(copy != NULL);
	memcpy(copy, data, size);
	if (damaged < size)
		copy[damaged] = (uint8_t)byte;
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(void)
{
	static const char *const lists[] = {
		"0\n1\n2\n299\n",
		"\xef\xbb\xbf 17\r\n\r\n4294967296\n",
		"{\"fold\":0,\"val\":[0,2,4]}\n{\"fold\":1,\"val\":[1,3]}\n{\"fold\":2,\"val\":[299]}\n",
		"{ \"fold\": 1, \"val\": [ 7 ] }\r\n{ \"fold\": 0, \"val\": [ 18446744073709551616 ] }",
		"{\"fold\":65533,\"val\":[1]}",
	};
	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		size_t len = strlen(lists[k]);
		for (size_t i = 0; i <= len; i++)
			try_copy(lists[k], i, i, 0);
		for (size_t i = 0; i < len; i++)
			for (int byte = 0; byte < 256; byte++)
				try_copy(lists[k], len, i, (char)byte);
	}
	return 0;
}
#endif
