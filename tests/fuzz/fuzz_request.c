// SPDX-License-Identifier: Apache-2.0
// Frames against the message reader and every method's real schema. As a normal test it makes frames itself: maps of
// the schema's own keys with values of all types, then cut and flipped. As a fuzzer: compile it and the layers below
// daemon/server with clang -fsanitize=fuzzer,address,undefined -DHSFEED_LIBFUZZER.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)                                                                                                  \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "fuzz_request: line %d: %s\n", __LINE__, #cond);                               \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static unsigned accepted;

// What a schema promises of a struct it accepted.
static void check_struct(const struct hs_schema *schema, const void *out)
{
	for (size_t i = 0; i < schema->nfields; i++) {
		const struct hs_field *f = &schema->fields[i];
		const void *member = (const char *)out + f->offset;
		uint64_t n = f->type == HS_T_UINT ? *(const uint64_t *)member : 0;
		if (f->type == HS_T_UINT)
			REQUIRE(n == f->def || (n >= f->min && n <= f->max));
		const char *text = f->type == HS_T_STR ? *(const char *const *)member : NULL;
		if (f->type == HS_T_STR && f->required)
			REQUIRE(text);
		if (text)
			REQUIRE(strlen(text) >= f->min && strlen(text) <= f->max);
		if (f->type == HS_T_MAP)
			check_struct(f->sub, member);
	}
}

static void decode_with(struct hs_message *m, const struct hs_schema *schema)
{
	struct hs_fault fault;
	void *out = calloc(1, schema->bytes);
	REQUIRE(out);
	int rc = hs_message_decode(m, schema, out, &fault);
	REQUIRE(rc == 0 || (rc == HSFEED_EBADREQUEST && fault.message[0]));
	if (rc == 0) {
		accepted++;
		check_struct(schema, out);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hs_message m;
	const char *wrong = NULL;
	int rc = hs_message_open(&m, data, size, &wrong);
	REQUIRE(rc == 0 || (rc == HSFEED_EBADFRAME && wrong));
	if (rc == 0) {
		REQUIRE(m.params.p > data && m.params.end == data + size);
		for (const struct hs_method *method = hs_methods; method->name; method++)
			decode_with(&m, method->schema);
	}
	if (rc < 0 || size == 0)
		hs_message_close(&m); // now and then, so that both ways are walked
	return 0;
}

#ifndef HSFEED_LIBFUZZER
static uint64_t seed = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static void put_map(struct hs_wbuf *w, const struct hs_schema *schema, int depth);

static void put_any(struct hs_wbuf *w, int depth)
{
	static const uint64_t numbers[] = {0, 1, 5, 128, 4096, UINT32_MAX, UINT64_MAX};
	uint32_t kind = draw(depth > 3 ? 6 : 8);
	if (kind == 0)
		hs_w_nil(w);
	else if (kind == 1)
		hs_w_bool(w, draw(2));
	else if (kind == 2)
		hs_w_uint(w, numbers[draw(7)]);
	else if (kind == 3)
		hs_w_int(w, -(int64_t)draw(1000));
	else if (kind == 4)
		hs_w_str(w, "train\0x", draw(8));
	else if (kind == 5)
		hs_w_bin(w, "\xff\x00z", draw(4));
	else if (kind == 6) {
		uint32_t n = draw(4);
		hs_w_array(w, n);
		for (uint32_t i = 0; i < n; i++)
			put_any(w, depth + 1);
	} else {
		hs_w_map(w, 1);
		hs_w_cstr(w, "key");
		put_any(w, depth + 1);
	}
}

// Mostly what the key takes, sometimes anything.
static void put_value(struct hs_wbuf *w, const struct hs_field *f, int depth)
{
	uint32_t choice = draw(8);
	if (choice == 0 || depth > 3)
		put_any(w, depth);
	else if (f->type == HS_T_MAP)
		put_map(w, f->sub, depth + 1);
	else if (f->type == HS_T_MAPS) {
		uint32_t n = draw(3);
		hs_w_array(w, n);
		for (uint32_t i = 0; i < n; i++)
			put_map(w, f->sub, depth + 2);
	} else if (f->type == HS_T_ENUM || (f->type == HS_T_UINT_OR_ENUM && choice < 4))
		hs_w_cstr(w, f->names[0]);
	else if (f->type == HS_T_UINT || f->type == HS_T_UINT_OR_NAMED || f->type == HS_T_UINT_OR_ENUM)
		hs_w_uint(w, choice < 6 ? f->min + draw(3) : f->max + draw(2));
	else if (f->type == HS_T_BOOL)
		hs_w_bool(w, choice & 1);
	else if (f->type == HS_T_STR)
		hs_w_cstr(w, "hate");
	else
		put_any(w, depth);
}

static void put_map(struct hs_wbuf *w, const struct hs_schema *schema, int depth)
{
	size_t mark = hs_w_map_begin(w);
	uint32_t n = 0;
	for (size_t i = 0; i < schema->nfields; i++) {
		if (!schema->fields[i].required && draw(3) == 0)
			continue;
		hs_w_cstr(w, schema->fields[i].key);
		put_value(w, &schema->fields[i], depth);
		n++;
	}
	hs_w_map_end(w, mark, n);
}

static void one_round(struct hs_wbuf *w)
{
	uint32_t nmethods = 0;
	while (hs_methods[nmethods].name)
		nmethods++;
	const struct hs_method *method = &hs_methods[draw(nmethods)];
	hs_w_reset(w);
	hs_w_array(w, 4);
	hs_w_uint(w, HS_WIRE_REQUEST);
	hs_w_uint(w, draw(UINT32_MAX));
	hs_w_cstr(w, method->name);
	put_map(w, method->schema, 0);
	LLVMFuzzerTestOneInput(w->data, w->len);
	uint8_t *copy = malloc(w->len); // exactly so long, so that a sanitizer sees a step beyond
	REQUIRE(copy);
	size_t cut = draw((uint32_t)w->len + 1);
	memcpy(copy, w->data, w->len);
	copy[draw((uint32_t)w->len)] ^= (uint8_t)(1u << draw(8));
	LLVMFuzzerTestOneInput(copy, w->len);
	free(copy);
	copy = malloc(cut ? cut : 1);
	REQUIRE(copy);
	memcpy(copy, w->data, cut);
	LLVMFuzzerTestOneInput(copy, cut);
	free(copy);
}

int main(int argc, char **argv)
{
	struct hs_wbuf w = {0};
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
	for (unsigned i = 0; i < rounds; i++)
		one_round(&w);
	hs_w_fini(&w);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0); // closes the message
	printf("%u rounds, %u structs accepted\n", rounds, accepted);
	return accepted > rounds / 20 ? 0 : 1; // otherwise the generator tests only refusals
}
#endif
