// SPDX-License-Identifier: Apache-2.0
// Numbering by first appearance. Private to this layer.
#ifndef HS_PLAN_NUMBER_H
#define HS_PLAN_NUMBER_H

#include <stddef.h>
#include <stdint.h>

// hs_number_pairs renumbers rows: the distinct pairs (group[i], word[i * stride]) get 0, 1, ... by first appearance.
// ret_group may be group. 0 or -ENOMEM (ret_group untouched, as is *ret_ngroups).
struct hs_number_input {
	const uint32_t *group; // NULL: all rows in one group
	const uint32_t *words;
	size_t stride; // in words
	size_t nrows;  // at most UINT32_MAX
	uint32_t (*canonical)(uint32_t word); // words with equal results are equal; NULL: as they are
};

int hs_number_pairs(const struct hs_number_input *in, uint32_t *ret_group, size_t *ret_ngroups);

#endif
