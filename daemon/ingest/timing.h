// SPDX-License-Identifier: Apache-2.0
// Where a child's time goes. Phases overlap, so their sum is more than the total.
#ifndef HS_INGEST_TIMING_H
#define HS_INGEST_TIMING_H

#include <stdatomic.h>
#include <stdint.h>

#include "wire/wire.h"

enum hs_phase {
	HS_PHASE_READ,       // the source's bytes into memory
	HS_PHASE_DIGEST,     // their SHA-256, beside
	HS_PHASE_PARSE,      // rows, labels, cleaning
	HS_PHASE_TOKENIZERS, // reading and compiling, beside
	HS_PHASE_LOAD,       // all four, as the clock saw them
	HS_PHASE_KNOWN,      // waiting for the daemon's answer
	HS_PHASE_DUPLICATES,
	HS_PHASE_TOKENIZE,
	HS_PHASE_ADVICE,
	HS_PHASE_WRITE_VERSION,  // put, sync, read back
	HS_PHASE_WRITE_ENCODING, // the same, summed over encodings
	HS_PHASE_TOTAL,
	HS_NPHASES
};

struct hs_timing {
	_Atomic int64_t ns[HS_NPHASES];
};

int64_t hs_timing_now(void); // monotonic, ns
void hs_timing_add(struct hs_timing *t, enum hs_phase phase, int64_t since);
void hs_timing_put(const struct hs_timing *t, struct hs_wbuf *w); // {phase: ms}
void hs_timing_print(const struct hs_timing *t);                  // one line on stderr

#endif
