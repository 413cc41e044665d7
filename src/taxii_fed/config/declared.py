"""Which names a configuration declares, read from the raw tree, so that one broken entry does not make its name unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from taxii_fed.config.scalars import text_of
from taxii_fed.core.stix.facts import LOCAL


@dataclass(frozen=True, slots=True)
class Declared:
    """Names by kind of thing."""

    known: dict[str, frozenset[str]]

    def names(self, kind: str) -> frozenset[str]:
        """Return the declared names of a kind."""
        return self.known[kind]

    @classmethod
    def of(cls, root: dict[str, Any]) -> Declared:
        """Return what a raw configuration declares.

        A jurisdiction is declared as a name or a part in ``jurisdictions`` or by being the node's; an organisation or sector by
        being the node's, a party's or a collection's.
        """
        node = mapping(root, "node")
        parties = [mapping(entry) for entry in mapping(root, "parties").values()]
        collections = [mapping(entry) for entry in mapping(root, "collections").values()]
        jurisdictions = mapping(root, "jurisdictions")
        known = {
            "party": mapping(root, "parties"),
            "peer": mapping(root, "peers"),
            "origin": (LOCAL, *mapping(root, "peers")),
            "collection": mapping(root, "collections"),
            "API root": mapping(root, "api_roots"),
            "community": texts(root.get("communities")),
            "jurisdiction": (
                *jurisdictions,
                *(part for parts in jurisdictions.values() for part in texts(parts)),
                *texts(node.get("jurisdiction")),
            ),
            "organisation": _values("organisation", node, *parties),
            "sector": _values("sector", *parties, *collections),
        }
        return cls({kind: frozenset(names) for kind, names in known.items()})


def mapping(raw: Any, *keys: str) -> dict[str, Any]:
    """Return the mapping under ``keys``, an empty one where there is none."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


def texts(raw: Any) -> Iterator[str]:
    """Yield the readable texts of a value or a list of values."""
    for item in raw if isinstance(raw, list) else [raw]:
        try:
            yield text_of(item)
        except PydanticCustomError:
            continue


def _values(key: str, *entries: dict[str, Any]) -> Iterable[str]:
    return [text for entry in entries if key in entry for text in texts(entry[key])]
