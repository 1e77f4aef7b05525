// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "store/file_priv.h"
#include "store_fixture.h"

static struct fx_dir dir;
static const struct fx_spec spec = {.seed = 7, .owner = 1000, .name = "comments", .nrows = 20, .created_ms = 5};

static int make_dir(void **state)
{
	(void)state;
	fx_dir_make(&dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	fx_dir_remove(&dir);
	return 0;
}

static char *in_dir(const char *name)
{
	return fx_path("%s/%s", dir.path, name);
}

static void put_header(struct hs_file_writer *w)
{
	struct hs_wbuf h = {0};
	struct hs_err err;
	fx_version_header(&h, &spec, "class", 1);
	assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_HEADER, 0, 0}, h.data, h.len, &err), 0);
	hs_w_fini(&h);
}

static void values_of_every_size_come_back_aligned_and_whole(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 3, 2015, 2016, 2030, 2048, 4080, 4081, 70000, 1 << 20, 5000000};
	char *path = in_dir("sizes"), *data = malloc(5000000);
	uint32_t seed = 1;
	for (size_t i = 0; i < 5000000; i++)
		data[i] = (char)fx_random(&seed);
	struct hs_err err;
	struct hs_file_writer *w;
	struct hs_file *f;
	uint64_t bytes;
	assert_int_equal(hs_file_writer_create(path, 0, &w, &err), 0); // far too small an estimate
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)  // descending keys
		assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_CELLS, (uint16_t)i, 100 - (uint32_t)i},
					     data + i, sizes[i] - (sizes[i] > 100 ? i : 0), &err),
				 0);
	put_header(w);
	assert_int_equal(hs_file_writer_commit(w, &bytes, &err), 0);
	assert_int_equal(hs_file_open(path, 0, &f, &err), 0);
	assert_int_equal(hs_file_bytes(f), bytes);
	struct hs_id id = fx_id(spec.seed);
	assert_true(hs_id_eq(hs_file_get_id(f), &id));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct hs_span got;
		size_t len = sizes[i] - (sizes[i] > 100 ? i : 0);
		assert_int_equal(hs_file_get(f, HS_COL_CELLS, (uint16_t)i, 100 - (uint32_t)i, &got), 0);
		assert_int_equal((uintptr_t)got.ptr % 16, 0);
		assert_true(got.len >= len);
		assert_memory_equal(got.ptr, data + i, len);
		for (size_t k = len; k < got.len; k++)
			assert_int_equal(got.ptr[k], 0);
	}
	struct hs_span none;
	assert_int_equal(hs_file_get(f, HS_COL_CELLS, 0, 1, &none), HSFEED_ENOTFOUND);
	hs_file_close(f);
	free(data);
	free(path);
}

static void files_of_random_values_are_found_whole_by_the_walk(void **state)
{
	(void)state;
	char *path = in_dir("random"), *data = calloc(1, 200000);
	uint32_t seed = 99;
	for (unsigned round = 0; round < 12; round++) {
		struct hs_err err;
		struct hs_file_writer *w;
		struct hs_file *f;
		uint64_t bytes;
		unsigned n = round * round * 20;
		assert_int_equal(hs_file_writer_create(path, 1 << 20, &w, &err), 0);
		put_header(w);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_TEXT, (uint16_t)(i * 7919), i},
						     data, fx_random(&seed) % (round < 9 ? 200000 / (round + 1) : 9000),
						     &err),
					 0);
		assert_int_equal(hs_file_writer_commit(w, &bytes, &err), 0);
		assert_int_equal(hs_file_open(path, 0, &f, &err), 0);
		assert_int_equal(hs_file_nvalues(f), n + 1);
		hs_file_close(f);
		unlink(path);
		char *crc = fx_path("%s.crc", path);
		unlink(crc);
		free(crc);
	}
	free(data);
	free(path);
}

static void a_key_written_twice_is_refused_and_nothing_stays(void **state)
{
	(void)state;
	char *path = in_dir("twice");
	struct hs_err err;
	struct hs_file_writer *w;
	uint64_t bytes;
	assert_int_equal(hs_file_writer_create(path, 0, &w, &err), 0);
	assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_LINES, 0, 3}, "abcd", 4, &err), 0);
	assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_LINES, 0, 3}, "abcd", 4, &err), HSFEED_EINTERNAL);
	assert_true(hs_file_writer_commit(w, &bytes, &err) < 0);
	assert_int_equal(access(path, F_OK), -1);
	free(path);
}

static void a_path_that_exists_is_not_written_over(void **state)
{
	(void)state;
	char *path = in_dir("there");
	struct hs_err err;
	struct hs_file_writer *w;
	fx_write(path, "mine", 4);
	assert_true(hs_file_writer_create(path, 0, &w, &err) < 0);
	size_t len;
	uint8_t *data = fx_read(path, &len);
	assert_int_equal(len, 4);
	free(data);
	free(path);
}

static void a_value_over_one_gib_is_refused(void **state)
{
	(void)state;
	char *path = in_dir("huge");
	struct hs_err err;
	struct hs_file_writer *w;
	assert_int_equal(hs_file_writer_create(path, 0, &w, &err), 0);
	assert_int_equal(hs_file_put(w, (struct hs_file_key){HS_COL_TOKENS, 0, 0}, "", (size_t)HS_VALUE_MAX + 1, &err),
			 HSFEED_ETOOLONG);
	hs_file_writer_abort(w);
	assert_int_equal(access(path, F_OK), -1);
	free(path);
}

static char *write_good(const char *name)
{
	char *path = in_dir(name);
	struct hs_err err;
	assert_int_equal(fx_write_version(path, &spec, &err), 0);
	return path;
}

static void a_wrong_root_is_corrupt_and_the_right_one_opens(void **state)
{
	(void)state;
	char *path = write_good("root");
	struct hs_err err;
	struct hs_file *f;
	assert_int_equal(hs_file_open(path, 0, &f, &err), 0);
	uint32_t root = hs_file_crc_root(f);
	hs_file_close(f);
	assert_int_equal(hs_file_open(path, root, &f, &err), 0);
	hs_file_close(f);
	assert_int_equal(hs_file_open(path, root ^ 1, &f, &err), HSFEED_ECORRUPT);
	assert_int_equal(hs_file_check(path, root, NULL, NULL, &err), 0);
	assert_int_equal(hs_file_check(path, root ^ 1, NULL, NULL, &err), HSFEED_ECORRUPT);
	assert_non_null(strstr(err.message, path));
	free(path);
}

static void two_files_have_two_roots(void **state)
{
	(void)state;
	struct hs_err err;
	struct hs_file *a, *b;
	char *one = write_good("one"), *two = in_dir("two");
	struct fx_spec other = spec;
	other.seed = 8;
	assert_int_equal(fx_write_version(two, &other, &err), 0);
	assert_int_equal(hs_file_open(one, 0, &a, &err), 0);
	assert_int_equal(hs_file_open(two, 0, &b, &err), 0);
	assert_int_not_equal(hs_file_crc_root(a),
			     hs_file_crc_root(b)); // a checksum over its own checksum would be a constant
	hs_file_close(a);
	hs_file_close(b);
	free(one);
	free(two);
}

static void a_missing_table_or_a_link_or_a_folder_is_refused(void **state)
{
	(void)state;
	char *path = write_good("tableless"), *crc = fx_path("%s.crc", path), *link_path = in_dir("link");
	struct hs_err err;
	struct hs_file *f;
	assert_int_equal(symlink(path, link_path), 0);
	assert_true(hs_file_open(link_path, 0, &f, &err) < 0);
	assert_true(hs_file_open(dir.path, 0, &f, &err) < 0);
	assert_int_equal(unlink(crc), 0);
	assert_int_equal(hs_file_open(path, 0, &f, &err), HSFEED_ECORRUPT);
	assert_non_null(strstr(err.message, ".crc"));
	free(path);
	free(crc);
	free(link_path);
}

// A table with sound checksums that states other things than the file: each must be an error.
static void a_crafted_table_with_right_checksums_is_refused(void **state)
{
	(void)state;
	char *path = write_good("crafted"), *crc = fx_path("%s.crc", path);
	size_t len;
	uint8_t *table = fx_read(crc, &len);
	for (size_t at = 0; at + 4 < len; at++) {
		struct hs_err err;
		struct hs_file *f;
		uint8_t *changed = malloc(len);
		memcpy(changed, table, len);
		changed[at] ^= 0x11;
		uint32_t own = hs_crc32c(0, changed, len - 4);
		memcpy(changed + len - 4, &own, 4);
		fx_write(crc, changed, len);
		assert_int_equal(hs_file_open(path, 0, &f, &err), HSFEED_ECORRUPT);
		free(changed);
	}
	fx_write(crc, table, len - 4);
	struct hs_err err;
	struct hs_file *f;
	assert_int_equal(hs_file_open(path, 0, &f, &err), HSFEED_ECORRUPT);
	free(table);
	free(path);
	free(crc);
}

// Damage of the file with a fresh table: what only our own walk and the header's checks can notice. Nothing may crash.
static void rewrite_table(const char *path, const uint8_t *data, size_t len)
{
	char *crc = fx_path("%s.crc", path);
	size_t table_len;
	uint8_t *table = fx_read(crc, &table_len);
	for (size_t i = 0; i * (1u << 20) < len; i++) {
		size_t n = len - i * (1u << 20);
		uint32_t sum = hs_crc32c(0, data + i * (1u << 20), n < 1u << 20 ? n : 1u << 20);
		memcpy(table + 28 + 4 * i, &sum, 4);
	}
	uint32_t own = hs_crc32c(0, table, table_len - 4);
	memcpy(table + table_len - 4, &own, 4);
	fx_write(crc, table, table_len);
	free(table);
	free(crc);
}

static void open_all(const char *path)
{
	struct hs_err err;
	struct hs_file *f;
	struct hs_version *v;
	if (hs_file_open(path, 0, &f, &err) < 0)
		return;
	if (hs_version_open(f, &v, &err) == 0) {
		struct hs_buf scratch = {0};
		for (size_t i = 0; i < v->nrows; i++) {
			struct hs_span text, cell;
			uint32_t sum = 0;
			if (hs_version_text(v, i, &scratch, &text) == 0)
				sum = hs_crc32c(sum, text.ptr, text.len);
			if (hs_version_cell(v, 0, i, &cell) == 0 && cell.ptr)
				sum = hs_crc32c(sum, cell.ptr, cell.len);
			(void)sum;
		}
		hs_buf_fini(&scratch);
		hs_version_close(v);
	}
	hs_file_close(f);
}

static void crafted_pages_with_right_checksums_never_crash_a_reader(void **state)
{
	(void)state;
	char *path = write_good("pages");
	size_t len;
	uint8_t *data = fx_read(path, &len);
	uint32_t seed = 4242;
	for (unsigned round = 0; round < 3000; round++) {
		uint8_t *changed = malloc(len);
		memcpy(changed, data, len);
		for (unsigned k = 0; k < 1 + round % 3; k++) {
			// Most damage goes to the first bytes of pages, where LMDB keeps its numbers.
			size_t page = fx_random(&seed) % (len / 4096),
			       at = page * 4096 + fx_random(&seed) % (round % 2 ? 160 : 4096);
			changed[at] ^= (uint8_t)(1u << (fx_random(&seed) % 8));
		}
		fx_write(path, changed, len);
		rewrite_table(path, changed, len);
		open_all(path);
		free(changed);
	}
	free(data);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_size_come_back_aligned_and_whole),
		cmocka_unit_test(files_of_random_values_are_found_whole_by_the_walk),
		cmocka_unit_test(a_key_written_twice_is_refused_and_nothing_stays),
		cmocka_unit_test(a_path_that_exists_is_not_written_over),
		cmocka_unit_test(a_value_over_one_gib_is_refused),
		cmocka_unit_test(a_wrong_root_is_corrupt_and_the_right_one_opens),
		cmocka_unit_test(two_files_have_two_roots),
		cmocka_unit_test(a_missing_table_or_a_link_or_a_folder_is_refused),
		cmocka_unit_test(a_crafted_table_with_right_checksums_is_refused),
		cmocka_unit_test(crafted_pages_with_right_checksums_never_crash_a_reader),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0); // thousands of damaged files
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
