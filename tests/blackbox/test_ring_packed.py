# SPDX-License-Identifier: Apache-2.0
"""Packed slots: written out by a client that was made from RING.md alone, they have the bytes of batches through the
socket; what a client does to its ring harms nobody; and what is charged is what they take."""
import mmap
import os
import random
import threading

import pytest

np = pytest.importorskip("numpy")

from conftest import Daemon, need_binaries
from protoclient import Client, Refused
from ringclient import ITEM, Ring, finish, inline, plain, random_request, start

SMALL = {"name": "rows", "split": "all", "max_length": 16, "batch_size": 10}
ROLE_NAMES = ("input_ids", "attention_mask", "token_type_ids")


def aligned(n):
    return (n + 63) // 64 * 64


class PackedRing(Ring):
    """A client that writes the rows out itself: RING.md, section 3."""

    def __init__(self, client, timeout=60, **params):
        super().__init__(client, timeout, packed=True, **params)

    def take(self, timeout):
        self.packed = self.opened["packed"]
        self.unpacked_bytes = self.opened["slot_bytes"]
        self.opened["slot_bytes"] = self.packed["slot_bytes"]  # what the memory's slots have
        super().take(timeout)
        self.memory.close()
        self.memory = mmap.mmap(self.fd, os.fstat(self.fd).st_size)

    def table(self, role):
        if role["table"] is None:
            return None
        offset, codes = role["table"]
        assert role["width"] == 16 and offset % 4 == 0 and offset >= self.slots * self.slot_bytes
        return np.frombuffer(self.memory[offset:offset + 4 * codes], "<u4")

    def rows(self, batch, role):
        """The ids of each row of a batch."""
        at = batch["slot"] * self.slot_bytes + role["offset"]
        part = self.memory[at:at + role["bytes"]]
        counts = np.frombuffer(part, "<u4", self.opened["batch_size"])[:batch["rows"]]
        codes = np.frombuffer(part, f"<u{role['width'] // 8}", counts.sum(), aligned(4 * self.opened["batch_size"]))
        table = self.table(role)
        return np.split(codes if table is None else table[codes], np.cumsum(counts)[:-1])

    def role_arrays(self, batch, r):
        """ids, mask and types of a role: each [rows, length]."""
        role, shape = self.packed["roles"][r], (batch["rows"], batch["lengths"][r])
        ids, mask, types = np.full(shape, role["pad"][0]), np.zeros(shape, np.int64), np.full(shape, role["pad"][1])
        for i, row in enumerate(self.rows(batch, role)):
            items = [*role["prefix"], *([int(t), role["text_type"]] for t in row), *role["suffix"]]
            assert len(items) <= shape[1]
            begin = shape[1] - len(items) if role["pad_left"] else 0
            if items:
                ids[i, begin:begin + len(items)], types[i, begin:begin + len(items)] = np.transpose(items)
            mask[i, begin:begin + len(items)] = 1
        return ids, mask, types

    def data(self, batch):
        out, offsets = b"", iter(self.packed["offsets"])
        roles = [self.role_arrays(batch, r) for r in range(len(self.packed["roles"]))]
        for array in self.opened["arrays"]:
            out += b"\0" * (-len(out) % 64)
            if array["role"] is not None:
                kind = next(k for k, name in enumerate(ROLE_NAMES) if array["name"].endswith(name))
                out += roles[array["role"]][kind].astype(array["dtype"]).tobytes()
                continue
            at = batch["slot"] * self.slot_bytes + next(offsets)
            columns = array["columns"] if array["dims"] == 2 else 1
            out += self.memory[at:at + batch["rows"] * columns * ITEM[array["dtype"]]]
        assert next(offsets, None) is None
        return out


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    need_binaries()
    d = start(tmp_path_factory.mktemp("packed"), streams=256)
    yield d
    finish(d)


def same_packed(client, **request):
    """Opens both ways, compares every batch, and returns how the slots were packed."""
    want, at = inline(client, **request)
    r = PackedRing(client, **request)
    assert r.opened["batches"] == len(want)
    assert r.batches() == want, request
    assert r.end["at"] == at
    client.call("stream.close", stream=r.id)
    r.close()
    return r


# ---- batches ----

@pytest.mark.parametrize("seed", range(8))
def test_packed_batches_written_out_are_those_of_the_socket_to_the_byte(client, seed):
    rng = random.Random(1000 + seed)
    for _ in range(5):
        request = random_request(rng)
        if rng.random() < 0.4:
            kind, roles = rng.choice(["mask_rows", "mask_prob"]), request["roles"]
            request[kind] = rng.choice([0.1, 0.6, 1.0])
            request["mask_roles"] = rng.choice([roles[:1], roles[-1:]])
        if rng.random() < 0.3:
            request["weight"] = {"label": 2.5, "other": 0.5}
        same_packed(client, **request)


@pytest.mark.parametrize("options", [
    {}, {"dtype": "int32"}, {"token_type_ids": True}, {"padding": "longest"}, {"padding": 7},
    {"roles": ["second", "text"], "max_length": {"text": 9, "second": 30}, "token_type_ids": True, "dtype": "int32"},
    {"mask_prob": 0.5, "mask_seed": 3}, {"mask_rows": 1, "mask_roles": ["second"], "roles": ["text", "second"]},
    {"weight": {"label": 3}}, {"max_length": 2}, {"max_length": 512, "padding": "longest"}, {"batch_size": 1100},
    {"batch_size": 300, "mask_prob": 0.2},  # masked some rows at a time
])
def test_each_option_packed(client, options):
    r = same_packed(client, **{**SMALL, **options})
    masked = options.get("mask_roles", ["text"] if "mask_prob" in options else [])
    for role, encoding in zip(r.packed["roles"], r.opened["encodings"]):
        assert role["width"] == (32 if encoding["role"] in masked else 16)


def test_what_lies_where(client):
    """Parts of slots do not overlap, end within them, and the ring has no more than slots and tables."""
    for seed in range(30):
        r = PackedRing(client, **random_request(random.Random(2000 + seed)))
        o, end = r.opened, 0
        for role, encoding in zip(r.packed["roles"], o["encodings"]):
            assert role["offset"] % 64 == 0 and role["offset"] >= end
            most = o["batch_size"] * (encoding["max_length"] - len(role["prefix"] + role["suffix"]))
            assert aligned(4 * o["batch_size"]) <= role["bytes"] <= aligned(4 * o["batch_size"]) + 2 * most
            end = role["offset"] + role["bytes"]
        rest = [a for a in o["arrays"] if a["role"] is None]
        for offset, a in zip(r.packed["offsets"], rest, strict=True):
            assert offset % 64 == 0 and offset >= end
            end = offset + a["bytes"]
        assert end <= r.slot_bytes < r.unpacked_bytes + 64 and r.slot_bytes % 64 == 0
        tables = sum(aligned(4 * role["table"][1]) for role in r.packed["roles"] if role["table"])
        assert 0 <= os.fstat(r.fd).st_size - r.slots * r.slot_bytes - tables < mmap.PAGESIZE
        client.call("stream.close", stream=r.id)
        r.close()


def test_codes_with_a_table_of_ids(tmp_path):
    """A vocabulary beyond 16 bits of which few entries are used; the ids in use lie at its end."""
    need_binaries()
    d = Daemon(tmp_path).start()
    c = Client(d.socket, timeout=120)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(70_000))]
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in words))
    rng = random.Random(5)
    lines = [f"{' '.join(rng.choices(words[-300:], k=rng.randrange(1, 20)))},{i % 2}\n" for i in range(300)]
    (tmp_path / "rows.csv").write_text("comment,label\n" + "".join(lines))
    c.call("ingest", name="rows", source=c.attach(tmp_path / "rows.csv"), file_name="rows.csv",
           options={"labels": ["label"]},
           tokenizers=[{"role": "text", "name": "large", "files": {"vocab.txt": c.attach(tmp_path / "vocab.txt")}}])
    for options in ({}, {"dtype": "int32", "padding": "longest"}):
        r = same_packed(c, **{**SMALL, **options})
        assert 2 <= r.packed["roles"][0]["table"][1] < 65536
    r = same_packed(c, **SMALL, mask_prob=0.3)
    assert r.packed["roles"][0]["table"] is None and r.packed["roles"][0]["width"] == 32
    c.close()
    finish(d)


def test_attached_arrays_come_with_packed_rows(client):
    values = np.arange(1003 * 3, dtype=np.float32).reshape(1003, 3)
    fd = os.memfd_create("values")
    os.write(fd, values.tobytes())
    handle = client.call("file.attach", [fd], name="values")["handle"]
    os.close(fd)
    client.call("attach", name="rows", array="logits", source=handle, dtype="float32", shape=[1003, 3])
    r = same_packed(client, **SMALL, arrays=["logits"], weight={"other": 4}, token_type_ids=True, order="shuffle")
    names = [a["name"] for a in r.opened["arrays"] if a["role"] is None]
    assert len(names) == 4 == len(r.packed["offsets"]) and {"labels", "weight", "index", "logits"} == set(names)


def test_a_seek_while_packed_batches_are_held_leaves_them_as_they_are(client):
    want, _ = inline(client, **SMALL)
    r = PackedRing(client, slots=4, **SMALL)
    held = [r.next(), r.next()]
    for epoch in range(1, 6):
        client.call("stream.seek", stream=r.id, epoch=0, at=10 * epoch)
        while (b := r.next()) is not None or r.end["generation"] != epoch + 1:
            if b:
                r.release(b)
    assert [r.data(b) for b in held] == [w["data"] for w in want[:2]]
    r.close()


# ---- what is asked, and what it costs ----

def test_only_who_asks_gets_packed_slots(client):
    assert "packed" in client.hello["features"]
    r = Ring(client, **SMALL)
    assert "packed" not in r.opened
    assert [b["data"] for b in r.batches()] == [b["data"] for b in inline(client, **SMALL)[0]]
    r.close()
    for transport in ({}, {"transport": "inline"}):
        with pytest.raises(Refused) as e:
            client.call("stream.open", packed=True, **SMALL, **transport)
        assert e.value.code == "bad_request" and "packed" in e.value.message
        assert "packed" not in client.call("stream.open", packed=False, **SMALL, **transport)
    with pytest.raises(Refused):
        client.call("stream.open", packed=1, transport="ring", **SMALL)
    assert client.fds == []


def test_a_packed_ring_has_what_fits_2_mib_of_packed_slots_up_to_64_unless_told(client):
    assert PackedRing(client, **SMALL).slots == 64 and PackedRing(client, **{**SMALL, "slots": 3}).slots == 3
    between = PackedRing(client, **{**SMALL, "max_length": 64, "batch_size": 400})
    assert 16 < between.slots < 64 and between.slots == (2 << 20) // between.slot_bytes
    assert PackedRing(client, **{**SMALL, "batch_size": 20_000}).slots == 16


def test_what_is_charged_is_what_the_slots_take(tmp_path):
    need_binaries()
    d = start(tmp_path, slot_bytes_per_user="4M")
    c = Client(d.socket, timeout=60)
    large = {"name": "rows", "split": "all", "max_length": 512, "batch_size": 64, "slots": 16}
    with pytest.raises(Refused) as e:
        Ring(c, **large)
    assert e.value.code == "limit"
    rings = [PackedRing(c, **large)]
    assert rings[0].slots * rings[0].unpacked_bytes > 4 << 20
    with pytest.raises(Refused) as e:
        while len(rings) < 200:
            rings.append(PackedRing(c, **large))
    taken = sum(os.fstat(r.fd).st_size for r in rings)
    assert e.value.code == "limit" and 2 << 20 < taken <= 4 << 20
    for r in rings:
        r.close()
    c.close()
    finish(d)


@pytest.mark.parametrize("options", [
    [], ["--roles", "text,second", "--padding", "longest", "--mask-prob", "0.3", "--mask-roles", "second"],
])
def test_the_command_gives_the_same_unpacked(daemon, options):
    args = ["stream", "rows", "--fold", "0", "--max-length", "24", *options, "--format", "digest"]
    packed, unpacked = daemon.json(*args), daemon.json(*args, env={"HSFEED_NO_PACKED": "1"})
    assert "packed" in packed["stream"] and "packed" not in unpacked["stream"]
    assert packed["stream"]["transport"] == unpacked["stream"]["transport"] == "ring"
    assert packed["digest"] == unpacked["digest"]


# ---- clients that write where they should not ----

@pytest.mark.parametrize("options", [
    {}, {"mask_prob": 0.5}, {"batch_size": 600, "mask_rows": 0.3},
    {"mask_rows": 0.5, "mask_roles": ["second"], "roles": ["text", "second"], "token_type_ids": True},
])
def test_a_client_that_scribbles_over_its_packed_ring_harms_nobody_but_itself(daemon, client, options):
    """Counts, codes and tables are noise while the daemon packs, in particular while it masks what it packed."""
    other = Client(daemon.socket, timeout=60)
    want, _ = inline(other, **{**SMALL, **options})
    bystander = PackedRing(other, **{**SMALL, **options, "slots": 3})
    r, stop = PackedRing(client, **{**SMALL, **options, "slots": 4}), threading.Event()

    def scribble():
        noise = np.frombuffer(os.urandom(len(r.memory)), np.uint8)
        memory = np.frombuffer(r.memory, np.uint8)
        while not stop.is_set():
            memory[:] = noise
    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for epoch in range(1, 30):
            count = 0
            while (b := r.next()) is not None:
                assert b["batch"] == count
                r.release(b)
                count += 1
            assert count == len(want)
            client.call("stream.seek", stream=r.id, epoch=epoch)
    finally:
        stop.set()
        thread.join()
    assert bystander.batches() == want
    client.call("stream.seek", stream=r.id, epoch=0)
    got = []
    while (b := r.next()) is not None or r.end["generation"] != 31:
        if b and b["generation"] == 31:
            got.append(plain(b, r.data(b)))
        if b:
            r.release(b)
    assert got == want  # what is packed after it stopped is right again
    r.close()
    bystander.close()
    other.close()
