"""Finding a peer's API roots and collections from whatever URL an admin was given.

Taken are the discovery URL, an API root, a collection's URL or its objects URL. Roots may be relative (C-4.1-01); a root that is no https
URL, begins with ``//`` or ``../`` or has a query is invalid (C-4.1-02). Our credentials go to the peer's own host and nowhere else: a root
that names another host is looked for under its path at the peer's own.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from taxii_fed.core.federation.remote import RemoteCollection
from taxii_fed.peers.words import clean

_INSIDE = re.compile(r"(?P<root>.*/)collections/(?:(?P<id>[^/]+)/(?:objects/|manifest/)?)?")
_MAX_ROOTS = 50
_MAX_ID = 128


def with_slash(url: str) -> str:
    """Return the URL ending in a slash (C-3.1-01), without query and fragment."""
    plain = url.split("#", 1)[0].split("?", 1)[0]
    return plain if plain.endswith("/") else f"{plain}/"


def root_above(url: str) -> str:
    """Return the API root of a URL typed in as that of a collection, "" for any other URL."""
    match = _INSIDE.fullmatch(with_slash(url))
    return match["root"] if match else ""


def api_roots(url: str, discovery: dict[str, Any]) -> list[str]:
    """Return the URLs of the API roots that a discovery resource names, at the peer's own host, ``default`` first."""
    named = discovery.get("api_roots")
    roots = [root for root in named if isinstance(root, str)][:_MAX_ROOTS] if isinstance(named, list) else []
    default = discovery.get("default")
    if isinstance(default, str):
        roots.insert(0, default)
    found = [_at_home(url, root) for root in roots if _is_valid(root)]
    return list(dict.fromkeys(found))


def _is_valid(root: str) -> bool:
    return bool(root) and root.isprintable() and not root.startswith(("//", "../")) and "?" not in root and "#" not in root


def _at_home(url: str, root: str) -> str:
    here, there = urlsplit(url), urlsplit(urljoin(url, root))
    return with_slash(f"{here.scheme}://{here.netloc}{there.path}")


def looks_like_root(resource: dict[str, Any]) -> bool:
    """Return whether a resource is an API root's (section 4.2.1)."""
    return "versions" in resource or "max_content_length" in resource


def collections(root: str, resource: dict[str, Any]) -> list[RemoteCollection]:
    """Return the collections that a collections resource (section 5.1.1) lists; what has no usable id is passed over."""
    listed = resource.get("collections")
    found = [_collection(root, each) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [each for each in found if each is not None]


def _collection(root: str, resource: dict[str, Any]) -> RemoteCollection | None:
    name = resource.get("id")
    if not isinstance(name, str) or not name or len(name) > _MAX_ID or not re.fullmatch(r"[\w.~:@-]+", name, re.ASCII):
        return None
    if set(name) <= {"."}:
        return None

    def text(member: str) -> str:
        value = resource.get(member)
        return clean(value) if isinstance(value, str) else ""

    return RemoteCollection(
        url=f"{root}collections/{name}/",
        id=name,
        title=text("title"),
        alias=text("alias"),
        description=text("description"),
        can_read=resource.get("can_read") is not False,
        can_write=resource.get("can_write") is True,
    )


def pick(found: list[RemoteCollection], wanted: str) -> RemoteCollection | None:
    """Return the collection that an admin means: by id, else by alias, else by a title that only one has."""
    for matches in (
        [each for each in found if each.id.lower() == wanted.lower()],
        [each for each in found if each.alias == wanted],
        [each for each in found if each.title == wanted],
    ):
        if len(matches) == 1:
            return matches[0]
    return None
