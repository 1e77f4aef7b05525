// SPDX-License-Identifier: Apache-2.0
// The object of the type Stream, for stream.c and batch.c.
#ifndef HS_EXT_STREAM_H
#define HS_EXT_STREAM_H

#include "ext.h"

struct stream {
	PyObject_HEAD
	PyObject *client; // kept alive
	struct hs_feed *feed;
	PyObject *info;
	size_t narrays;
	PyObject *names[HS_EXT_MAX_ARRAYS]; // interned
	PyObject *lazy[HS_EXT_MAX_ARRAYS];  // "_NAME", interned: the attribute that gets its capsule; NULL: not lazy
	PyObject *batch_type, *from_dlpack, *on_copies;
	uint64_t copied, unkeyed; // a bit per array
	bool lost;                // a batch was taken and could not be handed over
};

// hs_py_batch_make makes a batch of what was packed, which it takes. NULL: an exception is set, and the batch is lost.
PyObject *hs_py_batch_make(struct stream *self, struct hs_parcel *parcel);
int hs_py_batch_init(void);

#endif
