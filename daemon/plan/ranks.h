// SPDX-License-Identifier: Apache-2.0
// Class numbers for the splits in which the order of classes counts: hold-outs and stratified groups.
#ifndef HS_PLAN_RANKS_H
#define HS_PLAN_RANKS_H

#include <stddef.h>
#include <stdint.h>

// hs_label_ranks numbers the distinct rows of values[n][nlabels] in ascending order, the first label counting most
// (numpy.unique of one column; train_test_split(stratify=) of several columns of 0 and 1, whose rows it compares as
// text). -0 is 0; missing values come last and are one value. 0 or -ENOMEM (results untouched).
int hs_label_ranks(const float *values, size_t n, size_t nlabels, uint32_t *ret_classes, size_t *ret_nclasses);

#endif
