# SPDX-License-Identifier: Apache-2.0
"""Runs tests/oracle/tok_dump.c beside the real library; shared by the tokenizer tests."""
import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("HSFEED_SHARED", ROOT.parent / "shared"))


def program(name):
    build = os.environ.get("HSFEED_BUILD_DIR")
    if not build:
        pytest.skip("HSFEED_BUILD_DIR is not set")
    for path in (Path(build) / "tests" / name, Path(build) / name):
        if path.is_file():
            return str(path)
    pytest.skip(f"{name} is not built in {build}")


def shared(*parts):
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not here (HSFEED_SHARED names another place)")
    return path


def dump(jobs):
    """jobs: list of (folder, texts). Returns per job (info or error as a dict, list of ids per text or None)."""
    request = bytearray()
    for folder, texts in jobs:
        request += os.fsencode(str(folder)) + b"\n" + struct.pack("=I", len(texts))
        for text in texts:
            data = text.encode("utf-8")
            request += struct.pack("=I", len(data)) + data
    run = subprocess.run([program("tok_dump")], input=bytes(request), stdout=subprocess.PIPE, check=True)
    out, at, answers = run.stdout, 0, []
    for _, texts in jobs:
        (n,) = struct.unpack_from("=I", out, at)
        info = json.loads(out[at + 4:at + 4 + n])
        at += 4 + n
        if "error" in info:
            answers.append((info, None))
            continue
        ids = []
        for _ in texts:
            (n,) = struct.unpack_from("=I", out, at)
            ids.append(list(struct.unpack_from(f"={n}I", out, at + 4)))
            at += 4 + 4 * n
        answers.append((info, ids))
    assert at == len(out)
    return answers


def first_difference(texts, got, want):
    """None, or a sentence that shows no more of the text than its code points where the ids differ first."""
    for i, (g, w) in enumerate(zip(got, want)):
        if g != list(w):
            at = next((k for k, (x, y) in enumerate(zip(g, w)) if x != y), min(len(g), len(w)))
            near = " ".join(f"{ord(c):04X}" for c in texts[i][:40])
            return f"text {i}, token {at}: {g[at:at + 8]} instead of {list(w)[at:at + 8]}; it begins {near}"
    return None if len(got) == len(want) else "not as many texts came back"
