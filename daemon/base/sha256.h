// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) by OpenSSL's libcrypto: identities that sha256sum agrees with.
#ifndef HS_BASE_SHA256_H
#define HS_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define HS_SHA256_BYTES 32
#define HS_SHA256_HEX 65 // 64 lower-case digits and a NUL

struct hs_sha256; // a running digest

// All return 0, or -ENOMEM when libcrypto could not set up a digest.
int hs_sha256(const void *data, size_t len, uint8_t ret_digest[HS_SHA256_BYTES]);
int hs_sha256_create(struct hs_sha256 **ret);
int hs_sha256_update(struct hs_sha256 *h, const void *data, size_t len);
int hs_sha256_finish(struct hs_sha256 *h, uint8_t ret_digest[HS_SHA256_BYTES]); // h can only be destroyed afterwards
void hs_sha256_destroy(struct hs_sha256 *h);

// hs_hex writes 2 * len lower-case digits and a NUL.
void hs_hex(const uint8_t *data, size_t len, char *ret_text);
// hs_unhex reads exactly 2 * len digits (either case). Returns 0 or -EINVAL.
int hs_unhex(const char *text, size_t len, uint8_t *ret_data);

#endif
