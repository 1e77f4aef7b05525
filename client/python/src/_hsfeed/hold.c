// SPDX-License-Identifier: Apache-2.0
// Batches as DLPack tensors: over the slot where there are slots to spare, over a copy else.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define ALIGN     64u
#define KEPT_FREE 2 // slots that are never lent as views, so that the daemon can always fill ahead

static size_t round_up(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

// ---- the end of a tensor: any thread, no GIL, any time ----

static void push_returned(struct hs_hold *hold)
{
	struct hs_feed *feed = hold->feed;
	struct hs_core *core = feed->core;
	atomic_fetch_sub_explicit(&feed->out, 1, memory_order_relaxed);
	// A claim of this function's own: once the hold is pushed, somebody else may end it and the one it has.
	atomic_fetch_add_explicit(&feed->refs, 1, memory_order_relaxed);
	hold->next = atomic_load(&core->returned);
	while (!atomic_compare_exchange_weak(&core->returned, &hold->next, hold))
		;
	// The next call on an open feed finds it. Closing sets `closed` before it looks at the list, and this pushes
	// before it looks at `closed`: one of the two sees the other.
	if (atomic_load(&feed->closed))
		hs_core_try_drain(core);
	hs_feed_unref(feed);
}

static void let_go(struct hs_hold *hold)
{
	if (atomic_fetch_sub_explicit(&hold->tensors_alive, 1, memory_order_acq_rel) != 1)
		return;
	if (hold->feed)
		push_returned(hold);
	else
		free(hold->block);
}

static void on_delete(struct hs_dl_managed *self)
{
	let_go(self->context);
}

// ---- packing ----

static void show(struct hs_hold *hold, struct hs_tensor *tensor, const struct hsfeed_array *array, const void *data)
{
	int64_t columns = (int64_t)(array->ndim == 2 ? array->shape[1] : 1);
	tensor->shape[0] = (int64_t)array->shape[0];
	tensor->shape[1] = columns;
	tensor->strides[0] = columns;
	tensor->strides[1] = 1;
	tensor->dl.tensor = (struct hs_dl_tensor){
		.data = (void *)(uintptr_t)data,
		.device = {HS_DL_CPU, 0},
		.ndim = (int32_t)array->ndim,
		.dtype = {array->dtype == HSFEED_FLOAT32 ? HS_DL_FLOAT : HS_DL_INT,
			  array->dtype == HSFEED_INT64 ? 64 : 32, 1},
		.shape = tensor->shape,
		.strides = tensor->strides,
	};
	tensor->dl.context = hold;
	tensor->dl.deleter = on_delete;
}

static bool is_copied(uint64_t copied, size_t i)
{
	return (copied >> i & 1) != 0;
}

// A copy of the arrays whose bit is set, in one allocation: the hold, its tensors, the arrays' bytes.
static struct hs_hold *copy(const struct hsfeed_batch *batch, uint64_t which, struct hs_parcel *parcel)
{
	size_t n = 0, bytes = 0;
	for (size_t i = 0; i < batch->narrays; i++) {
		n += is_copied(which, i);
		bytes += is_copied(which, i) ? round_up(batch->arrays[i]->bytes) : 0;
	}
	size_t head = round_up(sizeof(struct hs_hold) + n * sizeof(struct hs_tensor));
	// Not aligned_alloc: glibc's, before 2.38, asks for more than it needs and so passes over the hole that a copy
	// of the same size left (tried beside each other, 29 to 45 MB instead of 5 to 13).
	uint8_t *block = malloc(head + bytes + ALIGN - 1);
	if (!block)
		return NULL;
	struct hs_hold *hold = (void *)(block + (-(uintptr_t)block & (ALIGN - 1)));
	memset(hold, 0, sizeof(*hold));
	hold->block = block;
	atomic_init(&hold->tensors_alive, (unsigned)n);
	uint8_t *data = (uint8_t *)hold + head;
	struct hs_tensor *tensor = hold->tensors;
	for (size_t i = 0; i < batch->narrays; i++) {
		if (!is_copied(which, i))
			continue;
		memcpy(data, batch->arrays[i]->data, batch->arrays[i]->bytes);
		show(hold, tensor, batch->arrays[i], data);
		parcel->tensors[i] = tensor++;
		data += round_up(batch->arrays[i]->bytes);
	}
	return hold;
}

static bool copy_each(const struct hsfeed_batch *batch, uint64_t copied, struct hs_parcel *parcel)
{
	for (size_t i = 0; i < batch->narrays; i++) {
		if (is_copied(copied, i) && !copy(batch, (uint64_t)1 << i, parcel))
			return false;
	}
	return true;
}

static bool view(struct hs_feed *feed, const struct hsfeed_batch *batch, uint64_t copied, struct hs_parcel *parcel)
{
	struct hs_hold *hold = hs_feed_take(feed, batch);
	if (!hold)
		return false;
	unsigned alive = 1;
	for (size_t i = 0; i < batch->narrays; i++) {
		if (is_copied(copied, i))
			continue;
		show(hold, &hold->tensors[i], batch->arrays[i], batch->arrays[i]->data);
		parcel->tensors[i] = &hold->tensors[i];
		alive++;
	}
	atomic_store_explicit(&hold->tensors_alive, alive, memory_order_relaxed);
	parcel->hold = hold;
	return true;
}

int hs_parcel_pack(struct hs_feed *feed, const struct hsfeed_batch *batch, uint64_t copied, struct hs_parcel *ret)
{
	uint64_t all = batch->narrays < 64 ? ((uint64_t)1 << batch->narrays) - 1 : ~(uint64_t)0;
	ret->number = batch->batch;
	ret->epoch = batch->epoch;
	ret->at = batch->at;
	ret->rows = batch->rows;
	ret->narrays = batch->narrays;
	ret->hold = NULL;
	ret->copied = feed->lent + KEPT_FREE >= feed->nslots;
	memset(ret->tensors, 0, batch->narrays * sizeof(ret->tensors[0]));
	bool packed = copy_each(batch, copied & all, ret);
	if (packed && !ret->copied)
		packed = view(feed, batch, copied, ret);
	else if (packed && (all & ~copied) != 0)
		packed = copy(batch, all & ~copied, ret) != NULL;
	if (packed && ret->hold)
		return 0;
	hsfeed_batch_release(batch);
	if (packed)
		return 0;
	hs_parcel_unpack(ret, 0);
	return -ENOMEM;
}

void hs_parcel_unpack(struct hs_parcel *parcel, size_t first)
{
	for (size_t i = first; i < parcel->narrays; i++) {
		if (parcel->tensors[i])
			on_delete(&parcel->tensors[i]->dl);
	}
	if (parcel->hold)
		let_go(parcel->hold);
	parcel->hold = NULL;
}
