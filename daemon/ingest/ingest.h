// SPDX-License-Identifier: Apache-2.0
// Ingest: a source and tokenizers -> files of a version and its encodings, in a child process of hsfeedd. The child
// never touches the catalog: it writes into tmp/ and reports; the daemon checks and publishes (store/store.h).
//
//   parent                                   child (hsfeedd --ingest-child 3)
//     hs_ingest_spawn  -------------------->   limits itself: nice, no core dumps, dies with its parent
//     [0, 1, "job", {...}] + descriptors -->   checks the job; read + digest | parse | compile tokenizers
//                      <--------------------   [2, "progress", {stage, done, total}]     at most ~10 a second per stage
//                      <--------------------   [0, 1, "known", {version, encodings}]
//     [1, 1, nil, {...}]  ----------------->   tokenize | find duplicates | write tmp/PREFIX-*.mdb, sync, read back
//                      <--------------------   [1, 1, nil, RESULT]  or  [1, 1, ERROR, nil]; then it exits 0
//     hs_ingest_sweep when there was no result
//
// Failure modes: the child ends without an answer (killed, out of memory): the parent sees EOF, reaps it, sweeps, and
// says child_failed. The parent ends or closes its end: the child unlinks what it wrote and exits. A refusal of the
// child: its files are unlinked before the answer is sent.
#ifndef HS_INGEST_INGEST_H
#define HS_INGEST_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "store/store.h"
#include "wire/wire.h"

#define HS_INGEST_MAX_TOKENIZERS 8
#define HS_INGEST_MAX_FILES      64               // descriptors of one job
#define HS_INGEST_ARG            "--ingest-child" // hsfeedd --ingest-child FD: what posix_spawn passes

// hs_ingest_spawn starts /proc/self/exe HS_INGEST_ARG 3 with one end of a socketpair as descriptor 3, /dev/null as 0
// and 1, the parent's stderr, nothing else open, default signals, an own process group. *ret_fd (nonblocking, CLOEXEC)
// is the parent's end. The child dies with the calling *thread* (PDEATHSIG), so call it from one that lives as long as
// the process. 0 or -errno.
int hs_ingest_spawn(pid_t *ret_pid, int *ret_fd, struct hs_err *reterr);

// hs_ingest_child_main is the child's whole life: reads the job from fd, works, answers, returns the exit code: 0 when
// the job was answered (with a result or a refusal), 1 when the parent could not be told.
int hs_ingest_child_main(int fd);

// hs_ingest_sweep unlinks everything in tmp/ whose name begins with PREFIX followed by "-": what a killed child left.
// Returns how many files, or -errno.
int hs_ingest_sweep(const char *tmp, const char *prefix);

// ---- messages; `?`: may be left out or nil. An unknown or missing key is a refusal naming it ----
//
// The job is [0, 1, "job", {params}] with descriptors: SCM_RIGHTS on any of its bytes, at most HS_INGEST_MAX_FILES, all
// of them regular files open for reading, each named by at least one key. FD is a number that counts them from 0 in the
// order they were sent.
//
// {task: "ingest", threads?: uint (0: all cores), tmp: str, prefix: str, owner: uint, name: str, file_name: str,
//  source: FD, options?: {OPTIONS of PROTOCOL.md}, tokenizers: [JOB_TOKENIZER]}
//
// {task: "add", threads?, tmp, prefix, owner, name, version_path: str, version_crc?: uint, tokenizers}
//
// {task: "why", threads?, file_name, source, options?, tokenizers, version_path?, version_crc?,
//  encodings?: [{role: str, path: str, crc_root?: uint}]}
//  with the files of the current version; without version_path nothing is stored under the name.
//
// {task: "verify", threads?, items: [{path: str, kind: uint (enum hs_file_kind), crc_root?: uint, id?: bin32}]}
//
// {task: "attach", threads?, tmp, prefix, owner, name, file_name, source: FD, offset?: uint, version: bin32,
//  array: str, dtype: "float32" | "float64" | "float16", rows: uint, dims: 1 | 2, columns: uint, nan?: bool}
//  the file holds nothing behind the values
//
// JOB_TOKENIZER: {role: str, name: str, revision?: str, normalize?: "none" | "nfc" | "nfkc", files: {FILE: FD}}
//
// A crc that is 0 or left out: the checksum table beside the file is taken as it is. The keys of one task are unknown
// to the others.
//
// "known" (from ingest and add) asks what is published for the owner:
//
// [0, n, "known", {version: bin32, encodings: [bin32]}] -> {version: bool, encodings: [bool]}
//
// "progress" is sent at most about ten times a second per stage; "tokenize" counts rows of all tokenizers, "write"
// files, the others bytes:
//
// [2, "progress", {stage: "read" | "parse" | "tokenize" | "write" | "verify", done: uint, total: uint}]
//
// RESULT of ingest and add:
//
// {version: {id: bin32, known: bool, path?: str, bytes?: uint, rows: uint},
//  encodings: [{role: str, id: bin32, known: bool, path?: str, bytes?: uint}], timings_ms: {phase: f64}}
//
// `path` and `bytes` are there exactly when a new file waits in tmp/ to be published (beside it PATH.crc). Encodings
// come in the job's order. Two roles with the same tokenizer have the same encoding: it is written once, the later role
// has known: true and no path.
//
// RESULT of attach: {id: bin32, path: str, bytes: uint, nan_rows: uint}
//
// RESULT of why; changes compare the identities key by key, "absent" where one side lacks the key:
//
// {version: bin32, current?: bin32, changes: [{what: str, stored: str, given: str}],
//  roles: [{role, id: bin32, current?: bin32, changes}]}
//
// RESULT of verify: {results: [nil | ERROR]}, one per item, in order.
//
// ERROR: {code: str, message: str, hint: str, number: int}; `number` is a negative HSFEED_E* or -errno.
//
// HSFEED_INGEST_TRACE=1 in the environment: the child also prints timings_ms on stderr.

#endif
