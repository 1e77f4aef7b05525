// SPDX-License-Identifier: Apache-2.0
// Kept results of searches for near duplicates: what is written is read, what is damaged is not, and when files go.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "store/near.h"
#include "store_world.h"

// A result of n rows, made as a search would: rows of a text, of a folded text and of a group follow each other at
// distances that differ, so that no array is like another.
static void make(struct hs_near *a, size_t n)
{
	*a = (struct hs_near){.nrows = n, .unlisted = 7, .uncompared = 5};
	a->text_first = hs_array(n, 4);
	a->folded_first = hs_array(n, 4);
	a->group = hs_array(n, 4);
	struct hs_near_pair *pairs = hs_array(n, sizeof(*pairs));
	for (uint32_t i = 0; i < n; i++) {
		bool copy = i % 7 == 3, same = copy || i % 7 == 5, near = i % 7 == 6;
		a->text_first[i] = copy ? i - 1 : i;
		a->folded_first[i] = copy ? i - 1 : same ? i - 4 : i;
		a->exact_rows += copy;
		a->folded_rows += same;
		a->group[i] = same ? a->group[a->folded_first[i]] : near ? a->group[i - 6] : (uint32_t)a->ngroups++;
	}
	for (uint32_t i = 6; i < n; i += 7)
		pairs[a->npairs++] = (struct hs_near_pair){i - 6, i, 0.8 + i % 5 * 0.05};
	a->pairs = pairs;
}

static struct hs_near_key key_of(unsigned seed, double similarity, size_t nrows)
{
	return (struct hs_near_key){
		.owner = ALICE, .engine = 3, .version = fx_id(seed), .similarity = similarity, .nrows = nrows};
}

static char *path_of(const struct hs_near_key *key)
{
	char hex[HS_ID_HEX];
	uint64_t bits;
	hs_id_hex(&key->version, hex);
	memcpy(&bits, &key->similarity, sizeof(bits));
	return fx_path("%s/near/%u/%s-%016llx.near", s.state, key->owner, hex, (unsigned long long)bits);
}

static bool is_there(const struct hs_near_key *key)
{
	char *path = path_of(key);
	bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

static void save(const struct hs_near_key *key)
{
	struct hs_near a;
	make(&a, key->nrows);
	assert_true(hs_store_near_save(s.store, key, &a));
	hs_near_fini(&a);
	assert_true(is_there(key));
}

static void must_be_same(const struct hs_near *a, const struct hs_near *b)
{
	assert_int_equal(a->nrows, b->nrows);
	assert_int_equal(a->ngroups, b->ngroups);
	assert_int_equal(a->npairs, b->npairs);
	assert_int_equal(a->exact_rows, b->exact_rows);
	assert_int_equal(a->folded_rows, b->folded_rows);
	assert_int_equal(a->unlisted, b->unlisted);
	assert_int_equal(a->uncompared, b->uncompared);
	assert_memory_equal(a->text_first, b->text_first, a->nrows * 4);
	assert_memory_equal(a->folded_first, b->folded_first, a->nrows * 4);
	assert_memory_equal(a->group, b->group, a->nrows * 4);
	assert_memory_equal(a->pairs, b->pairs, a->npairs * sizeof(*a->pairs));
}

static int load(const struct hs_near_key *key)
{
	struct hs_near a;
	int rc = hs_store_near_load(s.store, key, &a);
	if (rc == 1)
		hs_near_fini(&a);
	return rc;
}

static void what_is_kept_is_read_also_after_a_restart(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 2, 7, 20, 10000};
	publish_simply(&comments);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct hs_near_key key = key_of(1, 0.8, sizes[i]);
		struct hs_near want, got;
		save(&key);
		make(&want, sizes[i]);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(hs_store_near_load(s.store, &key, &got), 1);
			must_be_same(&want, &got);
			hs_near_fini(&got);
			reopen();
		}
		hs_near_fini(&want);
		char *path = path_of(&key), *folder = fx_path("%s/near", s.state);
		struct stat st;
		assert_int_equal(mode_of(path), 0600);
		assert_int_equal(mode_of(folder), 0700);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 128 + 12 * sizes[i] + 16 * (sizes[i] / 7) + 4);
		free(path);
		free(folder);
	}
}

static void one_of_another_key_is_not_taken(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_near_key key = key_of(1, 0.8, 20), other = key;
	save(&key);
	other.similarity = 0.81;
	assert_int_equal(load(&other), 0);
	other = key;
	other.owner = BOB;
	assert_int_equal(load(&other), 0);
	other = key;
	other.version = fx_id(2);
	assert_int_equal(load(&other), 0);
	other = key;
	other.engine++; // other rules: it stays until it is made anew
	assert_int_equal(load(&other), 0);
	assert_int_equal(load(&key), 1);
	save(&other);
	assert_int_equal(load(&other), 1);
	assert_int_equal(load(&key), 0);
	assert_string_equal(s.log, "");
}

// ---- damage ----

static void a_file_under_another_name_is_removed(void **state)
{
	(void)state;
	static const struct fx_publish second = {ALICE, "second", 2, {{"text", 21}}, 0};
	publish_simply(&comments);
	publish_simply(&second);
	struct hs_near_key key = key_of(1, 0.8, 20);
	struct hs_near_key others[] = {key_of(2, 0.8, 20), key_of(1, 0.9, 20)};
	for (size_t i = 0; i < 2; i++) {
		save(&key);
		char *from = path_of(&key), *to = path_of(&others[i]);
		assert_int_equal(rename(from, to), 0);
		assert_int_equal(load(&others[i]), 0);
		assert_false(is_there(&others[i]));
		assert_non_null(strstr(s.log, "not the result that its name says"));
		free(from);
		free(to);
	}
}

static void no_flipped_bit_and_no_cut_is_taken(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_near_key key = key_of(1, 0.8, 200);
	size_t len;
	uint32_t seed = 5;
	save(&key);
	char *path = path_of(&key);
	uint8_t *data = fx_read(path, &len);
	for (int i = 0; i < 300; i++) {
		size_t bit = i < 8 * 128 / 8 ? (size_t)i * 8 + fx_random(&seed) % 8 : fx_random(&seed) % (8 * len);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		fx_write(path, data, len);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (load(&key) != 0)
			fail_msg("with bit %zu flipped it was taken", bit);
	}
	for (int i = 0; i < 60; i++) {
		size_t cut = i < 4 ? (size_t)i : i < 8 ? len - (size_t)i + 3 : fx_random(&seed) % len;
		fx_write(path, data, cut);
		if (load(&key) != 0 || is_there(&key))
			fail_msg("cut to %zu bytes it was taken, or stays", cut);
	}
	data = realloc(data, len + 1);
	data[len] = 0;
	fx_write(path, data, len + 1);
	assert_int_equal(load(&key), 0);
	fx_write(path, data, len);
	assert_int_equal(load(&key), 1);
	free(data);
	free(path);
}

struct change { // to a u32 of a file of 20 rows, its checksum made good again
	size_t at;
	uint32_t value;
};

static void write_changed(const struct hs_near_key *key, const struct change *change)
{
	size_t len;
	char *path = path_of(key);
	save(key);
	uint8_t *data = fx_read(path, &len);
	memcpy(data + change->at, &change->value, 4);
	uint32_t crc = hs_crc32c(0, data, len - 4);
	memcpy(data + len - 4, &crc, 4);
	fx_write(path, data, len);
	free(data);
	free(path);
}

static void what_no_sound_search_finds_is_not_taken_whatever_its_checksum(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_near_key key = key_of(1, 0.8, 20);
	enum { TEXT = 128, FOLDED = TEXT + 80, GROUP = FOLDED + 80, PAIRS = GROUP + 80 };
	static const struct change same = {TEXT, 0};
	static const struct change changes[] = {
		{TEXT + 4 * 19, 20}, // a row after it
		{TEXT + 4 * 19, UINT32_MAX},
		{TEXT + 4 * 19, 3}, // one that is not its own first
		{TEXT + 4 * 3, 3},  // exact_rows counts another number
		{TEXT + 4 * 3, 1},  // rows of one text, of two folded texts
		{FOLDED + 4 * 18, 19},
		{FOLDED + 4 * 3, 3},
		{GROUP + 4 * 19, 90},     // no such group
		{GROUP + 4 * 0, 1},       // not in the order of first rows
		{GROUP + 4 * 3, 0},       // apart from its folded text
		{GROUP + 4 * 6, 1},       // apart from what it is near
		{PAIRS + 4, 20},          // no such row
		{PAIRS + 4, 0},           // a pair with itself
		{PAIRS + 4, 2},           // of two groups
		{PAIRS + 4, 3},           // not a first row
		{PAIRS + 16, 0},          // not ascending
		{PAIRS + 12, 0x3fe00000}, // below the similarity
		{PAIRS + 12, 0x40000000}, // above 1
		{PAIRS + 12, 0x7ff80000}, // not a number
		{64, 21},
		{64, 19},
		{72, 1},
		{80, 1},
		{88, 0},
		{96, 0},
		{68, 1},
		{84, 1}, // rows, groups, pairs, ...
		{48, 1001},
		{52, 1},
		{120, 1},
	};
	write_changed(&key, &same);
	assert_int_equal(load(&key), 1);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		write_changed(&key, &changes[i]);
		if (load(&key) != 0 || is_there(&key))
			fail_msg("change %zu was taken, or stays", i);
	}
}

static void what_is_not_a_file_is_not_read(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_near_key key = key_of(1, 0.8, 20);
	save(&key);
	char *path = path_of(&key), *elsewhere = fx_path("%s/elsewhere", s.dir.path);
	assert_int_equal(rename(path, elsewhere), 0);
	assert_int_equal(symlink(elsewhere, path), 0);
	assert_int_equal(load(&key), 0);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); // opening it does not hang
	assert_int_equal(load(&key), 0);
	save(&key);
	assert_int_equal(load(&key), 1);
	free(path);
	free(elsewhere);
}

// ---- when files go ----

static void the_oldest_of_more_than_four_goes(void **state)
{
	(void)state;
	static const struct fx_publish second = {ALICE, "second", 2, {{"text", 21}}, 0};
	publish_simply(&comments);
	publish_simply(&second);
	struct hs_near_key other = key_of(2, 0.5, 20);
	save(&other);
	for (int i = 0; i < 7; i++) {
		struct hs_near_key key = key_of(1, 0.5 + i * 0.05, 20);
		const struct timespec old[] = {{100 + i, 0}, {100 + i, 0}};
		save(&key);
		char *path = path_of(&key);
		assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
		free(path);
		for (int k = 0; k <= i; k++) {
			struct hs_near_key before = key_of(1, 0.5 + k * 0.05, 20);
			assert_int_equal(is_there(&before), k > i - 4);
		}
	}
	assert_true(is_there(&other));
}

static void a_removed_versions_results_go_with_it(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_near_key keys[] = {key_of(1, 0.8, 20), key_of(1, 0.9, 20)};
	save(&keys[0]);
	save(&keys[1]);
	struct hs_file *f = acquire(HS_FILE_VERSION, 1);
	remove_simply(ALICE, "comments", 1, 1);
	struct hs_near a;
	make(&a, 20);
	assert_false(
		hs_store_near_save(s.store, &keys[0], &a)); // of what is doomed nothing more is kept, without a word
	hs_near_fini(&a);
	assert_string_equal(s.log, "");
	hs_store_release(s.store, f);
	assert_false(is_there(&keys[0]));
	assert_false(is_there(&keys[1]));
	publish_simply(&comments);
	save(&keys[0]);
}

static void a_start_removes_what_is_of_no_version_and_puts_strange_things_aside(void **state)
{
	(void)state;
	publish_simply(&comments);
	struct hs_near_key kept = key_of(1, 0.8, 20), gone = key_of(5, 0.8, 20);
	save(&kept);
	char *of_gone = path_of(&gone), *strange = fx_path("%s/near/1000/notes.txt", s.state),
	     *unfinished = fx_path("%s/tmp/near-x", s.state), *folder = fx_path("%s/near/me", s.state),
	     *lost = fx_path("%s/lost/near-1000-notes.txt", s.state);
	fx_write(of_gone, "x", 1);
	fx_write(strange, "x", 1);
	fx_write(unfinished, "x", 1);
	assert_int_equal(mkdir(folder, 0700), 0);
	reopen();
	assert_true(is_there(&kept));
	assert_false(is_there(&gone));
	assert_int_equal(access(strange, F_OK), -1);
	assert_int_equal(access(lost, F_OK), 0);
	assert_int_equal(access(folder, F_OK), -1);
	assert_int_equal(access(unfinished, F_OK), -1);
	free(of_gone);
	free(strange);
	free(unfinished);
	free(folder);
	free(lost);
}

static void a_rebuilt_catalog_keeps_the_results_of_its_versions(void **state)
{
	(void)state;
	struct hs_err err;
	publish_simply(&comments);
	struct hs_near_key kept = key_of(1, 0.8, 20), gone = key_of(5, 0.8, 20);
	save(&kept);
	char *of_gone = path_of(&gone);
	fx_write(of_gone, "x", 1);
	free(of_gone);
	hs_store_close(s.store);
	assert_int_equal(fx_store_open(&s, true, &err), 0);
	assert_int_equal(load(&kept), 1);
	assert_false(is_there(&gone));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_kept_is_read_also_after_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(one_of_another_key_is_not_taken, begin, end),
		cmocka_unit_test_setup_teardown(a_file_under_another_name_is_removed, begin, end),
		cmocka_unit_test_setup_teardown(no_flipped_bit_and_no_cut_is_taken, begin, end),
		cmocka_unit_test_setup_teardown(what_no_sound_search_finds_is_not_taken_whatever_its_checksum, begin,
						end),
		cmocka_unit_test_setup_teardown(what_is_not_a_file_is_not_read, begin, end),
		cmocka_unit_test_setup_teardown(the_oldest_of_more_than_four_goes, begin, end),
		cmocka_unit_test_setup_teardown(a_removed_versions_results_go_with_it, begin, end),
		cmocka_unit_test_setup_teardown(a_start_removes_what_is_of_no_version_and_puts_strange_things_aside,
						begin, end),
		cmocka_unit_test_setup_teardown(a_rebuilt_catalog_keeps_the_results_of_its_versions, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
