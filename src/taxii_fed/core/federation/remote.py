"""What a peer said, as values: its collections, pages of objects and pages of manifests.

Everything here came from outside and was only checked for its form. Between taxii-fed nodes a manifest entry carries one custom property
(TAXII 2.1 section 7.1.1), `FED_PROPERTY`; its exact form is in ``docs/peers.md`` and nowhere but here in code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from taxii_fed.core.federation.pull import Seen
from taxii_fed.core.federation.reconcile import Listed
from taxii_fed.core.stix.envelopes import Received
from taxii_fed.core.stix.levels import Level, parse_level
from taxii_fed.core.timestamps import parse_stix

FED_HEADER = "X-Taxii-Fed"
"""Sent with the value 1 by a node that pulls; a reader with role peer that sends it gets `FED_PROPERTY` in manifests."""

FED_PROPERTY = "x_taxii_fed"

MAX_PATH = 64
"""How many nodes a path may name. One more is no path but an attack."""

_MAX_TOKEN = 128


@dataclass(frozen=True, slots=True)
class Carried:
    """What travels beside an object between taxii-fed nodes.

    ``jurisdiction`` of the origin ("": not said), ``level`` after overlays (None: none), ``path``: opaque tokens of the nodes it came by.
    ``notice``: the node itself says with it that something is withdrawn.
    """

    jurisdiction: str = ""
    level: Level | None = None
    path: tuple[str, ...] = ()
    notice: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the value of `FED_PROPERTY`; members that say nothing are left out."""
        members: dict[str, Any] = {"jurisdiction": self.jurisdiction, "path": list(self.path), "notice": self.notice}
        if self.level is not None:
            members["level"] = str(self.level)
        return {name: value for name, value in members.items() if value}


def read_carried(value: object) -> Carried | None:
    """Return what a manifest entry carries, None where it carries nothing that can be read.

    A level that can't be read counts as RED: it says that there is one (I6).
    """
    if not isinstance(value, dict):
        return None
    jurisdiction, level, path = value.get("jurisdiction", ""), value.get("level"), value.get("path", [])
    if not isinstance(jurisdiction, str) or len(jurisdiction) > _MAX_TOKEN or not jurisdiction.isprintable():
        return None
    if not isinstance(path, list) or len(path) > MAX_PATH:
        return None
    if not all(isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN and token.isprintable() for token in path):
        return None
    try:
        read = None if level is None else parse_level(level)
    except (ValueError, TypeError):
        read = Level.RED
    return Carried(jurisdiction, read, tuple(path), value.get("notice") is True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCollection:
    """A collection of a peer (section 5.2.1). ``url`` ends in a slash."""

    url: str
    id: str
    title: str
    alias: str = ""
    description: str = ""
    can_read: bool
    can_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPage:
    """A page of objects. ``first``/``last``: the date headers in microseconds, None where one is missing or no date.

    ``fed``: the peer says that it is a taxii-fed node that takes us for one.
    """

    objects: list[Received]
    more: bool = False
    next: str = ""
    first: int | None = None
    last: int | None = None
    fed: bool = False

    def seen(self) -> Seen:
        """Return what `core.federation.pull` looks at."""
        content = content_digest(f"{each.id} {each.version_text}".encode() if each.id else each.raw for each in self.objects)
        return Seen(count=len(self.objects), content=content, more=self.more, next=self.next, first=self.first, last=self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPage:
    """A page of a manifest. ``broken`` counts records without a readable id; ``carried`` is by (id, version in microseconds).

    ``records``: how many there are in all; in TAXII 2.0 each lists all versions of an object.
    """

    entries: list[Listed]
    records: int = 0
    broken: int = 0
    carried: dict[tuple[str, int], Carried] = field(default_factory=dict)
    more: bool = False
    next: str = ""
    first: int | None = None
    last: int | None = None

    def seen(self) -> Seen:
        """Return what `core.federation.pull` looks at. Entries say when they were added, so they count where headers are missing."""
        dates = [entry.date_added for entry in self.entries if entry.date_added is not None]
        return Seen(
            count=len(self.entries) + self.broken,
            content=content_digest(f"{entry.id} {entry.version_text}".encode() for entry in self.entries),
            more=self.more,
            next=self.next,
            first=min(dates) if dates else self.first,
            last=max(dates) if dates else self.last,
        )


def content_digest(parts: Iterable[bytes]) -> str:
    """Return a short digest of what a page lists, in order."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()


def version_instant(version_text: str) -> int | None:
    """Return a version in microseconds: 0 for none at all, None for one that is no timestamp."""
    if not version_text:
        return 0
    try:
        return parse_stix(version_text)
    except ValueError:
        return None
