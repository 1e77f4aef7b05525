// SPDX-License-Identifier: Apache-2.0
// Identities: what a version or an encoding is made from, as ordered [key, value] pairs of words that a user can read.
// The id is the SHA-256 of their msgpack. Whatever would change the stored rows or ids is in here, and nothing else
// (names of files, datasets, roles and owners are not). Values are as *resolved*: `--text Comments` and the same column
// found by guessing, or a given and a detected delimiter, are one identity.
//
//   version   source_sha256, delimiter, header, charset, na, bad_rows, text_column, labels, label_type, [positive],
//   clean,
//             drop_empty, text_engine
//   encoding  version, FILE... (SHA-256 of each file the tokenizer came with), settings, normalize, tok_engine
//
// Lists join their items by commas; a comma or backslash inside an item has a backslash before it.
#ifndef HS_INGEST_IDENTITY_H
#define HS_INGEST_IDENTITY_H

#include "base/err.h"
#include "base/sha256.h"
#include "store/file.h"
#include "text/source.h"
#include "wire/wire.h"

struct hs_identity {
	struct hs_identity_pair {
		char *key, *value; // heap
	} * pairs;
	size_t n, cap;
};

int hs_identity_add(struct hs_identity *id, const char *key, const char *value, size_t len); // 0 or -ENOMEM
int hs_identity_add_sum(struct hs_identity *id, const char *key, const uint8_t sum[HS_SHA256_BYTES]);
void hs_identity_fini(struct hs_identity *id);

void hs_identity_put(const struct hs_identity *id, struct hs_wbuf *w);   // [[key, value], ...]
int hs_identity_digest(const struct hs_identity *id, struct hs_id *ret); // 0 or -ENOMEM

// hs_identity_of_source builds a version's identity: options as given, what they resolved to in `s`. 0 or -ENOMEM.
int hs_identity_of_source(const struct hs_source_options *options, const struct hs_source *s,
			  const uint8_t sum[HS_SHA256_BYTES], struct hs_identity *ret);

// hs_identity_put_changes compares with a stored identity (its array of pairs; {NULL, NULL}: none) and writes an array
// of {what, stored, given}; "absent" stands for a key that one side lacks.
void hs_identity_put_changes(struct hs_rbuf stored, const struct hs_identity *given, struct hs_wbuf *w);

#endif
