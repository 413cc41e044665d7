"""Whom a rule reaches: the rules for one party in one collection at one time.

Parties with the same rules are one audience, whatever they are called: what follows is judged once for all of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import lru_cache

from taxii_fed.core.rules.model import Change, Hold, InForce, Names, Never, Party, Rule, Share, To, to_doc


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """The rules that reach one party in one collection at one time. Parties with equal ``signature`` get the same outcome.

    ``lapsed``: change rules whose ``until`` has passed. ``party`` is set where approvals count, which are for one party.
    ``own``: the node's own staff, who see every marking definition that was published, used or not.
    ``until_at`` (µs) is when a date of a rule or of a membership next changes the audience itself.
    """

    share: tuple[Share, ...] = ()
    never: tuple[Never, ...] = ()
    hold: tuple[Hold, ...] = ()
    change: tuple[Change, ...] = ()
    lapsed: tuple[Change, ...] = ()
    party: str = ""
    own: bool = False
    signature: str = ""
    until_at: int | None = None

    @property
    def reads(self) -> bool:
        """Whether a share rule reaches the party here: otherwise the collection does not exist for it."""
        return bool(self.share)


NOBODY = Audience()


def audience_of(in_force: InForce, party: Party, collection: str, now: int) -> Audience:
    """Return what reaches ``party`` in the collection of that name at ``now`` (µs)."""
    reached = Reach(in_force, party, now)
    boundaries = {at for each in party.communities for at in (each.from_at, each.until_at) if at is not None}

    def reaching(rule: Rule) -> bool:
        if rule.collections and collection not in rule.collections:
            return False
        # The end of a hold changes no audience: what it holds has a wake of its own.
        ends = None if isinstance(rule, Hold) else rule.until_at
        boundaries.update(at for at in (rule.from_at, ends) if at is not None)
        return (rule.from_at is None or rule.from_at <= now) and reached(rule.to)

    def live(rule: Rule) -> bool:
        return rule.until_at is None or now < rule.until_at

    share = tuple(rule for rule in in_force.share if reaching(rule) and live(rule))
    never = tuple(rule for rule in in_force.never if reaching(rule) and live(rule))
    hold = tuple(rule for rule in in_force.hold if reaching(rule))
    change = tuple(rule for rule in in_force.change if reaching(rule))
    audience = Audience(
        share=share,
        never=never,
        hold=hold,
        change=tuple(rule for rule in change if live(rule)),
        lapsed=tuple(rule for rule in change if not live(rule)),
        party=party.name if any(rule.approval for rule in hold) else "",
        own=party.role == "own",
        until_at=min((at for at in boundaries if at > now), default=None),
    )
    return replace(audience, signature=_signature(audience)) if share else replace(NOBODY, until_at=audience.until_at)


def _signature(audience: Audience) -> str:
    terms = [
        [kind, *sorted(_terms(rule) for rule in rules)]
        for kind, rules in (
            ("share", audience.share),
            ("never", audience.never),
            ("hold", audience.hold),
            ("change", audience.change),
            ("lapsed", audience.lapsed),
        )
    ]
    return hashlib.sha256(json.dumps([terms, audience.party, audience.own]).encode()).hexdigest()


@lru_cache(maxsize=4096)
def _terms(rule: Rule) -> str:
    doc: dict[str, object] = to_doc(rule)
    for key in ("to", "collections", "from_at"):
        doc.pop(key, None)
    if not isinstance(rule, Hold):
        doc.pop("until_at", None)
    return json.dumps(doc, sort_keys=True)


class Reach:
    """Whether a matcher reaches one party at one time."""

    def __init__(self, in_force: InForce, party: Party, now: int) -> None:
        self._jurisdictions = in_force.jurisdictions
        self._party = party
        self._communities = frozenset(
            each.name
            for each in party.communities
            if (each.from_at is None or each.from_at <= now) and (each.until_at is None or now < each.until_at)
        )

    def __call__(self, to: To) -> bool:
        """Return whether ``to`` reaches the party."""
        party = self._party
        return (
            (not to.party or party.name in to.party)
            and (not to.role or party.role in to.role)
            and (not to.jurisdiction or lies_in(party.jurisdiction, to.jurisdiction, self._jurisdictions))
            and (not to.sector or party.sector in to.sector)
            and (not to.organisation or party.organisation in to.organisation)
            and (not to.community or not self._communities.isdisjoint(to.community))
            and not any(self(other) for other in to.but_not)
        )


def lies_in(place: str, names: Names, parts: dict[str, Names]) -> bool:
    """Return whether a jurisdiction is one of ``names`` or a part, at any depth, of one of them."""
    seen: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name == place:
            return True
        if name not in seen:
            seen.add(name)
            stack.extend(parts.get(name, ()))
    return False
