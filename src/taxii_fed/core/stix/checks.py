"""What a STIX object must be to be taken in.

`check_object` is strict with what the node itself reads (ids, times, markings, references) and lets everything else pass: unknown members
and custom types are kept as they came (I3). `check_strict` asks the `stix2` library, for collections that are ``strict``.

Answers TAXII 2.1 section 5.5 (S-5.5-09: a bad object fails alone) and STIX 2.1 sections 2.9, 3.1 to 3.7, 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, STIX_TYPES
from taxii_fed.core.stix.levels import TLP_LEVELS, told_level
from taxii_fed.core.stix.selectors import MAX_SELECTOR, resolve
from taxii_fed.core.timestamps import parse_stix

MAX_DEPTH = 100
MAX_MEMBERS = 1000
MAX_PATTERN = 100_000
"""Characters of a pattern that is parsed: with more it would take many seconds, in the transaction that takes the pattern in."""

_TYPE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ID = re.compile(rf"[a-z0-9]+(?:-[a-z0-9]+)*--{_UUID}", re.ASCII)
_MARKING_ID = re.compile(rf"marking-definition--{_UUID}", re.ASCII)
_IDENTITY_ID = re.compile(rf"identity--{_UUID}", re.ASCII)
_PLAIN_TIMESTAMP = re.compile(
    r"[1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z", re.ASCII
)
"""Timestamps that exist beyond doubt; the others are looked at by `parse_stix`."""

_VERSIONED = STIX_TYPES - OBSERVABLE_TYPES - {"marking-definition"}
_ENDS = {"relationship": ("source_ref", "target_ref"), "sighting": ("sighting_of_ref",)}


def check_object(value: Any) -> str:
    """Return why a parsed object can't be taken, naming the member and what was expected; "" when it can."""
    if type(value) is not dict:
        return f"expected a JSON object, found {_kind(value)}"
    problem = _check_identity(value) or _check_times(value)
    if problem:
        return problem
    for name in _ENDS.get(value["type"], ()):
        if name not in value:
            return f"{name}: required in a {value['type']}"
    level = TLP_LEVELS.get(value["id"])
    if level is not None and told_level(value) is not level:
        return f"id: that of the definition of TLP:{level}, which STIX has fixed and this is not"
    for name, item in value.items():
        check = _MEMBERS.get(name)
        if check is not None and (problem := check(item)):
            return f"{name}{'' if problem[0] == '[' else ': '}{problem}"
    return ""


def check_depth(value: Any) -> str:
    """Return a problem where lists and objects are nested deeper than `MAX_DEPTH`, else ""."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, dict | list)
        ]
        if not level:
            return ""
    return f"nested deeper than {MAX_DEPTH} levels"


def check_strict(value: dict[str, Any]) -> str:
    """Return why the `stix2` library refuses an object, STIX pattern included; "" when it takes it. Custom content passes."""
    import stix2  # noqa: PLC0415 — half a second and 30 MB that only strict collections need

    # The library finds no selectors that lead into objects inside lists.
    granular = value.get("granular_markings") or ()
    astray = [name for each in granular for name in each["selectors"] if resolve(value, name) is None]
    if astray:
        return f"granular_markings: {astray[0]!r} selects nothing"
    pattern = value.get("pattern")
    if isinstance(pattern, str) and len(pattern) > MAX_PATTERN:
        return f"pattern: longer than {MAX_PATTERN} characters, too long to be checked"
    value = {name: item for name, item in value.items() if name != "granular_markings"}
    spec_version = value.get("spec_version") or ("2.1" if value["type"] in OBSERVABLE_TYPES else "2.0")
    try:
        stix2.parse(value, allow_custom=True, version=spec_version)
    except Exception as error:  # noqa: BLE001 — the library and its grammar raise whatever they stumble on
        told = " ".join(str(error).split()) or type(error).__name__
        return f"not valid STIX {spec_version}: {told if len(told) <= 300 else told[:299] + '…'}"
    return ""


def is_id(value: object) -> bool:
    """Return whether a value is a STIX identifier: a type, two hyphens and a UUID."""
    return isinstance(value, str) and len(value) <= 290 and _ID.fullmatch(value) is not None


def is_timestamp(value: object) -> bool:
    """Return whether a value is a STIX timestamp of an instant that exists."""
    return not _check_time(value)


def _check_identity(value: dict[str, Any]) -> str:
    if len(value) > MAX_MEMBERS:
        return f"{len(value)} members, more than {MAX_MEMBERS}"
    kind = value.get("type")
    if type(kind) is not str or not 3 <= len(kind) <= 250 or _TYPE.fullmatch(kind) is None:
        return f"type: expected a STIX type such as indicator, found {_shown(value, 'type')}"
    if kind == "bundle":
        return "type: a bundle is no STIX object; put its objects into the envelope"
    name = value.get("id")
    if type(name) is not str or _ID.fullmatch(name) is None:
        return f"id: expected {kind}--UUID, found {_shown(value, 'id')}"
    if name[:-38] != kind:
        return f"id: expected {kind}--UUID to fit type, found {_shown(value, 'id')}"
    if value.get("spec_version", "2.1") not in ("2.1", "2.0"):
        return f'spec_version: expected "2.1" or "2.0", found {_shown(value, "spec_version")}'
    return ""


def _check_times(value: dict[str, Any]) -> str:
    kind = value["type"]
    created = value.get("created")
    modified = value.get("modified")
    if kind in _VERSIONED or kind == "marking-definition":
        if created is None:
            return f"created: required in {_article(kind)}"
        if modified is None and kind in _VERSIONED:
            return f"modified: required in {_article(kind)}"
    for name in ("created", "modified"):
        if name in value:
            problem = _check_time(value[name])
            if problem:
                return f"{name}: {problem}"
    if created is None or modified is None or created == modified:
        return ""
    same_shape = len(created) == len(modified) == len("2026-03-02T09:00:00.000Z")
    early = modified < created if same_shape else parse_stix(modified) < parse_stix(created)
    return "modified: earlier than created" if early else ""


def _check_time(item: Any) -> str:
    if type(item) is str and _PLAIN_TIMESTAMP.fullmatch(item):
        return ""
    try:
        parse_stix(item)
    except ValueError as error:
        return str(error)
    return ""


def _check_id(item: Any) -> str:
    if type(item) is str and _ID.fullmatch(item):
        return ""
    return f"expected a STIX id (type--UUID), found {_kind(item)}"


def _check_ids(item: Any) -> str:
    if type(item) is not list:
        return f"expected a list of STIX ids, found {_kind(item)}"
    for index, each in enumerate(item):
        if type(each) is not str or _ID.fullmatch(each) is None:
            return f"[{index}]: expected a STIX id (type--UUID), found {_kind(each)}"
    return ""


def _check_markings(item: Any) -> str:
    if type(item) is not list or not item:
        return f"expected a list of marking-definition ids that is not empty, found {_kind(item)}"
    for index, each in enumerate(item):
        if type(each) is not str or _MARKING_ID.fullmatch(each) is None:
            return f"[{index}]: expected marking-definition--UUID, found {_kind(each)}"
    return ""


def _check_granular(item: Any) -> str:
    if type(item) is not list or not item:
        return f"expected a list of granular markings that is not empty, found {_kind(item)}"
    for index, each in enumerate(item):
        if type(each) is not dict:
            return f"[{index}]: expected a granular marking, found {_kind(each)}"
        selectors = each.get("selectors")
        if type(selectors) is not list or not selectors or not all(type(name) is str and name for name in selectors):
            return f"[{index}].selectors: expected a list of property paths that is not empty"
        if max(map(len, selectors)) > MAX_SELECTOR:
            return f"[{index}].selectors: expected property paths of up to {MAX_SELECTOR} characters"
        if ("marking_ref" in each) == ("lang" in each):
            return f"[{index}]: expected either marking_ref or lang"
        if "marking_ref" in each:
            marking = each["marking_ref"]
            if type(marking) is not str or _MARKING_ID.fullmatch(marking) is None:
                return f"[{index}].marking_ref: expected marking-definition--UUID, found {_kind(marking)}"
        elif type(each["lang"]) is not str:
            return f"[{index}].lang: expected a language code, found {_kind(each['lang'])}"
    return ""


def _check_labels(item: Any) -> str:
    if type(item) is list and all(type(each) is str for each in item):
        return ""
    return "expected a list of strings"


def _check_confidence(item: Any) -> str:
    return "" if type(item) is int and 0 <= item <= 100 else f"expected an integer from 0 to 100, found {_kind(item)}"


def _check_extensions(item: Any) -> str:
    if type(item) is not dict:
        return f"expected an object, found {_kind(item)}"
    return "" if all(type(each) is dict for each in item.values()) else "expected an object for each extension"


def _check_creator(item: Any) -> str:
    if type(item) is str and _IDENTITY_ID.fullmatch(item):
        return ""
    return f"expected identity--UUID, found {_kind(item)}"


def _check_kind(kind: type, expected: str) -> Callable[[Any], str]:
    def check(item: Any) -> str:
        return "" if type(item) is kind else f"expected {expected}, found {_kind(item)}"

    return check


_check_string = _check_kind(str, "a string")

_REFERENCES = (
    "source_ref target_ref sighting_of_ref object_ref sample_ref host_vm_ref operating_system_ref belongs_to_ref from_ref sender_ref "
    "raw_email_ref parent_directory_ref content_ref src_ref dst_ref src_payload_ref dst_payload_ref encapsulated_by_ref "
    "creator_user_ref image_ref parent_ref"
)
_REFERENCE_LISTS = (
    "object_refs where_sighted_refs observed_data_refs sample_refs operating_system_refs installed_software_refs analysis_sco_refs "
    "resolves_to_refs belongs_to_refs to_refs cc_refs bcc_refs contains_refs encapsulates_refs opened_connection_refs child_refs"
)

_MEMBERS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(_REFERENCES.split(" "), _check_id),
    **dict.fromkeys(_REFERENCE_LISTS.split(" "), _check_ids),
    "confidence": _check_confidence,
    "created_by_ref": _check_creator,
    "definition": _check_kind(dict, "an object"),
    "definition_type": _check_string,
    "description": _check_string,
    "extensions": _check_extensions,
    "granular_markings": _check_granular,
    "labels": _check_labels,
    "name": _check_string,
    "object_marking_refs": _check_markings,
    "pattern": _check_string,
    "pattern_type": _check_string,
    "relationship_type": _check_string,
    "revoked": _check_kind(bool, "true or false"),
    "valid_from": _check_time,
    "valid_until": _check_time,
}
"""The members that rules, views and derived copies read, whatever the type. Names that STIX does not define pass."""


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _shown(value: dict[str, Any], name: str) -> str:
    return _kind(value[name]) if name in value else "none"


def _kind(item: Any) -> str:
    if isinstance(item, str):
        return repr(item) if len(item) <= 80 else f"{item[:79]!r}…"
    if item is None or isinstance(item, bool):
        return {None: "null", True: "true", False: "false"}[item]
    if isinstance(item, int | float):
        return f"the number {item}"
    if not item:
        return "an empty list" if isinstance(item, list) else "an empty object"
    return "a list" if isinstance(item, list) else "an object"
