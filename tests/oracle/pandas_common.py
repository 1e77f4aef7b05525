# SPDX-License-Identifier: Apache-2.0
"""Runs tests/oracle/source_dump.c beside the real pandas."""
import json
import subprocess
from io import BytesIO

from tok_common import program


def escaped(text):
    return "".join(c if c.isascii() and c.isalnum() else "".join(f"%{b:02x}" for b in c.encode()) for c in text)


def ask(requests):
    """requests: list of (mode, data, {key: value or list of values}). One answer each, as source_dump prints it."""
    parts = []
    for mode, data, options in requests:
        words = [mode, str(len(data))]
        for key, value in options.items():
            for one in value if isinstance(value, list) else [value]:
                words.append(f"{key}={escaped(one)}")
        parts.append((" ".join(words) + "\n").encode() + data)
    run = subprocess.run([program("source_dump")], input=b"".join(parts), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in run.stdout.split(b"\n")[:-1]]
    assert len(answers) == len(requests)
    return answers


def column_words(series):
    """Each cell as astype(str) has it, None where it is missing."""
    missing = series.isna()
    words = series[~missing].astype(str)
    out = [None] * len(series)
    for place, word in zip((~missing).to_numpy().nonzero()[0], words):
        out[place] = word
    return out


def pandas_table(pd, data, **options):
    """What pandas makes of a file: ("table", names, columns), ("index",), ("no_rows",) or ("error", sentence)."""
    try:
        with pd.read_csv(BytesIO(data), iterator=True, **options) as reader:
            has_index = reader._engine._reader.leading_cols > 0  # the index itself may look like row numbers
            frame = reader.read()
    except pd.errors.EmptyDataError:
        return ("no_rows",)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        return ("error", str(error))
    if has_index:
        return ("index",) if len(frame) else ("no_rows",)
    if len(frame) == 0:
        return ("no_rows",)
    columns = [column_words(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return ("table", [str(name) for name in frame.columns], columns)


def our_table(answer):
    if "error" not in answer:
        return ("table", answer["names"], answer["columns"])
    if answer["error"] == "no_rows":
        return ("no_rows",)
    return ("index",) if "expected" in answer["message"] else ("error", answer["message"])


def is_same(ours, theirs):
    """Equal tables; or both refuse, and for a reason of the same kind. Rows longer than the header, which pandas may
    turn into an index, we always refuse, so we may stop before an error that pandas meets later."""
    if theirs[0] == "table" or ours[0] in ("table", "no_rows"):
        return ours == theirs
    if ours[0] == "index":
        return theirs[0] == "index" or "Expected" in theirs[1] or "EOF inside string" in theirs[1]
    return theirs[0] == "error" and ("never closed" in ours[1]) == ("EOF inside string" in theirs[1])
