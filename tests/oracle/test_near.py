# SPDX-License-Identifier: Apache-2.0
"""Near duplicates beside brute force: sets of Python strings, every pair that shares a gram."""
import json
import random
import subprocess
import unicodedata
from collections import Counter, defaultdict

import pytest

from tok_common import program, shared

THRESHOLD = 0.8
CHARS = 5


def ask(*arguments, texts):
    data = b"".join(b"%d\n%s" % (len(t), t) for t in (t.encode() for t in texts))
    return subprocess.run([program("near_dump"), *map(str, arguments)], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def near(texts, threads=2, max_pairs=10_000_000):
    return json.loads(ask(THRESHOLD, max_pairs, threads, texts=texts))


def fold(text):
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(folded.split())


def first_rows(texts):
    seen = {}
    return [seen.setdefault(text, row) for row, text in enumerate(texts)]


def brute_force(folded, first):
    """{(a, b): similarity} of all pairs at the threshold, of the first rows of different texts.

    Exact: of two sets at the threshold, the rarest fifth of the one's grams and of the other's have one in common."""
    sets = {row: {t[i:i + CHARS] for i in range(len(t) - CHARS + 1)}
            for row, t in enumerate(folded) if first[row] == row}
    counts = Counter(gram for grams in sets.values() for gram in grams)
    index, pairs = defaultdict(list), {}
    for row, grams in sets.items():
        rare = sorted(grams, key=lambda gram: (counts[gram], gram))
        prefix = rare[:len(rare) // 5 + 1]
        for other in {other for gram in prefix for other in index[gram]}:
            common = len(grams & sets[other])
            similarity = common / (len(grams) + len(sets[other]) - common)
            if similarity >= THRESHOLD:
                pairs[other, row] = similarity
        for gram in prefix:
            index[gram].append(row)
    return pairs


def components(first, pairs):
    parent = list(first)

    def root(i):
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for a, b in pairs:
        a, b = root(a), root(b)
        parent[max(a, b)] = min(a, b)
    numbers = {}
    return [numbers.setdefault(root(i), len(numbers)) for i in range(len(first))]


def differences(texts):
    """Asserts all that must be equal; returns how many pairs there are and how many were found."""
    ours, folded = near(texts), [fold(text) for text in texts]
    first = first_rows(folded)
    assert ours["text_first"] == first_rows(texts)
    assert ours["folded_first"] == first
    assert ours["exact_rows"] == len(texts) - len(set(texts))
    assert ours["folded_rows"] == len(texts) - len(set(folded))
    assert ours["unlisted"] == ours["uncompared"] == 0
    found, real = {(a, b): s for a, b, s in ours["pairs"]}, brute_force(folded, first)
    assert all(real.get(pair) == similarity for pair, similarity in found.items())
    assert ours["group"] == components(first, found)
    return len(real), len(found)


def words_of(rng, letters, n):
    return ["".join(rng.choice(letters) for _ in range(rng.randrange(1, 9))) for _ in range(n)]


def edited(rng, text, letters, share):
    out = []
    for c in text:
        edit = rng.choice("drsu") if rng.random() < share else ""
        out.append({"": c, "d": "", "r": c + c, "s": rng.choice(letters), "u": c.upper()}[edit])
    return "".join(out)


def generated(seed, n):
    """Made-up sentences in Latin and Bengali letters, with copies: exact ones, edited ones, other spaces or case."""
    rng, texts = random.Random(seed), []
    bengali = [chr(c) for c in range(0x0985, 0x09CE) if unicodedata.category(chr(c))[0] in "LM"]
    latin = list("abcdefghijklmnopqrstuvwxyz") + ["\u00e9", "\u00df", "\U0001f600"]
    vocabularies = [(letters, words_of(rng, letters, 400)) for letters in (bengali, latin)]
    while len(texts) < n:
        letters, words = rng.choice(vocabularies)
        text = " ".join(rng.choices(words, k=rng.randrange(0, 25)))
        texts.append(text)
        for _ in range(rng.randrange(4)):
            share = rng.choice([0, 0.005, 0.01, 0.02, 0.03, 0.1])
            texts.append(edited(rng, rng.choice([text, texts[-1]]), letters, share))
        if rng.random() < 0.2:
            texts.append(" " + rng.choice([text.upper(), text.replace(" ", "\u3000\t"),
                                          unicodedata.normalize("NFD", text)]))
    rng.shuffle(texts)
    return texts[:n]


@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_generated_texts_are_those_of_brute_force(seed):
    real, found = differences(generated(seed, 12000))
    print(f"{found} of {real} pairs")
    assert real > 1000 and found >= 0.99 * real


@pytest.mark.parametrize("name, column, repeated", [("bn_hatespeech.csv", "Comments", 540),
                                                    ("bn_cyberbully_multilabel.csv", "comment", 2225)])
def test_pairs_of_real_texts_are_those_of_brute_force(name, column, repeated):
    pd = pytest.importorskip("pandas")
    texts = list(pd.read_csv(shared("data", "csv", name))[column].dropna().astype(str))
    assert len(texts) - len(set(texts)) == repeated
    real, found = differences(texts)
    print(f"{name}: {found} of {real} pairs")
    assert found >= 0.99 * real


def test_every_character_folds_as_python_folds_it():
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c != 0
                  and unicodedata.category(chr(c)) != "Cn"]  # unassigned here may be assigned there
    data, texts, at = ask("fold", texts=[f"x{c}y {c}" for c in characters]), [], 0
    while at < len(data):
        end = data.index(b"\n", at) + 1
        at = end + int(data[at:end])
        texts.append(data[end:at].decode())
    different = [(c, ours) for c, ours in zip(characters, texts, strict=True) if ours != fold(f"x{c}y {c}")]
    if unicodedata.unidata_version > "14.0.0":  # utf8proc may not know the youngest letters: it leaves them alone
        unknown = [c for c, ours in different if ours == f"x{c}y {c}"]
        assert len(unknown) < 100
        different = [(c, ours) for c, ours in different if c not in unknown]
    assert not different, f"{len(different)}, first: U+{ord(different[0][0]):04X}"


def test_threads_change_nothing():
    texts = generated(9, 9000)
    assert near(texts, threads=1) == near(texts, threads=5)
