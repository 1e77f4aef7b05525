// SPDX-License-Identifier: Apache-2.0
// Pumps: a feed's stream, its slots, and the connection they go to.
//
// A slot is FREE -> FILLING (a fill thread writes it) -> QUEUED (in the connection's queue) -> OUT (the kernel took
// every byte; the client's) -> FREE again by the client's release, the only credit there is.
#ifndef HS_SERVER_STREAM_H
#define HS_SERVER_STREAM_H

#include "conn.h"
#include "request.h"

// hs_pump_release takes the notice stream.release; one that is not due dooms the connection.
void hs_pump_release(struct hs_conn *conn, struct hs_message *m);
void hs_pump_abandon(struct hs_conn *conn); // the connection is gone

int hs_req_stream_open_begin(struct hs_request *req);
int hs_req_stream_open_run(struct hs_request *req);
int hs_req_stream_open_settle(struct hs_request *req);
int hs_req_stream_seek_begin(struct hs_request *req);
int hs_req_stream_close_begin(struct hs_request *req);
extern const struct hs_schema hs_stream_open_schema, hs_stream_seek_schema, hs_stream_close_schema;

#endif
