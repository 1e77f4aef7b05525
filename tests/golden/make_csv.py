#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/csv: small CSV files of our own, and expected.json with what the real pandas read.

usage: make_csv.py    (with a Python that has pandas 3 and no pyarrow)
"""
import json
import random
import sys
import warnings
from io import BytesIO
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))
from csv_generator import one_file  # noqa: E402

CASES = {
    "plain.csv": b"text,label\nhello,1\nworld,0\n",
    "no_final_newline.csv": b"text,label\nhello,1\nworld,0",
    "crlf.csv": b"text,label\r\nhello,1\r\nworld,0\r\n",
    "cr.csv": b"text,label\rhello,1\rworld,0\r",
    "mixed_line_ends.csv": b"text,label\nhello,1\r\nworld,0\ragain,1\n\r\nlast,0",
    "bom_quoted_header.csv": b'\xef\xbb\xbf"text",label\nhello,1\n',
    "quotes.csv": b'text,label\n"a,b",1\n"say ""hi""",0\n"a"b,1\n"a"b"c",0\nx"y",1\n "z",0\n"",1\n',
    "newlines_in_quotes.csv": b'text,label\n"one\ntwo",1\n"one\r\ntwo\rthree",0\n',
    "blank_lines.csv": b"\n \n\t\ntext,label\n\n  \nhello,1\n\t \n ,0\n",
    "delimiter_after_blank_cr.csv": b"text,label\n\r,hello,1\n\r, x,1\nworld,0\n",
    "short_rows.csv": b"text,label,source\nhello\nworld,0\nx,1,y\n",
    "long_row.csv": b"text,label\nhello,1\na,b,1\n",
    "first_row_long.csv": b"text,label\na,b,1\nhello,1\n",
    "trailing_commas.csv": b"text,label\nhello,1,\nworld,0,\n",
    "open_quote.csv": b'text,label\nhello,1\n"never closed,0\n',
    "empty.csv": b"",
    "blank.csv": b"\n\r\n \n",
    "header_only.csv": b"text,label\n",
    "names.csv": b"a,a,a.1,a,,b,,Unnamed: 4\n1,2,3,4,5,6,7,8\n",
    "missing_words.csv": ("text,label\n" + "".join(f"{w},1\n" for w in sorted(pd._libs.parsers.STR_NA_VALUES))
                          + "none,1\nNan,1\n NA,1\n\"NA\",1\n").encode(),
    "integers.csv": b"a,b,c,d,e\n007,+1, 2,-0,9223372036854775807\n1,2,3 ,4,-9223372036854775808\n",
    "integers_missing.csv": b"a,b,c\n007,9007199254740993,-0\n,,\n1,1,1\n",
    "integers_large.csv": b"a,b,c,d\n"
                          b"9223372036854775808,99999999999999999999,9223372036854775808,-9223372036854775809\n"
                          b"1,NA,NA,1_0\n",
    "floats.csv": b"a,b,c,d,e\n1.0,.5,1e16,1e-5,0.1234567890123456789\n2,5.,123456789.125,1E22,-0.0\n",
    "floats_odd.csv": b"a,b,c,d\n1e400,inf,1e,0x10\n1,-Infinity,2,1\n",
    "bools.csv": b"a,b,c\ntrue,TRUE,True\nFalse,,1\n",
    "semicolons.csv": b"text;label\na,b;1\nc;0\n",
    "tabs.csv": b"text\tlabel\n\t1\n  \t0\n\t\nx\t1\n",
    "unicode.csv": "text,label\nবাংলা লেখা,হ্যাঁ\n中文,না\n".encode(),
    "not_utf8.csv": b"text,label\ncaf\xe9,1\n",
}
SEPS = {"semicolons.csv": ";", "tabs.csv": "\t"}


def value_and_word(value, word):
    return ({"f": "nan"}, "nan") if pd.isna(value) else (word, word)


def described(frame, has_index):
    columns = [frame.iloc[:, i] for i in range(frame.shape[1])]
    data, words = [], []
    for column in columns:
        pairs = [value_and_word(value, word) for value, word in zip(column, column.astype(object).astype(str))]
        data.append({"dtype": str(column.dtype), "values": [pair[0] for pair in pairs]})
        words.append([pair[1] for pair in pairs])
    index = True if has_index else None
    names = [str(name) for name in frame.columns]
    return {"columns": names, "rows": len(frame), "index": index, "data": data, "as_str": words}


def run(data, sep):
    try:
        with pd.read_csv(BytesIO(data), sep=sep, iterator=True) as reader:
            has_index = reader._engine._reader.leading_cols > 0
            return described(reader.read(), has_index)
    except Exception as error:  # its type is part of what is expected
        return {"error": {"type": type(error).__name__, "text": str(error)}}


def main():
    warnings.simplefilter("ignore")
    folder = HERE / "csv"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    files = {name: (data, SEPS.get(name, ",")) for name, data in CASES.items()}
    rng = random.Random(2026)
    for i in range(40):
        files[f"generated{i:02d}.csv"] = one_file(rng)
    cases = []
    for name, (data, sep) in files.items():
        (folder / name).write_bytes(data)
        cases.append({"file": name, "sep": sep, **run(data, sep)})
    about = f"pandas {pd.__version__} read_csv(file, sep=sep); as_str is astype(str), missing values are {{'f': 'nan'}}"
    text = json.dumps({"about": about, "cases": cases}, ensure_ascii=False, indent=1)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
