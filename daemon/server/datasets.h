// SPDX-License-Identifier: Apache-2.0
// datasets, versions, show, rm (datasets.c), rows (rows.c), folds and folds.rows (folds.c), lengths, weights, estimate,
// leaks (a file each): all on request threads, rm on the store thread.
#ifndef HS_SERVER_DATASETS_H
#define HS_SERVER_DATASETS_H

#include "request.h"

int hs_req_datasets_run(struct hs_request *req);
int hs_req_versions_run(struct hs_request *req);
int hs_req_show_run(struct hs_request *req);
int hs_req_rm_run(struct hs_request *req);
int hs_req_rm_settle(struct hs_request *req);
int hs_req_rows_run(struct hs_request *req);
int hs_req_folds_run(struct hs_request *req);
int hs_req_folds_rows_run(struct hs_request *req);
int hs_req_lengths_run(struct hs_request *req);
int hs_req_weights_run(struct hs_request *req);
int hs_req_estimate_run(struct hs_request *req);
int hs_req_leaks_run(struct hs_request *req);
extern const struct hs_schema hs_datasets_schema, hs_named_schema, hs_rm_schema, hs_rows_schema, hs_folds_schema,
	hs_folds_rows_schema, hs_lengths_schema, hs_weights_schema, hs_estimate_schema, hs_leaks_schema;

#endif
