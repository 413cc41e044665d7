"""The TAXII 2.1 resources that the server gives out, each declared once: which members, and when one is left out.

Answers sections 3.6.1 (error), 3.7 (envelope), 4.1.1, 4.2.1, 5.1.1, 5.2.1, 5.3.1 and 5.8.1. The status resource (4.3.1) is made and
stored by `services.intake.ingest`. Objects go into an envelope as the bytes that they are stored as (I3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from taxii_fed.core.timestamps import format_date_added

Json = dict[str, Any]

TAXII_MEDIA_TYPE = "application/taxii+json;version=2.1"
"""Of every answer, letter by letter: the most used client compares it with what it accepts."""

STIX_MEDIA_TYPES = ("application/stix+json;version=2.1", "application/stix+json;version=2.0")
"""What a collection can hold."""

_NOTHING = b'{"more": false}'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    """A resource whose members are its fields; one with nothing in it is left out (section 2)."""

    def to_json(self) -> Json:
        """Return the JSON form."""
        members = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in members if value not in ("", (), None)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery(_Resource):
    """Section 4.1.1. ``default`` is one of ``api_roots``, letter by letter."""

    title: str
    description: str = ""
    contact: str = ""
    default: str = ""
    api_roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoot(_Resource):
    """Section 4.2.1. ``max_content_length`` in bytes."""

    title: str
    description: str = ""
    versions: tuple[str, ...] = (TAXII_MEDIA_TYPE,)
    max_content_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection(_Resource):
    """Section 5.2.1."""

    id: str
    title: str
    description: str = ""
    alias: str = ""
    can_read: bool
    can_write: bool
    media_types: tuple[str, ...] = STIX_MEDIA_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMessage(_Resource):
    """Section 3.6.1. ``http_status`` is a string; ``error_id`` is the id under which the log has the request."""

    title: str
    description: str = ""
    error_id: str = ""
    http_status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """Section 5.3.1, with ``date_added`` in milliseconds. ``extra`` holds custom properties (section 7)."""

    id: str
    date_added: int
    version: str
    spec_version: str
    extra: Json | None = None

    def to_json(self) -> Json:
        """Return the JSON form."""
        entry: Json = {
            "id": self.id,
            "date_added": format_date_added(self.date_added),
            "version": self.version,
            "media_type": f"application/stix+json;version={self.spec_version}",
        }
        if self.extra:
            entry.update(self.extra)
        return entry


def encode(resource: Json) -> bytes:
    """Return the UTF-8 JSON text of a resource."""
    return orjson.dumps(resource)


def status_key(api_root: str, status_id: str) -> str:
    """Return under what the status of a POST is kept: each belongs to one API root (section 4.3)."""
    return f"{api_root}/{status_id}"


def collections(items: Iterable[Collection]) -> Json:
    """Return the ``collections`` resource (section 5.1.1): ``{}`` where there are none."""
    found = [each.to_json() for each in items]
    return {"collections": found} if found else {}


def envelope(objects: bytes, next_cursor: str = "", *, list_nothing: bool = False) -> bytes:
    """Return the text of an envelope (section 3.7) around its objects, joined by commas as they are stored.

    ``next_cursor`` is empty on the last page. ``list_nothing`` puts ``"objects": []`` into an empty envelope, against the letter of the
    standard, for clients that fail without it.
    """
    if not objects:
        return b'{"more": false, "objects": []}' if list_nothing else _NOTHING
    going_on = b'true, "next": "%b"' % next_cursor.encode("ascii") if next_cursor else b"false"
    return b'{"more": %b, "objects": [%b]}' % (going_on, objects)


def manifest(entries: Sequence[ManifestEntry], next_cursor: str = "") -> bytes:
    """Return the text of a manifest (section 5.3.1)."""
    return _listing("objects", [entry.to_json() for entry in entries], next_cursor)


def versions(texts: Sequence[str], next_cursor: str = "") -> bytes:
    """Return the text of a versions resource (section 5.8.1)."""
    return _listing("versions", list(texts), next_cursor)


def _listing(member: str, items: list[Any], next_cursor: str) -> bytes:
    if not items:
        return _NOTHING
    if next_cursor:
        return orjson.dumps({"more": True, "next": next_cursor, member: items})
    return orjson.dumps({"more": False, member: items})
