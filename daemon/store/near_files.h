// SPDX-License-Identifier: Apache-2.0
// Kept results as files: their names, and when they go.
#ifndef HS_STORE_NEAR_FILES_H
#define HS_STORE_NEAR_FILES_H

#include "store/store_priv.h"

// hs_near_path: <state>/near/<uid>/<version>-<similarity's bits, 16 hex digits>.near; heap, NULL: out of memory.
char *hs_near_path(const struct hs_state *state, uint32_t owner, const struct hs_id *version, double similarity);
// hs_near_owner_folder makes near/<uid>/, durably, and gives its path (heap).
int hs_near_owner_folder(const struct hs_state *state, uint32_t owner, char **ret, struct hs_err *reterr);
// hs_near_keep_few unlinks the oldest results of the version that `name` is of, so that HS_NEAR_KEPT stay, `name` among
// them.
void hs_near_keep_few(const char *folder, const char *name);
// hs_near_unlink unlinks all results of a version.
void hs_near_unlink(const struct hs_state *state, uint32_t owner, const struct hs_id *version);
// hs_near_tidy, at start, after the doomed are forgotten: results of versions that the catalog does not have go; what
// is no result is moved to lost/. What cannot be done is logged: no start fails for what can be made again.
void hs_near_tidy(const struct hs_store *store);

#endif
