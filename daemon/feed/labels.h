// SPDX-License-Identifier: Apache-2.0
// The label columns of a version, as its header tells them.
#ifndef HS_FEED_LABELS_H
#define HS_FEED_LABELS_H

#include "feed/feed.h"
#include "wire/wire.h"

// A label column: its name, and a reader of its values (str each). Pointers into the version's file.
struct hs_label_column {
	const char *name;
	size_t name_len;
	struct hs_rbuf values;
	uint32_t nvalues;
};

// hs_feed_labels begins a walk over the label columns, and returns how many there are; hs_feed_label_next reads one and
// moves on to the next.
uint32_t hs_feed_labels(const struct hs_feed_source *source, struct hs_rbuf *ret);
void hs_feed_label_next(struct hs_rbuf *labels, struct hs_label_column *ret);
// hs_feed_label_column reads one of them. False: there is no such column, and *ret is without name and values.
bool hs_feed_label_column(const struct hs_feed_source *source, size_t column, struct hs_label_column *ret);

#endif
