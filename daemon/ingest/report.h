// SPDX-License-Identifier: Apache-2.0
// The parts of a version's header that people read: PROTOCOL.md's REPORT, LABELs and resolved OPTIONS.
#ifndef HS_INGEST_REPORT_H
#define HS_INGEST_REPORT_H

#include "ingest/duplicates.h"
#include "text/source.h"
#include "wire/wire.h"

void hs_report_put(const struct hs_source *s, bool drop_empty, const struct hs_duplicates *duplicates,
		   struct hs_wbuf *w);
void hs_report_put_labels(const struct hs_source *s, struct hs_wbuf *w);
int hs_report_put_options(const struct hs_source *s, const struct hs_source_options *o,
			  struct hs_wbuf *w); // 0 or -ENOMEM

#endif
