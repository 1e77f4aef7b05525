// SPDX-License-Identifier: Apache-2.0
#include "plan/weights.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char *const names[] = {
	[HS_WEIGHT_RATIO] = "ratio",
	[HS_WEIGHT_SQRT] = "sqrt",
	[HS_WEIGHT_LOG] = "log",
	[HS_WEIGHT_EFFECTIVE] = "effective",
};

int hs_weight_parse(const char *name, enum hs_weight_scheme *ret, struct hs_err *reterr)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum hs_weight_scheme)i;
			return 0;
		}
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST,
			  "there is no weight scheme \"%.64s\": use ratio, sqrt, log or effective", name);
}

const char *hs_weight_name(enum hs_weight_scheme scheme)
{
	return names[scheme];
}

int hs_weight_check(const struct hs_weight_spec *spec, struct hs_err *reterr)
{
	if (spec->scheme == HS_WEIGHT_EFFECTIVE && !(spec->beta >= 0 && spec->beta < 1))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "beta=%g must be at least 0 and less than 1", spec->beta);
	if (!(spec->max_weight >= 0))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "max_weight=%g must be more than 0", spec->max_weight);
	if (spec->normalize && spec->scheme != HS_WEIGHT_EFFECTIVE)
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "normalize belongs to the scheme effective; %s is already positive over negative",
				  names[spec->scheme]);
	return 0;
}

static double effective(double beta, uint64_t count)
{
	return (1 - beta) / (1 - pow(beta, (double)count));
}

static double uncapped(const struct hs_weight_spec *spec, uint64_t npositive, uint64_t nnegative)
{
	double ratio = (double)nnegative / (double)npositive;
	switch (spec->scheme) {
	case HS_WEIGHT_SQRT:
		return sqrt(ratio);
	case HS_WEIGHT_LOG:
		return log1p(ratio);
	case HS_WEIGHT_EFFECTIVE:
		if (!spec->normalize)
			return effective(spec->beta, npositive);
		return nnegative == 0 ? 0 : effective(spec->beta, npositive) / effective(spec->beta, nnegative);
	default:
		return ratio;
	}
}

float hs_weight_of(const struct hs_weight_spec *spec, uint64_t npositive, uint64_t nnegative)
{
	double weight = npositive == 0 ? 1 : uncapped(spec, npositive, nnegative);
	if (spec->max_weight > 0 && weight > spec->max_weight)
		weight = spec->max_weight;
	return (float)weight;
}

int hs_weight_count(const struct hs_weight_rows *in, uint64_t *ret_npositive, struct hs_err *reterr)
{
	for (size_t l = 0; l < in->nlabels; l++)
		ret_npositive[l] = 0;
	for (size_t i = 0; i < in->nrows; i++) {
		size_t row = in->rows == NULL ? i : in->rows[i];
		const float *values = in->values + row * in->nlabels;
		for (size_t l = 0; l < in->nlabels; l++) {
			if (values[l] != 0 && values[l] != 1)
				return hs_err_set(reterr, HSFEED_EBADPLAN,
						  "row %zu has %g in label column %zu: weights are for labels of 0 "
						  "and 1", row, (double)values[l], l);
			ret_npositive[l] += values[l] != 0;
		}
	}
	return 0;
}

int hs_weights(const struct hs_weight_rows *in, const struct hs_weight_spec *spec, float *ret_weights,
	       struct hs_err *reterr)
{
	int rc = hs_weight_check(spec, reterr), nempty = 0;
	if (rc < 0)
		return rc;
	uint64_t *npositive = hs_array(in->nlabels, sizeof(*npositive)), all = 0;
	if (npositive == NULL)
		return hs_err_nomem(reterr, "computing weights");
	rc = hs_weight_count(in, npositive, reterr);
	for (size_t l = 0; rc == 0 && l < in->nlabels; l++)
		all += npositive[l];
	for (size_t l = 0; rc == 0 && !spec->pooled && l < in->nlabels; l++) {
		ret_weights[l] = hs_weight_of(spec, npositive[l], in->nrows - npositive[l]);
		nempty += npositive[l] == 0;
	}
	if (rc == 0 && spec->pooled) {
		ret_weights[0] = hs_weight_of(spec, all, (uint64_t)in->nrows * in->nlabels - all);
		nempty = all == 0;
	}
	free(npositive);
	return rc < 0 ? rc : nempty;
}

size_t hs_balanced_weights(const uint64_t *counts, size_t nclasses, float *ret_weights)
{
	uint64_t nrows = 0;
	size_t npresent = 0;
	for (size_t c = 0; c < nclasses; c++) {
		nrows += counts[c];
		npresent += counts[c] > 0;
	}
	for (size_t c = 0; c < nclasses; c++)
		ret_weights[c] = counts[c] == 0 ? 1 : (float)((double)nrows / ((double)npresent * (double)counts[c]));
	return nclasses - npresent;
}
