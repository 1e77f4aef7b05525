# SPDX-License-Identifier: Apache-2.0
"""Attached arrays over the protocol: what is taken and what is refused, what vanishing clients leave, who sees what,
and the rows of every order and rank."""
import math
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

np = pytest.importorskip("numpy")

from conftest import HSFEEDD, Daemon, without_searches
from jobs import jobs, stop, wait_for_no_job
from protoclient import Client, Refused

ROWS, COLUMNS = 700, 3
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] row is good 0 1 2 ##0 ##1 ##2 ##3 ##4 ##5 ##6 ##7 ##8 ##9".split()


def rows(n):
    return "comment,label\n" + "".join(f"row {i} is good,{i % 2}\n" for i in range(n))


@pytest.fixture
def daemon(tmp_path):
    if not HSFEEDD.exists():
        pytest.fail(f"no {HSFEEDD}: build first, or set HSFEED_BUILD_DIR")
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    d = Daemon(tmp_path, *without_searches(tmp_path)).start()
    d.folder = tmp_path
    yield d
    code = d.stop()
    assert code in (None, 0), f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


@pytest.fixture
def client(daemon):
    c = Client(daemon.socket, timeout=300)
    ingest(c, daemon)
    yield c
    c.close()


def ingest(client, daemon, name="hate", n=ROWS):
    path = daemon.folder / f"{name}.csv"
    path.write_text(rows(n))
    return client.call("ingest", name=name, source=client.attach(path), file_name=path.name,
                       options={"labels": ["label"]},
                       tokenizers=[{"role": "text", "name": "tiny",
                                    "files": {"vocab.txt": client.attach(daemon.folder / "vocab.txt")}}])


def handle(client, data, name="values"):
    fd = os.memfd_create("values")
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(data)
        return client.call("file.attach", [fd], name=name)["handle"]
    finally:
        os.close(fd)


def send_attach(client, values, name="hate", array="logits", **keys):
    values = np.ascontiguousarray(values)
    keys = {"dtype": values.dtype.name, "shape": list(values.shape), **keys}
    return client.send("attach", name=name, array=array, source=handle(client, values.tobytes()), **keys)


def attach(client, values, name="hate", array="logits", **keys):
    return client.answer(send_attach(client, values, name, array, **keys))


def refused(code, part, call):
    with pytest.raises(Refused) as e:
        call()
    assert e.value.code == code and part in e.value.message, e.value
    return e.value


def values(n=ROWS, columns=COLUMNS, seed=0):
    return np.random.default_rng(seed).standard_normal((n, columns)).astype(np.float32)


def files(daemon):
    folder = daemon.state / "arrays" / str(os.getuid())
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def settled(daemon):
    """Nothing in tmp/, and a table beside every file."""
    deadline = time.monotonic() + 60
    while os.listdir(daemon.state / "tmp"):
        assert time.monotonic() < deadline, os.listdir(daemon.state / "tmp")
        time.sleep(0.01)
    names = files(daemon)
    assert [n for n in names if n.endswith(".crc")] == [n + ".crc" for n in names if n.endswith(".mdb")]
    return len(names) // 2


# ---- streams


def opened(client, **keys):
    """One epoch: the answer to the opening, and each batch's arrays by name."""
    answer = client.call("stream.open", name=keys.pop("name", "hate"), max_length=8, **keys)
    batches = []
    while True:
        kind, name, params = client.receive()
        assert kind == 2
        if params.get("stream") != answer["stream"]:
            client.notices.append([name, params])
            continue
        if name == "stream.end":
            break
        if name == "stream.batch":
            batches.append(arrays_of(answer, params))
            client.notify("stream.release", stream=answer["stream"], fills=[[params["slot"], params["fill"]]])
    client.call("stream.close", stream=answer["stream"])
    return answer, batches


DTYPES = {"int64": np.int64, "int32": np.int32, "float32": np.float32}


def arrays_of(answer, params):
    out, at = {}, 0
    for a in answer["arrays"]:
        width = a["columns"] if a["role"] is None else params["lengths"][a["role"]]
        shape = (params["rows"], width) if a["dims"] == 2 else (params["rows"],)
        dtype = np.dtype(DTYPES[a["dtype"]])
        count = math.prod(shape)
        out[a["name"]] = np.frombuffer(params["data"], dtype, count, at).reshape(shape)
        at = -(-(at + count * dtype.itemsize) // 64) * 64
    return out


@pytest.mark.parametrize("options", [
    {"split": "all"},
    {"split": "all", "order": "shuffle", "epoch": 3},
    {"split": "train", "fold": 1, "epoch": 2},
    {"split": "val", "fold": 4},
    {"split": "train", "fold": 0, "rank": 1, "world": 3, "batch_size": 7},
    {"split": "train", "fold": 0, "rank": 2, "world": 3, "shard": "drop", "drop_last": True},
    {"split": "val", "fold": 2, "rank": 1, "world": 2, "shard": "exact", "padding": "longest"},
    {"split": "train", "fold": 1, "at": 96, "dtype": "int32", "token_type_ids": True},
    {"split": "train", "fold": 0, "order": "length", "length_batch": 64, "epoch": 1},
    {"split": "train", "fold": 0, "rank": 1, "world": 3, "shard": "even", "batch_size": 7},
    {"split": "train", "fold": 0, "rank": 1, "world": 3, "shard": "batches", "batch_size": 7},
    {"split": "train", "fold": 0, "weight": {"label": 3}, "mask_rows": 0.5},
    {"split": "all", "order": "explicit"},
])
def test_rows_come_with_their_batch_in_every_order_and_rank(client, options):
    logits, score = values(), values(columns=1, seed=1)[:, 0]
    attach(client, logits)
    attach(client, score, array="score")
    if options.get("order") == "explicit":
        listed = np.random.default_rng(5).integers(0, ROWS, 1000)
        options = {**options, "rows": handle(client, listed.astype("<i8").tobytes())}
    answer, batches = opened(client, arrays=["score", "logits"], **options)
    names = [a["name"] for a in answer["arrays"]]
    own = ["labels", "weight"] if "weight" in options else ["labels"]
    assert names[-3 - len(own):] == [*own, "score", "logits", "index"]
    assert [(a["dtype"], a["dims"], a["columns"]) for a in answer["arrays"][-3:-1]] == [
        ("float32", 1, 1), ("float32", 2, COLUMNS)]
    assert answer["batches"] == len(batches) > 0
    if not options.get("drop_last"):
        assert sum(len(b["index"]) for b in batches) == answer["samples"]
    for batch in batches:
        np.testing.assert_array_equal(batch["logits"], logits[batch["index"]])
        np.testing.assert_array_equal(batch["score"], score[batch["index"]])
        np.testing.assert_array_equal(batch["labels"][:, 0], batch["index"] % 2)
    if "rows" in options:
        np.testing.assert_array_equal(np.concatenate([b["index"] for b in batches]), listed)


def test_streams_without_arrays_are_as_they_were(client):
    before, _ = opened(client, split="all")
    attach(client, values())
    after, _ = opened(client, split="all")
    assert before["arrays"] == after["arrays"] and before["slot_bytes"] == after["slot_bytes"]
    assert before["attached"] == after["attached"] == {}


# ---- attaching


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_dtype_is_served_as_float32(client, dtype):
    given = values().astype(dtype)
    answer = attach(client, given)
    assert (answer["name"], answer["array"], answer["state"]) == ("hate", "logits", "new")
    assert (answer["rows"], answer["columns"], answer["nan_rows"]) == (ROWS, COLUMNS, 0)
    _, batches = opened(client, arrays=["logits"], split="all")
    np.testing.assert_array_equal(np.concatenate([b["logits"] for b in batches]), given.astype(np.float32))


def test_the_same_again_is_known_and_other_values_need_replace(client, daemon):
    first = attach(client, values())
    again = attach(client, values())
    assert (again["state"], again["id"]) == ("known", first["id"])
    e = refused("bad_request", "has an array logits already", lambda: attach(client, values(seed=1)))
    assert "replaced" in e.hint
    assert settled(daemon) == 1
    other = attach(client, values(seed=1), replace=True)
    assert other["state"] == "replaced" and other["id"] != first["id"]
    assert attach(client, values(seed=1), replace=True)["state"] == "known"
    assert settled(daemon) == 1
    shown = client.call("show", name="hate")
    assert [(a["array"], a["id"]) for a in shown["arrays"]] == [("logits", other["id"])]
    assert {k: shown["arrays"][0][k] for k in ("dtype", "rows", "dims", "columns", "nan_rows", "from")} == {
        "dtype": "float32", "rows": ROWS, "dims": 2, "columns": COLUMNS, "nan_rows": 0, "from": "float32"}


def test_shapes_that_do_not_fit_are_refused(client, daemon):
    cases = [
        ("bad_array", "has 699 rows; hate@", values(ROWS - 1), {}),
        ("bad_array", "has 701 rows; hate@", values(ROWS + 1), {}),
        ("bad_array", "3 dimensions", values(ROWS, 4).reshape(ROWS, 2, 2), {}),
        ("bad_array", "0 dimensions", values(), {"shape": []}),
        ("bad_array", "it holds", values(), {"shape": [ROWS, 4]}),
        ("bad_array", "it holds", values(), {"shape": [ROWS, 2]}),
        ("bad_array", "it holds", values(), {"dtype": "float64"}),
        ("bad_array", "at most 4096", values(1, 1), {"shape": [ROWS, 4097]}),
        ("bad_request", "shape", values(1, 1), {"shape": [0, 4]}),
        ("bad_request", "shape", values(1, 1), {"shape": [2**40, 4]}),
        ("limit", "would take", values(1, 1), {"shape": [2**32 - 1, 4096]}),
        ("bad_request", "dtype", values(), {"dtype": "int64"}),
        ("bad_request", "nan", values(), {"nan": "zero"}),
        ("bad_request", "cannot be the name", values(), {"array": "labels"}),
        ("bad_request", "cannot be the name", values(), {"array": "input_ids"}),
        ("bad_request", "cannot be the name", values(), {"array": "../x"}),
        ("bad_array", "it holds", values(), {"offset": 4}),
        ("bad_request", "offset", values(), {"offset": 2**63}),
        ("not_found", "no dataset", values(), {"name": "others"}),
        ("not_found", "begins with", values(), {"name": "hate@0000"}),
        ("denied", "owner", values(), {"owner": os.getuid() + 1}),
    ]
    for code, part, array, keys in cases:
        refused(code, part, lambda: attach(client, array, **keys))
    refused("not_found", "no handle", lambda: client.call("attach", name="hate", array="a", source=99, dtype="float32",
                                                          shape=[ROWS]))
    assert settled(daemon) == 0
    attach(client, values())


def test_nan_and_infinite_values_are_judged(client, daemon):
    bad = values()
    bad[5, 2] = np.nan
    bad[6, 0] = np.nan
    refused("bad_array", "row 5, column 2 is NaN", lambda: attach(client, bad))
    assert attach(client, bad, nan="allow")["nan_rows"] == 2
    _, batches = opened(client, arrays=["logits"], split="all")
    np.testing.assert_array_equal(np.concatenate([b["logits"] for b in batches]), bad)
    bad[400, 1] = -np.inf
    refused("bad_array", "row 400, column 1 is infinite", lambda: attach(client, bad, array="b", nan="allow"))
    large = values().astype(np.float64)
    large[699, 0] = 1e300
    refused("bad_array", "row 699, column 0 is larger", lambda: attach(client, large, array="b"))
    assert settled(daemon) == 1


def test_an_array_is_of_one_version(client, daemon):
    attach(client, values())
    old = client.call("show", name="hate")["version_info"]["version"]
    ingest(client, daemon, n=ROWS + 1)
    refused("not_found", 'has no array "logits"', lambda: opened(client, arrays=["logits"], split="all"))
    answer, _ = opened(client, name=f"hate@{old[:8]}", arrays=["logits"], split="all")
    assert answer["version"] == old
    attach(client, values(seed=2), name=f"hate@{old}", array="late")
    assert client.call("show", name="hate")["current"]
    assert client.call("show", name="hate")["arrays"] == []
    assert len(client.call("show", name=f"hate@{old}")["arrays"]) == 2


def test_a_pinned_array_stays_what_it_was(client):
    first = attach(client, values())
    held = client.call("stream.open", name="hate", split="all", arrays=["logits"], max_length=8)
    assert held["attached"] == {"logits": first["id"]}
    second = attach(client, values(seed=1), replace=True)
    answer, batches = opened(client, split="all", attached={"logits": second["id"]})
    assert answer["attached"] == {"logits": second["id"]}
    np.testing.assert_array_equal(batches[0]["logits"], values(seed=1)[:32])
    refused("not_found", "not in the store any more",
            lambda: opened(client, split="all", attached={"logits": first["id"]}))
    refused("bad_request", "64 hex", lambda: opened(client, split="all", attached={"logits": "ff"}))
    refused("bad_request", "not among arrays", lambda: opened(client, split="all", arrays=["logits"],
                                                              attached={"other": first["id"]}))
    refused("bad_request", "named twice", lambda: opened(client, split="all", arrays=["logits", "logits"]))
    params = client.notice("stream.batch")  # of the stream that was open all along
    np.testing.assert_array_equal(arrays_of(held, params)["logits"], values()[:32])


def test_a_detached_array_is_gone_and_open_streams_keep_it(client, daemon):
    attach(client, values())
    held = client.call("stream.open", name="hate", split="all", arrays=["logits"], max_length=8)
    assert client.call("detach", name="hate", array="nothing") == {"detached": False, "pending": 0, "bytes": 0}
    gone = client.call("detach", name="hate", array="logits")
    assert gone["detached"] and gone["pending"] == 1 and gone["bytes"] > 0
    refused("not_found", "no array", lambda: opened(client, arrays=["logits"], split="all"))
    params = client.notice("stream.batch")
    np.testing.assert_array_equal(arrays_of(held, params)["logits"], values()[:32])
    client.call("stream.close", stream=held["stream"])
    deadline = time.monotonic() + 60
    while files(daemon):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    refused("not_found", "no dataset", lambda: client.call("detach", name="others", array="logits"))
    refused("denied", "owner", lambda: client.call("detach", name="hate", array="a", owner=os.getuid() + 1))


def test_arrays_count_verify_and_go_with_the_dataset(client, daemon):
    bytes_before = client.call("datasets")["datasets"][0]["bytes"]
    attach(client, values())
    assert client.call("datasets")["datasets"][0]["bytes"] > bytes_before
    found = client.call("verify", name="hate")
    assert found["ok"] and [f.get("array") for f in found["files"]] == [None, None, "logits"]
    assert found["files"][2]["kind"] == "array"
    path = pathlib.Path(found["files"][2]["file"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found = client.call("verify")
    assert not found["ok"] and [f["ok"] for f in found["files"]] == [True, True, False]
    refused("corrupt", path.name[:12], lambda: opened(client, arrays=["logits"], split="all"))
    opened(client, split="all")  # the others are not touched
    client.call("rm", name="hate")
    assert settled(daemon) == 0


# ---- what clients and crashes leave


def begin_slowly(daemon, client, n=200_000, columns=64):
    """An attach of 50 MB whose process was stopped before it was done."""
    ingest(client, daemon, name="big", n=n)
    while True:
        wait_for_no_job(daemon)
        client.notices.clear()
        fd = os.memfd_create("big")
        os.truncate(fd, n * columns * 4)
        number = client.call("file.attach", [fd], name="big")["handle"]
        seq = client.send("attach", name="big", array="a", source=number, dtype="float32", shape=[n, columns])
        told = [client.notice("progress")]
        pid = (jobs(daemon) or [0])[0]
        stopped = pid and stop(pid)
        for _ in range(2):  # the second answer comes after what the process had told by then
            client.call("ping")
        told += [params for name, params in client.notices if name == "progress"]
        if stopped and all(params["stage"] == "read" and params["done"] < params["total"] for params in told):
            return seq, fd, pid
        if stopped:  # it came further than it should have
            os.kill(pid, signal.SIGCONT)
        client.answer(seq)
        client.call("detach", name="big", array="a")
        os.close(fd)


def test_a_client_that_vanishes_leaves_nothing(client, daemon):
    other = Client(daemon.socket)
    seq, fd, pid = begin_slowly(daemon, other)
    other.close()
    os.close(fd)
    assert settled(daemon) == 0
    assert client.call("show", name="big")["arrays"] == []


def test_a_cancelled_attach_and_a_killed_process_leave_nothing(client, daemon):
    seq, fd, pid = begin_slowly(daemon, client)
    cancel = client.send("cancel", seq=seq)
    refused("cancelled", "attach", lambda: client.answer(seq))
    assert client.answer(cancel)["cancelled"]
    assert settled(daemon) == 0
    os.close(fd)
    seq, fd, pid = begin_slowly(daemon, client)
    os.kill(pid, signal.SIGKILL)
    refused("child_failed", "attach", lambda: client.answer(seq))
    assert settled(daemon) == 0
    os.close(fd)


def test_a_file_that_shrinks_or_grows_meanwhile_is_refused(client, daemon):
    for change in (-4096, 4):
        seq, fd, pid = begin_slowly(daemon, client)
        os.truncate(fd, 200_000 * 64 * 4 + change)
        os.kill(pid, signal.SIGCONT)
        refused("bad_file", "changed while it was read", lambda: client.answer(seq))
        os.close(fd)
    assert settled(daemon) == 0


def test_a_daemon_killed_during_an_attach_starts_clean(client, daemon):
    attach(client, values())
    seq, fd, pid = begin_slowly(daemon, client)
    daemon.stop(signal.SIGKILL)
    os.close(fd)
    daemon.socket.unlink()  # start() waits for the next one
    daemon.start()
    assert settled(daemon) == 1
    again = Client(daemon.socket)
    _, batches = opened(again, arrays=["logits"], split="all")
    np.testing.assert_array_equal(batches[-1]["logits"], values()[-len(batches[-1]["index"]):])
    assert again.call("show", name="big")["arrays"] == []
    again.close()


def test_uploaded_bytes_do_as_well_as_a_descriptor(client):
    given = values().tobytes()
    number = client.call("file.begin", name="up", bytes=len(given))["handle"]
    client.call("file.chunk", handle=number, data=given)
    answer = client.call("attach", name="hate", array="logits", source=number, dtype="float32", shape=[ROWS, COLUMNS])
    assert answer["state"] == "new"
    half = client.call("file.begin", name="up", bytes=len(given))["handle"]
    client.call("file.chunk", handle=half, data=given[:100])
    refused("bad_file", "only 100 of", lambda: client.call("attach", name="hate", array="b", source=half,
                                                           dtype="float32", shape=[ROWS, COLUMNS]))


def test_two_who_attach_the_same_share_the_work(daemon, client):
    ingest(client, daemon, name="big", n=50_000)
    with open(daemon.folder / "big.bin", "wb") as file:
        file.truncate(50_000 * 64 * 4)
    others = [Client(daemon.socket) for _ in range(3)]
    sent = [(c, c.send("attach", name="big", array="a", source=c.attach(daemon.folder / "big.bin"), dtype="float32",
                       shape=[50_000, 64])) for c in others]
    answers = [c.answer(seq) for c, seq in sent]
    assert {a["id"] for a in answers} == {answers[0]["id"]}
    assert settled(daemon) == 1
    for c in others:
        c.close()


def test_a_million_rows_come_in_order(client, daemon):
    n = 1_000_000
    ingest(client, daemon, name="million", n=n)
    given = np.arange(n * 2, dtype=np.float64).reshape(n, 2) / 3
    began = time.monotonic()
    assert attach(client, given, name="million")["state"] == "new"
    assert time.monotonic() - began < 60
    answer, batches = opened(client, name="million", arrays=["logits"], split="val", fold=3, batch_size=4096,
                             order="shuffle")
    index = np.concatenate([b["index"] for b in batches])
    assert len(index) == 200_000
    np.testing.assert_array_equal(np.concatenate([b["logits"] for b in batches]), given.astype(np.float32)[index])


# ---- another user


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")
def test_another_user_sees_and_takes_nothing(client, daemon):
    attach(client, values())
    os.chmod(daemon.folder, 0o755)
    for folder in daemon.folder.parents:
        if str(folder).startswith("/tmp/"):
            os.chmod(folder, 0o755)
    os.chmod(daemon.socket, 0o666)
    code = """
import sys, os
sys.path.insert(0, sys.argv[1])
from protoclient import Client, Refused
os.setgid(65534); os.setuid(65534)
c = Client(sys.argv[2])
for method, keys in [("show", {}), ("detach", {"array": "logits"}),
                     ("stream.open", {"split": "all", "arrays": ["logits"]}), ("show", {"owner": 0}),
                     ("detach", {"array": "logits", "owner": 0}),
                     ("stream.open", {"split": "all", "arrays": ["logits"], "owner": 0})]:
    try:
        c.call(method, name="hate", **keys)
        print(method, "allowed")
    except Refused as e:
        print(method, e.code)
"""
    here = str(pathlib.Path(__file__).parent)
    out = subprocess.run([sys.executable, "-B", "-c", code, here, str(daemon.socket)], capture_output=True, text=True)
    if "PermissionError" in out.stderr:
        pytest.skip("the other user cannot get at the socket here")
    assert out.stdout.split("\n")[:-1] == [
        "show not_found", "detach not_found", "stream.open not_found", "show not_found", "detach denied",
        "stream.open not_found"], out.stderr
    assert len(client.call("show", name="hate")["arrays"]) == 1
