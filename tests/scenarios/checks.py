"""What a scenario expects of a poll, held against what the poll found. Pure: the same record can be held against other expectations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

EXTRA_TYPES = ("marking-definition", "extension-definition")


@dataclass(slots=True)
class Record:
    """One poll, as everything that its checks need.

    ``listed``: objects that the poll returned, all versions on a full poll. ``reachable``: (id, version) found by any endpoint.
    ``texts``: every body and header that came back. ``copies``: object key to the (id, version) that stands for it, from the ledger.
    ``given``: object key to all ids that it went out under, now or earlier. ``reasons``: object key to the audit's reasons. ``log``:
    likewise for what was done. ``ended``: key to why its release ended. ``earlier``: key to the id found at this reader's last poll.
    """

    full: bool
    listed: list[Json]
    reachable: set[tuple[str, str]]
    texts: list[str]
    copies: dict[str, tuple[str, str]]
    given: dict[str, list[str]]
    reasons: dict[str, set[str]]
    log: dict[str, set[str]]
    ended: dict[str, set[str]]
    node_identity: str
    astray: list[str] = field(default_factory=list)
    """Where views differ from what the versions and rules make of them (I7)."""
    earlier: dict[str, str] = field(default_factory=dict)
    others: dict[str, dict[str, Json]] = field(default_factory=dict)
    """What other recipients were last found to hold: party to object key to the object."""
    same_elsewhere: dict[tuple[str, str], str] = field(default_factory=dict)
    """(object key, collection) to the id given to this recipient there."""


def version_of(obj: Json) -> str:
    return obj.get("modified") or obj.get("created") or "1970-01-01T00:00:00.000Z"


def is_notice(obj: Json, record: Record) -> bool:
    return obj["type"] == "note" and "withdrawn" in obj.get("labels", ()) and obj.get("created_by_ref") == record.node_identity


_EXPECTATIONS = {"visible", "absent", "nowhere", "log", "withdrawn", "note"}
_ENTRY = {
    "obj", "as", "equals", "not_equals", "contains", "contains_if_present", "removed", "matches", "refs", "same_id_as",
    "same_id_as_in", "differs_from_recipient", "or_original", "note", "reason",
}  # fmt: skip
_MANNERS = {"original", "derived", "derived-or-absent"}
_PAIR = {"obj", "reason", "note"}


class Checker:
    """Holds a record against the ``expect`` of a poll step and yields what is wrong, a sentence each."""

    def __init__(self, objects: dict[str, Json], record: Record) -> None:
        self._objects = objects
        self._record = record
        self._found = {(obj["id"], version_of(obj)): obj for obj in record.listed}

    def failures(self, expect: Json) -> Iterator[str]:
        yield from _unknown(expect)
        yield from self._record.astray
        named: set[tuple[str, str]] = set()
        for entry in expect.get("visible", ()):
            yield from self._visible(entry, named)
        for entry in expect.get("absent", ()):
            yield from self._absent(entry)
        for text in expect.get("nowhere", ()):
            if any(text in each for each in self._record.texts):
                yield f"{text!r} occurs in what the reader can fetch"
        for entry in expect.get("log", ()):
            if entry["reason"] not in self._record.log.get(entry["obj"], ()):
                yield f"log of {entry['obj']}: no {entry['reason']}, only {sorted(self._record.log.get(entry['obj'], ()))}"
        for entry in expect.get("withdrawn", ()):
            yield from self._withdrawn(entry)
        yield from self._extras(named)

    # -- visible --------------------------------------------------------------------------------------------------------------

    def _visible(self, entry: Json, named: set[tuple[str, str]]) -> Iterator[str]:
        key, how = entry["obj"], entry["as"]
        source = self._objects[key]
        original = (source["id"], version_of(source))
        found = self._found.get(original)
        if how == "original" or (found is not None and entry.get("or_original")):
            named.add(original)
            if found is None:
                yield f"{key} is not there as the original"
                return
            if found != source:
                yield f"{key} differs from the original"
            if how == "original":
                yield from self._terms(entry, found)
            return
        copy_key = self._record.copies.get(key)
        copy = self._found.get(copy_key) if copy_key and copy_key != original else None
        if copy is None:
            if how != "derived-or-absent":
                yield f"{key} is not there as a derived copy"
            elif found is not None:
                yield f"{key} is there as the original, and should be a copy or absent"
            return
        named.add(copy_key)  # type: ignore[arg-type]
        if original in self._found:
            yield f"{key} is there both as the original and as a copy"
        yield from self._copy(key, source, copy)
        yield from self._terms(entry, copy)

    def _copy(self, key: str, source: Json, copy: Json) -> Iterator[str]:
        """What convention 9 and 11 say of every copy."""
        if copy["type"] != source["type"]:
            yield f"the copy of {key} has another type"
        if source["id"] in json.dumps(copy):
            yield f"the copy of {key} names its source"
        if copy.get("created_by_ref", self._record.node_identity) != self._record.node_identity:
            yield f"the copy of {key} has a creator other than the node"

    def _terms(self, entry: Json, found: Json) -> Iterator[str]:
        key = entry["obj"]
        yield from self._properties(entry, found)
        for name, wanted in entry.get("refs", {}).items():
            yield from self._refs(key, name, wanted, found.get(name))
        if other := entry.get("same_id_as"):
            before = self._record.earlier.get(key) if other == key else self._record.given.get(other, [""])[-1]
            if before != found["id"]:
                yield f"the copy of {key} has not the id of that of {other}"
        if (where := entry.get("same_id_as_in")) and self._record.same_elsewhere.get((key, where)) != found["id"]:
            yield f"the copy of {key} has not the id that it has in {where}"
        for party, name in differences(entry):
            other_found = self._record.others.get(party, {}).get(key)
            if other_found is None:
                yield f"{party} holds no {key} to differ from"
            elif other_found.get(name) == found.get(name):
                yield f"{key}.{name} is the same for {party}"

    def _properties(self, entry: Json, found: Json) -> Iterator[str]:
        key = entry["obj"]
        for name, value in entry.get("equals", {}).items():
            if found.get(name) != value:
                yield f"{key}.{name} is {found.get(name)!r}, expected {value!r}"
        for name, value in entry.get("not_equals", {}).items():
            if found.get(name) == value:
                yield f"{key}.{name} is still {value!r}"
        for term in ("contains", "contains_if_present"):
            for name, parts in entry.get(term, {}).items():
                texts = _texts(found.get(name, ""))
                for part in [parts] if isinstance(parts, str) else parts:
                    if not any(part in text for text in texts):
                        yield f"{key}.{name} lacks {part!r}"
        for name in entry.get("removed", ()):
            if name in found:
                yield f"{key}.{name} is still there"
        for name, pattern in entry.get("matches", {}).items():
            if not any(re.search(pattern, text) for text in _texts(found.get(name, ""))):
                yield f"{key}.{name} is {found.get(name)!r}, which does not match {pattern}"

    def _refs(self, key: str, name: str, wanted: Any, found: Any) -> Iterator[str]:
        expected = [self._meant(each) for each in ([wanted] if isinstance(wanted, str) else wanted)]
        actual = [found] if isinstance(found, str) else list(found or ())
        if expected != actual:
            yield f"{key}.{name} refers to {actual}, expected {expected}"

    def _meant(self, term: str) -> str:
        how, _, key = term.partition(":")
        if how == "original":
            return self._objects[key]["id"]
        if how == "derived" and key in self._objects:
            return self._record.copies.get(key, (f"no copy of {key}", ""))[0]
        return f"what {term!r} may mean"

    # -- absent and withdrawn -----------------------------------------------------------------------------------------------

    def _absent(self, entry: Json) -> Iterator[str]:
        key = entry["obj"]
        source = self._objects[key]
        here = (source["id"], version_of(source))
        reachable = self._record.reachable if self._record.full else {(o["id"], version_of(o)) for o in self._record.listed}
        other_content = here in self._found and self._found[here] != source
        if here in reachable and not other_content:
            yield f"{key} can be fetched"
        copy = self._record.copies.get(key)
        if copy is not None and copy in reachable and copy != here and not (self._found.get(copy) or {}).get("revoked"):
            yield f"a copy of {key} can be fetched"
        if (reason := entry.get("reason")) and reason not in self._record.reasons.get(key, ()):
            yield f"{key} is absent for {sorted(self._record.reasons.get(key, ()))}, expected {reason}"

    def _withdrawn(self, entry: Json) -> Iterator[str]:
        """Every id that the reader held it under and no longer does is gone, and told of or revoked."""
        key = entry["obj"]
        given = self._record.given.get(key, [])
        now = self._record.copies.get(key, ("", ""))[0]
        if not given:
            yield f"{key} was never released"
        for held in dict.fromkeys(each for each in given if each != now):
            rows = [obj for obj in self._record.listed if obj["id"] == held]
            told = any(
                held in obj.get("object_refs", ()) and not obj.get("revoked")
                for obj in self._record.listed
                if is_notice(obj, self._record)
            )
            revoked = any(obj.get("revoked") for obj in rows)
            if not (told or revoked):
                yield f"nothing tells of the withdrawal of {key} as {held}"
            if (held, version_of(self._objects[key])) in self._record.reachable and not revoked:
                yield f"{key} is withdrawn and can still be fetched"
        if given and all(each == now for each in given):
            yield f"{key} is not withdrawn"
        if (reason := entry.get("reason")) and reason not in self._record.ended.get(key, ()):
            yield f"the release of {key} ended for {sorted(self._record.ended.get(key, ()))}, expected {reason}"

    def _extras(self, named: set[tuple[str, str]]) -> Iterator[str]:
        current = set(self._record.copies.values())
        copies = {each for ids in self._record.given.values() for each in ids} - {obj["id"] for obj in self._objects.values()}
        for (object_id, version), obj in self._found.items():
            if (object_id, version) in named or obj["type"] in EXTRA_TYPES or is_notice(obj, self._record):
                continue
            ended = obj.get("revoked") and object_id in copies and (object_id, version) not in current
            if object_id == self._record.node_identity or ended:
                continue
            yield f"{object_id} ({obj.get('name', '')!r}, version {version}) is there and was not expected"


def differences(entry: Json) -> Iterator[tuple[str, str]]:
    """Yield (party, property) of ``differs_from_recipient``, which names both, in whatever order, or the party alone.

    A party alone is meant for the property that the entry matches, or for ``value``.
    """
    wanted = entry.get("differs_from_recipient") or {}
    if isinstance(wanted, str):
        wanted = dict.fromkeys(entry.get("matches") or ["value"], wanted)
    party = wanted.get("recipient") or wanted.get("party")
    if party:
        names = wanted.get("property") or wanted.get("properties") or "value"
        wanted = dict.fromkeys([names] if isinstance(names, str) else names, party)
    for one, others in wanted.items():
        for other in [others] if isinstance(others, str) else others:
            yield (one, other) if "-" in one else (other, one)


def _unknown(expect: Json) -> Iterator[str]:
    """Yield a failure for every term that these checks do not know: a term that is passed over would be a check that is not made."""
    if extra := expect.keys() - _EXPECTATIONS:
        yield f"unknown expectations {sorted(extra)}"
    for entry in expect.get("visible", ()):
        if entry["as"] not in _MANNERS:
            yield f"{entry['obj']}: unknown 'as' {entry['as']!r}"
        if extra := entry.keys() - _ENTRY:
            yield f"{entry['obj']}: unknown terms of a visible entry {sorted(extra)}"
    for term in ("absent", "log", "withdrawn"):
        for entry in expect.get(term, ()):
            if extra := entry.keys() - _PAIR:
                yield f"{entry['obj']}: unknown terms of {term} {sorted(extra)}"


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [json.dumps(value, ensure_ascii=False), json.dumps(value, ensure_ascii=False, separators=(",", ":"))]
