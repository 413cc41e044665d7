"""Taking properties out of an object: emptied containers go too, granular selectors follow (sharing model, section 6)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import Any

from taxii_fed.core.stix.selectors import Path, resolve

Json = dict[str, Any]


class CutError(Exception):
    """Nothing would be left."""


def cut(obj: Json, paths: Collection[Path]) -> Json:
    """Return ``obj`` without what ``paths`` name; the same object where they name nothing.

    A list or dictionary that this empties goes as well. Entries of ``granular_markings`` lose the selectors of what is gone, and go
    when they have none left; list positions in the remaining selectors move to fit. Selectors that led nowhere before go too.
    """
    gone = {path for path in paths if exists(obj, path)}
    if not gone:
        return obj
    result = _without(obj, (), gone, {path[:depth] for path in gone for depth in range(len(path))})
    if result is _EMPTY:
        raise CutError
    granular = obj.get("granular_markings")
    if isinstance(granular, list) and "granular_markings" in result:
        positions = _positions(gone)
        kept = [entry for entry in (_rebased(obj, each, gone, positions) for each in granular) if entry is not None]
        if kept:
            result["granular_markings"] = kept
        else:
            del result["granular_markings"]
    return result  # type: ignore[no-any-return]


def without_stale_selectors(obj: Json) -> Json:
    """Return ``obj`` without granular selectors that lead nowhere; the same object where it has none."""
    granular = obj.get("granular_markings") or []
    if all(resolve(obj, selector) is not None for entry in granular for selector in entry["selectors"]):
        return obj
    kept = [rebased for entry in granular if (rebased := _rebased(obj, entry, set(), {})) is not None]
    rest = {name: value for name, value in obj.items() if name != "granular_markings"}
    return {**rest, "granular_markings": kept} if kept else rest


def exists(obj: Json, path: Path) -> bool:
    """Return whether ``path`` leads to something."""
    value: Any = obj
    for part in path:
        if not (part in value if isinstance(value, dict) else isinstance(value, list) and part in range(len(value))):
            return False
        value = value[part]
    return bool(path)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every string in ``value``, names of properties included, with where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))


_EMPTY: Any = object()


def _without(value: Any, path: Path, gone: set[Path], touched: set[Path]) -> Any:
    """Return what is left of ``value``, adding to ``gone`` what is emptied; ``touched``: all that lies above something gone."""
    if path in gone:
        return _EMPTY
    if path not in touched:
        return value
    kept: Any
    if isinstance(value, dict):
        kept = {key: left for key, item in value.items() if (left := _without(item, (*path, key), gone, touched)) is not _EMPTY}
    else:
        kept = [
            left for index, item in enumerate(value) if (left := _without(item, (*path, index), gone, touched)) is not _EMPTY
        ]
    if kept:
        return kept
    gone.add(path)
    return _EMPTY


def _positions(gone: set[Path]) -> dict[Path, list[int]]:
    """Return the positions of what is gone from each list, ascending, by the path of the list."""
    positions: dict[Path, list[int]] = {}
    for path in gone:
        if isinstance(path[-1], int):
            positions.setdefault(path[:-1], []).append(path[-1])
    for each in positions.values():
        each.sort()
    return positions


def _rebased(obj: Json, entry: Any, gone: set[Path], positions: dict[Path, list[int]]) -> Any:
    selectors = []
    for selector in entry["selectors"]:
        path = resolve(obj, selector)
        if path is not None and not any(path[:depth] in gone for depth in range(1, len(path) + 1)):
            selectors.append(_selector(_moved(path, positions)))
    return {**entry, "selectors": selectors} if selectors else None


def _moved(path: Path, positions: dict[Path, list[int]]) -> Path:
    return tuple(
        part - bisect_left(positions.get(path[:depth], ()), part) if isinstance(part, int) else part
        for depth, part in enumerate(path)
    )


def _selector(path: Path) -> str:
    return ".".join(f"[{part}]" if isinstance(part, int) else part for part in path)
