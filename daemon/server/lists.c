// SPDX-License-Identifier: Apache-2.0
#include "lists.h"

#include <fcntl.h>

int hs_charge(const struct hs_account *account, uint64_t bytes, struct hs_err *reterr)
{
	uint64_t before = __atomic_fetch_add(account->bytes, bytes, __ATOMIC_RELAXED);
	if (before + bytes <= account->max)
		return 0;
	hs_discharge(account->bytes, bytes);
	hs_err_set(reterr, HSFEED_ELIMIT,
		   "the slots of the user's streams, and their lists of rows, would take more than %llu bytes",
		   (unsigned long long)account->max);
	return hs_err_hint(reterr, "fewer slots, a smaller batch or max_length, a shorter list, or slot_bytes_per_user "
				   "in the configuration");
}

void hs_discharge(uint64_t *account_bytes, uint64_t bytes)
{
	__atomic_fetch_sub(account_bytes, bytes, __ATOMIC_RELAXED);
}

static struct hs_list_file file_of(const struct hs_input *input)
{
	return (struct hs_list_file){input->fd, input->stamp.bytes, input->name};
}

// Only files in memory have seals, none included.
static bool is_safe(const struct hs_input *input)
{
	return input->upload || fcntl(input->fd, F_GET_SEALS) >= 0;
}

int hs_list_take(struct hs_request *req, uint64_t handle, struct hs_input **ret_input)
{
	struct hs_input *input = NULL;
	*ret_input = NULL;
	if (handle == HS_UNSET)
		return 0;
	int rc = hs_handle_take(req->conn, handle, &input, &req->err);
	if (rc < 0)
		return rc;
	if (!is_safe(input)) {
		rc = hs_err_set(&req->err, HSFEED_EBADFILE, "%s: a list of rows comes in a memfd, or with file.begin",
				input->name);
		hs_err_hint(&req->err, "a file of another file system could make the daemon wait");
	} else {
		const struct hs_list_file file = file_of(input);
		rc = hs_list_file_check(&file, &req->err);
	}
	if (rc < 0)
		hs_input_unref(input);
	else
		*ret_input = input;
	return rc;
}

int hs_list_read(const struct hs_input *input, const struct hs_feed_source *source, const struct hs_account *account,
		 struct hs_order_list **ret, uint64_t *ret_bytes, struct hs_err *reterr)
{
	uint64_t bytes = hs_order_list_bytes(input->stamp.bytes);
	int rc = hs_charge(account, bytes, reterr);
	if (rc < 0)
		return rc;
	const struct hs_list_file file = file_of(input);
	rc = hs_order_list_read(&file, source, ret, reterr);
	if (rc < 0)
		hs_discharge(account->bytes, bytes);
	else
		*ret_bytes = bytes;
	return rc;
}
