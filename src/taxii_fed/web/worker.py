"""gunicorn's threaded worker with an end to every request, refusals in TAXII's error shape, and its messages as lines like all others."""

from __future__ import annotations

import logging
import re
import secrets
import socket
import time
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from gunicorn import glogging
from gunicorn.http import wsgi as gunicorn_wsgi

from taxii_fed.core.loglines import describe, format_of
from taxii_fed.core.taxii.resources import TAXII_MEDIA_TYPE
from taxii_fed.web import errors
from taxii_fed.web.answers import STATUS_LINES
from taxii_fed.web.idle import IdleAside, may_be_http

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
LINGER_SECONDS = 0.5
"""For a client to hang up after the last answer of a connection, before the server does."""
LINGER_BYTES = 64_000_000
"""Of a refused body that are thrown away meanwhile: many clients look for the answer only when they have sent all of it."""

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


class Worker(IdleAside):
    """Knows which connections wait for a thread, and until when a request must have come and been answered."""

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


def logger_of(form: str) -> type[Any]:
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
