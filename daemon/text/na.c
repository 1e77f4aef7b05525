// SPDX-License-Identifier: Apache-2.0
// pandas' default list (pandas/_libs/parsers.pyx, STR_NA_VALUES): 3.1 and 1.5 differ by None, which came with 2.0.
#include "text/na.h"

#include <string.h>

bool hs_na_is_word(enum hs_na na, struct hs_span cell)
{
	// by length, each padded with NULs to a fixed width; this is asked of every short cell
	static const char words[HS_NA_LONGEST + 1][7][HS_NA_LONGEST] = {
		[2] = {"NA"},
		[3] = {"NaN", "nan", "N/A", "n/a", "#NA"},
		[4] = {"NULL", "null", "#N/A", "-NaN", "-nan", "<NA>", "None"},
		[6] = {"1.#IND"},
		[7] = {"-1.#IND", "1.#QNAN"},
		[8] = {"#N/A N/A", "-1.#QNAN"},
	};
	char padded[HS_NA_LONGEST] = {0};
	memcpy(padded, cell.ptr, cell.len);
	if (!memchr("#-1<Nn", padded[0], 6))
		return false;
	for (size_t i = 0; i < 7 && words[cell.len][i][0]; i++)
		if (memcmp(padded, words[cell.len][i], HS_NA_LONGEST) == 0)
			return na == HS_NA_PANDAS || padded[1] != 'o';
	return false;
}
