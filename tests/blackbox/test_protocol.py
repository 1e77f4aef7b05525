# SPDX-License-Identifier: Apache-2.0
"""The protocol over the real socket: what PROTOCOL.md promises, and what happens to those who break it."""
import os
import re
import socket
import struct
import time

import pytest

from conftest import HSFEEDD, Daemon
from protoclient import Client, Refused, frame, pack, still_serves
from ringclient import finish, open_fds

CSV = "id,comment,label\n" + "".join(f'{i},"row {i} is good, said\nsomeone",{i % 2}\n' for i in range(200))
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] row is good said someone , 0 1 2 ##0 ##1".split()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    if not HSFEEDD.exists():
        pytest.fail(f"no {HSFEEDD}: build first, or set HSFEED_BUILD_DIR")
    folder = tmp_path_factory.mktemp("protocol")
    config = folder / "conf"
    config.write_text("[daemon]\nsearch_duplicates = no\n"
                      "[limits]\nqueue_bytes = 256K\nslot_bytes_per_user = 8M\n")
    d = Daemon(folder, "--config", str(config)).start()
    yield d
    finish(d)


@pytest.fixture
def limited(tmp_path):
    """limited(LIMIT=...) is a daemon of the test's own with those limits."""
    started = []

    def start(**limits):
        config = tmp_path / "conf"
        config.write_text("[daemon]\nlog_level = debug\nsearch_duplicates = no\n[limits]\n"
                          + "".join(f"{key} = {value}\n" for key, value in limits.items()))
        started.append(Daemon(tmp_path, "--config", str(config)).start())
        return started[0]
    yield start
    finish(started[0])


@pytest.fixture
def client(daemon):
    c = Client(daemon.socket)
    yield c
    c.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    (path / "comments.csv").write_text(CSV)
    (path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    (path / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
    return path


def ingest(client, folder, name="hate", csv="comments.csv", **more):
    files = {f: client.attach(folder / f) for f in ("vocab.txt", "tokenizer_config.json")}
    source = client.attach(folder / csv)
    return client.call("ingest", name=name, source=source, file_name=csv, options={"labels": ["label"]},
                       tokenizers=[{"role": "text", "name": "tiny", "files": files}], **more)


@pytest.fixture(scope="module")
def dataset(daemon, folder):
    c = Client(daemon.socket)
    reply = ingest(c, folder)
    c.close()
    return reply


def refused(client, code, method, fds=(), /, **params):
    with pytest.raises(Refused) as e:
        client.call(method, fds, **params)
    assert e.value.code == code, e.value
    return e.value


# ---- framing ----

@pytest.mark.parametrize("data", [
    struct.pack("<I", 0), struct.pack("<I", 262145), struct.pack("<I", 0xFFFFFFFF),
    struct.pack("<I", 1) + b"\xc1", struct.pack("<I", 160) + b"\xdd\x04\x00\x00\x00" * 32,
    frame([0, 1, "ping", {}])[:4] + b"\x94\x00\x01\xa4pin\xff\x80",
    frame([1, 1, None, {}]), frame([0, 1, "ping"]), frame([0, 1, "ping", []]), frame([0, -1, "ping", {}]),
    frame([0, 2**32, "ping", {}]), frame({"a": 1}), frame([0, 1, b"ping", {}]), frame([0, 1, "ping", {1: 2}]),
    frame([0, 1, "ping", {"a": [[[[[[[1]]]]]]]}]), frame([0, 1, "ping", {"a": [0] * 4096}]),
])
def test_a_broken_frame_closes_the_connection_with_bye(daemon, data):
    c = Client(daemon.socket)
    c.send_raw(data)
    assert c.end()["code"] == "bad_frame"
    still_serves(daemon)


def test_a_frame_may_come_byte_by_byte_and_many_in_one_piece(client):
    data = frame([0, 900, "ping", {}])
    for i in range(len(data)):
        client.send_raw(data[i:i + 1])
    assert client.answer(900) == {}
    client.send_raw(b"".join(frame([0, i, "ping", {}]) for i in range(1000, 1200)))
    assert sorted(client.receive()[1] for _ in range(200)) == list(range(1000, 1200))


def test_a_request_of_the_largest_size_is_read(client):
    body = pack([0, 77, "ping", {"x": "y"}])
    room = 262144 - len(pack([0, 77, "ping", {"x": ""}])) - 4
    body = pack([0, 77, "ping", {"x": "y" * room}])
    assert len(body) == 262144
    client.send_raw(struct.pack("<I", len(body)) + body)
    with pytest.raises(Refused) as e:
        client.answer(77)
    assert e.value.code == "bad_request"


# ---- hello ----

def test_hello_must_be_the_first_request(daemon):
    c = Client(daemon.socket, hello=False)
    c.send("ping")
    assert c.end()["code"] == "bad_request"


def test_hello_tells_versions_features_and_limits(client):
    hello = client.hello
    assert hello["protocol"] == 1 and {"inline", "fdpass"} <= set(hello["features"])
    assert hello["limits"]["max_request"] == 262144 and hello["limits"]["max_handles"] == 32
    assert hello["uid"] == os.getuid() and len(hello["instance"]) == 32
    assert refused(client, "bad_request", "hello", protocol=1, client="again").message


def test_no_common_version_is_version_mismatch(daemon):
    c = Client(daemon.socket, hello=False)
    refused(c, "version_mismatch", "hello", protocol=0, client="old")
    assert c.call("hello", protocol=7, client="new")["protocol"] == 1


def test_a_client_that_never_says_hello_is_closed_in_time(limited):
    daemon = limited(hello_ms=700)

    def time_to_say_it():
        started = time.monotonic()
        c = Client(daemon.socket, hello=False)
        c.send_raw(b"\x05")
        assert c.end()["code"] == "timeout"
        return time.monotonic() - started
    times = [time_to_say_it() for _ in range(3)]
    assert 0.7 <= min(times) < 3


# ---- requests ----

def test_an_unknown_method_is_named_and_the_connection_lives(client):
    assert "nonsense" in refused(client, "unknown_method", "nonsense").message
    assert client.call("ping") == {}


@pytest.mark.parametrize("method, params, words", [
    ("ping", {"extra": 1}, ["extra"]),
    ("file.begin", {"name": "a"}, ["bytes", "missing"]),
    ("file.begin", {"name": "a", "bytes": None}, ["bytes", "missing"]),
    ("file.begin", {"name": "a", "bytes": "12"}, ["bytes", "a str"]),
    ("file.begin", {"name": "a", "bytes": -1}, ["bytes"]),
    ("file.begin", {"name": "a\0b", "bytes": 1}, ["name", "NUL"]),
    ("stream.open", {"name": "x", "split": "test"}, ["split", "test"]),
    ("stream.open", {"name": "x", "plan": {"seed": 1}}, ["plan.seed"]),
    ("stream.open", {"name": "x", "batch_size": 0}, ["batch_size", "1"]),
    ("stream.open", {"name": "x", "max_length": {"text": 0}}, ["max_length"]),
    ("ingest", {"name": "x", "source": 1, "file_name": "a", "tokenizers": [{"role": "a", "name": "b", "file": {}}]},
     ["tokenizers[0].file"]),
])
def test_a_wrong_key_is_refused_by_name(client, method, params, words):
    message = refused(client, "bad_request", method, **params).message
    assert all(word in message for word in words), message


def test_a_seq_in_use_closes_the_connection(client, dataset):
    client.send_raw(frame([0, 5, "show", {"name": "hate"}]) + frame([0, 5, "ping", {}]))
    assert client.end()["code"] == "bad_request"


def test_status_tells_its_own_user_where_things_are(client, daemon):
    status = client.call("status")
    assert status["socket"] == str(daemon.socket) and status["state"] == str(daemon.state)
    assert status["connections"] >= 1


# ---- files ----

def test_an_attached_file_has_its_size_and_closes_once(client, folder):
    with open(folder / "comments.csv", "rb") as file:
        reply = client.call("file.attach", [file.fileno()], name="comments.csv")
    assert reply["bytes"] == (folder / "comments.csv").stat().st_size
    assert client.call("file.close", handle=reply["handle"]) == {}
    refused(client, "not_found", "file.close", handle=reply["handle"])


def test_only_regular_files_open_for_reading_are_taken(client, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    plain = tmp_path / "plain"
    plain.write_text("x")
    for path, flags in ((tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK), (plain, os.O_PATH), (plain, os.O_WRONLY),
                        ("/dev/null", os.O_RDONLY), (tmp_path, os.O_RDONLY)):
        fd = os.open(path, flags)
        refused(client, "bad_file", "file.attach", [fd], name="bad")
        os.close(fd)
    a, b = socket.socketpair()
    refused(client, "bad_file", "file.attach", [a.fileno()], name="socket")
    refused(client, "bad_file", "file.attach", name="nothing")


def test_more_handles_than_max_are_refused(client, folder):
    handles = [client.attach(folder / "vocab.txt") for _ in range(client.hello["limits"]["max_handles"])]
    with open(folder / "vocab.txt", "rb") as file:
        refused(client, "limit", "file.attach", [file.fileno()], name="one more")
    refused(client, "limit", "file.begin", name="one more", bytes=1)
    client.call("file.close", handle=handles[0])
    client.attach(folder / "vocab.txt")


def settled_fds(daemon, want):
    deadline = time.monotonic() + 60
    while open_fds(daemon) > want and time.monotonic() < deadline:
        time.sleep(0.05)
    return open_fds(daemon)


@pytest.mark.parametrize("method, count", [("ping", 1), ("file.attach", 2), ("file.attach", 40), ("ping", 200)])
def test_descriptors_that_do_not_belong_close_the_connection_and_leak_nothing(daemon, folder, method, count):
    before = open_fds(daemon)
    c = Client(daemon.socket)
    fds = [os.open(folder / "vocab.txt", os.O_RDONLY) for _ in range(count)]
    c.send(method, fds, **({"name": "x"} if method == "file.attach" else {}))
    for fd in fds:
        os.close(fd)
    assert c.end()["code"] == "bad_frame"
    assert settled_fds(daemon, before) <= before


def test_a_descriptor_before_hello_closes_the_connection(daemon, folder):
    c = Client(daemon.socket, hello=False)
    with open(folder / "vocab.txt", "rb") as file:
        c.send("hello", [file.fileno()], protocol=1, client="x")
    assert c.end()["code"] == "bad_frame"


def test_a_file_can_come_over_the_socket(client, folder):
    data = (folder / "comments.csv").read_bytes()
    handle = client.call("file.begin", name="comments.csv", bytes=len(data))["handle"]
    for i in range(0, len(data), 1000):
        piece = data[i:i + 1000]
        assert client.call("file.chunk", handle=handle, data=piece) == {"received": i + len(piece)}
    refused(client, "bad_request", "file.chunk", handle=handle, data=b"x")
    files = {f: client.attach(folder / f) for f in ("vocab.txt", "tokenizer_config.json")}
    reply = client.call("ingest", name="uploaded", source=handle, file_name="comments.csv",
                        options={"labels": ["label"]}, tokenizers=[{"role": "text", "name": "tiny", "files": files}])
    assert reply["version_info"]["rows"] == 200
    refused(client, "not_found", "file.chunk", handle=handle, data=b"x")


def test_an_unfinished_upload_is_refused_and_its_handle_gone(client):
    handle = client.call("file.begin", name="half.csv", bytes=10)["handle"]
    client.call("file.chunk", handle=handle, data=b"12345")
    e = refused(client, "bad_file", "ingest", name="half", source=handle, file_name="half.csv", tokenizers=[])
    assert "5 of 10" in e.message
    refused(client, "not_found", "file.close", handle=handle)


# ---- datasets ----

def test_an_ingest_says_what_it_made_and_a_second_that_nothing_was_done(client, folder, dataset):
    assert dataset["state"] == "new" and dataset["dataset"] == "hate"
    assert dataset["version_info"]["rows"] == 200 and dataset["version_info"]["text_column"] == "comment"
    assert dataset["roles"][0]["role"] == "text" and dataset["roles"][0]["default"] is True
    again = ingest(client, folder)
    assert again["state"] == "known" and again["version"] == dataset["version"]


def test_equal_ingests_at_once_join_and_both_get_the_answer(daemon, folder):
    clients = [Client(daemon.socket) for _ in range(3)]
    seqs = []
    for c in clients:
        files = {"vocab.txt": c.attach(folder / "vocab.txt")}
        source = c.attach(folder / "comments.csv")
        seqs.append(c.send("ingest", name="joined", source=source, file_name="comments.csv",
                           options={"labels": ["label"]}, tokenizers=[{"role": "a", "name": "tiny", "files": files}]))
    replies = [c.answer(s) for c, s in zip(clients, seqs)]
    assert len({r["version"] for r in replies}) == 1
    for c in clients:
        c.close()


def test_new_bytes_move_the_name_and_its_owner_hears_of_it(client, daemon, folder):
    other = Client(daemon.socket)
    first = ingest(client, folder, "moving")
    (folder / "more.csv").write_text(CSV + "200,more,1\n")
    second = ingest(client, folder, "moving", "more.csv")
    assert second["previous"] == first["version"] != second["version"]
    moved = other.notice("dataset.moved")
    assert moved == {"name": "moving", "version": second["version"], "previous": first["version"]}
    versions = client.call("versions", name="moving")["versions"]
    assert [v["current"] for v in versions] == [False, True]
    other.close()


def test_a_refused_ingest_names_the_place_and_stores_nothing(client, folder):
    (folder / "broken.csv").write_text('comment,label\n"never closed,1\n')
    with pytest.raises(Refused) as e:
        ingest(client, folder, "broken", "broken.csv")
    assert e.value.code == "bad_csv" and "broken.csv" in e.value.message
    refused(client, "not_found", "show", name="broken")


def test_show_and_datasets_agree_with_the_ingest(client, dataset):
    shown = client.call("show", name="hate")
    assert shown["version_info"]["version"] == dataset["version"] and shown["current"] is True
    assert shown["roles"][0]["encoding"] == dataset["roles"][0]["encoding"]
    mine = [d for d in client.call("datasets")["datasets"] if d["name"] == "hate"]
    assert mine[0]["rows"] == 200 and mine[0]["labels"] == ["label"] and mine[0]["roles"] == ["text"]


def test_rows_come_in_pages_that_fit_together(client, dataset):
    whole = client.call("rows", name="hate", start=0, count=1000, text=True)
    assert whole["count"] == 200 and "next" not in whole and len(whole["texts"]) == 200
    assert struct.unpack("<3I", whole["lines"][:12]) == (2, 4, 6)
    offsets = struct.unpack("<201I", whole["offsets"])
    page = client.call("rows", name="hate", start=10, count=5)
    assert page["next"] == 15 and page["ids"] == whole["ids"][4 * offsets[10]:4 * offsets[15]]
    assert client.call("rows", name="hate", start=500, count=5)["count"] == 0


def test_a_dataset_without_tokenizers_has_rows_and_streams_without_ids(client, folder):
    (folder / "plain.csv").write_text("comment,label\none,0\ntwo,1\nthree,1\n")
    client.call("ingest", name="plain", source=client.attach(folder / "plain.csv"), file_name="plain.csv",
                options={"labels": ["label"]}, tokenizers=[])
    page = client.call("rows", name="plain", start=0, count=10, text=True)
    assert page["count"] == 3 and page["ids"] == b"" and page["offsets"] == bytes(16)
    assert page["texts"] == ["one", "two", "three"]
    opened = client.call("stream.open", name="plain", split="all")
    assert [array["name"] for array in opened["arrays"]] == ["labels", "index"]
    assert client.notice("stream.batch")["rows"] == 3


def test_folds_partition_the_rows(client, dataset):
    table = client.call("folds", name="hate")
    assert table["plan"] == {"kind": "stratified", "folds": 5, "fold_seed": 42, "shuffle": True}
    assert [f["val"]["rows"] for f in table["folds"]] == [40] * 5 and table["folds"][0]["val"]["counts"] == [[20, 20]]
    rows = []
    for fold in range(5):
        reply = client.call("folds.rows", name="hate", fold=fold, split="val", start=0, count=100)
        assert reply["total"] == 40
        rows += struct.unpack("<40q", reply["rows"])
    assert sorted(rows) == list(range(200))
    refused(client, "bad_request", "folds.rows", name="hate", fold=5, split="val", start=0, count=1)


def test_why_compares_with_what_is_stored(client, folder, dataset):
    source = client.attach(folder / "comments.csv")
    same = client.call("why", name="hate", source=source, file_name="comments.csv", options={"labels": ["label"]})
    assert same["same"] is True and same["changes"] == [] and same["current"] == dataset["version"]
    source = client.attach(folder / "comments.csv")
    other = client.call("why", name="hate", source=source, file_name="comments.csv",
                        options={"labels": ["label"], "clean": ["urls"]})
    assert other["same"] is False and other["changes"]


def test_verify_finds_every_file_sound(client, dataset):
    reply = client.call("verify", name="hate")
    assert reply["ok"] is True and sorted(f["kind"] for f in reply["files"]) == ["encoding", "version"]


def test_add_makes_another_encoding_of_the_stored_texts(client, folder):
    ingest(client, folder, "growing")
    files = {"vocab.txt": client.attach(folder / "vocab.txt")}
    reply = client.call("add", name="growing", tokenizers=[{"role": "second", "name": "tiny", "normalize": "nfc",
                                                            "files": files}])
    assert reply["state"] == "added" and [r["role"] for r in reply["roles"]] == ["second"]
    assert [r["role"] for r in client.call("show", name="growing")["roles"]] == ["text", "second"]


def test_rm_forgets_a_dataset(client, folder):
    made = ingest(client, folder, "doomed")
    assert client.call("rm", name="doomed")["removed"] == [made["version"]]
    refused(client, "not_found", "show", name="doomed")


def test_cancel_of_nothing_cancels_nothing(client):
    assert client.call("cancel", seq=12345) == {"cancelled": False}


# ---- streams ----

def read_epoch(client, opened, release=True):
    batches, end = [], None
    while end is None:
        value = client.receive()
        if value[0] != 2:
            continue
        if value[1] == "stream.batch":
            batches.append(value[2])
            if release:
                client.notify("stream.release", stream=opened["stream"], fills=[[value[2]["slot"], value[2]["fill"]]])
        elif value[1] == "stream.end":
            end = value[2]
    return batches, end


def index_of(opened, batch):
    """The index array, by PROTOCOL.md's layout: arrays in order, each used part at a multiple of 64."""
    at = 0
    for array in opened["arrays"]:
        width = array["columns"] if array["role"] is None else batch["lengths"][array["role"]]
        width = 1 if array["dims"] == 1 else width
        used = batch["rows"] * width * (4 if array["dtype"] in ("int32", "float32") else 8)
        at = -(-at // 64) * 64
        if array["name"] == "index":
            return list(struct.unpack(f"<{batch['rows']}q", batch["data"][at:at + used]))
        at += used
    raise AssertionError("no index")


def test_a_stream_deals_every_training_row_once_and_ends(client, dataset):
    opened = client.call("stream.open", name="hate", fold=0, batch_size=32, max_length=16, slots=3)
    assert opened["rows"] == 160 and opened["batches"] == 5 and opened["version"] == dataset["version"]
    batches, end = read_epoch(client, opened)
    rows = [r for b in batches for r in index_of(opened, b)]
    assert len(rows) == 160 == len(set(rows)) and [b["batch"] for b in batches] == list(range(5))
    assert end["epoch"] == 0 and end["at"] == 160
    val = struct.unpack("<40q", client.call("folds.rows", name="hate", fold=0, split="val", start=0, count=40)["rows"])
    assert not set(rows) & set(val)


def test_a_seek_gives_the_tail_and_no_old_batch_after_its_answer(client, dataset):
    opened = client.call("stream.open", name="hate", fold=1, batch_size=10, max_length=16, slots=2)
    whole, _ = read_epoch(client, opened)
    seq = client.send("stream.seek", stream=opened["stream"], epoch=0, at=70)
    reply = client.answer(seq)
    assert reply["generation"] == 2 and reply["batches"] == 9
    tail, _ = read_epoch(client, opened)
    assert [b["generation"] for b in tail] == [2] * 9
    assert [b["data"] for b in tail] == [b["data"] for b in whole[7:]]


def test_without_credit_no_more_than_the_slots_come(client, dataset):
    opened = client.call("stream.open", name="hate", split="all", batch_size=10, max_length=16, slots=3)
    batches = [client.notice("stream.batch") for _ in range(3)]
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.receive()
    client.socket.settimeout(60)
    client.notify("stream.release", stream=opened["stream"], fills=[[b["slot"], b["fill"]] for b in batches])
    assert client.notice("stream.batch")["batch"] == 3


@pytest.mark.parametrize("fills", [lambda b: [[b["slot"], b["fill"]], [b["slot"], b["fill"]]],
                                   lambda b: [[b["slot"], b["fill"] + 1]], lambda b: [[99, b["fill"]]],
                                   lambda b: [["0", 1]]])
def test_a_release_that_is_not_due_closes_the_connection(daemon, dataset, fills):
    c = Client(daemon.socket)
    opened = c.call("stream.open", name="hate", split="all", max_length=16, slots=2)
    batch = c.notice("stream.batch")
    c.notify("stream.release", stream=opened["stream"], fills=fills(batch))
    assert c.end()["code"] == "bad_request"
    still_serves(daemon)


def test_a_release_that_crosses_the_close_is_nothing(client, dataset):
    opened = client.call("stream.open", name="hate", split="all", max_length=16, slots=1)
    batch = client.notice("stream.batch")
    assert client.call("stream.close", stream=opened["stream"]) == {}
    client.notify("stream.release", stream=opened["stream"], fills=[[batch["slot"], batch["fill"]]])
    assert client.call("ping") == {}
    refused(client, "not_found", "stream.close", stream=opened["stream"])


def test_slots_count_against_the_users_quota(client, dataset):
    refused(client, "limit", "stream.open", name="hate", split="all", batch_size=2048, max_length=512, slots=8)
    refused(client, "limit", "stream.open", name="hate", split="all", slots=65)


def test_an_unknown_dataset_and_a_missing_fold_are_named(client, dataset):
    assert "nothing" in refused(client, "not_found", "stream.open", name="nothing", fold=0).message
    assert "fold" in refused(client, "bad_request", "stream.open", name="hate").message


def test_removing_a_dataset_leaves_open_streams_alone_and_the_files_go_with_the_last(client, daemon, folder):
    (folder / "leaving.csv").write_text(CSV + "200,nobody else has these bytes,1\n")
    made = ingest(client, folder, "leaving", "leaving.csv")
    opened = client.call("stream.open", name="leaving", split="all", batch_size=50, max_length=16, slots=1)
    first = client.notice("stream.batch")
    assert client.call("rm", name="leaving")["pending"] > 0
    client.notify("stream.release", stream=opened["stream"], fills=[[first["slot"], first["fill"]]])
    batches, _ = read_epoch(client, opened)
    assert [b["batch"] for b in batches] == [1, 2, 3, 4]
    client.call("stream.close", stream=opened["stream"])
    deadline = time.monotonic() + 60
    while any(made["version"] in name for _, _, names in os.walk(daemon.state) for name in names):
        assert time.monotonic() < deadline, "the files are still there"
        time.sleep(0.05)


def test_closing_in_the_middle_of_everything_harms_nobody(daemon, folder, dataset):
    for _ in range(20):
        c = Client(daemon.socket)
        c.send("stream.open", name="hate", fold=0, max_length=16)
        c.send("folds", name="hate", plan={"fold_seed": 1})
        c.send("rows", name="hate", start=0, count=200, text=True)
        source = c.attach(folder / "comments.csv")
        c.send("why", name="hate", source=source, file_name="comments.csv", options={"labels": ["label"]})
        c.close()
    still_serves(daemon)


# ---- slow and dead clients ----

def test_a_client_that_never_reads_is_cut_off_and_others_do_not_notice(limited, folder):
    daemon = limited(stall_ms=4000, queue_bytes="256K")
    good, bad = Client(daemon.socket), Client(daemon.socket)
    ingest(good, folder)
    bad.socket.settimeout(0.2)
    rows = {"name": "hate", "start": 0, "count": 200, "text": True}
    unsent, seq, served, cut = b"", 100, 0, False
    deadline = time.monotonic() + 60
    while not cut and time.monotonic() < deadline:
        if not unsent:
            unsent, seq = frame([0, seq, "rows", rows]), seq + 1
        try:
            unsent = unsent[bad.socket.send(unsent):]
        except TimeoutError:
            served += 1
        except OSError:
            cut = True
        good.call("ping")
    assert cut, "it was never cut off"
    assert "does not read" in daemon.log.read_text()
    assert served >= 5  # while the other one kept the daemon waiting, some 20 times; one that waits serves one or two
    good.close()


def test_a_client_may_have_many_large_answers_on_their_way_and_gets_them_all(client, dataset, folder):
    wide = "".join(f"{'row is good ' * 500}{i},{i % 2}\n" for i in range(400))
    (folder / "wide.csv").write_text("comment,label\n" + wide)
    ingest(client, folder, "wide", "wide.csv")
    seqs = [client.send("rows", name="wide", start=0, count=400, text=True) for _ in range(20)]
    assert all(client.answer(seq)["count"] > 100 for seq in seqs)


def test_idle_connections_cost_little(daemon):
    def rss():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{daemon.process.pid}/status").read()).group(1))
    clients = [Client(daemon.socket) for _ in range(50)]
    before = rss()
    clients += [Client(daemon.socket) for _ in range(400)]
    cost = (rss() - before) * 1024 / 400
    sanitized = any(name in HSFEEDD.read_bytes() for name in (b"__asan_init", b"__tsan_init"))
    limit = 20480 if sanitized else 2048
    assert cost <= limit, f"{cost:.0f} bytes per connection"
    for c in clients:
        c.close()
