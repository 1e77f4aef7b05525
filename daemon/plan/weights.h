// SPDX-License-Identifier: Apache-2.0
// Weights against imbalance, from counts of a fold's training rows. Computed in double as numpy does, then rounded to
// float: equal to numpy's to the last bit.
#ifndef HS_PLAN_WEIGHTS_H
#define HS_PLAN_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

//   RATIO      neg / pos                         torch's pos_weight
//   SQRT       sqrt(neg / pos)
//   LOG        log1p(neg / pos)
//   EFFECTIVE  (1 - beta) / (1 - beta**pos)      effective number of samples (Cui et al. 2019): a class weight, about
//                                                1 / pos, tiny as a pos_weight; normalized, it is divided by the same
//                                                of the negatives
enum hs_weight_scheme { HS_WEIGHT_RATIO, HS_WEIGHT_SQRT, HS_WEIGHT_LOG, HS_WEIGHT_EFFECTIVE };

struct hs_weight_spec {
	enum hs_weight_scheme scheme;
	double beta;       // EFFECTIVE: 0 <= beta < 1, usually 0.9999
	bool normalize;    // EFFECTIVE: positive over negative
	double max_weight; // cap; 0: none
	bool pooled;       // one weight for all labels together
};

// Rows of a label matrix; every value must be 0 or 1.
struct hs_weight_rows {
	const float *values; // [n][nlabels]
	size_t nlabels;
	const uint32_t *rows; // the rows that count, usually those that train; NULL: 0 .. nrows - 1
	size_t nrows;
};

// hs_weight_parse: "ratio", "sqrt", "log", "effective". 0 or HSFEED_EBADREQUEST naming them.
int hs_weight_parse(const char *name, enum hs_weight_scheme *ret, struct hs_err *reterr);
const char *hs_weight_name(enum hs_weight_scheme scheme);

// hs_weight_of gives one label's weight from its positives and negatives; 1 when there are no positives. The spec must
// have passed hs_weight_check: beta and max_weight in range, else HSFEED_EBADREQUEST.
int hs_weight_check(const struct hs_weight_spec *spec, struct hs_err *reterr);
float hs_weight_of(const struct hs_weight_spec *spec, uint64_t npositive, uint64_t nnegative);

// hs_weight_count counts ones per label. 0, or HSFEED_EBADPLAN naming row and column of a value that is neither 0 nor 1
// (what was counted so far is then in npositive: use it after success only).
int hs_weight_count(const struct hs_weight_rows *in, uint64_t *ret_npositive, struct hs_err *reterr);

// hs_weights does all of it: weights[nlabels], or weights[1] when pooled. Returns how many labels have no positives and
// so weigh 1 (pooled: 0 or 1), -ENOMEM, HSFEED_EBADREQUEST or HSFEED_EBADPLAN as above. Results untouched on failure.
int hs_weights(const struct hs_weight_rows *in, const struct hs_weight_spec *spec, float *ret_weights,
	       struct hs_err *reterr);

// hs_balanced_weights: scikit-learn's compute_class_weight("balanced"), nrows / (classes present * rows of the class),
// for counts[nclasses]. A class without rows weighs 1 (scikit-learn refuses it: "classes should have valid labels that
// are in y"). Returns how many classes that were.
size_t hs_balanced_weights(const uint64_t *counts, size_t nclasses, float *ret_weights);

#endif
