// SPDX-License-Identifier: Apache-2.0
// Whole ingests for tests: folders, small sources, jobs, and the made files opened and checked. A program that uses it
// is its own child: its main() calls hs_ingest_child_main for HS_INGEST_ARG. A surprise ends the test.
#ifndef INGEST_FIXTURE_H
#define INGEST_FIXTURE_H

#include "ingest_parent.h"
#include "store/version.h"

extern char ix_tmp[64];               // where children write
extern char ix_work[64];              // sources
extern const char *const ix_six_rows; // Text,Label,id: one label missing, two texts equal but not their labels

int ix_make_folders(void **state);   // group setup
int ix_remove_folders(void **state); // group teardown
int ix_empty_tmp(void **state);      // each test's setup
unsigned ix_files_in(const char *folder);
const char *ix_source(const char *name, const char *text); // writes a file; its path, until the next call
const char *ix_long_source(unsigned nrows);                // Text,Kind: short rows, two kinds

// An ingest as a test writes it down.
struct ix_spec {
	const char *path, *file_name;
	const char *labels;              // one column; NULL: none
	const char *const (*options)[2]; // further str options; ends with NULL
	const char *normalize;
	uint64_t threads;     // 0: all cores
	const char *roles[3]; // all with TOKENIZER; ends with NULL; none: "text"
};

struct pn_job ix_ingest_job(const struct ix_spec *s);
struct pn_answer ix_ingest(const struct ix_spec *s);

// Parts of a job.
void ix_put_options(struct pn_job *job, const struct ix_spec *s);
void ix_put_tokenizers(struct pn_job *job, const struct ix_spec *s);
void ix_put_place(struct pn_job *job, const char *name);

void ix_expect_done(const struct pn_answer *a);
void ix_expect_refused(const struct pn_answer *a, int code, const char *part); // and that nothing is left in tmp

// A result's parts, and the files it names.
struct hs_rbuf ix_version_of(const struct pn_answer *a);
struct hs_rbuf ix_encoding_of(const struct pn_answer *a, uint32_t i);
struct hs_id ix_id_of(struct hs_rbuf made);
const char *ix_path_of(struct hs_rbuf made); // until the call after the next
struct hs_file *ix_open_made(struct hs_rbuf made);
struct hs_rbuf ix_header_of(const struct hs_file *file);
struct hs_version *ix_open_version(const struct hs_file *file);
struct hs_encoding *ix_open_encoding(const struct hs_file *file);
uint32_t ix_id_at(const struct hs_encoding *e, size_t row, uint32_t at); // a token of the first group

#endif
