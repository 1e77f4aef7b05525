// SPDX-License-Identifier: Apache-2.0
// What of a stream is masked, and what its samples weigh.
#include <stdlib.h>
#include <string.h>

#include "cli.h"

// Decimal digits alone: no "inf", no hexadecimal.
static bool read_real(const char *text, double *ret)
{
	char *end;
	*ret = strtod(text, &end);
	return *text && text[strspn(text, "0123456789.eE+-")] == '\0' && *end == '\0';
}

static int read_mask_roles(const struct args *args, struct mask_request *r, struct hsfeed_stream_options *o)
{
	struct item_walk w = {0};
	const char *role;
	size_t len;
	while ((role = args_item(args, "mask-roles", &w, &len))) {
		size_t n = o->nmask_roles++;
		if (n == EPOCH_MAX_ROLES || len == 0 || len >= sizeof(r->names[0]))
			return fail(EXIT_USAGE, "--mask-roles takes at most %d names, as A,B", EPOCH_MAX_ROLES);
		memcpy(r->names[n], role, len);
		r->roles[n] = r->names[n];
	}
	o->mask_roles = r->roles;
	return 0;
}

// LABEL=W, where a label may have a "=" too.
static int read_weights(const struct args *args, struct mask_request *r, struct hsfeed_stream_options *o)
{
	unsigned i = 0;
	const char *text;
	while ((text = args_each(args, "weight", &i))) {
		size_t n = o->nweights++;
		const char *equals = strrchr(text, '=');
		struct hsfeed_weight *w = &r->weights[n];
		*w = (struct hsfeed_weight){.size = sizeof(*w), .label = r->labels[n]};
		if (!equals || equals == text || (size_t)(equals - text) >= sizeof(r->labels[0]) ||
		    !read_real(equals + 1, &w->weight) || !(w->weight > 0))
			return fail(EXIT_USAGE, "--weight takes LABEL=W, W a number above 0, not \"%s\"", text);
		memcpy(r->labels[n], text, (size_t)(equals - text));
	}
	o->weights = r->weights;
	return 0;
}

int masks_read(const struct args *args, struct mask_request *r, struct hsfeed_stream_options *o)
{
	int rc = 0;
	o->mask_rows = args_share(args, "mask-rows", 0);
	o->mask_prob = args_share(args, "mask-prob", 0);
	o->has_mask_seed = args_has(args, "mask-seed");
	o->mask_seed = args_number(args, "mask-seed", 0);
	if (o->mask_rows != 0 && o->mask_prob != 0)
		rc = fail(EXIT_USAGE, "--mask-rows and --mask-prob exclude each other");
	if (rc == 0 && (o->has_mask_seed || args_has(args, "mask-roles")) && o->mask_rows == 0 && o->mask_prob == 0)
		rc = fail(EXIT_USAGE, "--mask-seed and --mask-roles need --mask-rows or --mask-prob");
	if (rc == 0)
		rc = read_mask_roles(args, r, o);
	return rc ? rc : read_weights(args, r, o);
}

void masks_announce(const hsfeed_value *info)
{
	static const char *const kinds[][2] = {{"mask_rows", "one token masked in"}, {"mask_prob", "masked tokens"}};
	for (size_t i = 0; i < 2; i++) {
		const hsfeed_value *share = hsfeed_value_get(info, kinds[i][0]);
		if (hsfeed_value_type(share) != HSFEED_F64)
			continue;
		fprintf(stderr, "; %s %g %%%s (role ", kinds[i][1], 100 * hsfeed_value_f64(share, 0),
			i == 0 ? " of the rows" : "");
		put_list(stderr, hsfeed_value_get(info, "mask_roles"));
		fprintf(stderr, ", seed %llu)", (unsigned long long)get_uint(info, "mask_seed"));
	}
	const hsfeed_value *weights = hsfeed_value_get(info, "weight");
	for (size_t i = 0; i < hsfeed_value_len(weights); i++) {
		fputs("; weight ", stderr);
		put_cstr(stderr, hsfeed_value_key(weights, i));
		fprintf(stderr, " %g", hsfeed_value_f64(hsfeed_value_at(weights, i), 0));
	}
}
