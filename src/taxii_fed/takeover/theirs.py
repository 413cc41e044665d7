"""What another server kept, as values, and as settings to start from."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from taxii_fed.config.template import api_root_of, yaml_text

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirRoot:
    """An API root. ``path`` is its last path segment there, "" where ours can't have the same."""

    id: str
    title: str
    path: str = ""
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirCollection:
    """A collection, in the API root with id ``root``, with how many objects it holds."""

    root: str
    id: str
    title: str
    alias: str = ""
    description: str = ""
    count: int


@dataclass(frozen=True, slots=True)
class TheirAccount:
    """An account, with what it may do there in words, and how its password is kept."""

    name: str
    rights: str
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """What a server kept.

    ``objects`` gives the JSON text of each object of a collection (its id), in the order of ``date_added`` and where that is equal in the
    order that the server had them; an object without a date comes behind the one before it.
    """

    server: str
    roots: Sequence[TheirRoot]
    collections: Sequence[TheirCollection]
    accounts: Sequence[TheirAccount] = ()
    objects: Callable[[str], Iterator[bytes]]

    def pick(self, wanted: str) -> list[TheirCollection]:
        """Return the collections of that id, alias or title; with "" those that hold anything."""
        if not wanted:
            return [each for each in self.collections if each.count]
        return [each for each in self.collections if wanted in (each.id, each.alias, each.title)]


def settings_text(theirs: Theirs) -> str:
    """Return YAML to merge into a configuration: API roots and collections under the ids that clients know.

    Accounts stand there as comments only: their passwords are kept in ways that open nothing here, so each needs a new one.
    """
    roots = _names((root.id, api_root_of(root.path or root.title)) for root in theirs.roots)
    names = _names((each.id, each.alias or api_root_of(each.title)) for each in theirs.collections)
    lines = ["api_roots:"]
    for root in theirs.roots:
        default = ", default: true" if root.default else ""
        lines.append(f"  {roots[root.id]}: {{title: {yaml_text(root.title)}{default}}}")
    lines.append("collections:")
    titles: dict[str, _Taken] = {}
    for each in theirs.collections:
        title = titles.setdefault(each.root, _Taken()).once(each.title or names[each.id])
        lines += _collection(each, names[each.id], roots[each.root], title)
    if theirs.accounts:
        lines.append(
            "# Accounts. Put each into a party with the rights that it should have; the passwords can't be taken over:"
        )
        lines += [
            f"#   {each.name} ({each.rights}; {each.kept}): taxii-fed hash-password --account {each.name}"
            for each in theirs.accounts
        ]
    return "\n".join(lines) + "\n"


def _collection(each: TheirCollection, name: str, root: str, title: str) -> list[str]:
    usable = _UUID4.fullmatch(each.id.lower()) is not None
    lines = [f"  {name}:", f"    id: {each.id.lower() if usable else uuid.uuid4()}"]
    if not usable:
        lines[-1] += f"  # {yaml_text(each.id)} there, which is no version 4 UUID"
    lines += [f"    api_root: {root}", f"    title: {yaml_text(title)}"]
    if each.description:
        lines.append(f"    description: {yaml_text(each.description)}")
    if _NAME.fullmatch(each.alias):
        lines.append(f"    alias: {each.alias}")
    return lines


def _names(wanted: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Return a name for each id, with a number behind it where it is taken."""
    taken = _Taken()
    return {key: taken.name(text) for key, text in wanted}


@dataclass(slots=True)
class _Taken:
    """Names and titles that are taken; another one of the same gets a number."""

    names: set[str] = field(default_factory=set)

    def name(self, text: str) -> str:
        return self.once(text if _NAME.fullmatch(text) else api_root_of(text))

    def once(self, text: str) -> str:
        name, number = text, 2
        while name in self.names:
            name, number = f"{text}-{number}", number + 1
        self.names.add(name)
        return name
