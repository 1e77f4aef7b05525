# SPDX-License-Identifier: Apache-2.0
"""A client's side of a ring, written from RING.md alone, and what its tests have in common."""
import mmap
import os
import random
import socket
import struct
import time

from conftest import Daemon
from protoclient import Client, Closed, frame, unpack, wait_for

ITEM = {"int64": 8, "float32": 4, "int32": 4}
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a quick brown fox jumps over the lazy dog ##s ##ed".split()
ROWS = 1003


class Ring:
    """A stream with a ring: the mapped memory, the channel, and the batches that are this client's."""

    def __init__(self, client, timeout=60, **params):
        self.client = client
        self.opened = client.call("stream.open", transport="ring", **params)
        self.take(timeout)

    def take(self, timeout):
        o = self.opened
        self.id, self.slots, self.slot_bytes = o["stream"], o["slots"], o["slot_bytes"]
        self.fd, channel = self.client.fds.pop(0), self.client.fds.pop(0)
        self.blocking = os.get_blocking(channel)
        self.channel = socket.socket(fileno=channel)
        self.channel.settimeout(timeout)
        self.memory = mmap.mmap(self.fd, self.slots * self.slot_bytes)
        self.buffer, self.waiting, self.out, self.frames = b"", [], {}, []

    def close(self):
        self.channel.close()
        self.memory.close()
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def receive(self):
        """The channel's next frame: its name and parameters. Closed at the end."""
        while True:
            if len(self.buffer) >= 4:
                n = struct.unpack("<I", self.buffer[:4])[0]
                if len(self.buffer) >= 4 + n:
                    body, self.buffer = self.buffer[4:4 + n], self.buffer[4 + n:]
                    kind, name, params = unpack(body)
                    assert kind == 2 and params["stream"] == self.id
                    return name, params
            try:
                data = self.channel.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(self.client.bye)
            self.buffer += data

    def announce(self, params):
        """Takes a stream.ready apart, and checks what must always hold: no slot is announced that is still ours."""
        assert 1 <= len(params["batches"]) <= self.slots
        for slot, fill, batch, at, rows, *lengths in params["batches"]:
            assert slot < self.slots and slot not in self.out, "a slot came twice"
            self.out[slot] = fill
            self.waiting.append({"slot": slot, "fill": fill, "batch": batch, "at": at, "rows": rows,
                                 "lengths": lengths, "generation": params["generation"]})

    def next(self):
        """The next batch, or None and self.end at the epoch's end."""
        while not self.waiting:
            name, params = self.receive()
            self.frames.append((name, params))
            if name == "stream.end":
                self.end = params
                return None
            assert name == "stream.ready"
            self.announce(params)
        return self.waiting.pop(0)

    def take_all(self):
        """As many batches as there are slots: all of them are then this client's."""
        return [self.next() for _ in range(self.slots - len(self.out) + len(self.waiting))]

    def release(self, *batches):
        for b in batches:
            assert self.out.pop(b["slot"]) == b["fill"]
        self.send(frame([2, "stream.release", {"stream": self.id, "fills": [[b["slot"], b["fill"]] for b in batches]}]))

    def send(self, data):
        try:
            self.channel.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the end of file tells

    def pieces(self, batch):
        """Each array's place in the memory: (entry of `arrays`, start, bytes in use)."""
        for array in self.opened["arrays"]:
            width = array["columns"] if array["role"] is None else batch["lengths"][array["role"]]
            used = batch["rows"] * (width if array["dims"] == 2 else 1) * ITEM[array["dtype"]]
            yield array, batch["slot"] * self.slot_bytes + array["offset"], used

    def data(self, batch):
        """The batch's bytes, as stream.batch would have them."""
        out = b""
        for _, start, used in self.pieces(batch):
            out += b"\0" * (-len(out) % 64) + self.memory[start:start + used]
        return out

    def batches(self, release=True):
        """The rest of the epoch, as `plain` gives it."""
        got = []
        while (b := self.next()) is not None:
            got.append(plain(b, self.data(b)))
            if release:
                self.release(b)
        return got


def plain(batch, data):
    return {**{k: batch[k] for k in ("batch", "at", "rows", "lengths")}, "data": data}


def inline(client, **params):
    """The same epoch through the socket, and the position at its end."""
    opened = client.call("stream.open", transport="inline", **params)
    got = []
    while True:
        name, p = client.notices.pop(0) if client.notices else client.receive()[1:]
        if name == "stream.end":
            client.call("stream.close", stream=opened["stream"])
            return got, p["at"]
        if name == "stream.batch":
            got.append(plain(p, p["data"]))
            client.notify("stream.release", stream=opened["stream"], fills=[[p["slot"], p["fill"]]])


def random_request(rng):
    """Any of a stream's options, for an epoch that is not long."""
    request = {"name": "rows", "batch_size": rng.choice([1, 7, 32, 100, 2000]), "slots": rng.choice([1, 2, 3, 5, 16]),
               "max_length": rng.choice([2, 5, 16, 64]), "padding": rng.choice(["max_length", "longest", 8, 3]),
               "dtype": rng.choice(["int64", "int32"]), "token_type_ids": rng.random() < 0.5,
               "drop_last": rng.random() < 0.3, "roles": rng.choice([["text"], ["second", "text"]]),
               "epoch": rng.randrange(5), "order": rng.choice(["shuffle", "sequential"])}
    if len(request["roles"]) == 2:
        request["max_length"] = {"text": rng.choice([4, 33]), "second": rng.choice([2, 16])}
    if rng.random() < 0.5:
        request["split"] = "all"
    else:
        request.update(split=rng.choice(["train", "val"]), fold=rng.randrange(5), plan={"kind": "plain"})
    request["world"] = rng.choice([1, 1, 2, 3])
    request["rank"] = rng.randrange(request["world"])
    per_batch = request["batch_size"] * request["world"]
    if request["batch_size"] == 1:  # a whole epoch of single rows would be long: its tail
        request["at"] = 150 // per_batch * per_batch
    elif rng.random() < 0.5:
        request["at"] = rng.randrange(0, 200) // per_batch * per_batch
    return request


def open_fds(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def cpu_ticks(daemon):
    with open(f"/proc/{daemon.process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def rests(daemon, seconds=1, share=0.1):
    """Waits for so many seconds in which the daemon uses no more than that share of one processor. One that has
    something to do again and again never has them; what was still under way a moment ago may be."""
    most = share * seconds * os.sysconf("SC_CLK_TCK")

    def used():
        before = cpu_ticks(daemon)
        time.sleep(seconds)
        return cpu_ticks(daemon) - before
    wait_for(lambda: used() <= most, "the daemon uses the processor")


def hangs_up(ring):
    """Waits for the channel's end."""
    try:
        while True:
            ring.receive()
    except Closed:
        pass


def ingest(daemon, folder):
    """A dataset `rows` of made-up texts of many lengths, with two roles and two labels."""
    rng = random.Random(7)
    lines = [f"{' '.join(rng.choices(WORDS[5:], k=rng.randrange(1, 40)))},{i % 2},{i % 3 % 2}\n" for i in range(ROWS)]
    (folder / "rows.csv").write_text("comment,label,other\n" + "".join(lines))
    (folder / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    c = Client(daemon.socket, timeout=120)
    vocab = lambda: {"vocab.txt": c.attach(folder / "vocab.txt")}
    c.call("ingest", name="rows", source=c.attach(folder / "rows.csv"), file_name="rows.csv",
           options={"labels": ["label", "other"], "text_column": "comment"},
           tokenizers=[{"role": "text", "name": "a", "files": vocab()},
                       {"role": "second", "name": "b", "normalize": "nfc", "files": vocab()}])
    c.close()


def start(folder, **limits):
    config = folder / "conf"
    config.write_text("[daemon]\nsearch_duplicates = no\n[limits]\n"
                      + "".join(f"{k} = {v}\n" for k, v in limits.items()))
    d = Daemon(folder, "--config", str(config)).start()
    ingest(d, folder)
    return d


def finish(daemon):
    code = daemon.stop()
    assert code == 0, f"hsfeedd ended with {code}:\n{daemon.log.read_text(errors='replace')[-8000:]}"


def trap(seconds=30):
    """A socket whose last close waits that long, unless somebody thinks of it; with what must live as long."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sender = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    sender.setblocking(False)
    try:
        while True:
            sender.send(bytes(65536))
    except BlockingIOError:
        pass
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
    return sender, (listener, peer)


def send_fds(where, data, fds):
    where.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))])
