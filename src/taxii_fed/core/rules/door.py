"""The inbound door: what becomes of one version that somebody brings (sharing model, section 4 "Inbound").

Pure: it is told what is known and answers with a ruling. Sizes, rates and JSON sanity were checked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, Facts
from taxii_fed.core.stix.levels import TLP_LEVELS, Level

WITHDRAWN_LABEL = "withdrawn"


class Ruling(StrEnum):
    """What becomes of an arrival; the value stands in counts, status lines and the inbound audit."""

    NEW = "new"
    KNOWN = "loop-duplicate"
    """The same version with the same content: only its origins change (I4)."""
    VARIANT = "variant"
    """An observable known with other content: counted, the first stays."""
    CONFLICT = "version-conflict"
    NOT_CREATOR = "not-creator"
    ABOVE = "quarantined-inbound"
    CLAIMS_NODE = "claims-node"
    """It claims to be made by this node."""
    DELETED = "deleted-before"
    """It was deleted here, and only its home may bring it back."""
    ERASED = "erased"
    """It was erased here, and nobody may bring it back."""
    NOTICE = "notice"
    """A withdrawal notice of the peer's own: consumed."""
    INVALID = "invalid"

    @property
    def kept_apart(self) -> bool:
        """Whether the arrival goes to quarantine."""
        return self in (Ruling.CONFLICT, Ruling.NOT_CREATOR, Ruling.ABOVE)


@dataclass(frozen=True, slots=True)
class PeerTerms:
    """What a node accepts of a peer. ``home_of``: identities whose objects only this peer may version."""

    accept_up_to: Level = Level.RED
    drop_above: bool = False
    home_of: frozenset[str] = frozenset()
    read_markings_as: Mapping[Level, Level] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownHere:
    """What the node knows of the (id, version) that arrives: contents by collection."""

    digests: Sequence[tuple[str, bytes]] = ()
    """(collection id, digest) of every accepted version with the same id, version and edition."""
    home: str = ""
    deleted: bool = False
    made_here: bool = False
    """Whether the id is one that this node has given to a copy or a notice."""
    erased: bool = False


def home_of(facts: Facts, giver_home: str, claims: Mapping[str, str]) -> str:
    """Return the home of an object seen for the first time: whoever claims its creator, else the giver.

    ``claims``: identity to home, from the peers' ``home_of``.
    """
    return claims.get(facts.created_by) or claims.get(facts.id) or giver_home


def marked_level(facts: Facts, mapped: Mapping[str, Level]) -> Level | None:
    """Return the strictest level that the object's own markings name, None where they name none."""
    levels = [TLP_LEVELS.get(marking, mapped.get(marking)) for marking in facts.markings]
    return max((level for level in levels if level is not None), default=None)


def overlay(level: Level | None, terms: PeerTerms, travelled: Level | None) -> Level | None:
    """Return the level to be put beside the object: what the peer's marking counts as here, and what travelled with it."""
    candidates = [travelled]
    if level is not None:
        candidates.append(terms.read_markings_as.get(level))
    stricter = [each for each in candidates if each is not None and (level is None or each > level)]
    return max(stricter, default=None)


def rule(
    facts: Facts,
    digest: bytes,
    collection: str,
    known: KnownHere,
    *,
    giver_home: str,
    node_identity: str,
    speaks_for_node: bool = False,
    terms: PeerTerms | None = None,
    level: Level | None = None,
    notice: bool = False,
) -> Ruling:
    """Return what becomes of an arrival.

    ``terms`` is None for what is published here; ``level`` is the level of its markings. ``speaks_for_node``: the node's own staff may
    publish under its identity. ``notice``: the peer says that it speaks for itself with this note.
    """
    says_withdrawn = facts.type == "note" and WITHDRAWN_LABEL in facts.labels
    if terms is not None and says_withdrawn and (notice or facts.created_by in terms.home_of):
        return Ruling.NOTICE
    if known.erased:
        return Ruling.ERASED
    same = [(where, content) for where, content in known.digests if content == digest]
    if any(where == collection for where, _ in same):
        return Ruling.KNOWN
    claims_node = node_identity in (facts.created_by, facts.id) and not speaks_for_node
    if claims_node or known.made_here:
        return Ruling.KNOWN if known.made_here else Ruling.CLAIMS_NODE
    other = [where for where, content in known.digests if content != digest]
    if facts.type in OBSERVABLE_TYPES:
        if collection in other:
            return Ruling.VARIANT
    elif other:
        return Ruling.CONFLICT
    home = known.home
    if known.deleted and giver_home != home:
        return Ruling.DELETED
    if home != giver_home and facts.type not in OBSERVABLE_TYPES and not same:
        return Ruling.NOT_CREATOR
    if terms is not None and level is not None and level > terms.accept_up_to:
        return Ruling.ABOVE
    return Ruling.NEW
