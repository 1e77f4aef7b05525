// SPDX-License-Identifier: Apache-2.0
// What a child can be asked to do. Each writes its RESULT (ingest.h) to *w: 0, or the fault.
#ifndef HS_INGEST_TASKS_H
#define HS_INGEST_TASKS_H

#include "ingest/work.h"

int hs_task_ingest(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr);
int hs_task_add(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr);
int hs_task_why(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr);
int hs_task_attach(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr);
int hs_task_verify(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr);

#endif
