// SPDX-License-Identifier: Apache-2.0
// A text without what does not make it another text to a reader: NFC, full case folding (Unicode's C and F mappings),
// runs of white space as one space, none at the ends.
#ifndef HS_TEXT_FOLD_H
#define HS_TEXT_FOLD_H

#include "base/buf.h"

// Room for one text at a time; zeroed is valid. A loop over many texts keeps one.
struct hs_fold {
	struct hs_buf normal, folded, spaced;
};

// hs_fold_text folds valid UTF-8. *ret is a piece of `text` where that suffices (most texts), else lies in *f until it
// is used again. 0 or -ENOMEM.
int hs_fold_text(struct hs_fold *f, struct hs_span text, struct hs_span *ret);
void hs_fold_fini(struct hs_fold *f); // frees and zeroes

#endif
