#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what no compiler checks: layers, one library per layer, lengths, licence lines, leftovers, manual pages.

usage: lint.py [--stats] [ROOT]     exit 0: clean; 1: findings, one per line as FILE:LINE: sentence
"""
import os
import re
import subprocess
import sys
from pathlib import Path

import ctext
import rules

LIBC = re.compile(rules.LIBC, re.X)
LEFTOVER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
C_SUFFIXES = (".c", ".h")


class Lint:
    def __init__(self, root):
        self.root = Path(root).resolve()
        self.findings = []

    def say(self, path, line, sentence):
        self.findings.append(f"{path}:{line}: {sentence}")

    def run(self):
        paths = list_files(self.root)
        for path in paths:
            text = read_text(self.root / path)
            if text is None:
                continue
            self.check_text(path, text)
            if path.endswith(C_SUFFIXES):
                self.check_c(path, text)
        self.check_built(paths)
        self.check_manuals(paths)
        return self.findings

    # Every file.

    def check_text(self, path, text):
        lines = text.split("\n")
        data = path.endswith((".csv", ".tsv", ".json", ".jsonl", ".txt", ".bin")) or "/fixtures/" in path
        for number, line in enumerate(lines, 1):
            if not data:
                self.check_line(path, number, line)
            for absolute in machine_paths(line, self.root):
                self.say(path, number, f"a path of one machine: {absolute}")
        if not data and text and not text.endswith("\n"):
            self.say(path, len(lines), "the last line has no newline")
        if path.endswith((".c", ".h", ".py", ".cmake")) and not is_generated(lines):
            count, most = len(lines) - 1, rules.MAX_LINES_OF.get(path, rules.MAX_FILE_LINES)
            if count > most:
                self.say(path, count, f"the file has {count} lines, more than {most}")

    def check_line(self, path, number, line):
        if line != line.rstrip():
            self.say(path, number, "white space at the end of the line")
        if LEFTOVER.search(line):
            self.say(path, number, f"a leftover: {LEFTOVER.search(line).group(0)}")
        width = len(line.expandtabs(rules.TAB))
        if width > rules.MAX_LINE and not path.endswith(rules.PROSE):
            self.say(path, number, f"the line has {width} columns, more than {rules.MAX_LINE}")

    # C files.

    def check_c(self, path, text):
        if "SPDX-License-Identifier: Apache-2.0" not in text.split("\n", 1)[0]:
            self.say(path, 1, "the first line must be // SPDX-License-Identifier: Apache-2.0")
        layer = layer_of(path)
        if layer:
            self.check_includes(path, text, layer)
            self.check_silence(path, text, layer)
        if not is_generated(text.split("\n", 2)):
            self.check_functions(path, text)

    def check_includes(self, path, text, layer):
        for number, name, is_system in ctext.includes(text):
            if is_system:
                self.check_system_include(path, number, name, layer)
            elif name != "hsfeed.h":
                self.check_own_include(path, number, name, layer)

    def check_own_include(self, path, number, name, layer):
        folder, slash, _ = name.partition("/")
        own = layer.rsplit("/", 1)[-1]
        if slash:
            if folder != own and folder not in rules.LAYERS[layer]:
                self.say(path, number, f"{layer} must not include \"{name}\": it sees {seen_by(layer)}")
        elif not (self.root / path).with_name(name).exists():
            self.say(path, number, f"\"{name}\" is not beside this file: write it as \"layer/{name}\"")

    def check_system_include(self, path, number, name, layer):
        allowed = rules.LIBRARIES.get(layer)
        if layer in rules.PURE and re.match(rules.IO_HEADERS, name):
            self.say(path, number, f"{layer} does no I/O and takes no clock: <{name}> does not belong here")
        elif not LIBC.match(name) and not (allowed and re.match(allowed, name)):
            self.say(path, number, f"<{name}> is neither the C library nor the one library of {layer}")

    def check_silence(self, path, text, layer):
        if layer not in rules.SILENT:
            return
        for number, line in enumerate(ctext.strip(text).split("\n"), 1):
            match = re.search(rules.PRINTING, line)
            if match:
                self.say(path, number, f"{layer} must not print or end the process: {match.group(1)}()")

    def check_functions(self, path, text):
        for f in ctext.functions(text):
            limit = rules.MAX_MAIN_LINES if f.name == "main" else rules.MAX_FUNCTION_LINES
            if f.lines > limit:
                self.say(path, f.first, f"{f.name}() has {f.lines} lines, more than {limit}")
            if f.params > rules.MAX_PARAMS:
                self.say(path, f.first, f"{f.name}() takes {f.params} parameters, more than {rules.MAX_PARAMS}")

    # A source that no list in its folder or above names is not built, and a test among them never runs.

    def check_built(self, paths):
        lists = {p: read_text(self.root / p) or "" for p in paths if p.endswith((".cmake", "CMakeLists.txt"))}
        for path in paths:
            if not path.endswith(".c"):
                continue
            near = (text for p, text in lists.items() if os.path.dirname(path + "/").startswith(os.path.dirname(p)))
            if not named_in(os.path.basename(path), "\n".join(near)):
                self.say(path, 1, "no CMake list names this file, so nothing builds it")

    # Manual pages.

    def check_manuals(self, paths):
        by_name = {os.path.basename(path): path for path in paths}
        for folder, pages in rules.MANUALS.items():
            if not any(path.startswith(folder + "/") and path.endswith(".c") for path in paths):
                continue
            for page in pages:
                if page not in by_name:
                    self.say(folder, 1, f"the manual page {page} is missing")
        if "hsfeed.1" in by_name:
            page = plain_roff((self.root / by_name["hsfeed.1"]).read_text(encoding="utf-8"))
            for path, number, command in self.commands(paths):
                if not re.search(rf"(?<![\w-]){re.escape(command)}(?![\w-])", page):
                    self.say(path, number, f"the command {command} is not described in {by_name['hsfeed.1']}")

    def commands(self, paths):
        """The rows of client/cli's command table: {"ingest", ..., cmd_ingest...} or {.name = "ingest", ...}."""
        for path in paths:
            if path.startswith("client/cli/") and path.endswith(".c"):
                text = (self.root / path).read_text(encoding="utf-8")
                for match in command_rows(text):
                    yield path, text.count("\n", 0, match.start()) + 1, match.group(1)


def plain_roff(text):
    """A manual page without font changes and escaped hyphens."""
    return re.sub(r"\\f(?:\w|\(\w\w|\[\w*\])", "", text).replace("\\-", "-")


def command_rows(text):
    """Rows of an array whose name says that it holds commands."""
    for table in re.finditer(r"\bcommands?\w*\[\w*\]\s*=\s*\{(.*?)^\};", text, re.S | re.M):
        row = re.compile(r"\{\s*(?:\.name\s*=\s*)?\"([a-z][a-z-]*)\"")
        yield from row.finditer(text, table.start(1), table.end(1))


def named_in(source, cmake):
    """A list names a.c as a.c, or by its stem where it makes the rest (test_${name}.c)."""
    stem = source[:-2]
    words = {source, stem, stem.removeprefix("test_"), stem.removeprefix("fuzz_")}
    return any(re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", cmake) for word in words)


def layer_of(path):
    """The layer that a file belongs to, or None (tests may include anything)."""
    folder = os.path.dirname(path)
    while folder and folder not in rules.LAYERS:
        folder = os.path.dirname(folder)
    return folder or None


def seen_by(layer):
    return ", ".join(rules.LAYERS[layer] + ["itself and hsfeed.h"])


def is_generated(lines):
    return any("generated by" in line.lower() for line in lines[:2])


def machine_paths(line, root):
    """Absolute paths that hold on one machine only: somebody's home, or where this very checkout lies."""
    found = re.findall(r"/(?:home|Users)/[a-z][\w.-]*/|(?<![\w$}])/[r]oot/", line)
    if len(root.parts) > 2 and re.search(r"(?<![\w.$}])" + re.escape(f"{root}/"), line):
        found.append(f"{root}/")
    return found


def read_text(path):
    """A file as text; None for binary ones and for links that lead nowhere."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def list_files(root):
    """What git knows or would add; without git, everything but hidden and build folders. Links are left out."""
    try:
        out = subprocess.run(["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard"],
                             check=True, capture_output=True).stdout
        names = set(out.decode("utf-8", "surrogateescape").split("\0")) - {""}
    except (OSError, subprocess.CalledProcessError):
        names = walk(root)
    return sorted(n for n in names if (root / n).is_file() and not (root / n).is_symlink())


def walk(root):
    names = set()
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [s for s in subfolders if not s.startswith((".", "build")) and s != "__pycache__"]
        names.update(os.path.relpath(os.path.join(folder, f), root) for f in files)
    return names


def stats(root):
    """Function lengths of the shipped code, as the style guide measures them."""
    rows = []
    for path in list_files(root):
        if path.endswith(".c") and layer_of(path):
            text = read_text(root / path)
            if not is_generated(text.split("\n", 2)):
                rows += [(f.lines, f"{path}:{f.first} {f.name}()") for f in ctext.functions(text)]
    rows.sort()
    if not rows:
        return "no functions"
    at = lambda share: rows[min(len(rows) - 1, int(len(rows) * share))][0]
    return f"{len(rows)} functions, median {at(.5)} lines, p90 {at(.9)}, longest {rows[-1][0]} ({rows[-1][1]})"


def main(argv):
    args = [a for a in argv if a != "--stats"]
    root = Path(args[0] if args else Path(__file__).resolve().parents[2]).resolve()
    findings = Lint(root).run()
    for finding in findings:
        print(finding)
    if findings:
        print(f"lint: {len(findings)} findings")
    if "--stats" in argv or not findings:
        print(f"lint: {stats(root)}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
