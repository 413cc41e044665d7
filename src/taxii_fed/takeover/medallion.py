"""medallion's data file: one JSON object with the discovery and the API roots, each with collections, objects and a manifest.

Objects are cut out of the text of the file as they stand there (I3), save those that medallion gave a member of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxii_fed.core.errors import BadRequestError
from taxii_fed.core.stix import jsontext
from taxii_fed.core.timestamps import parse_rfc3339
from taxii_fed.takeover.theirs import TheirAccount, TheirCollection, TheirRoot, Theirs

_SPACE = " \t\r\n"
_ITS_OWN = "_date_added"
_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class _Part:
    """A JSON value and where it stands in the text."""

    value: Any
    start: int
    end: int


def read_medallion(file: Path, accounts: Path | None = None) -> Theirs:
    """Return what is in a data file; ``accounts`` is medallion's configuration, whose ``users`` hold passwords as they are.

    Raises `BadRequestError` for a file that is none of medallion's.
    """
    text = _text(file)
    data = _object(text, file)
    roots, collections, places = [], [], {}
    default = str(_dict(data.get("/discovery")).get("default", "")).rstrip("/").rpartition("/")[2]
    for name, root in _members(text, 0).items():
        if not isinstance(root.value, dict) or "collections" not in root.value:
            continue
        title = str(_dict(root.value.get("information")).get("title") or name)
        roots.append(TheirRoot(id=name, title=title, path=name, default=name == default))
        for part in _items(text, _members(text, root.start)["collections"]):
            resource = _dict(part.value)
            found = TheirCollection(
                root=name,
                id=str(resource.get("id", "")),
                title=str(resource.get("title", "")),
                alias=str(resource.get("alias", "")),
                description=str(resource.get("description") or ""),
                count=len(resource.get("objects") or []),
            )
            collections.append(found)
            places[found.id] = part
    if not roots:
        raise BadRequestError(f"{file} is no data file of medallion: no API root with collections is in it")
    users = _dict(_object(_text(accounts), accounts).get("users")) if accounts else {}
    return Theirs(
        server="medallion",
        roots=roots,
        collections=collections,
        accounts=[TheirAccount(name, "may do everything", "in plain text") for name in users],
        objects=lambda collection_id: _objects(text, places[collection_id]),
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequestError(f"{file} is no JSON text: it is not UTF-8") from None


def _object(text: str, file: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError(f"{file} is no JSON text") from None
    if not isinstance(value, dict):
        raise BadRequestError(f"{file} holds no JSON object")
    return value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(text: str, collection: _Part) -> Iterator[bytes]:
    """Yield the objects of a collection in order of their dates in its manifest; one without a date stays behind the one before it."""
    dates = _dates(_dict(collection.value).get("manifest"))
    members = _members(text, collection.start)
    ordered: list[tuple[int, _Part]] = []
    before = 0
    for part in _items(text, members["objects"]) if "objects" in members else ():
        resource = _dict(part.value)
        version = resource.get("modified") or resource.get("created") or resource.get(_ITS_OWN)
        before = dates.get((resource.get("id"), _instant(version)), before)
        ordered.append((before, part))
    for _, part in sorted(ordered, key=lambda pair: pair[0]):
        if isinstance(part.value, dict) and _ITS_OWN in part.value:
            yield jsontext.dumps({name: value for name, value in part.value.items() if name != _ITS_OWN})
        else:
            yield text[part.start : part.end].encode("utf-8", "surrogatepass")


def _dates(manifest: Any) -> dict[tuple[Any, int | None], int]:
    """Return the instants (µs) of a manifest by (id, version); older files list several versions in an entry."""
    dates = {}
    for entry in manifest if isinstance(manifest, list) else ():
        record = _dict(entry)
        added = _instant(record.get("date_added"))
        if added is None:
            continue
        several = record.get("versions")
        for version in several if isinstance(several, list) else [record.get("version")]:
            dates[record.get("id"), _instant(version)] = added
    return dates


def _instant(value: Any) -> int | None:
    try:
        return parse_rfc3339(value) if isinstance(value, str) else None
    except ValueError:
        return None


# -- a value with its place ---------------------------------------------------------------------------------------------------


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def _members(text: str, at: int) -> dict[str, _Part]:
    """Return the members of the JSON object that stands at a place; the text is known to be good JSON."""
    found = {}
    at = _skip(text, _skip(text, at) + 1)
    while text[at] != "}":
        name, at = _decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        value, end = _decode(text, start)
        found[name] = _Part(value, start, end)
        at = _after(text, end)
    return found


def _items(text: str, part: _Part) -> Iterator[_Part]:
    """Yield the items of a JSON list, none of what is no list."""
    if not isinstance(part.value, list):
        return
    at = _skip(text, part.start + 1)
    while text[at] != "]":
        value, end = _decode(text, at)
        yield _Part(value, at, end)
        at = _after(text, end)


def _after(text: str, at: int) -> int:
    """Return where the next member or item begins, or the closing bracket stands."""
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at
