// SPDX-License-Identifier: Apache-2.0
#include "packed.h"

#include <string.h>

static size_t nroles_of(const struct hs_stream *stream)
{
	return hs_feed_source_nroles(hs_stream_get_source(stream));
}

static size_t table_bytes(const struct hs_stream *stream, size_t role)
{
	return (hs_stream_table_codes(stream, role) * sizeof(uint32_t) + 63) / 64 * 64;
}

size_t hs_packed_table_bytes(const struct hs_stream *stream)
{
	size_t bytes = 0;
	for (size_t role = 0; hs_stream_get_spec(stream)->packed && role < nroles_of(stream); role++)
		bytes += table_bytes(stream, role);
	return bytes;
}

void hs_packed_tables_put(const struct hs_stream *stream, uint8_t *to)
{
	for (size_t role = 0; hs_stream_get_spec(stream)->packed && role < nroles_of(stream); role++) {
		size_t ncodes = hs_stream_table_codes(stream, role);
		if (ncodes == 0)
			continue;
		memcpy(to, hs_stream_get_rows(stream, role)->table, ncodes * sizeof(uint32_t));
		to += table_bytes(stream, role);
	}
}

static void write_special(struct hs_wbuf *w, const struct hs_special *special)
{
	hs_w_array(w, 2);
	hs_w_int(w, special->id);
	hs_w_int(w, special->type);
}

static void write_specials(struct hs_wbuf *w, const char *key, const struct hs_special *specials, size_t n)
{
	hs_w_cstr(w, key);
	hs_w_array(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		write_special(w, &specials[i]);
}

static void write_table(struct hs_wbuf *w, uint64_t offset, size_t ncodes)
{
	hs_w_cstr(w, "table");
	if (ncodes == 0) {
		hs_w_nil(w);
		return;
	}
	hs_w_array(w, 2);
	hs_w_uint(w, offset);
	hs_w_uint(w, ncodes);
}

static void write_role(struct hs_wbuf *w, const struct hs_stream *stream, size_t role, uint64_t table_at)
{
	const struct hs_array *array = &hs_stream_get_slots(stream)->arrays[role];
	const struct hs_rows *rows = hs_stream_get_rows(stream, role);
	hs_w_map(w, 9);
	hs_w_cstr(w, "offset");
	hs_w_uint(w, array->offset);
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, array->bytes);
	hs_w_cstr(w, "width");
	hs_w_uint(w, rows->width);
	write_table(w, table_at, hs_stream_table_codes(stream, role));
	write_specials(w, "prefix", rows->prefix, rows->nprefix);
	write_specials(w, "suffix", rows->suffix, rows->nsuffix);
	hs_w_cstr(w, "pad");
	write_special(w, &rows->pad);
	hs_w_cstr(w, "text_type");
	hs_w_int(w, rows->text_type);
	hs_w_cstr(w, "pad_left");
	hs_w_bool(w, rows->pad_left);
}

void hs_packed_write(struct hs_wbuf *w, const struct hs_stream *stream, unsigned nslots)
{
	const struct hs_layout *slots = hs_stream_get_slots(stream);
	size_t nroles = nroles_of(stream);
	uint64_t table_at = nslots * (uint64_t)slots->slot_bytes;
	hs_w_cstr(w, "packed");
	hs_w_map(w, 3);
	hs_w_cstr(w, "slot_bytes");
	hs_w_uint(w, slots->slot_bytes);
	hs_w_cstr(w, "roles");
	hs_w_array(w, (uint32_t)nroles);
	for (size_t role = 0; role < nroles; role++) {
		write_role(w, stream, role, table_at);
		table_at += table_bytes(stream, role);
	}
	hs_w_cstr(w, "offsets");
	hs_w_array(w, (uint32_t)(slots->narrays - nroles));
	for (size_t i = nroles; i < slots->narrays; i++)
		hs_w_uint(w, slots->arrays[i].offset);
}
