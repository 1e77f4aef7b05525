// SPDX-License-Identifier: Apache-2.0
// Any bytes at all as a source. As a normal test it replays tests/golden/csv and every cut and some damage of each
// file. As a fuzzer: compile this file, daemon/text/*.c and daemon/base/*.c with clang -g -O1
// -fsanitize=fuzzer,address,undefined -DHSFEED_LIBFUZZER -lutf8proc -lcrypto -lm, and give it tests/golden/csv.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/norm.h"
#include "text/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)                                                                                                  \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "fuzz_csv: line %d: %s\n", __LINE__, #cond);                                   \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static bool is_utf8(struct hs_span s)
{
	return s.len == 0 || hs_utf8_check(s.ptr, s.len) == s.len;
}

static void check_text(struct hs_span text)
{
	struct hs_buf scratch = {0}, again = {0};
	struct hs_span once, twice;
	REQUIRE(text.ptr && text.len <= HS_TEXT_MAX_BYTES && is_utf8(text));
	for (enum hs_norm norm = HS_NORM_NFC; norm <= HS_NORM_NFKC; norm++) {
		REQUIRE(hs_norm_apply(norm, text, &scratch, &once) == 0 && is_utf8(once));
		REQUIRE(hs_norm_apply(norm, once, &again, &twice) == 0 && hs_span_eq(once, twice));
	}
	hs_buf_fini(&scratch);
	hs_buf_fini(&again);
}

static void check_source(const struct hs_source *s, size_t size)
{
	REQUIRE(s->nrows > 0 && s->nrows <= s->report.rows_read);
	for (size_t i = 0; i < s->nrows; i++) {
		check_text(s->texts[i]);
		REQUIRE(s->lines[i] > 0 && s->lines[i] <= size + 1 && (i == 0 || s->lines[i] > s->lines[i - 1]));
		if (s->label_classes)
			REQUIRE(s->classes[i] < s->labels[0].nvalues);
	}
	for (size_t i = 0; i < s->labels[0].nvalues; i++)
		REQUIRE(s->labels[0].values[i].ptr && is_utf8(s->labels[0].values[i]));
	for (size_t i = 0; i < s->nothers; i++)
		REQUIRE(is_utf8(s->others[i].name));
}

static void read_as(struct hs_span data, struct hs_source_options options)
{
	struct hs_source s;
	struct hs_err err;
	if (hs_source_read(data, &options, &s, &err) == 0) {
		check_source(&s, data.len);
		hs_source_fini(&s);
		return;
	}
	REQUIRE(err.code < 0 && err.message[0]);
	REQUIRE(is_utf8((struct hs_span){err.message, strlen(err.message)}));
	REQUIRE(is_utf8((struct hs_span){err.hint, strlen(err.hint)}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hs_clean_step steps[] = {
		{HS_CLEAN_URLS, {NULL, 0}}, {HS_CLEAN_REMOVE, {"a", 1}}, {HS_CLEAN_WHITESPACE, {NULL, 0}}};
	static const char *const label[] = {"label"}, *const second[] = {"1"};
	struct hs_source_options usual = {.file_name = "x.csv", .label_columns = label, .nlabel_columns = 1};
	struct hs_source_options plain = {.delimiter = ',',
					  .delimiter_given = true,
					  .no_header = true,
					  .na_given = true,
					  .text_column = "0",
					  .label_columns = second,
					  .nlabel_columns = 1,
					  .bad_rows = HS_BAD_ROWS_SKIP,
					  .steps = steps,
					  .nsteps = 3};
	struct hs_span span = {(const char *)data, size};
	if (!data)
		return 0;
	read_as(span, usual);
	read_as(span, plain);
	plain.charset = "cp1252";
	plain.label_type = HS_LABEL_CLASS;
	plain.drop_empty = true;
	read_as(span, plain);
	plain.charset = "utf-16";
	read_as(span, plain);
	return 0;
}

#ifndef HSFEED_LIBFUZZER
// A copy of exactly the input's size lets a sanitizer see every read beyond it.
static void try_copy(const uint8_t *data, size_t size, size_t damaged, uint8_t byte)
{
	uint8_t *copy = malloc(size ? size : 1);
	REQUIRE(copy != NULL);
	memcpy(copy, data, size);
	if (damaged < size)
		copy[damaged] = byte;
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void try_file(const char *path)
{
	static const uint8_t bytes[] = {'"', ',', '\r', '\n', ' ', 0xFF};
	static uint8_t data[1 << 16];
	FILE *f = fopen(path, "rb");
	REQUIRE(f != NULL);
	size_t size = fread(data, 1, sizeof(data), f);
	fclose(f);
	for (size_t i = 0; i <= size; i++)
		try_copy(data, i, i, 0);
	for (size_t i = 0; i < size; i++)
		try_copy(data, size, i, bytes[i % sizeof(bytes)]);
}

int main(void)
{
	DIR *folder = opendir(HSFEED_SOURCE_DIR "/tests/golden/csv");
	REQUIRE(folder != NULL);
	size_t nfiles = 0;
	for (struct dirent *entry; (entry = readdir(folder));) {
		char path[4096];
		size_t len = strlen(entry->d_name);
		if (len < 5 || strcmp(entry->d_name + len - 4, ".csv") != 0)
			continue;
		snprintf(path, sizeof(path), HSFEED_SOURCE_DIR "/tests/golden/csv/%s", entry->d_name);
		try_file(path);
		nfiles++;
	}
	closedir(folder);
	REQUIRE(nfiles > 50);
	printf("%zu files, every cut and some damage of each\n", nfiles);
	return 0;
}
#endif
