"""Paths: which endpoint of TAXII 2.1 section 1.2 a URL names. Slashes at the end, or doubled, make no difference."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Endpoint(StrEnum):
    """The endpoints, by the name that logs and metrics use."""

    DISCOVERY = "discovery"
    API_ROOT = "api-root"
    STATUS = "status"
    COLLECTIONS = "collections"
    COLLECTION = "collection"
    MANIFEST = "manifest"
    OBJECTS = "objects"
    OBJECT = "object"
    VERSIONS = "versions"


ALLOWED: dict[Endpoint, tuple[str, ...]] = dict.fromkeys(Endpoint, ("GET", "HEAD", "OPTIONS")) | {
    Endpoint.OBJECTS: ("GET", "HEAD", "POST", "OPTIONS"),
    Endpoint.OBJECT: ("GET", "HEAD", "DELETE", "OPTIONS"),
}
"""The methods of each endpoint, whoever asks (I1)."""


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint and the names in its path; those that it does not have are empty. Nothing says yet that they exist."""

    endpoint: Endpoint
    api_root: str = ""
    collection: str = ""
    item: str = ""
    """Object id or status id."""


def segments(path: str) -> list[str]:
    """Return the parts of a decoded path between its slashes, empty ones left out."""
    return [part for part in path.split("/") if part]


def route(parts: list[str]) -> Route | None:
    """Return what the `segments` of a path name, None where that is nothing."""
    match parts:
        case [root, "collections", collection, "objects"]:
            return Route(Endpoint.OBJECTS, root, collection)
        case [root, "collections", collection, "objects", item]:
            return Route(Endpoint.OBJECT, root, collection, item)
        case [root, "collections", collection, "manifest"]:
            return Route(Endpoint.MANIFEST, root, collection)
        case [root, "collections", collection, "objects", item, "versions"]:
            return Route(Endpoint.VERSIONS, root, collection, item)
        case ["taxii2"]:
            return Route(Endpoint.DISCOVERY)
        case [root]:
            return Route(Endpoint.API_ROOT, root)
        case [root, "status", item]:
            return Route(Endpoint.STATUS, root, item=item)
        case [root, "collections"]:
            return Route(Endpoint.COLLECTIONS, root)
        case [root, "collections", collection]:
            return Route(Endpoint.COLLECTION, root, collection)
    return None
