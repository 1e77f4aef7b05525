# SPDX-License-Identifier: Apache-2.0
"""lengths, weights, folds and estimate of the real daemon against numpy, scikit-learn, brute force over `rows`, and
the batches of real streams."""
import collections
import csv
import pathlib
import random
import struct
import sys

import pytest

np = pytest.importorskip("numpy")
class_weight = pytest.importorskip("sklearn.utils.class_weight")

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "blackbox"))
from conftest import SHARED, Daemon, need_binaries  # noqa: E402
from protoclient import Client, Refused  # noqa: E402

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] sun moon star rain wind sea hill".split()
CONFIG = '{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}'
LEFT = CONFIG[:-1] + ', "padding_side": "left", "truncation_side": "left"}'
ROWS = 700
SPECIALS = 2


def write_datasets(folder):
    rng = random.Random(5)
    rows = []
    for i in range(ROWS):
        words = rng.choices(WORDS[5:], k=1 + int(rng.expovariate(1 / 12)))
        rare = int(i < 3)  # three rows: some folds validate none
        bits = [int(rng.random() < p) for p in (0.3, 0.05, 0.6)]
        rows.append({"comment": " ".join(words), "a": bits[0], "b": bits[1], "c": bits[2] | bits[0], "rare": rare,
                     "zero": 0, "kind": rng.choices(["x", "y", "z"], [6, 3, 1])[0], "score": rng.randrange(4) / 2,
                     "part": rng.randrange(-1, 3), "writer": rng.randrange(60)})
    with open(folder / "rows.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    (folder / "right.json").write_text(CONFIG)
    (folder / "left.json").write_text(LEFT)
    return rows


DATASETS = {"one": ["a"], "many": ["a", "b", "c"], "odd": ["a", "rare", "zero"], "classes": ["kind"], "bare": [],
            "numbers": ["a", "score"]}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    need_binaries()
    folder = tmp_path_factory.mktemp("statistics")
    write_datasets(folder)
    d = Daemon(folder).start()
    c = Client(d.socket, timeout=120)
    for name, labels in DATASETS.items():
        files = lambda config: {"vocab.txt": c.attach(folder / "vocab.txt"),  # noqa: E731
                                "tokenizer_config.json": c.attach(folder / config)}
        c.call("ingest", name=name, source=c.attach(folder / "rows.csv"), file_name="rows.csv",
               options={"labels": labels, "text_column": "comment"},
               tokenizers=[{"role": "text", "name": "tiny", "files": files("right.json")},
                           {"role": "other", "name": "tiny", "normalize": "nfc", "files": files("left.json")}])
    c.close()
    yield d
    code = d.stop()
    assert code == 0, f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


@pytest.fixture
def client(daemon):
    c = Client(daemon.socket, timeout=120)
    yield c
    c.close()


def refused(client, code, method, **params):
    with pytest.raises(Refused) as e:
        client.call(method, **params)
    assert e.value.code == code, e.value
    return e.value.message


def read_rows(client, name, role=None):
    """(lengths with special tokens, labels [rows, columns] or classes [rows]) from the pages of `rows`."""
    lengths, labels, start = [], [], 0
    while start is not None:
        page = client.call("rows", name=name, start=start, count=1 << 20, **({"role": role} if role else {}))
        lengths.append(np.diff(np.frombuffer(page["offsets"], "<u4").astype(np.int64)) + SPECIALS)
        kind = "<f4" if page["label_dtype"] == "float32" else "<i8"
        labels.append(np.frombuffer(page["labels"], kind).reshape(page["count"], -1))
        start = page.get("next")
    return np.concatenate(lengths), np.concatenate(labels)


def fold_rows(client, name, plan, fold, split):
    reply = client.call("folds.rows", name=name, plan=plan, fold=fold, split=split, start=0, count=1 << 20)
    return np.frombuffer(reply["rows"], "<i8")


# ---- lengths


def check_lengths(reply, lengths, cuts):
    n = len(lengths)
    assert (reply["rows"], reply["tokens"], reply["min"], reply["max"]) == (n, lengths.sum(), lengths.min(),
                                                                           lengths.max())
    assert reply["mean"] == lengths.sum() / n and reply["specials"] == SPECIALS
    assert [p for p, _ in reply["percentiles"]] == [50, 75, 90, 95, 99, 99.9]
    for p, length in reply["percentiles"]:
        fits = [value for value in np.unique(lengths) if 1000 * (lengths <= value).sum() >= round(10 * p) * n]
        assert length == fits[0]
        assert length == np.percentile(lengths, p, method="inverted_cdf")
    width, counts = reply["histogram"]["width"], reply["histogram"]["counts"]
    assert counts == np.bincount(lengths // width, minlength=lengths.max() // width + 1).tolist()
    assert len(counts) <= 1024 and (width == 1 or lengths.max() >= 512 * width)
    assert [c["max_length"] for c in reply["cuts"]] == list(cuts)
    for cut in reply["cuts"]:
        most = cut["max_length"]
        kept = np.minimum(lengths, most).sum()
        assert cut["truncated_rows"] == (lengths > most).sum() and cut["kept_tokens"] == kept
        assert cut["lost_tokens"] == lengths.sum() - kept
        assert cut["padding_share"] == (n * most - kept) / (n * most)


def test_lengths_equal_a_count_over_rows(client):
    lengths, _ = read_rows(client, "one")
    check_lengths(client.call("lengths", name="one"), lengths, [64, 128, 256, 512])
    rng = random.Random(1)
    for _ in range(30):
        cuts = [rng.randrange(2, 90) for _ in range(rng.randrange(5))]
        reply = client.call("lengths", name="many", role="other", max_lengths=cuts)
        assert reply["role"] == "other" and reply["tokenizer"] == "tiny"
        check_lengths(reply, lengths, cuts)


def test_lengths_refuses_what_a_stream_would(client):
    assert "2 (the special tokens)" in refused(client, "bad_request", "lengths", name="one", max_lengths=[64, 1])
    refused(client, "bad_request", "lengths", name="one", max_lengths=[(1 << 20) + 1])
    refused(client, "bad_request", "lengths", name="one", max_lengths=[0])
    refused(client, "bad_request", "lengths", name="one", max_lengths=["64"])
    refused(client, "bad_request", "lengths", name="one", max_lengths=64)
    refused(client, "limit", "lengths", name="one", max_lengths=[64] * 65)
    refused(client, "not_found", "lengths", name="one", role="none")
    refused(client, "not_found", "lengths", name="none")


def test_a_histogram_of_long_texts_has_wider_buckets(client, tmp_path):
    texts = ["sun " * n for n in (1, 5, 30_000, 4_095, 4_096, 70)]
    (tmp_path / "long.csv").write_text("comment\n" + "".join(t + "\n" for t in texts))
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    files = {"vocab.txt": client.attach(tmp_path / "vocab.txt")}
    client.call("ingest", name="long", source=client.attach(tmp_path / "long.csv"), file_name="long.csv",
                options={"labels": []}, tokenizers=[{"role": "text", "name": "t", "files": files}])
    lengths = np.array([len(t.split()) + SPECIALS for t in texts])
    reply = client.call("lengths", name="long")
    check_lengths(reply, lengths, [64, 128, 256, 512])
    assert reply["histogram"]["width"] == 32


# ---- weights


def expected_weight(positives, negatives, scheme, beta=0.9999, cap=None, normalize=False):
    """data.py's formula and its variants, in float64, rounded at the end."""
    pos, neg = np.float64(positives), np.float64(negatives)
    effective = lambda n: (1 - beta) / (1 - np.power(np.float64(beta), n))  # noqa: E731
    if pos == 0:
        weight = np.float64(1)
    elif scheme == "effective":
        weight = effective(pos) if not normalize else np.float64(0) if neg == 0 else effective(pos) / effective(neg)
    else:
        weight = {"ratio": lambda x: x, "sqrt": np.sqrt, "log": np.log1p}[scheme](neg / pos)
    return np.float32(weight if cap is None else min(weight, cap))


def check_weights(reply, labels, options):
    scheme = options.get("scheme", "ratio")
    pooled = options.get("pooled", False)
    counts = labels.sum(axis=0, dtype=np.float64)
    rows = np.full(len(counts), float(len(labels)))
    if pooled:
        counts, rows = counts.sum(keepdims=True), rows.sum(keepdims=True)
    assert reply["scheme"] == scheme and reply["rows"] == len(labels) and reply["pooled"] is pooled
    more = {key: options[key] for key in ("beta", "cap", "normalize") if key in options}
    assert len(reply["weights"]) == len(counts)
    for entry, pos, of in zip(reply["weights"], counts, rows):
        assert (entry["positives"], entry["negatives"], entry["value"]) == (pos, of - pos, "1")
        want = expected_weight(pos, of - pos, scheme, **more)
        assert struct.pack("<d", entry["weight"]) == struct.pack("<d", float(want))


@pytest.mark.parametrize("name", ["one", "many", "odd"])
def test_weights_equal_numpys_to_the_last_bit(client, name):
    _, labels = read_rows(client, name)
    rng = random.Random(name)
    for _ in range(40):
        plan = rng.choice([{"kind": "plain", "folds": n} for n in (2, 5, 100)] + PLANS)
        fold = rng.randrange(plan.get("folds", 1))
        options = {"scheme": rng.choice(["ratio", "sqrt", "log", "effective"])} if rng.random() < 0.9 else {}
        if options.get("scheme") == "effective":
            options |= {"beta": rng.choice([0.0, 0.9, 0.999, 0.9999999])} if rng.random() < 0.7 else {}
            options |= {"normalize": True} if rng.random() < 0.5 else {}
        options |= {"cap": rng.choice([0.25, 1, 3.3, 10.0])} if rng.random() < 0.4 else {}
        options |= {"pooled": True} if rng.random() < 0.3 else {}
        reply = client.call("weights", name=name, plan=plan, fold=fold, **options)
        check_weights(reply, labels[fold_rows(client, name, plan, fold, "train")], options)
        names = [""] if options.get("pooled") else DATASETS[name]
        assert [w["label"] for w in reply["weights"]] == names and reply["fold"] == fold


def test_balanced_weights_equal_scikit_learns(client):
    _, classes = read_rows(client, "classes")
    _, binary = read_rows(client, "one")
    for fold in range(5):
        for name, values, more in (("classes", classes, {}), ("one", binary, {"scheme": "balanced"})):
            train = values[fold_rows(client, name, {}, fold, "train")].ravel()
            reply = client.call("weights", name=name, fold=fold, **more)
            want = class_weight.compute_class_weight("balanced", classes=np.unique(values), y=train)
            assert [w["weight"] for w in reply["weights"]] == [float(np.float32(w)) for w in want]
            assert [w["value"] for w in reply["weights"]] == (["x", "y", "z"] if name == "classes" else ["0", "1"])
            assert [w["positives"] for w in reply["weights"]] == [(train == v).sum() for v in np.unique(values)]
            assert reply["scheme"] == "balanced" and {w["label"] for w in reply["weights"]} == set(DATASETS[name])
    capped = client.call("weights", name="classes", fold=0, cap=1.5)["weights"]
    full = client.call("weights", name="classes", fold=0)["weights"]
    assert [w["weight"] for w in capped] == [min(w["weight"], 1.5) for w in full] and full[2]["weight"] > 1.5


def test_weights_refuses_what_has_no_meaning_and_says_what_does(client):
    assert "counted from 0" in refused(client, "bad_request", "weights", name="one", fold=5)
    refused(client, "bad_request", "weights", name="one")
    assert "ratio" in refused(client, "bad_request", "weights", name="many", fold=0, scheme="balanced")
    assert "takes balanced" in refused(client, "bad_request", "weights", name="classes", fold=0, scheme="sqrt")
    refused(client, "bad_request", "weights", name="classes", fold=0, pooled=True)
    refused(client, "bad_request", "weights", name="one", fold=0, scheme="balanced", normalize=True)
    refused(client, "bad_request", "weights", name="one", fold=0, normalize=True)
    refused(client, "bad_request", "weights", name="one", fold=0, beta=0.5)
    for beta in (1.0, -0.1, float("nan"), float("inf")):
        refused(client, "bad_request", "weights", name="one", fold=0, scheme="effective", beta=beta)
    for cap in (0, -1.5, float("inf")):
        refused(client, "bad_request", "weights", name="one", fold=0, cap=cap)
    refused(client, "bad_request", "weights", name="one", fold=0, scheme="best")
    assert "score" in refused(client, "bad_label", "weights", name="numbers", fold=0, plan={"kind": "plain"})
    refused(client, "bad_label", "weights", name="bare", fold=0)


def test_weights_warns_of_labels_without_positives_and_of_tiny_numbers(client):
    reply = client.call("weights", name="odd", fold=0, plan={"kind": "plain"})
    assert any("zero" in w and "weight is 1" in w for w in reply["warnings"])
    assert client.call("weights", name="one", fold=0)["warnings"] == []
    tiny = client.call("weights", name="one", fold=0, scheme="effective")
    assert any("normalize" in w for w in tiny["warnings"]) and tiny["beta"] == 0.9999
    assert client.call("weights", name="one", fold=0, scheme="effective", normalize=True)["warnings"] == []


# ---- the fold table


def shares(values, combination):
    return sum(v == combination for v in values) / len(values)


def check_part(part, rows, labels, lengths, max_length):
    assert part["rows"] == len(rows)
    assert part["tokens"] == lengths[rows].sum() and part["truncated_rows"] == (lengths[rows] > max_length).sum()
    kept = np.minimum(lengths[rows], max_length).sum()
    assert part["padding_share"] == pytest.approx((len(rows) * max_length - kept) / (len(rows) * max_length), abs=1e-15)


def check_fold(fold, labels, train, val, info):
    """Drift and deviation by numpy, over the used rows."""
    used = np.concatenate([train, val])
    every = collections.Counter(map(tuple, labels[used].tolist()))
    here = collections.Counter(map(tuple, labels[val].tolist()))
    drift = sum(abs(here[c] / len(val) - n / len(used)) for c, n in every.items()) / 2
    assert fold["drift"] == pytest.approx(drift, abs=1e-12) and 0 <= fold["drift"] <= 1
    best = None
    for column, label in enumerate(info):
        for value, text in enumerate(label["values"]):
            if label["type"] == "float" and value == 0:
                continue
            of = labels[:, column] == value
            pair = (of[val].mean(), of[used].mean())
            if best is None or abs(pair[0] - pair[1]) > abs(best[2] - best[3]) + 1e-15:
                best = (label["name"], text, *pair)
    if best is None:
        assert fold["deviation"] is None
        return
    got = fold["deviation"]
    assert abs(got["val"] - got["all"]) == pytest.approx(abs(best[2] - best[3]), abs=1e-12)
    assert (got["label"], got["value"]) == best[:2]
    assert (got["val"], got["all"]) == pytest.approx(best[2:], abs=1e-12)


PLANS = [{"kind": "holdout", "test_size": 0.25, "train_size": 100}, {"kind": "predefined", "column": "part"},
         {"kind": "group", "group": "writer"}, {"kind": "plain", "folds": 2}, {"kind": "plain", "folds": 50},
         {"kind": "plain", "shuffle": False}]


@pytest.mark.parametrize("name", list(DATASETS))
def test_the_fold_table_equals_numpys(client, name):
    lengths, labels = read_rows(client, name)
    rng = random.Random(name)
    for plan in PLANS:
        max_length = rng.randrange(2, 60)
        table = client.call("folds", name=name, plan=plan, max_length=max_length, role=rng.choice(["text", "other"]))
        assert table["rows"] == ROWS and table["max_length"] == max_length
        assert table["used_rows"] == (275 if plan["kind"] == "holdout" else ROWS)
        for fold in table["folds"]:
            train, val = (fold_rows(client, name, plan, fold["fold"], split) for split in ("train", "val"))
            check_part(fold["train"], train, labels, lengths, max_length)
            check_part(fold["val"], val, labels, lengths, max_length)
            check_fold(fold, labels, train, val, table["labels"])
            assert len(fold["weights"]) == len(DATASETS[name])


def test_groups_are_told_where_a_plan_keeps_them(client):
    assert "groups" not in client.call("folds", name="one")
    with_column = client.call("folds", name="one", plan={"kind": "group", "group": "writer"})
    sizes = [f["val"]["rows"] for f in with_column["folds"]]
    groups = with_column["groups"]
    assert groups["count"] == 60 and groups["size_gap"] == max(sizes) - min(sizes)
    assert groups["size_bound"] is None and groups["label_bound"] is None
    duplicates = client.call("folds", name="one", plan={"kind": "stratified", "duplicates": 0.9})
    groups, folds = duplicates["groups"], duplicates["folds"]
    assert 1 < groups["largest"] <= groups["rows_in_groups"] < ROWS
    for i in (0, 1):
        counts = [f["val"]["counts"][0][i] for f in folds]
        assert max(counts) - min(counts) <= groups["label_gap"] <= groups["label_bound"]
    sizes = [f["val"]["rows"] for f in folds]
    assert max(sizes) - min(sizes) == groups["size_gap"] <= groups["size_bound"]


def test_the_weights_of_the_table_are_those_of_the_method(client):
    for name in ("one", "many", "odd", "classes"):
        table = client.call("folds", name=name, plan={"kind": "plain"})
        for fold in table["folds"]:
            weights = [w["weight"] for w in client.call("weights", name=name, plan={"kind": "plain"},
                                                        fold=fold["fold"])["weights"]]
            assert [w for column in fold["weights"] for w in column] == weights
    numbers = client.call("folds", name="numbers", plan={"kind": "plain"})["folds"][0]
    assert len(numbers["weights"][0]) == 1 and numbers["weights"][1] == []


def test_folds_that_are_each_a_run_of_one_label_drift_far(client, tmp_path):
    (tmp_path / "sorted.csv").write_text("comment,label\n" + "".join(f"sun,{i // 50}\n" for i in range(100)))
    client.call("ingest", name="sorted", source=client.attach(tmp_path / "sorted.csv"), file_name="sorted.csv",
                options={"labels": ["label"]}, tokenizers=[])
    table = client.call("folds", name="sorted", plan={"kind": "plain", "shuffle": False, "folds": 2})
    assert [f["drift"] for f in table["folds"]] == [0.5, 0.5]
    assert table["folds"][0]["deviation"] == {"label": "label", "value": "1", "val": 0.0, "all": 0.5}
    assert "tokens" not in table["folds"][0]["val"] and "max_length" not in table  # it has no encoding
    assert table["folds"][0]["weights"] == [[0.0]] and table["folds"][1]["weights"] == [[1.0]]
    even = client.call("folds", name="sorted", plan={"folds": 2})
    assert [f["drift"] for f in even["folds"]] == [0.0, 0.0]


def test_many_columns_and_odd_numbers_are_combined_too(client, tmp_path):
    """More 0/1 columns than a class number has bits for, and numbers that are not 0 and 1."""
    rng = random.Random(8)
    names = [f"l{i}" for i in range(20)]
    rows = [[rng.randrange(2) if rng.random() < 0.2 else i % 2 for i in range(20)] for _ in range(90)]
    (tmp_path / "wide.csv").write_text("comment," + ",".join(names) + "\n" +
                                       "".join("sun," + ",".join(map(str, r)) + "\n" for r in rows))
    client.call("ingest", name="wide", source=client.attach(tmp_path / "wide.csv"), file_name="wide.csv",
                options={"labels": names}, tokenizers=[])
    for name, labels in (("wide", np.array(rows, np.float32)), ("numbers", read_rows(client, "numbers")[1])):
        table = client.call("folds", name=name, plan={"kind": "plain", "folds": 3})
        for fold in table["folds"]:
            train, val = (fold_rows(client, name, {"kind": "plain", "folds": 3}, fold["fold"], s)
                          for s in ("train", "val"))
            check_fold(fold, labels, train, val, table["labels"])


def test_a_table_too_large_for_all_figures_keeps_rows_and_counts(client, tmp_path):
    rows = 40_000
    (tmp_path / "big.csv").write_text("comment,label\n" + "".join(f"sun,{i % 2}\n" for i in range(rows)))
    client.call("ingest", name="big", source=client.attach(tmp_path / "big.csv"), file_name="big.csv",
                options={"labels": ["label"]}, tokenizers=[])
    table = client.call("folds", name="big", plan={"kind": "plain", "folds": 30_000})
    assert set(table["folds"][0]) == {"fold", "train", "val"} and len(table["folds"]) == 30_000
    assert any("no room" in w for w in table["warnings"])
    assert client.call("folds", name="big", plan={"kind": "plain", "folds": 15_000})["folds"][0]["drift"] > 0


# ---- estimate


def stream_sums(daemon, world, request):
    """What the streams of all ranks really hold: {samples, batches of rank 0, per role real, places, ...}."""
    sums = collections.Counter()
    indexes = []
    for rank in range(world):
        c = Client(daemon.socket, timeout=120)
        opened = c.call("stream.open", rank=rank, world=world, slots=4, dtype="int32", **request)
        arrays = opened["arrays"]
        for _ in range(opened["batches"]):
            batch = c.notice("stream.batch")
            sums["batches"] += rank == 0
            sums["samples"] += batch["rows"]
            at = 0
            for a in arrays:
                columns = batch["lengths"][a["role"]] if a["role"] is not None else a["columns"]
                size = 8 if a["dtype"] == "int64" else 4
                data = batch["data"][at:at + batch["rows"] * columns * size]
                at += (len(data) + 63) // 64 * 64
                if a["name"].endswith("attention_mask"):
                    mask = np.frombuffer(data, "<i4")
                    sums["real", a["role"]] += int(mask.sum())
                    sums["places", a["role"]] += len(mask)
                if a["name"] == "index":
                    indexes.append(np.frombuffer(data, "<i8"))
            c.notify("stream.release", stream=opened["stream"], fills=[[batch["slot"], batch["fill"]]])
        assert c.notice("stream.end")["epoch"] == request["epoch"]
        c.close()
    return sums, np.concatenate(indexes) if indexes else np.zeros(0, np.int64)


def check_estimate(part, sums, index, lengths, roles, rows):
    assert part["rows"] == rows and part["batches"] == sums["batches"] and part["samples"] == sums["samples"]
    assert [r["role"] for r in part["roles"]] == roles
    for i, role in enumerate(part["roles"]):
        assert role["real_tokens"] == sums["real", i] and role["padded_tokens"] == sums["places", i]
        share = 1 - role["real_tokens"] / role["padded_tokens"] if role["padded_tokens"] else 0
        assert role["padding_share"] == pytest.approx(share, abs=1e-12)
        cut = lengths[index] - role["max_length"]
        assert role["truncated_rows"] == (cut > 0).sum() and role["lost_tokens"] == cut[cut > 0].sum()


def random_options(rng):
    roles = rng.choice([["text"], ["other"], ["other", "text"]])
    options = {"roles": roles, "batch_size": rng.choice([1, 7, 32, 1000]), "epoch": rng.randrange(3),
               "padding": rng.choice(["max_length", "longest", rng.randrange(1, 20)]),
               "max_length": rng.choice([rng.randrange(2, 70), {role: rng.randrange(2, 70) for role in roles}]),
               "drop_last": rng.random() < 0.3}
    if rng.random() < 0.4:
        options["order"] = rng.choice(["shuffle", "sequential"])
    if rng.random() < 0.4:
        options["shard"] = rng.choice(["pad", "drop", "exact"])
    if rng.random() < 0.4:
        options["seed"] = rng.randrange(1 << 40)
    return options


def test_an_estimate_is_what_the_streams_hold(client, daemon):
    lengths, _ = read_rows(client, "many")
    rng = random.Random(77)
    for _ in range(25):
        options, world = random_options(rng), rng.choice([1, 1, 2, 3])
        plan = rng.choice([{"kind": "plain", "folds": 2}, {"kind": "plain", "folds": 7}, *PLANS[:3]])
        fold = rng.randrange(plan.get("folds", 1))
        reply = client.call("estimate", name="many", plan=plan, fold=fold, world=world, **options)
        assert [f["fold"] for f in reply["folds"]] == [fold] and reply["plan"]["kind"] == plan["kind"]
        assert (reply["epoch"], reply["world"]) == (options["epoch"], world) and reply["padding"] == options["padding"]
        for split in ("train", "val", "all"):
            request = {"name": "many", "split": split, **options}
            if split != "all":
                request |= {"plan": plan, "fold": fold}
            sums, index = stream_sums(daemon, world, request)
            part = reply["all"] if split == "all" else reply["folds"][0][split]
            rows = ROWS if split == "all" else len(fold_rows(client, "many", plan, fold, split))
            check_estimate(part, sums, index, lengths, options["roles"], rows)


def test_an_estimate_without_fold_is_of_every_fold(client):
    whole = client.call("estimate", name="one", padding="longest")
    assert [f["fold"] for f in whole["folds"]] == [0, 1, 2, 3, 4] and whole["batch_size"] == 32
    for f in whole["folds"]:
        one = client.call("estimate", name="one", padding="longest", fold=f["fold"])
        assert one["folds"] == [f] and one["all"] == whole["all"]
        assert (f["train"]["order"], f["train"]["shard"]) == ("shuffle", "pad")
        assert (f["val"]["order"], f["val"]["shard"]) == ("sequential", "exact")
    bare = client.call("estimate", name="bare", fold=0)
    assert bare["plan"]["kind"] == "plain"


def test_estimate_refuses_what_streams_refuse_and_what_is_too_much(client):
    refused(client, "bad_request", "estimate", name="one", fold=5)
    refused(client, "bad_request", "estimate", name="one", fold=0, max_length=1)
    refused(client, "bad_request", "estimate", name="one", fold=0, max_length={"other": 5})
    refused(client, "bad_request", "estimate", name="one", fold=0, roles=["text", "text"])
    refused(client, "bad_request", "estimate", name="one", fold=0, batch_size=65_537)
    refused(client, "bad_request", "estimate", name="one", fold=0, split="train")
    refused(client, "not_found", "estimate", name="one", fold=0, roles=["none"])
    assert "65536" in refused(client, "limit", "estimate", name="one", fold=0, world=65_537)
    assert "work" in refused(client, "limit", "estimate", name="many", plan={"kind": "plain", "folds": 700},
                             world=65_536 * 8)
    ranks = client.call("estimate", name="one", fold=0, world=65_536)
    assert ranks["folds"][0]["train"]["samples"] == 65_536 and ranks["folds"][0]["val"]["samples"] == ROWS // 5


def test_a_saved_plan_is_taken_by_its_name(client):
    options = {"kind": "plain", "folds": 3, "fold_seed": 9}
    client.call("plan.save", name="one", plan="thirds", options=options)
    for method, more in (("folds", {}), ("weights", {"fold": 2}), ("estimate", {"fold": 1})):
        named = client.call(method, name="one", plan={"name": "thirds"}, **more)
        assert named == client.call(method, name="one", plan=options, **more) and named["plan"]["folds"] == 3
        assert "thirds" in refused(client, "not_found", method, name="many", plan={"name": "thirds"}, **more)


# ---- real data


def test_lengths_and_weights_of_real_data(client):
    data = SHARED / "data"
    if not (data / "csv" / "bn_44k.csv").is_file():
        pytest.skip(f"no real data at {SHARED}")
    folder = data / "tokenizers" / "banglabert"
    files = {f.name: client.attach(f) for f in folder.iterdir() if f.name in (
        "tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")}
    client.call("ingest", name="real", source=client.attach(data / "csv" / "bn_44k.csv"), file_name="bn_44k.csv",
                options={"labels": ["HateSpeech"]}, tokenizers=[{"role": "text", "name": "b", "files": files}])
    lengths, labels = read_rows(client, "real")
    check_lengths(client.call("lengths", name="real"), lengths, [64, 128, 256, 512])
    table = client.call("folds", name="real")
    for fold in range(5):
        train = fold_rows(client, "real", {}, fold, "train")
        val = fold_rows(client, "real", {}, fold, "val")
        for options in ({}, {"scheme": "sqrt"}, {"scheme": "log"}, {"scheme": "effective", "normalize": True}):
            check_weights(client.call("weights", name="real", fold=fold, **options), labels[train], options)
        check_part(table["folds"][fold]["val"], val, labels, lengths, 128)
        check_fold(table["folds"][fold], labels, train, val, table["labels"])
