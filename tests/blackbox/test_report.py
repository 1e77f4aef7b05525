# SPDX-License-Identifier: Apache-2.0
"""hsfeed report: one page, whose numbers are those of --json, whatever the data is called and however much there is."""
import html.parser
import json
import os
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import HSFEED

EVIL = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "it's & 'quoted' \\ back", "\u202egnp.exe",
        "עברית", "x" * 3000, "http://evil.example/a?b=1", "javascript:alert(3)"]
TAGS = set("html head meta title style body header p h1 h2 h3 nav ul li a main section b bdi span div table caption "
           "thead tbody tr th td data dl dt dd code pre figure figcaption svg desc path text details summary em "
           "footer".split())
ATTRIBUTES = set("lang charset http-equiv content name id class href role aria-label aria-hidden tabindex scope value "
                 "viewbox width height d x y open".split())
SECRET = "verysecretword"  # in every text of our own, and in no page


# ---- reading a page ----

class Page(html.parser.HTMLParser):
    """Sections by id, tables of cells: what a cell says, or the exact number that it carries."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.attributes, self.tables = text, set(), [], {}
        self.section, self.cell, self.row, self.caption, self.style, self.pre = None, None, None, None, "", []
        self.inside = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        self.attributes += [(tag, key, value) for key, value in attrs.items()]
        self.inside.append(tag)
        if tag == "section":
            self.section = attrs["id"]
        elif tag == "caption":
            self.caption = ""
        elif tag == "tr":
            self.row = []
        elif tag in ("td", "th"):
            self.cell = ""
        elif tag == "data" and self.cell is not None:
            self.cell = float(attrs["value"])
        elif tag == "pre":
            self.pre.append((attrs.get("class"), ""))

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, key, value) for key, value in attrs]

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag, tag
        if tag == "caption":
            self.rows = self.tables.setdefault(self.section, {}).setdefault(self.caption, [])
        elif tag in ("td", "th"):
            self.row.append(self.cell)
            self.cell = None
        elif tag == "tr":
            self.rows.append(self.row)

    def handle_data(self, data):
        if "style" in self.inside:
            self.style += data
        elif self.inside[-1:] == ["caption"]:
            self.caption += data
        elif self.cell is not None and isinstance(self.cell, str):
            self.cell += data
        if "pre" in self.inside:
            kind, text = self.pre[-1]
            self.pre[-1] = (kind, text + data)

    def table(self, section, words):
        """The rows of the one table whose caption has these words, heads first."""
        found = [rows for caption, rows in self.tables[section].items() if words in caption]
        assert len(found) == 1, (section, words, list(self.tables[section]))
        return found[0]

    def commands(self):
        return [line for kind, text in self.pre if kind == "command" for line in text.replace("\\\n", " ").splitlines()]


def number(cell):
    """A count as the page writes it."""
    return cell if isinstance(cell, float) else int(cell.replace(",", ""))


def percent(part, whole):
    share = 100 * part / whole if whole else 0
    return "< 0.01 %" if part and share < 0.005 else f"{share:.2f} %" if share < 10 else f"{share:.1f} %"


def write_csv(path, heads, rows):
    def quote(cell):
        return '"' + str(cell).replace('"', '""') + '"'
    lines = [",".join(map(quote, row)) for row in [heads, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def texts(n, seed=1):
    deal = random.Random(seed)
    words = "এই দেশে কি হচ্ছে the of a market bus school rain".split()
    return [f"{SECRET} {' '.join(deal.choices(words, k=deal.randint(2, 60)))} {i}" for i in range(n)]


# ---- the datasets ----

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def sets(shared_daemon, demo, folder):
    """demo (0/1, drops, leaks), topic (classes), evil (hostile names, two roles), many (100 labels), bare (none)."""
    deal = random.Random(2)
    tokenizer = demo / "tokenizer"

    def ingest(name, path, *options):
        shared_daemon.run("ingest", name, path, *options)

    ingest("demo", demo / "comments.csv", "--tokenizer", tokenizer, "--text", "Comments", "--labels", "Question")
    ingest("topic", demo / "comments.csv", "--tokenizer", tokenizer, "--text", "Comments", "--labels", "Topic")
    write_csv(folder / "evil 'q' <b>.csv", ["text<i>", *EVIL],
              [[t, *[int(deal.random() < 0.3) for _ in EVIL]] for t in texts(240)])
    ingest("evil", folder / "evil 'q' <b>.csv", "--text", "text<i>", "--tokenizer", f"a={tokenizer}", "--tokenizer",
           f"b={tokenizer}", "--normalize", "b=nfc", *[w for label in EVIL for w in ("--labels", label)])
    write_csv(folder / "many.csv", ["text", *[f"l{i:02}" for i in range(100)]],
              [[t, *[int(deal.random() < 0.02 + k / 200) for k in range(100)]] for k, t in enumerate(texts(600))])
    ingest("many", folder / "many.csv", "--tokenizer", tokenizer, "--labels", ",".join(f"l{i:02}" for i in range(100)),
           "--text", "text")
    write_csv(folder / "one.csv", ["text", "y"], [[t, "only"] for t in texts(90)])
    ingest("one", folder / "one.csv", "--tokenizer", tokenizer, "--text", "text", "--labels", "y")
    ingest("bare", folder / "one.csv", "--tokenizer", tokenizer, "--text", "text", "--labels", "none")
    shared_daemon.run("folds", "demo", "--plan", "cv4", "--folds", "4", "--kind", "plain")
    rows = shared_daemon.run("folds", "demo", "--folds", "3", "--kind", "plain", "--no-shuffle", "--indices").stdout
    (folder / "rows.jsonl").write_text(rows.splitlines()[0] + "\n")
    shared_daemon.run("folds", "demo", "--plan", "mine", "--rows-file", folder / "rows.jsonl")
    return shared_daemon


# The dataset, its plan, and what else the report is asked for.
KINDS = {
    "demo": ("demo", "", ""),
    "topic": ("topic", "--folds 3", ""),
    "evil": ("evil", "", "--max-length 48"),
    "many": ("many", "--folds 50 --kind plain", ""),
    "one": ("one", "", ""),
    "bare": ("bare", "", "--max-length 1000"),
    "holdout": ("demo", "--test-size 0.2 --train-size 0.5", ""),
    "duplicates": ("demo", "--group duplicates --similarity 0.7", ""),
    "group": ("demo", "--group Topic --folds 3", ""),
    "saved": ("demo", "--plan cv4", "--similarity 0.9"),
    "rows": ("demo", "--plan mine", ""),
    "role": ("evil", "--folds 2 --no-shuffle", "--similarity 0.9 --role b"),
}


@pytest.fixture(scope="module")
def pages(sets, folder):
    """Each kind's page with the answers it was made of: both of one run."""
    made = {}

    def make(kind):
        if kind not in made:
            path, (name, plan, other) = folder / f"{kind}.html", KINDS[kind]
            answers = json.loads(sets.run("report", name, *plan.split(), *other.split(), "-o", path, "--json").stdout)
            made[kind] = Page(path.read_text(encoding="utf-8")), answers
        return made[kind]

    return make


# ---- numbers ----

@pytest.mark.parametrize("kind", KINDS)
def test_the_answers_are_those_of_the_commands_they_are_named_after(pages, sets, kind):
    _, answers = pages(kind)
    dataset, plan, other = KINDS[kind]
    name = f"{dataset}@{answers['show']['version_info']['version']}"
    table = [w for w in other.replace("--similarity 0.9", "").split()]
    assert set(answers) == {"show", "folds", "lengths", "leaks"}
    assert answers["show"]["version_info"] == sets.json("show", name)["version_info"]
    assert answers["folds"] == sets.json("folds", name, *plan.split(), *table)
    similarity = [] if "duplicates" in plan else ["--similarity", str(answers["leaks"]["similarity"])]
    assert drop_page(answers["leaks"]) == drop_page(sets.json("leaks", name, *plan.split(), *similarity))
    for length in answers["lengths"]:
        asked = ",".join(str(cut["max_length"]) for cut in length["cuts"])
        assert length == sets.json("lengths", name, "--role", length["role"], "--max-length", asked)


def drop_page(leaks):
    """What does not depend on how many pairs were asked for."""
    return {**leaks, "pairs": leaks.get("pairs", [])[:20], "next": None}


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_that_were_read_are_all_accounted_for(pages, kind):
    page, answers = pages(kind)
    version = answers["show"]["version_info"]
    rows = {row[0]: row[1:] for row in page.table("source", "Every row")[1:]}
    assert number(rows["read"][0]) == version["report"]["rows_read"]
    assert number(rows["kept"][0]) == version["rows"]
    dropped = {name: row for name, row in rows.items() if name.startswith("dropped")}
    assert len(dropped) == sum(d["rows"] > 0 for d in version["report"]["dropped"])
    assert sum(number(row[0]) for row in dropped.values()) == version["report"]["rows_read"] - version["rows"]
    for d in version["report"]["dropped"]:
        lines = ", ".join(map(str, d["lines"][:10]))
        assert any(number(row[0]) == d["rows"] and row[2].startswith(lines) for row in dropped.values()), d
    for text in (version["source_sha256"], f"{version['source_bytes']:,} bytes", version["version"]):
        assert text in page.text


def indicators(answers):
    """(column, value, words) of each label value that the page tells of."""
    for c, label in enumerate(answers["folds"]["labels"]):
        for v, value in enumerate(label["values"]):
            if label["type"] == "class":
                yield c, v, f"{shown(label['name'])} = {shown(value)}"
            elif v == 1:
                yield c, v, shown(label["name"])


def shown(name):
    """A name as a page shows it: marks that reorder text in hex, cut after 160 bytes."""
    cut = name if len(name.encode()) <= 160 else name.encode()[:160].decode() + "…"
    return cut.replace("\u202e", "\\xe2\\x80\\xae")


@pytest.mark.parametrize("kind", KINDS)
def test_label_counts_of_each_fold_are_the_answers(pages, kind):
    page, answers = pages(kind)
    folds, wanted = answers["folds"]["folds"], list(indicators(answers))
    if not wanted:
        assert "This dataset has no labels." in page.text and "labels" not in page.tables
        return
    used = folds[0]["train"]["rows"] + folds[0]["val"]["rows"]
    overview = page.table("labels", "Share of each label")[1:]
    assert [row[0] for row in overview] == [words for _, _, words in wanted]
    rows = iter(page.table("labels", "Rows with each label")[1:])
    for (c, v, words), row in zip(wanted, overview):
        count = sum(folds[0][split]["counts"][c][v] for split in ("train", "val"))
        assert (number(row[1]), row[2]) == (count, percent(count, used))
        for fold in folds:
            t, val = fold["train"], fold["val"]
            assert next(rows) == [words, str(fold["fold"]),
                                  f"{t['counts'][c][v]:,}", percent(t["counts"][c][v], t["rows"]),
                                  f"{val['counts'][c][v]:,}", percent(val["counts"][c][v], val["rows"])]
    assert next(rows, None) is None


@pytest.mark.parametrize("kind", KINDS)
def test_folds_tokens_and_weights_are_the_answers(pages, kind):
    page, answers = pages(kind)
    folds = answers["folds"]["folds"]
    rows = page.table("folds", "Rows of each fold")[1:]
    assert [list(map(number, row[:3])) for row in rows] == [
        [f["fold"], f["train"]["rows"], f["val"]["rows"]] for f in folds]
    if answers["folds"]["labels"]:
        assert [row[4] for row in rows] == [f["drift"] for f in folds]
    tokens = page.table("folds", "Tokens of each fold")[1:]
    parts = [f[split] for f in folds for split in ("train", "val")]
    assert [[number(row[2]), number(row[3]), number(row[4]), row[6]] for row in tokens] == [
        [p["rows"], p["tokens"], p["truncated_rows"], p["padding_share"]] for p in parts]
    if "groups" in answers["folds"]:
        groups = [number(row[1]) for row in page.table("folds", "Rows of one group")[1:] if row[1]]
        keys = ("count", "largest", "rows_in_groups", "size_gap", "label_gap")
        assert groups == [answers["folds"]["groups"][k] for k in keys if answers["folds"]["groups"][k] is not None]
    wanted = list(indicators(answers))
    if not wanted:
        return
    weights = page.table("weights", "Weight of each label")[1:]
    for (c, v, _), row in zip(wanted, weights, strict=True):
        of = [f["weights"][c][v if answers["folds"]["labels"][c]["type"] == "class" else 0] for f in folds]
        assert row[1:] == (of if len(folds) <= 8 else [min(of), max(of)])


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_and_unknown_tokens_are_the_answers(pages, kind):
    page, answers = pages(kind)
    assert len(answers["lengths"]) == (1 if kind == "role" else len(answers["show"]["roles"]))
    cuts = [row for caption, rows in page.tables["lengths"].items() if "maximum length" in caption for row in rows[1:]]
    bars = [row for caption, rows in page.tables["lengths"].items() if "each length" in caption for row in rows[1:]]
    wanted = [cut for length in answers["lengths"] for cut in length["cuts"]]
    assert [[number(row[0]), number(row[1]), number(row[3]), number(row[5]), row[6]] for row in cuts] == [
        [c["max_length"], c["truncated_rows"], c["lost_tokens"], c["kept_tokens"], c["padding_share"]] for c in wanted]
    assert sum(number(row[2]) for row in bars) == sum(length["rows"] for length in answers["lengths"])
    unknown = page.table("unknown", "Unknown tokens")[1:]
    assert [[row[0], *map(number, row[2:5])] for row in unknown] == [
        [r["role"], r["vocab_size"], r["tokens"], r["unknown"]] for r in answers["show"]["roles"]]


@pytest.mark.parametrize("kind", KINDS)
def test_leaks_are_the_answers(pages, kind):
    page, answers = pages(kind)
    leaks = answers["leaks"]
    keys = ("fold", "val_rows", "leaking", "exact", "same", "near", "conflicting")
    rows = page.table("leaks", "Validation rows with a twin")[1:]
    assert [list(map(number, row[:3] + row[4:])) for row in rows] == [[f[k] for k in keys] for f in leaks["folds"]]
    whole = [number(row[1]) for row in page.table("leaks", "Duplicates")[1:]]
    assert whole[:7] == [leaks["duplicates"][k] for k in (
        "exact_rows", "same_rows", "near_pairs", "groups", "rows_in_groups", "largest", "conflicting_groups")]
    if leaks["total"]:
        pairs = page.table("leaks", "Where to look")[1:]
        assert [[*map(number, row[:3]), row[4]] for row in pairs] == [
            [p["fold"], p["line"], p["of_line"], p["similarity"]] for p in leaks["pairs"][:20]]
    else:
        assert "No validation row has" in page.text


def test_groups_of_duplicates_do_not_leak_and_plain_folds_do(pages):
    assert pages("duplicates")[1]["leaks"]["total"] == 0
    assert pages("demo")[1]["leaks"]["total"] > 0


# ---- the commands it gives ----

@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "many"])
def test_the_commands_of_a_page_give_the_same_again(pages, sets, folder, kind):
    page, answers = pages(kind)
    dataset, plan, _ = KINDS[kind]
    commands = page.commands()
    assert [c.split()[1] for c in commands] == ["folds", "stream", "report", "ingest"]
    env = {**os.environ, "HSFEED_SOCKET": str(sets.socket), "PATH": f"{HSFEED.absolute().parent}:{os.environ['PATH']}"}

    def run(command):
        done = subprocess.run(["bash", "-c", command], env=env, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    assert run(commands[0]) == sets.run("folds", dataset, *plan.split(), "--indices").stdout
    assert run(commands[1]) == ""
    again = json.loads(run(f"{commands[2]} --json --force"))
    again["show"]["open"] = answers["show"]["open"]  # who reads it at the moment
    assert again == answers
    ingested = json.loads(run(f"{commands[3]} --json"))
    assert ingested["state"] == "known" and ingested["version"] == answers["show"]["version_info"]["version"]
    assert [r["encoding"] for r in ingested["roles"]] == [r["encoding"] for r in answers["show"]["roles"]]


# ---- safe, complete, readable ----

@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_markup_of_ours_alone_and_loads_nothing(pages, kind):
    page, _ = pages(kind)
    assert page.tags <= TAGS, page.tags - TAGS
    assert {key for _, key, _ in page.attributes} <= ATTRIBUTES, {key for _, key, _ in page.attributes} - ATTRIBUTES
    for tag, key, value in page.attributes:
        if key == "href":
            assert tag == "a" and re.fullmatch(r"#[a-z]+", value) and f'id="{value[1:]}"' in page.text
    assert not re.search(r"url\(|@import|expression|//", page.style)
    assert "default-src 'none'" in page.text
    assert page.inside == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_well_formed_xml_too_and_its_charts_are_described(pages, kind):
    page, _ = pages(kind)
    tree = ElementTree.fromstring(page.text.removeprefix("<!DOCTYPE html>\n"))
    charts = [svg for svg in tree.iter("svg") if svg.get("aria-hidden") is None]
    assert charts
    for svg in charts:
        assert svg.get("role") == "img" and svg.find("title").text.strip() and svg.find("desc").text.strip()
        ElementTree.fromstring(ElementTree.tostring(svg))
        for path in svg.iter("path"):
            assert not re.search(r"nan|inf", path.get("d"))
    for section in tree.iter("section"):
        assert section.find("h2") is not None and section.find("p").get("class") == "what"


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_of_a_row_is_in_a_page(pages, kind):
    assert SECRET not in pages(kind)[0].text


def test_hostile_names_are_shown_as_they_are(pages):
    page, _ = pages("evil")
    for part in ("<script>alert", "<img", "\u202e"):
        assert part not in page.text
    names = [row[0] for row in page.table("labels", "Share of each label")[1:]]
    assert names == [shown(name) for name in EVIL]
    assert "<title>evil: data report</title>" in page.text


def luminance(colour):
    colour = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_contrast_in_every_theme(pages):
    themes = re.findall(r":root\{(--paper[^}]*)\}", pages("demo")[0].style)
    assert len(themes) == 3  # light, dark, print
    for theme in themes:
        colour = dict(re.findall(r"(--[a-z]+):(#[0-9a-f]{3,6})", theme))
        for ground in ("--paper", "--panel"):
            for ink in ("--ink", "--soft", "--val", "--ref", "--fine", "--look"):
                pair = sorted(luminance(colour[c]) for c in (ground, ink))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ground, ink, theme)


# ---- the file ----

def report(daemon, *args, **kwargs):
    return daemon.run("report", "demo", *args, check=False, **kwargs)


def test_a_page_needs_a_place(sets):
    for args in ([], ["-o"], ["-o", ""], ["-o", "-", "--json"], ["--output"]):
        done = subprocess.run([str(HSFEED), "report", "demo", *args], capture_output=True, text=True)
        assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("hsfeed: "), args
    assert report(sets, "-o-").stdout == report(sets, "-o", "-").stdout
    assert "-o, --output FILE" in sets.run("help", "report").stdout


def test_only_an_earlier_report_is_overwritten(sets, tmp_path):
    path, link = tmp_path / "r.html", tmp_path / "link.html"
    assert report(sets, "-o", path).returncode == 0
    first = path.read_text(encoding="utf-8")
    assert report(sets, "--folds", "3", f"--output={path}").returncode == 0
    assert path.read_text(encoding="utf-8") != first
    link.symlink_to("r.html")
    assert report(sets, "-o", link).returncode == 0 and link.is_symlink() and "--folds 5" in path.read_text()
    path.write_text("mine")
    done = report(sets, "-o", path)
    assert done.returncode == 1 and "is no report of hsfeed; --force" in done.stderr and path.read_text() == "mine"
    assert report(sets, "-o", path, "--force").returncode == 0 and "mine" not in path.read_text()
    for other in (tmp_path, "/dev/null", tmp_path / "none" / "r.html"):
        done = report(sets, "-o", other)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.html", "r.html"]


def test_a_refusal_leaves_no_file(sets, tmp_path):
    for args in (["--role", "none"], ["--folds", "60000"], ["--max-length", "1"]):
        done = report(sets, "-o", tmp_path / "r.html", *args)
        assert done.returncode == 1 and done.stdout == ""
    done = sets.run("report", "nothing", "-o", tmp_path / "r.html", check=False)
    assert done.returncode == 1 and list(tmp_path.iterdir()) == []


# ---- in a browser ----

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip(f"none of {', '.join(BROWSERS)} is in PATH")
    return found


def pixel(png):
    """The first pixel of a PNG as the browser writes it (8 bit, RGB or RGBA): its first scanline has no filter to undo
    that matters there, as nothing precedes it.
    """
    import struct
    import zlib
    data, at, body = png.read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return tuple(zlib.decompressobj().decompress(body, 4)[1:4])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["demo", "evil", "many"])
def test_a_browser_renders_it_without_a_complaint(pages, folder, browser, kind, theme):
    page, _ = pages(kind)
    dark = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    shot = folder / f"{kind}.{theme}.png"
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
         f"--user-data-dir={folder / f'browser.{kind}.{theme}'}", "--window-size=1000,1400", f"--screenshot={shot}",
         *dark, (folder / f"{kind}.html").as_uri()], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    paper = re.findall(r"--paper:(#[0-9a-f]{6})", page.style)[theme == "dark"]
    assert "#%02x%02x%02x" % pixel(shot) == paper
