// SPDX-License-Identifier: Apache-2.0
// What child.c and childio.c do for each other.
#ifndef HS_SERVER_CHILDIO_H
#define HS_SERVER_CHILDIO_H

#include "child.h"

int hs_child_io_start(struct hs_child *child); // sends the job, then listens
void hs_child_io_stop(struct hs_child *child); // closes our end; eof from now on
void hs_child_progress(struct hs_child *child, const char *stage, uint64_t done, uint64_t total); // to all waiters

void hs_child_answered(struct hs_child *child); // child->rc, err, result are set
void hs_child_ended(struct hs_child *child);
void hs_child_kill(struct hs_child *child, int code, const char *why);
void hs_child_unref(struct hs_child *child);

#endif
