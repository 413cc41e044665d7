"""A load client that costs little: raw requests over kept connections, one thread, no parsing beyond the length of the answer.

Client and server share the machine, so what the client spends is part of every figure; `Load.client_share` says how much. Where a server
closes the connection after each answer it is opened again, as a poller would have to.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Load:
    """What came back: ``count`` answers, ``rate`` a second, latencies in milliseconds, bytes of the last answer, the client's own cost."""

    count: int
    rate: float
    p50: float
    p99: float
    size: int
    client_share: float


class AnswerError(RuntimeError):
    """An answer that is not the expected one; a figure for it would mean nothing."""


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return the bytes of an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(
    address: tuple[str, int],
    requests: Callable[[], bytes | None],
    *,
    seconds: float,
    connections: int = 16,
    expect: bytes = b"200",
) -> Load:
    """Keep ``connections`` requests under way for ``seconds``, or until ``requests`` gives None, and return what was measured.

    Raises `AnswerError` for an answer with another status than ``expect``.
    """
    waits: list[float] = []
    poller = select.epoll()
    open_connections: dict[int, _Connection] = {}
    cpu, begun = time.process_time(), time.perf_counter()
    deadline = begun + seconds
    size = 0
    try:
        for _ in range(connections):
            if (message := requests()) is not None:
                _start(_Connection(address, expect), message, poller, open_connections)
        while open_connections:
            for number, _ in poller.poll(30):
                connection = open_connections[number]
                if not connection.receive():
                    continue
                now = time.perf_counter()
                waits.append(now - connection.sent_at)
                size = connection.size
                poller.unregister(number)
                del open_connections[number]
                message = requests() if now < deadline else None
                if message is None:
                    connection.close()
                else:
                    _start(connection, message, poller, open_connections)
    finally:
        for connection in open_connections.values():
            connection.close()
        poller.close()
    elapsed = time.perf_counter() - begun
    waits.sort()
    return Load(
        count=len(waits),
        rate=len(waits) / elapsed,
        p50=waits[len(waits) // 2] * 1000,
        p99=waits[min(len(waits) - 1, len(waits) * 99 // 100)] * 1000,
        size=size,
        client_share=(time.process_time() - cpu) / elapsed,
    )


def ask(address: tuple[str, int], message: bytes, *, expect: bytes = b"200") -> tuple[dict[str, str], bytes]:
    """Send one request and return the headers (lower case) and the body of its answer. Raises `AnswerError`."""
    connection = _Connection(address, expect)
    connection.send(message)
    while not connection.receive():
        pass
    connection.close()
    return connection.headers, connection.body


def always(message: bytes) -> Callable[[], bytes | None]:
    """Return a source that gives the same request over and over."""
    return lambda: message


def in_turn(messages: Iterator[bytes]) -> Callable[[], bytes | None]:
    """Return a source that gives one request after the other, each once."""
    return lambda: next(messages, None)


def _start(connection: _Connection, message: bytes, poller: select.epoll, table: dict[int, _Connection]) -> None:
    connection.send(message)
    table[connection.number] = connection
    poller.register(connection.number, select.EPOLLIN)


class _Connection:
    def __init__(self, address: tuple[str, int], expect: bytes) -> None:
        self._address = address
        self._expect = expect
        self._socket: socket.socket | None = None
        self._buffer = memoryview(bytearray(_BUFFER))
        self._filled = 0
        self._end = 0
        self._body_at = 0
        self.sent_at = 0.0
        self.headers: dict[str, str] = {}

    @property
    def number(self) -> int:
        assert self._socket is not None
        return self._socket.fileno()

    @property
    def size(self) -> int:
        return self._end - self._body_at

    @property
    def body(self) -> bytes:
        return bytes(self._buffer[self._body_at : self._end])

    def send(self, message: bytes) -> None:
        if self.headers.get("connection", "").lower() == "close":
            self.close()
        self._filled = self._end = 0
        self.sent_at = time.perf_counter()
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=600)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)

    def receive(self) -> bool:
        """Take what has arrived and return whether the answer is whole."""
        assert self._socket is not None
        if self._filled == len(self._buffer):
            self._grow(2 * len(self._buffer))
        got = self._socket.recv_into(self._buffer[self._filled :])
        if not got:
            raise AnswerError(f"the server hung up after {self._filled} bytes")
        self._filled += got
        if not self._end:
            self._read_head()
        return bool(self._end) and self._filled >= self._end

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read_head(self) -> None:
        head = bytes(self._buffer[: min(self._filled, 8192)])
        at = head.find(b"\r\n\r\n")
        if at < 0:
            return
        status = head[9:12]
        self._body_at = at + 4
        lines = head[:at].decode("latin-1").split("\r\n")[1:]
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status != self._expect:
            raise AnswerError(f"status {status.decode()}: {bytes(self._buffer[self._body_at : self._filled])[:300]!r}")
        if "content-length" not in self.headers:
            raise AnswerError("an answer without Content-Length")
        self._end = self._body_at + int(self.headers["content-length"])
        if self._end > len(self._buffer):
            self._grow(self._end)

    def _grow(self, size: int) -> None:
        larger = memoryview(bytearray(size))
        larger[: self._filled] = self._buffer[: self._filled]
        self._buffer = larger
