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
from urllib3.util.ssl_ import create_urllib3_context

from taxii_fed.core.errors import PeerUnreachableError
from taxii_fed.peers import addresses
from taxii_fed.peers.addresses import EVERYWHERE, Network, Permitted

CONNECT_SECONDS = 10.0

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"
"""For TLS 1.2 (C-8.5.1-03): none of those that RFC 7540 lists. TLS 1.3 has no others, and nothing older is spoken."""


class Sockets:
    """All sockets of one connection: made to permitted addresses only, and shut when the time is up.

    Shutting goes through a duplicate of the descriptor, which works at every stage: connecting, TLS, headers, body.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: set[socket.socket] = set()
        self._closed: set[socket.socket] = set()
        self._asking = False
        self.ended = False
        self.expired = False

    def connect(self, host: str, port: int, permitted: Permitted, timeout: float) -> tuple[socket.socket, socket.socket]:
        """Return a connected socket and its handle."""
        made = addresses.connect(host, port, permitted=permitted, timeout=timeout)
        handle = made.dup()
        with self._lock:
            self._handles.add(handle)
            late = self.expired or self.ended
        if late:
            self.cut()
        return made, handle

    def forget(self, handle: socket.socket) -> None:
        """Let go of the handle of a closed connection, when the answer that may still be read from it is over."""
        with self._lock:
            self._closed.add(handle)
        if not self._asking:
            self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            for handle in self._closed:
                handle.close()
            self._handles -= self._closed
            self._closed.clear()

    def cut(self, *, final: bool = False) -> None:
        """Shut every socket."""
        with self._lock:
            self.expired = True
            self.ended = self.ended or final
            for handle in self._handles:
                try:
                    handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Cut what still runs at ``deadline`` (monotonic seconds)."""
        if self.ended:
            raise PeerUnreachableError("the request was broken off here")
        self.expired = False
        timer = threading.Timer(max(deadline - time.monotonic(), 0.001), self.cut)
        timer.daemon = True
        timer.start()
        self._asking = True
        try:
            yield
        finally:
            timer.cancel()
            self._asking = False
            self._let_go()


class _Guarded:
    """What our connections add to those of urllib3."""

    sockets: Sockets
    permitted: Permitted
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        seconds = urllib3.Timeout.resolve_default_timeout(getattr(self, "timeout", None))
        made, self._handle = self.sockets.connect(
            str(self._dns_host),  # type: ignore[attr-defined]
            int(self.port),  # type: ignore[attr-defined]
            self.permitted,
            float(seconds or CONNECT_SECONDS),
        )
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except TimeoutError as error:
            seconds = urllib3.Timeout.resolve_default_timeout(getattr(self, "timeout", None))
            what = "the proxy did not open the way" if getattr(self, "proxy", None) else "the TLS handshake got no answer"
            raise PeerUnreachableError(f"{what} within {float(seconds or CONNECT_SECONDS):g} s") from error

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        if self._handle is not None:
            self.sockets.forget(self._handle)
            self._handle = None


class GuardedAdapter(HTTPAdapter):
    """Makes every pool use guarded connections. Plain http goes to the named private networks only."""

    def __init__(self, sockets: Sockets, private: tuple[Network, ...]) -> None:
        self._direct = _pools(sockets, plain=Permitted(private, public=False), secure=Permitted(private))
        self._proxied = _pools(sockets, plain=EVERYWHERE, secure=EVERYWHERE)
        super().__init__(pool_connections=4, pool_maxsize=2, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=create_urllib3_context(ciphers=CIPHERS), **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._direct

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=create_urllib3_context(ciphers=CIPHERS), **kwargs)
        manager.pool_classes_by_scheme = self._proxied
        return manager


def _pools(sockets: Sockets, *, plain: Permitted, secure: Permitted) -> dict[str, Any]:
    http = type("PlainConnection", (_Guarded, HTTPConnection), {"sockets": sockets, "permitted": plain})
    https = type("TlsConnection", (_Guarded, HTTPSConnection), {"sockets": sockets, "permitted": secure})
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": http}),
        "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": https}),
    }
