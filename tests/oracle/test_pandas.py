# SPDX-License-Identifier: Apache-2.0
"""Sources as the real pandas reads them: pandas.read_csv, dropna, astype(str).

The rules are pandas 3.1's; tests of what older ones do otherwise (how floats are rounded, integers over 64 bits) are
skipped where the pandas at hand is older."""
import json
import random
import re
import struct
import unicodedata
from io import BytesIO
from pathlib import Path

import pytest

from csv_generator import NUMBERS, one_file
from pandas_common import ask, column_words, our_table, pandas_table, shared

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore")
TODAYS = int(pd.__version__.split(".")[0]) >= 3
needs_todays = pytest.mark.skipif(not TODAYS, reason=f"pandas {pd.__version__} is older than 3")


def is_same(ours, theirs):
    """Equal tables; or both refuse, and for a reason of the same kind. Rows longer than the header, which pandas may
    turn into an index, we always refuse, so we may stop before an error that pandas meets later."""
    if theirs[0] == "table" or ours[0] in ("table", "no_rows"):
        return ours == theirs
    if ours[0] == "index":
        return theirs[0] == "index" or "Expected" in theirs[1] or "EOF inside string" in theirs[1]
    return theirs[0] == "error" and ("never closed" in ours[1]) == ("EOF inside string" in theirs[1])


def differences(files, **ours_options):
    answers = ask([("table", data, {"delimiter": sep, **ours_options}) for data, sep in files])
    pandas_options = {"header": None} if ours_options.get("header") == "no" else {}
    found = []
    for (data, sep), answer in zip(files, answers):
        theirs = pandas_table(pd, data, sep=sep, **pandas_options)
        if not is_same(our_table(answer), theirs):
            found.append((data, sep, our_table(answer), theirs))
    return found


@needs_todays
@pytest.mark.parametrize("seed", range(5))
def test_thousand_generated_files_read_as_pandas_reads_them(seed):
    rng = random.Random(seed)
    found = differences([one_file(rng) for _ in range(1000)])
    assert not found, f"{len(found)} files, first: {found[0]}"


@needs_todays
def test_files_without_a_header_read_as_pandas_reads_them():
    rng = random.Random(1)
    found = differences([one_file(rng) for _ in range(1000)], header="no")
    assert not found, f"{len(found)} files, first: {found[0]}"


@needs_todays
def test_columns_of_numbers_have_the_type_that_pandas_infers():
    rng = random.Random(2)
    files = []
    for _ in range(800):
        words = [rng.choice(NUMBERS + ["NA", "", "True"]) for _ in range(rng.randrange(1, 4))]
        files.append(("a,b\n" + "".join(f"{word},x\n" for word in words)).encode())
    found = differences([(data, ",") for data in files])
    assert not found, f"{len(found)} files, first: {found[0]}"


@needs_todays
def test_words_made_of_number_characters_read_as_pandas_reads_them():
    rng = random.Random(3)
    files = []
    for _ in range(300):
        words = ["".join(rng.choices("0123456789999+-._eE iInNfF\t", k=rng.randrange(1, 26))) for _ in range(20)]
        files.append((",".join("abcdefghijklmnopqrst") + "\n" + ",".join(words) + "\n").encode())
    found = differences([(data, ",") for data in files])
    assert not found, f"{len(found)} files, first: {found[0]}"


def test_every_missing_value_word_of_pandas_is_one_here():
    words = sorted(set(pd._libs.parsers.STR_NA_VALUES) - {""})
    near = [other for w in words for other in (w + " ", " " + w, w.swapcase(), w[:-1])]
    data = ("a,b\n" + "".join(f'"{w}",x\n' for w in words + near + ["None", "none", "-", "?"])).encode()
    era = "pandas" if "None" in words else "pandas1"
    (answer,) = ask([("table", data, {"delimiter": ",", "na": era})])
    assert our_table(answer) == pandas_table(pd, data)
    (answer,) = ask([("table", data, {"delimiter": ",", "na": "empty"})])
    assert our_table(answer) == pandas_table(pd, data, keep_default_na=False, na_values=[""])


PIECES = {"int": ["007"], "int_na": ["7", "NA"], "uint": ["9223372036854775808"], "float": ["1.50"],
          "bool": ["true", "NA"], "str": ["x", "NA"], "words": ["9223372036854775808", "NA"],
          "pylong": ["99999999999999999999"]}


@needs_todays
@pytest.mark.parametrize("first,then", [("int", "float"), ("int", "str"), ("str", "int_na"), ("int", "uint"),
                                        ("bool", "float"), ("words", "pylong")])
def test_pieces_of_a_large_file_are_typed_apart_as_pandas_types_them(first, then):
    words = (PIECES[first] * 262144)[:262144] + PIECES[then] * 3
    data = ("a,b\n" + "".join(f"{word},x\n" for word in words)).encode()
    (answer,) = ask([("table", data, {"delimiter": ","})])
    assert our_table(answer)[2][0] == column_words(pd.read_csv(BytesIO(data))["a"])


@needs_todays
@pytest.mark.parametrize("width,rows", [(3, 262144), (7, 131072), (9, 65536)])
def test_pieces_are_as_long_as_pandas_pieces(width, rows):
    for first in (rows - 1, rows):  # the row after it opens a piece of its own only in the second
        lines = [",".join("abcdefghi"[:width])] + [word + ",1" * (width - 1) for word in ["007"] * first + ["x"]]
        data = "\n".join(lines).encode()
        (answer,) = ask([("table", data, {"delimiter": ","})])
        assert our_table(answer)[2][0] == column_words(pd.read_csv(BytesIO(data))["a"]), (width, first)


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


# ---- real files: texts, labels and kept rows ----

REAL = {
    "bn_44k.csv": ("Comments", ["HateSpeech"], {}),
    "bn_blp25_crlf.tsv": ("text", ["label"], {"sep": "\t"}),
    "bn_blp25_unlabelled.tsv": ("text", [], {"sep": "\t"}),
    "bn_cyberbully_multilabel.csv": ("comment", ["bully", "sexual", "religious", "threat", "spam"], {}),
    "bn_hate_v1_tab.csv": ("text", ["label"], {"sep": "\t"}),
    "bn_hate_v2.csv": ("text", ["target"], {}),
    "bn_hatespeech.csv": ("Comments", ["HateSpeech"], {}),
    "en_davidson.csv": ("tweet", ["class"], {}),
    "en_goemotions_noheader.tsv": ("0", ["1"], {"sep": "\t", "header": None}),
    "en_spam_cp1252.csv": ("v2", ["v1"], {"encoding": "cp1252"}),
    "en_sst2_dev.tsv": ("content", ["label"], {"sep": "\t"}),
    "zh_shopping_62k.csv": ("review", ["label"], {}),
    "zh_waimai.csv": ("review", ["label"], {}),
}


def our_request(text, labels, pandas_options, era):
    options = {"text": text, "label": labels, "na": era, "delimiter": pandas_options.get("sep", ",")}
    if "encoding" in pandas_options:
        options["charset"] = pandas_options["encoding"]
    if "header" in pandas_options:
        options["header"] = "no"
    return options


def is_equal_everywhere(ours, theirs):
    """Says where two lists differ, and not what stands there: the texts are nobody's to print."""
    places = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
    assert not places and len(ours) == len(theirs), f"{len(ours)} and {len(theirs)}, they differ at {places[:5]}"
    return True


def check_real(name, era, **missing_options):
    text, labels, options = REAL[name]
    data = shared("data", "csv", name).read_bytes()
    (answer,) = ask([("source", data, our_request(text, labels, options, era))])
    assert "error" not in answer, answer["message"]
    frame = pd.read_csv(BytesIO(data), **options, **missing_options)
    frame.columns = [str(column) for column in frame.columns]
    kept = frame.dropna(subset=[text] + labels)
    assert answer["rows_read"] == len(frame)
    assert is_equal_everywhere(answer["texts"], kept[text].astype(str).tolist())
    if "classes" in answer:
        words = [answer["values"][i] for i in answer["classes"]]
        assert is_equal_everywhere(words, kept[labels[0]].astype(str).tolist())
        assert answer["values"] == [str(value) for value in sorted(kept[labels[0]].unique())]
    else:
        floats = kept[labels].astype("float32").to_numpy().ravel().tolist()
        assert is_equal_everywhere(answer["floats"], floats)


@pytest.mark.parametrize("name", REAL)
def test_real_files_give_the_texts_and_labels_that_pandas_gives(name):
    check_real(name, "pandas" if "None" in pd._libs.parsers.STR_NA_VALUES else "pandas1")


@pytest.mark.parametrize("name", ["bn_blp25_crlf.tsv", "bn_44k.csv", "zh_waimai.csv"])
def test_real_files_keep_missing_value_words_with_na_empty(name):
    check_real(name, "empty", keep_default_na=False, na_values=[""])
