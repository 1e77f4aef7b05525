// SPDX-License-Identifier: Apache-2.0
// The vocabulary of a tokenizer.json, read on its own: it is all but a few KB of the file.
#ifndef HS_TOK_VOCAB_JSON_H
#define HS_TOK_VOCAB_JSON_H

#include "tok/spec.h"

// hs_tok_vocab_scan looks for the object "vocab" in the object "model" and, if it is a plain list of "token": id, puts
// its entries into spec. Returns 1 and the object's bytes; 0 when there is none or it is anything but plain and correct
// JSON (spec has no entries then): a real JSON parser shall look at it; -ENOMEM.
int hs_tok_vocab_scan(struct hs_span json, struct hs_tok_spec *spec, struct hs_span *ret_object);

#endif
