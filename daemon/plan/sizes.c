// SPDX-License-Identifier: Apache-2.0
// A test fraction is rounded up, a training fraction down, what is not given is the rest. Sentences print numbers as
// Python does. Source: scikit-learn 1.9 model_selection/_split.py, _validate_shuffle_split, and
// train_test_split's own parameter constraints.
#include "plan/sizes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_CHARS 40

// repr(): the shortest digits that read back as the same number.
static void print_float(double value, char ret[NUMBER_CHARS])
{
	int precision = 1;
	if (!isfinite(value)) {
		snprintf(ret, NUMBER_CHARS, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
		return;
	}
	do
		snprintf(ret, NUMBER_CHARS, "%.*e", precision - 1, value);
	while (strtod(ret, NULL) != value && precision++ < 17);
	int exponent = atoi(strchr(ret, 'e') + 1), decimals = precision - 1 - exponent;
	if (exponent >= -4 && exponent < 16)
		snprintf(ret, NUMBER_CHARS, "%.*f", decimals > 1 ? decimals : 1, value);
}

static void print_size(const struct hs_size *size, char ret[NUMBER_CHARS])
{
	if (size->unit == HS_SIZE_NONE)
		snprintf(ret, NUMBER_CHARS, "None");
	else if (size->unit == HS_SIZE_ROWS)
		snprintf(ret, NUMBER_CHARS, "%lld", (long long)size->nrows);
	else
		print_float(size->fraction, ret);
}

// What train_test_split says of a number that no rows could make right.
static int check_range(const struct hs_size *size, const char *name, struct hs_err *reterr)
{
	char number[NUMBER_CHARS];
	bool rows_fit = size->unit != HS_SIZE_ROWS || size->nrows >= 1;
	bool fraction_fits = size->unit != HS_SIZE_FRACTION || (size->fraction > 0 && size->fraction < 1);
	if (rows_fit && fraction_fits)
		return 0;
	print_size(size, number);
	return hs_err_set(reterr, HSFEED_EBADPLAN,
			  "The '%s' parameter of train_test_split must be a float in the range (0.0, 1.0), an int in "
			  "the range [1, inf) or None. Got %s instead.", name, number);
}

static int check_rows(const struct hs_size *size, const char *name, size_t n, struct hs_err *reterr)
{
	if (size->unit != HS_SIZE_ROWS || (size->nrows > 0 && (uint64_t)size->nrows < n))
		return 0;
	return hs_err_set(reterr, HSFEED_EBADPLAN,
			  "%s=%lld should be either positive and smaller than the number of samples %zu or a float in "
			  "the (0, 1) range", name, (long long)size->nrows, n);
}

static int check_sum(const struct hs_size *test, const struct hs_size *train, struct hs_err *reterr)
{
	char number[NUMBER_CHARS];
	if (test->unit != HS_SIZE_FRACTION || train->unit != HS_SIZE_FRACTION || train->fraction + test->fraction <= 1)
		return 0;
	print_float(train->fraction + test->fraction, number);
	return hs_err_set(reterr, HSFEED_EBADPLAN,
			  "The sum of test_size and train_size = %s, should be in the (0, 1) range. Reduce test_size "
			  "and/or train_size.", number);
}

static double rows_of(const struct hs_size *size, size_t n, double (*rounded)(double))
{
	return size->unit == HS_SIZE_ROWS ? (double)size->nrows : rounded(size->fraction * (double)n);
}

static int check_parts(size_t n, const struct hs_size *test, const struct hs_size *train, double parts[2],
		       struct hs_err *reterr)
{
	char test_text[NUMBER_CHARS], train_text[NUMBER_CHARS];
	if (parts[0] + parts[1] > (double)n)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "The sum of train_size and test_size = %.0f, should be smaller than the number of "
				  "samples %zu. Reduce test_size and/or train_size.", parts[0] + parts[1], n);
	if (parts[0] > 0)
		return 0;
	print_size(test, test_text);
	print_size(train, train_text);
	return hs_err_set(reterr, HSFEED_EBADPLAN,
			  "With n_samples=%zu, test_size=%s and train_size=%s, the resulting train set will be empty. "
			  "Adjust any of the aforementioned parameters.", n, test_text, train_text);
}

int hs_holdout_sizes(size_t n, const struct hs_holdout_spec *spec, size_t *ret_ntrain, size_t *ret_ntest,
		     struct hs_err *reterr)
{
	struct hs_size test = spec->test, train = spec->train;
	if (test.unit == HS_SIZE_NONE && train.unit == HS_SIZE_NONE)
		test = (struct hs_size){HS_SIZE_FRACTION, 0.25, 0};
	int rc = check_range(&test, "test_size", reterr);
	if (rc == 0)
		rc = check_range(&train, "train_size", reterr);
	if (rc == 0)
		rc = check_rows(&test, "test_size", n, reterr);
	if (rc == 0)
		rc = check_rows(&train, "train_size", n, reterr);
	if (rc == 0)
		rc = check_sum(&test, &train, reterr);
	if (rc < 0)
		return rc;
	double parts[2] = {rows_of(&train, n, floor), rows_of(&test, n, ceil)}; // train, test
	if (train.unit == HS_SIZE_NONE)
		parts[0] = (double)n - parts[1];
	else if (test.unit == HS_SIZE_NONE)
		parts[1] = (double)n - parts[0];
	rc = check_parts(n, &test, &train, parts, reterr);
	// Shuffled, scikit-learn checks the rows again: a fraction that is nearly 1 may have left none for the test.
	struct hs_size again = {HS_SIZE_ROWS, 0, (int64_t)parts[1]};
	if (rc == 0 && spec->shuffle)
		rc = check_rows(&again, "test_size", n, reterr);
	if (rc < 0)
		return rc;
	*ret_ntrain = (size_t)parts[0];
	*ret_ntest = (size_t)parts[1];
	return 0;
}
