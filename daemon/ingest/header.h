// SPDX-License-Identifier: Apache-2.0
// The headers of version and encoding files (store/version.h lists their keys).
#ifndef HS_INGEST_HEADER_H
#define HS_INGEST_HEADER_H

#include "ingest/advice.h"
#include "ingest/duplicates.h"
#include "ingest/load.h"

int hs_header_version(const struct hs_work *work, const struct hs_load *load, const struct hs_duplicates *duplicates,
		      struct hs_wbuf *w); // 0 or -ENOMEM

struct hs_header_encoding_in {
	const struct hs_work *work;
	const struct hs_tokenizer *tokenizer;
	const struct hs_id *version;
	const struct hs_encoded *encoded;
	const struct hs_advice *advice;
	unsigned width; // as hs_encoding_put_ids chose
	uint32_t table_len;
};
int hs_header_encoding(const struct hs_header_encoding_in *in, struct hs_wbuf *w); // 0 or -ENOMEM

#endif
