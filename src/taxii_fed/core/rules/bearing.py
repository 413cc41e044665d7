"""What of an audience's rules bears on some objects: two audiences of which that is equal get the same of them.

Rules name labels, ids and creators that most objects don't have. A term that nothing among the objects can meet counts as one that never
matches, and rules go by what they say, not by their names. So among many classes few are left to be told apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, fields

from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.model import Hold, Names, Never, Rule, Share, What
from taxii_fed.core.stix.facts import Facts

_APART = {"name", "to", "collections", "what", "from_at"}
"""Terms of a rule that say whom it reaches, or that are looked at by themselves."""
_SAID = {
    Share: tuple(each.name for each in fields(Share) if each.name not in _APART | {"until_at"}),
    Never: tuple(each.name for each in fields(Never) if each.name not in _APART | {"until_at"}),
    Hold: tuple(each.name for each in fields(Hold) if each.name not in _APART),
}
_NARROWED = ("label", "id", "created_by", "but_not")
_PLAIN = tuple(each.name for each in fields(What) if each.name not in _NARROWED)


@dataclass(frozen=True, slots=True)
class Words:
    """The labels, ids and creators that some objects have."""

    labels: frozenset[str]
    ids: frozenset[str]
    creators: frozenset[str]


def words_of(objects: Iterable[Facts]) -> Words:
    """Return the words of some versions."""
    labels: set[str] = set()
    ids: set[str] = set()
    creators: set[str] = set()
    for facts in objects:
        labels.update(facts.labels)
        ids.add(facts.id)
        creators.add(facts.created_by)
    return Words(frozenset(labels), frozenset(ids), frozenset(creators))


def bearing(audience: Audience, words: Words) -> Hashable:
    """Return what bears on objects that have no other words. Equal values: equal results, the names of rules aside (`names_of`)."""
    names = names_of(audience)
    return (
        tuple((_said(rule), _narrowed(rule.what, words)) for rule in audience.share),
        tuple((_said(rule), _narrowed(rule.what, words), rule.what.type) for rule in audience.never),
        tuple((_said(rule), _narrowed(rule.what, words)) for rule in audience.hold),
        audience.change,
        audience.lapsed,
        audience.party,
        audience.own,
        tuple(map(names.index, names)),
    )


def names_of(audience: Audience) -> list[str]:
    """Return the names of the rules that may decide, in one order for all audiences of equal bearing."""
    return [rule.name for rules in (audience.share, audience.never, audience.hold, audience.lapsed) for rule in rules]


def _said(rule: Rule) -> tuple[object, ...]:
    return tuple(getattr(rule, name) for name in _SAID[type(rule)])


def _narrowed(what: What, words: Words) -> Hashable:
    """Return the matcher without what meets nothing, None where that is all of it."""
    labels = _met(what.label, words.labels)
    creators = _met(what.created_by, words.creators)
    ids = tuple(each for each in what.id if each.partition("@")[0] in words.ids)
    if (what.label and not labels) or (what.created_by and not creators) or (what.id and not ids):
        return None
    plain = tuple(getattr(what, name) for name in _PLAIN)
    others = tuple(other for other in (_narrowed(each, words) for each in what.but_not) if other is not None)
    return plain, labels, creators, ids, others


def _met(names: Names, there: frozenset[str]) -> Names:
    return tuple(each for each in names if each in there)
