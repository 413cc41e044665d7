"""How one audience's derived copies are made: `core.derive` under the audience's rules (sharing-rule model, sections 4 and 7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from taxii_fed.core import derive
from taxii_fed.core.closure import Candidate, Copy
from taxii_fed.core.derive import Edited, Edits
from taxii_fed.core.facts import OBSERVABLE_TYPES, Json
from taxii_fed.core.jsontext import dumps
from taxii_fed.core.keys import Keys
from taxii_fed.core.levels import Level
from taxii_fed.core.links import link_of
from taxii_fed.core.markings import Meanings, Word
from taxii_fed.core.sharing import Audience, Reason, Verdict


class AudienceCopier:
    """`closure.Copier` for one audience. ``creator`` is the node's identity, which derived copies name."""

    def __init__(self, keys: Keys, creator: str, audience: Audience, meanings: Meanings) -> None:
        self._keys = keys
        self._creator = creator
        self._meanings = meanings
        self._profile = derive.profile((*audience.change, *audience.lapsed))
        self._merged: dict[tuple[object, ...], Edits] = {}
        self._edits: dict[int, Edits] = {}

    def edit(self, candidate: Candidate, verdict: Verdict) -> Edited | None:
        """Return the edited object, None where nothing bites."""
        if not verdict.changes and not candidate.facts.granular:
            return None
        edits = self._edits_of(verdict, candidate.facts.provenance.origin)
        self._edits[candidate.key] = edits
        if not derive.may_hit(dumps(candidate.obj), edits):
            return None
        edited = derive.edit(candidate.obj, edits, self._keys)
        return edited if edited.changed or edited.problem else None

    def can_cut(self, candidate: Candidate, edited: Edited | None, absent: Collection[str]) -> bool:
        """Return whether the object is still whole once the references to ``absent`` are gone."""
        obj = candidate.obj if edited is None else edited.obj
        return derive.cut_references(obj, absent, {}).problem != Reason.REFERENCE_WITHHELD

    def copy(self, candidate: Candidate, edited: Edited | None, moved: Mapping[str, str | None], keyed_id: str) -> Copy:
        """Return the copy, or why there is none: what is no valid STIX, or still names its source, stays here."""
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
        edits = self._edits.get(candidate.key, Edits())
        copy, problem = derive.finish(
            closed.obj,
            source_id=candidate.facts.id,
            new_id=new_id,
            creator=self._creator,
            mark=edits.mark,
            credit=edits.credit,
        )
        if problem or derive.valid(copy):
            return Copy(None, problem or Reason.UNTRANSFORMABLE)
        return Copy(copy)

    def keyed_id(self, source_id: str) -> str:
        """Return the id of a derived copy of ``source_id`` for this audience."""
        return self._keys.derived_id(source_id, self._profile)

    def link(self, candidate: Candidate, copy: Json, verdict: Verdict) -> Json | None:
        """Return the relationship of a copy to its source, None where the rules do not all ask for one."""
        if not self._edits_of(verdict, candidate.facts.provenance.origin).link:
            return None
        return link_of(copy, candidate.facts.id, self._creator, self._keys)

    def _edits_of(self, verdict: Verdict, origin: str) -> Edits:
        key = (*(change.name for change in verdict.changes), verdict.ceiling, origin)
        edits = self._merged.get(key)
        if edits is None:
            level = partial(self._level, origin)
            edits = self._merged[key] = derive.merge_edits(verdict.changes, ceiling=verdict.ceiling, marking_level=level)
        return edits

    def _level(self, origin: str, marking_id: str) -> Level | None:
        meaning = self._meanings(marking_id, origin)
        if meaning is Word.UNKNOWN:
            return None
        return meaning if isinstance(meaning, Level) else Level.CLEAR
