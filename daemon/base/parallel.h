// SPDX-License-Identifier: Apache-2.0
// A plain fork-join loop over short-lived threads, for the ingest child (which owns all cores while it runs).
#ifndef HS_BASE_PARALLEL_H
#define HS_BASE_PARALLEL_H

#include <stddef.h>

// hs_cores: CPUs this process may run on, at least 1 (the affinity mask; /proc may be hidden).
unsigned hs_cores(void);

// hs_parallel calls fn(arg, i) for i = 0..ntasks-1 on up to nthreads threads (the caller's is one of them); tasks are
// handed out in ascending order. Returns 0, or the first non-zero value of the lowest task that failed. Tasks after a
// failure may be skipped. Threads that cannot be started are done without.
int hs_parallel(unsigned nthreads, size_t ntasks, int (*fn)(void *arg, size_t i), void *arg);

#endif
