// SPDX-License-Identifier: Apache-2.0
// A msgpack map read into a struct by a table: types, required keys, unknown keys.
#ifndef HS_INGEST_PARAMS_H
#define HS_INGEST_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/wire.h"

// Strings that live as long as the job.
struct hs_pool {
	char **items; // heap, each owned
	size_t n, cap;
};
// hs_pool_add copies a piece of text and ends it with a NUL. NULL when out of memory.
char *hs_pool_add(struct hs_pool *pool, const char *text, size_t len);
void hs_pool_fini(struct hs_pool *pool);

enum hs_param_type {
	HS_PARAM_STR,   // const char *, in the pool; no NUL inside
	HS_PARAM_UINT,  // uint64_t
	HS_PARAM_BOOL,  // int: 0 or 1
	HS_PARAM_MAP,   // struct hs_rbuf at the map
	HS_PARAM_ARRAY, // struct hs_rbuf at the array
	HS_PARAM_ID,    // const uint8_t *: 32 bytes of bin, borrowed from the frame
};

// Where a key's value goes; keys that are nil or left out leave their place as it was.
struct hs_param {
	const char *key;
	enum hs_param_type type;
	size_t offset;     // in the struct
	unsigned required; // sets of bits, tested with `as` below: who must give the key
	unsigned optional; // who may
};

struct hs_params {
	const struct hs_param *table;
	size_t n;
	unsigned as;       // one bit: who reads
	const char *where; // for sentences: "the job", "options"
	struct hs_pool *pool;
};

// hs_params_read reads the map at `map` into *ret. 0, -ENOMEM, or HSFEED_EBADREQUEST naming the key.
int hs_params_read(const struct hs_params *p, struct hs_rbuf map, void *ret, struct hs_err *reterr);

// hs_params_strings reads an array of str into a heap array of pool strings. 0, -ENOMEM or HSFEED_EBADREQUEST.
int hs_params_strings(struct hs_rbuf array, const char *key, struct hs_pool *pool, const char ***ret, size_t *ret_n,
		      struct hs_err *reterr);

// hs_params_array opens an array and bounds its length; an absent one ({NULL, NULL}) has none.
int hs_params_array(struct hs_rbuf *array, const char *key, size_t max, size_t *ret_n, struct hs_err *reterr);

#endif
