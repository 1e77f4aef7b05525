// SPDX-License-Identifier: Apache-2.0
// Each column is first reduced to its distinct values (few: 64 are compared one by one; many: all rows are sorted), and
// all questions are asked of those.
#include "text/labels.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/number.h"
#include "text/say.h"

#define FEW 64

struct distinct {
	struct hs_span *values; // [n] in order of appearance, or sorted
	double *numbers;        // [n] NAN: not a number
	size_t n;
	uint32_t *ids; // [nrows] into values
};

static void distinct_fini(struct distinct *d)
{
	free(d->values);
	free(d->numbers);
	free(d->ids);
	*d = (struct distinct){0};
}

// Strings by code point, which is the order of UTF-8 bytes.
static int compare_words(struct hs_span a, struct hs_span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int rc = len ? memcmp(a.ptr, b.ptr, len) : 0;
	return rc ? rc : (a.len > b.len) - (a.len < b.len);
}

struct sorted {
	struct hs_span value;
	uint32_t row;
};

static int by_word(const void *a, const void *b)
{
	return compare_words(((const struct sorted *)a)->value, ((const struct sorted *)b)->value);
}

// False when there are more than FEW.
static bool collect_few(const struct hs_span *values, size_t nrows, struct distinct *d)
{
	d->n = 0;
	for (size_t row = 0; row < nrows; row++) {
		size_t i = 0;
		while (i < d->n && !hs_span_eq(d->values[i], values[row]))
			i++;
		if (i == FEW)
			return false;
		if (i == d->n)
			d->values[d->n++] = values[row];
		d->ids[row] = (uint32_t)i;
	}
	return true;
}

static int collect_many(const struct hs_span *values, size_t nrows, struct distinct *d)
{
	struct sorted *all = hs_array(nrows, sizeof(*all));
	struct hs_span *room = all ? realloc(d->values, nrows * sizeof(*room)) : NULL;
	if (!room) {
		free(all);
		return -ENOMEM;
	}
	d->values = room;
	for (size_t row = 0; row < nrows; row++)
		all[row] = (struct sorted){values[row], (uint32_t)row};
	qsort(all, nrows, sizeof(*all), by_word);
	d->n = 0;
	for (size_t i = 0; i < nrows; i++) {
		if (d->n == 0 || !hs_span_eq(all[i].value, d->values[d->n - 1]))
			d->values[d->n++] = all[i].value;
		d->ids[all[i].row] = (uint32_t)d->n - 1;
	}
	free(all);
	return 0;
}

// 1, 0 or -ENOMEM. True and False are numbers too.
static int as_number(struct hs_span value, double *ret)
{
	bool yes;
	if (hs_number_bool(value, &yes)) {
		*ret = yes;
		return 1;
	}
	return hs_number_double(value, ret);
}

static int collect(const struct hs_span *values, size_t nrows, struct distinct *ret)
{
	struct distinct d = {.values = hs_array(FEW, sizeof(*d.values)), .ids = hs_array(nrows, sizeof(*d.ids))};
	int rc = d.values && d.ids ? 0 : -ENOMEM;
	if (rc == 0 && !collect_few(values, nrows, &d))
		rc = collect_many(values, nrows, &d);
	d.numbers = rc == 0 ? hs_array(d.n, sizeof(*d.numbers)) : NULL;
	if (rc == 0 && !d.numbers)
		rc = -ENOMEM;
	for (size_t i = 0; i < d.n && rc == 0; i++) {
		d.numbers[i] = NAN;
		int found = as_number(d.values[i], &d.numbers[i]);
		rc = found < 0 ? found : 0;
	}
	if (rc < 0) {
		distinct_fini(&d);
		return rc;
	}
	*ret = d;
	return 0;
}

static bool all_zero_or_one(const struct distinct *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->numbers[i] != 0 && d->numbers[i] != 1)
			return false;
	return true;
}

static int bad_value(const struct hs_labels_input *in, size_t column, const struct distinct *d, size_t value,
		     const char *why, struct hs_err *reterr)
{
	size_t row = 0;
	while (d->ids[row] != value)
		row++;
	return hs_err_set(reterr, HSFEED_EBADLABEL, "%s: line %u, column %s: the label %s %s", in->options->file_name,
			  in->lines[row], hs_quote(in->names[column]).text, hs_quote(d->values[value]).text, why);
}

static int column_to_floats(const struct hs_labels_input *in, size_t column, const struct distinct *d, float *floats,
			    struct hs_err *reterr)
{
	for (size_t i = 0; i < d->n; i++) {
		if (isfinite((float)d->numbers[i]))
			continue;
		bad_value(in, column, d, i, isnan(d->numbers[i]) ? "is not a number" : "is not a finite 32-bit number",
			  reterr);
		if (in->ncolumns > 1)
			return hs_err_hint(
				reterr,
				"several label columns must hold numbers; name one for classes, or mend the file");
		return hs_err_hint(reterr, "leave out --label-type float to number the values as classes");
	}
	for (size_t row = 0; row < in->nrows; row++)
		floats[row * in->ncolumns + column] = (float)d->numbers[d->ids[row]];
	return 0;
}

// ---- --positive ----

static void list_values(const struct distinct *d, char *text, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++) {
		struct hs_quoted q = hs_quote(d->values[i]);
		if (n + strlen(q.text) + sizeof(", ...") > size) {
			snprintf(text + n, size - n, ", ...");
			return;
		}
		n += (size_t)snprintf(text + n, size - n, "%s%s", i ? ", " : "", q.text);
	}
}

// The value that --positive names: as written, or else the same number (1 for 1.0). d->n: none.
static int find_positive(const struct distinct *d, const char *positive, size_t *ret)
{
	struct hs_span word = {positive, strlen(positive)};
	double number = NAN;
	int rc = as_number(word, &number);
	if (rc < 0)
		return rc;
	*ret = d->n;
	for (size_t i = 0; i < d->n; i++)
		if (hs_span_eq(d->values[i], word))
			*ret = i;
	for (size_t i = 0; i < d->n && *ret == d->n; i++)
		if (d->numbers[i] == number)
			*ret = i;
	return 0;
}

static int positive_to_floats(const struct hs_labels_input *in, const struct distinct *d, float *floats,
			      struct hs_err *reterr)
{
	size_t positive = 0;
	if (find_positive(d, in->options->positive, &positive) < 0)
		return hs_err_nomem(reterr, "reading labels");
	if (positive == d->n) {
		char list[512] = "";
		list_values(d, list, sizeof(list));
		hs_err_set(reterr, HSFEED_EBADLABEL, "%s: no label in column %s is %s; the values are %s",
			   in->options->file_name, hs_quote(in->names[0]).text,
			   hs_quote((struct hs_span){in->options->positive, strlen(in->options->positive)}).text, list);
		return hs_err_hint(reterr, "name one of them with --positive");
	}
	for (size_t row = 0; row < in->nrows; row++)
		floats[row] = d->ids[row] == positive;
	return 0;
}

// ---- classes ----

struct class
{
	struct hs_span value;
	double number;
	bool by_number;
	uint32_t id; // in order of appearance
};

// Integers of any size, as Python writes them.
static int compare_integers(struct hs_span a, struct hs_span b)
{
	bool negative = a.ptr[0] == '-';
	if (negative != (b.ptr[0] == '-'))
		return negative ? -1 : 1;
	int rc = a.len != b.len ? (a.len > b.len ? 1 : -1) : memcmp(a.ptr, b.ptr, a.len);
	return negative ? -rc : rc;
}

static int by_class(const void *a, const void *b)
{
	const struct class *x = a, *y = b;
	if (!x->by_number)
		return compare_words(x->value, y->value);
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if (hs_number_is_pylong(x->value) && hs_number_is_pylong(y->value))
		return compare_integers(x->value, y->value); // equal as doubles only
	return compare_words(x->value, y->value);
}

// Sorts the distinct values and renumbers the rows. -0.0 and 0.0 are one class.
static int sort_classes(struct distinct *d, size_t nrows, bool by_number)
{
	struct class *classes = hs_array(d->n, sizeof(*classes));
	uint32_t *ranks = hs_array(d->n, sizeof(*ranks));
	int rc = classes && ranks ? 0 : -ENOMEM;
	if (rc == 0) {
		for (size_t i = 0; i < d->n; i++)
			classes[i] = (struct class){d->values[i], d->numbers[i], by_number, (uint32_t)i};
		qsort(classes, d->n, sizeof(*classes), by_class);
		size_t n = 0;
		for (size_t i = 0; i < d->n; i++) {
			bool again = i > 0 && by_number && classes[i].number == 0 && classes[i - 1].number == 0;
			if (!again)
				d->values[n++] = classes[i].value;
			ranks[classes[i].id] = (uint32_t)n - 1;
		}
		d->n = n;
		for (size_t row = 0; row < nrows; row++)
			d->ids[row] = ranks[d->ids[row]];
	}
	free(classes);
	free(ranks);
	return rc;
}

static int make_classes(const struct hs_labels_input *in, struct distinct *d, struct hs_labels *ret,
			struct hs_err *reterr)
{
	if (sort_classes(d, in->nrows, in->numeric[0]) < 0)
		return hs_err_nomem(reterr, "reading labels");
	*ret = (struct hs_labels){.classes = true, .values = d->values, .nvalues = d->n, .ids = d->ids};
	d->values = NULL; // moved
	d->ids = NULL;
	return 0;
}

static int make_one(const struct hs_labels_input *in, struct distinct *d, struct hs_labels *ret, struct hs_err *reterr)
{
	const struct hs_source_options *o = in->options;
	bool zero_or_one = o->positive || all_zero_or_one(d);
	if (o->label_type == HS_LABEL_CLASS || (o->label_type == HS_LABEL_AUTO && !zero_or_one))
		return make_classes(in, d, ret, reterr);
	float *floats = hs_array(in->nrows, sizeof(*floats));
	if (!floats)
		return hs_err_nomem(reterr, "reading labels");
	int rc = o->positive ? positive_to_floats(in, d, floats, reterr) : column_to_floats(in, 0, d, floats, reterr);
	if (rc < 0)
		free(floats);
	else
		*ret = (struct hs_labels){.floats = floats};
	return rc;
}

static int make_several(const struct hs_labels_input *in, struct hs_labels *ret, struct hs_err *reterr)
{
	float *floats =
		in->nrows > SIZE_MAX / in->ncolumns ? NULL : hs_array(in->nrows * in->ncolumns, sizeof(*floats));
	int rc = floats ? 0 : hs_err_nomem(reterr, "reading labels");
	for (size_t column = 0; column < in->ncolumns && rc == 0; column++) {
		struct distinct d = {0};
		if (collect(in->values[column], in->nrows, &d) < 0)
			rc = hs_err_nomem(reterr, "reading labels");
		else
			rc = column_to_floats(in, column, &d, floats, reterr);
		distinct_fini(&d);
	}
	if (rc < 0)
		free(floats);
	else
		*ret = (struct hs_labels){.floats = floats};
	return rc;
}

static int check_options(const struct hs_labels_input *in, struct hs_err *reterr)
{
	const struct hs_source_options *o = in->options;
	if (o->positive && o->label_type == HS_LABEL_CLASS)
		return hs_err_set(reterr, HSFEED_EBADLABEL,
				  "--positive makes 0 and 1, --label-type class makes classes: say one");
	if (in->ncolumns < 2)
		return 0;
	if (o->positive)
		return hs_err_set(reterr, HSFEED_EBADLABEL, "--positive takes one label column, not %zu", in->ncolumns);
	if (o->label_type == HS_LABEL_CLASS)
		return hs_err_set(reterr, HSFEED_EBADLABEL, "--label-type class takes one label column, not %zu",
				  in->ncolumns);
	return 0;
}

int hs_labels_make(const struct hs_labels_input *in, struct hs_labels *ret, struct hs_err *reterr)
{
	int rc = check_options(in, reterr);
	if (rc < 0 || in->ncolumns != 1)
		return rc < 0 ? rc : make_several(in, ret, reterr);
	struct distinct d = {0};
	if (collect(in->values[0], in->nrows, &d) < 0)
		return hs_err_nomem(reterr, "reading labels");
	rc = make_one(in, &d, ret, reterr);
	distinct_fini(&d);
	return rc;
}

void hs_labels_fini(struct hs_labels *l)
{
	free(l->values);
	free(l->ids);
	free(l->floats);
	*l = (struct hs_labels){0};
}
