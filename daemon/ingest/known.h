// SPDX-License-Identifier: Apache-2.0
// Asking the daemon what it has already.
#ifndef HS_INGEST_KNOWN_H
#define HS_INGEST_KNOWN_H

#include "ingest/make.h"

// hs_known_ask sets `known` of the version and each encoding of *make; of encodings with the same id only the first
// is to be made. 0, -ENOMEM, HSFEED_EBADFRAME, ELOST, ECHILD.
int hs_known_ask(struct hs_make *make, struct hs_err *reterr);

#endif
