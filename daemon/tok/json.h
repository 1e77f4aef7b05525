// SPDX-License-Identifier: Apache-2.0
// Reading JSON that may be hostile or damaged, with sentences that name file and key.
#ifndef HS_TOK_JSON_H
#define HS_TOK_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

// Where in which file, for sentences.
struct hs_json_place {
	const char *name; // the folder as the user wrote it
	const char *file; // "tokenizer.json"
	struct hs_err *reterr;
};

// hs_json_parse reads one object. 0, -ENOMEM, or HSFEED_EBADTOKENIZER naming line and column.
int hs_json_parse(const struct hs_json_place *place, struct hs_span bytes, json_t **ret);

// hs_json_bad and hs_json_unsupported set the sentence "NAME: FILE: ..." and return the code.
int hs_json_bad(const struct hs_json_place *place, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int hs_json_unsupported(const struct hs_json_place *place, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Getters: `path` is the key's full name for the sentence, its last part the key itself. A missing key, or null where
// that is allowed, leaves *ret alone and returns 0; a present one returns 1; one of a wrong type HSFEED_EBADTOKENIZER.
int hs_json_get_bool(const struct hs_json_place *place, const json_t *object, const char *path, bool *ret);
int hs_json_get_string(const struct hs_json_place *place, const json_t *object, const char *path, const char **ret);
int hs_json_get_u64(const struct hs_json_place *place, const json_t *object, const char *path, uint64_t *ret);

// hs_json_u64 accepts a whole number >= 0, also written as 7.0. False when it is anything else.
bool hs_json_u64(const json_t *value, uint64_t *ret);

// hs_json_shown writes at most 63 bytes of text for a sentence, control characters replaced.
struct hs_json_shown {
	char text[64];
};
struct hs_json_shown hs_json_shown(const char *text);
struct hs_span hs_json_span(const json_t *string);

#endif
