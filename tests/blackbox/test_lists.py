# SPDX-License-Identifier: Apache-2.0
"""Every order and shard rule over the real socket, against naive versions; and lists of rows from clients who mean no
good."""
import ctypes
import hashlib
import os
import random
import struct

import pytest

from conftest import Daemon
from protoclient import Client, Refused, at_last

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e".split()
ROWS = 97


def texts(n):
    rng = random.Random(3)
    return [" ".join(rng.choices("abcde", k=rng.choice([1, 2, 2, 5, 9, 30]))) for _ in range(n)]


def make(folder, socket, comments=None):
    """Ingests these texts, or ROWS of our own, as "rows"."""
    lines = [f"{t},{i % 2}\n" for i, t in enumerate(comments or texts(ROWS))]
    (folder / "rows.csv").write_text("comment,label\n" + "".join(lines))
    (folder / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    c = Client(socket)
    tokenizer = {"role": "text", "name": "tiny", "files": {"vocab.txt": c.attach(folder / "vocab.txt")}}
    c.call("ingest", name="rows", source=c.attach(folder / "rows.csv"), file_name="rows.csv",
           options={"labels": ["label"]}, tokenizers=[tokenizer])
    c.close()


@pytest.fixture(scope="module")
def made(shared_daemon, tmp_path_factory):
    make(tmp_path_factory.mktemp("rows"), shared_daemon.socket)
    return shared_daemon


@pytest.fixture
def client(made):
    c = Client(made.socket)
    yield c
    c.close()


def memfd(data=b"", size=None):
    fd = os.memfd_create("list", os.MFD_CLOEXEC)
    os.write(fd, data)
    if size is not None:
        os.truncate(fd, size)
    return fd


def packed(rows):
    return struct.pack(f"<{len(rows)}q", *rows)


def handle_of(c, rows=(), data=None, size=None):
    fd = memfd(packed(rows) if data is None else data, size)
    try:
        return c.call("file.attach", [fd], name="list")["handle"]
    finally:
        os.close(fd)


def uploaded(c, rows):
    data = packed(rows)
    handle = c.call("file.begin", name="list", bytes=len(data))["handle"]
    for at in range(0, len(data), 200_000):
        c.call("file.chunk", handle=handle, data=data[at:at + 200_000])
    return handle


def epoch(c, info, generation=None):
    """The index of each batch up to the end, every slot given back."""
    generation, batches = generation or info["generation"], []
    while True:
        name, params = next(iter(notices(c)))
        if params["stream"] != info["stream"]:
            continue
        if name == "stream.batch":
            c.notify("stream.release", stream=info["stream"], fills=[[params["slot"], params["fill"]]])
        if params["generation"] != generation:
            continue
        if name == "stream.end":
            return batches
        rows = params["rows"]
        batches.append((list(struct.unpack(f"<{rows}q", params["data"][-8 * rows:])), params["at"]))


def notices(c):
    while True:
        if c.notices:
            yield c.notices.pop(0)
        else:
            value = c.receive()
            assert value[0] == 2
            yield value[1:]


def indices(c, **options):
    info = c.call("stream.open", name="rows", max_length=8, **options)
    batches = [index for index, _ in epoch(c, info)]
    c.call("stream.close", stream=info["stream"])
    assert info["batches"] == len(batches)
    return batches


def cut(rows, size):
    return [rows[i:i + size] for i in range(0, len(rows), size)]


# ---- naive versions ----


def randperm(n, seed):
    """torch's, from a plain Mersenne Twister."""
    words, rows = mersenne(seed % 2**32), list(range(n))
    for i in range(n - 1):
        j = i + next(words) % (n - i)
        rows[i], rows[j] = rows[j], rows[i]
    return rows


def mersenne(seed):
    s = [seed]
    for i in range(1, 624):
        s.append((1812433253 * (s[-1] ^ s[-1] >> 30) + i) % 2**32)
    while True:
        for i in range(624):
            y = (s[i] & 2**31) | (s[(i + 1) % 624] & (2**31 - 1))
            s[i] = s[(i + 397) % 624] ^ y >> 1 ^ (0x9908B0DF if y & 1 else 0)
        for y in s:
            y ^= y >> 11
            y ^= y << 7 & 0x9D2C5680
            y ^= y << 15 & 0xEFC60000
            yield y ^ y >> 18


def by_length(lengths, batch, seed):
    n, chunk = len(lengths), max(1, min(len(lengths) // (batch * 4), 50)) * batch
    chunks = [sorted(part, key=lambda i: -lengths[i]) for part in cut(randperm(n, seed), chunk)]
    longest = max(range(len(chunks)), key=lambda k: lengths[chunks[k][0]])
    chunks[0][0], chunks[longest][0] = chunks[longest][0], chunks[0][0]
    return sum(chunks, [])


def rounds(rows, size, rank, world, even, drop_last):
    batches = cut(rows, size)
    if drop_last:
        whole = len(rows) // (size * world) * world
        return batches[:whole][rank::world]
    if even and rows:
        filled = list(rows)
        while len(filled) % (size * world):
            filled.append(rows[(len(filled) - len(rows)) % len(rows)])
        batches = cut(filled, size)
    return batches[rank::world]


# ---- orders and shards ----


def test_the_order_length_groups_by_the_first_roles_lengths(client):
    words = [len(t.split()) for t in texts(ROWS)]
    for batch, max_length, epoch_number in [(4, 64, 0), (3, 6, 2), (32, 16, 1), (1, 3, 5)]:
        lengths = [min(n + 2, max_length) for n in words]
        info = client.call("stream.open", name="rows", split="all", order="length", batch_size=4, length_batch=batch,
                           max_length=max_length, seed=9, epoch=epoch_number)
        got = [index for index, _ in epoch(client, info)]
        assert got == cut(by_length(lengths, batch, 9 + epoch_number), 4)
        assert info["length_batch"] == batch and info["order"] == "length" and "order_digest" not in info
        info |= client.call("stream.seek", stream=info["stream"], epoch=7, seed=1)
        assert [index for index, _ in epoch(client, info)] == cut(by_length(lengths, batch, 8), 4)
        client.call("stream.close", stream=info["stream"])


def test_length_batch_is_the_batch_size_unless_it_is_said(client):
    info = client.call("stream.open", name="rows", fold=1, order="length", batch_size=6)
    assert info["length_batch"] == 6
    rows = struct.unpack(f"<{info['rows']}q", client.call("folds.rows", name="rows", fold=1, split="train", start=0,
                                                            count=1000)["rows"])
    words = texts(ROWS)
    order = by_length([len(words[r].split()) + 2 for r in rows], 6, 42)
    assert [i for i, _ in epoch(client, info)] == cut([rows[i] for i in order], 6)


@pytest.mark.parametrize("shard", ["even", "batches"])
def test_whole_batches_go_to_ranks_in_turn(client, shard):
    for world, size, drop_last in [(1, 10, False), (2, 10, False), (3, 7, False), (4, 25, True), (5, 30, False),
                                   (8, 16, False), (8, 16, True), (3, 200, False)]:
        order = randperm(ROWS, 45)
        for rank in range(world):
            got = indices(client, split="all", order="shuffle", epoch=3, world=world, rank=rank, shard=shard,
                          batch_size=size, drop_last=drop_last)
            assert got == rounds(order, size, rank, world, shard == "even", drop_last), (world, size, rank)


@pytest.mark.parametrize("shard", ["even", "batches"])
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_goes_on_at_every_batch_also_with_other_ranks(client, shard, drop_last):
    order, options = randperm(ROWS, 42), dict(split="all", order="shuffle", shard=shard, batch_size=9)
    options["drop_last"] = drop_last
    for rank in range(2):
        info = client.call("stream.open", name="rows", world=2, rank=rank, max_length=8, **options)
        whole = epoch(client, info)
        for i, (_, at) in enumerate(whole):
            sought = client.call("stream.seek", stream=info["stream"], epoch=0, at=at)
            assert epoch(client, info, sought["generation"]) == whole[i + 1:]
    for at in range(0, ROWS + 1, 9):
        for rank in range(5):
            got = indices(client, world=5, rank=rank, at=at, **options)
            if shard == "even" and not drop_last:
                assert got == rounds_from(order, at, 9, rank, 5)
            else:
                assert got == rounds(order[at:], 9, rank, 5, False, drop_last)


def rounds_from(order, at, size, rank, world):
    """EVEN, from a position: what completes the last round is the order from its head."""
    filled = order[at:]
    k = 0
    while filled and len(filled) % (size * world):
        filled.append(order[k % len(order)])
        k += 1
    return cut(filled, size)[rank::world]


# ---- lists ----


@pytest.mark.parametrize("give", [handle_of, uploaded])
def test_a_list_is_the_order_with_repeats_and_its_digest_is_told(client, give):
    rng = random.Random(1)
    for n in [0, 1, 5, ROWS, 300, 30_000]:
        rows = [rng.randrange(ROWS) for _ in range(n)]
        info = client.call("stream.open", name="rows", split="all", order="explicit", rows=give(client, rows),
                           batch_size=512, max_length=8)
        assert [i for i, _ in epoch(client, info)] == cut(rows, 512)
        assert info["order_digest"] == hashlib.sha256(packed(rows)).hexdigest()
        assert (info["rows"], info["order"]) == (n, "explicit")
        client.call("stream.close", stream=info["stream"])


def test_a_list_stays_until_a_seek_brings_another(client):
    first, second = [5, 4, 3, 96, 3], [1] * 11
    info = client.call("stream.open", name="rows", split="all", order="explicit", rows=handle_of(client, first),
                       batch_size=2, max_length=8)
    assert [i for i, _ in epoch(client, info)] == cut(first, 2)
    sought = client.call("stream.seek", stream=info["stream"], epoch=1, at=2)
    assert [i for i, _ in epoch(client, info, sought["generation"])] == cut(first[2:], 2)
    sought = client.call("stream.seek", stream=info["stream"], epoch=2, rows=uploaded(client, second))
    assert sought["rows"] == 11 and sought["samples"] == 11 and sought["batches"] == 6
    assert sought["order_digest"] == hashlib.sha256(packed(second)).hexdigest()
    assert [i for i, _ in epoch(client, info, sought["generation"])] == cut(second, 2)
    sought = client.call("stream.seek", stream=info["stream"], epoch=3)
    assert [i for i, _ in epoch(client, info, sought["generation"])] == cut(second, 2)


@pytest.mark.parametrize("shard", ["pad", "drop", "exact", "even", "batches"])
def test_a_list_is_dealt_to_ranks_like_any_order(client, shard):
    rows = [random.Random(4).randrange(ROWS) for _ in range(50)]
    for rank in range(3):
        got = indices(client, split="all", order="explicit", rows=handle_of(client, rows), batch_size=4, shard=shard,
                      rank=rank, world=3)
        if shard in ("even", "batches"):
            assert got == rounds(rows, 4, rank, 3, shard == "even", False)
        else:
            dealt = {"pad": rows + rows[:1], "drop": rows[:48], "exact": rows}[shard]
            assert got == cut(dealt[rank::3], 4)


def test_a_list_of_a_split_has_rows_of_the_split_alone(client):
    val = struct.unpack("<20q", client.call("folds.rows", name="rows", fold=0, split="val", start=0,
                                            count=100)["rows"])
    other = next(r for r in range(ROWS) if r not in val)
    assert indices(client, fold=0, split="val", order="explicit", rows=handle_of(client, val[::-1]),
                   batch_size=50) == [list(val[::-1])]
    with pytest.raises(Refused) as e:
        client.call("stream.open", name="rows", fold=0, split="val", order="explicit",
                    rows=handle_of(client, [*val, other]))
    assert e.value.code == "bad_request" and e.value.hint
    assert e.value.message == (f"entry 20 of the list of rows is row {other}, which is not among the validation rows "
                               "of fold 0")


# ---- clients who mean no good ----


def refused(c, code, **options):
    with pytest.raises(Refused) as e:
        c.call("stream.open", name="rows", split="all", **{"order": "explicit", **options})
    assert e.value.code == code, e.value
    return e.value.message


def opened_at_last(c, size):
    """A stream over a list of so many bytes."""
    return at_last(lambda: c.call("stream.open", name="rows", split="all", order="explicit",
                                  rows=handle_of(c, size=size), batch_size=2, max_length=8, slots=1))


def test_lists_that_are_none_are_refused(client, tmp_path):
    assert "7 bytes" in refused(client, "bad_file", rows=handle_of(client, data=b"1234567"))
    assert "entry 2 is row 97, but the version has rows 0 to 96" in refused(
        client, "bad_request", rows=handle_of(client, [0, 1, 97]))
    assert "entry 9000 is row -1" in refused(client, "bad_request", rows=handle_of(client, [0] * 9000 + [-1]))
    assert "row -9223372036854775808" in refused(client, "bad_request", rows=handle_of(client, [-2**63]))
    assert "row 4294967296" in refused(client, "bad_request", rows=handle_of(client, [2**32]))
    assert "no handle 77" in refused(client, "not_found", rows=77)
    assert "needs a list" in refused(client, "bad_request")
    assert "goes with" in refused(client, "bad_request", rows=handle_of(client, [1]), order="shuffle")
    assert "goes with" in refused(client, "bad_request", rows=handle_of(client, [1]), order="length")
    assert "length_batch" in refused(client, "bad_request", order="shuffle", length_batch=4)
    assert "length_batch" in refused(client, "bad_request", order="length", length_batch=0)
    unfinished = client.call("file.begin", name="list", bytes=16)["handle"]
    assert "only 0 of 16" in refused(client, "bad_file", rows=unfinished)
    client.call("ping")


def test_a_file_of_another_file_system_could_hang_and_is_refused(client, tmp_path):
    statfs = os.statvfs(tmp_path)
    file = tmp_path / "list"
    file.write_bytes(packed([1, 2]))
    with open(file, "rb") as opened:
        if seals_of(opened.fileno()) >= 0:
            pytest.skip(f"{tmp_path} is in memory ({statfs.f_bsize})")
    assert "memfd" in refused(client, "bad_file", rows=client.attach(file))


def seals_of(fd):
    return ctypes.CDLL(None, use_errno=True).fcntl(fd, 1034)  # F_GET_SEALS


def test_a_list_that_shrinks_under_way_is_refused(client):
    fd = memfd(packed(range(50)))
    handle = client.call("file.attach", [fd], name="list")["handle"]
    os.truncate(fd, 80)
    assert "shorter" in refused(client, "bad_file", rows=handle)
    os.close(fd)


def test_a_handle_is_gone_whatever_comes_of_it(client):
    for options in [{"rows": handle_of(client, [200])}, {"rows": handle_of(client, [1]), "order": "shuffle"},
                    {"rows": handle_of(client, [1]), "slots": 1024}, {"rows": handle_of(client, [1]), "batch_size": 9}]:
        try:
            client.call("stream.open", name="rows", split="all", **{"order": "explicit", **options})
        except Refused:
            pass
        assert "no handle" in refused(client, "not_found", rows=options["rows"])


def test_a_seek_that_is_refused_leaves_list_and_place(client):
    rows = list(range(60))
    info = client.call("stream.open", name="rows", split="all", order="explicit", rows=handle_of(client, rows),
                       batch_size=2, max_length=8, slots=2)
    for options in [{"rows": handle_of(client, [97])}, {"rows": 9999}, {"rows": handle_of(client, data=b"123")},
                    {"rows": handle_of(client, [1, 2, 3]), "at": 4}]:
        with pytest.raises(Refused):
            client.call("stream.seek", stream=info["stream"], epoch=1, **options)
    assert [i for i, _ in epoch(client, info)] == cut(rows, 2)
    shuffled = client.call("stream.open", name="rows", split="all", order="shuffle", batch_size=50, max_length=8)
    with pytest.raises(Refused) as e:
        client.call("stream.seek", stream=shuffled["stream"], epoch=1, rows=handle_of(client, [1]))
    assert e.value.code == "bad_request" and "goes with" in e.value.message


def test_lists_are_charged_to_their_user_before_they_are_read(tmp_path):
    config = tmp_path / "conf"
    config.write_text("[limits]\nslot_bytes_per_user = 4M\n")
    d = Daemon(tmp_path, "--config", str(config)).start()
    make(tmp_path, d.socket)
    c = Client(d.socket)
    # 2^31 + 1 rows are more than a list has; 2^31 rows of zeros take no memory of the client's, but of the daemon's
    assert "2147483649 rows" in refused(c, "limit", rows=handle_of(c, size=8 * (2**31 + 1)))
    assert "4194304 bytes" in refused(c, "limit", rows=handle_of(c, size=8 * 2**31))
    half = 8 * 400_000  # 1.6 MB here
    for _ in range(9):  # what is refused, closed or replaced is given back
        assert "row 1" in refused(c, "bad_request", rows=handle_of(c, data=packed([2**40 + 1]), size=half))
        info = opened_at_last(c, half)
        at_last(lambda: c.call("stream.seek", stream=info["stream"], epoch=1, rows=handle_of(c, size=half)))
        c.call("stream.close", stream=info["stream"])
    first, _ = opened_at_last(c, half), opened_at_last(c, half)
    assert "4194304 bytes" in refused(c, "limit", rows=handle_of(c, size=half))
    with pytest.raises(Refused) as e:  # both lists are there for a moment
        c.call("stream.seek", stream=first["stream"], epoch=1, rows=handle_of(c, size=half))
    assert e.value.code == "limit"
    c.call("stream.seek", stream=first["stream"], epoch=1, rows=handle_of(c, [1, 2, 3]))
    c.close()
    other = Client(d.socket)
    for _ in range(2):
        opened_at_last(other, half)
    other.close()
    assert d.stop() == 0


def test_a_client_that_leaves_while_its_list_is_read_costs_nothing_that_stays(tmp_path):
    config = tmp_path / "conf"
    config.write_text("[limits]\nslot_bytes_per_user = 4M\n")
    d = Daemon(tmp_path, "--config", str(config)).start()
    make(tmp_path, d.socket)
    size = 8 * 400_000  # 1.6 MB here: two lists fit
    for i in range(40):
        c = Client(d.socket)
        if i % 2:
            info = opened_at_last(c, 8)
            c.send("stream.seek", stream=info["stream"], epoch=1, rows=handle_of(c, size=size))
            if i % 4 == 1:
                c.send("stream.seek", stream=info["stream"], epoch=2, rows=handle_of(c, size=size))
                c.send("stream.close", stream=info["stream"])
        else:
            c.send("stream.open", name="rows", split="all", order="explicit", rows=handle_of(c, size=size),
                   batch_size=2, max_length=8, slots=1)
        c.close()
    c = Client(d.socket)
    for _ in range(2):
        opened_at_last(c, size)
    c.close()
    assert d.stop() == 0


def test_a_stream_that_waits_for_a_search_charges_its_list_once(tmp_path):
    """Until a first search for duplicates has ended, stream.open is run again and again."""
    config = tmp_path / "conf"
    config.write_text("[limits]\nslot_bytes_per_user = 1M\n")
    d = Daemon(tmp_path, "--config", str(config)).start()
    rng = random.Random(5)
    words = ["".join(rng.choices("abcde", k=5)) for _ in range(2000)]
    make(tmp_path, d.socket, [" ".join(rng.choices(words, k=60)) for _ in range(20_000)])
    c = Client(d.socket, timeout=300)  # nothing is said while it is searched
    size = 8 * 100_000  # 400 kB here, all of row 0, which is in one of a fold's splits

    def attempt(similarity, split):
        try:
            return c.call("stream.open", name="rows", split=split, fold=0, order="explicit",
                          plan={"duplicates": similarity, "folds": 2}, rows=handle_of(c, size=size), batch_size=2,
                          max_length=8, slots=1)
        except Refused as e:
            assert e.code == "bad_request" and "entry 0 of the list of rows is row 0" in e.message, e

    for similarity, splits in [(0.8, ["train", "val"]), (0.75, ["val", "train"])]:  # a search for each similarity
        opened = [attempt(similarity, split) for split in splits]
        assert opened.count(None) == 1
        for info in filter(None, opened):
            c.call("stream.close", stream=info["stream"])
    opened_at_last(c, 8 * 240_000)  # 960 kB of the 1,048
    c.close()
    assert d.stop() == 0
