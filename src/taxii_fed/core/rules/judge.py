"""What the rules of an audience say about one version: up to step 5 of the sharing model's evaluation.

Rules held here: default deny; shares are OR-ed, vetoes and holds AND-ed; own and relayed ceilings; unmarked and unknown markings;
custom types; dated rules; approvals. Left to others: edits (`core.derive`), the newest-version rule and references (`core.views.closure`).
Answers conventions 1 to 6, 14 and 16 of the scenarios, and I6 and I9.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from taxii_fed.core.rules.audience import Audience, lies_in
from taxii_fed.core.rules.markings import Meanings, effective
from taxii_fed.core.rules.model import Change, Hold, InForce, Share, What
from taxii_fed.core.stix.facts import LOCAL, Facts
from taxii_fed.core.stix.levels import TLP_LEVELS, Level


class Outcome(StrEnum):
    """What the rules say."""

    SHARE = "share"
    WITHHOLD = "withhold"
    HOLD = "hold"


class Reason(StrEnum):
    """Why (convention 16 gives the order in which they are looked for)."""

    NO_RULE = "no-rule"
    TYPE_NOT_ALLOWED = "type-not-allowed"
    UNKNOWN_TYPE = "unknown-type"
    EXPIRED = "expired"
    UNKNOWN_MARKING = "unknown-marking"
    UNMARKED = "unmarked"
    ABOVE_CEILING = "tlp-above-ceiling"
    VETOED = "vetoed"
    LAPSED = "change-lapsed"
    EMBARGOED = "embargoed"
    HELD = "held-for-approval"
    PROPERTY_MARKING = "property-marking"
    UNTRANSFORMABLE = "untransformable"
    SUPERSEDED = "superseded-by-stricter"
    CREATOR_HIDDEN = "creator-anonymised"
    REFERENCE_WITHHELD = "reference-withheld"
    REFERENCE_CUT = "reference-cut"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say about one version.

    ``rule`` names the rule that decided; ``ceiling`` is the highest among the shares that let it through; ``changes`` are the change
    rules that match; ``wake_at`` (µs) is when time alone may change the answer.
    """

    outcome: Outcome
    rule: str = ""
    reason: str = ""
    ceiling: Level = Level.CLEAR
    override: bool = False
    changes: tuple[Change, ...] = ()
    wake_at: int | None = None


Approval = tuple[int, str, str]
"""(version in microseconds, hold rule, party) that a person released."""


Memory = dict[object, Verdict]
_MOST_REMEMBERED = 2_000


class Judge:
    """What the rules of one audience say about versions in one collection, at one time.

    Answers are remembered by what the rules look at, so that a bulk of like objects costs one look each. ``approvals`` gives those of an
    object. ``lasting`` holds answers given before under the same rules: those that neither time nor a marking's definition can change.
    """

    def __init__(
        self,
        audience: Audience,
        in_force: InForce,
        meanings: Meanings,
        now: int,
        approvals: Callable[[str], Collection[Approval]] = lambda _object_id: (),
        lasting: Memory | None = None,
    ) -> None:
        self.audience = audience
        self.now = now
        self._jurisdictions = in_force.jurisdictions
        self.meanings = meanings
        self._approvals = approvals
        self._remembered: Memory = {}
        self._causes = [(share, _causes(share.what)) for share in audience.share]
        kinds = (audience.share, audience.never, audience.hold, audience.change, audience.lapsed)
        whats = [rule.what for rules in kinds for rule in rules]
        flat = list(_flat(whats))
        self._dated = any(what.expired is not None for what in flat)
        self._sure = any(what.min_confidence is not None or what.max_confidence is not None for what in flat)
        self._lasting: Memory = {} if lasting is None or self._dated or audience.hold else lasting
        self._single = bool(audience.party) or any(what.id for what in flat)

    def __call__(self, facts: Facts, *, used: bool = False) -> Verdict:
        """Return the verdict on a version. ``used``: it is judged as something that a visible object names (convention 12).

        What is used, an identity or an extension definition, passes whatever the shares list and counts as CLEAR when unmarked.
        """
        if self._single:
            return self._judge(facts, used=used)
        key = (facts.likeness, facts.valid_until if self._dated else None, facts.confidence if self._sure else None, used)
        verdict = self._lasting.get(key) or self._remembered.get(key)
        if verdict is None:
            memory = self._lasting if TLP_LEVELS.keys() >= set(facts.markings) else self._remembered
            if len(memory) >= _MOST_REMEMBERED:
                memory.clear()
            verdict = memory[key] = self._judge(facts, used=used)
        return verdict

    def _judge(self, facts: Facts, *, used: bool) -> Verdict:
        level, unknown = effective(facts, self.meanings)
        if used and level is None:
            level = Level.CLEAR
        wake_at = facts.valid_until if self._dated and (facts.valid_until or 0) > self.now else None
        shares, missed = self._shares(facts, level, used=used)
        if not shares:
            rule = self.audience.share[0].name if len(self.audience.share) == 1 else ""
            return Verdict(Outcome.WITHHOLD, rule, missed, wake_at=wake_at)
        if unknown:
            return Verdict(Outcome.WITHHOLD, "", Reason.UNKNOWN_MARKING, wake_at=wake_at)
        passing, above = self._under_ceiling(shares, facts, level)
        if not passing:
            return Verdict(Outcome.WITHHOLD, shares[0].name, above, wake_at=wake_at)
        assumed = level
        if assumed is None:
            assumed = max((share.unmarked_as for share in shares if share.unmarked_as is not None), default=None)
        for never in self.audience.never:
            if self._matches(never.what, facts, assumed):
                return Verdict(Outcome.WITHHOLD, never.name, never.reason or Reason.VETOED, wake_at=wake_at)
        for lapsed in self.audience.lapsed:
            if self._matches(lapsed.what, facts, assumed):
                return Verdict(Outcome.WITHHOLD, lapsed.name, lapsed.reason or Reason.LAPSED, wake_at=wake_at)
        held = self._held(facts, assumed)
        if held is not None:
            until = [at for at in (held.wake_at, wake_at) if at is not None]
            return replace(held, wake_at=min(until, default=None))
        best = max(passing, key=lambda share: self._ceiling(share, facts))
        overriding = next((share for share in passing if share.override), None)
        return Verdict(
            Outcome.SHARE,
            (overriding or best).name,
            ceiling=self._ceiling(best, facts),
            override=overriding is not None,
            changes=tuple(rule for rule in self.audience.change if self._matches(rule.what, facts, assumed)),
            wake_at=wake_at,
        )

    def _shares(self, facts: Facts, level: Level | None, *, used: bool) -> tuple[list[Share], str]:
        """Return the shares that match the version, and why none does: the first in order of what each one misses."""
        if used:
            return list(self.audience.share), ""
        matching: list[Share] = []
        misses: set[str] = set()
        for share, causes in self._causes:
            assumed = level if level is not None else share.unmarked_as
            miss = self._miss(share, causes, facts, assumed)
            if miss is None:
                matching.append(share)
            else:
                misses.add(miss)
        order = (Reason.NO_RULE, Reason.TYPE_NOT_ALLOWED, Reason.UNKNOWN_TYPE, Reason.EXPIRED)
        return matching, next((reason for reason in order if reason in misses), Reason.NO_RULE)

    def _miss(self, share: Share, causes: tuple[What, What, What], facts: Facts, level: Level | None) -> str | None:
        rest, kinds, dates = causes
        if not self._matches(rest, facts, level):
            return Reason.NO_RULE
        if not self._matches(kinds, facts, level):
            return Reason.TYPE_NOT_ALLOWED
        if facts.custom and not share.unknown_types:
            return Reason.UNKNOWN_TYPE
        if not self._matches(dates, facts, level):
            return Reason.EXPIRED if self._expired(facts) else Reason.NO_RULE
        return None

    def _ceiling(self, share: Share, facts: Facts) -> Level:
        return share.up_to if facts.provenance.origin == LOCAL else share.relayed_up_to

    def _under_ceiling(self, shares: list[Share], facts: Facts, level: Level | None) -> tuple[list[Share], str]:
        passing: list[Share] = []
        above = False
        for share in shares:
            counted = level if level is not None else share.unmarked_as
            if counted is None:
                continue
            if counted <= self._ceiling(share, facts):
                passing.append(share)
            else:
                above = True
        unmarked = level is None and any(share.unmarked_as is None for share in shares)
        return passing, Reason.UNMARKED if unmarked or not above else Reason.ABOVE_CEILING

    def _held(self, facts: Facts, level: Level | None) -> Verdict | None:
        until: list[tuple[int, Hold]] = []
        asked: list[Hold] = []
        for hold in self.audience.hold:
            if not self._matches(hold.what, facts, level):
                continue
            over = hold.until_at is not None and hold.until_at <= self.now
            if over or (hold.approval and self._approved(facts, hold)):
                continue
            if hold.until_at is not None:
                until.append((hold.until_at, hold))
            else:
                asked.append(hold)
        if until:
            at, hold = min(until, key=lambda each: each[0])
            return Verdict(Outcome.HOLD, hold.name, hold.reason or Reason.EMBARGOED, wake_at=at)
        if asked:
            return Verdict(Outcome.HOLD, asked[0].name, asked[0].reason or Reason.HELD)
        return None

    def _approved(self, facts: Facts, hold: Hold) -> bool:
        """An approval is for one version, one hold rule and one party; the revocation of what was approved passes with it."""
        return any(
            rule == hold.name
            and party == self.audience.party
            and (version == facts.version or (facts.revoked and version < facts.version))
            for version, rule, party in self._approvals(facts.id)
        )

    def _matches(self, what: What, facts: Facts, level: Level | None) -> bool:
        if what is _ANYTHING:
            return True
        provenance = facts.provenance
        return (
            (not what.type or facts.type in what.type)
            and (not what.label or not set(what.label).isdisjoint(facts.labels))
            and (not what.origin or provenance.origin in what.origin)
            and (
                not what.origin_jurisdiction or lies_in(provenance.jurisdiction, what.origin_jurisdiction, self._jurisdictions)
            )
            and (not what.created_by or facts.created_by in what.created_by)
            and (not what.id or what.names(facts.id, facts.version_text))
            and (what.min_tlp is None or (level is not None and level >= what.min_tlp))
            and (what.min_confidence is None or (facts.confidence is not None and facts.confidence >= what.min_confidence))
            and (what.max_confidence is None or (facts.confidence is not None and facts.confidence <= what.max_confidence))
            and (what.expired is None or what.expired is self._expired(facts))
            and not any(self._matches(other, facts, level) for other in what.but_not)
        )

    def _expired(self, facts: Facts) -> bool:
        return facts.valid_until is not None and facts.valid_until <= self.now

    def cuts_unseen(self, observable_type: str) -> bool:
        """Return whether a reference to an observable that was never here must be cut: its id is its value (convention 8).

        So it is where a change rule would edit observables of that type or a veto names the type.
        """
        return any(
            observable_type in rule.what.type for rule in (*self.audience.never, *self.audience.change, *self.audience.lapsed)
        ) or any(
            observable_type in edited_types(rule) and (not rule.what.type or observable_type in rule.what.type)
            for rule in (*self.audience.change, *self.audience.lapsed)
        )


def edited_types(rule: Change) -> frozenset[str]:
    """Return the observable types whose values the edits of a change rule reach."""
    types: set[str] = set()
    if rule.generalise_v4 is not None or rule.generalise_v6 is not None:
        types |= {"ipv4-addr", "ipv6-addr", "url", "network-traffic"}
    if rule.pseudonymise_email:
        types |= {"email-addr", "email-message", "user-account"}
    return frozenset(types)


_ANYTHING = What()


@cache
def _causes(what: What) -> tuple[What, What, What]:
    """Return a matcher in three: the rest, type and expiry, whose misses have reasons of their own."""
    kinds = tuple(other for other in what.but_not if other.type and other == What(type=other.type))
    dates = tuple(other for other in what.but_not if other.expired is not None and other == What(expired=other.expired))
    rest = tuple(other for other in what.but_not if other not in kinds and other not in dates)
    return (
        _one_anything(replace(what, type=(), expired=None, but_not=rest)),
        _one_anything(What(type=what.type, but_not=kinds)),
        _one_anything(What(expired=what.expired, but_not=dates)),
    )


def _one_anything(what: What) -> What:
    return _ANYTHING if what == _ANYTHING else what


def _flat(whats: Iterable[What]) -> Iterable[What]:
    for what in whats:
        yield what
        yield from _flat(what.but_not)
