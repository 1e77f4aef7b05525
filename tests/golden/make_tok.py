#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tok_cases.json: small tokenizers of our own making, made-up texts, and the ids that Hugging Face `tokenizers`
gives. Run it with the library installed; the result is committed, so that the proof needs no Python."""
import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))

import tokenizers  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from test_tokenizers import added, normalizes_apart, random_text, random_tokenizer, tokenizer_json  # noqa: E402

WORDS = ["আমি", "ভাত", "খাই", "বাংলা", "##দেশ", "##ে", "নদী", "the", "river", "##s", "is", "wide", "##ly", "É", "é",
         "e", "ক", "##ক", "##্", "##ষ", "a", "##a", "b", "##b", "x" * 100, "##" + "x", "।", ".", ",", "-", "[", "]",
         "中", "文", "##\u0301", "i", "##\u0307", "##i", "U", "user", "##er", "1", "##1", "\u2028", "##\u2028", "\u1100",
         "##\u1161"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def plain(lowercase, strip, chinese, clean):
    vocab = {w: i for i, w in enumerate(SPECIALS + WORDS)}
    normalizer = {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese,
                  "strip_accents": strip, "lowercase": lowercase}
    post = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    return tokenizer_json(vocab, normalizer, [added(s, special=True) for s in SPECIALS], post=post)


def tokenizers_of(rng):
    for flags in ((True, None, True, True), (False, None, False, True), (False, True, True, False),
                  (True, False, True, True)):
        yield plain(*flags)
    made = 0
    while made < 12:
        tok_json = random_tokenizer(rng)
        tok = Tokenizer.from_str(json.dumps(tok_json))
        if len(tok_json["model"]["vocab"]) > 120 or not normalizes_apart(tok_json, tok):
            continue
        made += 1
        yield tok_json


def main():
    rng = random.Random(20)
    cases = []
    for tok_json in tokenizers_of(rng):
        tok = Tokenizer.from_str(json.dumps(tok_json))
        extra = [t["content"] for t in tok_json["added_tokens"]] + list(tok_json["model"]["vocab"])[:30]
        texts = [random_text(rng, extra) for _ in range(60)]
        ids = [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]
        cases.append({"tokenizer": tok_json, "texts": texts, "ids": ids})
    about = f"made by make_tok.py with tokenizers {tokenizers.__version__}"
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / "tok_cases.json").write_text(f'{{"about":"{about}","cases":[\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
