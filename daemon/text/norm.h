// SPDX-License-Identifier: Apache-2.0
// Unicode normalisation of a text before tokenization (--normalize), by utf8proc.
#ifndef HS_TEXT_NORM_H
#define HS_TEXT_NORM_H

#include "base/buf.h"
#include "base/err.h"

enum hs_norm { HS_NORM_NONE, HS_NORM_NFC, HS_NORM_NFKC };

// hs_norm_parse: "none", "nfc", "nfkc". 0 or HSFEED_EBADREQUEST.
int hs_norm_parse(const char *name, enum hs_norm *ret, struct hs_err *reterr);
const char *hs_norm_name(enum hs_norm norm);

// hs_norm_apply normalises valid UTF-8. *ret is `text` itself when nothing changes (a quick check decides for most
// texts), else bytes in *scratch, valid until it is used again. 0 or -ENOMEM.
int hs_norm_apply(enum hs_norm norm, struct hs_span text, struct hs_buf *scratch, struct hs_span *ret);

#endif
