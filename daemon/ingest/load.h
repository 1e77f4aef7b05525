// SPDX-License-Identifier: Apache-2.0
// The first half of an ingest: source and tokenizers in memory, and what they would be called.
#ifndef HS_INGEST_LOAD_H
#define HS_INGEST_LOAD_H

#include "ingest/identity.h"
#include "ingest/slurp.h"
#include "ingest/work.h"

struct hs_load {
	struct hs_slurp file;
	struct hs_source source; // spans into file
	struct hs_identity identity;
	struct hs_id id;
};

// hs_load_all reads the source, then digests and parses these very bytes side by side, while other threads read and
// compile the tokenizers: work->load and work->tokenizers. 0 or the first fault: the source's before the tokenizers'.
int hs_load_all(struct hs_work *work, struct hs_err *reterr);
void hs_load_destroy(struct hs_load *load);

// hs_load_tokenizers is the second part alone, for a version that is stored.
int hs_load_tokenizers(struct hs_work *work, const struct hs_id *version, struct hs_err *reterr);

#endif
