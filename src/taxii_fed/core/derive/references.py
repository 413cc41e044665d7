"""What closure decided about references, carried out in one object (sharing model, section 9; convention 8)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from taxii_fed.core.derive.cutting import CutError, Json, cut, leaves
from taxii_fed.core.derive.required import still_complete
from taxii_fed.core.stix.facts import references_of
from taxii_fed.core.stix.selectors import Path

REFERENCE_WITHHELD = "reference-withheld"
UNTRANSFORMABLE = "untransformable"


class Closed(NamedTuple):
    """An object after closure. ``problem`` non-empty: it has to be withheld for that reason. ``cut``: references were taken out."""

    obj: Json
    problem: str = ""
    cut: bool = False


def cut_references(obj: Json, absent: Collection[str], replace: Mapping[str, str]) -> Closed:
    """Return ``obj`` without references to the ids in ``absent`` and with those in ``replace`` pointing to the new ids.

    ``created_by_ref`` and markings are left alone. The problem is ``reference-withheld`` where a required reference or the last entry of
    a required list is gone, ``untransformable`` where text still names one of the ids. The input is not changed.
    """
    paths: set[Path] = set()
    moved: dict[Path, str] = {}
    for reference in references_of(obj):
        if reference.target in absent:
            paths.add(reference.path)
        elif reference.target in replace:
            moved[reference.path] = replace[reference.target]
    result: Json = _replaced(obj, moved) if moved else obj
    if paths:
        try:
            result = cut(result, paths)
        except CutError:
            return Closed(obj, REFERENCE_WITHHELD)
        if not still_complete(obj, result):
            return Closed(obj, REFERENCE_WITHHELD)
    if result is not obj and _names_any(result, absent, replace):
        return Closed(obj, UNTRANSFORMABLE)
    return Closed(result, cut=bool(paths))


def _replaced(value: Any, moved: Mapping[Path, str], path: Path = ()) -> Any:
    if path in moved:
        return moved[path]
    if isinstance(value, dict):
        return {key: _replaced(item, moved, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, moved, (*path, index)) for index, item in enumerate(value)]
    return value


_ID = re.compile(r"[a-z0-9-]+--[0-9a-f-]{36}", re.IGNORECASE)
_OWN = {("id",), ("created_by_ref",)}
"""What every copy gets anew; an object may refer to itself."""


def _names_any(obj: Json, absent: Collection[str], replace: Mapping[str, str]) -> bool:
    return any(
        each.lower() in absent or each.lower() in replace
        for path, text in leaves(obj)
        if "--" in text and path not in _OWN
        for each in _ID.findall(text)
    )
