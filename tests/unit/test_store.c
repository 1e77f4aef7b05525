// SPDX-License-Identifier: Apache-2.0
// Publishing, finding, sharing and removing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_world.h"

// ---- publishing and finding ----

static void what_is_published_is_found_and_survives_a_restart(void **state)
{
	(void)state;
	struct hs_published published = publish(&comments);
	assert_true(published.new_version);
	assert_false(published.moved);
	hs_published_fini(&published);
	for (int round = 0; round < 2; round++) {
		struct hs_version_entry e = find(ALICE, "comments");
		struct hs_id id = fx_id(1), teacher = fx_id(11), student = fx_id(12);
		assert_true(hs_id_eq(&e.version, &id));
		assert_true(e.current);
		assert_int_equal(e.rows, 10);
		assert_true(e.bytes > 0);
		assert_int_equal(e.nroles, 2);
		assert_string_equal(e.roles[0].role, "teacher");
		assert_true(hs_id_eq(&e.roles[0].encoding, &teacher));
		assert_true(hs_id_eq(&e.roles[1].encoding, &student));
		hs_version_entry_fini(&e);
		reopen();
		assert_string_equal(s.log, "");
	}
}

static void files_and_folders_are_the_daemons_alone(void **state)
{
	(void)state;
	static const char *const folders[] = {"",     "/catalog", "/versions",     "/encodings",
					      "/tmp", "/lost",    "/versions/1000"};
	publish_simply(&comments);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char *path = fx_path("%s%s", s.state, folders[i]);
		assert_int_equal(mode_of(path), 0700);
		free(path);
	}
	struct hs_id id = fx_id(1);
	char hex[HS_ID_HEX];
	hs_id_hex(&id, hex);
	static const char *const ends[] = {"", ".crc"};
	for (int i = 0; i < 2; i++) {
		char *path = fx_path("%s/versions/1000/%s.mdb%s", s.state, hex, ends[i]);
		assert_int_equal(mode_of(path), 0600);
		free(path);
	}
	char *catalog = fx_path("%s/catalog/data.mdb", s.state);
	assert_int_equal(mode_of(catalog), 0600);
	free(catalog);
}

static void publishing_the_same_again_changes_nothing(void **state)
{
	(void)state;
	size_t len, again_len;
	publish_simply(&comments);
	char *path = fx_path("%s/catalog/data.mdb", s.state);
	uint8_t *before = fx_read(path, &len);
	struct hs_published published = publish(&comments);
	assert_false(published.new_version);
	assert_false(published.moved);
	hs_published_fini(&published);
	uint8_t *after = fx_read(path, &again_len);
	assert_int_equal(len, again_len);
	assert_memory_equal(before, after, len);
	free(before);
	free(after);
	free(path);
}

static void new_bytes_move_the_name_and_old_versions_stay(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct fx_publish second = {ALICE, "comments", 2, {{"teacher", 21}}, 0};
	struct hs_published published = publish(&second);
	struct hs_id first_id = fx_id(1), second_id = fx_id(2);
	assert_true(published.new_version);
	assert_true(published.moved);
	assert_true(hs_id_eq(&published.previous, &first_id));
	hs_published_fini(&published);
	char hex[HS_ID_HEX], spec[64];
	hs_id_hex(&first_id, hex);
	for (int round = 0; round < 2; round++) {
		struct hs_version_entry e = find(ALICE, "comments");
		assert_true(hs_id_eq(&e.version, &second_id));
		hs_version_entry_fini(&e);
		snprintf(spec, sizeof(spec), "comments@%.6s", hex);
		e = find(ALICE, spec);
		assert_true(hs_id_eq(&e.version, &first_id));
		assert_false(e.current);
		assert_int_equal(e.nroles, 2);
		hs_version_entry_fini(&e);
		reopen();
	}
	struct hs_published back = publish(&comments); // the first bytes again: known, and the name moves back
	assert_false(back.new_version);
	assert_true(back.moved);
	assert_true(hs_id_eq(&back.previous, &second_id));
	hs_published_fini(&back);
}

static void a_version_known_under_another_name_shares_its_files(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct fx_publish other = comments;
	other.name = "other";
	struct hs_published published = publish(&other);
	assert_true(published.new_version);
	hs_published_fini(&published);
	struct hs_store_sums sums;
	hs_store_sums(s.store, ALICE, &sums);
	assert_int_equal(sums.datasets, 2);
	assert_int_equal(sums.encodings, 2);
	remove_simply(ALICE, "comments", 1, 0);
	assert_true(exists(ALICE, HS_FILE_VERSION, 1)); // the other name needs it
	assert_true(exists(ALICE, HS_FILE_ENCODING, 11));
	remove_simply(ALICE, "other", 1, 0);
	assert_false(exists(ALICE, HS_FILE_VERSION, 1));
	assert_false(exists(ALICE, HS_FILE_ENCODING, 11));
}

static void two_roles_may_have_one_encoding(void **state)
{
	(void)state;
	struct fx_publish twice = {ALICE, "comments", 1, {{"teacher", 11}, {"student", 11}}, 0};
	publish_simply(&twice);
	reopen();
	struct hs_version_entry e = find(ALICE, "comments");
	assert_int_equal(e.nroles, 2);
	assert_true(hs_id_eq(&e.roles[0].encoding, &e.roles[1].encoding));
	hs_version_entry_fini(&e);
}

static void a_role_given_another_encoding_moves_and_the_old_file_goes(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct fx_publish moved = {ALICE, "comments", 1, {{"student", 13}, {"extra", 14}}, 0};
	struct hs_published published = publish(&moved);
	struct hs_id old = fx_id(12), none = {{0}};
	assert_false(published.new_version);
	assert_false(published.moved);
	assert_true(hs_id_eq(&published.role_previous[0], &old));
	assert_true(hs_id_eq(&published.role_previous[1], &none));
	hs_published_fini(&published);
	assert_false(exists(ALICE, HS_FILE_ENCODING, 12));
	assert_false(has(ALICE, HS_FILE_ENCODING, 12));
	reopen();
	struct hs_version_entry e = find(ALICE, "comments");
	assert_int_equal(e.nroles, 3);
	assert_string_equal(e.roles[1].role, "student");
	assert_string_equal(e.roles[2].role, "extra");
	hs_version_entry_fini(&e);
}

static void an_open_encoding_outlives_its_role(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_file *f = acquire(HS_FILE_ENCODING, 12);
	struct fx_publish moved = {ALICE, "comments", 1, {{"student", 13}}, 0};
	publish_simply(&moved);
	assert_true(exists(ALICE, HS_FILE_ENCODING, 12));
	assert_false(has(ALICE, HS_FILE_ENCODING, 12));
	struct hs_encoding *e;
	struct hs_err err;
	assert_int_equal(hs_encoding_open(f, &e, &err), 0);
	hs_encoding_close(e);
	hs_store_release(s.store, f);
	assert_false(exists(ALICE, HS_FILE_ENCODING, 12));
	assert_int_equal(hs_store_sweep(s.store, &err), 1);
	assert_int_equal(hs_store_sweep(s.store, &err), 0);
}

static void a_doomed_file_that_is_published_again_is_taken_back(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_file *f = acquire(HS_FILE_VERSION, 1);
	remove_simply(ALICE, "comments", 1, 1);
	publish_simply(&comments);
	hs_store_release(s.store, f);
	assert_true(exists(ALICE, HS_FILE_VERSION, 1));
	assert_true(exists(ALICE, HS_FILE_ENCODING, 11));
	reopen();
	assert_string_equal(s.log, "");
	f = acquire(HS_FILE_VERSION, 1);
	hs_store_release(s.store, f);
}

static void owners_are_apart(void **state)
{
	(void)state;
	struct hs_version_entry e;
	struct hs_version_entry *list;
	struct hs_err err, absent;
	size_t n;
	publish_simply(&comments);
	assert_int_equal(hs_store_find(s.store, BOB, ALICE, "comments", &e, &err), HSFEED_ENOTFOUND);
	assert_int_equal(hs_store_find(s.store, BOB, ALICE, "nothing", &e, &absent), HSFEED_ENOTFOUND);
	assert_string_equal(err.message, "there is no dataset \"comments\""); // as one that is not there
	assert_string_equal(absent.message, "there is no dataset \"nothing\"");
	assert_int_equal(hs_store_list(s.store, BOB, NULL, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	hs_version_entries_free(list, n);
	assert_false(has(BOB, HS_FILE_VERSION, 1));
	struct hs_removed removed;
	assert_int_equal(hs_store_remove(s.store, BOB, "comments", &removed, &err), HSFEED_ENOTFOUND);
	struct fx_publish bobs = comments;
	bobs.owner = BOB;
	publish_simply(&bobs); // the same bytes: files of his own
	assert_true(exists(BOB, HS_FILE_VERSION, 1));
	remove_simply(ALICE, "comments", 1, 0);
	assert_true(exists(BOB, HS_FILE_VERSION, 1));
	struct hs_store_sums sums;
	hs_store_sums(s.store, (uint32_t)-1, &sums);
	assert_int_equal(sums.versions, 1);
}

static void specs_that_name_nothing_or_too_much_say_so(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		int want;
		const char *says;
	} cases[] = {
		{"comments@zzzz", HSFEED_EBADREQUEST, "does not name"},
		{"comments@12", HSFEED_EBADREQUEST, "does not name"},
		{"", HSFEED_EBADREQUEST, "does not name"},
		{"../etc", HSFEED_EBADREQUEST, "does not name"},
		{"comments@0000", HSFEED_ENOTFOUND, "no version"},
		{"other", HSFEED_ENOTFOUND, "no dataset"},
	};
	publish_simply(&comments);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hs_version_entry e;
		struct hs_err err;
		assert_int_equal(hs_store_find(s.store, ALICE, ALICE, cases[i].spec, &e, &err), cases[i].want);
		assert_non_null(strstr(err.message, cases[i].says));
		assert_int_not_equal(err.hint[0], 0);
	}
}

static void an_upper_case_prefix_and_the_whole_id_are_understood(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_id id = fx_id(1);
	char hex[HS_ID_HEX], *spec;
	hs_id_hex(&id, hex);
	spec = fx_path("comments@%s", hex);
	struct hs_version_entry e = find(ALICE, spec);
	hs_version_entry_fini(&e);
	for (char *p = spec + 9; *p; p++)
		*p = *p >= 'a' ? (char)(*p - 32) : *p;
	e = find(ALICE, spec);
	hs_version_entry_fini(&e);
	free(spec);
}

static void lists_are_sorted_by_name_and_age(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned seed;
	} order[] = {{"a", 5}, {"a", 3}, {"a", 4}, {"b", 9}, {"b", 1}};
	static const int published[] = {3, 0, 4, 1, 2};
	for (size_t i = 0; i < 5; i++) {
		struct fx_publish p = {ALICE, order[published[i]].name, order[published[i]].seed, {{0}}, 0};
		publish_simply(&p);
	}
	for (int round = 0; round < 2; round++) {
		struct hs_version_entry *list;
		struct hs_err err;
		size_t n;
		assert_int_equal(hs_store_list(s.store, ALICE, NULL, &list, &n, &err), 0);
		assert_int_equal(n, 5);
		for (size_t i = 0; i < n; i++) {
			struct hs_id id = fx_id(order[i].seed);
			assert_string_equal(list[i].name, order[i].name);
			assert_true(hs_id_eq(&list[i].version, &id));
			assert_int_equal(list[i].current, i == 2 || i == 4);
		}
		hs_version_entries_free(list, n);
		assert_int_equal(hs_store_list(s.store, ALICE, "b", &list, &n, &err), 0);
		assert_int_equal(n, 2);
		hs_version_entries_free(list, n);
		reopen();
	}
}

// ---- refusals of publish ----

static void refuse(const struct hs_publish *what, int want, const char *says)
{
	struct hs_published published;
	struct hs_version_entry *list;
	struct hs_err err;
	size_t n;
	assert_int_equal(hs_store_publish(s.store, what, &published, &err), want);
	assert_non_null(strstr(err.message, says));
	assert_int_equal(hs_store_list(s.store, ALICE, NULL, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	hs_version_entries_free(list, n);
	if (what->version.tmp_path)
		assert_int_equal(access(what->version.tmp_path, F_OK), -1);
}

static char *tmp_version(unsigned seed, uint32_t owner)
{
	struct fx_spec spec = {.seed = seed, .owner = owner, .name = "comments", .nrows = 10};
	char *path = fx_path("%s/v", hs_store_tmp(s.store));
	struct hs_err err;
	assert_int_equal(fx_write_version(path, &spec, &err), 0);
	return path;
}

static void files_that_are_not_what_is_claimed_are_refused_and_removed(void **state)
{
	(void)state;
	struct hs_publish what = {.owner = ALICE, .name = "comments"};
	char *path = tmp_version(1, ALICE);
	what.version = (struct hs_publish_file){fx_id(2), path, NULL};
	refuse(&what, HSFEED_ECORRUPT, "announced");
	free(path);
	path = tmp_version(1, BOB);
	what.version = (struct hs_publish_file){fx_id(1), path, NULL};
	refuse(&what, HSFEED_ECORRUPT, "owner");
	free(path);
	path = tmp_version(1, ALICE);
	what.version.tmp_path = path;
	what.name = "no/good";
	refuse(&what, HSFEED_EBADREQUEST, "dataset name");
	what.name = "comments";
	what.version.tmp_path = NULL;
	refuse(&what, HSFEED_ENOTFOUND, "removed meanwhile");
	free(path);
}

static void an_encoding_of_another_version_is_refused(void **state)
{
	(void)state;
	struct fx_spec spec = {
		.seed = 11, .version_seed = 2, .owner = ALICE, .name = "comments", .role = "text", .nrows = 10};
	struct hs_err err;
	char *path = tmp_version(1, ALICE), *encoding = fx_path("%s/e", hs_store_tmp(s.store));
	struct hs_publish_file e = {fx_id(11), encoding, "text"};
	struct hs_publish what = {.owner = ALICE,
				  .name = "comments",
				  .version = {fx_id(1), path, NULL},
				  .encodings = &e,
				  .nencodings = 1};
	assert_int_equal(fx_write_encoding(encoding, &spec, &err), 0);
	refuse(&what, HSFEED_ECORRUPT, "another version");
	assert_int_equal(access(encoding, F_OK), -1);
	free(path);
	free(encoding);
}

// ---- removing ----

static void a_removed_version_gives_the_name_to_the_youngest_left(void **state)
{
	(void)state;
	char *spec;
	for (unsigned seed = 1; seed <= 3; seed++) {
		struct fx_publish p = {ALICE, "comments", seed, {{"text", seed + 10}}, 0};
		publish_simply(&p);
	}
	struct hs_id id = fx_id(3), first = fx_id(1), second = fx_id(2);
	char hex[HS_ID_HEX];
	hs_id_hex(&id, hex);
	spec = fx_path("comments@%.8s", hex);
	remove_simply(ALICE, spec, 1, 0);
	free(spec);
	struct hs_version_entry e = find(ALICE, "comments");
	assert_true(hs_id_eq(&e.version, &second));
	hs_version_entry_fini(&e);
	hs_id_hex(&first, hex);
	spec = fx_path("comments@%.8s", hex);
	remove_simply(ALICE, spec, 1, 0);
	free(spec);
	reopen();
	e = find(ALICE, "comments");
	assert_true(hs_id_eq(&e.version, &second)); // another version's removal does not move it
	hs_version_entry_fini(&e);
	remove_simply(ALICE, "comments", 1, 0);
	struct hs_err err;
	assert_int_equal(hs_store_find(s.store, ALICE, ALICE, "comments", &e, &err), HSFEED_ENOTFOUND);
	assert_false(exists(ALICE, HS_FILE_ENCODING, 12));
}

static void a_file_in_use_is_unlinked_with_its_last_user(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_file *one = acquire(HS_FILE_VERSION, 1), *two = acquire(HS_FILE_VERSION, 1);
	struct hs_id id = fx_id(1);
	struct hs_err err;
	assert_ptr_equal(one, two); // opened once
	assert_int_equal(hs_store_users(s.store, ALICE, HS_FILE_VERSION, &id), 2);
	remove_simply(ALICE, "comments", 1, 1);
	assert_false(exists(ALICE, HS_FILE_ENCODING, 11));
	hs_store_release(s.store, one);
	assert_true(exists(ALICE, HS_FILE_VERSION, 1));
	struct hs_file *none;
	assert_int_equal(hs_store_acquire(s.store, ALICE, HS_FILE_VERSION, &id, &none, &err), HSFEED_ENOTFOUND);
	struct hs_version *v;
	assert_int_equal(hs_version_open(two, &v, &err), 0);
	hs_version_close(v);
	hs_store_release(s.store, two);
	assert_false(exists(ALICE, HS_FILE_VERSION, 1));
	assert_int_equal(hs_store_sweep(s.store, &err), 1);
	reopen();
	assert_string_equal(s.log, "");
}

static void the_list_for_verify_names_each_file_once_with_its_checksum(void **state)
{
	(void)state;
	struct fx_publish other = comments;
	struct hs_verify_item *items;
	struct hs_err err;
	size_t n;
	other.name = "other";
	publish_simply(&comments);
	publish_simply(&other);
	assert_int_equal(hs_store_verify_list(s.store, ALICE, NULL, &items, &n, &err), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(hs_file_check(items[i].path, items[i].crc_root, NULL, NULL, &err), 0);
	hs_verify_items_free(items, n);
	assert_int_equal(hs_store_verify_list(s.store, ALICE, "other", &items, &n, &err), 0);
	assert_int_equal(n, 3);
	hs_verify_items_free(items, n);
	assert_int_equal(hs_store_verify_list(s.store, ALICE, "nothing", &items, &n, &err), HSFEED_ENOTFOUND);
}

static void many_records_grow_the_catalog(void **state)
{
	(void)state;
	struct fx_publish p = {ALICE, NULL, 1, {{"text", 11}}, 0};
	char name[HS_NAME_MAX + 1];
	memset(name, 'n', HS_NAME_MAX);
	name[HS_NAME_MAX] = '\0';
	p.name = name;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, 8, "%07u", i);
		name[7] = 'n';
		publish_simply(&p);
	}
	reopen();
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, 8, "%07u", i);
		name[7] = 'n';
		struct hs_version_entry e = find(ALICE, name);
		hs_version_entry_fini(&e);
		if (i % 3 == 0)
			remove_simply(ALICE, name, 1, 0);
	}
	reopen();
	struct hs_store_sums sums;
	hs_store_sums(s.store, ALICE, &sums);
	assert_int_equal(sums.datasets, 200);
	assert_int_equal(sums.encodings, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_published_is_found_and_survives_a_restart),
		TEST(files_and_folders_are_the_daemons_alone),
		TEST(publishing_the_same_again_changes_nothing),
		TEST(new_bytes_move_the_name_and_old_versions_stay),
		TEST(a_version_known_under_another_name_shares_its_files),
		TEST(two_roles_may_have_one_encoding),
		TEST(a_role_given_another_encoding_moves_and_the_old_file_goes),
		TEST(an_open_encoding_outlives_its_role),
		TEST(a_doomed_file_that_is_published_again_is_taken_back),
		TEST(owners_are_apart),
		TEST(specs_that_name_nothing_or_too_much_say_so),
		TEST(an_upper_case_prefix_and_the_whole_id_are_understood),
		TEST(lists_are_sorted_by_name_and_age),
		TEST(files_that_are_not_what_is_claimed_are_refused_and_removed),
		TEST(an_encoding_of_another_version_is_refused),
		TEST(a_removed_version_gives_the_name_to_the_youngest_left),
		TEST(a_file_in_use_is_unlinked_with_its_last_user),
		TEST(the_list_for_verify_names_each_file_once_with_its_checksum),
		TEST(many_records_grow_the_catalog),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
