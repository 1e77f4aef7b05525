// SPDX-License-Identifier: Apache-2.0
// SHA-256 by libcrypto.
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct digest {
	EVP_MD_CTX *ctx;
	bool failed;
};

struct digest *digest_create(void)
{
	struct digest *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->ctx = EVP_MD_CTX_new();
	if (d->ctx && EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1)
		return d;
	EVP_MD_CTX_free(d->ctx);
	free(d);
	return NULL;
}

void digest_add(struct digest *d, const void *data, size_t bytes)
{
	if (EVP_DigestUpdate(d->ctx, data, bytes) != 1)
		d->failed = true;
}

void digest_finish(struct digest *d, char ret_hex[65])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (d->failed || EVP_DigestFinal_ex(d->ctx, bytes, &n) != 1)
		n = 0; // an empty digest, which the caller reports
	for (unsigned i = 0; i < n && i < 32; i++)
		snprintf(ret_hex + (size_t)2 * i, 3, "%02x", bytes[i]);
	ret_hex[n ? 64 : 0] = '\0';
	EVP_MD_CTX_free(d->ctx);
	free(d);
}
