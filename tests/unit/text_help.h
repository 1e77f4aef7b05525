// SPDX-License-Identifier: Apache-2.0
// What the tests of text/ share: reading a source from a literal, and asserting how it is refused.
#ifndef HS_TESTS_TEXT_HELP_H
#define HS_TESTS_TEXT_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/source.h"

#define SPAN(literal) ((struct hs_span){literal, sizeof(literal) - 1})

#define OPTIONS(...) usual_options((struct hs_source_options){__VA_ARGS__})

// What an option is when a test does not say: comma, and the label column "label" (`no_labels` says none).
static const char *const no_labels[] = {NULL};

static inline struct hs_source_options usual_options(struct hs_source_options o)
{
	static const char *const label[] = {"label"};
	o.file_name = "x.csv";
	o.delimiter = o.delimiter ? o.delimiter : ',';
	o.nlabel_columns = o.label_columns ? o.nlabel_columns : 1;
	o.label_columns = o.label_columns ? o.label_columns : label;
	return o;
}

// The bytes are copied into a block of exactly their size, so that a sanitizer sees a read beyond them.
static inline struct hs_span own_copy(struct hs_span data)
{
	char *copy = malloc(data.len ? data.len : 1);
	assert_non_null(copy);
	if (data.len)
		memcpy(copy, data.ptr, data.len);
	return (struct hs_span){copy, data.len};
}

static inline void assert_refused(struct hs_span data, struct hs_source_options options, int code, const char *message,
				  const char *hint)
{
	struct hs_span copy = own_copy(data);
	struct hs_source s;
	memset(&s, 0xA5, sizeof(s));
	struct hs_source untouched = s;
	struct hs_err err = {0};
	assert_int_equal(hs_source_read(copy, &options, &s, &err), code);
	assert_string_equal(err.message, message);
	assert_string_equal(err.hint, hint);
	assert_int_equal(err.code, code);
	assert_memory_equal(&s, &untouched, sizeof(s));
	free((void *)(uintptr_t)copy.ptr);
}

// A source that is read, with the copy that it borrows.
struct fixture {
	struct hs_source s;
	struct hs_span data;
};

static inline struct fixture read_source(struct hs_span data, struct hs_source_options options)
{
	struct fixture f = {.data = own_copy(data)};
	struct hs_err err = {0};
	int rc = hs_source_read(f.data, &options, &f.s, &err);
	if (rc != 0)
		fail_msg("refused: %s (%s)", err.message, err.hint);
	return f;
}

static inline void fixture_fini(struct fixture *f)
{
	hs_source_fini(&f->s);
	free((void *)(uintptr_t)f->data.ptr);
}

static inline void assert_span(struct hs_span s, const char *text)
{
	if (!hs_span_is(s, text))
		fail_msg("\"%.*s\" instead of \"%s\"", (int)s.len, s.ptr ? s.ptr : "(absent)", text);
}

#endif
