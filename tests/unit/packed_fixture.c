// SPDX-License-Identifier: Apache-2.0
#include "packed_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "rows/rows.h"

#define PAGE 4096u

struct lying lying;

static uint64_t seed = 1;

uint32_t packed_draw(uint32_t n) // 0 .. n - 1
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

size_t packed_up64(size_t n)
{
	return (n + 63) / 64 * 64;
}

// ---- a stream that could be ----

const size_t packed_rest_columns[REST] = {LABELS, 1}, packed_rest_item[REST] = {4, 8};

static void draw_special(int64_t ret[2])
{
	ret[0] = packed_draw(1u << 30);
	ret[1] = packed_draw(3);
}

static void draw_role(struct made *m, struct made_role *r)
{
	r->width = packed_draw(3) == 0 ? 32 : 16;
	r->ncodes = r->width == 16 && packed_draw(2) ? 1 + packed_draw(packed_draw(4) == 0 ? HS_ROWS_CODES : 50) : 0;
	r->nprefix = packed_draw(5);
	r->nsuffix = packed_draw(5);
	for (size_t i = 0; i < 4; i++) {
		draw_special(r->prefix[i]);
		draw_special(r->suffix[i]);
	}
	draw_special(r->pad);
	r->text_type = packed_draw(4);
	r->pad_left = packed_draw(2);
	r->columns = packed_draw(10) == 0
			     ? 1100
			     : r->nprefix + r->nsuffix + 1 + packed_draw(MAX_WIDE); // 1100: without patterns
	r->offset = m->packed_bytes;
	r->bytes = packed_up64(m->batch_size * 4) +
		   (r->columns - r->nprefix - r->nsuffix) * m->batch_size * r->width / 8 / (1 + packed_draw(2));
	m->packed_bytes += packed_up64(r->bytes);
	for (size_t i = 0; i < (m->types ? 3u : 2u); i++) {
		r->array_at[i] = m->slot_bytes;
		m->slot_bytes += packed_up64(m->batch_size * r->columns * (m->int32 ? 4 : 8));
	}
}

struct made packed_draw_stream(size_t nroles)
{
	struct made m = {.nroles = nroles,
			 .batch_size = 1 + packed_draw(MAX_BATCH),
			 .int32 = packed_draw(2),
			 .types = packed_draw(2)};
	for (size_t i = 0; i < nroles; i++)
		draw_role(&m, &m.roles[i]);
	for (size_t i = 0; i < REST; i++) {
		size_t bytes = m.batch_size * packed_rest_columns[i] * packed_rest_item[i];
		m.rest_at[i] = m.slot_bytes;
		m.rest_packed_at[i] = m.packed_bytes;
		m.slot_bytes += packed_up64(bytes);
		m.packed_bytes += packed_up64(bytes);
	}
	m.ring_bytes = SLOTS * m.packed_bytes;
	for (size_t i = 0; i < nroles; i++) {
		m.roles[i].table_at = m.ring_bytes;
		m.ring_bytes += packed_up64(m.roles[i].ncodes * 4);
	}
	return m;
}

// ---- its opening ----

static void put_lie(struct hs_wbuf *w)
{
	switch (lying.what) {
	case STRING:
		hs_w_cstr(w, "16");
		break;
	case MAP:
		hs_w_map(w, 0);
		break;
	case LIST:
		hs_w_array(w, 0);
		break;
	case MINUS:
		hs_w_int(w, -1);
		break;
	case NIL:
		hs_w_nil(w);
		break;
	default:
		hs_w_uint(w, lying.what == ONE     ? 1
			     : lying.what == ODD   ? 68
			     : lying.what == LARGE ? 1u << 20
			     : lying.what == HUGE  ? 1ULL << 63
						   : UINT64_MAX);
	}
}

// Adds a value to its container, or a lie instead; key NULL: in an array.
static void node(struct hs_wbuf *w, const char *key, struct hs_wbuf value)
{
	bool lie = lying.what != TRUE_VALUE && lying.n++ == lying.at;
	lying.lied |= lie;
	lying.packed |= lie && lying.in_packed;
	if (key)
		hs_w_cstr(w, lie && lying.what == GONE ? "gone" : key);
	if (lie && lying.what != GONE)
		put_lie(w);
	else
		hs_w_raw(w, value.data, value.len);
	hs_w_fini(&value);
}

static void node_uint(struct hs_wbuf *w, const char *key, uint64_t n)
{
	struct hs_wbuf value = {0};
	hs_w_uint(&value, n);
	node(w, key, value);
}

static void node_str(struct hs_wbuf *w, const char *key, const char *text)
{
	struct hs_wbuf value = {0};
	hs_w_cstr(&value, text);
	node(w, key, value);
}

static void node_special(struct hs_wbuf *w, const char *key, const int64_t special[2])
{
	struct hs_wbuf value = {0};
	hs_w_array(&value, 2);
	node_uint(&value, NULL, (uint64_t)special[0]);
	node_uint(&value, NULL, (uint64_t)special[1]);
	node(w, key, value);
}

static void node_specials(struct hs_wbuf *w, const char *key, const int64_t (*specials)[2], size_t n)
{
	struct hs_wbuf value = {0};
	hs_w_array(&value, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		node_special(&value, NULL, specials[i]);
	node(w, key, value);
}

static void node_role(struct hs_wbuf *w, const struct made_role *r)
{
	struct hs_wbuf value = {0}, table = {0}, left = {0};
	hs_w_map(&value, 9);
	node_uint(&value, "offset", r->offset);
	node_uint(&value, "bytes", r->bytes);
	node_uint(&value, "width", r->width);
	if (r->ncodes) {
		hs_w_array(&table, 2);
		node_uint(&table, NULL, r->table_at);
		node_uint(&table, NULL, r->ncodes);
	} else {
		hs_w_nil(&table);
	}
	node(&value, "table", table);
	node_specials(&value, "prefix", r->prefix, r->nprefix);
	node_specials(&value, "suffix", r->suffix, r->nsuffix);
	node_special(&value, "pad", r->pad);
	node_uint(&value, "text_type", (uint64_t)r->text_type);
	hs_w_bool(&left, r->pad_left);
	node(&value, "pad_left", left);
	node(w, NULL, value);
}

static void node_packed(struct hs_wbuf *w, const struct made *m)
{
	struct hs_wbuf value = {0}, roles = {0}, offsets = {0};
	lying.in_packed = true;
	hs_w_map(&value, 3);
	node_uint(&value, "slot_bytes", m->packed_bytes);
	hs_w_array(&roles, (uint32_t)m->nroles);
	for (size_t i = 0; i < m->nroles; i++)
		node_role(&roles, &m->roles[i]);
	node(&value, "roles", roles);
	hs_w_array(&offsets, REST);
	for (size_t i = 0; i < REST; i++)
		node_uint(&offsets, NULL, m->rest_packed_at[i]);
	node(&value, "offsets", offsets);
	node(w, "packed", value);
	lying.in_packed = false;
}

struct array {
	const char *name, *dtype;
	unsigned dims;
	size_t columns, offset, bytes;
	long role; // -1: none
};

static void node_array(struct hs_wbuf *w, const struct array *a)
{
	struct hs_wbuf value = {0};
	hs_w_map(&value, a->role < 0 ? 6 : 7);
	node_str(&value, "name", a->name);
	node_str(&value, "dtype", a->dtype);
	node_uint(&value, "dims", a->dims);
	node_uint(&value, "columns", a->columns);
	node_uint(&value, "offset", a->offset);
	node_uint(&value, "bytes", a->bytes);
	if (a->role >= 0)
		node_uint(&value, "role", (uint64_t)a->role);
	node(w, NULL, value);
}

static void node_arrays(struct hs_wbuf *w, const struct made *m)
{
	static const char *const names[3] = {"input_ids", "attention_mask", "token_type_ids"};
	struct hs_wbuf value = {0};
	hs_w_array(&value, (uint32_t)(m->nroles * (m->types ? 3 : 2) + REST));
	for (size_t i = 0; i < m->nroles; i++)
		for (size_t k = 0; k < (m->types ? 3u : 2u); k++)
			node_array(&value,
				   &(struct array){names[k], m->int32 ? "int32" : "int64", 2, m->roles[i].columns,
						   m->roles[i].array_at[k],
						   m->batch_size * m->roles[i].columns * (m->int32 ? 4 : 8), (long)i});
	node_array(&value,
		   &(struct array){"labels", "float32", 2, LABELS, m->rest_at[0], m->batch_size * LABELS * 4, -1});
	node_array(&value, &(struct array){"index", "int64", 1, 1, m->rest_at[1], m->batch_size * 8, -1});
	node(w, "arrays", value);
}

struct hs_wbuf packed_opening_of(const struct made *m)
{
	struct hs_wbuf w = {0}, encodings = {0};
	lying.n = 0;
	lying.lied = lying.packed = false;
	hs_w_map(&w, 6);
	node_str(&w, "transport", "ring");
	node_uint(&w, "batch_size", m->batch_size);
	node_uint(&w, "slot_bytes", m->slot_bytes);
	hs_w_array(&encodings, (uint32_t)m->nroles);
	for (size_t i = 0; i < m->nroles; i++)
		node_uint(&encodings, NULL, i);
	node(&w, "encodings", encodings);
	node_arrays(&w, m);
	node_packed(&w, m);
	assert_false(w.failed);
	return w;
}

// ---- memory that ends before a page which cannot be touched ----

struct memory packed_memory_of(size_t bytes)
{
	struct memory m = {.bytes = bytes, .mapped = bytes / PAGE * PAGE + 2 * PAGE};
	m.all = mmap(NULL, m.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(m.all != MAP_FAILED);
	assert_int_equal(mprotect(m.all + m.mapped - PAGE, PAGE, PROT_NONE), 0);
	m.at = m.all + m.mapped - PAGE - bytes;
	m.at -= (uintptr_t)m.at % PAGE == 0 ? 64 : 0; // hs_packed_free shall not unmap it
	return m;
}

void packed_memory_free(struct memory *m)
{
	munmap(m->all, m->mapped);
}

// ---- a stream of it ----

void packed_opened_free(struct opened *o)
{
	if (o->s) {
		hs_packed_free(o->s->packed); // cannot unmap what is not at a page's start: memory_free does
		hs_layout_fini(&o->s->layout);
	}
	if (o->own.all)
		packed_memory_free(&o->own);
	free(o->s);
	*o = (struct opened){0};
}

// What stream.c and ring.c do with an opening; false where they would refuse it.
static bool open_stream(const hsfeed_value *info, const struct memory *ring, struct opened *o)
{
	struct hsfeed_stream *s = o->s = calloc(1, sizeof(*s));
	s->nslots = SLOTS;
	if (hs_layout_read(info, &s->layout, NULL) < 0 || !hs_stream_is_ring(info) ||
	    hs_packed_create(info, &s->layout, SLOTS, &s->packed) != NULL)
		return false;
	for (size_t i = 0; i < s->layout.narrays; i++)
		s->names_bytes += strlen(s->layout.arrays[i].name) + 1;
	if (!s->packed || s->layout.slot_bytes == 0 || hs_packed_ring_bytes(s->packed, SLOTS) > ring->bytes)
		return false;
	assert_true(hs_packed_ring_bytes(s->packed, SLOTS) > 0);
	assert_int_equal(hs_packed_map(s->packed, ring->at, ring->bytes), 0);
	o->own = packed_memory_of(SLOTS * s->layout.slot_bytes);
	s->ring = o->own.at;
	return true;
}

bool packed_open_bytes(const struct hs_wbuf *w, const struct memory *ring, struct opened *o)
{
	static const struct hs_wire_limits limits = {HS_WIRE_MAX_DEPTH, HS_WIRE_MAX_ITEMS};
	hsfeed_value *info;
	size_t offset;
	if (hs_wire_check(w->data, w->len, &limits, &offset))
		return false;
	assert_int_equal(hs_value_decode(w->data, w->len, &info), 0);
	bool ok = open_stream(info, ring, o);
	hsfeed_value_free(info);
	return ok;
}

const char *packed_take(struct opened *o, uint64_t slot, uint64_t rows, const uint64_t lengths[ROLES],
			struct hs_slot **ret)
{
	struct hs_arrival a = {.slot = slot, .fill = 1, .batch = 7, .at = 70, .rows = rows};
	for (size_t i = 0; i < ROLES; i++)
		a.lengths[i] = lengths[i];
	hs_packed_arrive(o->s->packed, &a);
	return hs_packed_take(o->s, (uint32_t)slot, ret);
}

// ---- batches, and the plain reference ----

// Codes at and beyond a table's end among them: they stand for id 0.
static uint32_t draw_code(const struct made_role *r)
{
	if (r->width == 32)
		return packed_draw(1u << 30);
	return packed_draw(3) ? packed_draw(r->ncodes ? (uint32_t)r->ncodes : HS_ROWS_CODES)
			      : packed_draw(HS_ROWS_CODES);
}

static void draw_rows(const struct made *m, size_t i, struct batch *b)
{
	const struct made_role *r = &m->roles[i];
	size_t specials = r->nprefix + r->nsuffix, longest = 0, sum = 0;
	size_t left = (r->bytes - packed_up64(m->batch_size * 4)) / (r->width / 8);
	for (size_t k = 0; k < b->rows; k++) {
		size_t most = r->columns - specials < left ? r->columns - specials : left;
		b->n[i][k] = packed_draw((uint32_t)most + 1);
		left -= b->n[i][k];
		sum += b->n[i][k];
		longest = b->n[i][k] > longest ? b->n[i][k] : longest;
	}
	b->lengths[i] = specials + longest + packed_draw((uint32_t)(r->columns - specials - longest) + 1);
	b->codes[i] = calloc(sum + 1, sizeof(uint32_t));
	for (size_t k = 0; k < sum; k++)
		b->codes[i][k] = draw_code(r);
}

struct batch packed_draw_batch(const struct made *m)
{
	struct batch b = {.rows = 1 + packed_draw((uint32_t)m->batch_size)};
	for (size_t i = 0; i < m->nroles; i++)
		draw_rows(m, i, &b);
	for (size_t i = 0; i < REST; i++)
		for (size_t k = 0; k < sizeof(b.rest[i]); k++)
			b.rest[i][k] = (uint8_t)packed_draw(256);
	return b;
}

void packed_batch_free(struct batch *b)
{
	for (size_t i = 0; i < ROLES; i++)
		free(b->codes[i]);
}

void packed_put_batch(const struct made *m, const struct batch *b, uint8_t *slot)
{
	for (size_t i = 0; i < m->nroles; i++) {
		const struct made_role *r = &m->roles[i];
		uint8_t *to = slot + r->offset + packed_up64(m->batch_size * 4);
		const uint32_t *code = b->codes[i];
		memcpy(slot + r->offset, b->n[i], b->rows * 4);
		for (size_t k = 0; k < b->rows; k++)
			for (size_t t = 0; t < b->n[i][k]; t++, to += r->width / 8, code++)
				memcpy(to, code, r->width / 8); // little-endian
		assert_true(to <= slot + r->offset + r->bytes);
	}
	for (size_t i = 0; i < REST; i++)
		memcpy(slot + m->rest_packed_at[i], b->rest[i], b->rows * packed_rest_columns[i] * packed_rest_item[i]);
}

uint32_t packed_table_id(size_t role, size_t code)
{
	return (uint32_t)(code * 77 + role * 1000003 + 5) % 200000;
}

void packed_put_tables(const struct made *m, uint8_t *ring)
{
	for (size_t i = 0; i < m->nroles; i++)
		for (size_t code = 0; code < m->roles[i].ncodes; code++)
			memcpy(ring + m->roles[i].table_at + 4 * code, &(uint32_t){packed_table_id(i, code)}, 4);
}
