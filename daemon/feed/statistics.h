// SPDX-License-Identifier: Apache-2.0
// What is counted of versions, encodings and plans: token lengths, the fold table's figures, and what an epoch will
// hold. All from stored labels and offsets; nothing is tokenized again. Lengths are in tokens, and count the special
// tokens that the template puts around a text.
#ifndef HS_FEED_STATISTICS_H
#define HS_FEED_STATISTICS_H

#include "feed/feed.h"

// ---- lengths ----

// Token sums of some rows under one max_length.
struct hs_token_sums {
	uint64_t rows;
	uint64_t tokens;         // untruncated
	uint64_t truncated_rows; // longer than max_length
	uint64_t lost_tokens;    // their tokens beyond it
};
// hs_padding_share gives pads / (rows x max_length): the share of pads where every row is padded to max_length. 0
// without rows.
double hs_padding_share(const struct hs_token_sums *sums, uint32_t max_length);

struct hs_lengths {
	size_t nrows;
	uint64_t tokens;
	uint32_t min, max; // 0 without rows
	uint64_t *counts;  // [max + 1]: rows of each length
};
// hs_lengths_init counts the lengths of an encoding's rows. 0 or -ENOMEM; fini is safe on a zeroed one.
int hs_lengths_init(const struct hs_encoding *e, struct hs_lengths *ret);
void hs_lengths_fini(struct hs_lengths *lengths);
// hs_lengths_percentile gives the smallest length that at least per_mille / 1000 of the rows do not exceed.
uint32_t hs_lengths_percentile(const struct hs_lengths *lengths, unsigned per_mille);
void hs_lengths_cut(const struct hs_lengths *lengths, uint32_t max_length, struct hs_token_sums *ret);
// hs_check_max_length: room for the special tokens, and no more than a text can have. 0, or HSFEED_EBADREQUEST naming
// the role.
int hs_check_max_length(const struct hs_encoding *e, const char *role, uint32_t max_length, struct hs_err *reterr);

// ---- labels ----

// hs_feed_label_counts counts the label values among the rows of one split of one fold: ret_counts[layout.total] (laid
// out as hs_feed_label_layout says) and how many rows they are. val is false for the training rows.
void hs_feed_label_counts(const struct hs_feed_source *source, const struct hs_plan *plan, uint32_t fold, bool val,
			  uint64_t *ret_counts, uint64_t *ret_rows);

// ---- the fold table ----

// hs_feed_token_table sums every fold's validation rows in one pass: ret[nfolds + 1]; the last is over all rows that
// are in any split.
void hs_feed_token_table(const struct hs_encoding *e, const struct hs_plan *plan, uint32_t max_length,
			 struct hs_token_sums *ret);

// hs_feed_drift gives, per fold, the total variation distance (half the sum of absolute differences, 0..1) between the
// distributions of label combinations among the fold's validation rows and among all rows that are in any split. 0
// for a fold without rows, and without labels. O(rows + folds). 0 or an error as of making a plan of the labels.
int hs_feed_drift(const struct hs_feed_source *source, const struct hs_plan *plan, double *ret_drift,
		  struct hs_err *reterr);

// The label value whose share among some rows differs most from its share among all; of 0/1 columns the value 1 stands
// for both. The first of equals.
struct hs_deviation {
	size_t column, value;
	double part, all; // shares, 0..1
};
struct hs_label_counts { // of hs_feed_label_table or _counts
	const uint64_t *counts;
	uint64_t rows;
};
// False where there is nothing to compare: no rows, no labels, or none with a list of values.
bool hs_label_deviation(const struct hs_label_layout *layout, const struct hs_label_counts *part,
			const struct hs_label_counts *all, struct hs_deviation *ret);

// ---- what an epoch will hold ----

#define HS_ESTIMATE_MAX_WORLD 65536u

struct hs_estimate {
	uint64_t rows;    // of the split
	uint64_t batches; // of rank 0
	uint64_t samples; // in the batches of all ranks, repeats counted, dropped last batches not
	struct hs_estimate_role {
		uint64_t real_tokens;   // that are not pads
		uint64_t padded_tokens; // places: rows x width of each batch
		uint64_t truncated_rows, lost_tokens;
	} roles[HS_FEED_MAX_ROLES];
};
// hs_feed_estimate walks the batches that streams of all ranks would give in spec's epoch (from its start), by the same
// order, deal and widths, without filling any. plan is NULL for all rows; spec->rank and spec->at do not count.
// O(rows + world). Errors as hs_stream_create; HSFEED_ELIMIT for a world beyond HS_ESTIMATE_MAX_WORLD.
int hs_feed_estimate(const struct hs_feed_source *source, const struct hs_plan *plan, const struct hs_stream_spec *spec,
		     struct hs_estimate *ret, struct hs_err *reterr);

#endif
