"""Sharing rules, parties and what is in force, as values (sharing model, sections 2 and 3).

Only data and its JSON form live here. What the rules *mean* is in `judge` (one version, one class) and `core.views.closure` (references).
Times are instants in microseconds; ``until_at`` is exclusive.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from taxii_fed.core.stix.levels import Level

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class To:
    """A matcher of readers: every given attribute must match one of its values; ``but_not`` takes readers out again.

    ``jurisdiction`` names match their parts (`InForce.jurisdictions`). An empty matcher reaches everyone.
    """

    party: Names = ()
    role: Names = ()
    jurisdiction: Names = ()
    sector: Names = ()
    community: Names = ()
    organisation: Names = ()
    but_not: tuple[To, ...] = ()


@dataclass(frozen=True, slots=True)
class What:
    """A matcher of objects: every given term must match; ``but_not`` takes objects out again.

    ``origin`` holds ``local`` or names of peers, ``id`` ids or, for one version, ``id@version``. ``expired`` False also takes
    objects without ``valid_until``; the confidence terms never match an object without confidence.
    """

    type: Names = ()
    label: Names = ()
    origin: Names = ()
    origin_jurisdiction: Names = ()
    created_by: Names = ()
    id: Names = ()
    min_tlp: Level | None = None
    min_confidence: int | None = None
    max_confidence: int | None = None
    expired: bool | None = None
    but_not: tuple[What, ...] = ()

    def names(self, object_id: str, version_text: str) -> bool:
        """Return whether the term ``id`` lets this version pass."""
        return not self.id or object_id in self.id or f"{object_id}@{version_text}" in self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What every sharing rule has. ``collections`` holds names of collections; empty means all."""

    name: str
    to: To = field(default_factory=To)
    collections: Names = ()
    what: What = field(default_factory=What)
    from_at: int | None = None
    until_at: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Rule):
    """A grant up to a level: ``up_to`` for what was published here, ``relayed_up_to`` for what came from peers."""

    up_to: Level
    relayed_up_to: Level
    unmarked_as: Level | None = None
    unknown_types: bool = False
    override: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Never(Rule):
    """A veto."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Rule):
    """Parks until ``until_at``, or with ``approval`` until a person releases one version to one party."""

    approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Rule):
    """Edits that make a derived copy. Past its ``until_at`` it withholds from those whom it reached (fail closed)."""

    generalise_v4: int | None = None
    generalise_v6: int | None = None
    redact_text: Names = ()
    """Of ``ip`` and ``email``."""
    redact_token: str = "[removed]"  # noqa: S105 — what text becomes, no credential
    pseudonymise_email: str = ""
    """Name of the key; empty: off."""
    pseudonymise_text: bool = True
    """Addresses in free text become a token."""
    keep_patterns: bool = False
    drop: Names = ()
    hide_creator: bool = False
    mark: Level | None = None
    credit: str = ""
    link: bool = False
    remove_unknown_if_hit: bool = False
    """Custom properties in which something would be edited go as a whole."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Membership of a community, in force from ``from_at`` until before ``until_at``."""

    name: str
    from_at: int | None = None
    until_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who reads or writes. ``publish`` holds names of collections it may add to and delete its own objects from.

    ``accounts`` are names alone: what opens them is never kept here.
    """

    name: str
    role: str
    jurisdiction: str = ""
    sector: str = ""
    organisation: str = ""
    communities: tuple[Membership, ...] = ()
    publish: Names = ()
    accounts: Names = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionTerms:
    """A collection as clients see it; ``name`` is its name in the configuration, ``id`` the TAXII id (UUID v4)."""

    name: str
    id: str
    api_root: str
    title: str
    description: str = ""
    alias: str = ""
    sector: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """All that decides what goes out, kept in the store, one revision after the other (docs/architecture.md, "What is in force")."""

    node: str
    """The node's name."""
    identity: str
    """STIX id of the node's identity: creator of derived copies and notices."""
    organisation: str = ""
    jurisdiction: str = ""
    jurisdictions: dict[str, Names] = field(default_factory=dict)
    markings: dict[str, Level] = field(default_factory=dict)
    """Id of a marking definition or of its extension, or ``acs:formal_determination=VALUE``, to the level it stands for."""
    parties: dict[str, Party] = field(default_factory=dict)
    collections: dict[str, CollectionTerms] = field(default_factory=dict)
    share: tuple[Share, ...] = ()
    never: tuple[Never, ...] = ()
    hold: tuple[Hold, ...] = ()
    change: tuple[Change, ...] = ()
    anonymous: str = ""
    """The party whose views readers without credentials get; empty: none."""

    def dates(self) -> Iterator[int]:
        """Yield every instant (µs) at which a rule or a membership begins or ends."""
        rules: tuple[Rule, ...] = (*self.share, *self.never, *self.hold, *self.change)
        spans = [(rule.from_at, rule.until_at) for rule in rules]
        spans += [(each.from_at, each.until_at) for party in self.parties.values() for each in party.communities]
        yield from (at for span in spans for at in span if at is not None)


Turn = Callable[[Any], Any]


def to_doc(value: Any) -> Any:
    """Return the JSON form (dicts, lists, scalars) of a value of this module. Defaults are left out."""
    kind: Any = type(value)
    return _writer(kind)(value)


@cache
def _writer(kind: Any) -> Turn:
    """Return what writes values of a type: types are looked at once, values all the time."""
    if kind is Level:
        return str
    if is_dataclass(kind):
        members = tuple(
            (each.name, each.default if each.default_factory is MISSING else each.default_factory()) for each in fields(kind)
        )
        return lambda value: {name: to_doc(item) for name, default in members if (item := getattr(value, name)) != default}
    if kind is dict:
        return lambda value: {key: to_doc(item) for key, item in value.items()}
    if kind is tuple:
        return lambda value: [to_doc(item) for item in value]
    return lambda value: value


T = TypeVar("T")


def from_doc(kind: type[T], doc: Any) -> T:
    """Return the value of ``kind`` that `to_doc` wrote. Raises ``TypeError``/``ValueError``/``KeyError`` on anything else."""
    wanted: Any = kind
    value: T = _reader(wanted)(doc)
    return value


@cache
def _reader(kind: Any) -> Turn:
    """Return what reads a value of a kind: kinds are looked at once, documents all the time."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        some = _reader(next(arm for arm in arguments if arm is not type(None)))
        return lambda doc: None if doc is None else some(doc)
    if kind is Level:
        return lambda doc: Level[doc.replace("+", "_")]
    if origin is tuple:
        each = _reader(arguments[0])
        return lambda doc: tuple([each(item) for item in doc])
    if origin is dict:
        each = _reader(arguments[1])
        return lambda doc: {key: each(item) for key, item in doc.items()}
    if is_dataclass(kind):
        return _fields_reader(kind)
    return partial(_plain, kind)


def _fields_reader(make: Any) -> Turn:
    """Return what reads a dataclass. Its fields are looked at when they are first met: a class may have fields of its own kind."""
    readers: dict[str, Turn] = {}

    def read(doc: Any) -> Any:
        for name in doc.keys() - readers.keys():
            readers[name] = _reader(get_type_hints(make)[name])
        return make(**{name: readers[name](item) for name, item in doc.items()})

    return read


def _plain(kind: type, doc: Any) -> Any:
    if not isinstance(doc, kind):
        raise TypeError(f"expected {kind.__name__}, found {doc!r}")
    return doc
