# SPDX-License-Identifier: Apache-2.0
"""The extension's Client: requests of any kind, ingests, callbacks, signals, threads."""

import gc
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from ext import connect, ingest_options, refused, stopped
from hsfeed import _hsfeed


def test_the_greeting_and_who_listens(client, shared_daemon):
    assert client.hello["protocol"] == 1 and client.hello["daemon"].startswith("hsfeedd ")
    assert client.peer == (str(shared_daemon.socket), shared_daemon.process.pid, os.getuid())
    assert client.fileno() >= 0 and _hsfeed.version() == "0.1.0"


def test_a_request_and_its_answer(client):
    assert client.call("ping") == {}
    assert client.call("ping", {}) == {}
    page = client.call("rows", {"name": "demo", "start": 3, "count": np.int64(2), "text": True, "role": None})
    assert (page["start"], page["count"], page["next"]) == (3, 2, 5)
    assert isinstance(page["ids"], bytes) and len(page["lines"]) == 8 and len(page["texts"]) == 2
    assert np.frombuffer(page["labels"], "float32").shape == (2,)
    assert client.call("folds", {"name": "demo", "plan": {"folds": 3, "shuffle": False}})["plan"]["folds"] == 3


@pytest.mark.parametrize("value, sentence", [
    (2.5, "not a float"), (-1, "count"), ("2", "count"), (True, "count"), (b"2", "count"), ([1, (2, 3)], "count"),
    ({"a": {"b": None}}, "count"),
])  # fmt: skip
def test_every_type_arrives_as_what_it_is(client, value, sentence):
    with refused("bad_request") as caught:
        client.call("rows", {"name": "demo", "start": 0, "count": value})
    assert sentence in str(caught.value)


@pytest.mark.parametrize("params, error", [
    ({"a": object()}, TypeError), ({"a": [set()]}, TypeError), ({1: 2}, TypeError), ([1], TypeError),
    ({"a": 2**64}, OverflowError), ({"a": -(2**63) - 1}, OverflowError), ({"a": "x\0y"}, ValueError),
    ({"a": "\ud800"}, UnicodeEncodeError),
])  # fmt: skip
def test_what_a_request_cannot_carry(client, params, error):
    with pytest.raises(error):
        client.call("ping", params)


def test_a_request_that_holds_itself_is_refused(client):
    loop = {}
    loop["a"] = loop
    with pytest.raises(Exception):
        client.call("ping", loop)
    assert client.call("ping") == {}


def test_streams_are_not_for_call(client):
    with refused("bad_argument"):
        client.call("stream.close", {"stream": 1})


@pytest.mark.parametrize("options, error, word", [
    ({"name": "x", "lables": ["a"]}, TypeError, "lables"),
    ({"name": 1}, TypeError, "name"),
    ({"name": "x", "labels": "a"}, TypeError, "labels"),
    ({"name": "x", "labels": [1]}, TypeError, "labels"),
    ({"name": "x", "data": "text"}, TypeError, "data"),
    ({"name": "x", "tokenizers": [{"nam": "a"}]}, TypeError, "nam"),
    ({"name": "x", "tokenizers": ["a"]}, TypeError, "tokenizers"),
    ({"name": "x", "timeout_ms": -1}, OverflowError, "timeout_ms"),
    ({"name": "x\0"}, ValueError, "name"),
    ("x", TypeError, "dict"),
])  # fmt: skip
def test_options_that_are_not_understood_name_themselves(client, options, error, word):
    with pytest.raises(error, match=word):
        client.ingest(options)


@pytest.mark.parametrize("options, error, word", [
    ({"fold": 1.5}, TypeError, "fold"), ({"fold": 2**32}, OverflowError, "fold"), ({"plan": 5}, TypeError, "plan"),
    ({"dtype": "int16"}, ValueError, "dtype"), ({"plan": {"k": 5}}, TypeError, "'k'"),
    ({"transport": 1}, TypeError, "transport"), ({"padding": 1.5}, TypeError, "padding"),
    ({"roles": [{"role": b"x"}]}, TypeError, "role"),
])  # fmt: skip
def test_options_of_streams_name_themselves(client, options, error, word):
    with pytest.raises(error, match=word):
        client.open({"name": "demo", **options})


def test_every_option_of_a_stream_counts(client):
    options = {
        "name": "demo", "plan": {"kind": "plain", "folds": 4, "fold_seed": 0, "shuffle": True}, "fold": 0,
        "split": "train", "order": "shuffle", "seed": 0, "epoch": 2, "at": 64, "rank": 1, "world": 2, "shard": "drop",
        "batch_size": 8, "drop_last": True, "max_length": 64, "padding": 16, "dtype": "int32",
        "token_type_ids": True, "slots": 5, "transport": None,
        "roles": [{"role": "text", "max_length": 32, "encoding": None}],
    }  # fmt: skip
    info = client.open(options).info
    said = {**info, "plan": {key: info["plan"][key] for key in options["plan"] if key in info["plan"]}}
    for key in options.keys() - {"max_length", "roles", "transport", "token_type_ids", "name"}:
        assert said[key] in (options[key], str(options[key])), key
    assert info["encodings"][0]["max_length"] == 32
    assert "token_type_ids" in [array["name"] for array in info["arrays"]]


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, "uint8")])
def test_a_source_in_memory(client, demo, wrap):
    options = {**ingest_options(demo, "memory"), "data": wrap((demo / "comments.csv").read_bytes()), "path": None}
    assert client.ingest({**options, "file_name": "comments.csv"})["state"] in ("new", "known")
    assert client.why({**options, "header": True, "drop_empty": True})["same"] is False


def test_labels_of_none_are_no_labels(client):
    data = b"text,a\none,1\ntwo,0\n"
    base = {"name": "bare", "data": data, "text_column": "text"}
    assert client.ingest({**base, "labels": None, "tokenizers": []})["version_info"]["labels"] == []
    assert client.ingest({**base, "labels": (), "tokenizers": []})["version_info"]["labels"] == []
    assert client.ingest({**base, "labels": ["a"], "tokenizers": []})["version_info"]["labels"][0]["name"] == "a"


def test_add_and_verify(client, demo):
    heard = []
    answer = client.add({"name": "demo", "tokenizers": [{"role": "more", "name": str(demo / "tokenizer")}]})
    assert {role["role"] for role in answer["roles"]} == {"more"} or "more" in str(answer["roles"])
    assert client.verify("demo", lambda *said: heard.append(said))["ok"] is True
    assert client.verify()["ok"] is True
    assert all(stage == "verify" for stage, _, _ in heard)


def test_progress_cancels(client, demo):
    rows = "".join(f"{'word ' * 200}{i},{i % 2}\n" for i in range(20_000))  # long enough to be cancelled
    tokenizers = ingest_options(demo)["tokenizers"]
    options = {"name": "cancelled", "data": f"text,y\n{rows}".encode(), "labels": ["y"], "tokenizers": tokenizers}
    with refused("cancelled"):
        client.ingest(options, progress=lambda stage, done, total: True)


def test_what_progress_raises_comes_through(client, demo):
    def progress(stage, done, total):
        raise ZeroDivisionError(stage)

    with pytest.raises(ZeroDivisionError):
        client.ingest({**ingest_options(demo, "raised"), "clean": ["urls"]}, progress)
    assert client.call("ping") == {}


def test_a_connection_is_not_for_its_own_callbacks(client, demo):
    caught = []

    def progress(stage, done, total):
        for call in (lambda: client.call("ping"), client.close, lambda: client.open({"name": "demo"})):
            try:
                call()
            except Exception as error:
                caught.append(error.code)

    client.ingest({**ingest_options(demo, "inside"), "clean": ["latin"]}, progress)
    assert caught and set(caught) == {"bad_argument"}


def test_a_stream_may_die_inside_a_callback(client, demo):
    streams = [client.open({"name": "demo", "fold": 0})]
    before = client.call("status")["streams"]
    client.ingest({**ingest_options(demo, "inside"), "clean": ["urls"]}, lambda *said: streams.clear())
    assert client.call("status")["streams"] == before - 1


def test_notices_are_heard(shared_daemon, client, demo):
    heard = []
    listener = connect(shared_daemon, on_notice=lambda name, params: heard.append((name, params)))
    for clean in ("urls", "whitespace"):
        client.ingest({**ingest_options(demo, "moving"), "clean": [clean]})
    listener.call("ping")
    assert ("dataset.moved", "moving") in [(name, params["name"]) for name, params in heard]


def test_a_fault_in_a_notice_is_reported_and_harms_nothing(shared_daemon, client, demo, monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda fault: reported.append(fault.exc_type))
    listener = connect(shared_daemon, on_notice=lambda name, params: 1 / 0)
    for clean in ("urls", "latin"):
        client.ingest({**ingest_options(demo, "moving"), "clean": [clean]})
    assert listener.call("ping") == {}
    assert ZeroDivisionError in reported


def test_a_closed_connection_says_so(shared_daemon):
    c = connect(shared_daemon)
    c.close()
    c.close()
    with refused("connection_lost"):
        c.call("ping")
    assert c.hello["protocol"] == 1


def test_where_nobody_listens(tmp_path):
    with refused("no_daemon"):
        _hsfeed.Client(str(tmp_path / "nobody"))


def test_the_error_factory():
    previous = sys.modules["hsfeed.errors"].error_from
    try:
        _hsfeed.set_error_factory(lambda number, name, message, hint: KeyError(number, name, message, hint))
        with pytest.raises(KeyError) as caught:
            _hsfeed.Client("/nowhere/hsfeed.sock")
        number, name, message, hint = caught.value.args
        assert number == _hsfeed.errors()[name] and "/nowhere" in message
        _hsfeed.set_error_factory(lambda *said: "no exception")
        with pytest.raises(TypeError):
            _hsfeed.Client("/nowhere/hsfeed.sock")
        _hsfeed.set_error_factory(None)
        with pytest.raises(RuntimeError, match="/nowhere"):
            _hsfeed.Client("/nowhere/hsfeed.sock")
    finally:
        _hsfeed.set_error_factory(previous)


def test_a_call_times_out(daemon):
    c = connect(daemon)
    with stopped(daemon), refused("timeout"):
        c.call("status", timeout_ms=50)


def test_ctrl_c_ends_a_call(daemon):
    c = connect(daemon)
    with stopped(daemon), pytest.raises(KeyboardInterrupt):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        c.call("status")


def test_ctrl_c_ends_the_wait_for_another_threads_call(daemon):
    c = connect(daemon)
    with stopped(daemon):
        thread = threading.Thread(target=c.call, args=["status"])
        thread.start()
        time.sleep(0.1)
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            c.call("status")
        assert thread.is_alive()  # in its call still
    thread.join()


def test_threads_take_turns(client):
    answers = []

    def ask():
        for _ in range(50):
            answers.append(client.call("ping"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{}] * 200


def test_connections_that_cycle_are_collected(shared_daemon):
    def notice(name, params):
        return c

    c = connect(shared_daemon, on_notice=notice)
    fd = c.fileno()
    del c, notice
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(fd)
