"""What is judged and what comes of it: a version as a candidate, its result, and the face that it shows to what refers to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from taxii_fed.core.stix.facts import Facts, Json


class Kind(Enum):
    """What a reference finds at its target."""

    ABSENT = "absent"
    """Withheld by decision, quarantined or withdrawn."""
    ORIGINAL = "original"
    DERIVED = "derived"
    UNSEEN = "unseen"
    """Never in this collection."""


@dataclass(frozen=True, slots=True)
class Face:
    """What an object looks like to those that refer to it; ``id`` is the id that it goes out under."""

    kind: Kind
    id: str = ""


ABSENT = Face(Kind.ABSENT)
UNSEEN = Face(Kind.UNSEEN)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One accepted version under judgement. ``key`` is the store's."""

    key: int
    facts: Facts
    obj: Json


@dataclass(frozen=True, slots=True)
class Result:
    """What one version comes to. ``content`` is None where the original goes out.

    ``because`` names the reference that decided, or one that a copy lost. ``unused``: reason and rule why it does not go along with what
    names it as its creator or extension either, None for what never would. ``changes`` names the change rules that edited it, or that asked
    for what can't be done surely.
    ``source`` is set in the result of a link: the id of the object whose copy it links (`core.views.links`); its ``key`` is then negative.
    """

    key: int
    facts: Facts
    visible: bool
    given_id: str = ""
    content: Json | None = None
    rule: str = ""
    reason: str = ""
    reasons: tuple[str, ...] = ()
    because: str = ""
    unused: tuple[str, str] | None = None
    wake_at: int | None = None
    held: bool = False
    source: str = ""
    changes: tuple[str, ...] = ()
