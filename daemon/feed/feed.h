// SPDX-License-Identifier: Apache-2.0
// From stored versions and encodings to batches: opened sources, split plans and permutations shared by all streams,
// and the gather that fills a slot. Nothing here knows sockets; everything may block or compute, so it runs on work
// threads.
#ifndef HS_FEED_FEED_H
#define HS_FEED_FEED_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "plan/deal_groups.h"
#include "plan/groups.h"
#include "plan/holdout.h"
#include "plan/order.h"
#include "rows/rows.h"
#include "store/attached.h"
#include "store/store.h"
#include "store/version.h"
#include "text/near.h"

#define HS_FEED_MAX_ROLES      8
#define HS_FEED_MAX_ATTACHED   8 // attached arrays of a stream
#define HS_FEED_MAX_ARRAYS     (3 * HS_FEED_MAX_ROLES + 3 + HS_FEED_MAX_ATTACHED)
#define HS_FEED_MAX_SLOT_BYTES (1u << 28)
#define HS_FEED_MAX_BATCH      65536u
#define HS_FEED_MAX_LENGTH     1048576u   // a text has at most 1 MiB, so no more tokens than that
#define HS_FEED_MAX_LIST       (1u << 31) // rows of a list

struct hs_feed; // the caches: open versions and encodings, fold tables, permutations; thread-safe

int hs_feed_create(struct hs_store *store, struct hs_feed **ret);
void hs_feed_destroy(struct hs_feed *feed); // after every stream and source

// hs_feed_set_log has lines told about what was searched for and read; before other threads use the feed. NULL: none.
void hs_feed_set_log(struct hs_feed *feed, void (*log)(void *arg, const char *line), void *arg);

// hs_feed_drop_unused closes what nobody uses but the caches keep for the next request. Call it before hs_store_remove,
// so that files are deleted at once, and before hs_store_close.
void hs_feed_drop_unused(struct hs_feed *feed);

// hs_feed_users counts the sources that are open on a version: its streams, and requests at work on it.
unsigned hs_feed_users(struct hs_feed *feed, uint32_t owner, const struct hs_id *version);

// ---- a version with some of its encodings, open ----

struct hs_feed_source; // shared, counted

// uid asks for "name" or "name@prefix" of owner. nroles = 0: the default role (text, else the first ingested);
// encodings pins ids of a saved state (all-zero: none). HSFEED_ENOTFOUND names what there is.
struct hs_source_request {
	uint32_t uid, owner;
	const char *spec;
	size_t nroles;
	const char *roles[HS_FEED_MAX_ROLES];
	struct hs_id encodings[HS_FEED_MAX_ROLES];
	bool no_encodings; // folds need labels only
	size_t narrays;    // attached arrays, by name; array_ids pins those of a saved state, as encodings does
	const char *arrays[HS_FEED_MAX_ATTACHED];
	struct hs_id array_ids[HS_FEED_MAX_ATTACHED];
};
int hs_feed_source_open(struct hs_feed *feed, const struct hs_source_request *request, struct hs_feed_source **ret,
			struct hs_err *reterr);
void hs_feed_source_close(struct hs_feed_source *source);

const struct hs_version *hs_feed_source_version(const struct hs_feed_source *source);
const struct hs_version_entry *hs_feed_source_entry(const struct hs_feed_source *source);
size_t hs_feed_source_nroles(const struct hs_feed_source *source);
const struct hs_encoding *hs_feed_source_encoding(const struct hs_feed_source *source, size_t i);
const char *hs_feed_source_role(const struct hs_feed_source *source, size_t i);
size_t hs_feed_source_narrays(const struct hs_feed_source *source);
const struct hs_attached *hs_feed_source_attached(const struct hs_feed_source *source, size_t i);
const char *hs_feed_source_array(const struct hs_feed_source *source, size_t i); // its name

// ---- duplicates ----

#define HS_FEED_NEAR_MAX_BYTES (4ull << 30) // of memory, for a search

#define HS_FEED_SEARCHING (-EINPROGRESS)

// hs_feed_near_get gives the exact and near duplicates among a version's texts: those found before (in memory, or read
// from the store: 12 bytes a row and the pairs, of which at most 4 Mi are listed), or a search is begun for them: some
// ten seconds of processor time for a million rows, on threads that stand behind all others; one search at a time,
// owners of versions take turns. It waits for a few milliseconds only, then answers HS_FEED_SEARCHING: ask again soon,
// for a search that nobody asks about gives way to others. So does whatever needs near duplicates, plans among them. 0;
// HS_FEED_SEARCHING; -ENOMEM; HSFEED_EBADREQUEST: similarity not from 0.5 to 1; HSFEED_ELIMIT: too large;
// HSFEED_ECORRUPT.
int hs_feed_near_get(struct hs_feed *feed, const struct hs_feed_source *source, double similarity,
		     const struct hs_near **ret, struct hs_err *reterr);
void hs_feed_near_put(struct hs_feed *feed, const struct hs_near *near); // NULL does nothing

// hs_feed_near_prepare has a version searched at HS_NEAR_SIMILARITY in advance, where it was not yet: in the
// background, when nobody asks for a search. It returns at once, and nothing is told of failures. Any thread.
void hs_feed_near_prepare(struct hs_feed *feed, uint32_t owner, const struct hs_id *version);

// hs_feed_near_yield: call it before the removal of "name" or "name@v" of an owner and before hs_feed_drop_unused, so
// that no search which nobody asks for has files of it open: it stops those, waits a bounded moment, and lets none
// begin in advance until hs_feed_near_resume, which must follow the removal, well or not.
void hs_feed_near_yield(struct hs_feed *feed, uint32_t owner, const char *spec);
void hs_feed_near_resume(struct hs_feed *feed);

// ---- split plans ----

// What a request says of a plan. Pointers are borrowed until the plan is made.
struct hs_plan_request {
	bool kind_given;          // otherwise chosen by the labels and by what else is given
	struct hs_plan_spec spec; // nfolds 0: not given
	size_t nby;
	const char *const *by;   // label columns that count; none: all
	const char *group;       // source column: rows with equal values stay together
	double similarity;       // rows with duplicate texts stay together, exact and near ones (text/near.h); 0: not
	bool rule_given;         // otherwise the current one
	enum hs_group_rule rule; // group kinds
	const char *column;      // predefined: source column of fold numbers
	struct hs_size test, train; // hold-outs
	bool rows_given;
	struct hs_id rows; // row numbers that were saved with a plan: hs_plan_rows_digest
};

struct hs_plan { // resolved and computed, shared, counted
	struct hs_plan_spec spec;
	size_t nrows;
	const uint16_t *fold_of_row; // [nrows] 0 .. nfolds - 1, HS_FOLD_NONE or HS_FOLD_UNUSED
	const uint32_t *train, *val; // hold-outs: rows in scikit-learn's order (val: its test rows); else NULL
	size_t ntrain, nval;
	bool grouped;
	struct hs_deal_figures groups;
	const uint8_t *map; // PLAN as resolved, a msgpack map that gives the same plan again
	size_t map_len;
	uint8_t digest[32]; // SHA-256 over it
	char warning[256];  // "" or scikit-learn's sentence
};
// 0; HS_FEED_SEARCHING, where duplicates stay together; or an error.
int hs_feed_plan_get(struct hs_feed *feed, struct hs_feed_source *source, const struct hs_plan_request *request,
		     const struct hs_plan **ret, struct hs_err *reterr);
void hs_feed_plan_put(struct hs_feed *feed, const struct hs_plan *plan);

struct hs_wbuf;
// hs_plan_rows_write writes PLAN, as resolved, of row numbers that are to be saved with it.
void hs_plan_rows_write(struct hs_wbuf *w, uint32_t nfolds, const struct hs_id *rows);

// hs_plan_has tells whether a row is among a fold's validation rows (val) or its training rows.
static inline bool hs_plan_has(const struct hs_plan *plan, size_t row, uint32_t fold, bool val)
{
	uint16_t of = plan->fold_of_row[row];
	return of != HS_FOLD_UNUSED && (of == fold) == val;
}

// hs_plan_rows lists the rows of one split, ascending or, of a hold-out, in scikit-learn's order. ret_rows has room for
// plan->nrows. Returns how many there are.
size_t hs_plan_rows(const struct hs_plan *plan, uint32_t fold, bool val, uint32_t *ret_rows);

// Rows per label value: counts[label column][value] laid end to end; floats that are not all 0/1 have no values. The
// layout (columns and values per column) is hs_feed_label_layout's.
#define HS_FEED_MAX_LABELS 1024
struct hs_label_layout {
	size_t ncolumns;
	size_t nvalues[HS_FEED_MAX_LABELS];
	size_t total; // the sum of nvalues
};
void hs_feed_label_layout(const struct hs_feed_source *source, struct hs_label_layout *ret);
// hs_feed_label_table counts every fold's validation rows in one pass: ret_counts[nfolds + 1][layout.total] and
// ret_rows[nfolds + 1]; the last of each is over all rows but the unused. A fold's training rows are those less its
// own.
void hs_feed_label_table(const struct hs_feed_source *source, const struct hs_plan *plan, uint64_t *ret_counts,
			 uint64_t *ret_rows);

// ---- lists of rows: orders that clients make ----

struct hs_order_list; // row numbers of a version, in order, repeats allowed; one stream's own

struct hs_list_file {
	int fd;           // read by pread, from the beginning
	uint64_t bytes;   // 8 for each row: little-endian i64
	const char *name; // for sentences
};

// hs_list_file_check: a whole number of rows (HSFEED_EBADFILE), not more than HS_FEED_MAX_LIST (HSFEED_ELIMIT).
// hs_order_list_bytes is the memory that a list takes, to be charged before it is read. hs_order_list_read checks the
// file and each row against the version: HSFEED_EBADREQUEST for one that it does not have, HSFEED_EBADFILE for a file
// that cannot be read, -ENOMEM.
int hs_list_file_check(const struct hs_list_file *file, struct hs_err *reterr);
size_t hs_order_list_bytes(uint64_t file_bytes);
int hs_order_list_read(const struct hs_list_file *file, const struct hs_feed_source *source, struct hs_order_list **ret,
		       struct hs_err *reterr);
void hs_order_list_destroy(struct hs_order_list *list); // NULL does nothing

// ---- streams ----

enum hs_split { HS_TRAIN, HS_VAL, HS_ALL };
enum hs_padding { HS_PAD_MAX_LENGTH, HS_PAD_LONGEST, HS_PAD_MULTIPLE };

// What is masked: of a share of the rows one token, or a share of the tokens (mask.c). Only real ones: neither pads
// nor ids that are among the tokenizer's pad, unk, cls, sep and mask tokens or its template's.
#define HS_MASK_ALGORITHM 1 // version of the definition, part of a saved state
enum hs_mask_kind { HS_MASK_NONE, HS_MASK_ROWS, HS_MASK_PROB };
const char *hs_mask_name(enum hs_mask_kind kind); // "mask_rows" or "mask_prob"
struct hs_mask_spec {
	enum hs_mask_kind kind;
	double share; // above 0, up to 1
	uint64_t seed;
	bool roles[HS_FEED_MAX_ROLES]; // of the source: which are masked; they must share one encoding
};

// Rows whose label column `label` is not 0, or whose class it is, weigh so much.
struct hs_weight_rule {
	const char *label;
	double weight; // above 0, finite, also as float32
};

struct hs_stream_spec {
	struct hs_plan_request plan;
	enum hs_split split;
	uint32_t fold;
	enum hs_order order;
	uint32_t length_batch; // LENGTH: the trainer's batch, at least 1; lengths are those of the first role's rows in
			       // a batch: special tokens counted, truncated to its max_length
	struct hs_order_list *list; // EXPLICIT, needed; NULL in what hs_stream_get_spec gives
	uint64_t seed, epoch, at;
	uint32_t rank, world;
	enum hs_shard shard;
	uint32_t batch_size;
	bool drop_last;
	uint32_t max_length[HS_FEED_MAX_ROLES]; // per role of the source
	enum hs_padding padding;
	uint32_t multiple; // HS_PAD_MULTIPLE: longest, rounded up to this (as HF's pad_to_multiple_of: also beyond
			   // max_length)
	bool int32;        // input_ids, attention_mask, token_type_ids as int32
	bool token_type_ids;
	bool packed; // the client writes the rows out (proto/RING.md)
	struct hs_mask_spec mask;
	size_t nweights;                      // 0: no array `weight`
	const struct hs_weight_rule *weights; // borrowed until the stream is created
};

enum hs_dtype { HS_I64, HS_I32, HS_F32 };
struct hs_array { // one array of a slot, at a fixed place
	char name[HS_NAME_MAX + 24];
	enum hs_dtype dtype;
	unsigned dims;        // 1: [rows]; 2: [rows, lengths[role]] or [rows, columns]
	int role;             // -1: columns counts
	size_t columns;       // the full width
	size_t offset, bytes; // of the full array in a slot; offset is a multiple of 64
};

struct hs_layout {
	size_t narrays;
	struct hs_array arrays[HS_FEED_MAX_ARRAYS];
	size_t slot_bytes;
};

struct hs_fill {        // what a filled slot holds
	uint64_t batch; // counted from the epoch's start
	uint64_t at;    // position after this batch
	uint32_t rows;
	uint32_t lengths[HS_FEED_MAX_ROLES];
};

struct hs_stream; // one client's window on an order: not thread-safe, one thread at a time

// hs_stream_create takes the source (closes it with the stream, also on failure) and spec->list, makes plan and
// permutation, checks every option (torch's and scikit-learn's sentences where they have one). A max_length that leaves
// no room beside the special tokens is an error, and a list with a row that is not in the split; so are masks without a
// mask token or of roles whose encodings differ (EBADREQUEST), and weights of labels that are not there
// (HSFEED_ENOTFOUND names those there are).
int hs_stream_create(struct hs_feed *feed, struct hs_feed_source *source, const struct hs_stream_spec *spec,
		     struct hs_stream **ret, struct hs_err *reterr);
void hs_stream_destroy(struct hs_stream *stream);
// hs_stream_seek moves to another place: at is checked against the order's end; the stream stays as it was on failure.
// A list (taken, also on failure) takes the place of an EXPLICIT stream's own.
struct hs_stream_place {
	uint64_t epoch, at, seed;
	struct hs_order_list *list; // NULL: as it is
};
int hs_stream_seek(struct hs_stream *stream, const struct hs_stream_place *place, struct hs_err *reterr);

// hs_stream_prepare makes the order of another epoch ahead of time and leaves it in the cache. It may run beside
// whatever else is done with the stream, except its destruction; a failure shows when the epoch is asked for.
void hs_stream_prepare(const struct hs_stream *stream, uint64_t epoch, uint64_t seed);

const struct hs_stream_spec *hs_stream_get_spec(
	const struct hs_stream *stream);                                      // with epoch, at, seed of the last seek
const struct hs_layout *hs_stream_get_layout(const struct hs_stream *stream); // of a batch that is written out
// hs_stream_get_slots gives the layout of what hs_stream_fill writes: the same, or a packed stream's: an array for each
// role, then those that are no role's, in the same order.
const struct hs_layout *hs_stream_get_slots(const struct hs_stream *stream);
const struct hs_rows *hs_stream_get_rows(const struct hs_stream *stream, size_t role); // how its rows are written out
size_t hs_stream_table_codes(const struct hs_stream *stream, size_t role); // codes in the table of such; 0: it has none
const struct hs_plan *hs_stream_get_plan(const struct hs_stream *stream);  // NULL for split all
struct hs_feed_source *hs_stream_get_source(const struct hs_stream *stream);
const uint8_t *hs_stream_order_digest(
	const struct hs_stream *stream);                  // SHA-256 over the list, as it came; NULL: no EXPLICIT order
size_t hs_stream_rows(const struct hs_stream *stream);    // the order's length
size_t hs_stream_samples(const struct hs_stream *stream); // this rank's, from at on
size_t hs_stream_batches(const struct hs_stream *stream);
size_t hs_stream_scratch_bytes(const struct hs_stream *stream); // memory of its own, slots and shared things apart

// hs_stream_fill writes the next batch into a slot (slot_bytes of hs_stream_get_slots, 64-byte aligned), every byte of
// every array that the batch uses. 1: a batch; 0: the epoch's end (stays so until a seek). It cannot fail: everything
// was checked at open.
int hs_stream_fill(struct hs_stream *stream, void *slot, struct hs_fill *ret);
bool hs_stream_is_over(const struct hs_stream *stream); // the epoch's end is reached

// hs_fill_array_bytes: how many bytes of an array a fill uses (its rows times its width in this batch).
size_t hs_fill_array_bytes(const struct hs_array *array, const struct hs_fill *fill);

#endif
