// SPDX-License-Identifier: Apache-2.0
// Packed slots without a daemon: openings and slots of our own, compared with a plain reference; openings that lie, and
// random damage. The ring ends before a page that cannot be read, and what of it no batch may touch is poisoned where
// AddressSanitizer is there to notice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packed_fixture.h"
#include "rows/rows.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(at, n)   __asan_poison_memory_region((at), (n))
#define UNPOISON(at, n) __asan_unpoison_memory_region((at), (n))
#else
#define POISON(at, n)   ((void)(at), (void)(n))
#define UNPOISON(at, n) ((void)(at), (void)(n))
#endif

static int64_t item_of(const struct made *m, const struct hsfeed_array *a, size_t i)
{
	return m->int32 ? ((const int32_t *)a->data)[i] : ((const int64_t *)a->data)[i];
}

static void expect_row(const struct made *m, size_t role, const uint32_t *codes, size_t n, size_t length,
		       int64_t (*ret)[3]) // id, mask, type of each item
{
	const struct made_role *r = &m->roles[role];
	size_t used = r->nprefix + n + r->nsuffix, at = r->pad_left ? length - used : 0;
	for (size_t i = 0; i < length; i++)
		memcpy(ret[i], (int64_t[3]){r->pad[0], 0, r->pad[1]}, sizeof(ret[i]));
	for (size_t i = 0; i < used; i++, at++) {
		const int64_t *special = i < r->nprefix        ? r->prefix[i]
					 : i >= r->nprefix + n ? r->suffix[i - r->nprefix - n]
							       : NULL;
		uint32_t code = special ? 0 : codes[i - r->nprefix];
		int64_t id = r->ncodes == 0 ? code : code < r->ncodes ? packed_table_id(role, code) : 0;
		memcpy(ret[at], (int64_t[3]){special ? special[0] : id, 1, special ? special[1] : r->text_type},
		       sizeof(ret[at]));
	}
}

static void check_role(const struct made *m, size_t role, const struct batch *b, const struct hs_slot *out)
{
	static int64_t want[1200][3];
	size_t each = m->types ? 3 : 2, length = b->lengths[role];
	const uint32_t *codes = b->codes[role];
	for (size_t k = 0; k < each; k++) {
		const struct hsfeed_array *a = &out->arrays[role * each + k];
		assert_int_equal(a->shape[0], b->rows);
		assert_int_equal(a->shape[1], length);
		assert_int_equal((uintptr_t)a->data % 64, 0);
	}
	for (size_t row = 0; row < b->rows; row++) {
		expect_row(m, role, codes, b->n[role][row], length, want);
		for (size_t i = 0; i < length; i++)
			for (size_t k = 0; k < each; k++)
				assert_int_equal(item_of(m, &out->arrays[role * each + k], row * length + i),
						 want[i][k]);
		codes += b->n[role][row];
	}
}

static void check_batch(const struct made *m, const struct batch *b, const struct hs_slot *out)
{
	size_t each = m->types ? 3 : 2;
	assert_int_equal(out->batch.rows, b->rows);
	assert_int_equal(out->batch.batch, 7);
	assert_int_equal(out->batch.at, 70);
	for (size_t i = 0; i < m->nroles; i++)
		check_role(m, i, b, out);
	for (size_t i = 0; i < REST; i++) {
		const struct hsfeed_array *a = &out->arrays[m->nroles * each + i];
		assert_int_equal(a->bytes, b->rows * packed_rest_columns[i] * packed_rest_item[i]);
		assert_memory_equal(a->data, b->rest[i], a->bytes);
	}
}

// Leaves readable of the ring what a batch in that slot may be read from.
static void fence(const struct made *m, const struct memory *ring, size_t slot)
{
	uint8_t *base = ring->at + slot * m->packed_bytes;
	POISON(ring->at, ring->bytes);
	for (size_t i = 0; i < m->nroles; i++)
		UNPOISON(base + m->roles[i].offset, m->roles[i].bytes);
	for (size_t i = 0; i < REST; i++)
		UNPOISON(base + m->rest_packed_at[i], m->batch_size * packed_rest_columns[i] * packed_rest_item[i]);
}

static void stream_some(const struct made *m)
{
	struct memory ring = packed_memory_of(m->ring_bytes);
	struct hs_wbuf w = packed_opening_of(m);
	struct opened o = {0};
	packed_put_tables(m, ring.at);
	assert_true(packed_open_bytes(&w, &ring, &o));
	assert_true(hs_packed_ring_bytes(o.s->packed, SLOTS) <= m->ring_bytes);
	assert_true(hs_packed_ring_bytes(o.s->packed, SLOTS) + 64 > m->ring_bytes);
	for (size_t i = 0; i < 4; i++) {
		struct batch b = packed_draw_batch(m);
		struct hs_slot *out;
		size_t slot = packed_draw(SLOTS);
		memset(ring.at + slot * m->packed_bytes, 0xEE, m->packed_bytes);
		memset(o.own.at, 0xEE, o.own.bytes);
		packed_put_batch(m, &b, ring.at + slot * m->packed_bytes);
		fence(m, &ring, slot);
		assert_null(packed_take(&o, slot, b.rows, b.lengths, &out));
		UNPOISON(ring.at, ring.bytes);
		check_batch(m, &b, out);
		hs_packed_release(o.s->packed, out);
		packed_batch_free(&b);
	}
	packed_opened_free(&o);
	hs_w_fini(&w);
	packed_memory_free(&ring);
}

static void every_batch_is_written_out_as_the_reference_has_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		struct made m = packed_draw_stream(1 + i % ROLES);
		stream_some(&m);
	}
}

static void as_many_batches_as_slots_are_held_and_the_one_released_last_is_used_next(void **state)
{
	(void)state;
	struct made m = packed_draw_stream(2);
	struct memory ring = packed_memory_of(m.ring_bytes);
	struct hs_wbuf w = packed_opening_of(&m);
	struct opened o = {0};
	struct hs_slot *out[SLOTS], *again;
	struct batch b[SLOTS];
	packed_put_tables(&m, ring.at);
	assert_true(packed_open_bytes(&w, &ring, &o));
	for (size_t i = 0; i < SLOTS; i++) { // all through one slot of the ring
		b[i] = packed_draw_batch(&m);
		packed_put_batch(&m, &b[i], ring.at);
		assert_true(hs_packed_has_room(o.s->packed));
		assert_null(packed_take(&o, 0, b[i].rows, b[i].lengths, &out[i]));
		assert_int_equal(out[i]->slot, i);
	}
	assert_false(hs_packed_has_room(o.s->packed));
	for (size_t i = 0; i < SLOTS; i++)
		check_batch(&m, &b[i], out[i]);
	hs_packed_release(o.s->packed, out[2]);
	hs_packed_release(o.s->packed, out[0]);
	packed_put_batch(&m, &b[1], ring.at + m.packed_bytes);
	assert_null(packed_take(&o, 1, b[1].rows, b[1].lengths, &again));
	assert_ptr_equal(again, out[0]);
	check_batch(&m, &b[1], again);
	check_batch(&m, &b[1], out[1]);
	for (size_t i = 0; i < SLOTS; i++)
		packed_batch_free(&b[i]);
	packed_opened_free(&o);
	hs_w_fini(&w);
	packed_memory_free(&ring);
}

// ---- lies ----

static void counts_beyond_the_length_or_the_part_are_refused_and_the_next_batch_is_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct made m = packed_draw_stream(1 + i % ROLES);
		struct memory ring = packed_memory_of(m.ring_bytes);
		struct hs_wbuf w = packed_opening_of(&m);
		struct opened o = {0};
		struct batch b = packed_draw_batch(&m);
		struct hs_slot *out;
		packed_put_tables(&m, ring.at);
		assert_true(packed_open_bytes(&w, &ring, &o));
		packed_put_batch(&m, &b, ring.at);
		size_t role = packed_draw((uint32_t)m.nroles), row = packed_draw((uint32_t)b.rows);
		const struct made_role *r = &m.roles[role];
		size_t left = (r->bytes - packed_up64(m.batch_size * 4)) / (r->width / 8);
		size_t most = b.lengths[role] - r->nprefix - r->nsuffix;
		for (size_t k = 0; k < row; k++)
			left -= b.n[role][k];
		const uint32_t lies[] = {(uint32_t)(most < left ? most : left) + 1, (uint32_t)left + 1, UINT32_MAX,
					 UINT32_MAX - 7, 1u << 31};
		fence(&m, &ring, 0);
		for (size_t k = 0; k < sizeof(lies) / sizeof(lies[0]); k++) {
			memcpy(ring.at + r->offset + 4 * row, &lies[k], 4);
			assert_string_equal(packed_take(&o, 0, b.rows, b.lengths, &out),
					    "its rows do not fit the stream");
			assert_true(hs_packed_has_room(o.s->packed));
		}
		memcpy(ring.at + r->offset, b.n[role], 4 * b.rows);
		assert_null(packed_take(&o, 0, b.rows, b.lengths, &out));
		check_batch(&m, &b, out);
		packed_batch_free(&b);
		packed_opened_free(&o);
		hs_w_fini(&w);
		UNPOISON(ring.at, ring.bytes);
		packed_memory_free(&ring);
	}
}

// A batch of anything, of an opening that was believed: refused, or within its memory.
static bool take_anything(struct opened *o)
{
	const struct hs_layout *layout = &o->s->layout;
	struct hs_slot *out;
	uint64_t lengths[ROLES] = {0};
	size_t wide = 0;
	for (size_t i = 0; i < layout->narrays; i++)
		if (layout->arrays[i].role >= 0 && layout->arrays[i].role < ROLES) {
			size_t columns = layout->arrays[i].columns;
			lengths[layout->arrays[i].role] = packed_draw(3) ? columns : packed_draw((uint32_t)columns + 2);
			wide = columns > wide ? columns : wide;
		}
	if (layout->nroles > ROLES || wide > 1u << 16) // it would be correct, and take long
		return false;
	if (packed_take(o, packed_draw(SLOTS),
			1 + packed_draw(layout->batch_size > 64 ? 64 : (uint32_t)layout->batch_size), lengths, &out))
		return false;
	static volatile unsigned char sum; // every byte is read
	for (size_t i = 0; i < layout->narrays; i++) {
		const struct hsfeed_array *a = &out->arrays[i];
		assert_true((const uint8_t *)a->data >= o->own.at);
		assert_true((const uint8_t *)a->data + a->bytes <= o->own.at + o->own.bytes);
		for (size_t k = 0; k < a->bytes; k++)
			sum ^= ((const unsigned char *)a->data)[k];
	}
	(void)sum;
	hs_packed_release(o->s->packed, out);
	return true;
}

static void an_opening_that_lies_is_refused_or_gives_batches_within_its_memory(void **state)
{
	(void)state;
	unsigned refused = 0, believed = 0;
	struct made m;
	do
		m = packed_draw_stream(2);
	while (!m.types || m.roles[0].columns > 100 || m.roles[1].columns > 100 || !m.roles[0].ncodes ||
	       m.roles[1].ncodes || !m.roles[0].nprefix || !m.roles[1].nsuffix);
	struct memory ring = packed_memory_of(m.ring_bytes);
	for (lying.what = GONE; lying.what < NLIES; lying.what++) {
		lying.lied = true;
		for (lying.at = 0; lying.lied; lying.at++) {
			struct hs_wbuf w = packed_opening_of(&m);
			struct opened o = {0};
			struct batch b = packed_draw_batch(&m);
			packed_put_tables(&m, ring.at);
			packed_put_batch(&m, &b, ring.at);
			bool ok = packed_open_bytes(&w, &ring, &o);
			if (lying.packed && lying.what == STRING)
				assert_false(ok); // nothing there is a text
			refused += !ok;
			believed += ok;
			for (unsigned i = 0; ok && i < 3; i++)
				take_anything(&o);
			packed_batch_free(&b);
			packed_opened_free(&o);
			hs_w_fini(&w);
		}
	}
	packed_memory_free(&ring);
	lying.what = TRUE_VALUE;
	assert_true(refused > 500 && believed > 50);
}

// Each as it should be but for one thing.
static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	for (unsigned lie = 0; lie <= 12; lie++) {
		struct made m;
		do
			m = packed_draw_stream(2);
		while (!m.roles[0].ncodes || m.roles[1].ncodes || m.packed_bytes == m.slot_bytes);
		struct made_role *r = &m.roles[0];
		struct memory ring = packed_memory_of(m.ring_bytes);
		const struct {
			size_t *what, value;
		} lies[] = {
			{&r->ncodes, r->ncodes},
			{&r->table_at, packed_up64(m.ring_bytes)}, // ends outside
			{&r->table_at, ((size_t)1 << 63) - 64},
			{&r->table_at, r->table_at + 4},
			{&r->ncodes, HS_ROWS_CODES + 1},
			{&r->bytes, packed_up64(m.batch_size * 4) - 1},
			{&r->bytes, m.packed_bytes - r->offset + 1},
			{&r->offset, r->offset + 32},
			{&r->offset, m.packed_bytes + 64},
			{&m.rest_packed_at[0], m.packed_bytes},
			{&m.rest_packed_at[1], m.rest_packed_at[1] + 8},
			{&m.packed_bytes, m.packed_bytes - 64},                 // less than its last part needs
			{&m.packed_bytes, m.ring_bytes / SLOTS / 64 * 64 + 64}, // more than the ring has
		};
		struct opened o = {0};
		packed_put_tables(&m, ring.at);
		*lies[lie].what = lies[lie].value;
		struct hs_wbuf w = packed_opening_of(&m);
		if (packed_open_bytes(&w, &ring, &o) != (lie == 0))
			fail_msg("lie %u", lie);
		packed_opened_free(&o);
		hs_w_fini(&w);
		packed_memory_free(&ring);
	}
}

static void arrays_of_a_role_must_follow_one_another_alike(void **state)
{
	(void)state;
	for (unsigned lie = 0; lie < 6; lie++) {
		struct made m = packed_draw_stream(2);
		struct memory ring = packed_memory_of(m.ring_bytes);
		struct hs_wbuf w = packed_opening_of(&m);
		struct hs_layout layout;
		struct hs_packed *packed = NULL;
		hsfeed_value *info;
		assert_int_equal(hs_value_decode(w.data, w.len, &info), 0);
		assert_int_equal(hs_layout_read(info, &layout, NULL), 0);
		size_t each = m.types ? 3 : 2;
		struct hs_array_spec *a = layout.arrays;
		if (lie == 1) // one of the second role's among the first one's
			a[1].role = 1;
		else if (lie == 2)
			a[each].role = 0, a[0].role = 1;
		else if (lie == 3)
			a[1].dtype = m.int32 ? HSFEED_INT64 : HSFEED_INT32;
		else if (lie == 4)
			a[each - 1].columns++;
		else if (lie == 5) // only the ids
			for (size_t i = 1; i < each; i++)
				a[i].role = -1;
		const char *wrong = hs_packed_create(info, &layout, SLOTS, &packed);
		assert_true(!wrong == (lie == 0) && !packed == (lie != 0));
		hs_packed_free(packed);
		hs_layout_fini(&layout);
		hsfeed_value_free(info);
		hs_w_fini(&w);
		packed_memory_free(&ring);
	}
}

// ---- damage ----

static void damage(uint8_t *bytes, size_t n)
{
	for (uint32_t i = 1 + packed_draw(3); i > 0; i--)
		bytes[packed_draw((uint32_t)n)] = packed_draw(3) ? (uint8_t)packed_draw(256)
								 : (uint8_t[]){0, 1, 0x7f, 0xc0, 0xff}[packed_draw(5)];
}

static void damaged_openings_and_slots_are_refused_or_give_batches_within_their_memory(void **state)
{
	(void)state;
	unsigned opened = 0, taken = 0, refused = 0;
	for (unsigned i = 0; i < 400; i++) {
		struct made m = packed_draw_stream(1 + i % 2);
		struct memory ring = packed_memory_of(m.ring_bytes);
		struct hs_wbuf w = packed_opening_of(&m);
		uint8_t *whole = malloc(w.len);
		memcpy(whole, w.data, w.len);
		for (unsigned k = 0; k < 50; k++) {
			struct batch b = packed_draw_batch(&m);
			struct opened o = {0};
			packed_put_tables(&m, ring.at);
			for (size_t slot = 0; slot < SLOTS; slot++) {
				packed_put_batch(&m, &b, ring.at + slot * m.packed_bytes);
				damage(ring.at + slot * m.packed_bytes,
				       packed_draw(2) ? m.batch_size * 4 : m.packed_bytes);
			}
			memcpy(w.data, whole, w.len);
			if (k % 4)
				damage(w.data, w.len);
			bool ok = packed_open_bytes(&w, &ring, &o);
			opened += ok;
			for (unsigned j = 0; ok && j < 3; j++)
				*(take_anything(&o) ? &taken : &refused) += 1;
			packed_batch_free(&b);
			packed_opened_free(&o);
		}
		free(whole);
		hs_w_fini(&w);
		packed_memory_free(&ring);
	}
	assert_true(opened > 5000 && taken > 2000 && refused > 2000); // or nothing was reached
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_batch_is_written_out_as_the_reference_has_it),
		cmocka_unit_test(as_many_batches_as_slots_are_held_and_the_one_released_last_is_used_next),
		cmocka_unit_test(counts_beyond_the_length_or_the_part_are_refused_and_the_next_batch_is_right),
		cmocka_unit_test(an_opening_that_lies_is_refused_or_gives_batches_within_its_memory),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(arrays_of_a_role_must_follow_one_another_alike),
		cmocka_unit_test(damaged_openings_and_slots_are_refused_or_give_batches_within_their_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
