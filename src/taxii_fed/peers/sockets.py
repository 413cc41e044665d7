"""Sockets to a peer: to permitted addresses only, and shut when the time for an answer is up.

A time-out of a socket bounds one read, so a peer that drips a byte at a time would hold it for ever. Here a timer shuts the socket.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from taxii_fed.core.errors import PeerUnreachableError
from taxii_fed.peers import addresses

CONNECT_SECONDS = 10.0


class Sockets:
    """All sockets of one connection: made to permitted addresses only, and shut when the time is up.

    Shutting goes through a duplicate of the descriptor, which works at every stage: connecting, TLS, headers, body.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._lock = threading.Lock()
        self._handles: set[socket.socket] = set()
        self._final = False
        self.expired = False

    def connect(self, host: str, port: int, timeout: float, *, proxy: bool) -> tuple[socket.socket, socket.socket]:
        """Return a connected socket and its handle. A proxy is named by the admin and may be anywhere."""
        made = addresses.connect(host, port, allow_private=self._allow_private or proxy, timeout=timeout)
        handle = made.dup()
        with self._lock:
            self._handles.add(handle)
            late = self.expired or self._final
        if late:
            self.cut()
        return made, handle

    def forget(self, handle: socket.socket) -> None:
        """Let go of a handle whose connection is closed."""
        with self._lock:
            self._handles.discard(handle)
        handle.close()

    def cut(self, *, final: bool = False) -> None:
        """Shut every socket."""
        with self._lock:
            self.expired = True
            self._final = self._final or final
            for handle in self._handles:
                try:
                    handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Cut what still runs at ``deadline`` (monotonic seconds)."""
        if self._final:
            raise PeerUnreachableError("broken off here")
        self.expired = False
        timer = threading.Timer(max(deadline - time.monotonic(), 0.001), self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class _Guarded:
    """What our connections add to those of urllib3."""

    sockets: Sockets
    through_proxy = False
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        seconds = urllib3.Timeout.resolve_default_timeout(getattr(self, "timeout", None))
        made, self._handle = self.sockets.connect(
            str(self._dns_host),  # type: ignore[attr-defined]
            int(self.port),  # type: ignore[attr-defined]
            float(seconds or CONNECT_SECONDS),
            proxy=self.through_proxy,
        )
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        if self._handle is not None:
            self.sockets.forget(self._handle)
            self._handle = None


class GuardedAdapter(HTTPAdapter):
    """Makes every pool use guarded connections."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        super().__init__(pool_connections=4, pool_maxsize=2, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._sockets, through_proxy=False)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _pools(self._sockets, through_proxy=True)
        return manager


def _pools(sockets: Sockets, *, through_proxy: bool) -> dict[str, Any]:
    bound = {"sockets": sockets, "through_proxy": through_proxy}
    plain = type("PlainConnection", (_Guarded, HTTPConnection), bound)
    secure = type("TlsConnection", (_Guarded, HTTPSConnection), bound)
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
