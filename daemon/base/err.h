// SPDX-License-Identifier: Apache-2.0
// Errors inside the daemon: a code for programs, a sentence for people, a hint that says the way out.
#ifndef HS_BASE_ERR_H
#define HS_BASE_ERR_H

#include <stdarg.h>

#include "hsfeed.h"

struct hs_err {
	int code;           // 0, -errno or a negative HSFEED_E*
	char message[1024]; // what and where; one sentence without a final newline; valid UTF-8, also where it was cut
	char hint[512];     // what to do about it; may be empty
};

// hs_err_set fills *reterr (which may be NULL) with a code and a formatted sentence, clears the hint, and returns
// `code`, so that a function can `return hs_err_set(reterr, HSFEED_EBADCSV, "%s: line %u: ...", ...)`.
int hs_err_set(struct hs_err *reterr, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// hs_err_hint sets the way out of an error that is set already, and returns reterr's code. Without a reterr the code is
// not known any more: HSFEED_EINTERNAL, so that `return hs_err_hint(...)` fails whatever the caller passed.
int hs_err_hint(struct hs_err *reterr, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// hs_err_context puts "CONTEXT: " before the sentence ("ingest comments.csv: line 812: ..."); returns as hs_err_hint
// does.
int hs_err_context(struct hs_err *reterr, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// hs_err_nomem is hs_err_set(reterr, -ENOMEM, "out of memory while WHAT"), for the many places that need it.
int hs_err_nomem(struct hs_err *reterr, const char *what);

// hs_err_name gives the stable symbol of a code for the wire and for --json: "bad_csv", "not_found"; errno values give
// "io_error" ("out_of_memory" for ENOMEM, "no_space" for ENOSPC). Never NULL.
const char *hs_err_name(int code);

#endif
