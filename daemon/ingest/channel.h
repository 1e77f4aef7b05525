// SPDX-License-Identifier: Apache-2.0
// The child's end of the socket to its parent: whole frames in, frames out from any thread, and the list of files that
// must not outlive a failure. Blocking; a parent that is gone ends the process, after unlinking those files.
#ifndef HS_INGEST_CHANNEL_H
#define HS_INGEST_CHANNEL_H

#include <pthread.h>

#include "base/buf.h"
#include "base/err.h"
#include "ingest/ingest.h"
#include "wire/wire.h"

enum hs_stage { HS_STAGE_READ, HS_STAGE_PARSE, HS_STAGE_TOKENIZE, HS_STAGE_WRITE, HS_STAGE_VERIFY, HS_NSTAGES };

// A frame as it came: its msgpack value (checked) and the descriptors that rode on it (owned).
struct hs_frame {
	struct hs_buf body;
	int fds[HS_INGEST_MAX_FILES];
	size_t nfds;
};
void hs_frame_fini(struct hs_frame *frame); // frees, closes

struct hs_channel {
	int fd;
	pthread_mutex_t lock; // guards all below, and the order of frames on fd
	uint32_t next_seq;
	int64_t told_ms[HS_NSTAGES]; // when a stage last sent a notice; 0: never
	char **tmp;                  // files being written, heap
	size_t ntmp, tmp_cap;
	bool answered; // the parent may go
	int wake;      // eventfd that ends the watcher
	pthread_t watcher;
	bool watching;
};

int hs_channel_init(struct hs_channel *c, int fd);
void hs_channel_fini(struct hs_channel *c); // stops the watcher; does not close fd

// hs_channel_watch starts a thread that ends the process when the parent closes its end. 0 or -errno.
int hs_channel_watch(struct hs_channel *c);

// hs_channel_recv waits for one frame. 0; HSFEED_ELOST when the parent closed; HSFEED_EBADFRAME; -errno.
int hs_channel_recv(struct hs_channel *c, struct hs_frame *ret, struct hs_err *reterr);

// hs_channel_call asks the parent and waits: *ret_result reads the answer's result inside *ret_frame. The parent's
// refusal comes back as HSFEED_ECHILD with its sentence.
int hs_channel_call(struct hs_channel *c, const char *method, const struct hs_wbuf *params, struct hs_frame *ret_frame,
		    struct hs_rbuf *ret_result, struct hs_err *reterr);

// hs_channel_answer sends the answer to request `seq`: a result, or (result NULL) an error. Files on the list are the
// parent's after a result, unlinked before an error. 0, or -ENOMEM when nothing could be sent.
int hs_channel_answer(struct hs_channel *c, uint32_t seq, const struct hs_wbuf *result, const struct hs_err *err);

// hs_channel_progress sends a notice, unless one of the same stage went out less than 100 ms ago and this is not the
// last.
void hs_channel_progress(struct hs_channel *c, enum hs_stage stage, uint64_t done, uint64_t total);

// hs_channel_own puts a path on the list before it is created. 0 or -ENOMEM.
int hs_channel_own(struct hs_channel *c, const char *path);

// hs_channel_put_error writes ingest.h's ERROR map.
void hs_channel_put_error(struct hs_wbuf *w, const struct hs_err *err);

#endif
