// SPDX-License-Identifier: Apache-2.0
// Numbers of an array as they come, made float32: float16 exactly, float64 rounded to the nearest (ties to even).
#ifndef HS_INGEST_FLOATS_H
#define HS_INGEST_FLOATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hs_floats { HS_FLOATS_32, HS_FLOATS_64, HS_FLOATS_16 };

bool hs_floats_parse(const char *name, enum hs_floats *ret); // "float32", "float64", "float16"
const char *hs_floats_name(enum hs_floats type);
size_t hs_floats_bytes(enum hs_floats type);

// hs_floats_read converts n little-endian numbers at `src` (aligned for their type). A NaN becomes 7fc00000. Returns
// whether all results are finite.
bool hs_floats_read(enum hs_floats type, const void *src, size_t n, float *ret);
// hs_floats_is_finite tells whether number i was finite before it was converted.
bool hs_floats_is_finite(enum hs_floats type, const void *src, size_t i);

#endif
