// SPDX-License-Identifier: Apache-2.0
// Pumps: a feed's stream, its slots, and the connection they go to.
#ifndef HS_SERVER_STREAM_H
#define HS_SERVER_STREAM_H

#include "conn.h"
#include "request.h"

// hs_pump_release takes the notice stream.release; one that is not due dooms the connection.
void hs_pump_release(struct hs_conn *conn, struct hs_message *m);
void hs_pump_abandon(struct hs_conn *conn);        // the connection is gone
void hs_pump_let_all_go(struct hs_server *server); // the daemon ends: rings that were kept for their clients

// hs_order_digest_write writes the key order_digest and its value.
void hs_order_digest_write(struct hs_wbuf *w, const uint8_t *digest);

// hs_ring_open begins to watch the rings' channels; hs_ring_close ends it when the loop has run the closing.
int hs_ring_open(struct hs_server *server);
void hs_ring_close(struct hs_server *server);

int hs_req_stream_open_begin(struct hs_request *req);
int hs_req_stream_open_run(struct hs_request *req);
int hs_req_stream_open_settle(struct hs_request *req);
int hs_req_stream_seek_begin(struct hs_request *req);
int hs_req_stream_close_begin(struct hs_request *req);
extern const struct hs_schema hs_stream_open_schema, hs_stream_seek_schema, hs_stream_close_schema;

#endif
