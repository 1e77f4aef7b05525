// SPDX-License-Identifier: Apache-2.0
// Is a published version whole? Reads every row of it and of its encodings, and compares them with the fixture's.
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include <stdlib.h>
#include <string.h>

#include "store_fixture.h"

static inline bool check_texts(const struct hs_file *f, unsigned seed)
{
	struct hs_version *v;
	struct hs_buf scratch = {0};
	if (hs_version_open(f, &v, NULL) < 0)
		return false;
	bool same = true;
	for (size_t i = 0; same && i < v->nrows; i++) {
		char want[256];
		struct hs_span text = {NULL, 0}, wanted = {want, fx_text(seed, i, want)};
		same = hs_version_text(v, i, &scratch, &text) == 0 && hs_span_eq(text, wanted);
	}
	hs_buf_fini(&scratch);
	hs_version_close(v);
	return same;
}

static inline bool check_encoding(const struct hs_file *f)
{
	struct hs_encoding *e;
	if (hs_encoding_open(f, &e, NULL) < 0)
		return false;
	hs_encoding_close(e);
	return true;
}

static inline bool check_array(const struct hs_file *f, unsigned seed)
{
	struct hs_attached *a;
	if (hs_attached_open(f, &a, NULL) < 0)
		return false;
	bool same = hs_attached_check(a, NULL) == 0;
	for (size_t i = 0; same && i < a->nrows; i++) {
		float want[FX_COLUMNS];
		for (size_t k = 0; k < FX_COLUMNS; k++)
			want[k] = fx_value(seed, i, k);
		same = memcmp(hs_attached_row(a, i), want, sizeof(want)) == 0;
	}
	hs_attached_close(a);
	return same;
}

static inline bool check_file(struct hs_store *store, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id,
			      unsigned seed)
{
	struct hs_file *f;
	if (hs_store_acquire(store, owner, kind, id, &f, NULL) < 0)
		return false;
	bool whole = kind == HS_FILE_VERSION ? check_texts(f, seed)
		     : kind == HS_FILE_ARRAY ? check_array(f, seed)
					     : check_encoding(f);
	hs_store_release(store, f);
	return whole;
}

static inline bool check_version_is(struct hs_store *store, uint32_t owner, const char *spec, unsigned seed,
				    size_t nroles)
{
	struct hs_version_entry e;
	struct hs_id id = fx_id(seed);
	if (hs_store_find(store, owner, owner, spec, &e, NULL) < 0)
		return false;
	bool is =
		hs_id_eq(&e.version, &id) && e.nroles == nroles && check_file(store, owner, HS_FILE_VERSION, &id, seed);
	for (size_t i = 0; is && i < nroles; i++)
		is = check_file(store, owner, HS_FILE_ENCODING, &e.roles[i].encoding, 0);
	hs_version_entry_fini(&e);
	return is;
}

#endif
