"""Connections that say nothing, or only half of what they have to say: they cost no thread, and the oldest make room when there are many.

gunicorn lets a new connection wait in a thread until it sends something, and has a thread read the head of a request however slowly it
comes. When it has as many connections as it may, it takes no more. So a few hundred that stay silent, or stop in the middle of a head,
would keep everybody waiting.
"""

from __future__ import annotations

import errno
import resource
import selectors
import socket
import time
from functools import partial
from itertools import islice
from string import ascii_letters, digits
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

MAX_CONNECTIONS = 1000
"""For one process to have open at the most."""
SILENT_SECONDS = 20.0
"""For a new connection to say something, and for whoever began a request to come to the end of its head."""
STOPPING_SECONDS = 2.0
"""The same when the process is about to end."""
MAX_PEEKED = 32_768
"""Bytes of a head that may wait in the kernel; a longer one is read by a thread, which refuses it or has little time for it."""

_HTTP_BEGINS = frozenset(b"\r\n!#$%&'*+-.^_`|~" + (ascii_letters + digits).encode())
"""What a request may begin with: a method, which is a token, or the line end that a server lets pass (RFC 9112, section 2.2)."""
_TLS_RECORD = range(20, 25)
"""Types of TLS records (RFC 8446, section 5.1, and the heartbeat)."""
_TLS_HEADER = 5

_NO_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def connections_for(threads: int) -> int:
    """Return how many connections a process may have open, so that descriptors are left for the store that its threads read."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(2 * threads, min(MAX_CONNECTIONS, descriptors - 8 * threads - 64))


def is_begun(said: bytes, *, tls: bool) -> bool:
    """Tell whether this is the beginning of a head, or of a TLS record, that has not come to its end."""
    if tls and said and said[0] in _TLS_RECORD:
        return len(said) < _TLS_HEADER + int.from_bytes(said[3:_TLS_HEADER], "big")
    return not tls and may_be_http(said) and b"\r\n\r\n" not in said


def may_be_http(said: bytes) -> bool:
    """Tell whether a request can begin like this; the hello of a TLS client can't be one."""
    return not said or said[0] in _HTTP_BEGINS


class IdleAside(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, with connections that have nothing for a thread to do kept aside in its main thread."""

    _last_instant: float | None = None

    def accept(self, listener: Any) -> None:
        """Take a connection, and look at it when it has said something."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                self._hurry_idle()
            elif error.errno not in _NO_CONNECTION:
                raise
            return
        self.nr_conns += 1
        self._set_aside(TConn(self.cfg, sock, address, listener.getsockname()))

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        """Give a connection to a thread when there is a whole head to read, or as much of one as can wait here."""
        if not self._waits_for_more(conn):
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """Do the same for a connection that has been served before."""
        if not self._waits_for_more(conn):
            super().on_client_socket_readable(conn, client)
        else:
            self.poller.unregister(client)
            self.keepalived_conns.remove(conn)
            self._set_aside(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """Close what has idled too long; gunicorn calls this about once a second."""
        if self.nr_conns >= self.worker_connections:
            self._hurry_idle()
        super().murder_keepalived(force)

    def murder_pending(self) -> None:
        """Close what has been silent, or in the middle of a head, for too long; called as often."""
        if not self.alive:
            self._last_instant = self._last_instant or time.monotonic() + STOPPING_SECONDS
            for conn in self.pending_conns:
                conn.timeout = min(conn.timeout, self._last_instant)
        super().murder_pending()

    def _set_aside(self, conn: Any) -> None:
        conn.timeout = time.monotonic() + SILENT_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _waits_for_more(self, conn: Any) -> bool:
        """Tell whether only half a head is there; the poller then speaks of this connection again when it has said more."""
        asked = getattr(conn, "wanted", 1)
        try:
            # Below TLS, whose sockets do not look ahead.
            said = socket.socket.recv(conn.sock, MAX_PEEKED, socket.MSG_PEEK)
            # Woken without having got what it waited for, it has come to its end.
            waits = asked <= len(said) < MAX_PEEKED and is_begun(said, tls=self.cfg.is_ssl)
            conn.wanted = len(said) + 1 if waits else 1
            if conn.wanted != asked:
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, conn.wanted)
        except OSError:
            return False  # a thread finds out
        return waits

    def _hurry_idle(self) -> None:
        """End the time of those that have said nothing for longest."""
        some = max(1, self.worker_connections // 4)
        for conn in (*islice(self.pending_conns, some), *islice(self.keepalived_conns, some)):
            conn.timeout = 0.0
