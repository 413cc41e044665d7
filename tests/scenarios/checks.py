"""What a scenario expects of a poll, held against what the poll found. Pure: the same record can be held against other expectations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_EXTRA_TYPES = ("marking-definition", "extension-definition")


@dataclass(slots=True)
class Record:
    """One poll, as everything that its checks need.

    ``listed``: objects that the poll returned, all versions on a full poll. ``reachable``: (id, version) found by any endpoint.
    ``texts``: every body and header that came back. ``copies``: object key to the (id, version) that stands for it, from the ledger.
    ``reasons``: object key to the audit's reasons. ``log``: likewise for what was done. ``ended``: key to why its release ended.
    """

    full: bool
    listed: list[Json]
    reachable: set[tuple[str, str]]
    texts: list[str]
    copies: dict[str, tuple[str, str]]
    given_before: dict[str, str]
    """Object key to the id that it was last given out under, now or earlier."""
    reasons: dict[str, set[str]]
    log: dict[str, set[str]]
    ended: dict[str, set[str]]
    node_identity: str
    others: dict[str, list[Json]] = field(default_factory=dict)
    """What other recipients were last found to hold, by party."""
    same_elsewhere: dict[tuple[str, str], str] = field(default_factory=dict)
    """(object key, collection) to the id given to this recipient there."""


def version_of(obj: Json) -> str:
    return obj.get("modified") or obj.get("created") or "1970-01-01T00:00:00.000Z"


def is_notice(obj: Json, record: Record) -> bool:
    return obj["type"] == "note" and "withdrawn" in obj.get("labels", ()) and obj.get("created_by_ref") == record.node_identity


class Checker:
    """Holds a record against the ``expect`` of a poll step and yields what is wrong, a sentence each."""

    def __init__(self, objects: dict[str, Json], record: Record) -> None:
        self._objects = objects
        self._record = record
        self._found = {(obj["id"], version_of(obj)): obj for obj in record.listed}

    def failures(self, expect: Json) -> Iterator[str]:
        known = {"visible", "absent", "nowhere", "log", "withdrawn", "note"}
        if extra := expect.keys() - known:
            yield f"unknown expectations {sorted(extra)}"
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
            if found is None:
                yield f"{key} is not there as the original"
            elif found != source:
                yield f"{key} differs from the original"
            named.add(original)
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
        yield from self._copy(entry, source, copy)

    def _copy(self, entry: Json, source: Json, copy: Json) -> Iterator[str]:
        key = entry["obj"]
        if copy["type"] != source["type"]:
            yield f"the copy of {key} has another type"
        if source["id"] in json.dumps(copy):
            yield f"the copy of {key} names its source"
        if copy.get("created_by_ref", self._record.node_identity) != self._record.node_identity:
            yield f"the copy of {key} has a creator other than the node"
        yield from self._properties(entry, copy)
        for name, wanted in entry.get("refs", {}).items():
            yield from self._refs(key, name, wanted, copy.get(name))
        if (other := entry.get("same_id_as")) and self._record.given_before.get(other) != copy["id"]:
            yield f"the copy of {key} has not the id of that of {other}"
        if (where := entry.get("same_id_as_in")) and self._record.same_elsewhere.get((key, where)) != copy["id"]:
            yield f"the copy of {key} has not the id that it has in {where}"
        yield from self._differs(entry, copy)
        known = {
            "obj", "as", "equals", "not_equals", "contains", "contains_if_present", "removed", "matches", "refs", "same_id_as",
            "same_id_as_in", "differs_from_recipient", "or_original", "note", "reason",
        }  # fmt: skip
        if extra := entry.keys() - known:
            yield f"unknown terms of a visible entry: {sorted(extra)}"

    def _properties(self, entry: Json, copy: Json) -> Iterator[str]:
        key = entry["obj"]
        for name, value in entry.get("equals", {}).items():
            if copy.get(name) != value:
                yield f"{key}.{name} is {copy.get(name)!r}, expected {value!r}"
        for name, value in entry.get("not_equals", {}).items():
            if copy.get(name) == value:
                yield f"{key}.{name} is still {value!r}"
        for term in ("contains", "contains_if_present"):
            for name, parts in entry.get(term, {}).items():
                value = copy.get(name, "")
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for part in [parts] if isinstance(parts, str) else parts:
                    if part not in text:
                        yield f"{key}.{name} lacks {part!r}"
        for name in entry.get("removed", ()):
            if name in copy:
                yield f"{key}.{name} is still there"
        for name, pattern in entry.get("matches", {}).items():
            if not re.search(pattern, str(copy.get(name, ""))):
                yield f"{key}.{name} is {copy.get(name)!r}, which does not match {pattern}"

    def _refs(self, key: str, name: str, wanted: Any, found: Any) -> Iterator[str]:
        expected = [self._meant(each) for each in ([wanted] if isinstance(wanted, str) else wanted)]
        actual = [found] if isinstance(found, str) else list(found or ())
        if expected != actual:
            yield f"{key}.{name} refers to {actual}, expected {expected}"

    def _meant(self, term: str) -> str:
        how, _, key = term.partition(":")
        if how == "original":
            return self._objects[key]["id"]
        return self._record.copies.get(key, (f"no copy of {key}", ""))[0]

    def _differs(self, entry: Json, copy: Json) -> Iterator[str]:
        wanted = entry.get("differs_from_recipient")
        if not wanted:
            return
        pairs = wanted.items() if isinstance(wanted, dict) else [(wanted, "value")]
        for one, two in pairs:
            party, name = (one, two) if one in self._record.others else (two, one)
            if party not in self._record.others:
                yield f"{party} was not polled before"
            elif any(obj.get(name) == copy.get(name) for obj in self._record.others[party] if obj["type"] == copy["type"]):
                yield f"{entry['obj']}.{name} is the same for {party}"

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
        key = entry["obj"]
        held = self._record.given_before.get(key, self._objects[key]["id"])
        told = any(
            held in obj.get("object_refs", ()) and not obj.get("revoked")
            for obj in self._record.listed
            if is_notice(obj, self._record)
        )
        revoked = any(obj["id"] == held and obj.get("revoked") for obj in self._record.listed)
        if not (told or revoked):
            yield f"nothing tells of the withdrawal of {key}"
        if (held, version_of(self._objects[key])) in self._record.reachable and not revoked:
            yield f"{key} is withdrawn and can still be fetched"
        if (reason := entry.get("reason")) and reason not in self._record.ended.get(key, ()):
            yield f"the release of {key} ended for {sorted(self._record.ended.get(key, ()))}, expected {reason}"

    def _extras(self, named: set[tuple[str, str]]) -> Iterator[str]:
        copies = {copy[0] for copy in self._record.copies.values()} | set(self._record.given_before.values())
        for (object_id, version), obj in self._found.items():
            if (object_id, version) in named or obj["type"] in _EXTRA_TYPES or is_notice(obj, self._record):
                continue
            if object_id == self._record.node_identity or (obj.get("revoked") and object_id in copies):
                continue
            yield f"{object_id} ({obj.get('name', '')!r}, version {version}) is there and was not expected"
