// SPDX-License-Identifier: Apache-2.0
// Lists of rows that clients hand in as orders, and the account of memory that they and slots are charged to.
#ifndef HS_SERVER_LISTS_H
#define HS_SERVER_LISTS_H

#include "file.h"
#include "request.h"

// A user's bytes of slots and lists. Any thread may charge it.
struct hs_account {
	uint64_t *bytes; // atomic
	uint64_t max;
};
// hs_charge puts bytes on it, or HSFEED_ELIMIT.
int hs_charge(const struct hs_account *account, uint64_t bytes, struct hs_err *reterr);
void hs_discharge(uint64_t *account_bytes, uint64_t bytes);

// hs_list_take takes the handle of a list (HS_UNSET: none, *ret_input is NULL) on the loop thread; the handle is gone
// whatever comes of it. Its bytes must be ours (file.begin) or in memory (a memfd): reading them must not hang a thread
// that others wait for, as a file of a client's file system can. HSFEED_ENOTFOUND, HSFEED_EBADFILE, HSFEED_ELIMIT.
int hs_list_take(struct hs_request *req, uint64_t handle, struct hs_input **ret_input);

// hs_list_read charges the account for a list, then reads it, on a request thread. *ret_bytes is what it was charged;
// nothing is on failure.
int hs_list_read(const struct hs_input *input, const struct hs_feed_source *source, const struct hs_account *account,
		 struct hs_order_list **ret, uint64_t *ret_bytes, struct hs_err *reterr);

#endif
