// SPDX-License-Identifier: Apache-2.0
// The n-th allocation, write, sync, rename, read, open or map fails, for every n: nothing half done is visible, the
// store opens again, and what was asked can then be done.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sched.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault_io.h"
#include "store/near.h"
#include "store_check.h"

static struct fx_store s;

static const struct fx_publish base = {1000, "base", 1, {{"teacher", 11}, {"student", 12}}, 0};
// A new version of the name, and for the old version's role another encoding comes in between.
static const struct fx_publish next = {1000, "base", 2, {{"teacher", 21}}, 0};
static const struct fx_publish moved = {1000, "base", 1, {{"student", 13}}, 0};

static const struct fx_attach array = {1000, "base", 1, "logits", 15, 0}; // base has it from the beginning
static const struct fx_attach more = {1000, "base", 1, "hidden", 16, 0}, instead = {1000, "base", 1, "logits", 17, 0};

static int attach(const struct fx_attach *a, struct hs_err *err)
{
	struct hs_published published = {0};
	int rc = fx_attach(s.store, a, &published, err);
	hs_published_fini(&published);
	return rc;
}

static int publish(const struct fx_publish *p, struct hs_err *err)
{
	struct hs_published published = {0};
	int rc = fx_publish(s.store, p, &published, err);
	hs_published_fini(&published);
	return rc;
}

static int save_before(struct hs_err *err);

static void open_fresh(void)
{
	struct hs_err err;
	fx_dir_make(&s.dir);
	snprintf(s.state, sizeof(s.state), "%s/state", s.dir.path);
	if (fx_store_open(&s, false, &err) < 0 || publish(&base, &err) < 0 || save_before(&err) < 0 ||
	    attach(&array, &err) < 0)
		fail_msg("%s", err.message);
}

static void close_all(void)
{
	hs_store_close(s.store);
	s.store = NULL;
	fx_dir_remove(&s.dir);
}

// ---- what is done, and what it must have done ----

enum effect { BEFORE, AFTER, MIXED };

struct deed {
	const char *name;
	int (*act)(struct hs_err *err);
	enum effect (*look)(void);
};

static bool version_is(const char *spec, unsigned seed, unsigned nroles)
{
	return check_version_is(s.store, 1000, spec, seed, nroles);
}

static bool absent(unsigned seed)
{
	struct hs_id id = fx_id(seed);
	bool there = false;
	for (int kind = HS_FILE_VERSION; kind <= HS_FILE_LAST_KIND; kind++)
		there = there || hs_store_has(s.store, 1000, (enum hs_file_kind)kind, &id);
	return !there;
}

// Are these the arrays of base's first version, and whole? A seed of 0: it has no such array.
static bool arrays_are(unsigned logits, unsigned hidden)
{
	struct hs_version_entry e;
	struct hs_id version = fx_id(1);
	char hex[HS_ID_HEX], spec[80];
	hs_id_hex(&version, hex);
	snprintf(spec, sizeof(spec), "base@%s", hex);
	if (hs_store_find(s.store, 1000, 1000, spec, &e, NULL) < 0)
		return false;
	bool are = e.narrays == (size_t)(logits > 0) + (hidden > 0);
	for (size_t i = 0; are && i < e.narrays; i++) {
		unsigned seed = strcmp(e.arrays[i].array, "logits") == 0 ? logits : hidden;
		struct hs_id id = fx_id(seed);
		are = hs_id_eq(&e.arrays[i].id, &id) && check_file(s.store, 1000, HS_FILE_ARRAY, &id, seed);
	}
	hs_version_entry_fini(&e);
	return are;
}

static int act_publish(struct hs_err *err)
{
	return publish(&next, err);
}
static enum effect look_publish(void)
{
	if (version_is("base", 1, 2) && absent(2) && absent(21))
		return BEFORE;
	return version_is("base", 2, 1) && !absent(1) ? AFTER : MIXED;
}

static bool student_is(unsigned seed)
{
	struct hs_version_entry e;
	struct hs_id id = fx_id(seed);
	if (hs_store_find(s.store, 1000, 1000, "base", &e, NULL) < 0)
		return false;
	bool is = e.nroles == 2 && hs_id_eq(&e.roles[1].encoding, &id);
	hs_version_entry_fini(&e);
	return is;
}

static int act_move(struct hs_err *err)
{
	return publish(&moved, err);
}
static enum effect look_move(void)
{
	if (student_is(12) && version_is("base", 1, 2) && absent(13))
		return BEFORE;
	return student_is(13) && version_is("base", 1, 2) && absent(12) ? AFTER : MIXED;
}

static int act_remove(struct hs_err *err)
{
	struct hs_removed removed = {0};
	int rc = hs_store_remove(s.store, 1000, "base", &removed, err);
	hs_removed_fini(&removed);
	return rc;
}
static enum effect look_remove(void)
{
	if (version_is("base", 1, 2))
		return BEFORE;
	return absent(1) && absent(11) && absent(12) && absent(15) ? AFTER : MIXED;
}

static int act_attach(struct hs_err *err)
{
	return attach(&more, err);
}
static enum effect look_attach(void)
{
	if (!version_is("base", 1, 2))
		return MIXED;
	return arrays_are(15, 0) && absent(16) ? BEFORE : arrays_are(15, 16) ? AFTER : MIXED;
}

static int act_replace(struct hs_err *err)
{
	return attach(&instead, err);
}
static enum effect look_replace(void)
{
	if (!version_is("base", 1, 2))
		return MIXED;
	return arrays_are(15, 0) && absent(17) ? BEFORE : arrays_are(17, 0) && absent(15) ? AFTER : MIXED;
}

static int act_detach(struct hs_err *err)
{
	struct hs_removed removed;
	int rc = hs_store_detach(s.store, 1000, "base", "logits", &removed, err);
	return rc < 0 ? rc : 0;
}
static enum effect look_detach(void)
{
	if (!version_is("base", 1, 2))
		return MIXED;
	return arrays_are(15, 0) ? BEFORE : arrays_are(0, 0) && absent(15) ? AFTER : MIXED;
}

// A plan of row numbers is there before, so that a save replaces it.
static const uint16_t folds_before[3000] = {1}, folds_after[3000] = {2};

static int save_plan(const char *plan, const uint16_t *folds, struct hs_err *err)
{
	enum hs_plan_saved saved;
	const struct hs_plan_save what = {.ref = {.uid = 1000, .owner = 1000, .name = "base", .plan = plan},
					  .options = folds == folds_after ? "\x81\xa1k\x02" : "\x81\xa1k\x01",
					  .options_len = 4,
					  .fold_of_row = folds,
					  .nrows = 3000,
					  .version = fx_id(1),
					  .replace = true};
	return hs_store_save_plan(s.store, &what, &saved, err);
}

static int save_before(struct hs_err *err)
{
	return save_plan("mine", folds_before, err);
}

static bool has_rows(const uint16_t *folds)
{
	uint16_t found[3000];
	struct hs_plan_rows_request request = {.owner = 1000, .name = "base", .version = fx_id(1), .nrows = 3000};
	return hs_plan_rows_digest(&request.version, folds, 3000, &request.digest) == 0 &&
	       hs_store_find_plan_rows(s.store, &request, found, NULL) == 0 && memcmp(found, folds, sizeof(found)) == 0;
}

static int act_save_plan(struct hs_err *err)
{
	return save_plan("mine", folds_after, err);
}
static enum effect look_save_plan(void)
{
	bool before = has_rows(folds_before), after = has_rows(folds_after);
	return before && !after ? BEFORE : after && !before ? AFTER : MIXED;
}

static int act_remove_plan(struct hs_err *err)
{
	const struct hs_plan_ref ref = {.uid = 1000, .owner = 1000, .name = "base", .plan = "mine"};
	int rc = hs_store_remove_plan(s.store, &ref, err);
	return rc < 0 ? rc : 0;
}
static enum effect look_remove_plan(void)
{
	return has_rows(folds_before) ? BEFORE : AFTER;
}

// Three rows of base's first version, the last like the first; a pair of the first two.
static struct hs_near_key keep_key(void)
{
	return (struct hs_near_key){1000, 1, fx_id(1), 0.8, 3};
}

static int act_keep(struct hs_err *err)
{
	static uint32_t first[] = {0, 1, 0}, group[] = {0, 0, 0};
	static const struct {
		uint32_t a, b;
		double similarity;
	} pair = {0, 1, 0.9};
	const struct hs_near_key key = keep_key();
	const struct hs_near near = {.nrows = 3,
				     .ngroups = 1,
				     .npairs = 1,
				     .text_first = first,
				     .folded_first = first,
				     .group = group,
				     .pairs = (void *)&pair,
				     .exact_rows = 1,
				     .folded_rows = 1};
	if (hs_store_near_save(s.store, &key, &near))
		return 0;
	if (strstr(s.log, "near duplicates lie in memory only"))
		hs_err_set(err, -EIO, "told in the log");
	return -EIO;
}
static enum effect look_keep(void)
{
	struct hs_near near;
	const struct hs_near_key key = keep_key();
	int rc = hs_store_near_load(s.store, &key, &near);
	if (rc != 1 || near.npairs != 1 || near.text_first[2] != 0)
		return rc == 0 && !strstr(s.log, "is removed") ? BEFORE : MIXED;
	hs_near_fini(&near);
	return AFTER;
}

static int act_reopen(struct hs_err *err)
{
	hs_store_close(s.store);
	return fx_store_open(&s, false, err);
}
static int act_rebuild(struct hs_err *err)
{
	hs_store_close(s.store);
	return fx_store_open(&s, true, err);
}
static enum effect look_reopen(void)
{
	return version_is("base", 1, 2) && arrays_are(15, 0) ? AFTER : MIXED;
}

static const struct deed deeds[] = {
	{"publish", act_publish, look_publish},
	{"move a role", act_move, look_move},
	{"remove", act_remove, look_remove},
	{"attach", act_attach, look_attach},
	{"replace", act_replace, look_replace},
	{"detach", act_detach, look_detach},
	{"reopen", act_reopen, look_reopen},
	{"save a plan", act_save_plan, look_save_plan},
	{"remove a plan", act_remove_plan, look_remove_plan},
	{"keep duplicates", act_keep, look_keep},
	{"rebuild", act_rebuild, look_reopen},
};

static bool tmp_is_empty(void)
{
	char *path = fx_path("%s/tmp", s.state);
	bool empty = rmdir(path) == 0 && mkdir(path, 0700) == 0;
	free(path);
	return empty;
}

static void reopen_whole(const struct deed *deed, unsigned n)
{
	struct hs_err err;
	hs_store_close(s.store);
	int rc = fx_store_open(&s, false, &err);
	if (rc == HSFEED_ENOCATALOG && deed->act == act_rebuild) // the rebuild itself was cut short
		rc = fx_store_open(&s, true, &err);
	if (rc < 0)
		fail_msg("%s, fault %u: the store does not open again: %s", deed->name, n, err.message);
}

// One deed with its n-th call failing. false: it has fewer calls.
static bool try_deed(const struct deed *deed, enum fault_kind kind, unsigned n, int error, bool sticky)
{
	struct hs_err err = {0};
	open_fresh();
	fault_arm(kind, n, error, sticky);
	int rc = deed->act(&err);
	bool hit = fault_disarm();
	if (rc < 0 && err.message[0] == '\0')
		fail_msg("%s, fault %u: failed without a word", deed->name, n);
	if (rc < 0 && !hit)
		fail_msg("%s, no fault: %s", deed->name, err.message);
	bool store_deed = deed->act != act_reopen && deed->act != act_rebuild;
	if (store_deed && deed->look() != (rc < 0 ? BEFORE : AFTER))
		fail_msg("%s, fault %u (rc %d, %s): half done is visible", deed->name, n, rc, err.message);
	if (store_deed && !tmp_is_empty())
		fail_msg("%s, fault %u: tmp/ is not empty", deed->name, n);
	reopen_whole(deed, n);
	enum effect effect = deed->look();
	if (effect == MIXED || (rc == 0 && effect != AFTER))
		fail_msg("%s, fault %u (rc %d, %s): half done after a restart", deed->name, n, rc, err.message);
	if (effect == BEFORE && deed->act(&err) < 0)
		fail_msg("%s, fault %u: cannot be done afterwards: %s", deed->name, n, err.message);
	if (deed->look() != AFTER)
		fail_msg("%s, fault %u: done afterwards, and not as asked", deed->name, n);
	close_all();
	return hit;
}

static void sweep(enum fault_kind kind, int error, bool sticky)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		unsigned n = 1;
		while (try_deed(&deeds[i], kind, n, error, sticky))
			n++;
		print_message("    %s: %u faults\n", deeds[i].name, n - 1);
	}
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_MALLOC, ENOMEM, false);
}
static void any_write_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_WRITE, EIO, false);
}
static void the_disk_may_fill_at_any_write(void **state)
{
	(void)state;
	sweep(FAULT_WRITE, ENOSPC, true);
}
static void any_write_may_be_short(void **state)
{
	(void)state;
	sweep(FAULT_SHORT, 0, false);
}
static void any_sync_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_SYNC, EIO, false);
}
static void any_rename_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_RENAME, EACCES, false);
}
static void any_read_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_READ, EIO, false);
}
static void any_truncation_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_TRUNCATE, EIO, false);
}
static void any_open_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_OPEN, EMFILE, false);
}
static void any_map_may_fail(void **state)
{
	(void)state;
	sweep(FAULT_MAP, ENOMEM, false);
}

// ---- single cases ----

static void after_a_failed_sync_of_the_catalog_it_takes_no_changes_until_a_restart(void **state)
{
	(void)state;
	struct hs_err err;
	open_fresh();
	fault_arm(FAULT_SYNC, 1, EIO, true);
	assert_true(act_remove(&err) < 0);
	fault_disarm();
	assert_non_null(strstr(err.hint, "started again"));
	assert_true(act_remove(&err) < 0);
	assert_true(publish(&next, &err) < 0);
	assert_int_equal(look_publish(), BEFORE); // and goes on serving
	assert_int_equal(act_reopen(&err), 0);
	assert_int_not_equal(look_remove(), MIXED);
	close_all();
}

static void a_full_disk_is_told_as_such_and_the_store_goes_on_afterwards(void **state)
{
	(void)state;
	struct hs_err err;
	unsigned restarts = 0;
	open_fresh();
	for (unsigned n = 1; n < 60; n++) {
		fault_arm(FAULT_WRITE, n, ENOSPC, true);
		int rc = publish(&next, &err);
		if (!fault_disarm() || rc == 0) // the note beside the catalog is not worth an error
			break;
		if (rc != -ENOSPC)
			fail_msg("write %u: %s", n, err.message);
		if (strstr(err.hint,
			   "started again")) { // the very write of the meta page, which is on the disk already
			restarts++;
			assert_int_equal(act_reopen(&err), 0);
		} else {
			assert_non_null(strstr(err.hint, "make room"));
		}
		assert_int_equal(look_publish(), BEFORE);
	}
	if (look_publish() != AFTER)
		fail_msg("%s", err.message);
	assert_int_equal(restarts, 1);
	close_all();
}

static void a_state_folder_on_nfs_is_refused_by_name_and_nothing_is_left_there(void **state)
{
	(void)state;
	struct hs_err err;
	open_fresh();
	struct fx_store other = {.store = NULL};
	snprintf(other.state, sizeof(other.state), "%s/remote", s.dir.path);
	fault_f_type(0x6969);
	assert_int_equal(fx_store_open(&other, false, &err), HSFEED_EREMOTEFS);
	fault_f_type(0);
	assert_non_null(strstr(err.message, "NFS"));
	assert_non_null(strstr(err.hint, "--state"));
	assert_int_equal(access(other.state, F_OK), -1);
	close_all();
}

static void a_limit_on_file_sizes_is_an_error_and_not_a_signal(void **state)
{
	(void)state;
	struct hs_err err;
	struct rlimit old, small = {65536, RLIM_INFINITY};
	struct fx_publish big = next;
	big.nrows = 9000;
	open_fresh();
	signal(SIGXFSZ, SIG_IGN); // as the daemon does
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int rc = publish(&big, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_true(rc < 0);
	assert_int_equal(look_publish(), BEFORE);
	assert_true(tmp_is_empty());
	assert_int_equal(publish(&big, &err), 0);
	close_all();
}

// ---- a really full file system ----

// Fills a small tmpfs with datasets until it is full. 0: as it should be; 77: no mount may be made here; else the
// failing line.
#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			return __LINE__ & 0x3F ? __LINE__ & 0x3F : 1;                                                  \
	} while (0)

static int fill_disk(const char *folder, unsigned kib)
{
	char options[32];
	struct hs_err err = {0};
	unsigned n = 0;
	int rc;
	snprintf(options, sizeof(options), "size=%uk", kib);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", folder, "tmpfs", 0, options) < 0)
		return 77;
	snprintf(s.state, sizeof(s.state), "%s/state", folder);
	EXPECT(fx_store_open(&s, false, &err) == 0);
	for (;; n++) {
		char name[16];
		struct fx_publish p = {1000, name, 100 + 10 * n, {{"text", 101 + 10 * n}}, 2000};
		snprintf(name, sizeof(name), "n%u", n);
		rc = publish(&p, &err);
		if (rc < 0)
			break;
	}
	EXPECT(n > 0 && rc == -ENOSPC && err.hint[0]);
	for (unsigned i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%u", i);
		EXPECT(check_version_is(s.store, 1000, name, 100 + 10 * i, 1));
	}
	EXPECT(tmp_is_empty());
	struct hs_removed removed;
	EXPECT(hs_store_remove(s.store, 1000, "n0", &removed, &err) == 0); // removal makes room
	hs_removed_fini(&removed);
	EXPECT(act_reopen(&err) == 0);
	struct fx_publish again = {1000, "n0", 100, {{"text", 101}}, 2000};
	EXPECT(publish(&again, &err) == 0);
	hs_store_close(s.store);
	return 0;
}

static void a_full_file_system_keeps_what_it_holds_and_room_can_be_made(void **state)
{
	(void)state;
	for (unsigned kib = 1500; kib < 4000; kib += 477) {
		int status;
		fx_dir_make(&s.dir);
		pid_t child = fork();
		if (child == 0)
			_exit(fill_disk(s.dir.path, kib));
		waitpid(child, &status, 0);
		fx_dir_remove(&s.dir);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
			print_message("    skipped: no tmpfs may be mounted here (needs root)\n");
			skip();
		}
		if (status != 0)
			fail_msg("%u KiB: status %d, exit %d", kib, status, WEXITSTATUS(status));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_allocation_may_fail),
		cmocka_unit_test(any_write_may_fail),
		cmocka_unit_test(the_disk_may_fill_at_any_write),
		cmocka_unit_test(any_write_may_be_short),
		cmocka_unit_test(any_sync_may_fail),
		cmocka_unit_test(any_rename_may_fail),
		cmocka_unit_test(any_read_may_fail),
		cmocka_unit_test(any_truncation_may_fail),
		cmocka_unit_test(any_open_may_fail),
		cmocka_unit_test(any_map_may_fail),
		cmocka_unit_test(after_a_failed_sync_of_the_catalog_it_takes_no_changes_until_a_restart),
		cmocka_unit_test(a_full_disk_is_told_as_such_and_the_store_goes_on_afterwards),
		cmocka_unit_test(a_state_folder_on_nfs_is_refused_by_name_and_nothing_is_left_there),
		cmocka_unit_test(a_limit_on_file_sizes_is_an_error_and_not_a_signal),
		cmocka_unit_test(a_full_file_system_keeps_what_it_holds_and_room_can_be_made),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0); // thousands of syncs
	return cmocka_run_group_tests(tests, NULL, NULL);
}
