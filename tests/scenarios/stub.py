"""A TAXII 2.1 server that plays the peers of a scenario: it offers what it is told to, dated when it was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from taxii_fed.core.timestamps import format_taxii, parse_rfc3339

Json = dict[str, Any]
MEDIA = "application/taxii+json;version=2.1"


class StubPeers:
    """One WSGI application for all peers: ``/PEER/taxii2/`` is the discovery of one, with one collection for each of its names."""

    def __init__(self) -> None:
        self.offers: dict[tuple[str, str], list[tuple[int, Json]]] = {}

    def offer(self, peer: str, collection: str, objects: list[Json], at: int) -> None:
        """Add objects, again with a new date where they were offered before."""
        rows = self.offers.setdefault((peer, collection), [])
        last = max((date for date, _ in rows), default=0)
        for obj in objects:
            rows[:] = [row for row in rows if row[1] != obj]
            last = max(last + 1, at)
            rows.append((last, obj))

    def offer_exactly(self, peer: str, collection: str, objects: list[Json], at: int) -> None:
        """Take away all but these; add those that are missing."""
        rows = self.offers.setdefault((peer, collection), [])
        rows[:] = [row for row in rows if row[1] in objects]
        present = [obj for _, obj in rows]
        self.offer(peer, collection, [obj for obj in objects if obj not in present], at)

    def __call__(self, environ: Json, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body, headers = self._answer(environ)
        status = "200 OK" if body is not None else "404 Not Found"
        start_response(status, [("Content-Type", MEDIA), *headers])
        return [json.dumps(body if body is not None else {"title": "Not found", "http_status": "404"}).encode()]

    def _answer(self, environ: Json) -> tuple[Json | None, list[tuple[str, str]]]:
        parts = [part for part in environ["PATH_INFO"].split("/") if part]
        host = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
        peer, rest = parts[0], parts[1:]
        if rest == ["taxii2"]:
            return {"title": peer, "default": f"{host}/{peer}/root/", "api_roots": [f"{host}/{peer}/root/"]}, []
        if rest == ["root"]:
            return {"title": peer, "versions": [MEDIA], "max_content_length": 10_000_000}, []
        if rest == ["root", "collections"]:
            found = [self._collection(name) for each, name in self.offers if each == peer]
            return ({"collections": found} if found else {}), []
        if len(rest) >= 3 and rest[:2] == ["root", "collections"]:
            return self._inside(peer, rest[2], rest[3:], parse_qs(environ.get("QUERY_STRING", "")))
        return None, []

    def _collection(self, name: str) -> Json:
        return {"id": name, "title": name, "can_read": True, "can_write": False}

    def _inside(
        self, peer: str, name: str, rest: list[str], query: dict[str, list[str]]
    ) -> tuple[Json | None, list[tuple[str, str]]]:
        rows = self.offers.get((peer, name))
        if rows is None:
            return None, []
        if not rest:
            return self._collection(name), []
        if "added_after" in query:
            after = parse_rfc3339(query["added_after"][0])
            rows = [row for row in rows if row[0] > after]
        ids = query.get("match[id]", [""])[0].split(",") if "match[id]" in query else rest[1:2]
        rows = [row for row in rows if not ids or row[1]["id"] in ids]
        if rest[0] == "objects":
            page: Json = {"more": False, "objects": [obj for _, obj in rows]}
        elif rest[0] == "manifest":
            page = {"more": False, "objects": [self._entry(date, obj) for date, obj in rows]}
        else:
            return None, []
        if not rows:
            return {"more": False}, []
        return page, [
            ("X-TAXII-Date-Added-First", format_taxii(rows[0][0])),
            ("X-TAXII-Date-Added-Last", format_taxii(rows[-1][0])),
        ]

    def _entry(self, date: int, obj: Json) -> Json:
        version = obj.get("modified") or obj.get("created") or format_taxii(date)
        return {
            "id": obj["id"],
            "date_added": format_taxii(date),
            "version": version,
            "media_type": "application/stix+json;version=2.1",
        }
