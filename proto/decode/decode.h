// SPDX-License-Identifier: Apache-2.0
// The daemon's side of the wire: a frame that passed the wire's checker becomes a message, and a table of keys, types
// and bounds turns its parameters into a plain C struct. Everything a method may be given stands in its table; what is
// not in the table is refused by name. msgpack-c does the unpacking and is seen nowhere else.
#ifndef HS_DECODE_DECODE_H
#define HS_DECODE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hsfeed.h"
#include "wire/wire.h"

struct hs_fault {
	char message[512]; // one sentence: what and where; UTF-8
	char hint[512];    // the way out; may be empty
};

// ---- messages ----

struct hs_message {
	int kind;         // HS_WIRE_REQUEST or HS_WIRE_NOTICE
	uint32_t seq;     // of a request
	const char *name; // method or notice, not NUL-terminated, in the caller's bytes
	uint32_t name_len;
	struct hs_rbuf params; // the encoded map, in the caller's bytes
	const void *object;    // msgpack-c's, in the zone
	void *zone;            // owned; kept by hs_message_reset
};

// hs_message_open checks and unpacks one frame's bytes (without the length), which must live as long as the message.
// m is zeroed or was used before. 0; HSFEED_EBADFRAME with *ret_wrong = a constant phrase; or -ENOMEM.
int hs_message_open(struct hs_message *m, const void *data, size_t len, const char **ret_wrong);
void hs_message_close(struct hs_message *m); // frees and zeroes

// ---- schemas ----

// What a key's value may be, and the member of the struct it is written to.
enum hs_type {
	HS_T_UINT,          // uint64_t, min..max
	HS_T_F64,           // double, finite; a whole number is taken too; NaN when left out
	HS_T_UINT_OR_F64,   // struct hs_uint_or_f64
	HS_T_BOOL,          // bool
	HS_T_STR,           // const char *, NUL-terminated copy, min..max bytes; NULL when left out
	HS_T_BIN,           // struct hs_bytes, min..max bytes
	HS_T_ENUM,          // int: index into names; `def` (HS_UNSET: -1) when left out
	HS_T_UINT_OR_ENUM,  // struct hs_uint_or_enum
	HS_T_STRS,          // struct hs_strs: array of str, at most `max`, none empty
	HS_T_UINTS,         // struct hs_uints: array of uint, each min..max
	HS_T_PAIRS,         // struct hs_pairs: array of [uint, uint], at most `max`
	HS_T_NAMED_UINTS,   // struct hs_named: map of str to uint, at most `max` pairs
	HS_T_NAMED_STRS,    // struct hs_named: map of str to str, at most `max` pairs
	HS_T_NAMED_F64S,    // struct hs_named: map of str to a finite number, at most `max` pairs
	HS_T_UINT_OR_NAMED, // struct hs_uint_or_named: min..max, or a map of such
	HS_T_MAP,           // the sub-schema's struct, in place; all defaults when left out
	HS_T_MAPS,          // struct hs_maps: array of the sub-schema's structs, at most `max`
};

#define HS_UNSET UINT64_MAX // a default that no value equals

struct hs_bytes {
	const uint8_t *ptr;
	size_t len;
};
struct hs_strs {
	size_t n;
	const char **items;
};
struct hs_uints {
	size_t n;
	uint64_t *items; // NULL: left out
};
struct hs_pairs {
	size_t n;
	uint64_t (*items)[2];
};
struct hs_named_item {
	const char *name;
	uint64_t u;
	double f;
	const char *s;
};
struct hs_named {
	size_t n;
	struct hs_named_item *items;
};
struct hs_uint_or_named {
	uint64_t u;
	struct hs_named named;
}; // named.n > 0: a map was given
struct hs_uint_or_enum {
	uint64_t u;
	int e;
}; // e >= 0: a word was given
struct hs_uint_or_f64 {
	enum { HS_NUMBER_UNSET, HS_NUMBER_UINT, HS_NUMBER_F64 } given;
	uint64_t u;
	double f;
};
struct hs_maps {
	size_t n;
	void *items;
};

struct hs_field {
	const char *key;
	enum hs_type type;
	size_t offset; // of the member
	bool required;
	uint64_t min, max, def;
	const char *const *names; // enums: NULL-terminated
	const struct hs_schema *sub;
};

struct hs_schema {
	size_t bytes; // of the struct
	size_t nfields;
	const struct hs_field *fields;
};

#define HS_SCHEMA(type, table)                                                                                         \
	{                                                                                                              \
		sizeof(type), sizeof(table) / sizeof((table)[0]), (table)                                              \
	}

// hs_message_decode fills *ret (schema->bytes) from the message's parameters; pointers in it live in the message's zone
// and die with it. In a request an unknown key is an error, in a notice it is ignored. nil means left out.
// 0; HSFEED_EBADREQUEST with the fault (*ret is then undefined); or -ENOMEM.
int hs_message_decode(struct hs_message *m, const struct hs_schema *schema, void *ret, struct hs_fault *retfault);

// hs_message_decode_map does so for another encoded map, one that was kept from an earlier message, as if it were the
// parameters of m. The bytes are needed for the call only, but for values of HS_T_BIN.
// 0; HSFEED_EBADREQUEST with the fault, also for bytes that are no such map; or -ENOMEM.
int hs_message_decode_map(struct hs_message *m, struct hs_rbuf map, const struct hs_schema *schema, void *ret,
			  struct hs_fault *retfault);

#endif
