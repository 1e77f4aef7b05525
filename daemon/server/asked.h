// SPDX-License-Identifier: Apache-2.0
// What questions about folds have in common: a dataset and a plan of its rows, opened together, and how the answer
// begins. For request threads.
#ifndef HS_SERVER_ASKED_H
#define HS_SERVER_ASKED_H

#include "feed/labels.h"
#include "plans.h"
#include "request.h"

struct hs_asked {
	struct hs_feed_source *source;
	const struct hs_plan *plan; // NULL where none was asked for
};
// hs_asked_source gives the request for `name` of `owner` (HS_UNSET: the asker's own): roles are the caller's to add.
struct hs_source_request hs_asked_source(const struct hs_request *req, const char *name, uint64_t owner);
// hs_asked_open opens the source, and makes its plan unless plan is NULL. 0 or an error in req->err; close only after
// success.
int hs_asked_open(struct hs_request *req, const struct hs_source_request *source, const struct hs_plan_params *plan,
		  struct hs_asked *ret);
void hs_asked_close(struct hs_request *req, const struct hs_asked *asked);

// hs_asked_write writes the pairs name, owner, version and, with a plan, plan: HS_ASKED_PAIRS or one less.
#define HS_ASKED_PAIRS 4
void hs_asked_write(struct hs_wbuf *w, const struct hs_asked *asked);

// hs_write_label_value writes the next value of `values` (and moves on), "" where there is none.
void hs_write_label_value(struct hs_wbuf *w, struct hs_rbuf *values);

#endif
