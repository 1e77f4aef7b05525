// SPDX-License-Identifier: Apache-2.0
// One immutable file of the store: an LMDB file (MDB_NOSUBDIR) written once, checksummed per MiB, mapped read-only.
#ifndef HS_STORE_FILE_H
#define HS_STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HS_GROUP_ROWS 8192u
#define HS_TEXT_CHUNK (4u << 20)
#define HS_VALUE_MAX  (1u << 30) // a longer value is HSFEED_ETOOLONG
#define HS_FORMAT     1          // of all files, see FORMAT.md

struct hs_id {
	uint8_t bytes[32];
}; // SHA-256
#define HS_ID_HEX 65
void hs_id_hex(const struct hs_id *id, char ret_text[HS_ID_HEX]);
bool hs_id_eq(const struct hs_id *a, const struct hs_id *b);

enum hs_file_kind { HS_FILE_VERSION = 1, HS_FILE_ENCODING = 2, HS_FILE_ARRAY = 3 };
#define HS_FILE_LAST_KIND HS_FILE_ARRAY
const char *hs_file_kind_name(enum hs_file_kind kind); // "version", "encoding", "array"

// Key of a value: [u8 column kind][u16 BE column number or chunk][u32 BE group].
enum hs_column {
	HS_COL_HEADER = 0,    // one msgpack map, see below; column 0, group 0
	HS_COL_LINES = 1,     // u32[n] source lines
	HS_COL_LABELS = 2,    // float32 [n, C] or u32[n] class ids
	HS_COL_TEXT_ENDS = 3, // u32[n+1] byte offsets of the group's texts, chunks laid end to end
	HS_COL_TEXT = 4,      // column = chunk number: UTF-8, HS_TEXT_CHUNK bytes each but the last
	HS_COL_CELLS =
		5, // column = which other source column: u32[n+1] offsets, u8[n] present flags padded to 4, then bytes
	HS_COL_OFFSETS = 6,  // u32[n+1] token offsets
	HS_COL_TOKENS = 7,   // u16[] or u32[]
	HS_COL_ID_TABLE = 8, // u32[]: what the 16-bit codes stand for; absent when codes are ids
	HS_COL_VALUES = 9,   // float32 [n, C] of an attached array
};

// ---- writing (the ingest child) ----

struct hs_file_writer;

// path must not exist. map_bytes: an estimate of the file's size; it grows as needed. -errno, -ENOSPC as such (LMDB
// says EIO).
int hs_file_writer_create(const char *path, uint64_t map_bytes, struct hs_file_writer **ret, struct hs_err *reterr);
// Keys may come in any order; ascending is fastest. Small values are padded so that all values are aligned for direct
// use; the stored length includes the padding, readers know the real one from the header and offsets.
struct hs_file_key {
	enum hs_column column;
	uint16_t number; // of a column of cells or a chunk of text
	uint32_t group;
};
int hs_file_put(struct hs_file_writer *w, struct hs_file_key key, const void *data, size_t len, struct hs_err *reterr);
// hs_file_writer_commit syncs the file, re-reads it, writes its checksum table beside it (PATH.crc, synced) and frees
// the writer. *ret_bytes: the file's size. On failure both files are unlinked.
int hs_file_writer_commit(struct hs_file_writer *w, uint64_t *ret_bytes, struct hs_err *reterr);
void hs_file_writer_abort(struct hs_file_writer *w); // unlinks; NULL does nothing

// ---- reading ----

struct hs_file; // mapped, one read transaction for its life

// hs_file_open checks length and checksums by pread (crc_root as the catalog has it; 0: take the table beside the
// file), then maps exactly the file and looks at the header: a map with at least {format, kind, id, rows}.
// HSFEED_ECORRUPT / EFOREIGN / -errno.
int hs_file_open(const char *path, uint32_t crc_root, struct hs_file **ret, struct hs_err *reterr);
void hs_file_close(struct hs_file *f);
// hs_file_check is the checksum part alone, for verify: calls progress(arg, done_bytes) now and then (may be NULL).
int hs_file_check(const char *path, uint32_t crc_root, void (*progress)(void *arg, uint64_t done), void *arg,
		  struct hs_err *reterr);

// hs_file_get finds a value: *ret points into the map (4-byte aligned at least, 16 for values over 2 KB), valid until
// close. 0, or HSFEED_ENOTFOUND.
int hs_file_get(const struct hs_file *f, enum hs_column column, uint16_t number, uint32_t group, struct hs_span *ret);

// hs_file_rest unmaps the pages that were looked at; they come back, from the page cache, when they are needed.
void hs_file_rest(const struct hs_file *f);

const char *hs_file_path(const struct hs_file *f);
uint64_t hs_file_bytes(const struct hs_file *f);
enum hs_file_kind hs_file_get_kind(const struct hs_file *f);
const struct hs_id *hs_file_get_id(const struct hs_file *f);
struct hs_span hs_file_header(const struct hs_file *f); // the header's msgpack map

#endif
