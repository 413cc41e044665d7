"""A TAXII 2.1 server in memory, with the faults that real ones have, and knobs for each of them.

`SimulatedPeer.answer` is the server; `MemoryClient` asks it in the process, `serving` puts it behind a real socket. Nothing in here
sleeps; what hangs, hangs until its client gives up.
"""

from __future__ import annotations

import gzip
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from taxii_fed.core.errors import (
    PeerBusyError,
    PeerOverloadedError,
    PeerRefusedError,
    PeerUnreachableError,
)
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.remote import ManifestPage, ObjectPage, RemoteCollection
from taxii_fed.core.timestamps import format_taxii, parse_rfc3339
from taxii_fed.peers.client import manifest_page, object_page
from taxii_fed.peers.transport import Reply

MEDIA = "application/taxii+json;version=2.1"
COLLECTION = "5d1f0a8e-2c4b-4d6f-8a1b-3c5d7e9f1a2b"
START = 1_800_000_000_000_000
"""The first instant on the peer's clock, in microseconds."""


def indicator(number: int, version: int = 0, **more: Any) -> dict[str, Any]:
    """Return an indicator; equal numbers give versions of one object."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": f"2026-01-01T00:{version // 60:02d}:{version % 60:02d}.000Z",
        "name": f"number {number}",
        "pattern": "[ipv4-addr:value = '198.51.100.7']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00.000Z",
        **more,
    }


@dataclass
class Entry:
    """An object with its date; ``visible`` from when its commit is done."""

    id: str
    version: str
    raw: str
    date_added: int
    visible: bool = True
    beside: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.id, self.version


@dataclass
class Answer:
    """A response before it goes over the wire."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@dataclass
class Knobs:
    """What is wrong with the server. Numbers of requests count from 1, over objects and manifest together."""

    paging: str = "position"
    """``position``: a stateless token. ``session``: one token for all pages of a walk, each use moves on. ``page-number``: as it says.
    ``dates``: more without next. ``ignored``: a next that the server does not look at."""
    max_page: int = 1000
    repeat_from: int = 0
    """From this page of a walk on, the same page comes again and again."""
    never_ends: bool = False
    """``more`` is always true."""
    headers: str = "good"
    """``good``, ``missing``, ``javascript``, ``future``."""
    sorted: bool = True
    newest_only: bool = False
    empty: str = "{}"
    lose: set[int] = field(default_factory=set)
    """Requests that are carried out, and whose reply is lost."""
    down: set[int] = field(default_factory=set)
    overloaded_above: int = 0
    """A limit above this gives a 500."""
    busy: dict[int, str] = field(default_factory=dict)
    refuse: dict[int, int] = field(default_factory=dict)
    expire_tokens: set[int] = field(default_factory=set)
    manifest_status: int = 200
    manifest_hides: set[str] = field(default_factory=set)
    manifest_cut: int = 0
    """The manifest ends after so many entries, as if that were all."""
    id_lists: bool = True
    """Whether match[id] takes a list."""
    fed: bool = False
    """Whether it is a taxii-fed node: ``x_taxii_fed`` in manifests."""
    html_errors: bool = False
    content_type: str = MEDIA


class SimulatedPeer:
    """The server. `add` and `commit` are its writers, `answer` its readers."""

    def __init__(self, **knobs: Any) -> None:
        self.knobs = Knobs(**knobs)
        self.entries: list[Entry] = []
        self.now = START
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.before_answer: Callable[[int], None] = lambda _number: None
        self._sessions: dict[str, list[Entry]] = {}
        self._ids = itertools.count(1)

    # -- writers --------------------------------------------------------------------------------------------------------
    def add(
        self, *objects: dict[str, Any], at: int | None = None, visible: bool = True, beside: dict[str, Any] | None = None
    ) -> None:
        """Post objects: each gets the next microsecond, or all of them ``at``."""
        for each in objects:
            self.now += 1
            date = self.now if at is None else at
            version = each.get("modified") or each.get("created") or format_taxii(date)
            self.entries.append(Entry(each["id"], version, json.dumps(each), date, visible, beside))

    def commit(self) -> None:
        """Make everything visible that was written before."""
        for entry in self.entries:
            entry.visible = True

    def remove(self, *objects: dict[str, Any]) -> None:
        """Delete all versions of objects."""
        ids = {each["id"] for each in objects}
        self.entries = [entry for entry in self.entries if entry.id not in ids]

    def offered(self) -> set[tuple[str, str]]:
        """Return all (id, version) that are visible."""
        return {entry.key for entry in self.entries if entry.visible}

    # -- readers --------------------------------------------------------------------------------------------------------
    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a GET."""
        self.requests.append((path, dict(query)))
        number = len(self.requests)
        self.before_answer(number)
        if number in self.knobs.busy:
            return self._error(429, {"Retry-After": self.knobs.busy[number]})
        if number in self.knobs.refuse:
            return self._error(self.knobs.refuse[number])
        if path == "/taxii2/":
            return self._json({"title": "simulated", "api_roots": ["/root/"], "default": "/root/"})
        if path == "/root/":
            return self._json({"title": "root", "versions": [MEDIA], "max_content_length": 10_000_000})
        if path == "/root/collections/":
            return self._json({"collections": [{"id": COLLECTION, "title": "All", "can_read": True, "can_write": False}]})
        base = f"/root/collections/{COLLECTION}/"
        if path == f"{base}objects/":
            return self._list(number, query, manifest=False)
        if path == f"{base}manifest/":
            if self.knobs.manifest_status != 200:
                return self._error(self.knobs.manifest_status)
            return self._list(number, query, manifest=True)
        if path.startswith(f"{base}objects/"):
            return self._one(path.removeprefix(f"{base}objects/").strip("/"), query)
        return self._error(404)

    def _one(self, object_id: str, query: dict[str, str]) -> Answer:
        version = query.get("match[version]", "last")
        found = [
            entry for entry in self._visible(manifest=False) if entry.id == object_id and version in ("all", entry.version)
        ]
        return self._page(found, False, "", manifest=False) if found else self._error(404)

    def _visible(self, *, manifest: bool) -> list[Entry]:
        found = [entry for entry in self.entries if entry.visible]
        if manifest:
            found = [entry for entry in found if entry.id not in self.knobs.manifest_hides]
        if self.knobs.newest_only:
            newest = {entry.id: max(each.version for each in found if each.id == entry.id) for entry in found}
            found = [entry for entry in found if entry.version == newest[entry.id]]
        found.sort(key=lambda entry: (entry.date_added, entry.id, entry.version))
        if not self.knobs.sorted:
            found.sort(key=lambda entry: entry.id[::-1])
        if manifest and self.knobs.manifest_cut:
            found = found[: self.knobs.manifest_cut]
        return found

    def _list(self, number: int, query: dict[str, str], *, manifest: bool) -> Answer:
        limit = min(int(query["limit"]), self.knobs.max_page)
        if self.knobs.overloaded_above and int(query["limit"]) > self.knobs.overloaded_above:
            return self._error(500)
        ids = query.get("match[id]", "")
        if "," in ids and not self.knobs.id_lists:
            return self._error(400)
        found = self._visible(manifest=manifest)
        if "added_after" in query:
            after = parse_rfc3339(query["added_after"])
            found = [entry for entry in found if entry.date_added > after]
        if ids:
            found = [entry for entry in found if entry.id in ids.split(",")]
        token = query.get("next", "")
        if token and number in self.knobs.expire_tokens:
            return self._error(404)
        page, more, place = self._PAGINGS[self.knobs.paging](self, found, token, limit)
        if self.knobs.never_ends:
            more = True
        return self._page(page, more, place, manifest=manifest)

    # -- ways to page -----------------------------------------------------------------------------------------------------
    def _by_position(self, found: list[Entry], token: str, limit: int) -> tuple[list[Entry], bool, str]:
        order = [f"{entry.date_added}|{entry.id}|{entry.version}" for entry in found]
        start = (
            next((index for index, key in enumerate(order) if key > token), len(order)) if token and self.knobs.sorted else 0
        )
        if token and not self.knobs.sorted:
            if token not in order:
                raise _RefusedError
            start = order.index(token) + 1
        if self.knobs.repeat_from and start >= self.knobs.repeat_from:
            start = self.knobs.repeat_from
            return found[start : start + limit], True, token
        page = found[start : start + limit]
        return page, start + limit < len(found), order[start + len(page) - 1] if page else token

    def _by_session(self, found: list[Entry], token: str, limit: int) -> tuple[list[Entry], bool, str]:
        if token and token not in self._sessions:
            raise _RefusedError
        if not token:
            token = f"session {next(self._ids)}"
            self._sessions[token] = found
        rest = self._sessions[token]
        page, self._sessions[token] = rest[:limit], rest[limit:]
        more = len(rest) > limit
        if not more:
            del self._sessions[token]
        return page, more, token if more else ""

    def _by_page_number(self, found: list[Entry], token: str, limit: int) -> tuple[list[Entry], bool, str]:
        start = int(token or 0) * limit
        return found[start : start + limit], start + limit < len(found), str(int(token or 0) + 1)

    def _by_dates(self, found: list[Entry], token: str, limit: int) -> tuple[list[Entry], bool, str]:
        return found[:limit], len(found) > limit, ""

    def _ignored(self, found: list[Entry], token: str, limit: int) -> tuple[list[Entry], bool, str]:
        return found[:limit], len(found) > limit, "whatever"

    _PAGINGS: ClassVar = {
        "position": _by_position,
        "session": _by_session,
        "page-number": _by_page_number,
        "dates": _by_dates,
        "ignored": _ignored,
    }

    # -- answers ----------------------------------------------------------------------------------------------------------
    def _page(self, page: list[Entry], more: bool, place: str, *, manifest: bool) -> Answer:
        headers = {"Content-Type": self.knobs.content_type, **(self._dates(page) if page else {})}
        if not page:
            body = json.loads(self.knobs.empty)
            if self.knobs.never_ends:
                body["more"] = True
            return Answer(200, headers, json.dumps(body).encode())
        items = [self._record(entry) if manifest else entry.raw for entry in page]
        tail = f', "next": {json.dumps(place)}' if more and place else ""
        return Answer(200, headers, f'{{"more": {json.dumps(more)}{tail}, "objects": [{",".join(items)}]}}'.encode())

    def _record(self, entry: Entry) -> str:
        record: dict[str, Any] = {
            "id": entry.id,
            "date_added": format_taxii(entry.date_added),
            "version": entry.version,
            "media_type": "application/stix+json;version=2.1",
        }
        if self.knobs.fed:
            record["x_taxii_fed"] = entry.beside or {"jurisdiction": "HK", "path": ["origin"]}
        return json.dumps(record)

    def _dates(self, page: list[Entry]) -> dict[str, str]:
        dates = [entry.date_added for entry in page]
        texts = {
            "good": format_taxii,
            "missing": lambda date: "",
            "javascript": lambda date: "Thu Oct 05 2023 12:00:00 GMT+0000 (Coordinated Universal Time)",
            "future": lambda date: "9999-12-31T23:59:59.000000Z",
        }[self.knobs.headers]
        first, last = texts(dates[0]), texts(dates[-1])
        return {"X-TAXII-Date-Added-First": first, "X-TAXII-Date-Added-Last": last} if first else {}

    def _json(self, value: Any) -> Answer:
        return Answer(200, {"Content-Type": self.knobs.content_type}, json.dumps(value).encode())

    def _error(self, status: int, headers: dict[str, str] | None = None) -> Answer:
        if self.knobs.html_errors:
            return Answer(status, {"Content-Type": "text/html", **(headers or {})}, b"<html><h1>Error</h1></html>")
        body = json.dumps({"title": "no\r\nX-Injected: yes", "http_status": str(status)}).encode()
        return Answer(status, {"Content-Type": MEDIA, **(headers or {})}, body)

    def client(self) -> MemoryClient:
        """Return a client that asks in the process."""
        return MemoryClient(self)


class _RefusedError(Exception):
    """A token that the server does not know."""


class MemoryClient:
    """`ports.PeerClient` without a wire; what the wire would do is done to the answer."""

    def __init__(self, peer: SimulatedPeer) -> None:
        self._peer = peer

    def collections(self) -> list[RemoteCollection]:
        url = f"https://peer.example/root/collections/{COLLECTION}/"
        return [RemoteCollection(url=url, id=COLLECTION, title="All", can_read=True, can_write=False)]

    def objects(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ObjectPage:
        return object_page(self._get(remote, "objects/", query_of(request, ids)))

    def object(self, remote: str, object_id: str, version_text: str) -> ObjectPage:
        return object_page(self._get(remote, f"objects/{object_id}/", {"match[version]": version_text}))

    def manifest(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ManifestPage:
        return manifest_page(self._get(remote, "manifest/", query_of(request, ids)))

    def cut(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _get(self, remote: str, path: str, query: dict[str, str]) -> Reply:
        number = len(self._peer.requests) + 1
        if number in self._peer.knobs.down:
            self._peer.requests.append((path, query))
            raise PeerUnreachableError("no connection")
        try:
            answer = self._peer.answer(f"/root/collections/{remote}/{path}", query)
        except _RefusedError:
            raise PeerRefusedError("it refuses the request", 400) from None
        if number in self._peer.knobs.lose:
            raise PeerUnreachableError("the connection broke off before the answer was complete")
        if answer.status == 429:
            raise PeerBusyError("it asks for patience", float(answer.headers["Retry-After"]))
        if answer.status >= 500:
            raise PeerOverloadedError("it answers 500")
        if answer.status != 200:
            raise PeerRefusedError("it refuses the request", answer.status)
        return Reply("", answer.headers, answer.body)


def query_of(request: Request, ids: Sequence[str]) -> dict[str, str]:
    """Return the parameters of a request, all versions, as a client sends them."""
    query = {"limit": str(request.limit), "match[version]": "all"}
    if request.added_after is not None:
        query["added_after"] = format_taxii(request.added_after)
    if request.next:
        query["next"] = request.next
    if ids:
        query["match[id]"] = ",".join(ids)
    return query


# -- over the wire ------------------------------------------------------------------------------------------------------------


@dataclass
class Wire:
    """A peer behind a real socket. ``behave`` may take a request over: it gets the handler, and returns True when it has answered."""

    peer: SimulatedPeer
    url: str
    behave: Callable[[BaseHTTPRequestHandler], bool] = lambda _handler: False
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    """Set when the server goes; what hangs waits for it."""


@contextmanager
def serving(peer: SimulatedPeer, *, tls: Any = None) -> Iterator[Wire]:
    """Serve a peer on a free loopback port."""
    wire = Wire(peer, "")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wire.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            try:
                if not wire.behave(self):
                    reply(self, _answered(peer, self.path), self.headers.get("Accept-Encoding", ""))
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    wire.url = f"http{'s' if tls else ''}://{'localhost' if tls else '127.0.0.1'}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        wire.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answered(peer: SimulatedPeer, target: str) -> Answer:
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    try:
        return peer.answer(parts.path, query)
    except _RefusedError:
        return Answer(400, {}, b"{}")


def reply(handler: BaseHTTPRequestHandler, answer: Answer, accept_encoding: str = "") -> None:
    """Write an answer, compressed where that is asked for."""
    body = answer.body
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    if "gzip" in accept_encoding and len(body) > 200:
        body = gzip.compress(body)
        handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
