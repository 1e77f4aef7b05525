// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.h"

#include <errno.h>
#include <openssl/evp.h>

int hs_sha256(const void *data, size_t len, uint8_t ret_digest[HS_SHA256_BYTES])
{
	return EVP_Digest(data, len, ret_digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int hs_sha256_create(struct hs_sha256 **ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx)
		return -ENOMEM;
	if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		return -ENOMEM;
	}
	*ret = (struct hs_sha256 *)ctx;
	return 0;
}

int hs_sha256_update(struct hs_sha256 *h, const void *data, size_t len)
{
	return EVP_DigestUpdate((EVP_MD_CTX *)h, data, len) == 1 ? 0 : -ENOMEM;
}

int hs_sha256_finish(struct hs_sha256 *h, uint8_t ret_digest[HS_SHA256_BYTES])
{
	return EVP_DigestFinal_ex((EVP_MD_CTX *)h, ret_digest, NULL) == 1 ? 0 : -ENOMEM;
}

void hs_sha256_destroy(struct hs_sha256 *h)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)h);
}

void hs_hex(const uint8_t *data, size_t len, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		ret_text[2 * i] = digits[data[i] >> 4];
		ret_text[2 * i + 1] = digits[data[i] & 15];
	}
	ret_text[2 * len] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hs_unhex(const char *text, size_t len, uint8_t *ret_data)
{
	for (size_t i = 0; i < len; i++) {
		int high = hex_value(text[2 * i]);
		int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
		if (low < 0)
			return -EINVAL;
		ret_data[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}
