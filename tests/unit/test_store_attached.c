// SPDX-License-Identifier: Apache-2.0
// Arrays attached to versions: their files, and how they come, move, go and are found again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "store_check.h"
#include "store_world.h"

static const struct fx_attach logits = {ALICE, "comments", 1, "logits", 21, 0};

static int attach(const struct fx_attach *a, struct hs_published *ret, struct hs_err *err)
{
	struct hs_published published;
	int rc = fx_attach(s.store, a, &published, err);
	if (rc == 0) {
		*ret = published; // its numbers
		hs_published_fini(&published);
	}
	return rc;
}

static struct hs_published attach_simply(const struct fx_attach *a)
{
	struct hs_published published = {0};
	struct hs_err err;
	if (attach(a, &published, &err) < 0)
		fail_msg("%s", err.message);
	return published;
}

static void must_have_array(const char *spec, const char *array, unsigned seed)
{
	struct hs_version_entry e = find(ALICE, spec);
	struct hs_id id = fx_id(seed);
	bool there = false;
	for (size_t i = 0; i < e.narrays; i++)
		there = there || (strcmp(e.arrays[i].array, array) == 0 && hs_id_eq(&e.arrays[i].id, &id) &&
				  e.arrays[i].bytes > 0);
	hs_version_entry_fini(&e);
	if (!there)
		fail_msg("%s has no array %s of seed %u", spec, array, seed);
	assert_true(check_file(s.store, ALICE, HS_FILE_ARRAY, &id, seed));
}

static size_t narrays(const char *spec)
{
	struct hs_version_entry e = find(ALICE, spec);
	size_t n = e.narrays;
	hs_version_entry_fini(&e);
	return n;
}

static int detach(const char *spec, const char *array, struct hs_removed *ret)
{
	struct hs_err err;
	int rc = hs_store_detach(s.store, ALICE, spec, array, ret, &err);
	if (rc < 0)
		fail_msg("%s", err.message);
	return rc;
}

// ---- files ----

static int open_with(const struct fx_array_shape *shape, size_t columns, float value, struct hs_err *err)
{
	struct fx_spec spec = {.seed = 9, .version_seed = 1, .owner = ALICE, .name = "c", .role = "a", .nrows = 5};
	char *path = fx_path("%s/a.mdb", s.dir.path), *crc = fx_path("%s.crc", path);
	float values[5 * 8192] = {0};
	struct hs_wbuf header = {0};
	struct hs_file_writer *w;
	struct hs_file *f;
	struct hs_attached *a;
	uint64_t bytes;
	unlink(path);
	unlink(crc);
	for (size_t i = 0; i < 5 * columns; i++)
		values[i] = value;
	fx_array_header(&header, &spec, shape);
	assert_int_equal(hs_file_writer_create(path, 1 << 20, &w, err), 0);
	assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_HEADER, 0, 0}, header.data, header.len, err), 0);
	assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_VALUES, 0, 0}, values, 5 * columns * 4, err), 0);
	assert_int_equal(hs_file_writer_commit(w, &bytes, err), 0);
	assert_int_equal(hs_file_open(path, 0, &f, err), 0);
	int rc = hs_attached_open(f, &a, err);
	if (rc == 0) {
		rc = hs_attached_check(a, err);
		hs_attached_close(a);
	}
	hs_file_close(f);
	hs_w_fini(&header);
	free(path);
	free(crc);
	return rc;
}

static void a_header_that_no_sound_program_writes_is_damage(void **state)
{
	(void)state;
	struct hs_err err;
	static const struct fx_array_shape good = {2, 1000, 0, "float32"}, one = {1, 1, 0, "float32"};
	static const struct fx_array_shape bad[] = {
		{0, 1000, 0, "float32"}, {3, 1000, 0, "float32"}, {2, 0, 0, "float32"},
		{2, 4097, 0, "float32"}, {1, 2, 0, "float32"},    {2, 1000, 6, "float32"},
		{2, 1000, 0, "float64"}, {2, 1000, 1, "float32"}, {2, 2000, 0, "float32"}, // more than it holds
	};
	assert_int_equal(open_with(&good, 1000, 1.5f, &err), 0);
	assert_int_equal(open_with(&one, 1, -0.0f, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (open_with(&bad[i], 1000, 1.5f, &err) != HSFEED_ECORRUPT)
			fail_msg("header %zu was taken", i);
}

static void an_infinite_value_is_damage_and_nan_is_counted(void **state)
{
	(void)state;
	struct hs_err err;
	static const struct fx_array_shape none = {2, 4, 0, "float32"}, all = {2, 4, 5, "float32"};
	assert_int_equal(open_with(&none, 4, __builtin_inff(), &err), HSFEED_ECORRUPT);
	assert_non_null(strstr(err.message, "row 0"));
	assert_int_equal(open_with(&none, 4, -__builtin_inff(), &err), HSFEED_ECORRUPT);
	assert_int_equal(open_with(&none, 4, __builtin_nanf(""), &err), HSFEED_ECORRUPT);
	assert_int_equal(open_with(&all, 4, __builtin_nanf(""), &err), 0);
	assert_int_equal(open_with(&none, 4, 3.4028234e38f, &err), 0);
}

static void rows_of_three_groups_come_back(void **state)
{
	(void)state;
	const struct fx_publish big = {ALICE, "big", 4, {{"text", 41}}, 2 * HS_GROUP_ROWS + 3};
	const struct fx_attach a = {ALICE, "big", 4, "logits", 42, 2 * HS_GROUP_ROWS + 3};
	publish_simply(&big);
	attach_simply(&a);
	must_have_array("big", "logits", 42);
}

// One file under many names: what is limited are the names.
static void a_version_has_no_more_arrays_than_a_start_would_read(void **state)
{
	(void)state;
	static char names[HS_MAX_LINKS + 1][16];
	static struct hs_publish_file arrays[HS_MAX_LINKS + 1];
	const struct fx_publish c = {ALICE, "comments", 1, {{"text", 11}}, 20};
	const struct fx_attach first = {ALICE, "comments", 1, "n0", 21, 20};
	struct hs_published published = {0};
	struct hs_err err;
	publish_simply(&c);
	attach_simply(&first);
	for (size_t i = 0; i <= HS_MAX_LINKS; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		arrays[i] = (struct hs_publish_file){.id = fx_id(21), .role = names[i]};
	}
	struct hs_publish what = {.owner = ALICE, .name = "comments", .version.id = fx_id(1), .arrays = arrays};
	what.narrays = HS_MAX_LINKS + 1;
	assert_int_equal(hs_store_publish(s.store, &what, &published, &err), HSFEED_ELIMIT);
	assert_non_null(strstr(err.message, "has 1000 arrays, as many as it may"));
	assert_int_equal(narrays("comments"), 1);
	what.narrays = HS_MAX_LINKS;
	assert_int_equal(hs_store_publish(s.store, &what, &published, &err), 0);
	hs_published_fini(&published);
	reopen();
	assert_int_equal(narrays("comments"), HS_MAX_LINKS);
}

static void an_id_depends_on_everything_that_makes_an_array(void **state)
{
	(void)state;
	const struct hs_attached_shape base = {fx_id(1), "a", 10, 2, 6};
	struct hs_attached_shape shapes[6] = {base, base, base, base, base, base};
	uint8_t digests[6][HS_SHA256_BYTES];
	shapes[1].version = fx_id(2);
	shapes[2].array = "b";
	shapes[3].rows = 20;
	shapes[4].dims = 1;
	shapes[5].columns = 3;
	for (size_t i = 0; i < 6; i++) {
		struct hs_sha256 *h;
		assert_int_equal(hs_attached_id_begin(&shapes[i], &h), 0);
		assert_int_equal(hs_sha256_finish(h, digests[i]), 0);
		hs_sha256_destroy(h);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(digests[i], digests[k], HS_SHA256_BYTES);
	}
}

static void names_that_batches_use_are_no_names_for_arrays(void **state)
{
	(void)state;
	assert_true(hs_attached_name_ok("teacher_logits"));
	assert_false(hs_attached_name_ok("labels"));
	assert_false(hs_attached_name_ok("index"));
	assert_false(hs_attached_name_ok("input_ids"));
	assert_false(hs_attached_name_ok("weight"));
	assert_false(hs_attached_name_ok("_a"));
	assert_false(hs_attached_name_ok("a/b"));
	assert_false(hs_attached_name_ok(""));
}

// ---- coming and going ----

static void an_array_is_there_after_a_restart(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_published p = attach_simply(&logits);
	assert_false(p.new_version);
	assert_false(p.moved);
	must_have_array("comments", "logits", 21);
	reopen();
	must_have_array("comments", "logits", 21);
	assert_true(exists(ALICE, HS_FILE_ARRAY, 21));
}

static void what_is_published_later_keeps_the_arrays(void **state)
{
	(void)state;
	const struct fx_publish more = {ALICE, "comments", 1, {{"third", 13}}, 0};
	publish_simply(&comments);
	attach_simply(&logits);
	publish_simply(&more);
	reopen();
	must_have_array("comments", "logits", 21);
	assert_true(check_version_is(s.store, ALICE, "comments", 1, 3));
}

static void an_array_of_an_older_version_does_not_move_the_name(void **state)
{
	(void)state;
	const struct fx_publish second = {ALICE, "comments", 2, {{"teacher", 31}}, 0};
	struct hs_id old = fx_id(1);
	char hex[HS_ID_HEX], spec[100];
	publish_simply(&comments);
	publish_simply(&second);
	attach_simply(&logits);
	hs_id_hex(&old, hex);
	snprintf(spec, sizeof(spec), "comments@%.8s", hex);
	for (int again = 0; again < 2; again++) {
		must_have_array(spec, "logits", 21);
		assert_int_equal(narrays("comments"), 0);
		assert_true(check_version_is(s.store, ALICE, "comments", 2, 1));
		reopen();
	}
}

static void another_array_of_the_same_name_takes_its_place(void **state)
{
	(void)state;
	struct fx_attach other = logits;
	other.seed = 22;
	publish_simply(&comments);
	attach_simply(&logits);
	struct hs_file *held = acquire(HS_FILE_ARRAY, 21);
	assert_int_equal(attach_simply(&other).pending, 1);
	must_have_array("comments", "logits", 22);
	assert_int_equal(narrays("comments"), 1);
	assert_false(has(ALICE, HS_FILE_ARRAY, 21));
	assert_true(check_array(held, 21)); // who has it keeps it
	hs_store_release(s.store, held);
	assert_false(exists(ALICE, HS_FILE_ARRAY, 21));
	attach_simply(&logits); // and back
	must_have_array("comments", "logits", 21);
	assert_false(exists(ALICE, HS_FILE_ARRAY, 22));
}

static void an_array_needs_a_version_that_is_there(void **state)
{
	(void)state;
	struct hs_published p;
	struct hs_err err;
	struct fx_attach wrong = logits;
	assert_int_equal(attach(&logits, &p, &err), HSFEED_ENOTFOUND);
	publish_simply(&comments);
	wrong.nrows = 11;
	assert_int_equal(attach(&wrong, &p, &err), HSFEED_ECORRUPT);
	assert_non_null(strstr(err.message, "another version"));
	wrong = logits;
	wrong.name = "others";
	assert_int_equal(attach(&wrong, &p, &err), HSFEED_ENOTFOUND);
	wrong.name = "comments";
	wrong.array = "no/name";
	assert_int_equal(attach(&wrong, &p, &err), HSFEED_EBADREQUEST);
	assert_int_equal(narrays("comments"), 0);
	assert_false(exists(ALICE, HS_FILE_ARRAY, 21));
	assert_int_equal(rmdir(hs_store_tmp(s.store)), 0);
}

static void arrays_are_their_owners_alone(void **state)
{
	(void)state;
	struct fx_publish bobs = comments;
	struct hs_published p;
	struct hs_err err;
	struct fx_attach as_bob = logits;
	bobs.owner = as_bob.owner = BOB;
	publish_simply(&comments);
	attach_simply(&logits);
	assert_int_equal(attach(&as_bob, &p, &err), HSFEED_ENOTFOUND);
	publish_simply(&bobs);
	struct hs_version_entry e = find(BOB, "comments");
	assert_int_equal(e.narrays, 0);
	hs_version_entry_fini(&e);
	assert_false(has(BOB, HS_FILE_ARRAY, 21));
}

static void a_detached_array_is_gone_and_its_users_keep_it(void **state)
{
	(void)state;
	struct fx_attach second = logits;
	struct hs_removed removed;
	second.array = "hidden";
	second.seed = 22;
	publish_simply(&comments);
	attach_simply(&logits);
	attach_simply(&second);
	assert_int_equal(detach("comments", "nothing", &removed), 0);
	struct hs_file *held = acquire(HS_FILE_ARRAY, 21);
	assert_int_equal(detach("comments", "logits", &removed), 1);
	assert_int_equal(removed.pending, 1);
	assert_true(exists(ALICE, HS_FILE_ARRAY, 21));
	hs_store_release(s.store, held);
	assert_false(exists(ALICE, HS_FILE_ARRAY, 21));
	assert_int_equal(detach("comments", "logits", &removed), 0);
	must_have_array("comments", "hidden", 22);
	reopen();
	assert_int_equal(narrays("comments"), 1);
	assert_int_equal(detach("comments", "hidden", &removed), 1);
	assert_int_equal(removed.pending, 0);
	assert_true(removed.bytes > 0);
	assert_false(exists(ALICE, HS_FILE_ARRAY, 22));
	assert_true(check_version_is(s.store, ALICE, "comments", 1, 2));
}

static void removal_takes_the_arrays_along(void **state)
{
	(void)state;
	publish_simply(&comments);
	attach_simply(&logits);
	remove_simply(ALICE, "comments", 1, 0);
	assert_false(exists(ALICE, HS_FILE_ARRAY, 21));
	assert_false(has(ALICE, HS_FILE_ARRAY, 21));
	reopen();
	assert_null(strstr(s.log, "lost"));
}

static void an_array_that_the_catalog_does_not_know_goes_to_lost(void **state)
{
	(void)state;
	struct hs_id id = fx_id(77);
	char hex[HS_ID_HEX];
	publish_simply(&comments);
	attach_simply(&logits);
	hs_id_hex(&id, hex);
	char *path = fx_path("%s/arrays/%u/%s.mdb", s.state, ALICE, hex);
	fx_write(path, "stray", 5);
	reopen();
	assert_int_equal(access(path, F_OK), -1);
	assert_non_null(strstr(s.log, "lost/arrays-"));
	must_have_array("comments", "logits", 21);
	free(path);
}

static void verify_lists_arrays_by_name(void **state)
{
	(void)state;
	struct hs_verify_item *items;
	struct hs_err err;
	size_t n, found = 0;
	publish_simply(&comments);
	attach_simply(&logits);
	assert_int_equal(hs_store_verify_list(s.store, ALICE, NULL, &items, &n, &err), 0);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(items[i].kind == HS_FILE_ARRAY, items[i].array != NULL);
		assert_int_equal(items[i].kind == HS_FILE_ENCODING, items[i].role != NULL);
		if (items[i].array) {
			assert_string_equal(items[i].array, "logits");
			assert_int_equal(hs_file_check(items[i].path, items[i].crc_root, NULL, NULL, &err), 0);
			found++;
		}
	}
	assert_int_equal(found, 1);
	hs_verify_items_free(items, n);
}

static void a_catalog_made_anew_has_the_youngest_array_of_each_name(void **state)
{
	(void)state;
	struct hs_err err;
	struct fx_attach stray = {ALICE, "gone", 5, "logits", 23, 0};
	const struct fx_publish gone = {ALICE, "gone", 5, {{NULL, 0}}, 0};
	publish_simply(&comments);
	attach_simply(&logits);
	publish_simply(&gone);
	attach_simply(&stray);
	struct hs_id id = fx_id(5);
	char hex[HS_ID_HEX];
	hs_id_hex(&id, hex);
	char *version = fx_path("%s/versions/%u/%s.mdb", s.state, ALICE, hex);
	assert_int_equal(unlink(version), 0); // its array has no version any more
	free(version);
	hs_store_close(s.store);
	assert_int_equal(fx_store_open(&s, true, &err), 0);
	assert_non_null(strstr(s.log, "its version is not there"));
	must_have_array("comments", "logits", 21);
	assert_false(exists(ALICE, HS_FILE_ARRAY, 23));
	reopen();
	must_have_array("comments", "logits", 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_header_that_no_sound_program_writes_is_damage, begin, end),
		cmocka_unit_test_setup_teardown(an_infinite_value_is_damage_and_nan_is_counted, begin, end),
		cmocka_unit_test_setup_teardown(rows_of_three_groups_come_back, begin, end),
		cmocka_unit_test(an_id_depends_on_everything_that_makes_an_array),
		cmocka_unit_test_setup_teardown(a_version_has_no_more_arrays_than_a_start_would_read, begin, end),
		cmocka_unit_test(names_that_batches_use_are_no_names_for_arrays),
		cmocka_unit_test_setup_teardown(an_array_is_there_after_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(what_is_published_later_keeps_the_arrays, begin, end),
		cmocka_unit_test_setup_teardown(an_array_of_an_older_version_does_not_move_the_name, begin, end),
		cmocka_unit_test_setup_teardown(another_array_of_the_same_name_takes_its_place, begin, end),
		cmocka_unit_test_setup_teardown(an_array_needs_a_version_that_is_there, begin, end),
		cmocka_unit_test_setup_teardown(arrays_are_their_owners_alone, begin, end),
		cmocka_unit_test_setup_teardown(a_detached_array_is_gone_and_its_users_keep_it, begin, end),
		cmocka_unit_test_setup_teardown(removal_takes_the_arrays_along, begin, end),
		cmocka_unit_test_setup_teardown(an_array_that_the_catalog_does_not_know_goes_to_lost, begin, end),
		cmocka_unit_test_setup_teardown(verify_lists_arrays_by_name, begin, end),
		cmocka_unit_test_setup_teardown(a_catalog_made_anew_has_the_youngest_array_of_each_name, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
