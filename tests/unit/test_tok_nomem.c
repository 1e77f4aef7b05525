// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, for n = 1, 2, ...: once, or that one and all after it. Linked with --wrap=malloc and its
// kin; Jansson, a shared library, gets its own function by json_set_alloc_funcs. Leaks are AddressSanitizer's to find.
#include <errno.h>

#include <jansson.h>

#include "tok_fixture.h"

static long countdown = -1; // allocations until one fails; negative: none does
static int for_good;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static int fails(void)
{
	if (countdown < 0)
		return 0;
	if (countdown > 0) {
		countdown--;
		return 0;
	}
	if (!for_good)
		countdown = -1;
	return 1;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

// Jansson (2.14 at least) does not check the growth of its lexer's buffer and runs past it (its issue 362): those
// allocations, 32, 64, 128, ... bytes, must not fail.
static void *jansson_malloc(size_t n)
{
	return n >= 32 && (n & (n - 1)) == 0 ? __real_malloc(n) : __wrap_malloc(n);
}

static int create_and_encode(const struct hs_tok_files *files, struct hs_err *err)
{
	struct hs_tok *tok = NULL;
	struct hs_tok_scratch *scratch = NULL;
	struct hs_ids ids = {0};
	int rc = hs_tok_create(files, &tok, err);
	if (rc == 0)
		rc = hs_tok_scratch_create(&scratch);
	if (rc == 0) {
		rc = hs_tok_encode(tok, scratch, SPAN("<u> a[SEP]b \xf0\x9d\x85\xa5\xe3\x80\xae"), &ids);
		assert_true(rc == 0 || ids.n == 0);
	}
	hs_ids_fini(&ids);
	hs_tok_scratch_destroy(scratch);
	hs_tok_destroy(tok);
	return rc;
}

static void fail_each(const struct hs_tok_files *files, int mode)
{
	for (long n = 0;; n++) {
		struct hs_err err = {0};
		countdown = n;
		for_good = mode;
		int rc = create_and_encode(files, &err);
		long left = countdown;
		countdown = -1;
		if (rc == 0) {
			if (left > 0 || (left == 0 && mode)) // never reached: all allocations were tried
				break;
			continue; // a second try of the parser got over it
		}
		if (rc != -ENOMEM)
			print_error("allocation %ld: %s\n", n, err.message);
		assert_int_equal(rc, -ENOMEM);
		assert_true(n < 100000);
	}
}

#define TWO_ADDED                                                                                                      \
	"\"added_tokens\":[{\"content\":\"[SEP]\",\"special\":true},{\"content\":\"<U>\",\"normalized\":true}]"

static void every_failed_allocation_is_reported_and_nothing_leaks(void **state)
{
	(void)state;
	struct hs_tok_files json = json_files(JSON(MODEL, NORMALIZER("true"), SPLIT, TWO_ADDED, POST));
	json.tokenizer_config_json =
		SPAN("{\"do_lower_case\":true,\"added_tokens_decoder\":{\"7\":{\"content\":\"ab\"}}}");
	struct hs_tok_files strange = json_files(JSON("\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":1.0}}",
						      NORMALIZER("true"), SPLIT, TWO_ADDED, "\"post_processor\":null"));
	struct hs_tok_files vocab = {.name = "toy", .vocab_txt = SPAN("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")};
	for (int mode = 0; mode < 2; mode++) {
		fail_each(&json, mode);
		fail_each(&strange, mode);
		fail_each(&vocab, mode);
	}
}

int main(void)
{
	json_set_alloc_funcs(jansson_malloc, free);
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_failed_allocation_is_reported_and_nothing_leaks)};
	return cmocka_run_group_tests_name("tok_nomem", tests, NULL, NULL);
}
