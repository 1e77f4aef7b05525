// SPDX-License-Identifier: Apache-2.0
// What the store's own files need of an open file beyond file.h.
#ifndef HS_STORE_FILE_PRIV_H
#define HS_STORE_FILE_PRIV_H

#include "store/file.h"

#define HS_FILE_KEY           7u // [u8 kind][u16 BE number][u32 BE group]
#define HS_FILE_HEADER_PREFIX 4u // u32 length of the header's map

void hs_file_key_bytes(uint8_t ret_key[HS_FILE_KEY], struct hs_file_key key);

// Values in key order, as stored: with padding, and the header's prefix.
size_t hs_file_nvalues(const struct hs_file *f);
const uint8_t *hs_file_stored_key(const struct hs_file *f, size_t i);
struct hs_span hs_file_stored(const struct hs_file *f, size_t i);

uint32_t hs_file_crc_root(const struct hs_file *f);
uint64_t hs_file_rows(const struct hs_file *f);

// For the store: what an open file belongs to.
void hs_file_set_holder(struct hs_file *f, void *holder);
void *hs_file_get_holder(const struct hs_file *f);

// ECORRUPT: "PATH: WHAT", with the way out.
int hs_file_damaged(const struct hs_file *f, struct hs_err *reterr, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
