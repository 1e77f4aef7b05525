// SPDX-License-Identifier: Apache-2.0
// Packed streams for the tests of client/lib/packed.c, without a daemon: openings as msgpack, which may lie, rings and
// slots in memory of the test's own, which ends before a page that cannot be touched.
#ifndef HS_TESTS_PACKED_FIXTURE_H
#define HS_TESTS_PACKED_FIXTURE_H

#include "client.h"

#define ROLES     3
#define SLOTS     3
#define REST      2 // arrays that are no role's: labels float32 [rows, LABELS], index int64 [rows]
#define LABELS    3
#define MAX_BATCH 9
#define MAX_WIDE  40

uint32_t packed_draw(uint32_t n); // 0 .. n - 1
size_t packed_up64(size_t n);

// A stream that could be.
struct made_role {
	unsigned width;
	size_t ncodes; // of its table; 0: none
	size_t nprefix, nsuffix;
	int64_t prefix[4][2], suffix[4][2], pad[2], text_type;
	bool pad_left;
	size_t columns;
	size_t offset, bytes, table_at; // packed
	size_t array_at[3];             // unpacked
};

struct made {
	size_t nroles, batch_size, slot_bytes, packed_bytes, ring_bytes;
	bool int32, types;
	struct made_role roles[ROLES];
	size_t rest_at[REST], rest_packed_at[REST];
};
extern const size_t packed_rest_columns[REST], packed_rest_item[REST];
struct made packed_draw_stream(size_t nroles);

// Its opening, of which one node, the at-th, is replaced by a lie.
enum lie { TRUE_VALUE, GONE, STRING, NIL, MAP, LIST, MINUS, ONE, ODD, LARGE, HUGE, MOST, NLIES };
struct lying {
	enum lie what;
	long at, n; // the at-th node lies
	bool lied, packed, in_packed;
};
extern struct lying lying;
struct hs_wbuf packed_opening_of(const struct made *m);

struct memory {
	uint8_t *all, *at;
	size_t mapped, bytes;
};
struct memory packed_memory_of(size_t bytes);
void packed_memory_free(struct memory *m);

// A stream of an opening's bytes, as far as client/lib believes them.
struct opened {
	struct hsfeed_stream *s;
	struct memory own;
};
bool packed_open_bytes(const struct hs_wbuf *w, const struct memory *ring, struct opened *o);
void packed_opened_free(struct opened *o);
// packed_take announces and takes the batch in a slot: NULL, or what is wrong.
const char *packed_take(struct opened *o, uint64_t slot, uint64_t rows, const uint64_t lengths[ROLES],
			struct hs_slot **ret);

// A batch, and what of it lies in a slot. Codes at and beyond a table's end are among them: they stand for id 0.
struct batch {
	size_t rows;
	uint64_t lengths[ROLES];
	uint32_t n[ROLES][MAX_BATCH];
	uint32_t *codes[ROLES]; // [rows of them one behind the other]
	uint8_t rest[REST][MAX_BATCH * LABELS * 8];
	uint32_t *tables[ROLES];
};
struct batch packed_draw_batch(const struct made *m);
void packed_batch_free(struct batch *b);
void packed_put_batch(const struct made *m, const struct batch *b, uint8_t *slot);
uint32_t packed_table_id(size_t role, size_t code); // what stands in a role's table
void packed_put_tables(const struct made *m, uint8_t *ring);

#endif
