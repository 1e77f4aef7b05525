// SPDX-License-Identifier: Apache-2.0
// VERSION, ROLE and ATTACHED of PROTOCOL.md, read out of the files' headers. Opens files, so not for the loop thread.
#ifndef HS_SERVER_DESCRIBE_H
#define HS_SERVER_DESCRIBE_H

#include "store/store.h"
#include "wire/wire.h"

int hs_describe_version(struct hs_store *store, const struct hs_version_entry *entry, struct hs_wbuf *w,
			struct hs_err *reterr);
// previous: the encoding that the role had before, or NULL.
int hs_describe_role(struct hs_store *store, const struct hs_version_entry *entry, size_t role,
		     const struct hs_id *previous, struct hs_wbuf *w, struct hs_err *reterr);
int hs_describe_array(struct hs_store *store, uint32_t owner, const struct hs_array_entry *array, struct hs_wbuf *w,
		      struct hs_err *reterr);
// The label columns' names; empty when the version's file cannot be read (verify says why).
void hs_describe_label_names(struct hs_store *store, const struct hs_version_entry *entry, struct hs_wbuf *w);
size_t hs_default_role(const struct hs_version_entry *entry);

void hs_write_id(struct hs_wbuf *w, const char *key, const struct hs_id *id);
// hs_write_header_value copies `key: value` from a header; nil where the header has no such key.
void hs_write_header_value(struct hs_wbuf *w, struct hs_span header, const char *key);

#endif
