// SPDX-License-Identifier: Apache-2.0
// lengths: how long the rows of an encoding are, and what each max_length would cut and pad.
#include "asked.h"
#include "datasets.h"
#include "describe.h"
#include "feed/statistics.h"

#define MAX_CUTS    64
#define MAX_BUCKETS 1024

struct lengths_params {
	const char *name, *role;
	uint64_t owner;
	struct hs_uints max_lengths;
};
#define AT(member) .offset = offsetof(struct lengths_params, member)
static const struct hs_field fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},
	{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "role", .type = HS_T_STR, AT(role), .min = 1, .max = HS_NAME_MAX},
	{.key = "max_lengths", .type = HS_T_UINTS, AT(max_lengths), .min = 1, .max = HS_FEED_MAX_LENGTH},
};
#undef AT
const struct hs_schema hs_lengths_schema = HS_SCHEMA(struct lengths_params, fields);

// The max_lengths asked for, or the usual ones.
static struct hs_uints cuts_of(const struct lengths_params *p)
{
	static uint64_t usual[] = {64, 128, 256, 512};
	return p->max_lengths.items ? p->max_lengths : (struct hs_uints){4, usual};
}

static int check_cuts(const struct hs_uints *cuts, const struct hs_encoding *e, const char *role, struct hs_err *reterr)
{
	if (cuts->n > MAX_CUTS)
		return hs_err_set(reterr, HSFEED_ELIMIT, "lengths: max_lengths has %zu entries; at most %d", cuts->n,
				  MAX_CUTS);
	for (size_t i = 0; i < cuts->n; i++) {
		int rc = hs_check_max_length(e, role, (uint32_t)cuts->items[i], reterr);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void write_percentiles(struct hs_wbuf *w, const struct hs_lengths *lengths)
{
	static const unsigned per_mille[] = {500, 750, 900, 950, 990, 999};
	hs_w_cstr(w, "percentiles");
	hs_w_array(w, 6);
	for (size_t i = 0; i < 6; i++) {
		hs_w_array(w, 2);
		if (per_mille[i] % 10 == 0)
			hs_w_uint(w, per_mille[i] / 10);
		else
			hs_w_f64(w, per_mille[i] / 10.0);
		hs_w_uint(w, hs_lengths_percentile(lengths, per_mille[i]));
	}
}

// Bucket i holds lengths i * width .. (i + 1) * width - 1; widths are powers of two, the first that is coarse enough.
static void write_histogram(struct hs_wbuf *w, const struct hs_lengths *lengths)
{
	uint32_t width = 1;
	while (lengths->max / width >= MAX_BUCKETS)
		width *= 2;
	hs_w_cstr(w, "histogram");
	hs_w_map(w, 2);
	hs_w_cstr(w, "width");
	hs_w_uint(w, width);
	hs_w_cstr(w, "counts");
	hs_w_array(w, lengths->max / width + 1);
	for (uint64_t first = 0; first <= lengths->max; first += width) {
		uint64_t rows = 0;
		for (uint64_t length = first; length < first + width && length <= lengths->max; length++)
			rows += lengths->counts[length];
		hs_w_uint(w, rows);
	}
}

static void write_cut(struct hs_wbuf *w, const struct hs_lengths *lengths, uint32_t max_length)
{
	struct hs_token_sums sums;
	hs_lengths_cut(lengths, max_length, &sums);
	hs_w_map(w, 5);
	hs_w_cstr(w, "max_length");
	hs_w_uint(w, max_length);
	hs_w_cstr(w, "truncated_rows");
	hs_w_uint(w, sums.truncated_rows);
	hs_w_cstr(w, "lost_tokens");
	hs_w_uint(w, sums.lost_tokens);
	hs_w_cstr(w, "kept_tokens");
	hs_w_uint(w, sums.tokens - sums.lost_tokens);
	hs_w_cstr(w, "padding_share");
	hs_w_f64(w, hs_padding_share(&sums, max_length));
}

static void write_sums(struct hs_wbuf *w, const struct hs_encoding *e, const struct hs_lengths *lengths)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"rows", lengths->nrows}, {"tokens", lengths->tokens}, {"specials", e->nprefix + e->nsuffix},
		{"min", lengths->min},    {"max", lengths->max},
	};
	for (size_t i = 0; i < 5; i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
	hs_w_cstr(w, "mean");
	hs_w_f64(w, lengths->nrows ? (double)lengths->tokens / (double)lengths->nrows : 0);
}

static void write_lengths(struct hs_wbuf *w, const struct hs_asked *asked, const struct hs_lengths *lengths,
			  const struct hs_uints *cuts)
{
	const struct hs_encoding *e = hs_feed_source_encoding(asked->source, 0);
	hs_w_map(w, HS_ASKED_PAIRS - 1 + 3 + 6 + 3);
	hs_asked_write(w, asked);
	hs_w_cstr(w, "role");
	hs_w_cstr(w, hs_feed_source_role(asked->source, 0));
	hs_write_id(w, "encoding", hs_file_get_id(e->file));
	hs_write_header_value(w, hs_file_header(e->file), "tokenizer");
	write_sums(w, e, lengths);
	write_percentiles(w, lengths);
	write_histogram(w, lengths);
	hs_w_cstr(w, "cuts");
	hs_w_array(w, (uint32_t)cuts->n);
	for (size_t i = 0; i < cuts->n; i++)
		write_cut(w, lengths, (uint32_t)cuts->items[i]);
}

static int answer(struct hs_request *req, const struct hs_asked *asked)
{
	struct hs_uints cuts = cuts_of(req->params);
	struct hs_lengths lengths;
	if (hs_feed_source_nroles(asked->source) == 0) {
		hs_err_set(&req->err, HSFEED_ENOTFOUND, "lengths: dataset %s has no encoding",
			   hs_feed_source_entry(asked->source)->name);
		return hs_err_hint(&req->err, "make one with: hsfeed add %s --tokenizer DIR",
				   hs_feed_source_entry(asked->source)->name);
	}
	const struct hs_encoding *e = hs_feed_source_encoding(asked->source, 0);
	int rc = check_cuts(&cuts, e, hs_feed_source_role(asked->source, 0), &req->err);
	if (rc == 0 && hs_lengths_init(e, &lengths) < 0)
		rc = hs_err_nomem(&req->err, "counting lengths");
	if (rc < 0)
		return rc;
	write_lengths(&req->result, asked, &lengths, &cuts);
	hs_lengths_fini(&lengths);
	return 0;
}

int hs_req_lengths_run(struct hs_request *req)
{
	const struct lengths_params *p = req->params;
	struct hs_source_request source = hs_asked_source(req, p->name, p->owner);
	struct hs_asked asked;
	source.nroles = p->role != NULL;
	source.roles[0] = p->role;
	int rc = hs_asked_open(req, &source, NULL, &asked);
	if (rc < 0)
		return rc;
	rc = answer(req, &asked);
	hs_asked_close(req, &asked);
	return rc;
}
