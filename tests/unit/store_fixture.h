// SPDX-License-Identifier: Apache-2.0
// Files of the store for tests: small, deterministic, told apart by a seed.
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <stdint.h>

#include "store/attached.h"
#include "store/store.h"
#include "store/version.h"
#include "wire/wire.h"

struct fx_dir {
	char path[64];
};
void fx_dir_make(struct fx_dir *dir);                                      // a fresh folder under $TMPDIR or /tmp
void fx_dir_remove(struct fx_dir *dir);                                    // with all in it
char *fx_path(const char *fmt, ...) __attribute__((format(printf, 1, 2))); // heap

struct hs_id fx_id(unsigned seed);
uint32_t fx_random(uint32_t *state);

struct fx_spec {
	unsigned seed;         // of the id and of the contents
	unsigned version_seed; // encodings: of the version
	uint32_t owner;
	const char *name, *role; // role: of an array its name
	size_t nrows;
	int64_t created_ms;
	uint32_t vocab; // 0: FX_VOCAB
};

// Texts and ids of a row, from the seed alone.
size_t fx_text(unsigned seed, size_t row, char ret_text[256]);
size_t fx_ids(unsigned seed, size_t row, uint32_t ret_ids[64]);
#define FX_VOCAB 1000u

// A number of an array of FX_COLUMNS columns; row 1 has a NaN.
float fx_value(unsigned seed, size_t row, size_t column);
#define FX_COLUMNS 3u

// Each writes a whole file at path. 0 or the store's error; never fail a test themselves.
int fx_write_version(const char *path, const struct fx_spec *spec, struct hs_err *reterr);
int fx_write_encoding(const char *path, const struct fx_spec *spec, struct hs_err *reterr);
int fx_write_array(const char *path, const struct fx_spec *spec, struct hs_err *reterr);

// Headers, for tests that change one thing.
void fx_version_header(struct hs_wbuf *w, const struct fx_spec *spec, const char *label_type, unsigned nlabels);
void fx_encoding_header(struct hs_wbuf *w, const struct fx_spec *spec, unsigned width, uint32_t table, uint64_t tokens,
			uint64_t max_tokens);

struct fx_array_shape {
	uint64_t dims, columns, nan_rows;
	const char *dtype;
};
void fx_array_header(struct hs_wbuf *w, const struct fx_spec *spec, const struct fx_array_shape *shape);

// A store under dir/state. Its log lines are kept in fx_log (the last run's).
struct fx_store {
	struct fx_dir dir;
	char state[96];
	struct hs_store *store;
	char log[8192];
};
int fx_store_open(struct fx_store *s, bool rebuild, struct hs_err *reterr); // s->state must be set

// Writes files into tmp/ and publishes them: a version and an encoding per role given (encoding seeds; 0 ends the
// list). Files that the store has are not written. Never fails a test itself.
struct fx_publish {
	uint32_t owner;
	const char *name;
	unsigned version_seed;
	struct {
		const char *role;
		unsigned seed;
	} roles[4];
	size_t nrows; // 0: 10
};
int fx_publish(struct hs_store *store, const struct fx_publish *p, struct hs_published *ret, struct hs_err *reterr);

// The same for an array of a version that is there.
struct fx_attach {
	uint32_t owner;
	const char *name;
	unsigned version_seed;
	const char *array;
	unsigned seed;
	size_t nrows; // 0: 10
};
int fx_attach(struct hs_store *store, const struct fx_attach *a, struct hs_published *ret, struct hs_err *reterr);

// Whole files, for tests that damage them.
uint8_t *fx_read(const char *path, size_t *ret_len);
void fx_write(const char *path, const void *data, size_t len);

#endif
