"""What a publisher or a reader of the demo does: plain TAXII 2.1 requests, like any client's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import requests

from taxii_fed.core.stix.envelopes import Received, read_page
from taxii_fed.demo.incident import Json
from taxii_fed.demo.nodes import DemoError, Node

_TAXII = "application/taxii+json;version=2.1"
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Reader:
    """A party of a node that reads one of its collections."""

    node: Node
    party: str
    collection: str = "banking"

    def __str__(self) -> str:
        return f"{self.party} at {self.node.name}"

    def read(self) -> list[Received]:
        """Return all versions of all objects that the reader gets, page by page. Raises `DemoError`."""
        return self.read_after("")[0]

    def read_after(self, position: str) -> tuple[list[Received], str]:
        """Return what was added after a TAXII date, "" for all, and the date of the last of it. Raises `DemoError`."""
        asked = {"match[version]": "all", "limit": "10"} | ({"added_after": position} if position else {})
        query, found = asked, list[Received]()
        while True:
            answer = _asked("GET", self.node.objects_url(self.collection), self.node.tokens[self.party], params=query)
            page = read_page(answer.content)
            found += page.objects
            position = answer.headers.get("X-TAXII-Date-Added-Last", position)
            if not page.more:
                return found, position
            query = asked | {"next": page.next or ""}


class Poller:
    """A client that remembers how far it has read, and asks for nothing but what was added since."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.position = ""

    def poll(self) -> list[Received]:
        """Return what was added since the last poll. Raises `DemoError`."""
        found, self.position = self.reader.read_after(self.position)
        return found


def post(node: Node, party: str, collection: str, objects: Iterable[Json]) -> list[bytes]:
    """Publish objects, and return the bytes of each as they were sent. Raises `DemoError` where one is refused."""
    sent = [json.dumps(value, ensure_ascii=False).encode() for value in objects]
    body = b'{"objects": [' + b", ".join(sent) + b"]}"
    status = _asked("POST", node.objects_url(collection), node.tokens[party], data=body).json()
    if status["failure_count"]:
        raise DemoError(f"{node.name} refused objects of {party}: {status['failures']}")
    return sent


def delete(node: Node, party: str, collection: str, object_id: str) -> None:
    """Delete the newest version of an object. Raises `DemoError`."""
    _asked("DELETE", f"{node.objects_url(collection)}{object_id}/", node.tokens[party])


def _asked(method: str, url: str, token: str, **more: Any) -> requests.Response:
    headers = {"Accept": _TAXII, "Authorization": f"Bearer {token}"} | ({"Content-Type": _TAXII} if "data" in more else {})
    answer = requests.request(method, url, headers=headers, timeout=_SECONDS, **more)
    if not answer.ok:
        raise DemoError(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
    return answer
