// SPDX-License-Identifier: Apache-2.0
// BertNormalizer step by step over a whole text: the slow, plain way, for what the one-pass tables cannot do.
#ifndef HS_TOK_NORMALIZE_H
#define HS_TOK_NORMALIZE_H

#include "tok/spec.h"

struct hs_tok_work { // buffers, kept between calls; zeroed is empty
	uint32_t *cps;
	size_t ncps, cps_cap;
	uint32_t *next;
	size_t nnext, next_cap;
	struct hs_buf text;
};

// hs_tok_normalize leaves the normalized text in work->text. `chars` is hs_chars_create's. 0 or -ENOMEM.
int hs_tok_normalize(const struct hs_tok_spec *spec, const uint8_t *chars, struct hs_span text,
		     struct hs_tok_work *work);
void hs_tok_work_fini(struct hs_tok_work *work);

#endif
