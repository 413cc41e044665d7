"""What differs between two sets of what is in force, entry by entry, for people who edited a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from taxii_fed.core.rules import InForce, to_doc

_NODE = ("node", "identity", "organisation", "jurisdiction", "anonymous")
_MAPS = ("jurisdictions", "markings", "parties", "collections")
_RULES = ("share", "never", "hold", "change")


@dataclass(frozen=True, slots=True)
class Differs:
    """One entry that differs. ``kind``: ``added``, ``removed`` or ``changed``; ``terms``: (name, before, after) of what changed in it."""

    section: str
    name: str
    kind: str
    terms: tuple[tuple[str, Any, Any], ...] = ()


def differing(present: InForce, coming: InForce) -> list[Differs]:
    """Return what ``coming`` has that ``present`` has not, the other way round, and what is different in both."""
    found: list[Differs] = []
    before, after = to_doc(present), to_doc(coming)
    changed = tuple(_terms({key: before.get(key) for key in _NODE}, {key: after.get(key) for key in _NODE}))
    if changed:
        found.append(Differs("node", "", "changed", changed))
    for section in _MAPS:
        found += _entries(section, before.get(section, {}), after.get(section, {}))
    for section in _RULES:
        found += _entries(section, _by_name(before.get(section, ())), _by_name(after.get(section, ())))
    return found


def _by_name(rules: Any) -> dict[str, Any]:
    return {rule["name"]: rule for rule in rules}


def _entries(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Differs]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield Differs(section, name, "added")
        elif name not in after:
            yield Differs(section, name, "removed")
        elif before[name] != after[name]:
            yield Differs(section, name, "changed", tuple(_terms(before[name], after[name])))


def _terms(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield "", before, after
        return
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)
