// SPDX-License-Identifier: Apache-2.0
// The part of DLPack's binary interface that the extension speaks: the classic managed tensor, in a capsule "dltensor".
#ifndef HS_EXT_DLPACK_H
#define HS_EXT_DLPACK_H

#include <stdint.h>

#define HS_DL_CAPSULE "dltensor" // the consumer renames it to "used_dltensor"

enum hs_dl_device_type { HS_DL_CPU = 1 };
enum hs_dl_code { HS_DL_INT = 0, HS_DL_FLOAT = 2 };

struct hs_dl_device {
	int32_t type, id;
};

struct hs_dl_dtype {
	uint8_t code, bits;
	uint16_t lanes;
};

struct hs_dl_tensor {
	void *data;
	struct hs_dl_device device;
	int32_t ndim;
	struct hs_dl_dtype dtype;
	int64_t *shape;
	int64_t *strides; // in elements
	uint64_t byte_offset;
};

struct hs_dl_managed {
	struct hs_dl_tensor tensor;
	void *context;
	void (*deleter)(struct hs_dl_managed *self);
};

_Static_assert(sizeof(struct hs_dl_tensor) == 48 && sizeof(struct hs_dl_managed) == 64, "DLPack's layout on 64 bits");

#endif
