"""A loopback line to a server that can be spoiled: connections come late, or break off in the middle of an answer."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK = 4096


class Line:
    """Hands bytes on both ways. While it is spoiled, chance decides what becomes of each connection."""

    def __init__(self, server_url: str, chance: random.Random) -> None:
        at = urlsplit(server_url)
        self._target = (at.hostname or "127.0.0.1", at.port or 80)
        self._chance = chance
        self._mended = threading.Event()
        self._mended.set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.cut = self.delayed = 0

    @property
    def url(self) -> str:
        """Return the URL of the server by way of this line."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def spoil(self) -> None:
        """From now on some connections come late or break."""
        self._mended.clear()

    def mend(self) -> None:
        """From now on nothing is late or breaks."""
        self._mended.set()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._mended.set()
        with self._lock:
            ends = [self._listener, *self._open]
        for end in ends:
            _hang_up(end)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: object, *given: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        late, budget = self._fate()
        self._mended.wait(late)
        with client:
            try:
                server = socket.create_connection(self._target)
            except OSError:
                return
            with server:
                with self._lock:
                    self._open |= {client, server}
                asking = self._start(self._pump, client, server, None)
                self._pump(server, client, budget)
                asking.join()
                with self._lock:
                    self._open -= {client, server}

    def _fate(self) -> tuple[float, int | None]:
        """Return the seconds that a connection comes late, and after how many bytes of answers it breaks, None: never."""
        with self._lock:
            late = self._chance.uniform(0.05, 0.8) if self._chance.random() < 0.3 else 0.0
            budget = self._chance.randint(0, 15_000) if self._chance.random() < 0.4 else None
            if self._mended.is_set():
                return 0.0, None
            self.delayed += late > 0
            return late, budget

    def _pump(self, source: socket.socket, sink: socket.socket, budget: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if budget is not None and not self._mended.is_set():
                    budget -= len(data)
                    if budget < 0:
                        self.cut += 1
                        break
                sink.sendall(data)
        _hang_up(source)
        _hang_up(sink)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
