"""A TCP proxy in front of a MongoDB that cuts a connection at a chosen command: before, inside or after it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from pymongo import MongoClient

OP_MSG = 2013
HEADER = 16
BY_ITSELF = frozenset({"hello", "ismaster", "isMaster", "ping", "endSessions", "buildInfo"})
"""What the driver sends of its own accord: not counted, never cut."""

BEFORE, INSIDE, AFTER, TORN, LATE = FATES = ("before", "inside", "after", "torn", "late")
"""The command does not get there; half of it does; it does, and its answer is lost; half of the answer comes back; it gets there when
its sender has given up and gone on to the next."""

_PATIENCE = 5.0


class _Line:
    """What is under way on one connection: the fate of its command, and whether that is one that counts."""

    def __init__(self) -> None:
        self.fate = ""
        self.counted = False


Plan = Callable[[int, str], str]


def _nothing(number: int, name: str) -> str:
    return ""


class Proxy:
    """Listens on a free port. ``plan`` says for the number and name of each command what happens to it, "" to let it pass."""

    def __init__(self, server_url: str) -> None:
        with MongoClient(server_url) as client:
            client.admin.command("ping")
            self._target = client.primary or client.address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Condition()
        self._answered = 0
        self._open: set[socket.socket] = set()
        self.plan: Plan = _nothing
        self.seen: list[str] = []
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Return the URL of the server behind the proxy; the driver must not look for other members."""
        return f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}/?directConnection=true&heartbeatFrequencyMS=500"

    def arm(self, plan: Plan) -> None:
        """Count commands from 0 again, under another plan."""
        with self._lock:
            self.plan, self.seen, self.cuts = plan, [], 0

    def disarm(self) -> list[str]:
        """Let everything pass; return the commands since `arm`."""
        seen = self.seen
        self.arm(_nothing)
        return seen

    def close(self) -> None:
        """Stop listening and close what is open."""
        _close(self._listener)
        for each in list(self._open):
            _close(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(self._target)
        self._open |= {client, server}
        line = _Line()
        threading.Thread(target=self._answer, args=(client, server, line), daemon=True).start()
        with contextlib.suppress(OSError):
            while message := _message(client):
                line.fate = self._fate(message)
                line.counted = command_of(message) not in BY_ITSELF
                if line.fate == BEFORE:
                    break
                if line.fate == INSIDE:
                    server.sendall(message[: len(message) // 2])
                    break
                if line.fate == LATE:
                    _close(client)
                    self._wait_for_the_next()
                server.sendall(message)
        if line.fate not in {AFTER, TORN, LATE}:
            self._end(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, line: _Line) -> None:
        with contextlib.suppress(OSError):
            while message := _message(server):
                if line.fate == TORN:
                    client.sendall(message[: len(message) // 2])
                if line.fate:
                    break
                client.sendall(message)
                if line.counted:
                    with self._lock:
                        self._answered += 1
                        self._lock.notify_all()
        self._end(client, server)

    def _wait_for_the_next(self) -> None:
        """Return once another command was answered, which may never be."""
        with self._lock:
            so_far = self._answered
            self._lock.wait_for(lambda: self._answered > so_far, _PATIENCE)

    def _end(self, *sockets: socket.socket) -> None:
        for each in sockets:
            self._open.discard(each)
            _close(each)

    def _fate(self, message: bytes) -> str:
        name = command_of(message)
        if name in BY_ITSELF:
            return ""
        with self._lock:
            fate = self.plan(len(self.seen), name)
            self.seen.append(name)
            self.cuts += bool(fate)
        return fate


def command_of(message: bytes) -> str:
    """Return the name of the command in a message: the first key of its document."""
    (code,) = struct.unpack_from("<i", message, 12)
    if code != OP_MSG:
        return "hello"
    start = HEADER + 4 + 1 + 4 + 1
    return message[start : message.index(b"\0", start)].decode()


def _message(source: socket.socket) -> bytes:
    """Return the next message, empty at the end."""
    head = _exactly(source, 4)
    if not head:
        return b""
    return head + _exactly(source, struct.unpack("<i", head)[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = source.recv(min(count, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
