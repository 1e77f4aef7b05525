# SPDX-License-Identifier: Apache-2.0
"""Whatever is killed, full, flipped or gone: a dataset is whole or absent, and what was acknowledged stays."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import HSFEED, HSFEEDD, Daemon, need_binaries, without_searches
from jobs import forked, has_ended, stopped_job, wait_for_no_job
from protoclient import Client, Refused, wait_for

SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "row", "is", "good", *SIGNS, *("##" + c for c in SIGNS)]
NOBODY = 65534


def csv(folder, name, rows=400):
    """A file of its own bytes for each name."""
    path = folder / f"{name}.csv"
    path.write_text("text,label\n" + "".join(f"{name} row {i} is good,{i % 2}\n" for i in range(rows)))
    return path


@pytest.fixture
def place(tmp_path):
    need_binaries()
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    d = Daemon(tmp_path, *without_searches(tmp_path))
    d.folder = tmp_path
    yield d.start()
    code = d.stop()
    assert code in (None, 0), f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


def ingest_of(daemon, name, path=None):
    return ["ingest", name, path or csv(daemon.folder, name), "--tokenizer", daemon.folder, "--labels", "label"]


def begin(daemon, *args, **more):
    """A command that runs beside the test."""
    return subprocess.Popen([str(HSFEED), *map(str, args), "--socket", str(daemon.socket)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **more)


def rest(process):
    """What is left of stdout after lines were read from it, and stderr (which is short)."""
    out = process.stdout.read()
    err = process.stderr.read()
    process.wait(timeout=60)
    return out, err


def restart(daemon, sig=signal.SIGKILL):
    daemon.stop(sig)
    daemon.socket.unlink(missing_ok=True)
    daemon.start()


def names(daemon):
    return sorted(d["name"] for d in daemon.json("datasets")["datasets"])


def stored_files(daemon):
    return [path for kind in ("versions", "encodings") for path in (daemon.state / kind).rglob("*.*")]


def stored(daemon):
    return daemon.run("datasets", "--json").stdout, {str(path): path.read_bytes() for path in stored_files(daemon)}


def digest(daemon, name, *options):
    return daemon.run("stream", name, "--split", "all", "--max-length", "16", "--format", "digest", *options).stdout


def is_whole(daemon):
    assert daemon.json("verify")["ok"] is True
    assert os.listdir(daemon.state / "tmp") == []


# ---- kill -9 ----

def test_a_daemon_killed_at_random_moments_of_ingests_never_leaves_half_a_dataset(place):
    dice = random.Random(20240601)
    told, spans, interrupted, seen = ["first0", "first1", "first2"], [], 0, 0
    for name in told:
        begun = time.monotonic()
        place.run(*ingest_of(place, name))
        spans.append(time.monotonic() - begun)
    wait_for_no_job(place)
    for cycle in range(20):
        name = f"kill{cycle}"
        client = begin(place, *ingest_of(place, name))
        try:
            client.wait(dice.uniform(0, 1.2 * min(spans)))
        except subprocess.TimeoutExpired:
            interrupted += 1
        orphans = forked(place)
        seen += len(orphans)
        restart(place)
        out, err = client.communicate(timeout=60)
        if client.returncode == 0:
            told.append(name)
        else:
            assert client.returncode in (1, 3) and "hsfeed: " in err, (out, err)
        wait_for(lambda: all(map(has_ended, orphans)), "an ingest process outlived its daemon")
        assert os.listdir(place.state / "tmp") == []
        assert set(told) <= set(names(place)), f"an acknowledged dataset is gone after cycle {cycle}"
    assert interrupted >= 3 and seen >= 1, "the kills came too late, or too early, to prove anything"
    is_whole(place)
    for name in names(place):
        assert len(place.run("rows", name).stdout.splitlines()) == 400, name
        assert place.json(*ingest_of(place, name))["state"] == "known", name
    for name in {f"kill{cycle}" for cycle in range(20)} - set(names(place)):
        assert place.json(*ingest_of(place, name))["state"] == "new", name
    is_whole(place)


def test_a_daemon_killed_while_it_removes_leaves_a_dataset_or_nothing(place):
    dice = random.Random(20240602)
    place.run(*ingest_of(place, "stays"))
    kept, mine = digest(place, "stays"), stored(place)[1].keys()
    for cycle in range(8):
        place.run(*ingest_of(place, "goes"))
        whole = stored(place)[1].keys()
        client = begin(place, "rm", "goes")
        try:
            client.wait(dice.uniform(0, 0.06))
        except subprocess.TimeoutExpired:
            pass
        restart(place)
        client.communicate(timeout=60)
        assert client.returncode != 0 or names(place) == ["stays"], "an acknowledged removal was undone"
        assert stored(place)[1].keys() == (whole if "goes" in names(place) else mine)
        assert digest(place, "stays") == kept
        is_whole(place)


def test_a_killed_ingest_process_is_told_with_a_way_out(place):
    place.run(*ingest_of(place, "good"))
    wait_for_no_job(place)
    before = stored(place)
    client = begin(place, *ingest_of(place, "bad", csv(place.folder, "bad", 100_000)))
    os.kill(stopped_job(place), signal.SIGKILL)
    out, err = client.communicate(timeout=60)
    assert client.returncode == 1 and out == ""
    said = err[err.index("hsfeed: "):].splitlines()
    assert said == ["hsfeed: ingest bad: the process was killed (SIGKILL)",
                    "  most likely memory ran out: see the kernel's log, free some memory, and try again"]
    wait_for(lambda: not os.listdir(place.state / "tmp"), "files are left in tmp/")
    assert stored(place) == before
    assert place.json(*ingest_of(place, "bad"))["state"] == "new"


def test_streams_go_on_where_they_were_when_the_daemon_was_killed(place):
    place.run(*ingest_of(place, "data", csv(place.folder, "data", 2000)))  # more than ring and pipe can hold
    options = ["data", "--fold", "1", "--epoch", "3", "--batch-size", "2", "--max-length", "64"]
    whole = place.run("stream", *options).stdout.splitlines()
    readers = [begin(place, "stream", *options) for _ in range(2)]
    raw = Client(place.socket)
    opened = raw.call("stream.open", name="data", fold=1, epoch=3, batch_size=2, max_length=64, slots=2)
    saved = raw.notice("stream.batch")
    heads = [[r.stdout.readline() for _ in range(5 + 9 * i)] for i, r in enumerate(readers)]
    restart(place)
    for head, reader in zip(heads, readers):
        out, err = rest(reader)
        assert reader.returncode == 1 and re.search("connection|stream's channel", err.splitlines()[-1])
        lines = "".join([*head, out]).splitlines()
        lines = lines[:-1] if lines[-1] != whole[len(lines) - 1] else lines
        assert len(lines) < len(whole) and lines == whole[:len(lines)]
        assert place.run("stream", *options, "--start-batch", len(lines)).stdout.splitlines() == whole[len(lines):]
    again = Client(place.socket)
    reopened = again.call("stream.open", name="data", fold=1, epoch=3, batch_size=2, max_length=64, slots=2,
                          at=saved["at"], encodings={e["role"]: e["encoding"] for e in opened["encodings"]})
    assert reopened["version"] == opened["version"] and reopened["batches"] == opened["batches"] - 1
    assert again.notice("stream.batch")["data"] == raw.notice("stream.batch")["data"]


def test_a_terminated_daemon_ends_in_time_while_an_ingest_runs(place):
    place.run(*ingest_of(place, "good"))
    wait_for_no_job(place)
    before = stored(place)
    client = begin(place, *ingest_of(place, "late", csv(place.folder, "late", 100_000)))
    wait_for(lambda: forked(place), "no ingest process was started")
    begun = time.monotonic()
    assert place.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 10
    out, err = client.communicate(timeout=60)
    assert client.returncode == 1 and out == ""
    assert err.splitlines()[-1] == "hsfeed: the daemon closed the connection: the daemon is shutting down"
    place.start()
    assert stored(place) == before
    is_whole(place)


# ---- clients that die or stop, and names that move ----

def test_killed_and_stopped_clients_harm_only_themselves(place):
    place.run(*ingest_of(place, "data"))
    options = ["data", "--split", "all", "--batch-size", "2", "--max-length", "64"]
    whole = place.run("stream", *options).stdout
    killed, stopped = begin(place, "stream", *options), begin(place, "stream", *options)
    for reader in (killed, stopped):
        reader.stdout.readline()
    stopped.send_signal(signal.SIGSTOP)
    assert place.json("status")["streams"] == 2
    assert place.run("stream", *options).stdout == whole
    killed.kill()
    wait_for(lambda: place.json("status")["streams"] == 1, "a killed client's stream is still there")
    assert place.run("stream", *options).stdout == whole
    stopped.send_signal(signal.SIGCONT)
    stopped.kill()
    wait_for(lambda: place.json("status")["streams"] == 0, "a stopped client's stream is still there")
    for reader in (killed, stopped):
        rest(reader)


def test_rm_lets_an_open_stream_go_on_to_its_end_and_then_deletes_the_files(place):
    place.run(*ingest_of(place, "data"))
    options = ["data", "--split", "all", "--batch-size", "2", "--max-length", "64"]
    whole = place.run("stream", *options).stdout
    reader = begin(place, "stream", *options)
    head = reader.stdout.readline()
    place.run("rm", "data")
    assert names(place) == [] and place.run("stream", *options, check=False).returncode == 1
    assert stored(place)[1] != {}
    assert place.json("status")["streams"] == 1
    out, err = rest(reader)
    assert reader.returncode == 0, err
    assert head + out == whole
    wait_for(lambda: not stored_files(place), "the files of a removed dataset are still there")


def test_an_open_stream_stays_on_its_version_when_the_name_moves(place):
    place.run(*ingest_of(place, "data"))
    options = ["data", "--split", "all", "--batch-size", "2", "--max-length", "64"]
    whole = place.run("stream", *options).stdout
    reader = begin(place, "stream", *options)
    head = reader.stdout.readline()
    moved = place.json(*ingest_of(place, "data", csv(place.folder, "others")))
    assert moved["state"] == "new"
    assert place.json("status")["streams"] == 1
    out, err = rest(reader)
    assert reader.returncode == 0, err
    assert head + out == whole
    assert place.run("stream", *options).stdout != whole
    old = next(v["version"] for v in place.json("versions", "data")["versions"] if v["version"] != moved["version"])
    assert place.run("stream", f"data@{old[:8]}", *options[1:]).stdout == whole


def test_equal_ingests_at_once_are_one(place):
    path = csv(place.folder, "data", 20_000)
    both = [begin(place, *ingest_of(place, "data", path), "--json") for _ in range(2)]
    told = [json.loads(c.communicate(timeout=60)[0]) for c in both]
    assert told[0]["version"] == told[1]["version"]
    assert len(list((place.state / "versions").rglob("*.mdb"))) == 1
    assert len(place.json("versions", "data")["versions"]) == 1


# ---- the disk ----

@pytest.fixture
def small_disk(tmp_path):
    """A daemon whose state is a file system of 12 MiB."""
    need_binaries()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", str(state)],
                                           capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system takes root")
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    d = Daemon(tmp_path, *without_searches(tmp_path))
    d.folder = tmp_path
    try:
        yield d.start()
        assert d.stop() == 0, d.log.read_text(errors="replace")[-8000:]
    finally:
        d.stop(signal.SIGKILL)
        subprocess.run(["umount", str(state)], check=True)


def test_a_full_disk_is_told_and_the_next_ingest_after_freeing_works(small_disk):
    d = small_disk
    d.run(*ingest_of(d, "good"))
    before, kept = stored(d), digest(d, "good")
    ballast = d.state / "tmp" / "ballast"
    with open(ballast, "wb") as file:
        free = os.statvfs(d.state)
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - (1 << 20))))
    big = csv(d.folder, "big", 40_000)
    done = d.run(*ingest_of(d, "big", big), check=False)
    assert done.returncode == 1 and done.stdout == ""
    said = done.stderr[done.stderr.index("hsfeed: "):].splitlines()
    file = re.escape(str(d.state / "tmp")) + r"/\S+"
    assert re.fullmatch(f"hsfeed: {file}: cannot write it: No space left on device", said[0])
    assert said[1:] == ["  make room on that file system, or start hsfeedd with --state on a larger one"]
    wait_for(lambda: os.listdir(d.state / "tmp") == ["ballast"], "files are left in tmp/")
    assert stored(d) == before and digest(d, "good") == kept
    ballast.unlink()
    assert d.json(*ingest_of(d, "big", big))["version_info"]["rows"] == 40_000
    is_whole(d)


def test_a_second_daemon_on_one_state_is_refused_with_a_sentence(place, tmp_path):
    done = subprocess.run([str(HSFEEDD), "--state", str(place.state), "--socket", str(tmp_path / "other.sock")],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (f"hsfeedd: {place.state}: another hsfeedd (process {place.process.pid}) holds it; use that "
                           "daemon, stop it first, or name another folder with --state\n")
    place.run("status")


@pytest.mark.parametrize("kind", ["versions", "encodings"])
def test_a_flipped_bit_is_found_named_and_never_served(place, kind):
    for name in ("bad", "good"):
        place.run(*ingest_of(place, name))
    kept = digest(place, "good")
    client = Client(place.socket)
    opened = client.call("stream.open", name="bad", split="all")
    client.close()
    ident = opened["version"] if kind == "versions" else opened["encodings"][0]["encoding"]
    path = place.state / kind / str(os.getuid()) / f"{ident}.mdb"
    place.stop()
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size * 2 // 3)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    place.start()
    done = place.run("verify", check=False)
    assert done.returncode == 1 and f"{path}: MiB 0 differs from its checksum" in done.stdout, done
    files = place.json("verify", check=False)["files"]
    assert {(f["file"] == str(path), f["ok"]) for f in files} == {(True, False), (False, True)} and len(files) == 4
    done = place.run("stream", "bad", "--split", "all", check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [
        f"hsfeed: {path}: MiB 0 differs from its checksum",
        "  ingest the source again, after hsfeed rm of this version; the other files are not touched by this"]
    with pytest.raises(Refused) as refused:
        Client(place.socket).call("stream.open", name="bad", split="all")
    assert refused.value.code == "corrupt"
    assert digest(place, "good") == kept
    place.run("rm", "bad")
    assert place.json(*ingest_of(place, "bad"))["state"] == "new"
    is_whole(place)


def test_a_lost_catalog_is_refused_with_the_way_out_and_rebuilt(place):
    place.run(*ingest_of(place, "data"))
    kept = digest(place, "data")
    place.stop()
    shutil.rmtree(place.state / "catalog")
    start = [str(HSFEEDD), "--state", str(place.state), "--socket", str(place.socket)]
    done = subprocess.run(start, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (f"hsfeedd: {place.state}: there are 2 file(s) of versions, encodings and arrays, "
                           "but no catalog; hsfeedd --rebuild-catalog makes it anew from the files' headers\n")
    place.flags += ("--rebuild-catalog",)
    place.start()
    assert names(place) == ["data"] and digest(place, "data") == kept
    is_whole(place)
    place.flags = place.flags[:-1]
    restart(place, signal.SIGTERM)
    assert digest(place, "data") == kept


# ---- two users ----

@pytest.fixture
def open_daemon():
    """A daemon that another user may talk to: its folder can be entered, its socket is for all."""
    need_binaries()
    if os.geteuid() != 0:
        pytest.skip("a client of another user takes root")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hsfeed-users-"))
    folder.chmod(0o755)
    (folder / "conf").write_text("[daemon]\nsocket_mode = 0666\n")
    (folder / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    d = Daemon(folder, "--config", str(folder / "conf"))
    d.folder = folder
    try:
        yield d.start()
        assert d.stop() == 0, d.log.read_text(errors="replace")[-8000:]
    finally:
        d.stop(signal.SIGKILL)
        shutil.rmtree(folder)


def test_two_users_do_not_see_name_or_share_each_others_datasets(open_daemon):
    d = open_daemon

    def other(*args):
        try:
            return subprocess.run([str(HSFEED), *map(str, args), "--socket", str(d.socket)], capture_output=True,
                                  text=True, timeout=60, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
        except PermissionError:
            pytest.skip(f"another user cannot run {HSFEED}")

    d.run(*ingest_of(d, "mine"))
    assert json.loads(other("datasets", "--json").stdout) == {"datasets": []}
    refusals = [other("show", name) for name in ("mine", "none", "root:mine", "root:none")]
    assert [r.returncode for r in refusals] == [1] * 4
    for there, absent in (refusals[:2], refusals[2:]):
        assert there.stderr.replace("mine", "none") == absent.stderr, "a private dataset can be noticed"
    assert other("rm", "mine").returncode == 1 and names(d) == ["mine"]
    twin = json.loads(other(*ingest_of(d, "mine"), "--json").stdout)
    assert twin["state"] == "new", "sharing of files crosses users: a private dataset can be noticed"
    for kind in ("versions", "encodings"):
        assert sorted(p.name for p in (d.state / kind).iterdir()) == ["0", str(NOBODY)]
    assert len(json.loads(other("datasets", "--json").stdout)["datasets"]) == 1
    assert json.loads(other("status", "--json").stdout)["datasets"] == 1
    assert other("rm", "mine").returncode == 0
    assert names(d) == ["mine"] and len(d.run("rows", "mine").stdout.splitlines()) == 400
