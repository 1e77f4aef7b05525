// SPDX-License-Identifier: Apache-2.0
// Would Unicode normalisation help this tokenizer? Texts with decomposed letters (common in Bengali) meet vocabularies
// of composed ones: BanglaBERT then knows one token in twenty less.
#ifndef HS_INGEST_ADVICE_H
#define HS_INGEST_ADVICE_H

#include "ingest/encode.h"

#define HS_ADVICE_ROWS      4096  // at most so many are tried
#define HS_ADVICE_SHARE     0.005 // a smaller share of unknown tokens needs no advice
#define HS_ADVICE_REDUCTION 0.5   // NFC must leave at most this part of the unknown share

struct hs_advice {
	bool given;           // normalize nfc is advised; the rest is set then
	double unknown_share; // of all rows, as they were encoded
	double with;          // of the sample, under NFC
	uint32_t sampled_rows;
};

// hs_advice_find tries NFC on evenly spaced rows, where rows were encoded without normalisation and the share of
// unknown tokens is high. 0 or -ENOMEM.
int hs_advice_find(const struct hs_encode *in, const struct hs_encoded *encoded, struct hs_advice *ret,
		   struct hs_err *reterr);

#endif
