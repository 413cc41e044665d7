"""Mistakes between entries that may each be right: names and ids used twice, peers that are no party ….

They are looked for in the raw tree, so that they are told together with all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from taxii_fed.config.declared import mapping, texts
from taxii_fed.config.marked import Mapping, Scalar
from taxii_fed.config.problems import shown
from taxii_fed.config.scalars import mistake
from taxii_fed.config.section import KEY, Errors
from taxii_fed.core.stix.facts import LOCAL

Place = tuple[str | int, ...]


def between_entries(root: dict[str, Any]) -> Errors:
    """Yield every mistake between entries."""
    yield from _same(_of_each(root, "collections", "id"), "the id of another collection", fold=True)
    yield from _same(_of_each(root, "collections", "alias"), "the alias of another collection", fold=True)
    yield from _same(_titles(root), "the title of another collection in this API root", fold=True)
    yield from _same(_accounts(root), "a user name that another account has", fold=True)
    yield from _same(_homes(root), "home of this identity is another peer", fold=True)
    yield from _default_roots(root)
    yield from _reserved(root)
    yield from _own_identity(root)
    yield from _loops(root)


def _of_each(root: dict[str, Any], section: str, key: str) -> Iterator[tuple[Place, Any, str]]:
    for name, entry in mapping(root, section).items():
        for text in texts(mapping(entry).get(key)):
            yield (section, name, key), mapping(entry)[key], text


def _titles(root: dict[str, Any]) -> Iterator[tuple[Place, Any, str]]:
    for place, raw, title in _of_each(root, "collections", "title"):
        for api_root in texts(mapping(root, "collections", str(place[1])).get("api_root")):
            yield place, raw, f"{api_root}/{title}"


def _accounts(root: dict[str, Any]) -> Iterator[tuple[Place, Any, str]]:
    for party, entry in mapping(root, "parties").items():
        accounts = mapping(entry, "accounts")
        for account in accounts:
            mark = accounts.keys_at.get(account) if isinstance(accounts, Mapping) else None
            raw = Scalar(account, mark) if mark else account
            yield ("parties", party, "accounts", account, KEY), raw, account


def _homes(root: dict[str, Any]) -> Iterator[tuple[Place, Any, str]]:
    for peer, entry in mapping(root, "peers").items():
        identities = mapping(entry).get("home_of")
        for index, raw in enumerate(identities if isinstance(identities, list) else ()):
            for text in texts(raw):
                yield ("peers", peer, "home_of", index), raw, text


def _same(named: Iterable[tuple[Place, Any, str]], what: str, *, fold: bool) -> Errors:
    """Yield a mistake for each value that stood before, with the place where it did."""
    first: dict[str, Any] = {}
    for place, raw, text in named:
        key = text.casefold() if fold else text
        if key in first:
            at = f", at {first[key].mark}" if isinstance(first[key], Scalar) else ""
            yield place, mistake(f"{what}{at}")
        else:
            first[key] = raw


def _default_roots(root: dict[str, Any]) -> Errors:
    defaults = [place for place, _, text in _of_each(root, "api_roots", "default") if text.casefold() in {"true", "yes", "on"}]
    for place in defaults[1:]:
        yield place, mistake(f"a second default: {shown(str(defaults[0][1]))} is one already")


def _reserved(root: dict[str, Any]) -> Errors:
    if LOCAL in mapping(root, "peers"):
        yield ("peers", LOCAL, KEY), mistake(f"{shown(LOCAL)} is what rules call this node itself: choose another name")
    if "all" in mapping(root, "collections"):
        yield ("collections", "all", KEY), mistake("'all' is what rules call every collection: choose another name")


def _own_identity(root: dict[str, Any]) -> Errors:
    own = set(texts(mapping(root, "node").get("identity")))
    for place, _, text in _homes(root):
        if text in own:
            yield place, mistake("the identity of this node: no peer is its home")


def _loops(root: dict[str, Any]) -> Errors:
    """Yield a mistake for each jurisdiction that is, over others, a part of itself."""
    parts = {name: list(texts(of)) for name, of in mapping(root, "jurisdictions").items()}
    for name, own in parts.items():
        reached: set[str] = set()
        todo = list(own)
        while todo:
            part = todo.pop()
            if part not in reached:
                reached.add(part)
                todo += parts.get(part, [])
        if name in reached:
            yield ("jurisdictions", name, KEY), mistake("a part of itself")
