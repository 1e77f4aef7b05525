// SPDX-License-Identifier: Apache-2.0
#include "ingest/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/words.h"

int hs_identity_add(struct hs_identity *id, const char *key, const char *value, size_t len)
{
	if (hs_grow(&id->pairs, &id->cap, id->n + 1, sizeof(*id->pairs)) < 0)
		return -ENOMEM;
	struct hs_identity_pair pair = {.key = strdup(key), .value = strndup(value, len)};
	if (!pair.key || !pair.value) {
		free(pair.key);
		free(pair.value);
		return -ENOMEM;
	}
	id->pairs[id->n++] = pair;
	return 0;
}

int hs_identity_add_sum(struct hs_identity *id, const char *key, const uint8_t sum[HS_SHA256_BYTES])
{
	char hex[HS_SHA256_HEX];
	hs_hex(sum, HS_SHA256_BYTES, hex);
	return hs_identity_add(id, key, hex, strlen(hex));
}

void hs_identity_fini(struct hs_identity *id)
{
	for (size_t i = 0; i < id->n; i++) {
		free(id->pairs[i].key);
		free(id->pairs[i].value);
	}
	free(id->pairs);
	memset(id, 0, sizeof(*id));
}

void hs_identity_put(const struct hs_identity *id, struct hs_wbuf *w)
{
	hs_w_array(w, (uint32_t)id->n);
	for (size_t i = 0; i < id->n; i++) {
		hs_w_array(w, 2);
		hs_w_cstr(w, id->pairs[i].key);
		hs_w_cstr(w, id->pairs[i].value);
	}
}

int hs_identity_digest(const struct hs_identity *id, struct hs_id *ret)
{
	struct hs_wbuf w = {.len = 0};
	hs_identity_put(id, &w);
	int rc = w.failed ? -ENOMEM : hs_sha256(w.data, w.len, ret->bytes);
	hs_w_fini(&w);
	return rc;
}

// ---- a version's ----

// A list under construction; the first failure sticks.
struct list {
	struct hs_buf text;
	size_t n;
	int rc;
};

static void list_add(struct list *list, const char *item, size_t len)
{
	if (list->n++ > 0 && list->rc == 0)
		list->rc = hs_buf_append(&list->text, ",", 1);
	for (size_t i = 0; i < len && list->rc == 0; i++) {
		if (item[i] == ',' || item[i] == '\\')
			list->rc = hs_buf_append(&list->text, "\\", 1);
		if (list->rc == 0)
			list->rc = hs_buf_append(&list->text, &item[i], 1);
	}
}

static int list_end(struct list *list, struct hs_identity *id, const char *key)
{
	int rc = list->rc;
	if (rc == 0 && list->n == 0)
		rc = hs_identity_add(id, key, "none", 4);
	else if (rc == 0)
		rc = hs_identity_add(id, key, list->text.data ? (const char *)list->text.data : "", list->text.len);
	hs_buf_fini(&list->text);
	return rc;
}

static int add_labels(struct hs_identity *id, const struct hs_source *s)
{
	struct list list = {.n = 0};
	for (size_t i = 0; i < s->nlabels; i++)
		list_add(&list, s->labels[i].name.ptr, s->labels[i].name.len);
	return list_end(&list, id, "labels");
}

static int add_clean(struct hs_identity *id, const struct hs_source_options *o)
{
	struct list list = {.n = 0};
	struct hs_buf word = {.len = 0};
	for (size_t i = 0; i < o->nsteps && list.rc == 0; i++) {
		word.len = 0;
		list.rc = hs_words_of_step(&word, &o->steps[i]);
		list_add(&list, (const char *)word.data, word.len);
	}
	hs_buf_fini(&word);
	return list_end(&list, id, "clean");
}

// The simple words, in order; a NULL value is left out.
struct simple {
	const char *key, *value;
};

static int add_simple(struct hs_identity *id, const struct simple *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (items[i].value && hs_identity_add(id, items[i].key, items[i].value, strlen(items[i].value)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int build(const struct hs_source_options *o, const struct hs_source *s, const uint8_t *sum,
		 struct hs_identity *id)
{
	char delimiter[16], engine[16];
	hs_words_of_delimiter(s->delimiter, delimiter);
	snprintf(engine, sizeof(engine), "%d", HS_TEXT_ENGINE);
	const struct simple reading[] = {{"delimiter", delimiter},
					 {"header", o->no_header ? "no" : "yes"},
					 {"charset", o->charset ? o->charset : "utf-8"},
					 {"na", hs_words_of_na(o->na)},
					 {"bad_rows", hs_words_of_bad_rows(o->bad_rows)}};
	const struct simple labelling[] = {{"label_type", hs_words_of_labels(s)}, {"positive", o->positive}};
	const struct simple last[] = {{"drop_empty", o->drop_empty ? "yes" : "no"}, {"text_engine", engine}};
	int rc = hs_identity_add_sum(id, "source_sha256", sum);
	if (rc == 0)
		rc = add_simple(id, reading, sizeof(reading) / sizeof(*reading));
	if (rc == 0)
		rc = hs_identity_add(id, "text_column", s->text_column.ptr, s->text_column.len);
	if (rc == 0)
		rc = add_labels(id, s);
	if (rc == 0)
		rc = add_simple(id, labelling, sizeof(labelling) / sizeof(*labelling));
	if (rc == 0)
		rc = add_clean(id, o);
	if (rc == 0)
		rc = add_simple(id, last, sizeof(last) / sizeof(*last));
	return rc;
}

int hs_identity_of_source(const struct hs_source_options *options, const struct hs_source *s,
			  const uint8_t sum[HS_SHA256_BYTES], struct hs_identity *ret)
{
	struct hs_identity id = {.n = 0};
	int rc = build(options, s, sum, &id);
	if (rc < 0)
		hs_identity_fini(&id);
	else
		*ret = id;
	return rc;
}

// ---- comparing ----

// The next pair of a stored identity; false at its end (or where it is not made of pairs).
static bool next_pair(struct hs_rbuf *r, struct hs_span *ret_key, struct hs_span *ret_value)
{
	struct hs_wire_value pair, key, value;
	if (!hs_r_next(r, &pair) || pair.type != HS_WIRE_ARRAY || pair.as.count != 2 || !hs_r_next(r, &key) ||
	    key.type != HS_WIRE_STR || !hs_r_next(r, &value) || value.type != HS_WIRE_STR)
		return false;
	*ret_key = (struct hs_span){.ptr = key.as.str.ptr, .len = key.as.str.len};
	*ret_value = (struct hs_span){.ptr = value.as.str.ptr, .len = value.as.str.len};
	return true;
}

// Opens the array: its items follow in *r. 0 pairs for what is no array.
static uint32_t open_pairs(struct hs_rbuf *r)
{
	struct hs_wire_value array;
	if (!r->p || !hs_r_next(r, &array) || array.type != HS_WIRE_ARRAY)
		return 0;
	return array.as.count;
}

static bool find_stored(struct hs_rbuf stored, const char *name, struct hs_span *ret)
{
	struct hs_span key, value;
	for (uint32_t n = open_pairs(&stored); n > 0 && next_pair(&stored, &key, &value); n--) {
		if (hs_span_is(key, name)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool is_given(const struct hs_identity *given, struct hs_span key)
{
	for (size_t i = 0; i < given->n; i++) {
		if (hs_span_is(key, given->pairs[i].key))
			return true;
	}
	return false;
}

static struct hs_span span_of(const char *text)
{
	return (struct hs_span){.ptr = text, .len = strlen(text)};
}

static void put_change(struct hs_wbuf *w, struct hs_span what, struct hs_span stored, struct hs_span given)
{
	hs_w_map(w, 3);
	hs_w_cstr(w, "what");
	hs_w_str(w, what.ptr, what.len);
	hs_w_cstr(w, "stored");
	hs_w_str(w, stored.ptr, stored.len);
	hs_w_cstr(w, "given");
	hs_w_str(w, given.ptr, given.len);
}

void hs_identity_put_changes(struct hs_rbuf stored, const struct hs_identity *given, struct hs_wbuf *w)
{
	struct hs_span key, value;
	uint32_t nchanges = 0;
	size_t mark = hs_w_array_begin(w);
	for (size_t i = 0; i < given->n && stored.p; i++) {
		struct hs_span now = span_of(given->pairs[i].value);
		if (!find_stored(stored, given->pairs[i].key, &value))
			value = span_of("absent");
		if (hs_span_eq(value, now))
			continue;
		put_change(w, span_of(given->pairs[i].key), value, now);
		nchanges++;
	}
	for (uint32_t n = open_pairs(&stored); n > 0 && next_pair(&stored, &key, &value); n--) {
		if (is_given(given, key))
			continue;
		put_change(w, key, value, span_of("absent"));
		nchanges++;
	}
	hs_w_array_end(w, mark, nchanges);
}
