// SPDX-License-Identifier: Apache-2.0
// The store's inside, shared by its own .c files.
//
// Lock order: there is one lock. It guards the catalog's memory and the run-time fields of its files. The store thread
// alone changes the arrays, so it may read them without the lock; it takes the lock to change them. Nobody holds it
// across a sync or an open.
#ifndef HS_STORE_STORE_PRIV_H
#define HS_STORE_STORE_PRIV_H

#include <pthread.h>

#include "store/catalog.h"
#include "store/state.h"

struct hs_store {
	struct hs_state state;
	struct hs_catalog catalog;
	pthread_mutex_t lock;
	pthread_cond_t opened; // some file's `opening` ended
};

// hs_store_unlink_doomed unlinks a doomed file that nobody uses. Lock held.
void hs_store_unlink_doomed(struct hs_store *store, struct hs_cat_file *f);
// hs_store_needs: does any version but `except` of this owner need the file? NULL: any at all.
bool hs_store_needs(const struct hs_store *store, const struct hs_cat_file *f, const struct hs_cat_version *except);
// hs_store_rebuild makes the catalog anew from the files' headers; the memory is empty before, and follows.
int hs_store_rebuild(struct hs_store *store, struct hs_err *reterr);
// hs_store_no_dataset is the one sentence for "is not there" and "is not yours".
int hs_store_no_dataset(struct hs_err *reterr, const char *spec);
// hs_store_match resolves "name" or "name@prefix" of an owner. Lock held, or store thread.
int hs_store_match(const struct hs_store *store, uint32_t owner, const char *spec, struct hs_cat_version **ret,
		   struct hs_err *reterr);

#endif
