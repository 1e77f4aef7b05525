// SPDX-License-Identifier: Apache-2.0
// Starting: whose folder it is, what lies about in it, and making the catalog anew.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "store/disk.h"
#include "store_world.h"

// ---- starting ----

static void a_second_daemon_is_refused_and_told_who_holds_the_folder(void **state)
{
	(void)state;
	int out[2];
	char text[1024] = {0}, pid[32];
	assert_int_equal(pipe(out), 0);
	pid_t child = fork();
	if (child == 0) {
		struct hs_store_options options = {.state = s.state};
		struct hs_store *other;
		struct hs_err err = {0};
		int rc = hs_store_open(&options, &other, &err);
		dprintf(out[1], "%d %s", rc, err.message);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	assert_true(read(out[0], text, sizeof(text) - 1) > 0);
	close(out[0]);
	close(out[1]);
	snprintf(pid, sizeof(pid), "process %ld)", (long)getpid());
	assert_int_equal(atoi(text), HSFEED_ELOCKED);
	assert_non_null(strstr(text, pid));
}

static int try_open(const char *path, struct hs_err *err)
{
	struct hs_store_options options = {.state = path};
	struct hs_store *other = NULL;
	int rc = hs_store_open(&options, &other, err);
	hs_store_close(other);
	return rc;
}

static void a_foreign_folder_is_refused_and_left_as_it_was(void **state)
{
	(void)state;
	struct hs_err err;
	char *folder = fx_path("%s/home", s.dir.path), *file = fx_path("%s/thesis.txt", folder),
	     *lock = fx_path("%s/lock", folder);
	assert_int_equal(mkdir(folder, 0755), 0);
	fx_write(file, "x", 1);
	assert_int_equal(try_open(folder, &err), HSFEED_EFOREIGN);
	assert_non_null(strstr(err.message, "thesis.txt"));
	assert_int_equal(mode_of(folder), 0755);
	assert_int_equal(access(lock, F_OK), -1);
	fx_write(lock, "somebody else's", 15);
	assert_int_equal(try_open(folder, &err), HSFEED_EFOREIGN);
	size_t len;
	uint8_t *data = fx_read(lock, &len);
	assert_int_equal(len, 15);
	free(data);
	assert_int_equal(try_open(file, &err), HSFEED_EFOREIGN);
	free(folder);
	free(file);
	free(lock);
}

static void a_folder_of_another_layout_is_refused(void **state)
{
	(void)state;
	struct hs_err err;
	char *folder = fx_path("%s/newer", s.dir.path), *lock = fx_path("%s/lock", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	fx_write(lock, "hsfeed state 9\npid 1\n", 21);
	assert_int_equal(try_open(folder, &err), HSFEED_EFOREIGN);
	assert_non_null(strstr(err.message, "another layout"));
	free(folder);
	free(lock);
}

static void sockets_and_logs_of_hsfeed_do_not_make_a_folder_foreign(void **state)
{
	(void)state;
	struct hs_err err;
	char *folder = fx_path("%s/fresh", s.dir.path), *log = fx_path("%s/hsfeedd.log", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	fx_write(log, "", 0);
	assert_int_equal(try_open(folder, &err), 0);
	free(folder);
	free(log);
}

static void a_folder_that_is_too_open_is_closed_and_told(void **state)
{
	(void)state;
	assert_int_equal(chmod(s.state, 0755), 0);
	reopen();
	assert_int_equal(mode_of(s.state), 0700);
	assert_non_null(strstr(s.log, "0700"));
}

static void network_file_systems_are_known_by_name(void **state)
{
	(void)state;
	assert_string_equal(hs_disk_remote_name(0x6969), "NFS");
	assert_string_equal(hs_disk_remote_name((long)0xFF534D42), "CIFS");
	assert_string_equal(hs_disk_remote_name((int)0xFF534D42), "CIFS"); // f_type is signed on some machines
	assert_string_equal(hs_disk_remote_name(0x65735546), "FUSE");
	assert_string_equal(hs_disk_remote_name(0x01021997), "9P");
	assert_null(hs_disk_remote_name(0xEF53));     // ext4
	assert_null(hs_disk_remote_name(0x01021994)); // tmpfs
	assert_null(hs_disk_remote_name(0x794C7630)); // overlayfs
}

static void unfinished_work_and_strange_files_are_put_aside_at_start(void **state)
{
	(void)state;
	char *unfinished = fx_path("%s/tmp/x.mdb", s.state), *strange = fx_path("%s/versions/1000/notes.txt", s.state);
	char *unknown = fx_path("%s/encodings/1000/%064d.mdb", s.state, 7),
	     *folder = fx_path("%s/versions/abc", s.state);
	publish_simply(&comments);
	fx_write(unfinished, "x", 1);
	fx_write(strange, "x", 1);
	fx_write(unknown, "x", 1);
	assert_int_equal(mkdir(folder, 0700), 0);
	reopen();
	assert_int_equal(access(unfinished, F_OK), -1);
	assert_int_equal(access(strange, F_OK), -1);
	assert_int_equal(access(unknown, F_OK), -1);
	assert_int_equal(access(folder, F_OK), -1);
	char *lost = fx_path("%s/lost/versions-1000-notes.txt", s.state);
	assert_int_equal(access(lost, F_OK), 0);
	assert_non_null(strstr(s.log, "notes.txt"));
	assert_true(exists(ALICE, HS_FILE_VERSION, 1));
	free(unfinished);
	free(strange);
	free(unknown);
	free(folder);
	free(lost);
}

static void a_missing_file_is_told_at_start_and_when_it_is_used(void **state)
{
	(void)state;
	struct hs_id id = fx_id(1);
	struct hs_file *f;
	struct hs_err err;
	char hex[HS_ID_HEX], *path;
	publish_simply(&comments);
	hs_id_hex(&id, hex);
	path = fx_path("%s/versions/1000/%s.mdb", s.state, hex);
	assert_int_equal(unlink(path), 0);
	reopen();
	assert_non_null(strstr(s.log, "missing"));
	assert_true(hs_store_acquire(s.store, ALICE, HS_FILE_VERSION, &id, &f, &err) < 0);
	assert_non_null(strstr(err.message, path));
	free(path);
}

static void a_store_without_its_catalog_is_refused_with_the_way_out(void **state)
{
	(void)state;
	struct hs_err err;
	char *path = fx_path("%s/catalog/data.mdb", s.state);
	publish_simply(&comments);
	hs_store_close(s.store);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fx_store_open(&s, false, &err), HSFEED_ENOCATALOG);
	assert_non_null(strstr(err.hint, "hsfeedd --rebuild-catalog"));
	assert_true(exists(ALICE, HS_FILE_VERSION, 1)); // refused before anything was moved
	assert_int_equal(fx_store_open(&s, true, &err), 0);
	struct hs_version_entry e = find(ALICE, "comments");
	assert_int_equal(e.nroles, 2);
	assert_int_equal(e.created_ms, 1001); // the header's
	hs_version_entry_fini(&e);
	assert_non_null(strstr(s.log, "could not be known"));
	reopen();
	assert_string_equal(s.log, "");
	free(path);
}

static void a_rebuild_keeps_ages_roles_and_owners_and_loses_what_is_damaged(void **state)
{
	(void)state;
	struct hs_err err;
	struct fx_publish second = {ALICE, "comments", 2, {{"text", 21}}, 0},
			  bobs = {BOB, "mine", 3, {{"text", 31}}, 0};
	publish_simply(&comments);
	publish_simply(&second);
	publish_simply(&bobs);
	struct hs_id id = fx_id(12), second_id = fx_id(2);
	char hex[HS_ID_HEX];
	hs_id_hex(&id, hex);
	char *damaged = fx_path("%s/encodings/1000/%s.mdb", s.state, hex);
	size_t len;
	uint8_t *data = fx_read(damaged, &len);
	data[len / 2] ^= 1;
	fx_write(damaged, data, len);
	hs_store_close(s.store);
	assert_int_equal(fx_store_open(&s, true, &err), 0);
	struct hs_version_entry e = find(ALICE, "comments");
	assert_true(hs_id_eq(&e.version, &second_id));
	hs_version_entry_fini(&e);
	id = fx_id(1);
	hs_id_hex(&id, hex);
	char *spec = fx_path("comments@%.10s", hex);
	e = find(ALICE, spec);
	assert_int_equal(e.nroles, 1);
	assert_string_equal(e.roles[0].role, "teacher");
	hs_version_entry_fini(&e);
	e = find(BOB, "mine");
	hs_version_entry_fini(&e);
	assert_int_equal(access(damaged, F_OK), -1);
	assert_non_null(strstr(s.log, "left out"));
	assert_non_null(strstr(s.log, "lost/"));
	struct fx_publish third = {ALICE, "comments", 4, {{0}}, 0}; // sequence numbers go on after a rebuild
	publish_simply(&third);
	reopen();
	e = find(ALICE, "comments");
	assert_int_equal(e.created_ms > 5000, true);
	hs_version_entry_fini(&e);
	free(damaged);
	free(data);
	free(spec);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_second_daemon_is_refused_and_told_who_holds_the_folder),
		TEST(a_foreign_folder_is_refused_and_left_as_it_was),
		TEST(a_folder_of_another_layout_is_refused),
		TEST(sockets_and_logs_of_hsfeed_do_not_make_a_folder_foreign),
		TEST(a_folder_that_is_too_open_is_closed_and_told),
		TEST(network_file_systems_are_known_by_name),
		TEST(unfinished_work_and_strange_files_are_put_aside_at_start),
		TEST(a_missing_file_is_told_at_start_and_when_it_is_used),
		TEST(a_store_without_its_catalog_is_refused_with_the_way_out),
		TEST(a_rebuild_keeps_ages_roles_and_owners_and_loses_what_is_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
