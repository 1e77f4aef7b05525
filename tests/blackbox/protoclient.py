# SPDX-License-Identifier: Apache-2.0
"""A client written from PROTOCOL.md alone: msgpack by hand, frames, descriptors. It can also misbehave on purpose."""
import array
import os
import socket
import struct
import time


def pack(value):
    if value is None:
        return b"\xc0"
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        return head(len(data), 0xA0, 32, b"\xd9", b"\xda", b"\xdb") + data
    if isinstance(value, (bytes, bytearray)):
        return head(len(value), None, 0, b"\xc4", b"\xc5", b"\xc6") + bytes(value)
    if isinstance(value, (list, tuple)):
        return head(len(value), 0x90, 16, None, b"\xdc", b"\xdd") + b"".join(map(pack, value))
    if isinstance(value, dict):
        pairs = b"".join(pack(k) + pack(v) for k, v in value.items())
        return head(len(value), 0x80, 16, None, b"\xde", b"\xdf") + pairs
    raise TypeError(type(value))


def pack_int(value):
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return struct.pack("b", value)
    for lead, form, low, high in ((0xCC, "B", 0, 2**8), (0xCD, ">H", 0, 2**16), (0xCE, ">I", 0, 2**32),
                                  (0xCF, ">Q", 0, 2**64), (0xD0, "b", -2**7, 0), (0xD1, ">h", -2**15, 0),
                                  (0xD2, ">i", -2**31, 0), (0xD3, ">q", -2**63, 0)):
        if low <= value < high:
            return bytes([lead]) + struct.pack(form, value)
    raise ValueError(value)


def head(n, fix, fix_limit, lead8, lead16, lead32):
    if fix is not None and n < fix_limit:
        return bytes([fix | n])
    if lead8 and n < 2**8:
        return lead8 + struct.pack("B", n)
    if n < 2**16:
        return lead16 + struct.pack(">H", n)
    return lead32 + struct.pack(">I", n)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        piece = self.data[self.at:self.at + n]
        assert len(piece) == n, "cut off"
        self.at += n
        return piece

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        lead = self.number("B")
        if lead < 0x80:
            return lead
        if lead < 0x90:
            return self.map(lead & 15)
        if lead < 0xA0:
            return self.array(lead & 15)
        if lead < 0xC0:
            return self.take(lead & 31).decode()
        if lead >= 0xE0:
            return lead - 256
        if lead in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[lead]
        if lead in NUMBERS:
            return self.number(NUMBERS[lead])
        kind, form = SIZED[lead]
        n = self.number(form)
        return {"bin": lambda: self.take(n), "str": lambda: self.take(n).decode(), "array": lambda: self.array(n),
                "map": lambda: self.map(n)}[kind]()

    def array(self, n):
        return [self.value() for _ in range(n)]

    def map(self, n):
        return {self.value(): self.value() for _ in range(n)}


NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: "B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
           0xD0: "b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
SIZED = {0xC4: ("bin", "B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"), 0xD9: ("str", "B"), 0xDA: ("str", ">H"),
         0xDB: ("str", ">I"), 0xDC: ("array", ">H"), 0xDD: ("array", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I")}


def unpack(data):
    reader = Reader(data)
    value = reader.value()
    assert reader.at == len(data), "trailing bytes"
    return value


def frame(value):
    body = pack(value)
    return struct.pack("<I", len(body)) + body


class Refused(Exception):
    """The daemon's refusal: .code, .message, .hint."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message, self.hint = error["code"], error["message"], error["hint"]


class Closed(Exception):
    """The daemon closed the connection; .bye is its notice, if one came."""

    def __init__(self, bye):
        super().__init__(repr(bye))
        self.bye = bye


class Client:
    def __init__(self, path, hello=True, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.seq, self.buffer, self.notices, self.bye = 0, b"", [], None
        self.fds = []  # descriptors that came, in order
        self.hello = self.call("hello", protocol=1, client="protoclient") if hello else None

    def close(self):
        self.socket.close()
        while self.fds:
            os.close(self.fds.pop())

    def send_raw(self, data, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.socket.sendmsg([data], ancillary)
            while sent < len(data):
                sent += self.socket.send(data[sent:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer, or its absence, tells

    def send(self, method, fds=(), **params):
        self.seq += 1
        self.send_raw(frame([0, self.seq, method, params]), fds)
        return self.seq

    def notify(self, name, **params):
        self.send_raw(frame([2, name, params]))

    def receive(self):
        """The next frame; Closed at the end."""
        while True:
            if len(self.buffer) >= 4:
                n = struct.unpack("<I", self.buffer[:4])[0]
                if len(self.buffer) >= 4 + n:
                    body, self.buffer = self.buffer[4:4 + n], self.buffer[4 + n:]
                    value = unpack(body)
                    if value[0] == 2 and value[1] == "bye":
                        self.bye = value[2]
                    return value
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 1 << 20, 8, socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError:
                data, fds = b"", []
            if not data:
                raise Closed(self.bye)
            self.buffer += data
            self.fds += fds

    def answer(self, seq):
        """The answer to a request; notices on the way are kept."""
        while True:
            value = self.receive()
            if value[0] == 2:
                self.notices.append(value[1:])
            elif value[1] == seq:
                if value[2] is not None:
                    raise Refused(value[2])
                return value[3]

    def call(self, method, fds=(), **params):
        return self.answer(self.send(method, fds, **params))

    def notice(self, name):
        for i, (kept, params) in enumerate(self.notices):
            if kept == name:
                del self.notices[i]
                return params
        while True:
            value = self.receive()
            if value[0] == 2 and value[1] == name:
                return value[2]
            if value[0] == 2:
                self.notices.append(value[1:])

    def end(self):
        """Reads until the daemon closes; returns its `bye`, if one came."""
        try:
            while True:
                self.receive()
        except Closed as closed:
            return closed.bye

    def attach(self, path, name=None):
        with open(path, "rb") as file:
            return self.call("file.attach", [file.fileno()], name=name or str(path).rsplit("/", 1)[-1])["handle"]


def still_serves(daemon):
    c = Client(daemon.socket)
    assert c.call("ping") == {}
    c.close()


def wait_for(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def at_last(call):
    """Tries again while there is a limit in the way: what was closed or replaced is given back a moment later."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return call()
        except Refused as e:
            assert e.code == "limit" and time.monotonic() < deadline, e
            time.sleep(0.01)
