// SPDX-License-Identifier: Apache-2.0
// Kept results of searches for near duplicates: near/<uid>/<version>-<similarity>.near. They are derived: whatever is
// missing or damaged is made again from the version, so nothing here is an error to a user. FORMAT.md has the bytes.
#ifndef HS_STORE_NEAR_H
#define HS_STORE_NEAR_H

#include "store/store.h"
#include "text/near.h"

#define HS_NEAR_KEPT      4u                // files of a version; the oldest goes
#define HS_NEAR_MAX_PAIRS ((size_t)1 << 22) // of a file; 64 MiB

// Which result. engine: the number of the rules that make it; one of other rules is as good as absent.
struct hs_near_key {
	uint32_t owner, engine;
	struct hs_id version;
	double similarity;
	size_t nrows; // of the version
};

// hs_store_near_load reads a kept result, checks all of it and gives its arrays (heap, the caller's). 1; 0: there is
// none (damage is removed and logged); -ENOMEM. Any thread; 12 bytes a row and 16 a pair are read and looked at once.
int hs_store_near_load(struct hs_store *store, const struct hs_near_key *key, struct hs_near *ret);

// hs_store_near_save keeps a result, synced, in the place of one that is there; of a version that was removed meanwhile
// it keeps nothing. A failure is logged and leaves nothing. Whether it is kept. One thread at a time for a key.
bool hs_store_near_save(struct hs_store *store, const struct hs_near_key *key, const struct hs_near *near);

#endif
