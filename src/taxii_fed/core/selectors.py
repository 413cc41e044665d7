"""Granular selectors: what of an object a marking marks (STIX 2.1 section 7.2.3.1)."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]
Path = tuple[str | int, ...]

_INDEX = re.compile(r"\[(\d+)\]")


def resolve(obj: Json, selector: str) -> Path | None:
    """Return the path that a granular selector selects, None where it selects nothing."""
    return _resolve(obj, selector.split("."))


def _resolve(value: Any, parts: list[str]) -> Path | None:
    if not parts:
        return ()
    if isinstance(value, list):
        match = _INDEX.fullmatch(parts[0])
        if match is None or int(match[1]) >= len(value):
            return None
        rest = _resolve(value[int(match[1])], parts[1:])
        return None if rest is None else (int(match[1]), *rest)
    if isinstance(value, dict):
        for count in range(1, len(parts) + 1):
            key = ".".join(parts[:count])
            if key in value and (rest := _resolve(value[key], parts[count:])) is not None:
                return (key, *rest)
    return None
