"""The server process: gunicorn's threaded worker around the WSGI application, with limits on clients that take their time.

gunicorn is the common server that hands a verified client certificate to the application. What it leaves open is closed here: a
request that is sent too slowly loses its connection, and what gunicorn itself refuses is answered in TAXII's error shape.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from email.utils import formatdate
from typing import Any, Protocol

from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.http import wsgi as gunicorn_wsgi
from prometheus_client import multiprocess

from taxii_fed.config import convert
from taxii_fed.config.scalars import Address
from taxii_fed.config.schema import Settings, Tls
from taxii_fed.core.errors import ConfigError, RefusedError, StoreError
from taxii_fed.core.loglines import describe, format_of
from taxii_fed.core.taxii.resources import TAXII_MEDIA_TYPE
from taxii_fed.services.processes import Process
from taxii_fed.web import errors
from taxii_fed.web.answers import STATUS_LINES
from taxii_fed.web.app import Node, create_app, to_standard_error
from taxii_fed.web.health import readiness
from taxii_fed.web.idle import IdleAside, connections_for, may_be_http
from taxii_fed.web.metrics import METRICS_FOLDER
from taxii_fed.web.taxii import TaxiiApp

HEAD_SECONDS = 20.0
"""For a connection to be set up and the head of a request to arrive."""
HURRIED_HEAD_SECONDS = 2.0
"""The same while other connections wait for a thread: whoever says nothing, or little, must not keep them waiting."""
SILENT_SECONDS = 0.02
"""For a new connection to say something while it has a thread; after that it waits without one."""
BODY_SECONDS = 120.0
"""For the body to arrive after it."""
ANSWER_SECONDS = 600.0
"""For the whole of a request, the client's reading of the answer included."""
KEEP_ALIVE_SECONDS = 30
LINGER_SECONDS = 0.5
"""For a client to hang up after the last answer of a connection, before the server does."""
LINGER_BYTES = 64_000_000
"""Of a refused body that are thrown away meanwhile: many clients look for the answer only when they have sent all of it."""
UPKEEP_SECONDS = 5.0
STATUS_SECONDS = 48 * 3600
"""How long the status of a POST can be asked for; the standard wants a day at least (section 4.3)."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: ephemeral keys and authenticated encryption only. TLS 1.3 has no others."""

_REFUSALS = {
    "LimitRequestLine": (414, "The request line is too long."),
    "LimitRequestHeaders": (431, "The headers are too many or too long."),
    "ExpectationFailed": (417, "That expectation can't be met."),
    "SSLError": (400, "The TLS handshake failed."),
    "InvalidProtocolError": (400, "This port speaks HTTP, without TLS."),
    "InvalidHostError": (400, "HTTP/1.1 wants one Host header that names a host."),
}
_CLIENT_ERRORS = (
    "Invalid",
    "Limit",
    "Unsupported",
    "Obsolete",
    "Expectation",
    "Forbidden",
    "Chunk",
    "Configuration",
    "SSL",
    "NoMore",
)
"""How the names of gunicorn's errors begin when the client is at fault."""


_HOST = re.compile(r"(?:\[[0-9A-Za-z:.~!$&'()*+,;=_-]+\]|[0-9A-Za-z.~!$&'()*+,;=_%-]*)(?::[0-9]*)?")
"""A Host header: a name or address and perhaps a port, or nothing (RFC 9112, section 3.2)."""


_FIELDS = "taxii_fed_fields"
"""Attribute of a log record with the fields of its line."""


class InvalidProtocolError(Exception):
    """A connection that begins with what no request can begin with, as TLS does."""


class InvalidHostError(Exception):
    """A request whose Host header is missing, though HTTP/1.1 wants one, or names no host."""


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


class Worker(IdleAside):
    """gunicorn's threaded worker with an end to every request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: set[Any] = set()
        self._begun: dict[Any, float] = {}
        self._deadlines: dict[Any, float] = {}
        """When the body must have arrived; none before the head has."""

    def enqueue_req(self, conn: Any) -> None:
        """Let a connection wait for a thread."""
        self._waiting.add(conn)
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """Serve one request of a connection."""
        self._waiting.discard(conn)
        self._begun[conn] = time.monotonic()
        # gunicorn would let whoever says nothing keep a thread for seconds.
        conn.wait_for_data = lambda _, wait=conn.wait_for_data: wait(SILENT_SECONDS)
        try:
            result = super().handle(conn) if self._speaks_http(conn) else False
            if result is False:
                _linger(conn.sock)
            return result
        finally:
            self._deadlines.pop(conn, None)
            del self._begun[conn]

    def _speaks_http(self, conn: Any) -> bool:
        """Refuse a new connection that is none of HTTP: nothing that a reader waits for would come, neither here nor there."""
        if not conn.data_ready or conn.initialized or self.cfg.is_ssl:
            return True
        with suppress(OSError):
            if not may_be_http(conn.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)):
                self.handle_error(None, conn.sock, conn.client, InvalidProtocolError())
                return False
        return True

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Serve a request whose head has arrived; return whether the connection can be kept. Raises `InvalidHostError`."""
        _require_host(req)
        self._deadlines[conn] = time.monotonic() + BODY_SECONDS
        asked_to_close = req.should_close
        # What the application refused to read is not read later either: the connection can't go on, and the answer's head says so.
        req.should_close = lambda: asked_to_close() or _has_unread_body(req)
        keep: bool = super().handle_request(req, conn)
        return keep

    def murder_keepalived(self, force: bool = False) -> None:
        """Close what has idled or dawdled too long; gunicorn calls this about once a second."""
        super().murder_keepalived(force)
        now = time.monotonic()
        head_seconds = HURRIED_HEAD_SECONDS if self._waiting else HEAD_SECONDS
        for conn, begun in list(self._begun.items()):
            if now > begun + ANSWER_SECONDS:
                _shut(conn.sock, socket.SHUT_RDWR)
            elif now > self._deadlines.get(conn, begun + head_seconds):
                # The thread that waits for bytes sees the end of them; one that still writes its answer may go on.
                _shut(conn.sock, socket.SHUT_RD)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:  # noqa: ARG002 — gunicorn's signature
        """Answer a request that never reached the application."""
        kind = type(exc).__name__
        request_id = secrets.token_hex(8)
        if kind.startswith(_CLIENT_ERRORS):
            status, why = _REFUSALS.get(kind, (400, "That is no HTTP request that this server can read."))
            answer = errors.message(status, "Bad request", why, request_id)
            about = {"id": request_id, "address": (addr or [""])[0], "status": status, "error": kind, "reason": why}
            self.log.warning("refused", extra={_FIELDS: about})
        else:
            answer = errors.failure(request_id)
            self.log.exception("failed", extra={_FIELDS: {"id": request_id}})  # noqa: LOG004 — called from within an except block
        head = (
            f"HTTP/1.1 {STATUS_LINES[answer.status]}\r\nServer: {gunicorn_wsgi.SERVER}\r\nDate: {formatdate(usegmt=True)}\r\n"
            f"Connection: close\r\nContent-Type: {TAXII_MEDIA_TYPE}\r\n"
            f"Content-Length: {len(answer.body)}\r\nX-Request-Id: {request_id}\r\n\r\n"
        )
        with suppress(OSError):
            client.sendall(head.encode("ascii") + answer.body)


def _require_host(req: Any) -> None:
    hosts = [value for name, value in req.headers if name == "HOST"]
    if (not hosts and req.version >= (1, 1)) or not all(_HOST.fullmatch(host) for host in hosts):
        raise InvalidHostError


def _has_unread_body(req: Any) -> bool:
    reader = getattr(req.body, "reader", None)
    return bool(getattr(reader, "length", 0) or getattr(reader, "parser", None))


def _linger(sock: socket.socket) -> None:
    """End a connection so that the client gets the last of the answer, without waiting long for it to hang up.

    gunicorn, which closes it afterwards, would wait in its one main thread, where whoever does not hang up keeps everybody waiting.
    """
    drained = 0
    deadline = time.monotonic() + LINGER_SECONDS
    with suppress(OSError, ValueError):
        sock.shutdown(socket.SHUT_WR)
        while drained < LINGER_BYTES and (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            data = sock.recv(4096)
            if not data:
                break
            drained += len(data)
    _shut(sock, socket.SHUT_RDWR)


def _shut(sock: socket.socket, how: int) -> None:
    # Below TLS: SSLSocket.shutdown would pull its state from under the thread that uses it.
    with suppress(OSError):
        socket.socket.shutdown(sock, how)


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
            "logger_class": _logger_of(self._settings.log.format),
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


def _logger_of(form: str) -> type[Any]:
    """Return a logger class that writes gunicorn's own messages as lines like all others."""
    lines = format_of(form)

    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            reason = describe(record.exc_info[1]) if record.exc_info and record.exc_info[1] else ""
            fields = {"level": record.levelname.lower(), "event": record.getMessage()}
            fields |= getattr(record, _FIELDS, {})
            fields.setdefault("reason", reason)
            return lines(int(record.created * 1_000_000), fields).rstrip("\n")

    class Logger(glogging.Logger):  # type: ignore[misc]
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            for handler in self.error_log.handlers:
                handler.setFormatter(Lines())

    return Logger


# The header that would name the program that serves: ours, without a version.
gunicorn_wsgi.SERVER = "taxii-fed"
