// SPDX-License-Identifier: Apache-2.0
// One page of rows. Arrays in a message have any alignment, so they are copied; texts stay in the message.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define PAGE_ROWS 8192

struct page {
	struct hsfeed_rows rows; // first: what the caller sees
	hsfeed_value *tree;
	void *lines, *labels, *offsets, *ids;
	const char **texts;
	size_t *text_bytes;
};

static const char bad_shape[] = "an array has another size than its rows";

// A copy of a bin of exactly n items. NULL in *wrong: all is well.
static void *copy_bin(const hsfeed_value *v, uint64_t n, size_t item_bytes, const char **wrong)
{
	size_t bytes = 0;
	const void *data = hsfeed_value_bin(v, &bytes);
	if (*wrong)
		return NULL;
	if (!data || bytes % item_bytes || bytes / item_bytes != n) {
		*wrong = bad_shape;
		return NULL;
	}
	void *copy = malloc(bytes + 8);
	if (copy)
		memcpy(copy, data, bytes);
	else
		*wrong = "out of memory";
	return copy;
}

static void read_labels(struct page *p, const char **wrong)
{
	struct hsfeed_rows *r = &p->rows;
	const hsfeed_value *labels = hsfeed_value_get(p->tree, "labels");
	const char *dtype = hsfeed_value_str(hsfeed_value_get(p->tree, "label_dtype"), NULL, "float32");
	r->label_dtype = strcmp(dtype, "int64") == 0 ? HSFEED_INT64 : HSFEED_FLOAT32;
	r->label_columns = (size_t)hsfeed_value_uint(hsfeed_value_get(p->tree, "label_columns"), 0);
	if (r->label_columns > 65536 || (r->label_dtype == HSFEED_INT64 && r->label_columns > 1)) {
		*wrong = "its label columns are not usable";
		return;
	}
	if (r->label_columns == 0)
		return;
	p->labels = copy_bin(labels, r->count * r->label_columns, hsfeed_dtype_bytes(r->label_dtype), wrong);
	r->labels = p->labels;
}

static void read_ids(struct page *p, const char **wrong)
{
	struct hsfeed_rows *r = &p->rows;
	p->offsets = copy_bin(hsfeed_value_get(p->tree, "offsets"), r->count + 1, 4, wrong);
	const uint32_t *offsets = p->offsets;
	for (uint64_t i = 0; !*wrong && i < r->count; i++) {
		if (offsets[i] > offsets[i + 1])
			*wrong = "its offsets go backwards";
	}
	if (*wrong)
		return;
	if (offsets[0] != 0)
		*wrong = "its offsets do not begin at 0";
	p->ids = copy_bin(hsfeed_value_get(p->tree, "ids"), offsets[r->count], 4, wrong);
	r->offsets = offsets;
	r->ids = p->ids;
}

static void read_texts(struct page *p, const char **wrong)
{
	const hsfeed_value *texts = hsfeed_value_get(p->tree, "texts");
	struct hsfeed_rows *r = &p->rows;
	if (*wrong || hsfeed_value_type(texts) != HSFEED_ARRAY)
		return;
	if (hsfeed_value_len(texts) != r->count) {
		*wrong = bad_shape;
		return;
	}
	p->texts = calloc(r->count + 1, sizeof(*p->texts));
	p->text_bytes = calloc(r->count + 1, sizeof(*p->text_bytes));
	if (!p->texts || !p->text_bytes) {
		*wrong = "out of memory";
		return;
	}
	for (uint64_t i = 0; i < r->count; i++)
		p->texts[i] = hsfeed_value_str(hsfeed_value_at(texts, (size_t)i), &p->text_bytes[i], "");
	r->texts = p->texts;
	r->text_bytes = p->text_bytes;
}

static const char *read_page(struct page *p)
{
	struct hsfeed_rows *r = &p->rows;
	const char *wrong = NULL;
	r->start = hsfeed_value_uint(hsfeed_value_get(p->tree, "start"), 0);
	r->count = hsfeed_value_uint(hsfeed_value_get(p->tree, "count"), UINT64_MAX);
	r->rows = hsfeed_value_uint(hsfeed_value_get(p->tree, "rows"), 0);
	r->next = hsfeed_value_uint(hsfeed_value_get(p->tree, "next"), 0);
	if (r->count > HS_LIB_MAX_FRAME || r->start > r->rows || r->count > r->rows - r->start)
		return "its counts contradict each other";
	if (r->next && (r->next <= r->start || r->next > r->rows))
		return "its next page does not follow";
	p->lines = copy_bin(hsfeed_value_get(p->tree, "lines"), r->count, 4, &wrong);
	r->lines = p->lines;
	if (!wrong)
		read_labels(p, &wrong);
	if (!wrong)
		read_ids(p, &wrong);
	read_texts(p, &wrong);
	return wrong;
}

void hsfeed_rows_free(struct hsfeed_rows *rows)
{
	struct page *p = (struct page *)rows; // the first member
	if (!p)
		return;
	hsfeed_value_free(p->tree);
	free(p->lines);
	free(p->labels);
	free(p->offsets);
	free(p->ids);
	free(p->texts);
	free(p->text_bytes);
	free(p);
}

static int make_page(hsfeed_value *tree, struct hsfeed_rows **ret, struct hsfeed_error *reterr)
{
	struct page *p = calloc(1, sizeof(*p));
	if (!p) {
		hsfeed_value_free(tree);
		return hs_error_nomem(reterr);
	}
	p->tree = tree;
	const char *wrong = read_page(p);
	if (!wrong) {
		*ret = &p->rows;
		return 0;
	}
	hsfeed_rows_free(&p->rows);
	return hs_error_set(reterr, strcmp(wrong, "out of memory") == 0 ? -ENOMEM : HSFEED_EBADFRAME,
			    "a page of rows cannot be taken: %s", wrong);
}

int hsfeed_rows_get(hsfeed_client *client, const char *name, const struct hsfeed_rows_options *options,
		    struct hsfeed_rows **ret_rows, struct hsfeed_error *reterr)
{
	struct hsfeed_rows_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	hsfeed_value *tree = NULL;
	rc = hs_params_name(params, name, reterr);
	hsfeed_params_str(params, "role", o.role);
	hsfeed_params_uint(params, "start", o.start);
	hsfeed_params_uint(params, "count", o.count ? o.count : PAGE_ROWS);
	if (o.text)
		hsfeed_params_bool(params, "text", 1);
	if (rc == 0)
		rc = hs_call(client, &(struct hs_call){.method = "rows", .params = params, .fd = -1}, &tree, reterr);
	hsfeed_params_destroy(params);
	return rc < 0 ? rc : make_page(tree, ret_rows, reterr);
}
