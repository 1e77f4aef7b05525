# SPDX-License-Identifier: Apache-2.0
"""The malformed-input corpus: what a stranger reads for each, word for word, and that the store did not change.

Each case is a source or a tokenizer folder made here, then the sentence and, where there is one, the way out. In these
{source} and {tokenizer} stand for the paths given, which are shown as they were given.
"""
import gzip
import io
import json
import os
import shutil
import subprocess
import zipfile

import pytest

from conftest import HSFEED, Daemon, need_binaries, without_searches

ROWS = "Comments,Label\n" + "".join(f"row {i} is good,{i % 2}\n" for i in range(20))
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] row is good ##s 0 1".split()
VOCAB = "".join(w + "\n" for w in WORDS)
DEFAULTS = ["--labels", "Label"]


def workbook():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("xl/workbook.xml", "<workbook/>")
    return out.getvalue()


def with_words(n, word):
    """A hundred rows, n of them with a word that pandas takes for missing."""
    texts = [word if i % 7 == 3 and i // 7 < n else f"row {i}" for i in range(100)]
    return "Comments,Label\n" + "".join(f"{text},{i % 2}\n" for i, text in enumerate(texts))


SOURCES = {
    # ---- not CSV at all ----
    "xlsx": (
        workbook(), DEFAULTS,
        "{source}: this is a ZIP file (an .xlsx workbook is one), not CSV",
        'save the sheet as "CSV UTF-8", or unpack the file first'),
    "gz": (
        gzip.compress(ROWS.encode()), DEFAULTS,
        "{source}: this is a gzip file, not CSV",
        "unpack it first, and give the file inside"),
    "zstd": (
        b"\x28\xb5\x2f\xfd" + bytes(40), DEFAULTS,
        "{source}: this is a zstd file, not CSV",
        "unpack it first, and give the file inside"),
    "parquet": (
        b"PAR1" + bytes(40) + b"PAR1", DEFAULTS,
        "{source}: this is a Parquet file, not CSV",
        'export it as CSV with UTF-8 text, for example with pandas: to_csv("data.csv", index=False)'),
    "web page": (
        b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", DEFAULTS,
        "{source}: this is a web page, not CSV",
        "download the file itself, not the page that shows it"),
    "nul": (
        ROWS.encode().replace(b"row 3", b"row\0 3"), DEFAULTS,
        "{source}: line 5: a NUL byte at offset 66",
        "a text file has none: remove them, or, if this is UTF-16, say --charset utf-16le or utf-16be"),
    "nul in a charset": (
        ROWS.replace("row 3", "row\0 3").encode("utf-16"), [*DEFAULTS, "--charset", "utf-16"],
        "{source}: line 5: a NUL byte at offset 66 of the converted text",
        "remove the NUL characters from the file"),
    # ---- charsets ----
    "utf-16": (
        ROWS.encode("utf-16"), DEFAULTS,
        "{source}: this is UTF-16 text, not UTF-8 (offset 0)",
        "say --charset utf-16"),
    "utf-16 without a mark": (
        ROWS.encode("utf-16-le"), DEFAULTS,
        "{source}: line 1: a NUL byte at offset 1",
        "a text file has none: remove them, or, if this is UTF-16, say --charset utf-16le or utf-16be"),
    "utf-32": (
        ROWS.encode("utf-32"), DEFAULTS,
        "{source}: this is UTF-32 text, not UTF-8 (offset 0)",
        "say --charset utf-32"),
    "not utf-8": (
        ROWS.replace("row 3", "caf\xe9 3").encode("latin-1"), DEFAULTS,
        "{source}: line 5: byte 0xE9 at offset 66 is not UTF-8",
        "name the file's charset with --charset; for Western European text it may be --charset latin-1"),
    "not utf-8 nor western": (
        ROWS.encode().replace(b"row 3", b"row \x81 3"), DEFAULTS,
        "{source}: line 5: byte 0x81 at offset 67 is not UTF-8",
        "name the file's charset with --charset, or convert the file to UTF-8"),
    "cut off in a character": (
        ROWS.encode() + "caf\xe9".encode()[:-1], DEFAULTS,
        "{source}: line 22: byte 0xC3 at offset 348 is not UTF-8",
        "the file may be cut off: its last character is incomplete"),
    "bad bytes of a charset": (
        ROWS.encode().replace(b"row 3", b"row \x81\xff 3"), [*DEFAULTS, "--charset", "shift_jis"],
        "{source}: line 5: byte 0x81 at offset 67 is not shift_jis",
        "name another charset with --charset, or convert the file to UTF-8"),
    "cut off in a charset": (
        ROWS.encode("utf-16-le")[:-1], [*DEFAULTS, "--charset", "utf-16le"],
        "{source}: line 21: byte 0x0A at offset 688 is not utf-16le: the last character is incomplete",
        "the file may be cut off"),
    "unknown charset": (
        ROWS.encode(), [*DEFAULTS, "--charset", "utf-99"],
        'charset: "utf-99" is not known here',
        "iconv -l lists the names; common ones are cp1252, latin-1, utf-16, gb18030"),
    "charset with orders": (
        ROWS.encode(), [*DEFAULTS, "--charset", "utf-8//IGNORE"],
        'charset: "utf-8//ignore" is not known here',
        "iconv -l lists the names; common ones are cp1252, latin-1, utf-16, gb18030"),
    # ---- records ----
    "unclosed quote": (
        ROWS.replace("row 3 is", '"row 3\nis').encode(), DEFAULTS,
        '{source}: line 5, column "Comments": a quoted field opens here and is never closed',
        "close the quote there; a quote that belongs to the text is written twice, in a quoted field; or the "
        "file is cut off"),
    "unclosed quote after lines inside quotes": (
        b'Comments,Label\n"two\r\nlines",0\r\n\r\n"open,1\nmore,1\n', DEFAULTS,
        '{source}: line 5, column "Comments": a quoted field opens here and is never closed',
        "close the quote there; a quote that belongs to the text is written twice, in a quoted field; or the "
        "file is cut off"),
    "too many fields": (
        ROWS.replace("row 3 is", "row 3, is").encode(), DEFAULTS,
        "{source}: line 5: expected 2 fields, saw 3",
        "quote a field that has a comma in it, or name the further columns in the first line; --bad-rows skip "
        "drops such rows"),
    "too many fields, tabs": (
        ROWS.replace(",", "\t").replace("3 is", "3\t is").encode(), [*DEFAULTS, "--delimiter", "tab"],
        "{source}: line 5: expected 2 fields, saw 3",
        "quote a field that has a tab in it, or name the further columns in the first line; --bad-rows skip "
        "drops such rows"),
    "first row longer than the header": (
        ROWS.replace("row 0 is", "row 0, is").encode(), DEFAULTS,
        "{source}: line 2: expected 2 fields, saw 3",
        "quote a field that has a comma in it, or name the further columns in the first line; --bad-rows skip "
        "drops such rows"),
    "every row longer than the header": (
        ROWS.replace("is", ",").encode(), DEFAULTS,
        "{source}: line 2: expected 2 fields, saw 3",
        "quote a field that has a comma in it, or name the further columns in the first line; --bad-rows skip "
        "drops such rows"),
    "text over 1 MiB": (
        (ROWS + "x" * (1 << 20) + "y,1\n").encode(), DEFAULTS,
        '{source}: line 22, column "Comments": a text of 1048577 bytes; the longest may have 1048576',
        "shorten the text; if it should be many rows, look for a quote that is never closed before it"),
    "text over 1 MiB in its second line": (
        (ROWS + '"a\n' + "x" * (1 << 20) + '",1\n').encode(), DEFAULTS,
        '{source}: line 22, column "Comments": a text of 1048578 bytes; the longest may have 1048576',
        "shorten the text; if it should be many rows, look for a quote that is never closed before it"),
    "empty": (
        b"", DEFAULTS,
        "{source}: the file is empty"),
    "byte order mark alone": (
        b"\xef\xbb\xbf", DEFAULTS,
        "{source}: the file is empty"),
    "blank lines alone": (
        b"\n\n\n", DEFAULTS,
        "{source}: the file is empty"),
    "header alone": (
        b"Comments,Label\n", DEFAULTS,
        "{source}: there is a header but no row below it"),
    "missing texts alone": (
        b"Comments,Label\n,1\n,0\n", DEFAULTS,
        "{source}: no row is left of 2: 2 without text, 0 without a label, 0 with too many fields",
        "if the texts are in another column, name it with --text"),
    "missing labels alone": (
        b"Comments,Label\nrow,\ngood,\n", DEFAULTS,
        "{source}: no row is left of 2: 0 without text, 2 without a label, 0 with too many fields",
        "name other label columns with --labels A,B, or say --labels none"),
    "empty texts alone": (
        b"Comments,Label\nhttp://x,1\nhttp://y,0\n", [*DEFAULTS, "--clean", "urls", "--drop-empty"],
        "{source}: no row is left: all 2 texts are empty after cleaning"),
    # ---- columns ----
    "no text column guessed": (
        ROWS.replace("Comments", "Body").encode(), DEFAULTS,
        '{source}: which column is the text? None is named Comments, comments, Comment, comment, text, Text, '
        'content, comment_text; the columns are "Body", "Label"',
        "name the text's column with --text"),
    "no such text column": (
        ROWS.encode(), [*DEFAULTS, "--text", "Body"],
        '{source}: there is no text column "Body"; the columns are "Comments", "Label"',
        "name the text's column with --text; the delimiter is comma (--delimiter)"),
    "no such label column": (
        ROWS.encode(), ["--labels", "Hate"],
        '{source}: there is no label column "Hate"; the columns are "Comments", "Label"',
        "name the label columns with --labels A,B, or say --labels none"),
    "text column in other case": (
        ROWS.encode(), [*DEFAULTS, "--text", "COMMENTS"],
        '{source}: there is no text column "COMMENTS"; the columns are "Comments", "Label"',
        "name the text's column with --text; the delimiter is comma (--delimiter)"),
    "text column twice": (
        ROWS.replace("Label", "Comments").encode(), ["--labels", "none"],
        '{source}: 2 columns are named "Comments"',
        'rename one in the file; column 2 can be named as "Comments.1"'),
    "label column twice in the file": (
        b"Comments,Label,Label\nrow,1,0\ngood,0,1\n", DEFAULTS,
        '{source}: 2 columns are named "Label"',
        'rename one in the file; column 3 can be named as "Label.1"'),
    "label column named twice": (
        ROWS.encode(), ["--labels", "Label,Label"],
        '{source}: the label column "Label" is named twice'),
    "text column as label": (
        ROWS.encode(), ["--labels", "Comments"],
        '{source}: the column "Comments" cannot be both the text and a label',
        "name the text's column with --text, the label columns with --labels"),
    "tabs in one column": (
        ROWS.replace(",", "\t").encode(), DEFAULTS,
        '{source}: line 1: with the delimiter comma the first line is one column, "Comments\\x09Label", which '
        'has a tab in it',
        "say --delimiter tab, or --delimiter comma if it is one column"),
    "semicolons in one column": (
        ROWS.replace(",", ";").encode(), DEFAULTS,
        '{source}: line 1: with the delimiter comma the first line is one column, "Comments;Label", which has a '
        'semicolon in it',
        "say --delimiter semicolon, or --delimiter comma if it is one column"),
    "commas in a .tsv": (
        ROWS.encode(), DEFAULTS,
        '{source}: line 1: with the delimiter tab the first line is one column, "Comments,Label", which has a '
        'comma in it',
        "say --delimiter comma, or --delimiter tab if it is one column"),
    "header no, name given": (
        ROWS.encode(), [*DEFAULTS, "--header", "no"],
        '{source}: which column is the text? None is named Comments, comments, Comment, comment, text, Text, '
        'content, comment_text; the columns are "0", "1"',
        "name the text's column with --text"),
    "bad delimiter": (
        ROWS.encode(), [*DEFAULTS, "--delimiter", "::"],
        'the option delimiter cannot be "::"',
        "it takes auto, comma, tab, semicolon or one ASCII character that is no quote"),
    # ---- labels and missing values ----
    "words in one of several labels": (
        b"Comments,A,B\nrow,1,0\ngood,yes,1\n", ["--labels", "A,B"],
        '{source}: line 3, column "A": the label "yes" is not a number',
        "several label columns must hold numbers; name one for classes, or mend the file"),
    "infinite label": (
        b"Comments,A,B\nrow,1,0\ngood,inf,1\n", ["--labels", "A,B"],
        '{source}: line 3, column "A": the label "inf" is not a finite 32-bit number',
        "several label columns must hold numbers; name one for classes, or mend the file"),
    "float labels of words": (
        ROWS.replace(",1\n", ",yes\n").encode(), [*DEFAULTS, "--label-type", "float"],
        '{source}: line 3, column "Label": the label "yes" is not a number',
        "leave out --label-type float to number the values as classes"),
    "no such positive": (
        ROWS.replace(",1\n", ",yes\n").encode(), [*DEFAULTS, "--positive", "no"],
        '{source}: no label in column "Label" is "no"; the values are "0", "yes"',
        "name one of them with --positive"),
    "positive of several": (
        b"Comments,A,B\nrow,1,0\ngood,0,1\n", ["--labels", "A,B", "--positive", "1"],
        "--positive takes one label column, not 2"),
    "class of several": (
        b"Comments,A,B\nrow,1,0\ngood,0,1\n", ["--labels", "A,B", "--label-type", "class"],
        "--label-type class takes one label column, not 2"),
    "positive and class": (
        ROWS.encode(), [*DEFAULTS, "--label-type", "class", "--positive", "1"],
        "--positive makes 0 and 1, --label-type class makes classes: say one"),
    "words pandas takes for missing": (
        with_words(2, "None").encode(), DEFAULTS,
        '{source}: line 5: "None" means a missing value to pandas; such words would drop 2 of 100 rows: "None" (2)',
        "say --na empty to keep these rows, or --na pandas to drop them as pandas does"),
    "words pandas takes for missing, in a label": (
        ROWS.replace("row 3 is good,1", "row 3 is good,NA").encode(), DEFAULTS,
        '{source}: line 5: "NA" means a missing value to pandas; such words would drop 1 of 20 rows: "NA" (1)',
        "say --na empty to keep these rows, or --na pandas to drop them as pandas does"),
    # ---- cleaning ----
    "unknown cleaning step": (
        ROWS.encode(), [*DEFAULTS, "--clean", "url"],
        'clean: there is no step "url"',
        "the steps are urls, whitespace, latin, data.py (urls,whitespace) and remove:TEXT"),
    "remove nothing": (
        ROWS.encode(), [*DEFAULTS, "--clean", "remove:"],
        "clean: remove: needs the text to remove behind it"),
}

BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
        "lowercase": True}


def tokenizer_json(**changes):
    whole = {"version": "1.0", "added_tokens": [], "normalizer": BERT, "pre_tokenizer": {"type": "BertPreTokenizer"},
             "post_processor": None, "decoder": None,
             "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                       "max_input_chars_per_word": 100, "vocab": {w: i for i, w in enumerate(WORDS)}}}
    model = changes.pop("model", {})
    whole.update(changes)
    if isinstance(model, dict):
        whole["model"].update(model)
    else:
        whole["model"] = model
    return json.dumps(whole, indent=1, ensure_ascii=False).encode()


ADDED = {"id": 3, "content": "[NEW]", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}

TOKENIZERS = {
    "no folder": (
        None,
        "tokenizer {tokenizer}: no such folder",
        "give the folder that holds tokenizer.json or vocab.txt, or fetch the model once with the hub's own tools"),
    "no file": (
        {},
        "tokenizer {tokenizer}: the folder {tokenizer} has no tokenizer.json and no vocab.txt",
        "give the folder that save_pretrained wrote"),
    "other files only": (
        {"config.json": b"{}"},
        "{tokenizer}: no tokenizer here: neither tokenizer.json nor vocab.txt",
        "name a folder as save_pretrained() of transformers writes it"),
    "bpe": (
        {"tokenizer.json": json.dumps({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}).encode()},
        "{tokenizer}: tokenizer.json: not supported yet: model type BPE",
        "name the tokenizer of a WordPiece model, such as BERT or DistilBERT"),
    "unigram": (
        {"tokenizer.json": json.dumps({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", -1.0]]}}).encode()},
        "{tokenizer}: tokenizer.json: not supported yet: model type Unigram",
        "name the tokenizer of a WordPiece model, such as BERT or DistilBERT"),
    "no model type": (
        {"tokenizer.json": tokenizer_json(model=None)},
        '{tokenizer}: tokenizer.json: "model" must be an object'),
    "bpe as two files": (
        {"vocab.json": b'{"a": 0}', "merges.txt": b"a b\n"},
        "{tokenizer}: merges.txt: not supported yet: model type BPE",
        "name the tokenizer of a WordPiece model, such as BERT or DistilBERT"),
    "damaged json": (
        {"tokenizer.json": b'{\n "version": "1.0",\n "model": {"type" "WordPiece"}\n}\n'},
        "{tokenizer}: tokenizer.json: line 3, column 29: ':' expected near '\"WordPiece\"'"),
    "cut off json": (
        {"tokenizer.json": tokenizer_json()[:400]},
        "{tokenizer}: tokenizer.json: line 20, column 18: premature end of input near '\"max_input_chars'"),
    "not json": (
        {"tokenizer.json": b"<!DOCTYPE html>\n"},
        "{tokenizer}: tokenizer.json: line 1, column 1: '[' or '{' expected near '<'"),
    "a list": (
        {"tokenizer.json": b"[]"},
        "{tokenizer}: tokenizer.json: the file holds no JSON object"),
    "empty tokenizer.json": (
        {"tokenizer.json": b""},
        "{tokenizer}: tokenizer.json: the file is empty"),
    "json not utf-8": (
        {"tokenizer.json": tokenizer_json().replace(b"good", b"g\xff\xffd")},
        "{tokenizer}: tokenizer.json: line 29, column 5: unable to decode byte 0xff near '\"g'"),
    "key twice": (
        {"tokenizer.json": b'{"model": {"type": "WordPiece"}, "model": {}}'},
        "{tokenizer}: tokenizer.json: line 1, column 40: duplicate object key near '\"model\"'"),
    "id not a number": (
        {"tokenizer.json": tokenizer_json(model={"vocab": {"[UNK]": "0"}})},
        '{tokenizer}: tokenizer.json: "model.vocab": the id of "[UNK]" is not a whole number'),
    "id negative": (
        {"tokenizer.json": tokenizer_json(model={"vocab": {"[UNK]": 0, "a": -1}})},
        '{tokenizer}: tokenizer.json: "model.vocab": the id of "a" is not a whole number'),
    "id too large": (
        {"tokenizer.json": tokenizer_json(model={"vocab": {"[UNK]": 0, "a": 4294967296}})},
        '{tokenizer}: tokenizer.json: "model.vocab": "a" is too long, or its id is over 16777215'),
    "id beyond 64 bits": (
        {"tokenizer.json": tokenizer_json(model={"vocab": {"[UNK]": 0, "a": 10 ** 30}})},
        '{tokenizer}: tokenizer.json: "model.vocab": the id of "a" is not a whole number'),
    "no unk": (
        {"tokenizer.json": tokenizer_json(model={"unk_token": "<unk>"})},
        '{tokenizer}: tokenizer.json: "model.unk_token": "<unk>" is not in "model.vocab"'),
    "empty vocab": (
        {"tokenizer.json": tokenizer_json(model={"vocab": {}})},
        '{tokenizer}: tokenizer.json: "model.unk_token": "[UNK]" is not in "model.vocab"'),
    "vocab a list": (
        {"tokenizer.json": tokenizer_json(model={"vocab": ["a"]})},
        '{tokenizer}: tokenizer.json: "model.vocab" must be an object of token: id'),
    "added token without text": (
        {"tokenizer.json": tokenizer_json(added_tokens=[{"id": 11}])},
        '{tokenizer}: tokenizer.json: an added token is not an object with a string "content"'),
    "other normalizer": (
        {"tokenizer.json": tokenizer_json(normalizer={"type": "NFKC"})},
        "{tokenizer}: tokenizer.json: not supported yet: normalizer NFKC"),
    "other pre_tokenizer": (
        {"tokenizer.json": tokenizer_json(pre_tokenizer={"type": "ByteLevel"})},
        "{tokenizer}: tokenizer.json: not supported yet: pre_tokenizer ByteLevel"),
    "other post_processor": (
        {"tokenizer.json": tokenizer_json(post_processor={"type": "ByteLevel"})},
        "{tokenizer}: tokenizer.json: not supported yet: post_processor ByteLevel"),
    "an id for two added tokens": (
        {"tokenizer.json": tokenizer_json(
            model={"vocab": {"[UNK]": 0, "[CLS]": 2}}, added_tokens=[{**ADDED, "content": "[CLS]"}, ADDED])},
        "{tokenizer}: tokenizer.json: added token \"[NEW]\" gets the id of another added token: the vocabulary's "
        "ids have gaps"),
    "lfs pointer as tokenizer.json": (
        {"tokenizer.json": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"},
        "{tokenizer}: tokenizer.json: this is a Git LFS pointer, not the file it points to",
        "fetch the file with git lfs pull"),
    "lfs pointer as vocab.txt": (
        {"vocab.txt": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"},
        "{tokenizer}: vocab.txt: this is a Git LFS pointer, not the file it points to",
        "fetch the file with git lfs pull"),
    "post_processor of unknown tokens": (
        {"tokenizer.json": tokenizer_json(post_processor={
            "type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "[BOS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {}})},
        '{tokenizer}: tokenizer.json: "post_processor.special_tokens" has no ids for "[BOS]"'),
    "words of no length": (
        {"tokenizer.json": tokenizer_json(model={"max_input_chars_per_word": -1})},
        '{tokenizer}: tokenizer.json: "model.max_input_chars_per_word" must be a whole number of at least 0'),
    "flag not a flag": (
        {"tokenizer.json": tokenizer_json(normalizer={**BERT, "lowercase": "yes"})},
        '{tokenizer}: tokenizer.json: "normalizer.lowercase" must be true or false'),
    "empty vocab.txt": (
        {"vocab.txt": b""},
        "{tokenizer}: vocab.txt: the file is empty"),
    "vocab.txt not utf-8": (
        {"vocab.txt": VOCAB.encode() + b"caf\xe9\n"},
        "{tokenizer}: vocab.txt: line 12 is not UTF-8 (byte offset 54)"),
    "vocab.txt without unk": (
        {"vocab.txt": b"[PAD]\n[CLS]\n[SEP]\n[MASK]\nrow\n"},
        '{tokenizer}: vocab.txt: the unk_token "[UNK]" is not in the vocabulary'),
    "damaged config": (
        {"vocab.txt": VOCAB.encode(), "tokenizer_config.json": b'{"do_lower_case": tru}'},
        "{tokenizer}: tokenizer_config.json: line 1, column 21: invalid token near 'tru'"),
    "config of the wrong kind": (
        {"vocab.txt": VOCAB.encode(), "tokenizer_config.json": b'{"do_lower_case": "yes"}'},
        '{tokenizer}: tokenizer_config.json: "do_lower_case" must be true or false'),
    "config of another class": (
        {"vocab.txt": VOCAB.encode(), "tokenizer_config.json": b'{"tokenizer_class": "BertJapaneseTokenizer"}'},
        "{tokenizer}: tokenizer_config.json: not supported yet: tokenizer class BertJapaneseTokenizer",
        'if it splits texts as BERT does, name "BertTokenizer" or "PreTrainedTokenizerFast" as "tokenizer_class" '
        'in tokenizer_config.json'),
    "damaged special tokens": (
        {"vocab.txt": VOCAB.encode(), "special_tokens_map.json": b'{"unk_token": 3}'},
        '{tokenizer}: special_tokens_map.json: "unk_token" must be a string or an added token'),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A daemon that holds one good dataset, and a folder for what is wrong."""
    need_binaries()
    folder = tmp_path_factory.mktemp("malformed")
    d = Daemon(folder, *without_searches(folder)).start()
    d.folder = folder
    (folder / "good.csv").write_text(ROWS)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.txt").write_text(VOCAB)
    d.run("ingest", "good", folder / "good.csv", "--tokenizer", folder / "tokenizer", *DEFAULTS)
    yield d
    code = d.stop()
    assert code == 0, f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


def stored(daemon):
    """All that the store holds, as users see it and as it lies on the disk."""
    files = {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in daemon.state.rglob("*") if p.is_file()}
    return daemon.run("datasets", "--json").stdout, files


def refuses(place, name, source, tokenizer, options, sentence, hint=None, run=None):
    """Ingests, and compares all that is said after the progress, and the store with what it was before."""
    before = stored(place)
    done = (run or place.run)("ingest", name, source, "--tokenizer", tokenizer, *options, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    said = done.stderr[done.stderr.index("hsfeed: "):].splitlines()
    wanted = ["hsfeed: " + sentence] + (["  " + hint] if hint else [])
    assert said == [line.replace("{source}", str(source)).replace("{tokenizer}", str(tokenizer)) for line in wanted]
    assert stored(place) == before
    assert os.listdir(place.state / "tmp") == []


@pytest.mark.parametrize("case", SOURCES)
def test_a_malformed_source_is_refused_word_for_word_and_nothing_is_stored(place, case):
    data, options, *said = SOURCES[case]
    source = place.folder / ("bad.tsv" if case.endswith(".tsv") else "bad.csv")
    source.write_bytes(data)
    refuses(place, "bad", source, place.folder / "tokenizer", options, *said)


@pytest.mark.parametrize("case", TOKENIZERS)
def test_a_malformed_tokenizer_is_refused_word_for_word_and_nothing_is_stored(place, tmp_path, case):
    files, *said = TOKENIZERS[case]
    for name, data in (files or {}).items():
        (tmp_path / "bad").mkdir(exist_ok=True)
        (tmp_path / "bad" / name).write_bytes(data)
    if files == {}:
        (tmp_path / "bad").mkdir()
    refuses(place, "bad", place.folder / "good.csv", tmp_path / "bad", DEFAULTS, *said)


def test_a_refusal_leaves_the_name_where_it_was(place):
    """The same name with bytes that are wrong: the version that is there stays the one served."""
    source = place.folder / "again.csv"
    source.write_text(ROWS + '"cut off')
    refuses(place, "good", source, place.folder / "tokenizer", DEFAULTS,
            '{source}: line 22, column "Comments": a quoted field opens here and is never closed',
            *SOURCES["unclosed quote"][3:])
    assert len(place.lines("rows", "good")) == 20


@pytest.mark.parametrize("case", ["gz", "not utf-8", "unclosed quote", "empty"])
def test_bytes_that_come_over_the_socket_are_refused_in_the_same_words(place, case):
    data, options, *said = SOURCES[case]
    source = place.folder / "bytes.csv"
    source.write_bytes(data)

    def run(*args, check):
        return place.run(*args, check=check, env={"HSFEED_NO_FDPASS": "1"})
    refuses(place, "bad", source, place.folder / "tokenizer", options, *said, run=run)


@pytest.mark.parametrize("case", ["bpe", "cut off json", "no unk", "empty vocab.txt"])
def test_a_malformed_tokenizer_cannot_be_added(place, tmp_path, case):
    files, *said = TOKENIZERS[case]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    before = stored(place)
    done = place.run("add", "good", "--tokenizer", f"more={tmp_path}", check=False)
    assert done.returncode == 1 and done.stdout == ""
    said = [line.replace("{tokenizer}", str(tmp_path)) for line in said]
    assert done.stderr[done.stderr.index("hsfeed: "):].splitlines() == [f"hsfeed: {said[0]}"] + [
        f"  {hint}" for hint in said[1:]]
    assert stored(place) == before


@pytest.mark.parametrize("kind, said", {
    "missing": ["{source}: No such file or directory"],
    "folder": ["{source}: a folder, not a file", "name a file in it"],
    "fifo": ["{source}: not a regular file", "save what comes from there as a file first"],
    "device": ["{source}: not a regular file", "save what comes from there as a file first"],
    "unreadable": ["{source}: Permission denied"]}.items())
def test_a_source_that_is_no_readable_file_is_refused(place, tmp_path, kind, said):
    source, run = tmp_path / "source.csv", None
    if kind == "folder":
        source.mkdir()
    elif kind == "fifo":
        os.mkfifo(source)
    elif kind == "device":
        source = "/dev/zero"
    elif kind == "unreadable":
        source.write_text(ROWS)
        source.chmod(0)
        run = without_power(place)
    refuses(place, "bad", source, place.folder / "tokenizer", DEFAULTS, *said, run=run)


def without_power(daemon):
    """hsfeed run by root without root's power over permissions; by others as they are."""
    if os.geteuid() != 0:
        return None
    if not shutil.which("setpriv"):
        pytest.skip("root reads everything, and there is no setpriv to give that up")

    def run(*args, check):
        return subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", str(HSFEED), *map(str, args),
                               "--socket", str(daemon.socket)], capture_output=True, text=True, check=check, timeout=60)
    return run


# What the hints say, done: the way out must be one.
WAYS_OUT = [("utf-16", ["--charset", "utf-16"], 20), ("utf-32", ["--charset", "utf-32"], 20),
            ("utf-16 without a mark", ["--charset", "utf-16le"], 20), ("not utf-8", ["--charset", "latin-1"], 20),
            ("too many fields", ["--bad-rows", "skip"], 19), ("tabs in one column", ["--delimiter", "tab"], 20),
            ("semicolons in one column", ["--delimiter", "semicolon"], 20),
            ("commas in a .tsv", ["--delimiter", "comma"], 20), ("no text column guessed", ["--text", "Body"], 20),
            ("words pandas takes for missing", ["--na", "empty"], 100),
            ("words pandas takes for missing", ["--na", "pandas"], 98),
            ("text column twice", ["--text", "Comments.1"], 20), ("no such label column", ["--labels", "none"], 20),
            ("words in one of several labels", ["--labels", "A", "--text", "Comments"], 2)]


@pytest.mark.parametrize("case, option, rows", WAYS_OUT, ids=[f"{w[0]} {w[1][0]}" for w in WAYS_OUT])
def test_the_way_out_that_is_named_is_one(place, case, option, rows):
    data, options, *_ = SOURCES[case]
    if option[0] == "--labels":
        options = []
    source = place.folder / ("way.tsv" if case.endswith(".tsv") else "way.csv")
    source.write_bytes(data)
    made = place.json("ingest", "way", source, "--tokenizer", place.folder / "tokenizer", *options, *option)
    assert made["version_info"]["rows"] == rows
    place.run("rm", "way")
