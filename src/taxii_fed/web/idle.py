"""Connections that say nothing: they cost no thread, and the oldest of them make room when there are many.

gunicorn lets a new connection wait in a thread until it sends something, and takes no more connections when it has as many as it may;
a few hundred that stay silent would keep everybody waiting.
"""

from __future__ import annotations

import errno
import resource
import selectors
import time
from functools import partial
from itertools import islice
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

MAX_CONNECTIONS = 1000
"""For one process to have open at the most."""
SILENT_SECONDS = 20.0
"""For a new connection to say something."""

_NO_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def connections_for(threads: int) -> int:
    """Return how many connections a process may have open, so that descriptors are left for the store that its threads read."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(2 * threads, min(MAX_CONNECTIONS, descriptors - 8 * threads - 64))


class IdleAside(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, with silent connections kept aside in its main thread."""

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
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        conn.timeout = time.monotonic() + SILENT_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def murder_keepalived(self, force: bool = False) -> None:
        """Close what has idled too long; gunicorn calls this about once a second."""
        if self.nr_conns >= self.worker_connections:
            self._hurry_idle()
        super().murder_keepalived(force)

    def _hurry_idle(self) -> None:
        """End the time of those that have said nothing for longest."""
        some = max(1, self.worker_connections // 4)
        for conn in (*islice(self.pending_conns, some), *islice(self.keepalived_conns, some)):
            conn.timeout = 0.0
