"""What the rules look at in one version of an object: read once from the object and from where it came.

Answers the attribute table of the sharing model (section 2) and conventions 3 and 8 of the scenarios.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from taxii_fed.core.stix.levels import TLP_LEVELS, Level
from taxii_fed.core.timestamps import parse_stix

Json = dict[str, Any]

LOCAL = "local"
"""The origin of what was published here, by the node's own organisation or its members."""


class Use(StrEnum):
    """Why one object names another (kind of an edge)."""

    REFERENCE = "ref"
    """A reference that closure follows."""
    CREATOR = "by"
    MARKING = "marking"
    """In ``object_marking_refs``; TLP ids are left out."""
    GRANULAR = "granular"
    """A marking named in ``granular_markings``; TLP ids are left out."""
    EXTENSION = "ext"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a version came from: settled by its first accepted origin and its home (convention 5).

    ``origin``: ``local`` or the name of a peer. ``jurisdiction``: the origin's, carried over relays. ``overlay``: the level that an
    inbound rule put beside the object; it can only tighten. ``party``: who gave it.
    """

    origin: str = LOCAL
    jurisdiction: str = ""
    overlay: Level | None = None
    party: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference in an object: ``path`` is the property, with list positions, e.g. ``("object_refs", 2)``."""

    path: tuple[str | int, ...]
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One version as the rules see it. ``version`` is in microseconds (0 for an observable without ``modified``)."""

    id: str
    type: str
    spec_version: str
    version: int
    version_text: str
    labels: tuple[str, ...]
    confidence: int | None
    created_by: str
    valid_until: int | None
    revoked: bool
    markings: tuple[str, ...]
    granular: tuple[tuple[str, tuple[str, ...]], ...]
    """(marking id, selectors); ``lang`` entries carry no level and are left out."""
    references: tuple[Reference, ...]
    extensions: tuple[str, ...]
    """Ids of extension definitions that it uses."""
    custom: bool
    provenance: Provenance
    likeness: int
    """Equal for versions that only an id, a version, a date, a confidence or a reference tells apart: what most rules look at."""


OBSERVABLE_TYPES = frozenset(
    "artifact autonomous-system directory domain-name email-addr email-message file ipv4-addr ipv6-addr mac-addr mutex "
    "network-traffic process software url user-account windows-registry-key x509-certificate".split(" ")
)
"""Cyber-observable types: their ids are their values (I1)."""

STIX_TYPES = OBSERVABLE_TYPES | frozenset(
    "attack-pattern campaign course-of-action grouping identity incident indicator infrastructure intrusion-set location "
    "malware malware-analysis note observed-data opinion report threat-actor tool vulnerability relationship sighting "
    "extension-definition language-content marking-definition".split(" ")
)
"""The object types that STIX 2.1 defines; any other type is custom."""


GOING_ALONG = frozenset({"identity", "extension-definition"})
"""Types of objects that go along with what names them, though the rules would not give them out by themselves (convention 12)."""


def facts_of(obj: Json, provenance: Provenance) -> Facts:
    """Return the facts of a checked object (`core.stix.checks.check_object` has passed it)."""
    get = obj.get
    version_text = get("modified") or get("created") or ""
    markings = get("object_marking_refs")
    granular = get("granular_markings")
    extensions = get("extensions")
    valid_until = get("valid_until")
    kind = obj["type"]
    labels = tuple(get("labels") or ())
    marking_ids = tuple(markings) if markings else ()
    created_by = get("created_by_ref") or ""
    return Facts(
        id=obj["id"],
        type=kind,
        spec_version=get("spec_version") or ("2.1" if kind in OBSERVABLE_TYPES else "2.0"),
        version=parse_stix(version_text) if version_text else 0,
        version_text=version_text,
        labels=labels,
        confidence=get("confidence"),
        created_by=created_by,
        valid_until=parse_stix(valid_until) if valid_until else None,
        revoked=get("revoked") is True,
        markings=marking_ids,
        granular=tuple((each["marking_ref"], tuple(each["selectors"])) for each in granular if "marking_ref" in each)
        if granular
        else (),
        references=tuple(references_of(obj)),
        extensions=tuple(key for key in extensions if key.startswith("extension-definition--")) if extensions else (),
        custom=kind not in STIX_TYPES,
        provenance=provenance,
        likeness=_likeness((kind, labels, marking_ids, created_by, provenance)),
    )


_MOST_LIKENESSES = 200_000
_likenesses: dict[tuple[Any, ...], int] = {}
_likeness_numbers = itertools.count()


def _likeness(terms: tuple[Any, ...]) -> int:
    """Return a number for these terms: the same for equal ones, never the same for others."""
    if len(_likenesses) > _MOST_LIKENESSES:
        _likenesses.clear()
    found = _likenesses.get(terms)
    return found if found is not None else _likenesses.setdefault(terms, next(_likeness_numbers))


_NOT_CLOSED = frozenset({"created_by_ref", "object_marking_refs"})


def references_of(obj: Json) -> Iterator[Reference]:
    """Yield every reference that closure follows: each ``*_ref`` and ``*_refs`` at any depth.

    Left out: ``created_by_ref``, which has a rule of its own, and markings, which are never cut (sharing model, section 9).
    """
    for key, value in obj.items():
        if key in _NOT_CLOSED or key == "granular_markings":
            continue
        if type(value) is str:
            if key.endswith("_ref") and "--" in value:
                yield Reference((key,), value)
        elif type(value) is list or type(value) is dict:
            yield from _references_in(value, (key,))


def _references_in(value: Any, path: tuple[str | int, ...]) -> Iterator[Reference]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if key.endswith("_ref") and "--" in item:
                    yield Reference((*path, key), item)
            else:
                yield from _references_in(item, (*path, key))
    elif isinstance(value, list):
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        for index, item in enumerate(value):
            if isinstance(item, str):
                if name.endswith("_refs") and "--" in item:
                    yield Reference((*path, index), item)
            else:
                yield from _references_in(item, (*path, index))


def uses_of(facts: Facts) -> dict[str, set[Use]]:
    """Return everything that a version names, and how: the edges that the store keeps for it."""
    edges: dict[str, set[Use]] = {}
    for reference in facts.references:
        edges.setdefault(reference.target, set()).add(Use.REFERENCE)
    if facts.created_by:
        edges.setdefault(facts.created_by, set()).add(Use.CREATOR)
    for marking in facts.markings:
        if marking not in TLP_LEVELS:
            edges.setdefault(marking, set()).add(Use.MARKING)
    for marking, _ in facts.granular:
        if marking not in TLP_LEVELS:
            edges.setdefault(marking, set()).add(Use.GRANULAR)
    for extension in facts.extensions:
        edges.setdefault(extension, set()).add(Use.EXTENSION)
    return edges
