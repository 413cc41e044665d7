"""Granular markings: what a level above the ceiling, or an unknown marking, takes out (sharing model, section 6; convention 7)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from taxii_fed.core.derive.cutting import CutError, Json, cut
from taxii_fed.core.derive.edits import MarkingLevel
from taxii_fed.core.derive.required import REFUSED_CUTS, still_complete
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.stix.selectors import Path, resolve

PROPERTY_MARKING = "property-marking"

_FIRST = re.compile(r"[^.\[]+")


def marked_paths(obj: Json, ceiling: Level, marking_level: MarkingLevel) -> tuple[frozenset[Path], str]:
    """Return the paths to cut, and a problem: ``property-marking`` where a selector can't be followed or must not be cut.

    ``lang`` entries carry no level. A selector that leads nowhere below an existing property takes all of that property.
    """
    paths: set[Path] = set()
    for entry in obj.get("granular_markings") or ():
        if not isinstance(entry, dict):
            return frozenset(), PROPERTY_MARKING
        marking = entry.get("marking_ref")
        if marking is None and "lang" in entry:
            continue
        level = marking_level(marking) if isinstance(marking, str) else None
        if level is not None and level <= ceiling:
            continue
        for selector in entry.get("selectors") or (None,):
            path = _followed(obj, selector)
            if path is None or path[0] in REFUSED_CUTS:
                return frozenset(), PROPERTY_MARKING
            paths.add(path)
    return frozenset(paths), ""


def cut_marked(obj: Json, ceiling: Level, marking_level: MarkingLevel) -> tuple[Json, frozenset[str], str]:
    """Return (object without what markings above the ceiling select, names of properties cut, problem or "")."""
    paths, problem = marked_paths(obj, ceiling, marking_level)
    if problem or not paths:
        return obj, frozenset(), problem
    try:
        result = cut(obj, paths)
    except CutError:
        return obj, frozenset(), PROPERTY_MARKING
    if not still_complete(obj, result):
        return obj, frozenset(), PROPERTY_MARKING
    return result, frozenset(str(path[0]) for path in paths), ""


def cut_language(obj: Json, cut_properties: Collection[str]) -> Json | None:
    """Return a ``language-content`` without translations of ``cut_properties`` (names of top-level properties of its object).

    The same object where it has none of them; None where nothing is left.
    """
    contents: Any = obj.get("contents")
    if not isinstance(contents, dict):
        return None
    paths = [
        ("contents", language, name)
        for language, translation in contents.items()
        if isinstance(translation, dict)
        for name in translation
        if name in cut_properties
    ]
    try:
        result = cut(obj, paths)
    except CutError:
        return None
    return result if "contents" in result else None


def _followed(obj: Json, selector: Any) -> Path | None:
    if not isinstance(selector, str):
        return None
    path = resolve(obj, selector)
    if path:
        return path
    first = _FIRST.match(selector)
    return (first[0],) if first and first[0] in obj else None
