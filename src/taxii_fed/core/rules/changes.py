"""What differs between two sets of what is in force, entry by entry, in the words of the file that people edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from taxii_fed.core.rules.model import InForce, to_doc
from taxii_fed.core.timestamps import format_taxii

_NODE = {each: each for each in ("identity", "organisation", "jurisdiction", "anonymous")} | {"node": "name"}
_MAPS = ("jurisdictions", "markings", "parties", "collections")
_RULES = ("share", "never", "hold", "change")
_TIMES = {"from_at": "from", "until_at": "until"}
_WORDS = {"collections": "in", "but_not": "not"}
_NESTED = {
    "generalise_v4": ("generalise_ip", "v4"),
    "generalise_v6": ("generalise_ip", "v6"),
    "pseudonymise_email": ("pseudonymise", "email"),
}
_STANDING_FOR = {
    ("approval", True): ("until", "approved"),
    ("unknown_types", True): ("unknown_types", "share"),
    ("remove_unknown_if_hit", True): ("unknown_properties", "remove-if-hit"),
    ("keep_patterns", True): ("pseudonymise", {"except": ["pattern"]}),
    ("pseudonymise_text", False): ("pseudonymise", {"except": ["text"]}),
}
"""A member with this value, to the term and the value that say so in the file."""


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
    changed = tuple(_terms(*({term: doc.get(key) for key, term in _NODE.items()} for doc in (before, after))))
    if changed:
        found.append(Differs("node", "", "changed", changed))
    for section in _MAPS:
        found += _entries(section, before.get(section, {}), after.get(section, {}))
    for section in _RULES:
        found += _entries(section, _by_name(before.get(section, ())), _by_name(after.get(section, ())))
    return found


def as_written(doc: Any) -> Any:
    """Return what `to_doc` made of a rule, a party or a part of one, with the terms that the file has for its members."""
    if isinstance(doc, list):
        return [as_written(each) for each in doc]
    if not isinstance(doc, dict):
        return doc
    written: dict[str, Any] = {}
    for key, value in doc.items():
        term, said = _term(key, value)
        both = isinstance(said, dict) and isinstance(written.get(term), dict)
        written[term] = _joined(written[term], said) if both else said
    return written


def _term(key: str, value: Any) -> tuple[str, Any]:
    if key in _TIMES and isinstance(value, int):
        return _TIMES[key], format_taxii(value).replace(".000000Z", "Z")
    if key in _NESTED:
        term, inner = _NESTED[key]
        return term, {inner: value}
    if isinstance(value, bool) and (key, value) in _STANDING_FOR:
        return _STANDING_FOR[key, value]
    return _WORDS.get(key, key), as_written(value)


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return first | {key: [*first.get(key, ()), *value] if isinstance(value, list) else value for key, value in second.items()}


def _by_name(rules: Any) -> dict[str, Any]:
    return {rule["name"]: rule for rule in rules}


def _entries(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Differs]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield Differs(section, name, "added")
        elif name not in after:
            yield Differs(section, name, "removed")
        elif before[name] != after[name]:
            yield Differs(section, name, "changed", tuple(_terms(as_written(before[name]), as_written(after[name]))))


def _terms(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield "", before, after
        return
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)
