// SPDX-License-Identifier: Apache-2.0
// From a file's bytes to UTF-8, or to a sentence that says what kind of file it is instead.
#ifndef HS_TEXT_CHARSET_H
#define HS_TEXT_CHARSET_H

#include "text/source.h"

struct hs_decoded {
	struct hs_span
		text; // valid UTF-8 without a byte order mark and without NUL bytes: the data itself, or `converted`
	struct hs_buf converted;
	bool bom; // a byte order mark was skipped
};

// hs_charset_decode checks and decodes a whole source; `charset` is NULL or "utf-8", or a name that iconv knows.
// 0, -ENOMEM, HSFEED_ENOTCSV (a ZIP file, gzip, Parquet, ...), HSFEED_EBADCHARSET (bytes that are not in the charset,
// with their offset and line; an unknown charset), HSFEED_EBADCSV (NUL bytes), HSFEED_ENOROWS (nothing in it).
int hs_charset_decode(struct hs_span data, const char *charset, const char *file_name, struct hs_decoded *ret,
		      struct hs_err *reterr);
void hs_decoded_fini(struct hs_decoded *d); // safe on a zeroed one

#endif
