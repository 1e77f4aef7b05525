// SPDX-License-Identifier: Apache-2.0
// What libhsfeed asks for split plans: every option, and saved plans.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_daemon.h"

static struct hsfeed_error error;

static bool str_is(struct hs_rbuf map, const char *key, const char *want)
{
	const char *text;
	size_t len;
	return hs_r_get_str(map, key, &text, &len) && len == strlen(want) && memcmp(text, want, len) == 0;
}

static bool uint_is(struct hs_rbuf map, const char *key, uint64_t want)
{
	uint64_t n;
	return hs_r_get_uint(map, key, &n) && n == want;
}

static uint32_t count(struct hs_rbuf map)
{
	struct hs_wire_value v;
	return hs_r_next(&map, &v) ? v.as.count : UINT32_MAX;
}

static struct hs_rbuf map_of(struct fake *f, const char *key)
{
	struct hs_rbuf map = {0};
	fake_check(hs_r_find(f->params, key, &map));
	return map;
}

static void script_every_option(struct fake *f)
{
	double share;
	bool shuffle;
	struct hs_rbuf by;
	struct hs_wire_value v;
	fake_hello(f, false);
	fake_expect(f, "folds");
	struct hs_rbuf plan = map_of(f, "plan");
	fake_check(count(plan) == 11 && str_is(plan, "kind", "k") && uint_is(plan, "folds", 7));
	fake_check(uint_is(plan, "fold_seed", 0) && hs_r_get_bool(plan, "shuffle", &shuffle) && !shuffle);
	fake_check(hs_r_find(plan, "by", &by) && hs_r_next(&by, &v) && v.type == HS_WIRE_ARRAY && v.as.count == 2);
	fake_check(str_is(plan, "group", "g") && str_is(plan, "rule", "older") && str_is(plan, "column", "c"));
	fake_check(hs_r_get_f64(plan, "duplicates", &share) && share == 0.9);
	fake_check(hs_r_get_f64(plan, "test_size", &share) && share == 0.25 && uint_is(plan, "train_size", 30));
	fake_reply_empty(f, f->seq);
	fake_expect(f, "folds");
	plan = map_of(f, "plan");
	fake_check(count(plan) == 1 && str_is(plan, "name", "cv"));
	fake_reply_empty(f, f->seq);
	fake_expect(f, "folds"); // of a program that was compiled against the first struct
	plan = map_of(f, "plan");
	fake_check(count(plan) == 1 && uint_is(plan, "folds", 3));
	fake_reply_empty(f, f->seq);
	fake_expect(f, "folds");
	fake_check(str_is(map_of(f, "plan"), "rows", "d"));
	fake_reply_empty(f, f->seq);
}

static void ask_folds(hsfeed_client *client, const struct hsfeed_plan *plan)
{
	hsfeed_value *answer;
	if (hsfeed_folds(client, "hate", plan, &answer, &error) < 0)
		fail_msg("%s", error.message);
	hsfeed_value_free(answer);
}

static void every_option_of_a_plan_is_asked_for(void **state)
{
	(void)state;
	static const char *const by[] = {"a", "b"};
	struct fake fake = {0};
	struct hsfeed_plan all = {.size = sizeof(all),
				  .kind = "k",
				  .folds = 7,
				  .has_fold_seed = 1,
				  .no_shuffle = 1,
				  .by = by,
				  .nby = 2,
				  .group = "g",
				  .duplicates = 0.9,
				  .rule = "older",
				  .column = "c",
				  .test_share = 0.25,
				  .train_rows = 30};
	struct hsfeed_plan named = {.size = sizeof(named), .name = "cv"}, rows = {.size = sizeof(rows), .rows = "d"};
	struct hsfeed_plan old = {.size = offsetof(struct hsfeed_plan, by), .folds = 3, .group = "beyond its end"};
	fake_start(&fake, script_every_option);
	hsfeed_client *client = fake_connect(&fake, 5000);
	ask_folds(client, &all);
	ask_folds(client, &named);
	ask_folds(client, &old);
	ask_folds(client, &rows);
	hsfeed_close(client);
	fake_stop(&fake);
}

static void take_upload(struct fake *f, const char *name, const char *want)
{
	const void *data = NULL;
	size_t len = 0;
	fake_expect(f, "file.begin");
	fake_check(str_is(f->params, "name", name) && fake_param(f, "bytes") == strlen(want));
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 1);
	hs_w_cstr(&w, "handle");
	hs_w_uint(&w, 9);
	fake_end(f, &w);
	fake_expect(f, "file.chunk");
	fake_check(fake_param(f, "handle") == 9 && hs_r_get_bin(f->params, "data", &data, &len));
	fake_check(len == strlen(want) && memcmp(data, want, len) == 0);
	fake_reply_empty(f, f->seq);
}

static void script_saves(struct fake *f)
{
	bool replace = false;
	fake_hello(f, true); // row numbers come as bytes all the same
	fake_expect(f, "plan.save");
	fake_check(count(f->params) == 3 && str_is(f->params, "name", "hate") && str_is(f->params, "plan", "cv"));
	fake_check(uint_is(map_of(f, "options"), "folds", 3));
	fake_reply_empty(f, f->seq);
	take_upload(f, (const char *)f->arg, "1\n2\n");
	fake_expect(f, "plan.save");
	fake_check(count(f->params) == 4 && fake_param(f, "rows") == 9);
	fake_check(hs_r_get_bool(f->params, "replace", &replace) && replace);
	fake_reply_empty(f, f->seq);
	take_upload(f, "row numbers", "3\n");
	fake_expect(f, "plan.save");
	fake_check(count(f->params) == 3 && fake_param(f, "rows") == 9);
	fake_reply_empty(f, f->seq);
	fake_expect(f, "plan.list");
	fake_check(count(f->params) == 2 && fake_param(f, "owner") == 1000); // another's
	fake_reply_empty(f, f->seq);
	fake_expect(f, "plan.rm");
	fake_check(count(f->params) == 2 && str_is(f->params, "plan", "cv"));
	fake_reply_error(f, f->seq, "not_found", "there is no dataset", "");
}

static int save(hsfeed_client *client, struct hsfeed_plan_save_options options)
{
	hsfeed_value *answer = NULL;
	options.size = sizeof(options);
	int rc = hsfeed_plan_save(client, "hate", &options, &answer, &error);
	hsfeed_value_free(answer);
	return rc;
}

static void plans_are_saved_listed_and_removed(void **state)
{
	(void)state;
	struct fake fake = {0};
	char path[] = "/tmp/hsfeed-rows-XXXXXX";
	struct hsfeed_plan plan = {.size = sizeof(plan), .folds = 3};
	hsfeed_value *answer;
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "1\n2\n", 4), 4);
	fake.arg = path;
	fake_start(&fake, script_saves);
	hsfeed_client *client = fake_connect(&fake, 5000);
	assert_int_equal(save(client, (struct hsfeed_plan_save_options){.options = &plan}), HSFEED_EBADARG);
	assert_int_equal(save(client, (struct hsfeed_plan_save_options){.plan = "cv", .options = &plan}), 0);
	assert_int_equal(
		save(client, (struct hsfeed_plan_save_options){.plan = "mine", .rows_path = path, .replace = 1}), 0);
	assert_int_equal(
		save(client, (struct hsfeed_plan_save_options){.plan = "mine", .rows = "3\n", .rows_bytes = 2}), 0);
	assert_int_equal(save(client, (struct hsfeed_plan_save_options){.plan = "mine", .rows_path = "/tmp"}),
			 HSFEED_EBADFILE);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	assert_int_equal(save(client, (struct hsfeed_plan_save_options){.plan = "mine", .rows_path = path}),
			 HSFEED_EBADFILE);
	assert_non_null(strstr(error.message, "1073741824 bytes"));
	assert_int_equal(hsfeed_plan_list(client, "1000:hate", &answer, &error), 0);
	hsfeed_value_free(answer);
	assert_int_equal(hsfeed_plan_list(client, NULL, &answer, &error), HSFEED_EBADARG);
	assert_int_equal(hsfeed_plan_remove(client, "hate", NULL, &answer, &error), HSFEED_EBADARG);
	assert_int_equal(hsfeed_plan_remove(client, "hate", "cv", &answer, &error), HSFEED_ENOTFOUND);
	hsfeed_close(client);
	fake_stop(&fake);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_of_a_plan_is_asked_for),
		cmocka_unit_test(plans_are_saved_listed_and_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
