// SPDX-License-Identifier: Apache-2.0
// One msgpack head, decoded: what the checker and the reader share. Private to this layer.
#ifndef HS_WIRE_HEAD_H
#define HS_WIRE_HEAD_H

#include <stdint.h>

#include "wire.h"

enum hs_head_fault { HS_HEAD_OK, HS_HEAD_CUT_OFF, HS_HEAD_EXT, HS_HEAD_UNUSED };

// hs_head_decode reads the head at p: type, value or length, and (in *ret_bytes) how long the head itself is. The bytes
// of a str or bin must be there too (and are not counted in *ret_bytes); items of containers need not.
enum hs_head_fault hs_head_decode(const uint8_t *p, const uint8_t *end, struct hs_wire_value *ret, uint32_t *ret_bytes);

#endif
