// SPDX-License-Identifier: Apache-2.0
// Column names as pandas makes them (pandas/_libs/parsers.pyx): empty names become "Unnamed: i"; then repetitions are
// renamed, first among the named columns from left to right, then among the unnamed ones. A name seen k times before
// becomes NAME.k, and while that is in the header already, as it stands then, k grows.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/csv.h"

struct counted {
	struct hs_span name; // {NULL, 0}: a free place
	size_t seen;         // columns given this name so far; 0: only written in the header
};

struct naming {
	struct counted *table; // open addressing, at most half full, so a find ends
	size_t mask;
	struct hs_arena *arena;
};

static struct counted *find(struct naming *t, struct hs_span name)
{
	size_t i = hs_span_hash(name) & t->mask;
	while (t->table[i].name.ptr && !hs_span_eq(t->table[i].name, name))
		i = (i + 1) & t->mask;
	return &t->table[i];
}

static int formatted(struct naming *t, struct hs_span stem, const char *between, size_t number, struct hs_span *ret)
{
	char tail[40];
	int len = snprintf(tail, sizeof(tail), "%s%zu", between, number);
	char *room = hs_arena_room(t->arena, stem.len + (size_t)len);
	if (!room)
		return -ENOMEM;
	if (stem.len)
		memcpy(room, stem.ptr, stem.len);
	memcpy(room + stem.len, tail, (size_t)len);
	*ret = (struct hs_span){room, stem.len + (size_t)len};
	return 0;
}

static int give_name(struct naming *t, struct hs_span *name)
{
	struct counted *stem = find(t, *name), *taken = stem;
	if (stem->seen == 0) {
		stem->seen = 1;
		return 0;
	}
	while (taken->name.ptr) {
		int rc = formatted(t, stem->name, ".", stem->seen, name);
		if (rc < 0)
			return rc;
		stem->seen++;
		taken = find(t, *name);
	}
	hs_arena_take(t->arena, name->len);
	*taken = (struct counted){*name, 1};
	return 0;
}

static int name_all(struct naming *t, const struct hs_span *raw, size_t n, struct hs_span *names)
{
	for (size_t i = 0; i < n; i++) {
		names[i] = raw[i];
		if (raw[i].len == 0) {
			int rc = formatted(t, (struct hs_span){"", 0}, "Unnamed: ", i, &names[i]);
			if (rc < 0)
				return rc;
			hs_arena_take(t->arena, names[i].len);
		}
		find(t, names[i])->name = names[i];
	}
	for (int unnamed = 0; unnamed < 2; unnamed++) {
		for (size_t i = 0; i < n; i++) {
			int rc = (raw[i].len == 0) == unnamed ? give_name(t, &names[i]) : 0;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int hs_csv_name_columns(const struct hs_span *raw, size_t n, struct hs_arena *arena, struct hs_span *names)
{
	size_t places = 16;
	while (places < 4 * n) // each column can add one name to its own
		places *= 2;
	struct naming t = {.table = hs_array(places, sizeof(*t.table)), .mask = places - 1, .arena = arena};
	int rc = t.table ? name_all(&t, raw, n, names) : -ENOMEM;
	free(t.table);
	return rc;
}
