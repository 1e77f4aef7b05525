// SPDX-License-Identifier: Apache-2.0
// A store in a fresh folder for each test, and what most tests do with it. Included after cmocka.h.
#ifndef STORE_WORLD_H
#define STORE_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

#define ALICE 1000u
#define BOB   1001u

static struct fx_store s;

static inline void reopen(void)
{
	struct hs_err err;
	hs_store_close(s.store);
	if (fx_store_open(&s, false, &err) < 0)
		fail_msg("%s", err.message);
}

static inline int begin(void **state)
{
	struct hs_err err;
	(void)state;
	fx_dir_make(&s.dir);
	snprintf(s.state, sizeof(s.state), "%s/state", s.dir.path);
	return fx_store_open(&s, false, &err);
}

static inline int end(void **state)
{
	(void)state;
	hs_store_close(s.store);
	s.store = NULL;
	fx_dir_remove(&s.dir);
	return 0;
}

static inline struct hs_published publish(const struct fx_publish *p)
{
	struct hs_published published = {0};
	struct hs_err err;
	if (fx_publish(s.store, p, &published, &err) < 0)
		fail_msg("%s", err.message);
	return published;
}

static inline void publish_simply(const struct fx_publish *p)
{
	struct hs_published published = publish(p);
	hs_published_fini(&published);
}

static inline bool exists(uint32_t owner, enum hs_file_kind kind, unsigned seed)
{
	struct hs_id id = fx_id(seed);
	char hex[HS_ID_HEX], *path, *crc;
	hs_id_hex(&id, hex);
	path = fx_path("%s/%ss/%u/%s.mdb", s.state, hs_file_kind_name(kind), owner, hex);
	crc = fx_path("%s.crc", path);
	bool there = access(path, F_OK) == 0, table = access(crc, F_OK) == 0;
	assert_int_equal(there, table);
	free(path);
	free(crc);
	return there;
}

static inline bool has(uint32_t owner, enum hs_file_kind kind, unsigned seed)
{
	struct hs_id id = fx_id(seed);
	return hs_store_has(s.store, owner, kind, &id);
}

static inline struct hs_version_entry find(uint32_t owner, const char *spec)
{
	struct hs_version_entry entry = {0};
	struct hs_err err;
	if (hs_store_find(s.store, owner, owner, spec, &entry, &err) < 0)
		fail_msg("%s", err.message);
	return entry;
}

static inline void remove_simply(uint32_t owner, const char *spec, unsigned want_versions, unsigned want_pending)
{
	struct hs_removed removed;
	struct hs_err err;
	if (hs_store_remove(s.store, owner, spec, &removed, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(removed.nversions, want_versions);
	assert_int_equal(removed.pending, want_pending);
	hs_removed_fini(&removed);
}

static inline unsigned mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static const struct fx_publish comments = {ALICE, "comments", 1, {{"teacher", 11}, {"student", 12}}, 0};

static inline struct hs_file *acquire(enum hs_file_kind kind, unsigned seed)
{
	struct hs_id id = fx_id(seed);
	struct hs_file *f = NULL;
	struct hs_err err;
	if (hs_store_acquire(s.store, ALICE, kind, &id, &f, &err) < 0)
		fail_msg("%s", err.message);
	return f;
}

#endif
