// SPDX-License-Identifier: Apache-2.0
// The daemon's side of an ingest, for tests and the benchmark: writes a job, answers "known", reads until the answer.
#ifndef INGEST_PARENT_H
#define INGEST_PARENT_H

#include "base/buf.h"
#include "ingest/ingest.h"

// A job under construction. Keys are written into `w` by the wire's writer, one pn_key before each value.
struct pn_job {
	struct hs_wbuf w;
	size_t frame, map;
	uint32_t nkeys;
	int fds[HS_INGEST_MAX_FILES + 1];
	size_t nfds;
};

void pn_begin(struct pn_job *job, const char *task);
struct hs_wbuf *pn_key(struct pn_job *job, const char *key);
void pn_str(struct pn_job *job, const char *key, const char *value);
uint64_t pn_attach_fd(struct pn_job *job, int fd); // its number; the job closes it
uint64_t pn_attach(struct pn_job *job, const char *path);
// pn_tokenizer writes one JOB_TOKENIZER from a folder's files.
void pn_tokenizer(struct pn_job *job, const char *role, const char *folder, const char *normalize);

struct pn_answer {
	pid_t pid;
	int fd;
	bool known_version, known_encodings; // what "known" is answered with
	bool close_at_known;                 // in place of an answer
	unsigned nprogress, nknown;
	struct hs_buf body;           // the answer's frame
	struct hs_rbuf result, error; // one of them has p != NULL, once there is an answer
	int status;                   // of the child, by waitpid
};

void pn_start(struct pn_answer *a);                    // spawns /proc/self/exe: main() must know HS_INGEST_ARG
void pn_send(struct pn_answer *a, struct pn_job *job); // and frees the job
void pn_wait(struct pn_answer *a);                     // until the answer or the child's end
void pn_run(struct pn_answer *a, struct pn_job *job);  // all three
void pn_fini(struct pn_answer *a);

// Looking into answers and headers. A missing key ends the test.
uint64_t pn_uint(struct hs_rbuf map, const char *key);
bool pn_bool(struct hs_rbuf map, const char *key);
double pn_f64(struct hs_rbuf map, const char *key);
struct hs_rbuf pn_get(struct hs_rbuf map, const char *key);
struct hs_span pn_text(struct hs_rbuf map, const char *key); // str or bin
struct hs_rbuf pn_item(struct hs_rbuf array, uint32_t i);
uint32_t pn_count(struct hs_rbuf array);

#endif
