"""A TAXII 2.0 server in memory, behind a real socket, with what servers of that version do differently from each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from federation.simulated_peer import COLLECTION, START, Answer, SimulatedPeer, Wire, reply, serving
from taxii_fed.core.timestamps import format_taxii, parse_rfc3339

TAXII = "application/vnd.oasis.taxii+json; version=2.0"
STIX = "application/vnd.oasis.stix+json; version=2.0"


def indicator20(number: int, version: int = 0, **more: Any) -> dict[str, Any]:
    """Return an indicator of STIX 2.0; equal numbers give versions of one object."""
    return {
        "type": "indicator",
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": f"2026-01-01T00:00:{version:02d}.000Z",
        "labels": ["malicious-activity"],
        "pattern": "[ipv4-addr:value = '198.51.100.7']",
        "valid_from": "2026-01-01T00:00:00Z",
        **more,
    }


@dataclass
class Taxii20Server:
    """The server. ``unit``: how it wants the range spelt. ``total``: ``said``, ``star`` or ``missing`` in Content-Range.

    ``most``: items a page at the most. ``ranged``: whether it knows ranges at all. ``dated``: whether it sends the date headers.
    """

    unit: str = "items="
    total: str = "said"
    most: int = 1000
    ranged: bool = True
    dated: bool = True
    exact_accept: bool = True
    stored: list[tuple[int, str]] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)

    def add(self, *objects: dict[str, Any]) -> None:
        for each in objects:
            self.add_raw(json.dumps(each))

    def add_raw(self, text: str) -> None:
        self.stored.append((START + 1000 * len(self.stored), text))

    def remove(self, object_id: str) -> None:
        self.stored = [(date, text) for date, text in self.stored if json.loads(text)["id"] != object_id]

    @contextmanager
    def serve(self) -> Iterator[Wire]:
        with serving(SimulatedPeer()) as wire:
            wire.behave = self.behave
            yield wire

    def behave(self, handler: BaseHTTPRequestHandler) -> bool:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        reply(handler, self.answer(parts.path, query, handler.headers.get("Accept", ""), handler.headers.get("Range", "")))
        return True

    def answer(self, path: str, query: dict[str, str], accept: str, wanted: str) -> Answer:
        base = f"/root/collections/{COLLECTION}/"
        of_objects = path.startswith(f"{base}objects/")
        if self.exact_accept and accept != (STIX if of_objects else TAXII):
            return self._json({"title": "Not acceptable"}, 406)
        if path == "/taxii/":
            return self._json({"title": "old", "api_roots": ["/root/"], "default": "/root/"})
        if path == "/root/":
            return self._json({"title": "root", "versions": ["taxii-2.0"], "max_content_length": 1000})
        if path == "/root/collections/":
            terms = {"id": COLLECTION, "title": "All", "can_read": True, "can_write": False}
            return self._json({"collections": [terms]})
        if path == f"{base}objects/":
            return self._page([(date, text) for date, text in self._found(query)], wanted, STIX)
        if path == f"{base}manifest/":
            return self._page(self._records(query), wanted, TAXII)
        if of_objects:
            found = self._found({**query, "match[id]": path.removeprefix(f"{base}objects/").strip("/")})
            return self._page(found, "", STIX) if found else self._json({"title": "Not found"}, 404)
        return self._json({"title": "Not found"}, 404)

    def _found(self, query: dict[str, str]) -> list[tuple[int, str]]:
        found = self.stored
        if "added_after" in query:
            found = [(date, text) for date, text in found if date > parse_rfc3339(query["added_after"])]
        if "match[id]" in query:
            found = [(date, text) for date, text in found if json.loads(text)["id"] in query["match[id]"].split(",")]
        version = query.get("match[version]", "last")
        if version not in ("all", "last"):
            return [(date, text) for date, text in found if json.loads(text)["modified"] == version]
        newest = {(each := json.loads(text))["id"]: each["modified"] for _, text in found}
        return [
            (date, text)
            for date, text in found
            if version == "all" or (each := json.loads(text))["modified"] == newest[each["id"]]
        ]

    def _records(self, query: dict[str, str]) -> list[tuple[int, str]]:
        """An object a record, with all its versions, newest first."""
        records: dict[str, tuple[int, dict[str, Any]]] = {}
        for date, text in self._found(query):
            each = json.loads(text)
            record = {"id": each["id"], "date_added": format_taxii(date), "versions": [], "media_types": [STIX]}
            _, record = records.setdefault(each["id"], (date, record))
            record["versions"].insert(0, each["modified"])
        return [(date, json.dumps(record)) for date, record in records.values()]

    def _page(self, items: list[tuple[int, str]], wanted: str, media: str) -> Answer:
        start, end = 0, len(items)
        if wanted:
            self.ranges.append(wanted)
        headers = {"Content-Type": media}
        status = 200
        if wanted and self.ranged:
            match = re.fullmatch(rf"{self.unit}(\d+)-(\d+)", wanted)
            if match is None:
                return self._json({"title": "Bad range"}, 400)
            start, end = int(match[1]), min(int(match[2]) + 1, int(match[1]) + self.most)
            if start >= len(items):
                return self._json({"title": "Nothing there"}, 416)
            status = 206
            total = str(len(items)) if self.total == "said" else "*"
            if self.total != "missing":
                headers["Content-Range"] = f"items {start}-{min(end, len(items)) - 1}/{total}"
        page = items[start:end]
        if page and self.dated:
            headers |= {
                "X-TAXII-Date-Added-First": format_taxii(page[0][0]),
                "X-TAXII-Date-Added-Last": format_taxii(page[-1][0]),
            }
        head = '"type": "bundle", "id": "bundle--1", "spec_version": "2.0", ' if media == STIX else ""
        return Answer(status, headers, f'{{{head}"objects": [{", ".join(text for _, text in page)}]}}'.encode())

    @staticmethod
    def _json(value: Any, status: int = 200) -> Answer:
        return Answer(status, {"Content-Type": TAXII}, json.dumps(value).encode())
