// SPDX-License-Identifier: Apache-2.0
// What the files of feed share with each other and with nobody else.
#ifndef HS_FEED_INTERNAL_H
#define HS_FEED_INTERNAL_H

#include <pthread.h>

#include "base/sha256.h"
#include "feed/cache.h"
#include "feed/feed.h"
#include "store/near.h"
#include "wire/wire.h"

struct hs_feed {
	struct hs_store *store;
	struct hs_cache *versions;    // key: owner, id    value: struct open_version
	struct hs_cache *encodings;   // key: owner, id    value: struct open_encoding
	struct hs_cache *arrays;      // key: owner, id    value: struct open_array
	struct hs_cache *plans;       // key: version key, digest of PLAN   value: struct cached_plan
	struct hs_cache *orders;      // key: plan key, fold, split, order, seed + epoch, and what lengths are taken
				      // from; value: u32 rows[]
	struct hs_searches *searches; // searches.c
	void (*log)(void *arg, const char *line); // NULL: nobody wants to know
	void *log_arg;
};

// What version, encoding and array caches make something of.
struct open_request {
	struct hs_feed *feed;
	uint32_t owner;
	const struct hs_id *id;
};
// hs_feed_open_cached opens a file of the source's owner by its id, or takes what is open.
int hs_feed_open_cached(struct hs_feed *feed, struct hs_cache *cache, uint32_t owner, const struct hs_id *id,
			struct hs_cache_entry **ret, struct hs_err *reterr);

struct open_version {
	struct hs_store *store;
	struct hs_file *file;
	struct hs_version *version;
};

struct open_encoding {
	struct hs_store *store;
	struct hs_file *file;
	struct hs_encoding *encoding;
};

struct open_array {
	struct hs_store *store;
	struct hs_file *file;
	struct hs_attached *attached;
};

struct hs_feed_source {
	struct hs_feed *feed;
	struct hs_version_entry entry;
	struct hs_cache_entry *version;
	size_t nroles;
	char roles[HS_FEED_MAX_ROLES][HS_NAME_MAX + 1];
	struct hs_cache_entry *encodings[HS_FEED_MAX_ROLES];
	size_t narrays;
	char array_names[HS_FEED_MAX_ATTACHED][HS_NAME_MAX + 1];
	struct hs_cache_entry *arrays[HS_FEED_MAX_ATTACHED];
};

struct order { // the rows of one epoch, in order; shared by streams, or a list's
	size_t n;
	uint32_t rows[];
};

struct hs_order_list {
	uint8_t digest[HS_SHA256_BYTES]; // over little-endian i64 row numbers
	struct order *order;
};
// hs_feed_list_check refuses a list with a row that is not in the split. plan NULL: every row is.
int hs_feed_list_check(const struct hs_order_list *list, const struct hs_plan *plan, uint32_t fold, bool val,
		       struct hs_err *reterr);

extern const struct hs_cache_kind hs_feed_version_cache, hs_feed_encoding_cache, hs_feed_array_cache,
	hs_feed_plan_cache, hs_feed_order_cache;

// hs_feed_version_hold keeps a source's version open for longer than the source; hs_cache_put(feed->versions) ends
// that.
int hs_feed_version_hold(struct hs_feed *feed, const struct hs_feed_source *source, struct hs_cache_entry **ret,
			 struct hs_err *reterr);
// hs_feed_version_open opens a version past the cache, so that its user is not counted by hs_feed_users.
int hs_feed_version_open(struct hs_feed *feed, uint32_t owner, const struct hs_id *id, struct open_version **ret,
			 struct hs_err *reterr);
void hs_feed_version_close(struct open_version *v); // NULL does nothing

// ---- near duplicates: when they are searched (searches.c), and one search (near.c) ----

struct hs_searches *hs_searches_create(struct hs_feed *feed); // NULL: out of memory
void hs_searches_destroy(struct hs_searches *searches);       // stops what is searched; NULL does nothing

// hs_feed_near_check: HSFEED_EBADREQUEST (similarity), HSFEED_ELIMIT (memory) or 0.
int hs_feed_near_check(const struct hs_version *v, double similarity, struct hs_err *reterr);
bool hs_feed_near_is_empty(const struct hs_version *v); // there are no texts to compare
// hs_feed_near_search searches on as many threads as may be; another thread may set *stop (atomically) to end it with
// -ECANCELED soon.
int hs_feed_near_search(const struct hs_version *v, double similarity, const bool *stop, struct hs_near *ret,
			struct hs_err *reterr);
// hs_feed_near_start_idle does so on a thread of its own that has what nobody else wants of the processors
// (SCHED_IDLE), and its helpers too; rc is there when it was joined. 0 or -errno.
struct hs_idle_search {
	const struct hs_version *version;
	double similarity;
	const bool *stop;
	struct hs_near *ret;
	struct hs_err *reterr;
	int rc;
};
int hs_feed_near_start_idle(struct hs_idle_search *search, pthread_t *ret);

// A key under construction: fixed-width fields appended one after another.
struct cache_key {
	size_t len;
	uint8_t bytes[HS_CACHE_KEY_MAX];
};
void hs_feed_key_add(struct cache_key *key, const void *data, size_t len);
void hs_feed_key_version(struct cache_key *key, const struct hs_feed_source *source);

// A request with everything chosen that it left open.
struct plan_make {
	struct hs_feed *feed;
	const struct hs_feed_source *source;
	struct hs_plan_request request;
	size_t ncolumns;
	uint16_t columns[HS_FEED_MAX_LABELS]; // of the label matrix, those that count
};

// hs_feed_plan_resolve chooses the kind that a request left open, finds its label columns, and refuses what does not
// go together. 0, HSFEED_EBADREQUEST, HSFEED_EBADPLAN or HSFEED_ENOTFOUND.
int hs_feed_plan_resolve(struct hs_feed *feed, const struct hs_feed_source *source,
			 const struct hs_plan_request *request, struct plan_make *ret, struct hs_err *reterr);
// hs_feed_plan_write writes it as the PLAN of the protocol.
void hs_feed_plan_write(struct hs_wbuf *w, const struct hs_plan_request *request);

// A plan under construction.
struct dealt {
	uint32_t nfolds;
	uint16_t *fold_of_row; // [nrows], the caller's
	struct hs_holdout holdout;
	struct hs_deal_figures groups;
	char warning[256];
};
// hs_feed_plan_deal gives each row its fold. The hold-out's lists are the caller's to free, also on failure.
int hs_feed_plan_deal(const struct plan_make *make, struct dealt *ret, struct hs_err *reterr);

// hs_feed_group_column numbers a source column's values in ascending order, as numpy.unique does what pandas read:
// numbers by size where all are numbers, else by code points. hs_feed_fold_column reads fold numbers. Errors name line
// and column.
int hs_feed_group_column(const struct hs_feed_source *source, const char *column, uint32_t *ret_groups,
			 struct hs_err *reterr);
int hs_feed_fold_column(const struct hs_feed_source *source, const char *column, int64_t *ret_numbers,
			struct hs_err *reterr);

// hs_feed_attached_open opens the arrays that a request names; hs_feed_source_close puts them back.
int hs_feed_attached_open(struct hs_feed_source *source, const struct hs_source_request *request,
			  struct hs_err *reterr);

// What hs_feed_order_cache's make needs.
struct order_request {
	size_t nrows;
	const struct hs_plan *plan; // NULL: all rows
	uint32_t fold;
	bool val;
	enum hs_order kind;                 // not EXPLICIT
	uint64_t seed;                      // epoch added; SEQUENTIAL: 0
	const struct hs_encoding *encoding; // LENGTH: of the first role, and
	uint32_t max_length, length_batch;  // ... its max_length, and the trainer's batch
};

// hs_feed_layout_init places the arrays of a stream in a slot. 0 or HSFEED_ELIMIT when a slot would be too large.
int hs_feed_layout_init(const struct hs_feed_source *source, const struct hs_stream_spec *spec, struct hs_layout *ret,
			struct hs_err *reterr);

// hs_feed_packed_init places a packed batch of the same stream: an array for each role (u32 counts of all rows, then
// the codes of the rows one behind the other), then those that are no role's, as in `layout`.
void hs_feed_packed_init(const struct hs_feed_source *source, const struct hs_stream_spec *spec,
			 const struct hs_layout *layout, struct hs_layout *ret);
#define HS_FEED_PACKED_COUNTS(batch_size) (((batch_size) * sizeof(uint32_t) + 63) / 64 * 64) // bytes of the counts

// Masking (mask.c): what it takes of a stream's options and its encoding.
struct hs_mask {
	enum hs_mask_kind kind;
	uint64_t below, seed; // a draw's upper 53 bits are below it with the share asked for
	int64_t id;           // the mask token
	size_t nspecials;
	int64_t specials[5 + 16 + 16]; // ids that are never masked
	bool roles[HS_FEED_MAX_ROLES];
	bool left;        // truncation
	size_t remaining; // tokens that remain, at most, in every masked role
};
// A row's tokens in a slot, without those of the template.
struct hs_tokens {
	void *ids;
	bool narrow;     // int32
	size_t first, n; // place of the first one in the untruncated row; how many
};
int hs_feed_mask_init(struct hs_mask *m, const struct hs_feed_source *source, const struct hs_stream_spec *stream,
		      struct hs_err *reterr);                         // lengths were checked; HSFEED_EBADREQUEST
uint64_t hs_feed_mask_epoch(const struct hs_mask *m, uint64_t epoch); // what rows of an epoch are masked with
// hs_feed_mask_choose lists the places, among rows[n], of those that are masked (mask_rows: chosen; mask_prob: all);
// ret_places has room for n. hs_feed_mask_row masks one of them.
size_t hs_feed_mask_choose(const struct hs_mask *m, uint64_t epoch_state, const uint32_t *rows, size_t n,
			   uint32_t *ret_places);
void hs_feed_mask_row(const struct hs_mask *m, uint64_t epoch_state, uint32_t row, const struct hs_tokens *tokens);

// Weights of samples (weight.c).
struct hs_weight {
	uint32_t at; // label column, or class
	float weight;
};
struct hs_weights {
	size_t n;
	struct hs_weight *rules;
};
// hs_feed_weights_init: 0, HSFEED_EBADREQUEST, HSFEED_ENOTFOUND, -ENOMEM; hs_feed_weights_fini also then.
int hs_feed_weights_init(struct hs_weights *w, const struct hs_feed_source *source, const struct hs_stream_spec *spec,
			 struct hs_err *reterr);
void hs_feed_weights_fini(struct hs_weights *w); // safe on a zeroed one
float hs_feed_weight(const struct hs_weights *w, const struct hs_version *v, uint32_t row);

struct hs_rbuf hs_feed_header(const struct hs_feed_source *source); // of the version: a map, labels.h reads more
// hs_feed_label_find gives the place of a label column by its name. HSFEED_ENOTFOUND names those there are.
int hs_feed_label_find(const struct hs_feed_source *source, const char *name, uint16_t *ret, struct hs_err *reterr);

// hs_feed_gather writes the batch of `rows` (n row numbers) into a slot; sets fill->rows and fill->lengths.
struct gather {
	const struct hs_feed_source *source;
	const struct hs_stream_spec *spec;
	const struct hs_layout *layout; // of packed batches, to pack
	const struct hs_rows *put;      // per role; not used to pack
	const uint32_t *rows;
	size_t n;
	const struct hs_mask *mask;       // NULL or of kind NONE: nothing is masked
	const struct hs_weights *weights; // where the layout has the array
};
// hs_feed_rows_of says how rows of an encoding are written out; hs_rows_init makes the rest.
struct hs_rows hs_feed_rows_of(const struct hs_encoding *e, bool int32);
void hs_feed_gather_attached(const struct gather *g, size_t i, const struct hs_array *array, void *slot); // attached.c
void hs_feed_gather(const struct gather *g, void *slot, struct hs_fill *fill);
void hs_feed_pack(const struct gather *g, void *slot, struct hs_fill *fill);
// hs_feed_batch_length gives the width of a batch for one role: needs source, spec, rows and n only.
uint32_t hs_feed_batch_length(const struct gather *g, size_t role);

// A row's stored tokens: untruncated, without special tokens.
static inline size_t hs_feed_row_tokens(const struct hs_encoding *e, size_t row)
{
	const uint32_t *offsets = e->offsets[row / HS_GROUP_ROWS] + row % HS_GROUP_ROWS;
	return offsets[1] - offsets[0];
}
// ... and with them, as long as a row that is neither truncated nor padded.
static inline size_t hs_feed_row_length(const struct hs_encoding *e, size_t row)
{
	return hs_feed_row_tokens(e, row) + e->nprefix + e->nsuffix;
}

// ---- what streams and estimates share, so that an estimate is what a stream does ----

// hs_feed_check_spec checks batch_size, max_length and padding. 0 or HSFEED_EBADREQUEST.
int hs_feed_check_spec(const struct hs_feed_source *source, const struct hs_stream_spec *spec, struct hs_err *reterr);
// hs_feed_check_fold: HSFEED_EBADREQUEST where the plan has no such fold.
int hs_feed_check_fold(const struct hs_stream_spec *spec, const struct hs_plan *plan, struct hs_err *reterr);
// hs_feed_order_get gives the (shared) order of spec's split in spec's epoch: plan is NULL for all rows.
int hs_feed_order_get(const struct hs_feed_source *source, const struct hs_plan *plan,
		      const struct hs_stream_spec *spec, struct hs_cache_entry **ret, struct hs_err *reterr);
// hs_feed_deal_of gives the share of spec's rank in an order of n rows.
struct hs_deal hs_feed_deal_of(const struct hs_stream_spec *spec, size_t n);
// hs_feed_deal_rows lists the row numbers of batch b of a share; returns how many they are.
size_t hs_feed_deal_rows(const struct order *order, const struct hs_deal *deal, size_t batch, uint32_t *ret_rows);

uint32_t hs_feed_round_up(uint32_t length, uint32_t multiple);

#endif
