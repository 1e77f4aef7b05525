// SPDX-License-Identifier: Apache-2.0
// Saved split plans: kept, found, replaced, removed; and records of them that no sound program would write.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "store/catalog.h"
#include "store_world.h"

static struct hs_plan_ref ref_of(uint32_t owner, const char *name, const char *plan)
{
	return (struct hs_plan_ref){.uid = owner, .owner = owner, .name = name, .plan = plan};
}

// {"folds": n}
static size_t options_of(uint8_t ret[16], unsigned n)
{
	static const uint8_t start[] = {0x81, 0xa5, 'f', 'o', 'l', 'd', 's'};
	memcpy(ret, start, sizeof(start));
	ret[sizeof(start)] = (uint8_t)n;
	return sizeof(start) + 1;
}

static int try_save(const char *name, const char *plan, unsigned folds, bool replace, struct hs_err *err)
{
	uint8_t options[16];
	enum hs_plan_saved saved;
	struct hs_plan_save what = {
		.ref = ref_of(ALICE, name, plan), .options = options, .options_len = options_of(options, folds)};
	what.replace = replace;
	int rc = hs_store_save_plan(s.store, &what, &saved, err);
	return rc < 0 ? rc : (int)saved;
}

static int save(const char *name, const char *plan, unsigned folds, bool replace)
{
	struct hs_err err;
	int rc = try_save(name, plan, folds, replace, &err);
	if (rc < 0)
		fail_msg("%s", err.message);
	return rc;
}

static int save_rows(const char *plan, unsigned version_seed, const uint16_t *folds, size_t nrows, struct hs_err *err)
{
	enum hs_plan_saved saved;
	struct hs_plan_save what = {.ref = ref_of(ALICE, "comments", plan),
				    .options = "\x80",
				    .options_len = 1,
				    .fold_of_row = folds,
				    .nrows = nrows,
				    .version = fx_id(version_seed),
				    .replace = true};
	int rc = hs_store_save_plan(s.store, &what, &saved, err);
	return rc < 0 ? rc : (int)saved;
}

// How many folds the plan has; -1: it is not there.
static int folds_of(const char *name, const char *plan)
{
	struct hs_plan_entry entry;
	struct hs_err err;
	const struct hs_plan_ref ref = ref_of(ALICE, name, plan);
	if (hs_store_find_plan(s.store, &ref, &entry, &err) < 0)
		return -1;
	assert_string_equal(entry.plan, plan);
	assert_true(entry.created_ms > 0);
	int folds = entry.options[entry.options_len - 1];
	hs_plan_entry_fini(&entry);
	return folds;
}

static size_t count(const char *name)
{
	struct hs_plan_entry *entries;
	struct hs_err err;
	size_t n;
	const struct hs_plan_ref ref = ref_of(ALICE, name, NULL);
	if (hs_store_list_plans(s.store, &ref, &entries, &n, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 1; i < n; i++)
		assert_true(strcmp(entries[i - 1].plan, entries[i].plan) < 0);
	hs_plan_entries_free(entries, n);
	return n;
}

static int remove_plan(const char *name, const char *plan)
{
	struct hs_err err;
	const struct hs_plan_ref ref = ref_of(ALICE, name, plan);
	int rc = hs_store_remove_plan(s.store, &ref, &err);
	if (rc < 0)
		fail_msg("%s", err.message);
	return rc;
}

static void a_plan_is_found_again_also_after_a_restart(void **state)
{
	(void)state;
	publish_simply(&comments);
	assert_int_equal(save("comments", "cv5", 5, false), HS_PLAN_NEW);
	assert_int_equal(save("comments", "cv10", 10, false), HS_PLAN_NEW);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(folds_of("comments", "cv5"), 5);
		assert_int_equal(folds_of("comments", "cv10"), 10);
		assert_int_equal(count("comments"), 2);
		reopen();
		assert_string_equal(s.log, "");
	}
}

static void an_existing_plan_changes_only_when_that_is_asked_for(void **state)
{
	(void)state;
	publish_simply(&comments);
	save("comments", "cv", 5, false);
	assert_int_equal(save("comments", "cv", 5, false), HS_PLAN_KNOWN);
	assert_int_equal(save("comments", "cv", 5, true), HS_PLAN_KNOWN);
	assert_int_equal(save("comments", "cv", 6, false), HS_PLAN_DIFFERS);
	assert_int_equal(folds_of("comments", "cv"), 5);
	assert_int_equal(save("comments", "cv", 6, true), HS_PLAN_REPLACED);
	reopen();
	assert_int_equal(folds_of("comments", "cv"), 6);
	assert_int_equal(count("comments"), 1);
}

static void a_plan_that_is_not_there_is_told_with_those_that_are(void **state)
{
	(void)state;
	struct hs_plan_entry entry;
	struct hs_err err;
	struct hs_plan_ref ref = ref_of(ALICE, "comments", "cv3");
	assert_int_equal(hs_store_find_plan(s.store, &ref, &entry, &err), HSFEED_ENOTFOUND);
	assert_string_equal(err.message, "there is no dataset \"comments\"");
	publish_simply(&comments);
	assert_int_equal(hs_store_find_plan(s.store, &ref, &entry, &err), HSFEED_ENOTFOUND);
	assert_string_equal(err.message, "dataset \"comments\" has no plan \"cv3\": none is saved");
	save("comments", "cv5", 5, false);
	save("comments", "a", 5, false);
	assert_int_equal(hs_store_find_plan(s.store, &ref, &entry, &err), HSFEED_ENOTFOUND);
	assert_string_equal(err.message, "dataset \"comments\" has no plan \"cv3\"; it has a, cv5");
	ref.uid = BOB; // a private dataset cannot be noticed
	ref.plan = "cv5";
	assert_int_equal(hs_store_find_plan(s.store, &ref, &entry, &err), HSFEED_ENOTFOUND);
	assert_string_equal(err.message, "there is no dataset \"comments\"");
	ref.name = "comments@1234";
	assert_int_equal(hs_store_remove_plan(s.store, &ref, &err), HSFEED_ENOTFOUND);
	assert_string_equal(err.message, "there is no dataset \"comments\"");
	for (unsigned i = 0; i < 60; i++) {
		char plan[32];
		snprintf(plan, sizeof(plan), "with-a-long-name-%u", i);
		save("comments", plan, 5, false);
	}
	ref = ref_of(ALICE, "comments", "cv3");
	assert_int_equal(hs_store_find_plan(s.store, &ref, &entry, &err), HSFEED_ENOTFOUND);
	assert_string_equal(err.message + strlen(err.message) - 5, ", ...");
}

static void a_removed_plan_is_gone_and_others_stay(void **state)
{
	(void)state;
	publish_simply(&comments);
	save("comments", "a", 2, false);
	save("comments", "b", 3, false);
	assert_int_equal(remove_plan("comments", "a"), 1);
	assert_int_equal(remove_plan("comments", "a"), 0);
	reopen();
	assert_int_equal(folds_of("comments", "a"), -1);
	assert_int_equal(folds_of("comments", "b"), 3);
}

static void plans_belong_to_the_name_and_go_with_its_last_version(void **state)
{
	(void)state;
	struct fx_publish second = {ALICE, "comments", 2, {{"teacher", 21}}, 0}, other = comments;
	char hex[HS_ID_HEX], spec[64];
	struct hs_id id = fx_id(1);
	other.name = "other";
	publish_simply(&comments);
	publish_simply(&other);
	save("comments", "cv", 5, false);
	save("other", "cv", 7, false);
	publish_simply(&second); // the name moves
	assert_int_equal(folds_of("comments", "cv"), 5);
	hs_id_hex(&id, hex);
	snprintf(spec, sizeof(spec), "comments@%.6s", hex);
	assert_int_equal(folds_of(spec, "cv"), 5);
	remove_simply(ALICE, spec, 1, 0);
	assert_int_equal(folds_of("comments", "cv"), 5);
	remove_simply(ALICE, "comments", 1, 0);
	publish_simply(&comments);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(folds_of("comments", "cv"), -1);
		assert_int_equal(folds_of("other", "cv"), 7);
		reopen();
	}
}

static void names_and_options_that_cannot_be_are_refused(void **state)
{
	(void)state;
	struct hs_err err;
	enum hs_plan_saved saved;
	static const char *const names[] = {"", "a b", "../x", "-a", "a/b", "a\xc3\xa9"};
	publish_simply(&comments);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(try_save("comments", names[i], 5, false, &err), HSFEED_EBADREQUEST);
	assert_int_equal(try_save("nothing", "cv", 5, false, &err), HSFEED_ENOTFOUND);
	static const struct hs_span bad[] = {{"", 0}, {"\x81", 1}, {"\xc0", 1}, {"\x80\x80", 2}, {"\x91\x01", 2}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hs_plan_save what = {
			.ref = ref_of(ALICE, "comments", "cv"), .options = bad[i].ptr, .options_len = bad[i].len};
		assert_int_equal(hs_store_save_plan(s.store, &what, &saved, &err), HSFEED_EBADREQUEST);
	}
	assert_int_equal(count("comments"), 0);
}

static void a_dataset_has_so_many_plans_and_no_more(void **state)
{
	(void)state;
	struct hs_err err;
	char plan[32];
	publish_simply(&comments);
	for (unsigned i = 0; i < HS_MAX_PLANS; i++) {
		snprintf(plan, sizeof(plan), "p%u", i);
		save("comments", plan, 5, false);
	}
	assert_int_equal(try_save("comments", "more", 5, false, &err), HSFEED_ELIMIT);
	assert_int_equal(save("comments", "p7", 6, true), HS_PLAN_REPLACED);
	reopen();
	assert_int_equal(count("comments"), HS_MAX_PLANS);
}

static void options_of_a_dataset_take_so_much_and_no_more(void **state)
{
	(void)state;
	struct hs_err err;
	enum hs_plan_saved saved;
	const size_t len = HS_MAX_PLAN_OPTIONS / 2;
	uint8_t *options = calloc(len, 1);
	const uint8_t start[] = {
		0x81, 0xa1, 'k', 0xc6, 0, (uint8_t)((len - 8) >> 16), (uint8_t)((len - 8) >> 8), (uint8_t)(len - 8)};
	memcpy(options, start, sizeof(start));
	publish_simply(&comments);
	for (unsigned i = 0; i < 3; i++) {
		char plan[8];
		snprintf(plan, sizeof(plan), "p%u", i);
		const struct hs_plan_save what = {
			.ref = ref_of(ALICE, "comments", plan), .options = options, .options_len = len};
		assert_int_equal(hs_store_save_plan(s.store, &what, &saved, &err), i < 2 ? 0 : HSFEED_ELIMIT);
	}
	free(options);
}

// ---- plans of row numbers ----

static int find_rows(const struct hs_id *digest, unsigned version_seed, size_t nrows, uint16_t *ret, struct hs_err *err)
{
	const struct hs_plan_rows_request request = {
		.owner = ALICE, .name = "comments", .digest = *digest, .version = fx_id(version_seed), .nrows = nrows};
	return hs_store_find_plan_rows(s.store, &request, ret, err);
}

static void row_numbers_are_found_by_their_digest_while_a_plan_holds_them(void **state)
{
	(void)state;
	static const uint16_t folds[10] = {0, 1, 65535, 0, 1, 65534, 0, 0, 1, 1};
	uint16_t found[10];
	struct hs_id digest, version = fx_id(1);
	struct hs_err err;
	publish_simply(&comments);
	assert_int_equal(hs_plan_rows_digest(&version, folds, 10, &digest), 0);
	assert_int_equal(find_rows(&digest, 1, 10, found, &err), HSFEED_ENOTFOUND);
	assert_int_equal(save_rows("mine", 1, folds, 10, &err), HS_PLAN_NEW);
	for (int round = 0; round < 2; round++) {
		memset(found, 0, sizeof(found));
		assert_int_equal(find_rows(&digest, 1, 10, found, &err), 0);
		assert_memory_equal(found, folds, sizeof(folds));
		assert_int_equal(find_rows(&digest, 2, 10, found, &err), HSFEED_EBADPLAN);
		assert_non_null(strstr(err.message, "\"mine\" numbers the rows of comments@"));
		assert_int_equal(find_rows(&digest, 1, 9, found, &err), HSFEED_EBADPLAN);
		reopen();
	}
	assert_int_equal(remove_plan("comments", "mine"), 1);
	assert_int_equal(find_rows(&digest, 1, 10, found, &err), HSFEED_ENOTFOUND);
}

static void many_row_numbers_survive_being_replaced_and_a_restart(void **state)
{
	(void)state;
	const size_t n = 500000;
	uint16_t *folds = calloc(n, sizeof(*folds)), *found = calloc(n, sizeof(*found));
	struct hs_id digest, version = fx_id(1);
	struct hs_err err;
	publish_simply(&comments);
	for (unsigned round = 0; round < 6; round++) {
		for (size_t i = 0; i < n; i++)
			folds[i] = (uint16_t)(i * 31 % (round + 2));
		assert_int_equal(hs_plan_rows_digest(&version, folds, n, &digest), 0);
		// The options are the same: the store believes what it is told, and so nothing is done.
		assert_int_equal(remove_plan("comments", "mine"), round > 0);
		assert_int_equal(save_rows("mine", 1, folds, n, &err), HS_PLAN_NEW);
		reopen();
		assert_int_equal(find_rows(&digest, 1, n, found, &err), 0);
		assert_memory_equal(found, folds, n * sizeof(*folds));
	}
	free(folds);
	free(found);
}

static void plans_of_row_numbers_take_so_much_memory_and_no_more(void **state)
{
	(void)state;
	const size_t most = HS_MAX_PLAN_BYTES / sizeof(uint16_t);
	uint16_t *folds = calloc(most + 1, sizeof(*folds)); // never touched
	struct hs_err err;
	publish_simply(&comments);
	assert_non_null(folds);
	assert_int_equal(save_rows("a", 1, folds, most + 1, &err), HSFEED_ELIMIT);
	assert_int_equal(save_rows("a", 1, folds, 10, &err), HS_PLAN_NEW);
	assert_int_equal(save_rows("b", 1, folds, most - 9, &err), HSFEED_ELIMIT);
	assert_int_equal(save("comments", "c", 5, false), HS_PLAN_NEW); // takes none
	free(folds);
}

// ---- records that no sound program would write ----

static void put_record(const char *key, size_t key_len, const void *body, size_t body_len)
{
	struct hs_catalog c = {0};
	struct hs_cat_ops ops = {0};
	struct hs_cat_op op = {0};
	struct hs_err err;
	char *folder = fx_path("%s/catalog", s.state);
	uint32_t crc = hs_crc32c(hs_crc32c(0, key, key_len), body, body_len);
	uint8_t prefix[4] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16), (uint8_t)(crc >> 24)};
	hs_store_close(s.store);
	s.store = NULL;
	assert_int_equal(hs_buf_append(&op.key, key, key_len), 0);
	assert_int_equal(hs_buf_append(&op.value, prefix, 4), 0);
	assert_int_equal(hs_buf_append(&op.value, body, body_len), 0);
	ops.items = malloc(sizeof(op));
	ops.items[0] = op;
	ops.n = 1;
	assert_int_equal(hs_catalog_load(&c, folder, &err), 0);
	assert_int_equal(hs_catalog_start(&c, &err), 0);
	assert_int_equal(hs_catalog_commit(&c, &ops, NULL, &err), 0);
	hs_cat_ops_fini(&ops);
	hs_catalog_fini(&c);
	free(folder);
}

static void assert_refused(const char *part)
{
	struct hs_err err;
	if (fx_store_open(&s, false, &err) == 0)
		fail_msg("a record was taken: %s", part);
	assert_int_equal(err.code, HSFEED_ECORRUPT);
	if (!strstr(err.message, part))
		fail_msg("\"%s\" is not in \"%s\"", part, err.message);
	assert_non_null(strstr(err.hint, "--rebuild-catalog"));
	assert_int_equal(fx_store_open(&s, true, &err), 0); // the way out: without plans
	assert_non_null(strstr(s.log, "plans could not be known"));
	assert_int_equal(count("comments"), 0);
}

#define KEY(name, plan) "P\0\0\x03\xe8" name "\0" plan
#define CREATED                                                                                                        \
	"\xaa"                                                                                                         \
	"created_ms"                                                                                                   \
	"\x01"
#define OPTIONS                                                                                                        \
	"\xa7"                                                                                                         \
	"options"                                                                                                      \
	"\x80"
#define PUT(key, body) put_record(key, sizeof(key) - 1, body, sizeof(body) - 1)

static void a_sound_record_is_taken(void **state)
{
	(void)state;
	struct hs_err err;
	publish_simply(&comments);
	PUT(KEY("comments", "cv"), "\x82" CREATED OPTIONS);
	assert_int_equal(fx_store_open(&s, false, &err), 0);
	assert_int_equal(count("comments"), 1);
}

static void a_record_that_cannot_be_understood_is_refused(void **state)
{
	(void)state;
	static const char *const what = "a plan's record cannot be understood";
	publish_simply(&comments);
	PUT(KEY("comments", ""), "\x82" CREATED OPTIONS);
	assert_refused(what);
	PUT(KEY("", "cv"), "\x82" CREATED OPTIONS);
	assert_refused(what);
	PUT(KEY("comments", "c/v"), "\x82" CREATED OPTIONS);
	assert_refused(what);
	PUT("P\0\0\x03\xe8"
	    "comments",
	    "\x82" CREATED OPTIONS);
	assert_refused(what);
	PUT("P\0\0\x03\xe8", "\x82" CREATED OPTIONS);
	assert_refused("a record's key cannot be understood");
	PUT(KEY("comments", "cv"), "\x81" OPTIONS);
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x81" CREATED);
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x82" CREATED "\xa7"
				   "options"
				   "\xc0");
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x82" CREATED "\xa7"
				   "options"
				   "\x81"); // cut short
	assert_refused("data.mdb");
	PUT(KEY("nothing", "cv"), "\x82" CREATED OPTIONS);
	assert_refused("a plan has no dataset");
}

#define ID32 "0123456789abcdef0123456789abcdef"
#define VERSION                                                                                                        \
	"\xa7"                                                                                                         \
	"version"                                                                                                      \
	"\xc4\x20" ID32

static void a_record_of_row_numbers_is_whole_or_refused(void **state)
{
	(void)state;
	static const char *const what = "a plan's record cannot be understood";
	struct hs_err err;
	publish_simply(&comments);
	PUT(KEY("comments", "cv"), "\x83" CREATED OPTIONS VERSION);
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x83" CREATED OPTIONS "\xa5"
				   "folds"
				   "\xc4\x02\0\0");
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x84" CREATED OPTIONS VERSION "\xa5"
				   "folds"
				   "\xc4\x03\0\0\0"); // one and a half
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x84" CREATED OPTIONS VERSION "\xa5"
				   "folds"
				   "\xc4\x00");
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x84" CREATED OPTIONS VERSION "\xa5"
				   "folds"
				   "\x05");
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x84" CREATED OPTIONS "\xa7"
				   "version"
				   "\xc4\x02"
				   "ab"
				   "\xa5"
				   "folds"
				   "\xc4\x02\0\0");
	assert_refused(what);
	PUT(KEY("comments", "cv"), "\x84" CREATED OPTIONS VERSION "\xa5"
				   "folds"
				   "\xc4\x02\x01\0");
	assert_int_equal(fx_store_open(&s, false, &err), 0);
	assert_int_equal(count("comments"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plan_is_found_again_also_after_a_restart),
		TEST(an_existing_plan_changes_only_when_that_is_asked_for),
		TEST(a_plan_that_is_not_there_is_told_with_those_that_are),
		TEST(a_removed_plan_is_gone_and_others_stay),
		TEST(plans_belong_to_the_name_and_go_with_its_last_version),
		TEST(names_and_options_that_cannot_be_are_refused),
		TEST(a_dataset_has_so_many_plans_and_no_more),
		TEST(options_of_a_dataset_take_so_much_and_no_more),
		TEST(row_numbers_are_found_by_their_digest_while_a_plan_holds_them),
		TEST(many_row_numbers_survive_being_replaced_and_a_restart),
		TEST(plans_of_row_numbers_take_so_much_memory_and_no_more),
		TEST(a_sound_record_is_taken),
		TEST(a_record_that_cannot_be_understood_is_refused),
		TEST(a_record_of_row_numbers_is_whole_or_refused),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0); // thousands of syncs
	return cmocka_run_group_tests(tests, NULL, NULL);
}
