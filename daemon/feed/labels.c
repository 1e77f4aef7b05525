// SPDX-License-Identifier: Apache-2.0
#include "feed/labels.h"

#include "feed/internal.h"

struct hs_rbuf hs_feed_header(const struct hs_feed_source *source)
{
	struct hs_span header = hs_file_header(hs_feed_source_version(source)->file);
	return (struct hs_rbuf){(const uint8_t *)header.ptr, (const uint8_t *)header.ptr + header.len};
}

uint32_t hs_feed_labels(const struct hs_feed_source *source, struct hs_rbuf *ret)
{
	struct hs_wire_value head;
	if (!hs_r_find(hs_feed_header(source), "labels", ret) || !hs_r_next(ret, &head) || head.type != HS_WIRE_ARRAY)
		return 0;
	return head.as.count;
}

void hs_feed_label_next(struct hs_rbuf *labels, struct hs_label_column *ret)
{
	struct hs_wire_value head;
	*ret = (struct hs_label_column){.name = ""};
	hs_r_get_str(*labels, "name", &ret->name, &ret->name_len);
	if (hs_r_find(*labels, "values", &ret->values) && hs_r_next(&ret->values, &head) && head.type == HS_WIRE_ARRAY)
		ret->nvalues = head.as.count;
	hs_r_skip(labels);
}

bool hs_feed_label_column(const struct hs_feed_source *source, size_t column, struct hs_label_column *ret)
{
	struct hs_rbuf labels;
	*ret = (struct hs_label_column){.name = ""};
	if (column >= hs_feed_labels(source, &labels))
		return false;
	for (size_t i = 0; i < column; i++)
		hs_r_skip(&labels);
	hs_feed_label_next(&labels, ret);
	return true;
}
