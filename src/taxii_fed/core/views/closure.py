"""References closed over what was withheld or changed, inside one collection, for one audience: a greatest fixed point.

Start with all that the rules allow and take away until nothing changes; then see which of the rest must be copies, and make them. Pure:
what lies outside the region under judgement is asked of `Surroundings`.

Answers steps 6 to 10 of the sharing model's evaluation, its section 9, and conventions 7 to 12 and 14 of the scenarios.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from typing import Protocol

from taxii_fed.core.derive import Edited, cut_language
from taxii_fed.core.rules.judge import Judge, Outcome, Reason, Verdict
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, Facts, Json, Use, facts_of
from taxii_fed.core.stix.levels import TLP_LEVELS
from taxii_fed.core.views.links import LINKED
from taxii_fed.core.views.results import ABSENT, Candidate, Face, Kind, Result


class Surroundings(Protocol):
    """What lies outside the region: settled, and not about to change."""

    def face(self, target: str) -> Face:
        """Return what a reference to ``target`` finds."""
        ...

    def used(self, target: str, uses: tuple[Use, ...]) -> bool:
        """Return whether something visible outside the region names ``target`` in one of these ways."""
        ...

    def hides(self, identity: str) -> bool:
        """Return whether an object outside the region hides this creator from the audience."""
        ...

    def creator_withheld(self, identity: str) -> bool:
        """Return whether nobody may name an identity: its own marking, a veto, a hold or the door withholds it, or it was erased."""
        ...


@dataclass(frozen=True, slots=True)
class Copy:
    """A derived copy, its id in it, or the reason why there is none."""

    content: Json | None
    problem: str = ""


class Copier(Protocol):
    """How derived copies are made for this audience."""

    def edit(self, candidate: Candidate, verdict: Verdict) -> Edited | None:
        """Return the edited object, None where nothing bites."""
        ...

    def can_cut(self, candidate: Candidate, edited: Edited | None, absent: Collection[str]) -> bool:
        """Return whether the object is still whole once the references to ``absent`` are gone."""
        ...

    def copy(self, candidate: Candidate, edited: Edited | None, moved: Mapping[str, str | None], keyed_id: str) -> Copy:
        """Return the copy. ``moved``: target of a reference to its new id, or to None where the reference must go.

        The copy has the id ``keyed_id``, save that of an observable of which a value changed, which STIX makes from its values.
        """
        ...

    def keyed_id(self, source_id: str) -> str:
        """Return the id of a derived copy of ``source_id`` for this audience."""
        ...

    def link(self, candidate: Candidate, copy: Json, verdict: Verdict) -> Json | None:
        """Return the relationship of a copy to its source, None where the rules do not ask for one."""
        ...


@dataclass(slots=True)
class _State:
    """Where one version stands while the region settles."""

    candidate: Candidate
    verdict: Verdict
    edited: Edited | None = None
    present: bool = False
    reason: str = ""
    because: str = ""
    unused: Verdict | None = None
    """Why it does not even go along with what names it as its creator or extension."""
    wakes: tuple[int | None, ...] = ()
    """When time alone may change what the rules say of it, by itself or as what others name."""
    needs: tuple[Use, ...] = ()
    """Uses of which one must be by something visible; empty: none is needed."""
    unsupported: str = Reason.REFERENCE_WITHHELD
    nameless: bool = False
    """Its creator may not be named."""
    changed: bool = False
    given_id: str = ""
    content: Json | None = None
    language_cut: Json | None = None
    cut: str = ""
    """What a reference that was cut had named, or the creator that was left out."""
    reasons: list[str] = field(default_factory=list)

    @property
    def facts(self) -> Facts:
        return self.candidate.facts


def close(
    region: Mapping[str, list[Candidate]], judge: Judge, copier: Copier, outside: Surroundings
) -> dict[str, list[Result]]:
    """Return, for every object of the region, the result of each of its versions, in the order given (ascending).

    The region must hold everything whose answer may change: what was touched, and what refers to it.
    """
    return _Closure(region, judge, copier, outside).run()


class _Closure:
    def __init__(self, region: Mapping[str, list[Candidate]], judge: Judge, copier: Copier, outside: Surroundings) -> None:
        self._judge = judge
        self._copier = copier
        self._outside = outside
        self._faces: dict[str, Face] = {}
        self._hidden = {
            candidate.facts.created_by
            for candidates in region.values()
            for candidate in candidates
            if candidate.facts.created_by and any(rule.hide_creator for rule in judge(candidate.facts).changes)
        }
        self._states = {
            object_id: [self._solo(candidate) for candidate in candidates] for object_id, candidates in region.items()
        }
        self._users: dict[str, set[str]] = defaultdict(set)
        for state in self._all():
            for reference in state.facts.references:
                if reference.target in self._states:
                    self._users[reference.target].add(state.facts.id)

    def run(self) -> dict[str, list[Result]]:
        for object_id in self._states:
            self._apply_newest(object_id)
        while True:
            self._shrink()
            if not (self._derive() or self._drop_unsupported()):
                break
        return {
            object_id: [result for state in states for result in self._results(state)]
            for object_id, states in self._states.items()
        }

    def _all(self) -> Iterator[_State]:
        for states in self._states.values():
            yield from states

    # -- one version by itself ----------------------------------------------------------------------------------------

    def _solo(self, candidate: Candidate) -> _State:
        facts = candidate.facts
        if facts.type == "marking-definition":
            return self._marking(candidate)
        state = _State(candidate, self._judge(facts))
        if facts.type == "identity":
            self._identity(state)
        elif facts.type == "extension-definition" and state.verdict.outcome is not Outcome.SHARE:
            self._as_used(state, Use.EXTENSION)
        state.present = state.verdict.outcome is Outcome.SHARE
        state.reason = state.verdict.reason
        if state.present:
            self._edit(state)
        return state

    def _marking(self, candidate: Candidate) -> _State:
        """TLP definitions are always visible, others while something visible uses them (convention 12); own staff sees all."""
        share = self._judge.audience.share[0].name if self._judge.audience.reads else ""
        state = _State(candidate, Verdict(Outcome.SHARE, share), present=self._judge.audience.reads)
        if not state.present:
            state.reason = Reason.NO_RULE
        if candidate.facts.id not in TLP_LEVELS and not self._judge.audience.own:
            state.needs = (Use.MARKING, Use.GRANULAR)
        return state

    def _identity(self, state: _State) -> None:
        if state.verdict.outcome is not Outcome.SHARE:
            self._as_used(state, Use.CREATOR)
        elif state.facts.id in self._hidden or self._outside.hides(state.facts.id):
            state.needs = (Use.CREATOR,)
            state.unsupported = Reason.CREATOR_HIDDEN

    def _as_used(self, state: _State, use: Use) -> None:
        verdict = self._judge(state.facts, used=True)
        state.wakes = (state.verdict.wake_at, verdict.wake_at)
        if verdict.outcome is Outcome.SHARE:
            state.needs = (use,)
            state.unsupported = state.verdict.reason
            state.verdict = verdict
        else:
            state.unused = verdict

    def _edit(self, state: _State) -> None:
        creator = state.facts.created_by
        if creator and self._outside.creator_withheld(creator):
            state.nameless = True
        edited = self._copier.edit(state.candidate, state.verdict)
        if edited is None:
            return
        if edited.problem:
            state.present, state.reason = False, edited.problem
            return
        state.edited = edited

    def _apply_newest(self, object_id: str) -> None:
        """Where the newest version that is not on hold may not go out, no older one does (convention 14)."""
        newest = self._newest(object_id)
        if newest is None or newest.present:
            return
        for state in self._states[object_id]:
            if state is not newest and state.present and state.facts.version <= newest.facts.version:
                state.present, state.reason, state.because = False, Reason.SUPERSEDED, newest.because

    def _newest(self, object_id: str) -> _State | None:
        states = self._states[object_id]
        return next((state for state in reversed(states) if state.verdict.outcome is not Outcome.HOLD), None)

    # -- the greatest fixed point -----------------------------------------------------------------------------------

    def _shrink(self) -> None:
        queue = deque(self._states)
        queued = set(queue)
        while queue:
            object_id = queue.popleft()
            queued.discard(object_id)
            before = self._face(object_id).kind is Kind.ABSENT
            for state in self._states[object_id]:
                if state.present:
                    self._check(state)
            self._apply_newest(object_id)
            if not before and self._face(object_id).kind is Kind.ABSENT:
                for user in self._users[object_id] - queued:
                    queue.append(user)
                    queued.add(user)

    def _check(self, state: _State) -> None:
        gone = [ref for ref in state.facts.references if self._target(ref.target).kind is Kind.ABSENT]
        if gone and not self._copier.can_cut(state.candidate, state.edited, {ref.target for ref in gone}):
            state.present, state.reason, state.because = False, Reason.REFERENCE_WITHHELD, gone[0].target
            return
        if state.facts.type == "language-content":
            self._check_language(state)

    def _check_language(self, state: _State) -> None:
        """A translation repeats properties of its object: what was edited or cut there is cut here too, or this is withheld."""
        target = state.candidate.obj.get("object_ref")
        edits = [other.edited for other in self._states.get(str(target), ()) if other.edited is not None]
        touched = {name for edited in edits for name in edited.cut | edited.rewritten}
        if not touched:
            if target not in self._states and self._target(str(target)).kind is Kind.DERIVED:
                state.present, state.reason, state.because = False, Reason.REFERENCE_WITHHELD, str(target)
            return
        cut = cut_language(state.candidate.obj, touched)
        if cut is None:
            state.present, state.reason, state.because = False, Reason.PROPERTY_MARKING, str(target)
        elif cut != state.candidate.obj:
            state.language_cut = cut

    def _face(self, object_id: str) -> Face:
        shown = next((state for state in reversed(self._states[object_id]) if state.present), None)
        if shown is None:
            return ABSENT
        return Face(Kind.DERIVED, shown.given_id) if shown.changed else Face(Kind.ORIGINAL, object_id)

    def _target(self, target: str) -> Face:
        if target in self._states:
            return self._face(target)
        face = self._faces.get(target)
        if face is None:
            face = self._outside.face(target)
            kind = target.partition("--")[0]
            if face.kind is Kind.UNSEEN and kind in OBSERVABLE_TYPES and self._judge.cuts_unseen(kind):
                face = ABSENT
            self._faces[target] = face
        return face

    # -- copies -------------------------------------------------------------------------------------------------------

    def _derive(self) -> bool:
        """Find what must be a copy, make the copies, and return whether one could not be made, so that more must go."""
        for state in self._all():
            state.changed = state.present and self._changes_alone(state)
            state.given_id, state.content = "", None
        queue = deque({state.facts.id for state in self._all() if state.changed})
        while queue:
            for user in self._users[queue.popleft()]:
                for state in self._states[user]:
                    if state.present and not state.changed and self._points_to_copy(state):
                        state.changed = True
                        queue.append(user)
        copies = [state for state in self._all() if state.changed]
        for state in copies:
            state.given_id = self._copier.keyed_id(state.facts.id)
        for state in sorted(copies, key=lambda state: state.facts.type not in OBSERVABLE_TYPES):
            if state.content is None:
                self._copy(state, frozenset())
        for object_id in self._states:
            self._apply_newest(object_id)
        return not all(state.present for state in copies)

    def _changes_alone(self, state: _State) -> bool:
        if state.edited is not None or state.nameless or state.language_cut is not None:
            return True
        return any(
            self._target(ref.target).kind is Kind.ABSENT
            or (ref.target not in self._states and self._target(ref.target).kind is Kind.DERIVED)
            for ref in state.facts.references
        )

    def _points_to_copy(self, state: _State) -> bool:
        return any(self._target(ref.target).kind is Kind.DERIVED for ref in state.facts.references)

    def _copy(self, state: _State, above: frozenset[str]) -> None:
        """Make the copy of one version.

        The id of an observable is made of its values, other observables' ids among them, so those are made first; ``above`` are
        the ones that wait for this one.
        """
        waiting = above | {state.facts.id}
        moved: dict[str, str | None] = {}
        for ref in state.facts.references:
            if ref.target not in waiting and ref.target.partition("--")[0] in OBSERVABLE_TYPES:
                for other in self._states.get(ref.target, ()):
                    if other.changed and other.content is None and other.present:
                        self._copy(other, waiting)
            face = self._target(ref.target)
            if face.kind is Kind.ABSENT:
                moved[ref.target] = None
            elif face.kind is Kind.DERIVED:
                moved[ref.target] = face.id
        candidate = state.candidate
        if state.language_cut is not None:
            candidate = Candidate(candidate.key, candidate.facts, state.language_cut)
        made = self._copier.copy(candidate, state.edited, moved, state.given_id)
        if made.content is None:
            state.present, state.reason = False, made.problem
            return
        state.content, state.given_id = made.content, made.content["id"]
        state.reasons = list(state.edited.reasons) if state.edited is not None else []
        if state.nameless or None in moved.values():
            state.reasons.append(Reason.REFERENCE_CUT)
            named = (state.facts.created_by if state.nameless else "", *(old for old, new in moved.items() if new is None))
            state.cut = next(filter(None, named))
        if state.language_cut is not None:
            state.reasons.append(Reason.PROPERTY_MARKING)

    # -- what is visible only while something visible names it --------------------------------------------------------

    def _drop_unsupported(self) -> bool:
        unsupported = self._unsupported()
        for state in unsupported:
            state.present, state.reason = False, state.unsupported
        for object_id in self._states:
            self._apply_newest(object_id)
        return bool(unsupported)

    def _unsupported(self) -> list[_State]:
        """Return what needs to be named and is not: by itself, or by what stands only while it does, nothing is named."""
        waiting = [state for state in self._all() if state.present and state.needs]
        named: set[tuple[str, Use]] = set()
        for state in self._all():
            if state.present and not state.needs:
                named |= self._names(state)
        asked = False
        while waiting:
            backed = [any((state.facts.id, use) in named for use in state.needs) for state in waiting]
            if not any(backed) and not asked:
                asked = True
                backed = [self._outside.used(state.facts.id, state.needs) for state in waiting]
            if not any(backed):
                break
            for state in compress(waiting, backed):
                named |= self._names(state)
            waiting = [state for state, standing in zip(waiting, backed, strict=True) if not standing]
        return waiting

    def _names(self, state: _State) -> set[tuple[str, Use]]:
        """Return (target, use) for all that a visible version names, a copy as it goes out."""
        facts = state.facts
        content = state.content if state.content is not None else state.candidate.obj
        named = {(marking, Use.MARKING) for marking in facts.markings}
        if not state.changed and facts.created_by:
            named.add((facts.created_by, Use.CREATOR))
        named.update((key, Use.EXTENSION) for key in content.get("extensions") or ())
        named.update(
            (item["marking_ref"], Use.GRANULAR) for item in content.get("granular_markings") or () if "marking_ref" in item
        )
        return named

    def _results(self, state: _State) -> Iterator[Result]:
        yield self._result(state)
        link = self._copier.link(state.candidate, state.content, state.verdict) if state.present and state.content else None
        if link is not None:
            yield Result(
                key=-state.candidate.key,
                facts=facts_of(link, state.facts.provenance),
                visible=True,
                given_id=link["id"],
                content=link,
                rule=state.verdict.rule,
                reasons=(LINKED,),
                source=state.facts.id,
            )

    def _result(self, state: _State) -> Result:
        verdict, unused = state.verdict, state.unused
        reasons = list(state.reasons)
        if verdict.override:
            reasons.append(Reason.OVERRIDE)
        if state.present and state.facts.revoked:
            reasons.append("revoked")
        return Result(
            key=state.candidate.key,
            facts=state.facts,
            visible=state.present,
            given_id=(state.given_id if state.changed else state.facts.id) if state.present else "",
            content=state.content if state.present and state.changed else None,
            rule=verdict.rule,
            reason="" if state.present else state.reason,
            reasons=tuple(dict.fromkeys(reasons)) if state.present else (),
            because=state.cut if state.present and state.changed else state.because,
            unused=(unused.reason, unused.rule) if unused is not None else None,
            wake_at=min((at for at in state.wakes or (verdict.wake_at,) if at is not None), default=None),
            held=verdict.outcome is Outcome.HOLD,
            changes=_editing(state),
        )


def _editing(state: _State) -> tuple[str, ...]:
    """Return the names of the change rules behind an edit, none where only a granular marking cut something."""
    edited = state.edited is not None and set(state.edited.reasons) - {Reason.PROPERTY_MARKING}
    if edited or state.reason == Reason.UNTRANSFORMABLE:
        return tuple(rule.name for rule in state.verdict.changes)
    return ()
