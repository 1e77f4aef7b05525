// SPDX-License-Identifier: Apache-2.0
// Growable bytes, borrowed spans, and the overflow-checked allocation that everything else uses.
#ifndef HS_BASE_BUF_H
#define HS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A borrowed piece of somebody else's bytes; not NUL-terminated. {NULL, 0} is "absent"; an empty piece has ptr != NULL.
struct hs_span {
	const char *ptr;
	size_t len;
};

bool hs_span_is(struct hs_span s, const char *text); // equal to a C string
bool hs_span_eq(struct hs_span a, struct hs_span b);
uint64_t hs_span_hash(struct hs_span s); // a good 64-bit hash, the same in every run (not for hostile hash tables)

struct hs_buf {
	uint8_t *data; // heap, owned; NULL while cap is 0
	size_t len;
	size_t cap;
};

// Zeroed is a valid empty buffer. All return 0 or -ENOMEM, and leave the buffer as it was on failure.
int hs_buf_reserve(struct hs_buf *b, size_t extra); // room for `extra` more bytes after len
int hs_buf_append(struct hs_buf *b, const void *data, size_t len);
int hs_buf_printf(struct hs_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int hs_buf_zero(struct hs_buf *b, size_t len); // append zero bytes
void hs_buf_fini(struct hs_buf *b);            // frees and zeroes

// hs_grow makes room for at least `need` elements in a heap array that doubles: *items/*cap are updated on success.
// Returns 0 or -ENOMEM (also when the size would overflow).
int hs_grow(void *items_ptr, size_t *cap, size_t need, size_t item_bytes);

// hs_array allocates n zeroed items, checked for overflow; n = 0 gives a non-NULL pointer. NULL when out of memory.
void *hs_array(size_t n, size_t item_bytes);

#endif
