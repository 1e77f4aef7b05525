// SPDX-License-Identifier: Apache-2.0
// Ingest: a source and tokenizers -> files of a version and its encodings, in a child process of hsfeedd. The child never
// touches the catalog: it writes into tmp/ and reports; the daemon checks and publishes (store/store.h).
//
// Parent and child share a socketpair and speak the wire's frames (proto/wire): the parent sends one request "job" (descriptors ride on it), the child
// sends notices "progress", may ask one request "known", and answers the job with a result or an error.
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
#define HS_INGEST_ARG "--ingest-child" // hsfeedd --ingest-child FD: what posix_spawn passes

// hs_ingest_spawn starts /proc/self/exe HS_INGEST_ARG with one end of a socketpair, low priority, PDEATHSIG, no other descriptors.
// *ret_fd (nonblocking, CLOEXEC) is the parent's. 0 or -errno.
int hs_ingest_spawn(pid_t *ret_pid, int *ret_fd, struct hs_err *reterr);

// hs_ingest_child_main is the child's whole life: reads the job from fd, works, answers, returns the exit code.
int hs_ingest_child_main(int fd);

// ---- the job, as the parent writes it: [0, 1, "job", {params}] + descriptors in the order their indices are used ----
//
// {task: "ingest" | "add" | "why" | "verify", tmp: "<state>/tmp", prefix: str (unique file name part), owner: uint, name: str, threads: uint,
//  file_name: str, source: fd index, options: {OPTIONS of PROTOCOL.md}, tokenizers: [{role, name, revision, normalize, files: {FILE: fd index}}],
//  version_path, version_crc (add: the version file to read; why: the current version's file, for its identity), encodings: [{role, path}] (why),
//  items: [{path, kind, crc_root}] (verify)}
//
// "known": [0, n, "known", {version: bin32, encodings: [bin32]}] -> {version: bool, encodings: [bool], version_path?: str}
// "progress": [2, "progress", {stage, done, total}]
// result of ingest and add: {version: {id: bin32, known: bool, path?: str, bytes, rows}, encodings: [{role, id: bin32, known: bool, path?: str}]}
// result of why: {version: bin32, changes: [{what, stored, given}], roles: [{role, id: bin32, changes: [...]}]}
// result of verify: {results: [nil | {code, message, hint}]}

#endif
