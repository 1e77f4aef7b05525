// SPDX-License-Identifier: Apache-2.0
#include "ingest/timing.h"

#include <stdio.h>
#include <time.h>

static const char *const names[HS_NPHASES] = {"read",   "digest",        "parse",           "tokenizers",
					      "load",   "known",         "duplicates",      "tokenize",
					      "advice", "write_version", "write_encodings", "total"};

int64_t hs_timing_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void hs_timing_add(struct hs_timing *t, enum hs_phase phase, int64_t since)
{
	atomic_fetch_add(&t->ns[phase], hs_timing_now() - since);
}

void hs_timing_put(const struct hs_timing *t, struct hs_wbuf *w)
{
	hs_w_map(w, HS_NPHASES);
	for (int i = 0; i < HS_NPHASES; i++) {
		hs_w_cstr(w, names[i]);
		hs_w_f64(w, (double)t->ns[i] / 1e6);
	}
}

void hs_timing_print(const struct hs_timing *t)
{
	fprintf(stderr, "ingest timings, ms:");
	for (int i = 0; i < HS_NPHASES; i++)
		fprintf(stderr, " %s %.1f", names[i], (double)t->ns[i] / 1e6);
	fprintf(stderr, "\n");
}
