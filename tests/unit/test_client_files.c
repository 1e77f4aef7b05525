// SPDX-License-Identifier: Apache-2.0
// ingest and its files: as descriptors, as bytes, from memory; progress; cancelling; tokenizers' folders.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_daemon.h"

static char folder[64];

static void write_file(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/hsfeed-files-XXXXXX");
	assert_non_null(mkdtemp(folder));
	write_file("data.csv", "text,label\nhello,1\n");
	char path[256];
	snprintf(path, sizeof(path), "%s/tok", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file("tok/vocab.txt", "[UNK]\nhello\n");
	write_file("tok/tokenizer_config.json", "{}");
	snprintf(path, sizeof(path), "%s/empty", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static void give_handle(struct fake *f, uint64_t handle)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 1);
	hs_w_cstr(&w, "handle");
	hs_w_uint(&w, handle);
	fake_end(f, &w);
}

static void progress_of(struct fake *f, uint64_t done, uint64_t total)
{
	struct hs_wbuf w = fake_begin_notice("progress");
	hs_w_map(&w, 4);
	hs_w_cstr(&w, "seq");
	hs_w_uint(&w, f->seq);
	hs_w_cstr(&w, "stage");
	hs_w_cstr(&w, "tokenize");
	hs_w_cstr(&w, "done");
	hs_w_uint(&w, done);
	hs_w_cstr(&w, "total");
	hs_w_uint(&w, total);
	fake_end(f, &w);
}

static void expect_attached(struct fake *f, const char *content)
{
	char text[64] = "";
	fake_expect(f, "file.attach");
	fake_check(f->passed_fd >= 0);
	fake_check(pread(f->passed_fd, text, sizeof(text) - 1, 0) == (ssize_t)strlen(content));
	fake_check(strcmp(text, content) == 0);
	fake_check((fcntl(f->passed_fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	close(f->passed_fd);
	f->passed_fd = -1;
}

static void expect_options(struct fake *f)
{
	struct hs_rbuf options, labels, tokenizers;
	struct hs_wire_value v;
	const char *text;
	size_t len;
	bool truth;
	fake_check(fake_param(f, "source") == 11);
	fake_check(hs_r_find(f->params, "options", &options));
	fake_check(hs_r_find(options, "labels", &labels) && hs_r_next(&labels, &v) && v.as.count == 1);
	fake_check(hs_r_get_bool(options, "header", &truth) && truth);
	fake_check(hs_r_find(f->params, "tokenizers", &tokenizers) && hs_r_next(&tokenizers, &v) && v.as.count == 1);
	fake_check(hs_r_get_str(tokenizers, "role", &text, &len) && len == 7 && memcmp(text, "teacher", 7) == 0);
	fake_check(hs_r_get_str(tokenizers, "normalize", &text, &len) && len == 3);
}

static void takes_descriptors(struct fake *f)
{
	fake_hello(f, true);
	expect_attached(f, "text,label\nhello,1\n");
	give_handle(f, 11);
	expect_attached(f, "[UNK]\nhello\n");
	give_handle(f, 12);
	expect_attached(f, "{}");
	give_handle(f, 13);
	fake_expect(f, "ingest");
	expect_options(f);
	progress_of(f, 1, 2);
	progress_of(f, 2, 2);
	fake_reply_empty(f, f->seq);
	fake_read(f);
}

static int count_calls(void *arg, const char *stage, uint64_t done, uint64_t total)
{
	assert_string_equal(stage, "tokenize");
	assert_true(done <= total);
	++*(int *)arg;
	return 0;
}

static const char *const labels[] = {"label"};

static struct hsfeed_ingest_options options_of(struct hsfeed_tokenizer *t, char path[256], char name[256])
{
	snprintf(path, 256, "%s/data.csv", folder);
	snprintf(name, 256, "%s/tok", folder);
	*t = (struct hsfeed_tokenizer){.size = sizeof(*t), .role = "teacher", .name = name, .normalize = "nfc"};
	return (struct hsfeed_ingest_options){
		.size = sizeof(struct hsfeed_ingest_options),
		.name = "x",
		.path = path,
		.labels = labels,
		.nlabels = 1,
		.header = HSFEED_YES,
		.tokenizers = t,
		.ntokenizers = 1,
	};
}

static void files_go_over_as_read_only_descriptors_and_progress_comes_back(void **state)
{
	(void)state;
	struct fake f = {0};
	struct hsfeed_tokenizer t;
	char path[256], name[256];
	int calls = 0;
	struct hsfeed_error error = {0};
	struct hsfeed_ingest_options o = options_of(&t, path, name);
	o.progress = count_calls;
	o.arg = &calls;
	fake_start(&f, takes_descriptors);
	hsfeed_client *client = fake_connect(&f, 0);
	hsfeed_value *answer = NULL;
	assert_int_equal(hsfeed_ingest(client, &o, &answer, &error), 0);
	assert_int_equal(calls, 2);
	hsfeed_value_free(answer);
	hsfeed_close(client);
	fake_stop(&f);
}

static void expect_sent(struct fake *f, uint64_t handle, const char *content)
{
	const void *data;
	size_t len;
	fake_expect(f, "file.begin");
	fake_check(fake_param(f, "bytes") == strlen(content));
	give_handle(f, handle);
	fake_expect(f, "file.chunk");
	fake_check(fake_param(f, "handle") == handle);
	fake_check(hs_r_get_bin(f->params, "data", &data, &len));
	fake_check(len == strlen(content) && memcmp(data, content, len) == 0);
	fake_reply_empty(f, f->seq);
}

static void takes_bytes(struct fake *f)
{
	fake_hello(f, false);
	expect_sent(f, 11, "text,label\nhello,1\n");
	expect_sent(f, 12, "[UNK]\nhello\n");
	expect_sent(f, 13, "{}");
	fake_expect(f, "ingest");
	expect_options(f);
	fake_check(f->passed_fd < 0);
	fake_reply_empty(f, f->seq);
	fake_read(f);
}

static void where_descriptors_cannot_pass_the_bytes_are_sent(void **state)
{
	(void)state;
	struct fake f = {0};
	struct hsfeed_tokenizer t;
	char path[256], name[256];
	struct hsfeed_ingest_options o = options_of(&t, path, name);
	fake_start(&f, takes_bytes);
	hsfeed_client *client = fake_connect(&f, 0);
	assert_int_equal(hsfeed_ingest(client, &o, NULL, NULL), 0);
	hsfeed_close(client);
	fake_stop(&f);
}

static void takes_memory(struct fake *f)
{
	uint64_t received = 0, chunks = 0;
	fake_hello(f, true);
	fake_expect(f, "file.begin");
	uint64_t bytes = fake_param(f, "bytes");
	give_handle(f, 5);
	while (received < bytes) {
		const void *data;
		size_t len;
		fake_expect(f, "file.chunk");
		fake_check(hs_r_get_bin(f->params, "data", &data, &len) && len > 0);
		fake_check(*(const uint8_t *)data == (uint8_t)(received / 1000));
		received += len;
		chunks++;
		fake_reply_empty(f, f->seq);
	}
	fake_check(received == bytes && chunks == 3);
	fake_expect(f, "ingest");
	fake_check(fake_param(f, "source") == 5);
	fake_reply_empty(f, f->seq);
	fake_read(f);
}

static void bytes_in_memory_go_over_in_chunks(void **state)
{
	(void)state;
	struct fake f = {0};
	size_t bytes = 500000;
	uint8_t *data = malloc(bytes);
	assert_non_null(data);
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)(i / 1000);
	struct hsfeed_ingest_options o = {.size = sizeof(o), .name = "x", .data = data, .data_bytes = bytes};
	o.unlabelled = 1;
	fake_start(&f, takes_memory);
	hsfeed_client *client = fake_connect(&f, 0);
	assert_int_equal(hsfeed_ingest(client, &o, NULL, NULL), 0);
	hsfeed_close(client);
	fake_stop(&f);
	free(data);
}

static void is_cancelled(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "add");
	uint64_t seq = f->seq;
	progress_of(f, 1, 2);
	progress_of(f, 2, 2);
	fake_expect(f, "cancel");
	fake_check(fake_param(f, "seq") == seq);
	uint64_t cancel = f->seq;
	fake_reply_error(f, seq, "cancelled", "the add was cancelled", "");
	fake_reply_empty(f, cancel);
	fake_expect(f, "ping"); // the next call is not confused by the cancel's answer
	fake_reply_empty(f, f->seq);
	fake_read(f);
}

struct stopper {
	int refused;
	hsfeed_client *client;
};

static int stop_at_once(void *arg, const char *stage, uint64_t done, uint64_t total)
{
	(void)stage;
	(void)done;
	(void)total;
	struct stopper *s = arg;
	s->refused += hsfeed_ping(s->client, NULL) == HSFEED_EBADARG; // the library must not be called from here
	return 1;
}

static void a_progress_callback_that_says_no_cancels_the_work_once(void **state)
{
	(void)state;
	struct fake f = {0};
	struct stopper arg = {0};
	fake_start(&f, is_cancelled);
	arg.client = fake_connect(&f, 0);
	struct hsfeed_ingest_options o = {.size = sizeof(o), .name = "x", .progress = stop_at_once, .arg = &arg};
	assert_int_equal(hsfeed_add(arg.client, &o, NULL, NULL), HSFEED_ECANCELLED);
	assert_int_equal(arg.refused, 2);
	assert_int_equal(hsfeed_ping(arg.client, NULL), 0);
	hsfeed_close(arg.client);
	fake_stop(&f);
}

static void takes_back(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "file.attach");
	give_handle(f, 77);
	fake_expect(f, "file.close");
	fake_check(fake_param(f, "handle") == 77);
	fake_reply_empty(f, f->seq);
	fake_read(f);
}

static void what_was_handed_over_and_not_used_is_taken_back(void **state)
{
	(void)state;
	struct fake f = {0};
	struct hsfeed_tokenizer t;
	char path[256], name[256];
	struct hsfeed_error error;
	struct hsfeed_ingest_options o = options_of(&t, path, name);
	snprintf(name, sizeof(name), "%s/empty", folder);
	fake_start(&f, takes_back);
	hsfeed_client *client = fake_connect(&f, 0);
	assert_int_equal(hsfeed_ingest(client, &o, NULL, &error), HSFEED_EBADTOKENIZER);
	assert_non_null(strstr(error.message, "/empty"));
	hsfeed_close(client);
	fake_stop(&f);
}

static void idle(struct fake *f)
{
	fake_hello(f, true);
	fake_check(!fake_read(f));
}

static void a_source_that_is_no_file_is_named_before_anything_is_sent(void **state)
{
	(void)state;
	struct fake f = {0};
	struct hsfeed_tokenizer t;
	char path[256], name[256];
	struct hsfeed_error error;
	struct hsfeed_ingest_options o = options_of(&t, path, name);
	fake_start(&f, idle);
	hsfeed_client *client = fake_connect(&f, 0);
	o.path = "/nonexistent/data.csv";
	assert_int_equal(hsfeed_ingest(client, &o, NULL, &error), -2);
	assert_non_null(strstr(error.message, "/nonexistent/data.csv"));
	o.path = folder;
	assert_int_equal(hsfeed_ingest(client, &o, NULL, &error), HSFEED_EBADFILE);
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	o.path = path; // opening it must not wait for a writer
	assert_int_equal(hsfeed_ingest(client, &o, NULL, &error), HSFEED_EBADFILE);
	hsfeed_close(client);
	fake_stop(&f);
}

static void a_hub_name_is_found_in_the_local_cache(void **state)
{
	(void)state;
	char command[512], found[4096], revision[128], want[256];
	struct hsfeed_error error;
	snprintf(command, sizeof(command),
		 "mkdir -p '%s/hub/models--org--model/refs' '%s/hub/models--org--model/snapshots/abc123' && "
		 "printf abc123 > '%s/hub/models--org--model/refs/main'",
		 folder, folder, folder);
	assert_int_equal(system(command), 0);
	setenv("HF_HOME", folder, 1);
	assert_int_equal(hsfeed_tokenizer_find("org/model", found, revision, &error), 0);
	snprintf(want, sizeof(want), "%s/hub/models--org--model/snapshots/abc123", folder);
	assert_string_equal(found, want);
	assert_string_equal(revision, "abc123");
	assert_int_equal(hsfeed_tokenizer_find("org/other", found, revision, &error), HSFEED_ENOTFOUND);
	assert_non_null(strstr(error.message, "models--org--other"));
	assert_int_equal(hsfeed_tokenizer_find("../no/such", found, revision, &error), HSFEED_ENOTFOUND);
	assert_null(strstr(error.message, "models--"));
	snprintf(want, sizeof(want), "%s/tok", folder);
	assert_int_equal(hsfeed_tokenizer_find(want, found, revision, &error), 0);
	assert_string_equal(found, want);
	assert_string_equal(revision, "");
	unsetenv("HF_HOME");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_go_over_as_read_only_descriptors_and_progress_comes_back),
		cmocka_unit_test(where_descriptors_cannot_pass_the_bytes_are_sent),
		cmocka_unit_test(bytes_in_memory_go_over_in_chunks),
		cmocka_unit_test(a_progress_callback_that_says_no_cancels_the_work_once),
		cmocka_unit_test(what_was_handed_over_and_not_used_is_taken_back),
		cmocka_unit_test(a_source_that_is_no_file_is_named_before_anything_is_sent),
		cmocka_unit_test(a_hub_name_is_found_in_the_local_cache),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
