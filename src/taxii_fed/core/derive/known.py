"""Which properties STIX defines for a type, and which are somebody's own (rule term ``unknown_properties``)."""

from __future__ import annotations

from functools import cache

from stix2 import registry

_COMMON = frozenset(
    "type spec_version id created_by_ref created modified revoked labels confidence lang external_references object_marking_refs "
    "granular_markings defanged extensions".split()
)
_CUSTOM_TYPE = _COMMON | {"name", "description"}


@cache
def known_properties(kind: str) -> frozenset[str]:
    """Return the names of the properties of a type in either edition of STIX; of a custom type those that all types share."""
    names: set[str] = set()
    for edition in registry.STIX2_OBJ_MAPS.values():
        for family in ("objects", "observables"):
            definition = edition[family].get(kind)
            if definition is not None:
                names.update(definition._properties)  # noqa: SLF001 — stix2 has no public table
    return _COMMON | names if names else _CUSTOM_TYPE


@cache
def known_extensions() -> frozenset[str]:
    """Return the keys of the extensions that STIX itself defines."""
    return frozenset(key for edition in registry.STIX2_OBJ_MAPS.values() for key in edition.get("extensions", ()))
