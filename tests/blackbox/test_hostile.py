# SPDX-License-Identifier: Apache-2.0
"""Clients that ask for much, at once or again and again: what it costs the others, and that all get what is theirs."""
import hashlib
import resource
import signal
import threading
import time

import pytest

from conftest import HSFEEDD, Daemon, without_searches
from jobs import stop
from protoclient import Client, Refused, frame, wait_for

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] row is good 0 1 2 ##0 ##1 ##2 ##3 ##4 ##5 ##6 ##7 ##8 ##9".split()
ROWS = 66_000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    if not HSFEEDD.exists():
        pytest.fail(f"no {HSFEEDD}: build first, or set HSFEED_BUILD_DIR")
    folder = tmp_path_factory.mktemp("hostile")
    d = Daemon(folder, *without_searches(folder)).start()
    (folder / "rows.csv").write_text("comment,label\n" + "".join(f"row {i},{i % 2}\n" for i in range(ROWS)))
    (folder / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    c = Client(d.socket, timeout=120)
    c.call("ingest", name="rows", source=c.attach(folder / "rows.csv"), file_name="rows.csv",
           options={"labels": ["label"]},
           tokenizers=[{"role": "text", "name": "tiny", "files": {"vocab.txt": c.attach(folder / "vocab.txt")}}])
    c.close()
    yield d
    code = d.stop()
    assert code == 0, f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


@pytest.fixture
def client(daemon):
    c = Client(daemon.socket, timeout=120)
    yield c
    c.close()


def test_a_flood_of_requests_does_not_hold_up_others(daemon, client):
    """12,000 requests lie in one socket before the daemon looks. Some of them close streams, so that the answer to
    another client's one request tells how many were served before it."""
    flood, count = Client(daemon.socket, timeout=120), 64
    streams = [flood.call("stream.open", name="rows", split="all", slots=1, batch_size=1, max_length=8)["stream"]
               for _ in range(count)]
    requests = b"".join(frame([0, 1000 + 1000 * i + k, "ping", {}] if k < 187 else
                              [0, 1000 + 1000 * i + k, "stream.close", {"stream": streams[i]}])
                        for i in range(count) for k in range(188))
    assert client.call("status")["streams"] == count
    assert stop(daemon.process.pid)
    try:
        flood.send_raw(requests)
        client.send("status")
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert client.answer(client.seq)["streams"] > count / 2
    flood.answer(1000 * count + 187)  # in the end all are served
    wait_for(lambda: client.call("status")["streams"] == 0, "a stream is still there")
    flood.close()


def test_a_table_of_many_folds_is_counted_in_one_pass(client):
    plan = {"kind": "plain", "folds": 11_000}
    folds = client.call("folds", name="rows", plan=plan)["folds"]
    assert len(folds) == 11_000
    assert all(f["val"]["rows"] == 6 and f["train"]["rows"] == ROWS - 6 for f in folds)
    for f in folds:
        (val,), (train,) = f["val"]["counts"], f["train"]["counts"]
        assert sum(val) == 6 and [a + b for a, b in zip(val, train)] == [ROWS // 2, ROWS // 2]


def test_a_table_larger_than_a_reply_is_refused_before_it_is_made(client):
    with pytest.raises(Refused) as e:
        client.call("folds", name="rows", plan={"kind": "plain", "folds": 65_534})
    assert e.value.code == "limit" and "65534 folds" in e.value.message


def test_streams_of_tiny_slots_are_charged_to_their_user_too(tmp_path, daemon):
    config = tmp_path / "conf"
    config.write_text("[limits]\nslot_bytes_per_user = 512K\n")
    d = Daemon(tmp_path, "--config", str(config)).start()
    c = Client(d.socket)
    folder = daemon.state.parent
    (tmp_path / "few.csv").write_text("comment,label\nrow,0\ngood,1\n")
    c.call("ingest", name="few", source=c.attach(tmp_path / "few.csv"), file_name="few.csv",
           options={"labels": ["label"]},
           tokenizers=[{"role": "text", "name": "tiny", "files": {"vocab.txt": c.attach(folder / "vocab.txt")}}])

    def open_many():
        streams = []
        with pytest.raises(Refused) as e:
            while len(streams) < 64:
                streams.append(c.call("stream.open", name="few", split="all", slots=1, batch_size=1, max_length=8))
        for s in streams:
            c.call("stream.close", stream=s["stream"])
        assert e.value.code == "limit" and "bytes" in e.value.message
        return len(streams)

    most = open_many()
    assert 20 < most < 64
    deadline = time.monotonic() + 60
    while open_many() != most:  # what was closed is given back, a moment after the answer
        assert time.monotonic() < deadline
    c.close()
    assert d.stop() == 0


def test_one_users_connections_cannot_hold_all_descriptors(tmp_path, daemon):
    d = Daemon(tmp_path).start()
    resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (320, 320))
    first, second = Client(d.socket), Client(d.socket)
    vocab = daemon.state.parent / "vocab.txt"
    handles = [first.attach(vocab) for _ in range(32)] + [second.attach(vocab) for _ in range(8)]
    with pytest.raises(Refused) as e:
        second.attach(vocab)
    assert e.value.code == "limit" and "40 handles" in e.value.message
    with pytest.raises(Refused):
        second.call("file.begin", name="x", bytes=10)
    first.call("file.close", handle=handles[0])
    second.attach(vocab)
    first.close()  # its 31 are given back with it
    deadline = time.monotonic() + 60
    while second.call("status")["connections"] > 1:
        assert time.monotonic() < deadline
    for _ in range(20):
        second.attach(vocab)
    second.close()
    assert d.stop() == 0


def test_stopping_does_not_wait_for_requests_that_stand_in_line(tmp_path, daemon):
    config = tmp_path / "conf"
    config.write_text("[daemon]\nthreads = 2\n")
    d = Daemon(tmp_path, "--config", str(config)).start()
    folder = daemon.state.parent
    c = Client(d.socket, timeout=120)
    c.call("ingest", name="rows", source=c.attach(folder / "rows.csv"), file_name="rows.csv",
           options={"labels": ["label"]},
           tokenizers=[{"role": "text", "name": "tiny", "files": {"vocab.txt": c.attach(folder / "vocab.txt")}}])
    heavy = {"name": "rows", "plan": {"kind": "plain", "folds": 40_000}}
    one = 0
    for _ in range(3):
        begun = time.monotonic()
        c.call("folds", **heavy)
        one = max(one, time.monotonic() - begun)
    clients = [Client(d.socket, timeout=120) for _ in range(300)]
    for x in clients:
        x.send("folds", **heavy)
    c.call("ping")
    begun = time.monotonic()
    assert d.stop() == 0
    assert time.monotonic() - begun < 300 * one / 8
    for x in clients:
        x.close()


def read_epoch(daemon, ret):
    c = Client(daemon.socket, timeout=120)
    opened = c.call("stream.open", name="rows", fold=0, split="val", order="shuffle", batch_size=256, max_length=8)
    digest, batches = hashlib.sha256(), 0
    while True:
        _, name, p = c.receive() if not c.notices else (2, *c.notices.pop(0))
        if name == "stream.end":
            break
        digest.update(p["data"])
        batches += 1
        c.notify("stream.release", stream=opened["stream"], fills=[[p["slot"], p["fill"]]])
    c.close()
    ret.append((batches, digest.hexdigest()))


def test_many_clients_at_once_get_the_same_epoch(daemon):
    got = []
    readers = [threading.Thread(target=read_epoch, args=(daemon, got)) for _ in range(64)]
    for r in readers:
        r.start()
    for r in readers:
        r.join()
    assert len(got) == 64 and len(set(got)) == 1 and got[0][0] == (ROWS // 5 + 255) // 256
