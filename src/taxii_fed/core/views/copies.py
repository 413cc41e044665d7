"""How derived copies are made: `core.derive` under the rules of each audience (sharing model, sections 4 and 7).

What one audience's rules make of an object, the same rules make of it for the next: it is made, and found valid, once for all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from taxii_fed.core import derive
from taxii_fed.core.derive import Edited, Edits
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.judge import Reason, Verdict
from taxii_fed.core.rules.markings import Meanings, Word
from taxii_fed.core.rules.model import Change
from taxii_fed.core.stix.facts import LOCAL, OBSERVABLE_TYPES, Json
from taxii_fed.core.stix.jsontext import dumps
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.views.closure import Copy
from taxii_fed.core.views.links import link_of
from taxii_fed.core.views.results import Candidate


@dataclass(frozen=True, slots=True, eq=False)
class Treatment:
    """Edits, with what came of them so far: by version key, and by version key, new targets of references and keyed id."""

    edits: Edits
    edited: dict[int, Edited | None] = field(default_factory=dict)
    copies: dict[tuple[int, frozenset[tuple[str, str | None]], str], Copy] = field(default_factory=dict)


class Workshop:
    """Where the copies of one settling are made. ``creator`` is the node's identity, which derived copies name."""

    def __init__(self, keys: Keys, creator: str, meanings: Meanings) -> None:
        self.keys = keys
        self.creator = creator
        self._meanings = meanings
        self._treatments: dict[tuple[tuple[Change, ...], Level, str], Treatment] = {}
        self.untreated = Treatment(Edits())

    def treatment(self, changes: tuple[Change, ...], ceiling: Level, origin: str) -> Treatment:
        """Return what these rules ask for together; ``ceiling`` and ``origin`` count for granular markings."""
        key = (changes, ceiling, origin)
        treatment = self._treatments.get(key)
        if treatment is None:
            edits = derive.merge_edits(changes, ceiling=ceiling, marking_level=partial(self._level, origin))
            treatment = self._treatments[key] = Treatment(edits)
        return treatment

    def edit(self, candidate: Candidate, treatment: Treatment) -> Edited | None:
        """Return the edited object, None where nothing bites."""
        if candidate.key not in treatment.edited:
            treatment.edited[candidate.key] = self._edit(candidate, treatment.edits)
        return treatment.edited[candidate.key]

    def copy(
        self, candidate: Candidate, edited: Edited | None, treatment: Treatment, moved: Mapping[str, str | None], keyed_id: str
    ) -> Copy:
        """Return the copy, or why there is none: what is no valid STIX, or still names its source, stays here."""
        if candidate.facts.type == "language-content":  # cut to what its object lost
            return self._copy(candidate, edited, treatment.edits, moved, keyed_id)
        key = (candidate.key, frozenset(moved.items()), keyed_id)
        copy = treatment.copies.get(key)
        if copy is None:
            copy = treatment.copies[key] = self._copy(candidate, edited, treatment.edits, moved, keyed_id)
        return copy

    def _edit(self, candidate: Candidate, edits: Edits) -> Edited | None:
        if not derive.may_hit(dumps(candidate.obj), edits):
            return None
        edited = derive.edit(candidate.obj, edits, self.keys)
        return edited if edited.changed or edited.problem else None

    def _copy(
        self, candidate: Candidate, edited: Edited | None, edits: Edits, moved: Mapping[str, str | None], keyed_id: str
    ) -> Copy:
        source = candidate.obj
        obj = source if edited is None else edited.obj
        absent = {target for target, new_id in moved.items() if new_id is None}
        replaced = {target: new_id for target, new_id in moved.items() if new_id is not None}
        closed = derive.cut_references(obj, absent, replaced)
        if closed.problem:
            return Copy(None, closed.problem)
        new_id = keyed_id
        if candidate.facts.type in OBSERVABLE_TYPES and derive.contributing_changed(source, closed.obj):
            new_id = derive.observable_id(closed.obj) or keyed_id
        copy, problem = derive.finish(
            closed.obj,
            source_id=candidate.facts.id,
            new_id=new_id,
            creator=self.creator,
            mark=edits.mark,
            credit=edits.credit,
        )
        if problem or derive.valid(copy):
            return Copy(None, problem or Reason.UNTRANSFORMABLE)
        return Copy(copy)

    def _level(self, origin: str, marking_id: str) -> Level | None:
        meaning = self._meanings(marking_id, origin)
        if meaning is Word.UNKNOWN:
            return None
        return meaning if isinstance(meaning, Level) else Level.CLEAR


class AudienceCopier:
    """`closure.Copier` for one audience."""

    def __init__(self, workshop: Workshop, audience: Audience) -> None:
        self._workshop = workshop
        self._profile = derive.profile((*audience.change, *audience.lapsed))
        self._merged: dict[tuple[object, ...], Treatment] = {}
        self._treated: dict[int, Treatment] = {}

    def edit(self, candidate: Candidate, verdict: Verdict) -> Edited | None:
        """Return the edited object, None where nothing bites."""
        if not verdict.changes and not candidate.facts.granular:
            return None
        treatment = self._treated[candidate.key] = self._treatment(candidate, verdict)
        return self._workshop.edit(candidate, treatment)

    def can_cut(self, candidate: Candidate, edited: Edited | None, absent: Collection[str]) -> bool:
        """Return whether the object is still whole once the references to ``absent`` are gone."""
        obj = candidate.obj if edited is None else edited.obj
        return derive.cut_references(obj, absent, {}).problem != Reason.REFERENCE_WITHHELD

    def copy(self, candidate: Candidate, edited: Edited | None, moved: Mapping[str, str | None], keyed_id: str) -> Copy:
        """Return the copy, or why there is none."""
        treatment = self._treated.get(candidate.key, self._workshop.untreated)
        return self._workshop.copy(candidate, edited, treatment, moved, keyed_id)

    def keyed_id(self, source_id: str) -> str:
        """Return the id of a derived copy of ``source_id`` for this audience."""
        return self._workshop.keys.derived_id(source_id, self._profile)

    def link(self, candidate: Candidate, copy: Json, verdict: Verdict) -> Json | None:
        """Return the relationship of a copy to its source, None where the rules do not all ask for one."""
        if not self._treatment(candidate, verdict).edits.link:
            return None
        return link_of(copy, candidate.facts.id, self._workshop.creator, self._workshop.keys)

    def _treatment(self, candidate: Candidate, verdict: Verdict) -> Treatment:
        ceiling, origin = verdict.ceiling, candidate.facts.provenance.origin
        if not candidate.facts.granular:
            ceiling, origin = Level.RED, LOCAL
        key = (*(change.name for change in verdict.changes), ceiling, origin)
        treatment = self._merged.get(key)
        if treatment is None:
            treatment = self._merged[key] = self._workshop.treatment(verdict.changes, ceiling, origin)
        return treatment
