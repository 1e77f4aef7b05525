# SPDX-License-Identifier: Apache-2.0
"""Sources as the real pandas reads them: pandas.read_csv, dropna, astype(str).

The rules are pandas 3.1's; tests of what older ones do otherwise (how floats are rounded, integers over 64 bits) are
skipped where the pandas at hand is older."""
import random
from io import BytesIO

import pytest

from csv_generator import NUMBERS, one_file
from pandas_common import ask, column_words, is_same, our_table, pandas_table
from tok_common import shared

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore")
TODAYS = int(pd.__version__.split(".")[0]) >= 3
needs_todays = pytest.mark.skipif(not TODAYS, reason=f"pandas {pd.__version__} is older than 3")


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
