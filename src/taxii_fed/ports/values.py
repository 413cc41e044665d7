"""What crosses the seam to a store, as plain values.

Times: instants are ``int`` microseconds, ``date_added`` is ``int`` milliseconds (see `core.timestamps`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from taxii_fed.core.stix.facts import Provenance, Use
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.taxii.query import Rank

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One accepted version in one collection, as it came in.

    ``key`` is the store's own, positive, growing in the order of arrival; ``version`` is in microseconds (0: no version of its own).
    (collection, object_id, version, spec_version) is unique.
    """

    key: int
    collection: str
    object_id: str
    type: str
    spec_version: str
    version: int
    version_text: str
    body: bytes
    received_at: int
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to be stored; ``edges`` are (target id, use). ``digest`` is the 32-byte SHA-256 over the JCS form of the body."""

    collection: str
    object_id: str
    type: str
    spec_version: str
    version: int
    version_text: str
    body: bytes
    digest: bytes
    received_at: int
    provenance: Provenance
    edges: tuple[tuple[str, Use], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A version known anywhere in the node, for the check of equal (id, version) with other content."""

    key: int
    collection: str
    version: int
    spec_version: str
    digest: bytes
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Offer:
    """Who offers a version. ``path`` holds opaque tokens of the nodes it came through (docs/federation.md)."""

    key: int
    giver: str
    """``local:PARTY`` or ``peer:NAME:REMOTE-COLLECTION``."""
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a class sees of a collection.

    ``head``: its last stamp (ms), 0 when nothing was ever added. ``wake_at``: when time alone changes something (µs).
    ``mirror``: id of the view that is being copied from this one, else 0. ``edits`` grows with every transaction that ends, reranks
    or copies entries of the view: while it and ``head`` are the same, so is every page. None: the store does not count them.
    """

    id: int
    collection: str
    head: int
    wake_at: int | None
    mirror: int = 0
    edits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One version, or derived copy, in a view. ``ended_at`` None: it is in the view. Rows are kept for ever: this is the ledger.

    ``source`` is the STIX id of the stored object behind it and ``source_key`` its `Version.key`; both empty for a notice.
    ``rule`` is the share rule that let it through, ``reasons`` what was done to it.
    """

    view: int
    date_added: int
    id: str
    type: str
    spec_version: str
    version: int
    version_text: str
    source: str
    source_key: int
    derived: bool
    rank: Rank
    rule: str
    reasons: tuple[str, ...]
    body: int
    """The store's key of the bytes; equal keys mean equal bytes."""
    ended_at: int | None = None
    ended_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An entry to be added. ``content`` None: the source's own bytes. The stamp is given by the store at commit, in list order."""

    id: str
    type: str
    spec_version: str
    version: int
    version_text: str
    source: str
    source_key: int
    rank: Rank
    rule: str
    reasons: tuple[str, ...] = ()
    content: bytes | None = None

    @property
    def derived(self) -> bool:
        """Whether other bytes than the source's go out."""
        return self.content is not None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one view in one transaction: ``ended`` (date_added, why), ``reranked`` (date_added, rank), ``opened`` in order."""

    ended: tuple[tuple[int, str], ...] = ()
    reranked: tuple[tuple[int, Rank], ...] = ()
    opened: tuple[Opening, ...] = ()


class Row(NamedTuple):
    """One line of a page. ``body`` is empty where bodies were not asked for."""

    date_added: int
    id: str
    version_text: str
    spec_version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in ascending ``date_added``, and whether more matched."""

    rows: Sequence[Row]
    more: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """The objects of a page: their stamps, ascending; their bodies in that order, joined by commas; and whether more matched."""

    dates: Sequence[int]
    text: bytes
    more: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: what the store knows of (party, collection) in one look.

    ``revision`` is that of the rules in force. ``view`` is None where the party has none.
    """

    revision: int
    view: View | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Something refused at the door and kept apart. ``giver`` as in `Offer`."""

    id: int
    collection: str
    object_id: str
    version: int
    version_text: str
    giver: str
    reason: str
    at: int
    body: bytes
    path: tuple[str, ...] = ()
    jurisdiction: str = ""
    overlay: Level | None = None
    """The level that would stand beside it (`Provenance.overlay`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorEvent:
    """A line of the inbound audit: what happened to an object at the door (I9)."""

    at: int
    collection: str
    object_id: str
    version_text: str
    giver: str
    reason: str


class Consent(NamedTuple):
    """What a person said: one version of an object may go to one party past one hold rule. ``at`` in microseconds."""

    collection: str
    version: int
    rule: str
    party: str
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Read:
    """A range that a party read from a view, merged: entries with ``first <= date_added <= last`` (ms)."""

    view: int
    party: str
    account: str
    first: int
    last: int
    at: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease in hand; ``fence`` grows with every new holder."""

    name: str
    owner: str
    fence: int
    until: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A revision of what is in force. ``doc`` is `core.rules.model.to_doc` of an `InForce`; ``fingerprint`` tells configs apart."""

    revision: int
    at: int
    doc: Json
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Tail:
    """A page of ids for walks over a collection, ascending by the store's own order; ``last`` goes into the next call, "" ends."""

    ids: tuple[str, ...] = field(default=())
    last: str = ""
