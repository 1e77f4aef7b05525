// SPDX-License-Identifier: Apache-2.0
// Groups of rows as the units of a split: how many rows each has of which label, sparsely. Private to this layer.
#ifndef HS_PLAN_CELLS_H
#define HS_PLAN_CELLS_H

#include "plan/deal_groups.h"

struct hs_cell { // `count` rows of a group have the label
	uint32_t label, group, count;
};

struct hs_cells {
	size_t ngroups, nlabels, ncells;
	uint32_t *size;      // [ngroups] rows; 0 for a number that no row has
	uint32_t *order;     // [ngroups] the largest first, equal ones in the order of the seeded shuffle
	struct hs_cell *all; // [ncells] by label; of one label those with most rows first, then in that order of groups
	size_t *label_start; // [nlabels + 1] into all
	size_t *group_start; // [ngroups + 1] into of_group
	uint32_t *of_group;  // [ncells] group by group: the numbers of its cells
	uint32_t *rank;      // [ngroups] where each is in `order`
};

// hs_cells_init counts rows; classes are numbered by first appearance. 0, -ENOMEM, or HSFEED_EBADPLAN: a value is
// missing or infinite, or there are more than 2^32 positive ones. hs_cells_fini is due in any case.
int hs_cells_init(struct hs_cells *c, const struct hs_deal_rows *rows, const struct hs_plan_spec *spec,
		  struct hs_err *reterr);
void hs_cells_fini(struct hs_cells *c);

#endif
