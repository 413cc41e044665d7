"""Settings to what is in force: the part of a configuration that decides what goes out (docs/architecture.md, "What is in force")."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TypedDict

from taxii_fed.config.schema import Party as PartySettings
from taxii_fed.config.schema import Settings
from taxii_fed.config.terms import ChangeTerms, HoldTerms, NeverTerms, RuleTerms, ShareTerms, ToTerms, WhatTerms
from taxii_fed.core.rules import model as rules
from taxii_fed.core.stix.levels import Level


def in_force(settings: Settings) -> rules.InForce:
    """Return what the settings put in force.

    Wherever order has no meaning it is taken out, so that two files that say the same give equal values: rules stand by name, lists
    of names are sorted.
    """
    node = settings.node
    return rules.InForce(
        node=node.name,
        identity=node.identity,
        organisation=node.organisation,
        jurisdiction=node.jurisdiction,
        jurisdictions={name: _names(parts) for name, parts in sorted(settings.jurisdictions.items())},
        markings=dict(sorted(settings.markings.items())),
        parties={name: _party(name, party) for name, party in sorted(settings.parties.items())},
        collections={name: _collection(settings, name) for name in sorted(settings.collections)},
        share=tuple(_share(name, terms) for name, terms in sorted(settings.share.items())),
        never=tuple(_never(name, terms) for name, terms in sorted(settings.never.items())),
        hold=tuple(_hold(name, terms) for name, terms in sorted(settings.hold.items())),
        change=tuple(_change(name, terms) for name, terms in sorted(settings.change.items())),
        anonymous=settings.anonymous,
    )


def fingerprint(settings: Settings) -> str:
    """Return the SHA-256, in hex digits, of the canonical form of what the settings put in force."""
    text = json.dumps(rules.to_doc(in_force(settings)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _names(names: Iterable[str]) -> rules.Names:
    return tuple(sorted(set(names)))


def _party(name: str, party: PartySettings) -> rules.Party:
    communities = (rules.Membership(each.name, each.from_at, each.until_at) for each in party.communities)
    return rules.Party(
        name=name,
        role=party.role,
        jurisdiction=party.jurisdiction,
        sector=party.sector,
        organisation=party.organisation,
        communities=tuple(sorted(communities, key=repr)),
        publish=_names(party.publish),
        accounts=_names(party.accounts),
    )


def _collection(settings: Settings, name: str) -> rules.CollectionTerms:
    collection = settings.collections[name]
    return rules.CollectionTerms(
        name=name,
        id=collection.id,
        api_root=collection.api_root,
        title=collection.title,
        description=collection.description,
        alias=collection.alias,
        sector=collection.sector,
        strict=collection.strict,
    )


def _to(terms: ToTerms) -> rules.To:
    return rules.To(
        party=_names(terms.party),
        role=_names(terms.role),
        jurisdiction=_names(terms.jurisdiction),
        sector=_names(terms.sector),
        community=_names(terms.community),
        organisation=_names(terms.organisation),
        but_not=tuple(sorted((_to(each) for each in terms.but_not), key=repr)),
    )


def _what(terms: WhatTerms) -> rules.What:
    return rules.What(
        type=_names(terms.type),
        label=_names(terms.label),
        origin=_names(terms.origin),
        origin_jurisdiction=_names(terms.origin_jurisdiction),
        created_by=_names(terms.created_by),
        id=_names(terms.id),
        min_tlp=terms.min_tlp,
        min_confidence=terms.min_confidence,
        max_confidence=terms.max_confidence,
        expired=terms.expired,
        but_not=tuple(sorted((_what(each) for each in terms.but_not), key=repr)),
    )


class _Common(TypedDict):
    """The members that every rule has."""

    name: str
    to: rules.To
    collections: rules.Names
    what: rules.What
    from_at: int | None
    until_at: int | None
    reason: str


def _common(name: str, terms: RuleTerms) -> _Common:
    return _Common(
        name=name,
        to=_to(terms.to),
        collections=_names(terms.collections),
        what=_what(terms.what),
        from_at=terms.from_at,
        until_at=terms.until_at,
        reason=terms.reason,
    )


def _share(name: str, terms: ShareTerms) -> rules.Share:
    relayed = min(terms.up_to, Level.GREEN) if terms.relayed_up_to is None else terms.relayed_up_to
    return rules.Share(
        **_common(name, terms),
        up_to=terms.up_to,
        relayed_up_to=relayed,
        unmarked_as=terms.unmarked_as,
        unknown_types=terms.unknown_types == "share",
        override=terms.override,
    )


def _never(name: str, terms: NeverTerms) -> rules.Never:
    return rules.Never(**_common(name, terms))


def _hold(name: str, terms: HoldTerms) -> rules.Hold:
    return rules.Hold(**_common(name, terms), approval=terms.approval)


def _change(name: str, terms: ChangeTerms) -> rules.Change:
    prefixes, pseudonyms = terms.generalise_ip, terms.pseudonymise
    return rules.Change(
        **_common(name, terms),
        generalise_v4=prefixes.v4 if prefixes else None,
        generalise_v6=prefixes.v6 if prefixes else None,
        redact_text=_names(terms.redact_text),
        redact_token=terms.redact_token,
        pseudonymise_email=pseudonyms.email if pseudonyms else "",
        pseudonymise_text=pseudonyms is None or "text" not in pseudonyms.keep_in,
        keep_patterns=pseudonyms is not None and "pattern" in pseudonyms.keep_in,
        drop=_names(terms.drop),
        hide_creator=terms.hide_creator,
        mark=terms.mark,
        credit=terms.credit,
        link=terms.link,
        remove_unknown_if_hit=terms.unknown_properties == "remove-if-hit",
    )
