// SPDX-License-Identifier: Apache-2.0
// The keys of stream.open that say what is masked and what samples weigh: as requests give them and answers tell them.
#ifndef HS_SERVER_MASKS_H
#define HS_SERVER_MASKS_H

#include "decode/decode.h"
#include "feed/feed.h"

struct hs_mask_params {
	double rows, prob;
	uint64_t seed;
	struct hs_strs roles;
	struct hs_named weight;
};

// hs_mask_params_read: what is masked; `seed` is the order's. 0, or HSFEED_EBADREQUEST. The feed checks the rest.
int hs_mask_params_read(const struct hs_mask_params *p, const struct hs_feed_source *source, uint64_t seed,
			struct hs_mask_spec *ret, struct hs_err *reterr);
// hs_weight_params_read: the rules, the caller's to free; their names point into the parameters. 0 or -ENOMEM.
int hs_weight_params_read(const struct hs_mask_params *p, struct hs_stream_spec *ret, struct hs_err *reterr);

// hs_mask_params_keys counts the keys that hs_mask_params_write adds to an answer: those of what is on.
unsigned hs_mask_params_keys(const struct hs_mask_params *p, const struct hs_stream_spec *spec);
void hs_mask_params_write(struct hs_wbuf *w, const struct hs_mask_params *p, const struct hs_stream *stream);
// hs_mask_warning gives the sentence for validation rows that are masked, or NULL.
const char *hs_mask_warning(const struct hs_stream_spec *spec);

#endif
