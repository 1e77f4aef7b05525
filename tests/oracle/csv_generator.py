# SPDX-License-Identifier: Apache-2.0
"""Small made-up CSV files: structure, quotes, blank lines, line ends, types and missing-value words."""

NUMBERS = ["0", "1", "7", "007", "-3", "+4", " 12", "12 ", "1.0", "2.50", ".5", "5.", "1e5", "1E-7", "1e400", "-0",
           "-0.0", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
           "18446744073709551615", "18446744073709551616", "99999999999999999999", "9007199254740993",
           "0.1234567890123456789", "123456789012345678", "inf", "-Infinity", "1_000", "0x10", "1e", "\t5",
           "1 2", "--1"]
BOOLS = ["True", "False", "true", "FALSE", "tRuE", "True "]
MISSING = ["", "", "NA", "NaN", "nan", "null", "NULL", "None", "n/a", "#N/A", "<NA>", "-nan", "1.#QNAN", "none",
           "Nan", " NA", "-", "?"]
WORDS = ["a", "hello", "two words", "বাংলা", "中文", "é", " lead", "trail ", "x\ty", "http://x", "#", "'", "`", "0b1"]
QUOTED = ["a,b", 'say ""hi""', "line\nbreak", "line\r\nbreak", "line\rbreak", "", ' "" ', "NA", "12", "a;b\tc"]
JUNK = ['"', '""', '"""', ',', '\n', '\r', '\r\n', ' ', '\t', 'x', '1', ';', '\n\n', ',,', '" ', ' "', '","', 'é',
        '\u3000']
POOLS = [NUMBERS[:5], NUMBERS[:10], NUMBERS, BOOLS[:5], BOOLS, WORDS, MISSING + WORDS, NUMBERS[17:24], NUMBERS[5:17],
         NUMBERS[:10] + BOOLS]


def cell(rng, pool, quoted_share, missing_share):
    if rng.random() < missing_share:
        return rng.choice(MISSING)
    if rng.random() < quoted_share:
        return '"' + rng.choice(QUOTED) + '"'
    word = rng.choice(pool)
    return f'"{word}"' if rng.random() < quoted_share else word


def regular(rng, sep):
    """A table as people have them, with a few odd lines."""
    width = rng.choice([1, 2, 2, 3, 3, 4])
    ends = rng.choice([["\n"], ["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])
    pools = [rng.choice(POOLS) for _ in range(width)]
    quoted_share, missing_share = rng.choice([0, 0.1, 0.4]), rng.choice([0, 0, 0.1, 0.5])
    ragged = rng.choice([0, 0, 0, 0.1])
    names = [rng.choice(["a", "b", "a", "a.1", "", "text", "Unnamed: 1", " a", '"q,x"', "a.2"]) for _ in range(width)]
    lines = [sep.join(names)]
    for _ in range(rng.randrange(0, 8)):
        n = width
        if rng.random() < ragged:
            n = max(1, width + rng.choice([-1, 1, -2]))
        lines.append(sep.join(cell(rng, pools[min(i, width - 1)], quoted_share, missing_share) for i in range(n)))
        if rng.random() < 0.1:
            lines.append(rng.choice(["", " ", "\t", " \t ", '""', sep]))
    text = "".join(line + rng.choice(ends) for line in lines)
    return text if rng.random() < 0.7 else text.rstrip("\r\n")


def wild(rng, sep):
    """Bytes that only a test writes."""
    return "".join(rng.choice(JUNK) if rng.random() < 0.8 else sep for _ in range(rng.randrange(0, 30)))


def one_file(rng):
    """(bytes, delimiter)"""
    sep = rng.choice([",", ",", ",", "\t", ";"])
    text = regular(rng, sep) if rng.random() < 0.8 else wild(rng, sep)
    bom = b"\xef\xbb\xbf" if rng.random() < 0.03 else b""
    return bom + text.encode(), sep
