// SPDX-License-Identifier: Apache-2.0
// Lists of rows: a stream keeps its own, to be opened again with it; the daemon gets one as a memfd, or as bytes where
// descriptors cannot pass.
#include <stdlib.h>
#include <string.h>

#include "client.h"

int hs_list_copy(const int64_t *rows, size_t n, struct hs_list *ret, struct hsfeed_error *reterr)
{
	*ret = (struct hs_list){NULL, n};
	if (!rows)
		return n == 0 ? 0 : hs_error_set(reterr, HSFEED_EBADARG, "a list of %zu rows, but no rows", n);
	if (n > SIZE_MAX / sizeof(*rows) - 1)
		return hs_error_nomem(reterr);
	ret->rows = malloc((n + 1) * sizeof(*rows)); // an empty list is one, too
	if (!ret->rows)
		return hs_error_nomem(reterr);
	memcpy(ret->rows, rows, n * sizeof(*rows));
	return 0;
}

void hs_list_fini(struct hs_list *list)
{
	free(list->rows);
	*list = (struct hs_list){NULL, 0};
}

int hs_list_send(hsfeed_client *client, const struct hs_list *list, uint64_t *ret_handle, struct hsfeed_error *reterr)
{
	return hs_file_share(client, list->rows, list->n * sizeof(*list->rows), "a list of rows", ret_handle, reterr);
}
