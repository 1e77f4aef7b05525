# SPDX-License-Identifier: Apache-2.0
"""Numbers, cleaning and normalisation as Python does them, and golden files that pandas read: no package is needed."""
import json
import random
import re
import struct
import unicodedata
from pathlib import Path

import pytest

from pandas_common import ask, is_same, our_table
from tok_common import shared


# ---- numbers and texts against Python itself ----

def test_floats_are_written_as_python_writes_them():
    rng = random.Random(4)
    values = [2.0 ** e for e in range(-1074, 1024)] + [10.0 ** e for e in range(-323, 309)]
    values += [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(30000)]
    values += [rng.randrange(10 ** rng.randrange(1, 18)) / 10 ** rng.randrange(0, 9) for _ in range(5000)]
    words = [repr(value) for value in values if value == value]
    (answer,) = ask([("repr", ("\n".join(words) + "\n").encode(), {})])
    assert answer == words


def test_white_space_is_pythons():
    everything = "".join(chr(c) + "x" for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000)
    (answer,) = ask([("clean", everything.encode(), {"clean": "whitespace"})])
    assert answer == " ".join(everything.split())


CLEANERS = {
    "urls": lambda text: re.sub(r"http\S+", "", text),
    "latin": lambda text: re.sub("[a-zA-Z]", "", text),
    "whitespace": lambda text: " ".join(text.split()),
    "remove:ab": lambda text: text.replace("ab", ""),
    "remove:ক": lambda text: text.replace("ক", ""),
}


def test_cleaning_steps_in_any_order_do_what_their_python_does():
    rng = random.Random(5)
    pieces = ["http", "https://x.y/z", "ht", "h", " ", "  ", "\t", "\n", "\u00a0", "\u2003", "\u3000", "\u1680", "\x1c",
              "\x85", "\u200b", "ab", "aabb", "ক", "খ", "é", "€", "A", "।", "http\u2028", "\ue000", "\u205f", "\u202f",
              "\u2800"]
    requests, wanted = [], []
    for _ in range(6000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(0, 24)))
        steps = [rng.choice(list(CLEANERS)) for _ in range(rng.randrange(1, 4))]
        requests.append(("clean", text.encode(), {"clean": steps}))
        for step in steps:
            text = CLEANERS[step](text)
        wanted.append(text.strip())
    assert ask(requests) == wanted


@pytest.mark.parametrize("form", ["nfc", "nfkc"])
def test_normalisation_is_unicodes(form):
    """On characters that both Python's and utf8proc's Unicode know; utf8proc's is taken to be 14 or newer."""
    known = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"]
    known = [c for c in known if unicodedata.category(c) not in ("Co",)]
    rng = random.Random(6)
    marks = [c for c in known if unicodedata.combining(c)]
    bengali = [chr(c) for c in range(0x0980, 0x0A00) if unicodedata.category(chr(c)) != "Cn"]
    changing = [c for c in known if unicodedata.normalize("NFKC", c) != c or unicodedata.normalize("NFD", c) != c]
    second = ["\u09be", "\u09d7", "\u09c7", "\u09bc", "\u09cb", "\u1161", "\u11a8", "\u1100", "\uac00", "\u0b3e",
              "\U0001133e", "\u0cd5", "a", " ", "\u3099", "か"]
    texts = ["".join(known[i:i + 512]) for i in range(0, len(known), 512)]
    texts += [c + d for c in changing for d in rng.sample(marks, 2)]
    for _ in range(6000):
        pools = [bengali, marks, changing, second, known]
        pool = rng.choice(pools[:4])
        texts.append("".join(rng.choice(pool if rng.random() < 0.7 else rng.choice(pools))
                             for _ in range(rng.randrange(0, 20))))
    answers = ask([("norm", text.encode(), {"form": form}) for text in texts])
    for text, answer in zip(texts, answers):
        assert answer == unicodedata.normalize(form.upper(), text), ascii(text)


# ---- golden files: what pandas 1.5.3 and 3.1.1 made of them ----

GOLDEN_DEVIATIONS = {
    # pandas 1.5.3 and 3.1 differ; we follow 3.1
    "floats.csv": "1.5.3 rounds numbers of 17 and more digits less well",
    # ours by design
    "nul_byte.csv": "a NUL byte is refused; pandas cuts the cell there",
}


def golden_table(case):
    if "error" in case:
        kind = case["error"]["type"]
        return ("no_rows",) if kind == "EmptyDataError" else ("error", case["error"]["text"])
    if case["index"]:
        return ("index",)
    if case["rows"] == 0:
        return ("no_rows",)
    columns = [[None if value == {"f": "nan"} else word for value, word in zip(data["values"], words)]
               for data, words in zip(case["data"], case["as_str"])]
    return ("table", case["columns"], columns)


def check_golden(folder, era, deviations):
    cases = json.loads((folder / "expected.json").read_text())["cases"]
    assert len(cases) > 20
    answers = ask([("table", (folder / case["file"]).read_bytes(), {"delimiter": case["sep"], "na": era})
                   for case in cases])
    different = [case["file"] for case, answer in zip(cases, answers)
                 if not is_same(our_table(answer), golden_table(case))]
    assert sorted(different) == sorted(deviations)


def test_golden_files_of_pandas_1_5_read_as_it_read_them():
    check_golden(shared("golden", "csv"), "pandas1", GOLDEN_DEVIATIONS)


def test_golden_files_of_todays_pandas_read_as_it_read_them():
    check_golden(Path(__file__).resolve().parents[1] / "golden" / "csv", "pandas", {})
