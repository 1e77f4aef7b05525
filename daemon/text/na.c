// SPDX-License-Identifier: Apache-2.0
// pandas' default list (pandas/_libs/parsers.pyx, STR_NA_VALUES): 3.1 and 1.5 differ by None, which came with 2.0.
#include "text/na.h"

#include <string.h>

bool hs_na_is_word(enum hs_na na, struct hs_span cell)
{
	static const char words[][HS_NA_LONGEST + 1] = {"#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan",
							"1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "n/a",
							"nan", "null"};
	static const char firsts[] = "#-1<Nn";
	if (!memchr(firsts, cell.ptr[0], sizeof(firsts) - 1))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (hs_span_is(cell, words[i]))
			return true;
	return na == HS_NA_PANDAS && hs_span_is(cell, "None");
}

static const char *const names[] = {[HS_NA_PANDAS] = "pandas", [HS_NA_PANDAS1] = "pandas1", [HS_NA_EMPTY] = "empty"};

const char *hs_na_name(enum hs_na na)
{
	return names[na];
}

int hs_na_parse(const char *name, enum hs_na *ret, struct hs_err *reterr)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum hs_na)i;
			return 0;
		}
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "na: %s is none of pandas, pandas1, empty",
			  name);
}
