// SPDX-License-Identifier: Apache-2.0
// The wire's bytes: frames of msgpack, a writer, a reader, and the checker that hostile bytes must pass before anything
// is allocated for them. libc only; used by the daemon and, alone, by the client library.
//
//   frame = u32 little-endian length of what follows, then exactly one msgpack array:
//     request [0, seq, method, {params}]   reply [1, seq, error|nil, result|nil]   notice [2, name, {params}]
#ifndef HS_WIRE_WIRE_H
#define HS_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HS_WIRE_PROTOCOL 1
#define HS_WIRE_HEADER_BYTES 4
#define HS_WIRE_MAX_REQUEST 262144u     // client to daemon, one frame
#define HS_WIRE_MAX_REPLY 67108864u     // daemon to client, one frame; told in hello
#define HS_WIRE_MAX_DEPTH 8
#define HS_WIRE_MAX_ITEMS 4096          // of a request
#define HS_WIRE_MAX_REPLY_ITEMS 1048576 // of a reply
#define HS_WIRE_MAX_KEYS 512            // of a map and the maps around it, so that repeated keys are found cheaply

enum { HS_WIRE_REQUEST = 0, HS_WIRE_REPLY = 1, HS_WIRE_NOTICE = 2 };

// ---- writing ----

// A growing message. The first failure to allocate sticks in `failed`, later calls do nothing: check once at the end.
struct hs_wbuf {
	uint8_t *data; // heap, owned
	size_t len, cap;
	bool failed;
};

void hs_w_fini(struct hs_wbuf *w);  // frees and zeroes
void hs_w_reset(struct hs_wbuf *w); // empties, keeps the memory

void hs_w_nil(struct hs_wbuf *w);
void hs_w_bool(struct hs_wbuf *w, bool v);
void hs_w_int(struct hs_wbuf *w, int64_t v); // shortest form, as are all
void hs_w_uint(struct hs_wbuf *w, uint64_t v);
void hs_w_f64(struct hs_wbuf *w, double v);
void hs_w_str(struct hs_wbuf *w, const char *s, size_t len); // must be UTF-8
void hs_w_cstr(struct hs_wbuf *w, const char *s);            // NULL writes nil
void hs_w_bin(struct hs_wbuf *w, const void *data, size_t len);
void hs_w_bin_header(struct hs_wbuf *w, size_t len); // the bytes follow by other means (gathered sends)
void hs_w_array(struct hs_wbuf *w, uint32_t n);
void hs_w_map(struct hs_wbuf *w, uint32_t n);
void hs_w_raw(struct hs_wbuf *w, const void *encoded, size_t len); // msgpack that is encoded already

// A map whose size is not known beforehand: begin reserves a 5-byte header, end fills in the number of pairs.
size_t hs_w_map_begin(struct hs_wbuf *w);
void hs_w_map_end(struct hs_wbuf *w, size_t mark, uint32_t npairs);
size_t hs_w_array_begin(struct hs_wbuf *w);
void hs_w_array_end(struct hs_wbuf *w, size_t mark, uint32_t nitems);

// A frame: begin reserves the length, end fills it in, `extra` more bytes will follow outside the buffer.
size_t hs_w_frame_begin(struct hs_wbuf *w);
void hs_w_frame_end(struct hs_wbuf *w, size_t mark, size_t extra);

// ---- checking ----

struct hs_wire_limits {
	uint32_t max_depth; // nesting of arrays and maps
	uint32_t max_items; // values in all, keys and containers included
};

// hs_wire_check walks one whole msgpack value without allocating or recursing: depth, number of items, every declared
// count against the bytes left, no ext types, no 0xc1, valid UTF-8 in str, map keys are str and not repeated within one
// map, nothing after the value; max_depth is at most 32. Returns NULL when all is well, else what is wrong (a constant
// phrase) and *ret_offset, the byte at which.
const char *hs_wire_check(const void *data, size_t len, const struct hs_wire_limits *limits, size_t *ret_offset);

// ---- reading (bytes that passed hs_wire_check; still bounded by `end` everywhere) ----

enum hs_wire_type {
	HS_WIRE_NIL, HS_WIRE_BOOL, HS_WIRE_INT, HS_WIRE_UINT, HS_WIRE_F64, HS_WIRE_STR, HS_WIRE_BIN, HS_WIRE_ARRAY,
	HS_WIRE_MAP, HS_WIRE_BAD
};

struct hs_rbuf {
	const uint8_t *p, *end;
};

// One value's head: scalars whole; str and bin by pointer; arrays and maps by count (their items follow).
struct hs_wire_value {
	enum hs_wire_type type; // HS_WIRE_INT: negative only; anything >= 0 is HS_WIRE_UINT
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		struct { const char *ptr; uint32_t len; } str; // str and bin
		uint32_t count;
	} as;
};

bool hs_r_next(struct hs_rbuf *r, struct hs_wire_value *ret); // false: no value, or bad bytes; type is then HS_WIRE_BAD
bool hs_r_skip(struct hs_rbuf *r);                            // one whole value
// hs_r_find looks up a key in the map that starts at r (r is not moved) and sets *ret_value's reader to its value.
bool hs_r_find(struct hs_rbuf map, const char *key, struct hs_rbuf *ret_value);
bool hs_r_get_uint(struct hs_rbuf map, const char *key, uint64_t *ret);
bool hs_r_get_int(struct hs_rbuf map, const char *key, int64_t *ret);
bool hs_r_get_f64(struct hs_rbuf map, const char *key, double *ret); // integers too
bool hs_r_get_bool(struct hs_rbuf map, const char *key, bool *ret);
bool hs_r_get_str(struct hs_rbuf map, const char *key, const char **ret, size_t *ret_len);
bool hs_r_get_bin(struct hs_rbuf map, const char *key, const void **ret, size_t *ret_len);

#endif
