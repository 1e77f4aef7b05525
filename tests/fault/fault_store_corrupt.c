// SPDX-License-Identifier: Apache-2.0
// Flipped bits and cut-off ends in every kind of file: an error or no effect, never other data, never a crash.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_check.h"

#define FLIPS 300
#define CUTS  60

static struct fx_store s;
static uint32_t seed = 20240607;
static const struct fx_publish first = {1000, "base", 1, {{"teacher", 11}, {"student", 12}}, 400};
static const struct fx_publish second = {1000, "base", 2, {{"teacher", 21}}, 400};
static const struct fx_publish third = {1000, "other", 3, {{"teacher", 31}}, 10};

#define NFOLDS 5000 // on pages of their own
static const uint16_t folds[NFOLDS] = {1, 2, 3};
static const struct fx_attach array = {1000, "base", 1, "logits", 15, 400};

static void publish(const struct fx_publish *p)
{
	struct hs_published published;
	struct hs_err err;
	if (fx_publish(s.store, p, &published, &err) < 0)
		fail_msg("%s", err.message);
	hs_published_fini(&published);
}

static void reopen(void)
{
	struct hs_err err;
	hs_store_close(s.store);
	if (fx_store_open(&s, false, &err) < 0)
		fail_msg("%s", err.message);
}

static int begin(void **state)
{
	struct hs_err err;
	(void)state;
	fx_dir_make(&s.dir);
	snprintf(s.state, sizeof(s.state), "%s/state", s.dir.path);
	if (fx_store_open(&s, false, &err) < 0)
		return -1;
	publish(&first);
	struct hs_published published;
	if (fx_attach(s.store, &array, &published, &err) < 0)
		return -1;
	hs_published_fini(&published);
	publish(&second);
	const struct hs_plan_save what = {.ref = {.uid = 1000, .owner = 1000, .name = "base", .plan = "mine"},
					  .options = "\x81\xa1k\x01",
					  .options_len = 4,
					  .fold_of_row = folds,
					  .nrows = NFOLDS,
					  .version = fx_id(1)};
	enum hs_plan_saved saved;
	return hs_store_save_plan(s.store, &what, &saved, &err);
}

static int end(void **state)
{
	(void)state;
	hs_store_close(s.store);
	s.store = NULL;
	fx_dir_remove(&s.dir);
	return 0;
}

static char *file_path(enum hs_file_kind kind, unsigned file_seed, const char *suffix)
{
	struct hs_id id = fx_id(file_seed);
	char hex[HS_ID_HEX];
	hs_id_hex(&id, hex);
	return fx_path("%s/%ss/1000/%s.mdb%s", s.state, hs_file_kind_name(kind), hex, suffix);
}

// ---- data files and their tables: every change is an error ----

static void must_be_refused(enum hs_file_kind kind, unsigned file_seed, const char *what, size_t at)
{
	struct hs_id id = fx_id(file_seed);
	struct hs_file *f;
	struct hs_err err;
	if (hs_store_acquire(s.store, 1000, kind, &id, &f, &err) == 0)
		fail_msg("%s at %zu was not noticed", what, at);
	assert_int_equal(err.code, HSFEED_ECORRUPT);
	assert_int_not_equal(err.hint[0], 0);
}

static void damage(enum hs_file_kind kind, unsigned file_seed, const char *suffix)
{
	char *path = file_path(kind, file_seed, suffix);
	size_t len;
	uint8_t *data = fx_read(path, &len);
	for (int i = 0; i < FLIPS; i++) {
		size_t at = fx_random(&seed) % len;
		uint8_t bit = (uint8_t)(1u << (fx_random(&seed) % 8));
		data[at] ^= bit;
		fx_write(path, data, len);
		must_be_refused(kind, file_seed, "a flipped bit", at);
		data[at] ^= bit;
	}
	for (int i = 0; i < CUTS; i++) {
		size_t at = i < 3 ? (size_t)i : fx_random(&seed) % len;
		fx_write(path, data, at);
		must_be_refused(kind, file_seed, "a cut", at);
	}
	fx_write(path, data, len);
	struct hs_id id = fx_id(file_seed);
	assert_true(check_file(s.store, 1000, kind, &id, file_seed));
	free(data);
	free(path);
}

static void a_flipped_bit_or_a_cut_in_a_version_is_noticed(void **state)
{
	(void)state;
	damage(HS_FILE_VERSION, 1, "");
}
static void a_flipped_bit_or_a_cut_in_an_encoding_is_noticed(void **state)
{
	(void)state;
	damage(HS_FILE_ENCODING, 11, "");
}
static void a_flipped_bit_or_a_cut_in_an_array_is_noticed(void **state)
{
	(void)state;
	damage(HS_FILE_ARRAY, 15, "");
}
static void a_flipped_bit_or_a_cut_in_a_checksum_table_is_noticed(void **state)
{
	(void)state;
	damage(HS_FILE_VERSION, 1, ".crc");
}

static void files_that_changed_places_are_noticed(void **state)
{
	(void)state;
	char *a = file_path(HS_FILE_ENCODING, 11, ""), *b = file_path(HS_FILE_ENCODING, 12, ""),
	     *c = fx_path("%s/c", s.dir.path);
	char *a_crc = file_path(HS_FILE_ENCODING, 11, ".crc"), *b_crc = file_path(HS_FILE_ENCODING, 12, ".crc");
	assert_int_equal(rename(a, c) | rename(b, a) | rename(c, b), 0);
	must_be_refused(HS_FILE_ENCODING, 11, "an exchange", 0);
	assert_int_equal(rename(a_crc, c) | rename(b_crc, a_crc) | rename(c, b_crc), 0);
	must_be_refused(HS_FILE_ENCODING, 11, "an exchange with tables", 0);
	free(a), free(b), free(c), free(a_crc), free(b_crc);
}

// ---- the catalog: an error, or the very same contents ----

static bool same_plan(void)
{
	uint16_t found[NFOLDS];
	struct hs_plan_rows_request request = {.owner = 1000, .name = "base", .version = fx_id(1), .nrows = NFOLDS};
	return hs_plan_rows_digest(&request.version, folds, NFOLDS, &request.digest) == 0 &&
	       hs_store_find_plan_rows(s.store, &request, found, NULL) == 0 && memcmp(found, folds, sizeof(found)) == 0;
}

static bool same_contents(void)
{
	struct hs_version_entry *list;
	struct hs_err err;
	struct hs_id ids[2] = {fx_id(1), fx_id(2)};
	size_t n;
	if (hs_store_list(s.store, 1000, NULL, &list, &n, &err) < 0)
		return false;
	bool same = n == 2 && hs_id_eq(&list[0].version, &ids[0]) && hs_id_eq(&list[1].version, &ids[1]) &&
		    !list[0].current && list[1].current && list[0].nroles == 2 && list[1].nroles == 1 &&
		    list[0].narrays == 1 && strcmp(list[0].arrays[0].array, "logits") == 0 && list[1].narrays == 0;
	hs_version_entries_free(list, n);
	return same && same_plan();
}

// Opens a damaged catalog. Where nothing was noticed, it must hold the same, take a change, and hold that after a
// restart.
static bool try_catalog(const char *what, size_t at, bool change)
{
	struct hs_err err;
	s.store = NULL;
	int rc = fx_store_open(&s, false, &err);
	if (rc < 0) {
		if (rc != HSFEED_ECORRUPT && rc != HSFEED_EFOREIGN && rc != HSFEED_ENOCATALOG)
			fail_msg("%s at %zu: %s", what, at, err.message);
		assert_int_not_equal(err.hint[0], 0);
		return false;
	}
	if (!same_contents())
		fail_msg("%s at %zu changed what the catalog says", what, at);
	if (change) {
		struct hs_removed removed;
		publish(&third);
		reopen();
		if (!check_version_is(s.store, 1000, "other", 3, 1))
			fail_msg("%s at %zu: the next change was lost", what, at);
		assert_int_equal(hs_store_remove(s.store, 1000, "other", &removed, &err), 0);
		hs_removed_fini(&removed);
		reopen();
		if (!same_contents())
			fail_msg("%s at %zu: the next changes damaged others", what, at);
	}
	hs_store_close(s.store);
	s.store = NULL;
	return true;
}

struct catalog {
	char *path, *note;
	uint8_t *data, *note_data;
	size_t len, note_len;
};

static struct catalog take_catalog(void)
{
	struct catalog c = {.path = fx_path("%s/catalog/data.mdb", s.state),
			    .note = fx_path("%s/catalog/last", s.state)};
	hs_store_close(s.store);
	s.store = NULL;
	c.data = fx_read(c.path, &c.len);
	c.note_data = fx_read(c.note, &c.note_len);
	return c;
}

static void give_catalog(struct catalog *c)
{
	fx_write(c->path, c->data, c->len);
	fx_write(c->note, c->note_data, c->note_len);
	assert_true(try_catalog("nothing", 0, false));
	free(c->path), free(c->note), free(c->data), free(c->note_data);
}

static bool flip(struct catalog *c, size_t at, unsigned bit, bool change)
{
	c->data[at] ^= (uint8_t)(1u << bit);
	fx_write(c->path, c->data, c->len);
	fx_write(c->note, c->note_data, c->note_len);
	bool unnoticed = try_catalog("a flipped bit", at, change);
	c->data[at] ^= (uint8_t)(1u << bit);
	return unnoticed;
}

// Nodes fill a page from its end, numbers stand at its beginning; the middle is mostly unused.
static size_t pick_byte(size_t len)
{
	size_t page = fx_random(&seed) % (len / 4096) * 4096;
	switch (fx_random(&seed) % 3) {
	case 0:
		return page + fx_random(&seed) % 64;
	case 1:
		return page + 4095 - fx_random(&seed) % 1000;
	default:
		return page + fx_random(&seed) % 4096;
	}
}

static void a_flipped_bit_anywhere_in_the_catalog_is_noticed_or_has_no_effect(void **state)
{
	(void)state;
	struct catalog c = take_catalog();
	unsigned unnoticed = 0;
	for (int i = 0; i < FLIPS; i++)
		unnoticed += flip(&c, pick_byte(c.len), fx_random(&seed) % 8, true);
	print_message("    %u of %d flips were in bytes without meaning\n", unnoticed, FLIPS);
	give_catalog(&c);
}

static void every_bit_of_the_meta_pages_is_noticed_or_has_no_effect(void **state)
{
	(void)state;
	struct catalog c = take_catalog();
	unsigned unnoticed = 0;
	for (size_t page = 0; page < 2; page++) {
		for (size_t at = 0; at < 152; at++) {
			for (unsigned bit = 0; bit < 8; bit++)
				unnoticed += flip(&c, page * 4096 + at, bit, false);
		}
	}
	print_message("    %u of %d flips had no effect\n", unnoticed, 2 * 152 * 8);
	give_catalog(&c);
}

static void a_cut_off_catalog_is_noticed(void **state)
{
	(void)state;
	struct catalog c = take_catalog();
	for (int i = 0; i < CUTS; i++) {
		size_t at = i < 3 ? (size_t)i : fx_random(&seed) % c.len;
		fx_write(c.path, c.data, at);
		try_catalog("a cut", at, false);
	}
	fx_write(c.path, c.data, 8192);
	assert_false(try_catalog("a cut", 8192, false));
	give_catalog(&c);
}

static void an_older_catalog_put_in_its_place_is_noticed(void **state)
{
	(void)state;
	struct catalog old = take_catalog();
	struct hs_err err;
	assert_int_equal(fx_store_open(&s, false, &err), 0);
	publish(&third);
	hs_store_close(s.store);
	s.store = NULL;
	fx_write(old.path, old.data, old.len);
	assert_int_equal(fx_store_open(&s, false, &err), HSFEED_ECORRUPT);
	assert_non_null(strstr(err.message, "transactions"));
	assert_int_equal(fx_store_open(&s, true, &err), 0); // the way out
	assert_true(check_version_is(s.store, 1000, "other", 3, 1));
	free(old.path), free(old.note), free(old.data), free(old.note_data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flipped_bit_or_a_cut_in_a_version_is_noticed),
		TEST(a_flipped_bit_or_a_cut_in_an_encoding_is_noticed),
		TEST(a_flipped_bit_or_a_cut_in_an_array_is_noticed),
		TEST(a_flipped_bit_or_a_cut_in_a_checksum_table_is_noticed),
		TEST(files_that_changed_places_are_noticed),
		TEST(a_flipped_bit_anywhere_in_the_catalog_is_noticed_or_has_no_effect),
		TEST(every_bit_of_the_meta_pages_is_noticed_or_has_no_effect),
		TEST(a_cut_off_catalog_is_noticed),
		TEST(an_older_catalog_put_in_its_place_is_noticed),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0); // thousands of starts
	return cmocka_run_group_tests(tests, NULL, NULL);
}
