// SPDX-License-Identifier: Apache-2.0
// Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011) of groups instead of rows:
//
//   while some label has rows left:
//     take the label with the fewest              (tie: that appeared first)
//     give each of its groups, fullest first      (rows of the label; tie: larger group; tie: seeded shuffle)
//       to the fold with the fewest rows of it    (tie: fewest rows in all; tie: lowest number)
//   give groups without labels, largest first, to the fold with the fewest rows
//
// "Fewest rows" is "lacks most", since every fold should get the same. For classes (each row has one) this bounds the
// gap of a class, the largest less the smallest number of its rows in a fold.
//
// Proof. Let E be the rows of the class in groups that were dealt before its turn, for rarer classes, and s1, s2, ...
// its rows in the groups of its turn. Let g be the gap and D the sum over folds of (most - fold's), as they change; g
// <= D. At first g <= E, and D <= (k - 1) E: with all E rows in one fold both are equal. A group goes to a fold with
// the fewest, `least`, and others have `least` or more: if that raises the most, to least + si, then g <= si and D <=
// (k - 1) si; if not, D becomes D - si, and g does not grow. So after the last group i that raised it, with R rows
// still to come,
//   g <= min(si, (k - 1) si - R)      and      g <= min(E, (k - 1) E - all rows of the turn)      if none did.
// A class has no rows left after its turn: the largest of these is its bound. It depends on the groups only, not on
// where they went, and is never more than E and the largest si; enough single rows at the end bring it down to 1.
//
// A fold's rows are those of all classes: its gap is at most the sum of theirs. Where every group is one row, E is 0,
// a turn gives each fold the same and one more to those with the fewest rows in all: the gap is at most 1.
//
// No fold stays empty while groups are dealt: an empty one has the fewest rows of any label and the fewest in all.
#include "plan/deal_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/cells.h"
#include "plan/check.h"
#include "plan/loads.h"

#define NOT_DEALT UINT16_MAX

_Static_assert(HS_PLAN_MAX_FOLDS <= NOT_DEALT, "no fold has that number");

struct board {
	uint32_t k;
	struct hs_cells cells;
	uint16_t *fold_of_group;
	uint32_t *left;       // per label: rows not dealt yet
	uint32_t *heap;       // labels, that with the fewest rows left at the root
	uint32_t *heap_place; // per label
	size_t nheap;
	uint64_t *fold_rows;
	struct hs_load *loads; // weight: rows of the label << 32 | rows in all
	struct hs_deal_figures figures;
	char warning[256];
};

static void board_fini(struct board *b)
{
	hs_cells_fini(&b->cells);
	free(b->fold_of_group);
	free(b->left);
	free(b->heap);
	free(b->heap_place);
	free(b->fold_rows);
	free(b->loads);
}

static int allocate(struct board *b)
{
	size_t nlabels = b->cells.nlabels;
	b->fold_of_group = hs_array(b->cells.ngroups, sizeof(*b->fold_of_group));
	b->left = hs_array(nlabels, sizeof(*b->left));
	b->heap = hs_array(nlabels, sizeof(*b->heap));
	b->heap_place = hs_array(nlabels, sizeof(*b->heap_place));
	b->fold_rows = hs_array(b->k, sizeof(*b->fold_rows));
	b->loads = hs_array(b->k, sizeof(*b->loads));
	if (b->fold_of_group == NULL || b->left == NULL || b->heap == NULL || b->heap_place == NULL ||
	    b->fold_rows == NULL || b->loads == NULL)
		return -ENOMEM;
	memset(b->fold_of_group, 0xff, b->cells.ngroups * sizeof(*b->fold_of_group)); // NOT_DEALT
	for (size_t i = 0; i < b->cells.ncells; i++)
		b->left[b->cells.all[i].label] += b->cells.all[i].count;
	return 0;
}

// ---- the label with the fewest rows left ----

static bool comes_first(const struct board *b, uint32_t label, uint32_t other)
{
	return b->left[label] < b->left[other] || (b->left[label] == b->left[other] && label < other);
}

static void heap_put(struct board *b, size_t place, uint32_t label)
{
	b->heap[place] = label;
	b->heap_place[label] = (uint32_t)place;
}

static void heap_up(struct board *b, uint32_t label)
{
	size_t at = b->heap_place[label];
	for (; at > 0 && comes_first(b, label, b->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_put(b, at, b->heap[(at - 1) / 2]);
	heap_put(b, at, label);
}

static void heap_add(struct board *b, uint32_t label)
{
	heap_put(b, b->nheap++, label);
	heap_up(b, label);
}

static uint32_t heap_take(struct board *b)
{
	uint32_t taken = b->heap[0], label = b->heap[--b->nheap];
	size_t at = 0, child = 1;
	for (; child < b->nheap; at = child, child = 2 * at + 1) {
		child += child + 1 < b->nheap && comes_first(b, b->heap[child + 1], b->heap[child]);
		if (!comes_first(b, b->heap[child], label))
			break;
		heap_put(b, at, b->heap[child]);
	}
	heap_put(b, at, label);
	b->heap_place[taken] = UINT32_MAX; // has had its turn
	return taken;
}

// ---- dealing ----

static void note_dealt(struct board *b, uint32_t group)
{
	for (size_t i = b->cells.group_start[group]; i < b->cells.group_start[group + 1]; i++) {
		const struct hs_cell *cell = &b->cells.all[b->cells.of_group[i]];
		b->left[cell->label] -= cell->count;
		if (b->heap_place[cell->label] != UINT32_MAX)
			heap_up(b, cell->label);
	}
}

static void deal_group(struct board *b, uint32_t group, uint32_t label_rows)
{
	uint32_t fold = b->loads[0].fold, size = b->cells.size[group];
	b->fold_of_group[group] = (uint16_t)fold;
	b->fold_rows[fold] += size;
	b->loads[0].weight += (uint64_t)label_rows << 32 | size;
	hs_loads_settle(b->loads, b->k, 0);
	note_dealt(b, group);
}

static void weigh_folds(struct board *b)
{
	for (uint32_t fold = 0; fold < b->k; fold++)
		b->loads[fold] = (struct hs_load){b->fold_rows[fold], fold};
}

// One of the bounds above: the most was raised by a group of that many rows, `after` rows came later.
static uint64_t bound_of(uint32_t k, uint64_t rows, uint64_t after)
{
	uint64_t slack = (k - 1) * rows > after ? (k - 1) * rows - after : 0;
	return rows < slack ? rows : slack;
}

static uint64_t gap_of_label(const struct board *b)
{
	uint64_t least = UINT64_MAX, most = 0;
	for (uint32_t i = 0; i < b->k; i++) {
		uint64_t rows = b->loads[i].weight >> 32;
		least = rows < least ? rows : least;
		most = rows > most ? rows : most;
	}
	return most - least;
}

static void note_gap(struct board *b, uint64_t bound)
{
	struct hs_deal_figures *f = &b->figures;
	uint64_t gap = gap_of_label(b);
	f->label_gap = gap > f->label_gap ? gap : f->label_gap;
	f->label_bound = bound > f->label_bound ? bound : f->label_bound;
	f->size_bound += bound;
}

// Weighs folds by their rows of a label, then by all of theirs. Returns how many rows of it were dealt already.
static uint64_t weigh_label(struct board *b, const struct hs_cell *cells, size_t n)
{
	uint64_t earlier = 0;
	weigh_folds(b);
	for (size_t i = 0; i < n; i++) {
		uint16_t fold = b->fold_of_group[cells[i].group];
		if (fold == NOT_DEALT)
			continue;
		b->loads[fold].weight += (uint64_t)cells[i].count << 32;
		earlier += cells[i].count;
	}
	hs_loads_build(b->loads, b->k);
	return earlier;
}

static void deal_label(struct board *b, uint32_t label)
{
	const struct hs_cell *cells = b->cells.all + b->cells.label_start[label];
	size_t n = b->cells.label_start[label + 1] - b->cells.label_start[label];
	uint64_t after = b->left[label], bound = bound_of(b->k, weigh_label(b, cells, n), after);
	for (size_t i = 0; i < n; i++) {
		if (b->fold_of_group[cells[i].group] != NOT_DEALT)
			continue;
		deal_group(b, cells[i].group, cells[i].count);
		after -= cells[i].count;
		uint64_t now = bound_of(b->k, cells[i].count, after);
		bound = now > bound ? now : bound;
	}
	note_gap(b, bound);
}

static void deal_rest(struct board *b)
{
	weigh_folds(b);
	hs_loads_build(b->loads, b->k);
	for (size_t i = 0; i < b->cells.ngroups; i++) {
		uint32_t group = b->cells.order[i];
		if (b->fold_of_group[group] == NOT_DEALT && b->cells.size[group] > 0)
			deal_group(b, group, 0);
	}
}

static void deal(struct board *b)
{
	for (size_t label = 0; label < b->cells.nlabels; label++)
		heap_add(b, (uint32_t)label);
	while (b->nheap > 0)
		deal_label(b, heap_take(b));
	deal_rest(b);
}

// ---- figures and checks ----

void hs_deal_count_groups(const uint32_t *sizes, size_t ngroups, struct hs_deal_figures *ret)
{
	ret->groups = ret->largest = ret->together = 0;
	for (size_t i = 0; i < ngroups; i++) {
		ret->groups += sizes[i] > 0;
		ret->largest = sizes[i] > ret->largest ? sizes[i] : ret->largest;
		ret->together += sizes[i] > 1 ? sizes[i] : 0;
	}
}

void hs_deal_count_folds(const uint64_t *sizes, uint32_t nfolds, struct hs_deal_figures *ret)
{
	uint64_t least = UINT64_MAX, most = 0;
	for (uint32_t fold = 0; fold < nfolds; fold++) {
		least = sizes[fold] < least ? sizes[fold] : least;
		most = sizes[fold] > most ? sizes[fold] : most;
	}
	ret->size_gap = most - least;
}

static void measure(struct board *b, bool classes)
{
	struct hs_deal_figures *f = &b->figures;
	hs_deal_count_folds(b->fold_rows, b->k, f);
	f->labelled = true;
	f->bounded = classes;
	if (f->largest == 1)
		f->size_bound = 1;
	if (!classes)
		f->size_bound = f->label_bound = 0;
}

static int check_classes(struct board *b, struct hs_err *reterr)
{
	uint32_t smallest = UINT32_MAX, largest = 0;
	for (size_t i = 0; i < b->cells.nlabels; i++) {
		smallest = b->left[i] < smallest ? b->left[i] : smallest;
		largest = b->left[i] > largest ? b->left[i] : largest;
	}
	return hs_check_class_sizes(smallest, largest, b->k, b->warning, reterr);
}

static int check(struct board *b, bool classes, struct hs_err *reterr)
{
	int rc = classes ? check_classes(b, reterr) : 0;
	if (rc < 0)
		return rc;
	if (b->k > b->figures.groups)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "Cannot have number of splits n_splits=%u greater than the "
				  "number of groups: %llu.",
				  b->k, (unsigned long long)b->figures.groups);
	return hs_check_work((double)b->cells.nlabels * b->k, b->k, "stratified", reterr);
}

int hs_deal_groups(const struct hs_deal_rows *rows, const struct hs_plan_spec *spec, uint16_t *ret_fold_of_row,
		   struct hs_deal_figures *ret, char ret_warning[256], struct hs_err *reterr)
{
	struct board b = {.k = spec->nfolds};
	int rc = hs_check_folds(rows->n, spec->nfolds, reterr);
	if (rc < 0)
		return rc;
	rc = hs_cells_init(&b.cells, rows, spec, reterr);
	if (rc == 0)
		rc = allocate(&b);
	if (rc == -ENOMEM) {
		rc = hs_err_nomem(reterr, "dealing groups into folds");
		goto out;
	}
	if (rc == 0) {
		hs_deal_count_groups(b.cells.size, b.cells.ngroups, &b.figures);
		rc = check(&b, rows->classes != NULL, reterr);
	}
	if (rc < 0)
		goto out;
	deal(&b);
	measure(&b, rows->classes != NULL);
	for (size_t i = 0; i < rows->n; i++)
		ret_fold_of_row[i] = b.fold_of_group[rows->groups[i]];
	*ret = b.figures;
	if (ret_warning)
		memcpy(ret_warning, b.warning, sizeof(b.warning));
out:
	board_fini(&b);
	return rc;
}
