// SPDX-License-Identifier: Apache-2.0
// What every step of a child's work needs.
#ifndef HS_INGEST_WORK_H
#define HS_INGEST_WORK_H

#include "ingest/channel.h"
#include "ingest/job.h"
#include "ingest/timing.h"
#include "ingest/tokenizer.h"

struct hs_load;

struct hs_work {
	struct hs_channel *channel;
	const struct hs_job *job;
	struct hs_timing timing;
	struct hs_tokenizer tokenizers[HS_INGEST_MAX_TOKENIZERS]; // of the job, in its order, once loaded
	struct hs_load
		*load; // heap; what hs_load_all made. All of this is freed after the answer: nobody waits for that
};

#endif
