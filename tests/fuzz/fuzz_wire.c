// SPDX-License-Identifier: Apache-2.0
// Any bytes at all against the wire's checker and reader. As a normal test it replays corpus/wire and every cut and
// every bit flip of it. As a fuzzer: compile this file and proto/wire/*.c with
// clang -g -O1 -fsanitize=fuzzer,address,undefined -DHSFEED_LIBFUZZER -lmsgpackc, and give it corpus/wire.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)                                                                                                  \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "fuzz_wire: line %d: %s\n", __LINE__, #cond);                                  \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static void read_unchecked(const uint8_t *data, size_t size)
{
	struct hs_rbuf r = {data, data + size}, value;
	struct hs_wire_value v;
	const char *s;
	size_t len;
	if (hs_r_find(r, "name", &value))
		REQUIRE(value.p > data && value.p < data + size);
	if (hs_r_get_str(r, "name", &s, &len))
		REQUIRE((const uint8_t *)s > data && len <= size && (const uint8_t *)s + len <= r.end);
	while (hs_r_next(&r, &v))
		REQUIRE(r.p <= r.end);
}

static void read_checked(const uint8_t *data, size_t size)
{
	struct hs_rbuf r = {data, data + size};
	msgpack_unpacked whole;
	size_t off = 0;
	REQUIRE(hs_r_skip(&r) && r.p == r.end);
	msgpack_unpacked_init(&whole);
	REQUIRE(msgpack_unpack_next(&whole, (const char *)data, size, &off) == MSGPACK_UNPACK_SUCCESS);
	REQUIRE(off == size);
	msgpack_unpacked_destroy(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hs_wire_limits requests = {HS_WIRE_MAX_DEPTH, HS_WIRE_MAX_ITEMS};
	static const struct hs_wire_limits deepest = {32, UINT32_MAX};
	size_t offset = 0;
	read_unchecked(data, size);
	const char *strict = hs_wire_check(data, size, &requests, &offset);
	REQUIRE(strict == NULL || offset <= size);
	const char *loose = hs_wire_check(data, size, &deepest, &offset);
	REQUIRE(strict != NULL || loose == NULL);
	if (loose == NULL)
		read_checked(data, size);
	return 0;
}

#ifndef HSFEED_LIBFUZZER
static void replay_mutations(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i <= size; i++) {
		uint8_t *copy = malloc(size + 1); // the input ends where its block ends, for the sanitizers
		REQUIRE(copy != NULL);
		memcpy(copy + 1, data, size);
		uint8_t *cut = copy + 1 + (size - i);
		memmove(cut, data, i);
		LLVMFuzzerTestOneInput(cut, i);
		memcpy(copy + 1, data, size);
		for (unsigned bit = 0; bit < 8 && i < size; bit++) {
			copy[1 + i] ^= (uint8_t)(1u << bit);
			LLVMFuzzerTestOneInput(copy + 1, size);
			copy[1 + i] ^= (uint8_t)(1u << bit);
		}
		free(copy);
	}
}

static int replay_file(const char *folder, const char *name)
{
	uint8_t data[65536];
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return 0;
	size_t size = fread(data, 1, sizeof(data), f);
	fclose(f);
	replay_mutations(data, size);
	return 1;
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : HSFEED_SOURCE_DIR "/tests/fuzz/corpus/wire";
	DIR *dir = opendir(folder);
	int nfiles = 0;
	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
		if (e->d_name[0] != '.')
			nfiles += replay_file(folder, e->d_name);
	if (dir != NULL)
		closedir(dir);
	printf("%d inputs of %s replayed\n", nfiles, folder);
	return nfiles > 0 ? 0 : 1;
}
#endif
