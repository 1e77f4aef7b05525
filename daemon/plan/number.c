// SPDX-License-Identifier: Apache-2.0
// Numbers distinct values by first appearance with an open-addressing table that doubles at half load. Two passes, so
// that nothing of the caller's changes unless all went well: the first only grows the table, the second (which cannot
// fail) only reads it.
#include "plan/number.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"

struct entry {
	uint64_t key;
	uint32_t number; // plus one; 0 is an empty place
};

struct table {
	struct entry *entries;
	size_t mask;
	uint32_t count;
	uint64_t salt;
};

// Keys come from users' files. The table's address salts the hash, so that a file cannot be made to collide everywhere;
// numbers do not depend on it.
static size_t place_of(const struct table *t, uint64_t key)
{
	uint64_t x = key ^ t->salt;
	x = (x ^ (x >> 32)) * 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
	x ^= x >> 32;
	size_t i = (size_t)x & t->mask;
	while (t->entries[i].number != 0 && t->entries[i].key != key)
		i = (i + 1) & t->mask;
	return i;
}

static int table_resize(struct table *t, size_t size)
{
	struct table bigger = {.entries = hs_array(size, sizeof(*bigger.entries)), .mask = size - 1, .count = t->count};
	if (bigger.entries == NULL)
		return -ENOMEM;
	bigger.salt = (uint64_t)(uintptr_t)bigger.entries * 0xd6e8feb86659fd93u;
	for (size_t i = 0; t->entries != NULL && i <= t->mask; i++)
		if (t->entries[i].number != 0)
			bigger.entries[place_of(&bigger, t->entries[i].key)] = t->entries[i];
	free(t->entries);
	*t = bigger;
	return 0;
}

static int table_add(struct table *t, uint64_t key)
{
	size_t i = place_of(t, key);
	if (t->entries[i].number != 0)
		return 0;
	t->entries[i] = (struct entry){key, ++t->count};
	return t->count > t->mask / 2 ? table_resize(t, 2 * (t->mask + 1)) : 0;
}

static uint64_t key_of(const struct hs_number_input *in, size_t row)
{
	uint32_t word = in->words[row * in->stride];
	uint64_t group = in->group == NULL ? 0 : in->group[row];
	return group << 32 | (in->canonical == NULL ? word : in->canonical(word));
}

int hs_number_pairs(const struct hs_number_input *in, uint32_t *ret_group, size_t *ret_ngroups)
{
	struct table t = {0};
	int rc = table_resize(&t, 64);
	for (size_t i = 0; rc == 0 && i < in->nrows; i++)
		rc = table_add(&t, key_of(in, i));
	for (size_t i = 0; rc == 0 && i < in->nrows; i++)
		ret_group[i] = t.entries[place_of(&t, key_of(in, i))].number - 1;
	if (rc == 0)
		*ret_ngroups = t.count;
	free(t.entries);
	return rc;
}
