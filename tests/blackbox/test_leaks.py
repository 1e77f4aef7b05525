# SPDX-License-Identifier: Apache-2.0
"""Leaks of every kind of plan over the real daemon, beside comparing every validation row with every training row."""

import random
import select
import time
import unicodedata

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

from conftest import Daemon
from protoclient import Client, Refused, wait_for
from ringclient import cpu_ticks

THRESHOLD = 0.8
WORDS = "".join(f" w{i}abc{i * 7 % 13}" for i in range(150)).split() + ["Straße", "কথা", "İstanbul", "éte", "ﬁn"]


def fold_text(text):
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(folded.split())


def grams(text):
    return {text[i : i + 5] for i in range(len(text) - 4)}


def variant(rng, text):
    """An exact copy, the same to a reader, or nearly so."""
    words = text.split(" ")
    at = rng.randrange(len(words))
    return rng.choice(
        [
            text,
            text.upper(),
            f" {text}\u3000 ",
            unicodedata.normalize("NFD", text),
            " ".join(words[:at] + ["x"] + words[at + 1 :]),
            " ".join([*words, rng.choice(WORDS)]),
            " ".join([*words, rng.choice(WORDS), rng.choice(WORDS)]),
        ]
    )


def make_frame(seed, nsources):
    rng = random.Random(seed)
    rows = []
    for source in range(nsources):
        text = " ".join(rng.choice(WORDS) for _ in range(rng.choice([2, 12, 20])))
        for _ in range(rng.choice([1, 1, 1, 2, 3, 7])):
            labels = [int(rng.random() < p) for p in (0.4, 0.2)]
            rows.append([variant(rng, text), *labels, rng.choice("pqr"), source // 2, rng.choice([-1, 0, 1, 2])])
    for text in ["ab", "AB", "abc", "  ", " ", "ab"] * 3:  # too short for grams
        rows.append([text, *[int(rng.random() < 0.5) for _ in range(2)], rng.choice("pqr"), nsources, 1])
    rng.shuffle(rows)
    return pd.DataFrame(rows, columns=["comment", "A", "B", "class", "source", "fold"])


@pytest.fixture(scope="module")
def data(shared_daemon, tmp_path_factory, demo):
    folder = tmp_path_factory.mktemp("leaks")
    frame = make_frame(8, 170)
    frame.to_csv(folder / "rows.csv", index=False)
    for name, labels in (("leaky", "A"), ("leaky2", "A,B"), ("leakyclass", "class"), ("leakynone", "none")):
        shared_daemon.run("ingest", name, folder / "rows.csv", "--tokenizer", demo / "tokenizer", "--labels", labels,
                          "--na", "empty")  # fmt: skip
    return frame


@pytest.fixture
def client(shared_daemon, data):
    c = Client(shared_daemon.socket, timeout=300)
    yield c
    c.close()


@pytest.fixture(scope="module")
def similar(data):
    """{(row, other): (order, similarity)} of all pairs that are duplicates of some kind, both ways round."""
    texts = data["comment"].tolist()
    folded = [fold_text(text) for text in texts]
    sets = [grams(text) for text in folded]
    found = {}
    for a in range(len(texts)):
        for b in range(a):
            if texts[a] == texts[b]:
                how = ("exact", 1.0)
            elif folded[a] == folded[b]:
                how = ("same", 1.0)
            elif sets[a] and sets[b] and len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= THRESHOLD:
                how = ("near", len(sets[a] & sets[b]) / len(sets[a] | sets[b]))
            else:
                continue
            found[a, b] = found[b, a] = how
    return found


def split_rows(client, name, plan, fold, split, n):
    answer = client.call("folds.rows", name=name, plan=plan, fold=fold, split=split, start=0, count=n)
    return np.frombuffer(answer["rows"], np.int64).tolist()


def worst(row, train, similar):
    """The training row most like a row, with how and how much; None where there is none."""
    found = [(similar[row, other], other) for other in train if (row, other) in similar]
    order = {"exact": 0, "same": 1, "near": 2}
    return min(found, key=lambda one: (order[one[0][0]], -one[0][1], one[1]), default=None)


def by_comparing_all(client, name, plan, nfolds, data, labels, similar):
    pairs = []
    for fold in range(nfolds):
        val, train = (split_rows(client, name, plan, fold, split, len(data)) for split in ("val", "train"))
        for row in val:
            found = worst(row, train, similar)
            if found:
                (how, similarity), other = found
                conflict = bool((data.loc[row, labels] != data.loc[other, labels]).any())
                pairs.append((row, other, fold, how, similarity, conflict))
    return sorted(pairs)


def check(client, name, labels, plan, data, similar):
    answer = client.call("leaks", name=name, plan=plan, count=10000)
    nfolds = answer["plan"]["folds"]
    expected = by_comparing_all(client, name, plan, nfolds, data, labels, similar)
    pairs = answer["pairs"]
    assert [(p["row"], p["of_row"], p["fold"], p["how"], p["similarity"], p["conflict"]) for p in pairs] == expected
    assert all(p["line"] == p["row"] + 2 and p["of_line"] == p["of_row"] + 2 for p in pairs)
    assert answer["total"] == len(expected) and "next" not in answer and answer["rows"] == len(data)
    for fold, f in enumerate(answer["folds"]):
        of_fold = [pair for pair in expected if pair[2] == fold]
        assert f == {
            "fold": fold,
            "val_rows": len(split_rows(client, name, plan, fold, "val", len(data))),
            "leaking": len(of_fold),
            **{how: sum(pair[3] == how for pair in of_fold) for how in ("exact", "same", "near")},
            "conflicting": sum(pair[5] for pair in of_fold),
        }
    return answer


PLANS = [
    ("leaky", ["A"], {}),
    ("leaky", ["A"], {"kind": "plain", "folds": 2, "shuffle": False}),
    ("leaky2", ["A", "B"], {"folds": 7, "fold_seed": 3}),
    ("leaky2", ["A", "B"], {"kind": "multilabel"}),
    ("leakyclass", ["class"], {"folds": 10}),
    ("leakynone", [], {"folds": 3}),
    ("leaky", ["A"], {"group": "class", "folds": 3}),
    ("leaky", ["A"], {"column": "fold"}),
    ("leaky", ["A"], {"kind": "holdout", "test_size": 0.2}),
    ("leaky", ["A"], {"kind": "stratified-holdout", "test_size": 60, "train_size": 100}),
]


@pytest.mark.parametrize("name, labels, plan", PLANS)
def test_leaks_are_what_comparing_all_rows_finds(client, data, similar, name, labels, plan):
    answer = check(client, name, labels, plan, data, similar)
    assert sum(f["exact"] for f in answer["folds"]) > 3 and sum(f["near"] for f in answer["folds"]) > 3
    assert (sum(f["conflicting"] for f in answer["folds"]) > 3) == (labels != [])


@pytest.mark.parametrize(
    "name, plan",
    [("leaky", {}), ("leaky2", {}), ("leaky2", {"kind": "multilabel"}), ("leakyclass", {"folds": 3}),
     ("leakynone", {}), ("leaky", {"kind": "stratified-group"})],
)  # fmt: skip
def test_nothing_leaks_once_duplicates_stay_together(client, data, name, plan):
    answer = client.call("leaks", name=name, plan={**plan, "duplicates": THRESHOLD})
    assert answer["total"] == 0 and answer["pairs"] == []
    assert all(f["leaking"] == 0 and f["val_rows"] > 0 for f in answer["folds"])


def components(data, similar):
    group = list(range(len(data)))
    for row in range(len(data)):
        todo = [row] if group[row] == row else []
        while todo:
            one = todo.pop()
            more = [b for a, b in similar if a == one and group[b] != row]
            for other in more:
                group[other] = row
            todo += more
    return group


def test_duplicates_of_the_whole_dataset_are_counted(client, data, similar):
    sums = client.call("leaks", name="leaky2")["duplicates"]
    texts = data["comment"]
    folded = texts.map(fold_text)
    group = pd.Series(components(data, similar))
    sizes = group.value_counts()
    labels = data.groupby(group.values)[["A", "B"]].nunique().max(axis=1)
    near = {tuple(sorted((folded[a], folded[b]))) for (a, b), how in similar.items() if how[0] == "near"}
    assert sums == {
        "exact_rows": texts.duplicated().sum(),
        "same_rows": folded.duplicated().sum() - texts.duplicated().sum(),
        "near_pairs": len(near),
        "groups": (sizes > 1).sum(),
        "rows_in_groups": sizes[sizes > 1].sum(),
        "largest": sizes.max(),
        "conflicting_groups": (labels > 1).sum(),
        "unlisted": 0,
        "uncompared": 0,
    }


def test_pages_put_together_are_the_whole(client, data):
    whole = client.call("leaks", name="leaky", plan={"folds": 4}, count=10000)
    pairs, start = [], 0
    while start is not None:
        page = client.call("leaks", name="leaky", plan={"folds": 4}, start=start, count=17)
        assert page["folds"] == whole["folds"] and page["total"] == whole["total"] > 40
        assert len(page["pairs"]) == 17 or "next" not in page
        pairs += page["pairs"]
        start = page.get("next")
    assert pairs == whole["pairs"]
    assert client.call("leaks", name="leaky", start=10**9)["pairs"] == []
    none = client.call("leaks", name="leaky", plan={"folds": 4}, count=0)
    assert none["pairs"] == [] and none["next"] == 0 and none["folds"] == whole["folds"]


def test_a_higher_similarity_finds_fewer_leaks_and_is_told(client, data):
    totals = []
    for similarity in (0.5, 0.8, 0.95, 1):
        answer = client.call("leaks", name="leaky", similarity=similarity)
        assert answer["similarity"] == similarity
        assert all(p["similarity"] >= similarity for p in answer["pairs"])
        totals.append(answer["total"])
    assert totals == sorted(totals, reverse=True) and totals[0] > totals[-1] > 0


@pytest.mark.parametrize(
    "params, code, words",
    [
        ({"similarity": 0.49}, "bad_request", "0.49 is not between 0.5 and 1"),
        ({"similarity": 1.01}, "bad_request", "not between"),
        ({"count": 10001}, "bad_request", "count"),
        ({"plan": {"folds": 1000}}, "bad_plan", "n_splits=1000"),
        ({"threshold": 0.8}, "bad_request", "threshold"),
        ({"name": "nobody"}, "not_found", "nobody"),
    ],
)
def test_bad_requests_are_refused(client, data, params, code, words):
    with pytest.raises(Refused) as e:
        client.call("leaks", **{"name": "leaky", **params})
    assert e.value.code == code and words in e.value.message


def test_those_who_ask_at_once_share_one_search(shared_daemon, data):
    clients = [Client(shared_daemon.socket) for _ in range(4)]
    seqs = [c.send("leaks", name="leaky", similarity=0.77) for c in clients]
    answers = [c.answer(seq) for c, seq in zip(clients, seqs)]
    assert all(answer == answers[0] for answer in answers)
    for c in clients:
        c.close()




# ---- a search takes its time


def write_many(path, rows):
    """Texts that take a while to search: 4,000 of them up to a second."""
    rng = random.Random(4)
    words = ["".join(rng.choices("abcdefghijklmnop", k=7)) for _ in range(5000)]
    texts = [" ".join(rng.choices(words, k=20)) for _ in range(rows)]
    pd.DataFrame({"comment": texts, "label": [i % 2 for i in range(len(texts))]}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def many(shared_daemon, tmp_path_factory, demo):
    path = write_many(tmp_path_factory.mktemp("many") / "many.csv", 4_000)
    shared_daemon.run("ingest", "many", path, "--tokenizer", demo / "tokenizer", "--labels", "label")
    return path


def has_answer(client):
    return bool(select.select([client.socket], [], [], 0)[0])


def test_searches_keep_nobody_else_waiting(shared_daemon, many, data):
    clients = [Client(shared_daemon.socket, timeout=300) for _ in range(5)]
    seqs = [c.send("leaks", name="many", similarity=0.55 + i / 100) for i, c in enumerate(clients)]
    other = Client(shared_daemon.socket)
    for fold_seed in range(5):  # none of them is there yet
        assert other.call("folds", name="many", plan={"fold_seed": fold_seed})["rows"] == 4_000
    assert sum(map(has_answer, clients)) < 5
    for c, seq in zip(clients, seqs):
        assert c.answer(seq)["rows"] == 4_000
        c.close()
    other.close()


def test_plans_of_duplicates_wait_for_their_search(shared_daemon, many):
    clients = [Client(shared_daemon.socket, timeout=300) for _ in range(6)]
    plan = {"duplicates": 0.81}
    seqs = [c.send("folds", name="many", plan=plan) for c in clients[:3]]
    seqs += [c.send("stream.open", name="many", plan=plan, fold=0, split="val") for c in clients[3:]]
    answers = [c.answer(seq) for c, seq in zip(clients, seqs)]
    assert all(answer["folds"] == answers[0]["folds"] for answer in answers[:3])
    assert {answer["rows"] for answer in answers[3:]} == {answers[0]["folds"][0]["val"]["rows"]}
    for c in clients:
        c.close()


def test_a_client_that_leaves_its_search_does_no_harm(shared_daemon, many):
    for similarity in (0.61, 0.62, 0.63):
        c = Client(shared_daemon.socket)
        c.send("leaks", name="many", similarity=similarity)
        c.close()
    c = Client(shared_daemon.socket, timeout=300)
    assert c.call("leaks", name="many", similarity=0.999)["rows"] == 4_000
    c.close()


def test_a_daemon_ends_in_the_middle_of_a_search(tmp_path, demo):
    (tmp_path / "conf").write_text("[daemon]\nlog_level = debug\nsearch_duplicates = no\n")
    daemon = Daemon(tmp_path, "--config", str(tmp_path / "conf")).start()
    many = write_many(tmp_path / "many.csv", 20_000)
    daemon.run("ingest", "many", many, "--tokenizer", demo / "tokenizer", "--labels", "label")
    c = Client(daemon.socket)
    before = cpu_ticks(daemon)
    c.send("leaks", name="many", similarity=0.5)
    wait_for(lambda: cpu_ticks(daemon) >= before + 5, "it does not search")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 10
    assert "similarity 0.5" not in daemon.log.read_text()  # what is done is told there
    c.close()


# ---- the command


def test_the_command_tells_folds_duplicates_and_the_first_pairs(shared_daemon, data):
    answer = shared_daemon.json("leaks", "leaky")
    text = shared_daemon.run("leaks", "leaky").stdout
    lines = text.splitlines()
    assert lines[0].startswith("leaky@") and "in 5 folds, stratified, fold seed 42" in lines[0]
    assert lines[2].split() == "fold val rows leaking exact same near other label".split()
    for line, fold in zip(lines[3:8], answer["folds"]):
        numbers = [w for w in line.split() if "(" not in w and w not in "%)"]
        assert [int(n) for n in numbers if n.isdigit()] == [
            fold[key] for key in ("fold", "val_rows", "leaking", "exact", "same", "near", "conflicting")
        ]
    assert lines[8].split()[0] == "all"
    at = next(i for i, line in enumerate(lines) if "train row" in line)
    assert f"the first 10 of {answer['total']}" in lines[at - 1]
    for line, pair in zip(lines[at + 1 : at + 11], answer["pairs"]):
        assert [int(w) for w in line.split()[:5]] == [pair[k] for k in ("fold", "row", "line", "of_row", "of_line")]
        assert pair["how"] in line and ("other" in line) == pair["conflict"]
    assert "hsfeed folds leaky --group duplicates\n" in text
    assert all(len(line) <= 100 for line in lines)
    assert not any(word in text for word in data["comment"][0].split(" ") if len(word) > 4)  # never a text


def test_the_command_prints_all_pairs(shared_daemon, data):
    plan = ["--folds", "3", "--kind", "plain"]
    answer = shared_daemon.json("leaks", "leaky", *plan)
    assert shared_daemon.lines("leaks", "leaky", *plan, "--pairs", "--json") == answer["pairs"]
    table = shared_daemon.run("leaks", "leaky", *plan, "--pairs").stdout.splitlines()
    assert [int(line.split()[1]) for line in table[1:]] == [pair["row"] for pair in answer["pairs"]]


@pytest.mark.parametrize("pairs", [[], ["--pairs"], ["--pairs", "--json"], ["--json"]])
def test_the_command_fails_on_a_leak_where_that_is_asked_for(shared_daemon, data, pairs):
    assert shared_daemon.run("leaks", "leaky", *pairs).returncode == 0
    assert shared_daemon.run("leaks", "leaky", "--fail-on-leak", *pairs, check=False).returncode == 1
    grouped = ["--group", "duplicates", "--fail-on-leak", *pairs]
    assert shared_daemon.run("leaks", "leaky", *grouped).returncode == 0


def test_the_commands_similarity_is_also_that_of_the_plan(shared_daemon, data):
    loose = shared_daemon.json("leaks", "leaky", "--similarity", "0.6")
    assert loose["similarity"] == 0.6 and "duplicates" not in loose["plan"] and loose["total"] > 0
    both = shared_daemon.json("leaks", "leaky", "--group", "duplicates", "--similarity", "0.6")
    assert both["similarity"] == both["plan"]["duplicates"] == 0.6 and both["total"] == 0
    shared_daemon.run("folds", "leaky", "--plan", "apart", "--group", "duplicates")
    saved = shared_daemon.json("leaks", "leaky", "--plan", "apart", "--similarity", "0.6")
    assert saved["similarity"] == 0.6 and saved["plan"]["duplicates"] == 0.8 and saved["total"] > 0
    remedy = shared_daemon.run("leaks", "leaky", "--similarity", "0.6", "--kind", "holdout").stdout
    assert "--group duplicates --similarity 0.6" in remedy and "not holdout" in remedy


@pytest.mark.parametrize(
    "args, code, words",
    [
        (["leaky", "--similarity", "0.4"], 2, "from 0.5 to 1"),
        (["leaky", "--similarity", "no"], 2, "decimal number"),
        (["nobody"], 1, "nobody"),
        (["leaky", "--folds", "1000"], 1, "n_splits=1000"),
        ([], 2, "leaks"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(shared_daemon, data, args, code, words):
    done = shared_daemon.run("leaks", *args, check=False)
    assert done.returncode == code and words in done.stderr and done.stdout == ""



REAL = {
    "bn_cyberbully_multilabel.csv": ("comment", "bully,sexual,religious,threat,spam", 2225),
    "bn_hatespeech.csv": ("Comments", "HateSpeech", 540),
}


@pytest.mark.parametrize("file", REAL)
def test_real_files_leak_until_duplicates_stay_together(shared_daemon, shared, demo, file):
    text, labels, repeated = REAL[file]
    name = file.split(".")[0]
    shared_daemon.run("ingest", name, shared / "data/csv" / file, "--text", text, "--labels", labels, "--tokenizer",
                      demo / "tokenizer")  # fmt: skip
    c = Client(shared_daemon.socket, timeout=300)
    before = c.call("leaks", name=name)
    after = c.call("leaks", name=name, plan={"duplicates": THRESHOLD})
    sums = before["duplicates"]
    assert sums["exact_rows"] == repeated and sums["unlisted"] == sums["uncompared"] == 0
    assert before["total"] == sum(f["leaking"] for f in before["folds"]) > repeated
    assert sum(f["exact"] for f in before["folds"]) > repeated / 2  # most of them lie in different folds
    assert after["total"] == 0 and after["duplicates"] == sums
    folds = c.call("folds", name=name, plan={"duplicates": THRESHOLD})
    c.close()
    groups, rows = folds["groups"], [f["val"]["rows"] for f in folds["folds"]]
    assert groups["largest"] == sums["largest"] and groups["rows_in_groups"] == sums["rows_in_groups"]
    assert max(rows) - min(rows) == groups["size_gap"] <= groups["size_bound"]
    assert groups["label_gap"] <= groups["label_bound"] <= sums["largest"] * 2
