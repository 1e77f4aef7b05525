#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure what Hugging Face `tokenizers` does with every code point, and write bert_tables.inc.

    python3 make_bert_tables.py            write bert_tables.inc beside this file
    python3 make_bert_tables.py --check    say whether it would change (exit status 1 if so)

Nothing is taken from a Unicode database: the library's character tests are of several Unicode versions (categories 8.0,
decomposition 9.0, lower case and word characters the compiler's), so its own answers are the only right source.
"""
import os
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "bert_tables.inc")
SCALARS = [cp for cp in range(0x110000) if not 0xD800 <= cp < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    flags.update(on)
    return normalizers.BertNormalizer(**flags).normalize_str


def ranges(cps):
    out = []
    for cp in sorted(cps):
        # A range may run over the surrogates: they cannot occur in a text.
        if out and (cp == out[-1][1] + 1 or (cp == 0xE000 and out[-1][1] == 0xD7FF)):
            out[-1][1] = cp
        else:
            out.append([cp, cp])
    return out


def measure_cleaning():
    clean, chinese = bert(clean_text=True), bert(handle_chinese_chars=True)
    removed, spaced, cjk = [], [], []
    for cp in SCALARS:
        c = chr(cp)
        got = clean("a" + c + "a")
        if got == "aa":
            removed.append(cp)
        elif got == "a a":
            spaced.append(cp)
        elif got != "a" + c + "a":
            raise SystemExit(f"clean_text does something new to U+{cp:04X}")
        got = chinese(c)
        if got == f" {c} ":
            cjk.append(cp)
        elif got != c:
            raise SystemExit(f"handle_chinese_chars does something new to U+{cp:04X}")
    return removed, spaced, cjk


def measure_splitting():
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    space, punct = [], []
    for cp in SCALARS:
        got = [piece for piece, _ in split("a" + chr(cp) + "a")]
        if got == ["a", "a"]:
            space.append(cp)
        elif got == ["a", chr(cp), "a"]:
            punct.append(cp)
        elif got != ["a" + chr(cp) + "a"]:
            raise SystemExit(f"BertPreTokenizer does something new to U+{cp:04X}")
    return space, punct


def measure_folding():
    """Decompositions, the marks that accent stripping drops, lower case."""
    decompose, strip, lower = normalizers.NFD().normalize_str, bert(strip_accents=True), bert(lowercase=True)
    nfd, marks, low = {}, [], {}
    for cp in SCALARS:
        c = chr(cp)
        d = decompose(c)
        if d != c and cp not in HANGUL:
            nfd[cp] = [ord(x) for x in d]
        if d == c and strip(c) == "":
            marks.append(cp)
        if lower(c) != c:
            low[cp] = [ord(x) for x in lower(c)]
    dropped = set(marks)
    for cp in SCALARS:
        want = "".join(x for x in decompose(chr(cp)) if ord(x) not in dropped)
        if strip(chr(cp)) != want:
            raise SystemExit(f"strip_accents is not NFD without marks for U+{cp:04X}")
    return nfd, marks, low


def measure_classes(nfd):
    """Canonical combining classes, by which of two neighbours NFD puts first. Each class needs one character known to
    have it; Python's databases name candidates, and the library confirms them by sorting them all."""
    decompose = normalizers.NFD().normalize_str

    def swaps(a, b):
        return decompose(a + b) == b + a != a + b

    low, high = "\u0334", "\u0345"  # of the lowest and the highest class, 1 and 240
    known = {}
    for database in (unicodedata.ucd_3_2_0, unicodedata):  # oldest characters first: the library must have them
        for cp in SCALARS:
            ccc, c = database.combining(chr(cp)), chr(cp)
            if ccc and ccc not in known and cp not in nfd and (swaps(high, c) or swaps(c, low)):
                known[ccc] = c
    for i, a in known.items():
        for j, b in known.items():
            if swaps(a, b) != (i > j):
                raise SystemExit(f"classes {i} and {j} are not what they seem")
    out = {}
    for cp in SCALARS:
        c = chr(cp)
        if cp in nfd or cp in HANGUL or not (swaps(high, c) or swaps(c, low)):
            continue
        same = [ccc for ccc, r in known.items() if not swaps(r, c) and not swaps(c, r)]
        if len(same) != 1:
            raise SystemExit(f"U+{cp:04X} has a class that no known character has")
        out[cp] = same[0]
    return out


def measure_words():
    """Characters that touch a single_word token and so forbid it: the regex \\w of the library."""
    tok = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.add_tokens([AddedToken("@@", single_word=True, normalized=False)])
    words = []
    for at in range(0, len(SCALARS), 65536):
        part = SCALARS[at:at + 65536]
        for cp, got in zip(part, tok.encode_batch_fast([chr(cp) + "@@" for cp in part])):
            if 1 not in got.ids:
                words.append(cp)
    return words


def measure():
    removed, spaced, cjk = measure_cleaning()
    space, punct = measure_splitting()
    nfd, marks, low = measure_folding()
    return dict(removed=removed, spaced=spaced, cjk=cjk, space=space, punct=punct, nfd=nfd, marks=marks, lower=low,
                ccc=measure_classes(nfd), words=measure_words())


def wrap(items):
    lines, line = [], ""
    for item in items:
        if len(line) + len(item) + 2 > 112:
            lines.append("\t" + line.rstrip())
            line = ""
        line += item + ", "
    return "\n".join(lines + ["\t" + line.rstrip()])


def c_ranges(name, what, cps):
    body = wrap("{0x%X, 0x%X}" % tuple(r) for r in ranges(cps))
    return f"// {what}\nstatic const struct range {name}[] = {{\n{body}\n}};\n"


def c_lower(low):
    runs = []
    for cp, to in sorted(low.items()):
        if len(to) != 1:
            if (cp, to) != (0x130, [0x69, 0x307]):
                raise SystemExit(f"a new expanding lower case: U+{cp:04X}")
            continue
        delta = to[0] - cp
        if runs and runs[-1][3] == delta and cp - runs[-1][1] in (1, 2):
            step = cp - runs[-1][1]
            if runs[-1][0] == runs[-1][1] or runs[-1][2] == step:
                runs[-1][1], runs[-1][2] = cp, step
                continue
        runs.append([cp, cp, 1, delta])
    body = wrap("{0x%X, 0x%X, %d, %d}" % tuple(r) for r in runs)
    return ("// Lower case, one to one; only U+0130 gives two: U+0069 U+0307.\n"
            f"static const struct lower_run lower_runs[] = {{\n{body}\n}};\n")


def c_ccc(ccc):
    runs = []
    for cp, v in sorted(ccc.items()):
        if runs and runs[-1][1] == cp - 1 and runs[-1][2] == v:
            runs[-1][1] = cp
        else:
            runs.append([cp, cp, v])
    body = wrap("{0x%X, 0x%X, %d}" % tuple(r) for r in runs)
    return ("// Canonical combining classes other than 0.\n"
            f"static const struct ccc_run ccc_runs[] = {{\n{body}\n}};\n")


def c_nfd(nfd):
    pool, entries = [], []
    for cp, to in sorted(nfd.items()):
        entries.append("{0x%X, %d, %d}" % (cp, len(pool), len(to)))
        pool += to
    return ("// Full canonical decompositions, Hangul syllables left out: {code point, offset in nfd_pool, length}.\n"
            f"static const struct nfd_entry nfd_entries[] = {{\n{wrap(entries)}\n}};\n\n"
            f"static const uint32_t nfd_pool[] = {{\n{wrap('0x%X' % x for x in pool)}\n}};\n")


def render(t):
    return "\n".join([
        "// SPDX-License-Identifier: Apache-2.0\n"
        f"// Written by make_bert_tables.py: measured on Hugging Face tokenizers {tokenizers.__version__} over every\n"
        "// code point. Do not edit.\n",
        c_ranges("clean_removed", "What clean_text removes.", t["removed"]),
        c_ranges("clean_spaced", "What clean_text turns into U+0020.", t["spaced"]),
        c_ranges("cjk_spaced", "What handle_chinese_chars puts spaces around.", t["cjk"]),
        c_ranges("split_space", "Where BertPreTokenizer splits, dropping the character.", t["space"]),
        c_ranges("split_punct", "What BertPreTokenizer makes a word of its own.", t["punct"]),
        c_ranges("dropped_marks", "What strip_accents drops after decomposition.", t["marks"]),
        c_ranges("word_chars", "Characters that a single_word added token may not touch.", t["words"]),
        c_lower(t["lower"]), c_ccc(t["ccc"]), c_nfd(t["nfd"]),
    ])


def main():
    text = render(measure())
    if "--check" in sys.argv[1:]:
        with open(TARGET, encoding="utf-8") as f:
            same = f.read() == text
        print("bert_tables.inc is", "up to date" if same else "not what this library gives")
        return 0 if same else 1
    with open(TARGET, "w", encoding="utf-8") as f:
        f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
