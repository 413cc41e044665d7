"""The server process: gunicorn's threaded worker around the WSGI application, with limits on clients that take their time.

gunicorn is the common server that hands a verified client certificate to the application. What it leaves open is closed in `worker`
and `idle`.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Protocol

from gunicorn.app.base import BaseApplication
from prometheus_client import multiprocess

from taxii_fed.config import convert
from taxii_fed.config.scalars import Address
from taxii_fed.config.schema import Settings, Tls
from taxii_fed.core.errors import ConfigError, RefusedError, StoreError
from taxii_fed.core.loglines import describe, format_of
from taxii_fed.services.processes import Process
from taxii_fed.web.app import Node, create_app, to_standard_error
from taxii_fed.web.health import readiness
from taxii_fed.web.idle import connections_for
from taxii_fed.web.metrics import METRICS_FOLDER
from taxii_fed.web.taxii import TaxiiApp
from taxii_fed.web.worker import Worker, logger_of

KEEP_ALIVE_SECONDS = 30
UPKEEP_SECONDS = 5.0
STATUS_SECONDS = 48 * 3600
"""How long the status of a POST can be asked for; the standard wants a day at least (section 4.3)."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: ephemeral keys and authenticated encryption only. TLS 1.3 has no others."""


class Waking(Protocol):
    """What `services.rules.wake.Waker` is here for."""

    def wake_due(self) -> int:
        """Carry out what is due by now."""
        ...


class OpenNode(Node, Protocol):
    """A node that has upkeep, and can be closed."""

    @property
    def waker(self) -> Waking:
        """What the passing of time asks for."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def keep_up(settings: Callable[[], Settings], node: OpenNode, stop: threading.Event) -> None:
    """Write down who read what, carry out what is due, drop old statuses: every few seconds, beside the requests, until ``stop``."""
    while not stop.wait(UPKEEP_SECONDS):
        try:
            node.browse.reads.flush()
            node.waker.wake_due()
            node.store.prune(node.clock.now() - STATUS_SECONDS * 1_000_000)
        except StoreError as error:
            say(settings(), level="warning", event="upkeep put off", reason=str(error))
        except Exception as error:  # noqa: BLE001 — the thread goes on; a reader whose view is due sees to it as well
            say(settings(), level="error", event="upkeep failed", reason=describe(error))


class Server(BaseApplication):  # type: ignore[misc]
    """The server of one node: reads the settings, and opens the node once in each worker, after the fork.

    ``read`` reads the settings again on SIGHUP; while they can't be used, the last good ones stay. ``open_node`` opens the node.
    Raises `StoreError` where that fails.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        open_node: Callable[[Settings], OpenNode],
        workers: int,
        threads: int,
    ) -> None:
        self._context = self._prepare(settings, open_node)
        self._settings = settings
        self._read = read
        self._open_node = open_node
        self._workers = workers
        self._threads = threads
        self._process = Process("serve")
        super().__init__()

    def run(self) -> None:
        """Serve until a signal ends it."""
        try:
            super().run()
        finally:
            if os.getpid() == self._process.pid:  # each worker comes by here too when it ends
                with suppress(StoreError), closing(self._open_node(self._settings)) as node:
                    self._process.leave(node.store)

    def load_config(self) -> None:
        """Set gunicorn up from the settings."""
        server = self._settings.server
        wanted: dict[str, Any] = {
            "bind": str(server.listen),
            "workers": self._workers,
            "threads": self._threads,
            "worker_connections": connections_for(self._threads),
            "worker_class": Worker,
            "keepalive": KEEP_ALIVE_SECONDS,
            "timeout": 60,
            "graceful_timeout": 30,
            "limit_request_line": 8190,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "loglevel": "warning",
            "logger_class": logger_of(self._settings.log.format),
            "when_ready": self._say_ready,
            "child_exit": _forget_metrics,
            "worker_exit": self._close_node,
        }
        if server.tls is not None:
            wanted |= {"certfile": str(server.tls.certificate), "keyfile": str(server.tls.key), "ssl_context": self._tls}
        for name, value in wanted.items():
            # Older releases lack some, the control socket for one.
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def _tls(self, _: Any, __: Any) -> ssl.SSLContext | None:
        return self._context

    def load(self) -> TaxiiApp:
        """Open the node in this worker and return its application."""
        node = self._open_node(self._settings)
        self._process.show(node.store)
        stop = threading.Event()
        upkeep = threading.Thread(target=keep_up, args=(lambda: self._settings, node, stop), name="upkeep", daemon=True)
        upkeep.start()

        def close() -> None:
            stop.set()
            upkeep.join()
            node.close()

        self._close = close
        return create_app(node)

    def reload(self) -> None:
        """Read the settings again (SIGHUP); new workers take the place of the old ones."""
        try:
            coming = self._read()
            if coming.server.listen != self._settings.server.listen:
                require_free(coming.server.listen)
            self._context = self._prepare(coming, self._open_node)
        except (ConfigError, RefusedError, StoreError, OSError) as error:
            say(self._settings, level="error", event="configuration not reloaded, the last good one stays", reason=str(error))
            self._process.reloaded(str(error))
        else:
            self._settings = coming
            say(coming, level="info", event="configuration reloaded")
            self._process.reloaded()
        super().reload()

    @staticmethod
    def _prepare(settings: Settings, open_node: Callable[[Settings], OpenNode]) -> ssl.SSLContext | None:
        """Open the node once before the workers do: what can't work fails here, and what waits for `apply` is said.

        Returns the TLS side that the workers will share. Raises ``OSError`` for certificates that can't be used, before anything is
        put in force; `StoreError`.
        """
        context = tls_context(settings.server.tls) if settings.server.tls else None
        node = open_node(settings)
        try:
            node.store.check()
            found = readiness(node.store, convert.fingerprint(settings))
        finally:
            node.close()
        if found.waiting:
            say(settings, level="warning", event=found.waiting)
        return context

    def _say_ready(self, _: Any) -> None:
        say(
            self._settings,
            level="info",
            event="listening",
            address=str(self._settings.server.listen),
            url=self._settings.server.public_url,
        )

    def _close_node(self, _: Any, __: Any) -> None:
        close = getattr(self, "_close", None)
        if close is not None:
            close()


def say(settings: Settings, **fields: str | int) -> None:
    """Write a line of the server's own to standard error."""
    to_standard_error(format_of(settings.log.format)(time.time_ns() // 1000, fields))


_HANDED_OVER = {"GUNICORN_FD", "LISTEN_FDS"}
"""Variables that name sockets which listen already, and whose addresses are therefore taken."""


def require_free(address: Address) -> None:
    """Raise `RefusedError` where nothing can listen at an address: gunicorn would try it again and again, and end."""
    if _HANDED_OVER & os.environ.keys():
        return
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is in use by another process" if taken else f"can't be listened at: {error.strerror or error}"
        raise RefusedError(f"{address} {why} (server.listen)") from None


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS side of the server: 1.2 or later, no early data, client certificates checked where they are shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _forget_metrics(_: Any, worker: Any) -> None:
    if METRICS_FOLDER in os.environ:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
