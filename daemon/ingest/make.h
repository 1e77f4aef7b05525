// SPDX-License-Identifier: Apache-2.0
// The second half of an ingest: files in tmp/, of what the daemon does not have yet.
#ifndef HS_INGEST_MAKE_H
#define HS_INGEST_MAKE_H

#include <limits.h>

#include "ingest/encode.h"
#include "ingest/load.h"

struct hs_made {
	bool known;          // nothing to make
	char path[PATH_MAX]; // the finished file; "" when known
	uint64_t bytes;
};

struct hs_make {
	struct hs_work *work;
	const struct hs_load *load; // NULL: the version is stored, only encodings are made
	const struct hs_rows *rows;
	const struct hs_id *version;
	struct hs_made version_file;                        // in: known; out: path, bytes
	struct hs_made encodings[HS_INGEST_MAX_TOKENIZERS]; // likewise, in the job's order
};

// hs_make_files writes all that is not known: the version's file and up to two encodings at a time, so that one waits
// for the disk while another computes. 0, or the first fault in that order; files made by then are on the channel's
// list.
int hs_make_files(struct hs_make *make, struct hs_err *reterr);

// hs_make_name gives made->path, TMP/PREFIX-WHAT.mdb, and puts it on the channel's list. 0, -ENAMETOOLONG, -ENOMEM.
int hs_make_name(struct hs_channel *channel, const struct hs_job *job, const char *what, struct hs_made *made,
		 struct hs_err *reterr);

#endif
