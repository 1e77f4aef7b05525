// SPDX-License-Identifier: Apache-2.0
// Packed slots (proto/RING.md, section 3): what a client must know to write the rows out itself.
#ifndef HS_SERVER_PACKED_H
#define HS_SERVER_PACKED_H

#include "feed/feed.h"
#include "wire/wire.h"

// Behind a packed ring's slots lie the id tables of its roles: hs_packed_table_bytes are theirs together (0 of a stream
// that is not packed), hs_packed_tables_put copies them.
size_t hs_packed_table_bytes(const struct hs_stream *stream);
void hs_packed_tables_put(const struct hs_stream *stream, uint8_t *to);

// hs_packed_write writes the key `packed` and its value.
void hs_packed_write(struct hs_wbuf *w, const struct hs_stream *stream, unsigned nslots);

#endif
