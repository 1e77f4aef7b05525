// SPDX-License-Identifier: Apache-2.0
// ingest, add, why (ingests.c), attach (attach.c) and verify (verify.c): requests that a child process answers. detach
// is the store thread's.
#ifndef HS_SERVER_INGESTS_H
#define HS_SERVER_INGESTS_H

#include "child.h"

int hs_req_ingest_begin(struct hs_request *req);
int hs_req_add_begin(struct hs_request *req);
int hs_req_why_begin(struct hs_request *req);
int hs_req_verify_begin(struct hs_request *req);
int hs_req_attach_begin(struct hs_request *req);
int hs_req_detach_run(struct hs_request *req);
extern const struct hs_schema hs_ingest_schema, hs_add_schema, hs_why_schema, hs_verify_schema, hs_attach_schema,
	hs_detach_schema;
extern const struct hs_child_kind hs_ingest_kind, hs_add_kind, hs_why_kind;

// For what a child's result says (publish.c). Paths: only the job's own in tmp/ are taken; *ret is `path`, or NULL
// where the result names none.
bool hs_child_read_path(const struct hs_child *child, struct hs_rbuf map, char *path, size_t cap, const char **ret);
bool hs_child_read_id(struct hs_rbuf map, struct hs_id *ret);
int hs_child_not_understood(struct hs_child *child);

// hs_find_item finds a stored file's path and checksum among hs_store_verify_list's; NULL when it is gone.
const struct hs_verify_item *hs_find_item(const struct hs_verify_item *items, size_t n, enum hs_file_kind kind,
					  const struct hs_id *id);

#endif
