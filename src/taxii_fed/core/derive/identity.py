"""Who a derived copy is: its id, its creator, its marking (sharing model, section 7; conventions 9 to 11)."""

from __future__ import annotations

import uuid
from typing import Any

from taxii_fed.core.derive.cutting import Json, cut, leaves, without_stale_selectors
from taxii_fed.core.derive.references import UNTRANSFORMABLE
from taxii_fed.core.keys import Keys
from taxii_fed.core.stix.canonical import canonical
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES
from taxii_fed.core.stix.levels import TLP2_IDS, TLP_LEVELS, Level

_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")

CONTRIBUTING: dict[str, tuple[str, ...]] = {
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "email-addr": ("value",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "parent_directory_ref", "extensions"),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "mutex": ("name",),
    "network-traffic": ("start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"),
    "process": (),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "url": ("value",),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}
"""Properties that an observable's id follows from (STIX 2.1 section 6, "ID Contributing Properties")."""

_HASH_ORDER = ("MD5", "SHA-1", "SHA-256", "SHA-512")


def contributing_changed(before: Json, after: Json) -> bool:
    """Return whether the id of an observable would follow from other content now; False for all other types."""
    names = CONTRIBUTING.get(before["type"], ())
    return any(before.get(name) != after.get(name) for name in names)


def observable_id(obj: Json) -> str:
    """Return the id that follows from the content of an observable, "" where no contributing property is there.

    UUIDv5 over the contributing properties as canonical JSON (RFC 8785); of ``hashes`` the preferred one alone counts.
    """
    content: Json = {}
    for name in CONTRIBUTING.get(obj["type"], ()):
        if name in obj:
            content[name] = _one_hash(obj[name]) if name == "hashes" else obj[name]
    if not content:
        return ""
    return f"{obj['type']}--{uuid.uuid5(_NAMESPACE, canonical(content).decode())}"


def copy_id(source: Json, result: Json, keys: Keys, profile: str) -> str:
    """Return the id of the copy ``result`` of ``source``, edited and closed but not finished.

    An observable of which a contributing property changed gets the id that STIX gives to its new content, all else a keyed id.
    """
    by_content = observable_id(result) if contributing_changed(source, result) else ""
    return by_content or keys.derived_id(source["id"], profile)


def finish(
    obj: Json,
    *,
    source_id: str,
    new_id: str,
    creator: str,
    mark: Level | None = None,
    credit: tuple[str, ...] = (),
    modified: str = "",
) -> tuple[Json, str]:
    """Return the copy as it goes out, and a problem: ``untransformable`` where it would still name its source, else "".

    ``creator``: the node's identity, set on all that has a creator. ``mark``: a TLP level that the copy has at least. ``credit``: sources
    named in words. ``modified`` replaces the source's. The input is not changed.
    """
    result = {**obj, "id": new_id}
    if "created" in result:
        result.pop("created_by_ref", None)
        if creator:
            result["created_by_ref"] = creator
        if modified and "modified" in result:
            result["modified"] = modified
        if credit and result["type"] not in OBSERVABLE_TYPES:
            result["external_references"] = [*(result.get("external_references") or ()), *map(_credit, credit)]
    if mark is not None:
        result = _marked(result, mark)
    return _without_source(without_stale_selectors(result), source_id)


def own_level(obj: Json) -> Level | None:
    """Return the strictest TLP level among the object's own markings, None where it has none."""
    return max((TLP_LEVELS[each] for each in obj.get("object_marking_refs") or () if each in TLP_LEVELS), default=None)


def _marked(obj: Json, level: Level) -> Json:
    present = own_level(obj)
    if present is not None and present >= level:
        return obj
    markings: list[str] = obj.get("object_marking_refs") or []
    looser = {("object_marking_refs", index) for index, each in enumerate(markings) if each in TLP_LEVELS}
    obj = {**obj, "object_marking_refs": [*markings, TLP2_IDS[level]]}
    return cut(obj, looser)


def _credit(name: str) -> dict[str, str]:
    return {"source_name": name, "description": "Source of this information"}


def _without_source(obj: Json, source_id: str) -> tuple[Json, str]:
    """Take out external references and custom properties that name the source; anything else that does is a problem."""
    needles = (source_id.lower(), source_id.lower().partition("--")[2])
    paths = set()
    for path, text in leaves(obj):
        if not any(needle in text.lower() for needle in needles):
            continue
        if path[0] == "external_references" and len(path) > 1:
            paths.add(path[:2])
        elif str(path[0]).startswith("x_"):
            paths.add(path[:1])
        else:
            return obj, UNTRANSFORMABLE
    return cut(obj, paths), ""


def _one_hash(hashes: Any) -> Any:
    if not isinstance(hashes, dict) or not hashes:
        return hashes
    name = next((each for each in _HASH_ORDER if each in hashes), min(hashes))
    return {name: hashes[name]}
