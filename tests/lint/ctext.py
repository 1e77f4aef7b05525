# SPDX-License-Identifier: Apache-2.0
"""Enough of C's grammar for the lint: blanks out comments and literals, finds function definitions."""
import re
from typing import NamedTuple


class Function(NamedTuple):
    name: str
    first: int  # line of the signature's first word, from 1
    last: int  # line of the closing brace
    params: int

    @property
    def lines(self):
        return self.last - self.first + 1


TOKEN = re.compile(r"""//(?:[^\n\\]|\\\n|\\.)*      # a line comment (a backslash carries it on)
                     | /\*.*?(?:\*/|\Z)             # a block comment
                     | "(?:[^"\\\n]|\\.|\\\n)*"     # a string
                     | '(?:[^'\\\n]|\\.|\\\n)*'     # a character
                     """, re.S | re.X)


def blank(match):
    """Keeps newlines, so that line numbers hold; a literal keeps its quotes, so that it stays an operand."""
    text = match.group(0)
    inner = re.sub(r"[^\n]", " ", text)
    if text[0] in "\"'" and len(text) > 1:
        return text[0] + inner[1:-1] + text[0]
    return inner


def strip(source):
    """Comments and the insides of literals become spaces."""
    return TOKEN.sub(blank, source)


def strip_directives(stripped):
    """Preprocessor lines become empty; of an #if with #else only the first branch is kept, so that braces balance."""
    out = []
    skipping = []  # one flag per open #if: are we in a branch that is dropped?
    carried = False
    for line in stripped.split("\n"):
        directive = re.match(r"\s*#\s*(\w+)", line)
        if carried or directive:
            carried = line.endswith("\\")
            if directive:
                track_conditional(directive.group(1), skipping)
            out.append("")
        else:
            out.append("" if any(skipping) else line)
    return "\n".join(out)


def track_conditional(word, skipping):
    if word in ("if", "ifdef", "ifndef"):
        skipping.append(False)
    elif word in ("elif", "else") and skipping:
        skipping[-1] = True
    elif word == "endif" and skipping:
        skipping.pop()


def drop_attributes(header):
    return re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", " ", header)


def split_signature(header):
    """The name and the parameter text of a function's header, or None when a brace after it opens something else."""
    header = drop_attributes(header).strip()
    if not header.endswith(")"):
        return None
    depth = 0
    for i in range(len(header) - 1, -1, -1):
        depth += (header[i] == ")") - (header[i] == "(")
        if depth == 0:
            name = re.search(r"(\w+)\s*$", header[:i])
            return (name.group(1), header[i + 1:-1]) if name else None
    return None


def count_params(text):
    text = text.strip()
    if text in ("", "void"):
        return 0
    depth = commas = 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        commas += c == "," and depth == 0
    return commas + 1


def functions(source):
    """Every function definition of one file, in order."""
    code = strip_directives(strip(source))
    found = []
    depth, line, start = 0, 1, 0  # start: where the text since the last top-level ';' or '}' begins
    opened = None
    for i, c in enumerate(code):
        if c == "\n":
            line += 1
        elif c == "{":
            if depth == 0:
                opened = opening(code, start, i)
            depth += 1
        elif c == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if opened:
                    found.append(Function(opened[0], opened[2], line, count_params(opened[1])))
                opened, start = None, i + 1
        elif c == ";" and depth == 0:
            start = i + 1
    return found


def opening(code, start, brace):
    """(name, parameters, first line) when the brace at depth 0 begins a function's body."""
    header = code[start:brace]
    if re.search(r"(?<![=!<>])=(?!=)", drop_attributes(header)):
        return None  # an initializer
    signature = split_signature(header)
    if not signature:
        return None
    first = start + len(header) - len(header.lstrip())
    return signature[0], signature[1], code.count("\n", 0, first) + 1


def includes(source):
    """(line, spelling, is_system) of every #include."""
    for number, line in enumerate(source.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is None
