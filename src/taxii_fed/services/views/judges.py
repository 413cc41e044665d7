"""What the rules say in each view of a collection, for one settling."""

from __future__ import annotations

from collections.abc import Sequence

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.judge import Approval, Judge, Outcome
from taxii_fed.ports import View
from taxii_fed.services.views import approvals
from taxii_fed.services.views.apart import kept_back
from taxii_fed.services.views.loaded import Loaded


class Judges:
    """A judge for each view and audience, with the approvals that count in the collection."""

    def __init__(self, loaded: Loaded, keys: Keys) -> None:
        self._loaded = loaded
        self._keys = keys
        self._judges: dict[tuple[int, str], Judge] = {}
        self._approved: dict[str, Sequence[Approval]] = {}
        self._apart: dict[str, bool] = {}

    def of(self, view: View, audience: Audience) -> Judge:
        """Return the judge of an audience in a view."""
        key = (view.id, audience.signature)
        judge = self._judges.get(key)
        if judge is None:
            loaded = self._loaded
            lasting = loaded.verdicts.setdefault(audience.signature, {})
            judge = Judge(audience, loaded.in_force, loaded.meanings(()), loaded.now, self._approvals, lasting)
            self._judges[key] = judge
        return judge

    def _approvals(self, object_id: str) -> Sequence[Approval]:
        found = self._approved.get(object_id)
        if found is None:
            rows = approvals.standing(self._loaded.reader, self._loaded.collection.id, [object_id])
            found = self._approved[object_id] = rows.get(object_id, [])
        return found

    def unnameable(self, view: View, audience: Audience, identity: str) -> bool:
        """Return whether nobody may name an identity: its own marking, a veto, a hold or the door withholds it, or it was erased."""
        candidates = self._loaded.objects.get(identity)
        if candidates is None:
            self._loaded.load([identity])
            candidates = self._loaded.objects[identity]
        judge = self.of(view, audience)
        if not candidates:
            return self.lies_apart(identity)
        for candidate in reversed(candidates):
            verdict = judge(candidate.facts, used=True)
            if verdict.outcome is not Outcome.HOLD:
                return verdict.outcome is Outcome.WITHHOLD
        return True

    def lies_apart(self, object_id: str) -> bool:
        """Return whether an object without a version here is kept back at the door, or was erased."""
        apart = self._apart.get(object_id)
        if apart is None:
            reader = self._loaded.reader
            found = kept_back(reader, self._loaded.collection.id, [object_id]) or reader.refused(
                [self._keys.erased_mark(object_id)]
            )
            apart = self._apart[object_id] = bool(found)
        return apart
