"""The bulk of a region at little cost: objects of which the closure of references can change nothing.

They have one version and no edits, are not of a kind that leans on others, and refer to nothing but originals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.judge import Judge, Outcome, Reason, Verdict
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, Facts, Use, uses_of
from taxii_fed.core.views.results import ABSENT, UNSEEN, Candidate, Face, Kind, Result
from taxii_fed.ports import View
from taxii_fed.services.views.growing import leans_on_others
from taxii_fed.services.views.judges import Judges
from taxii_fed.services.views.loaded import Loaded


class Plain:
    """Judges what is plain among the objects of a region, one audience after the other."""

    def __init__(self, loaded: Loaded, judges: Judges, objects: set[str]) -> None:
        self._loaded = loaded
        self._judges = judges
        self._objects = objects
        self._ordered: list[tuple[str, Candidate]] | None = None
        self._results: dict[tuple[int, str, bool, int | None], Result] = {}

    def settle(self, view: View, audience: Audience, judge: Judge, faces: dict[str, Face]) -> dict[str, list[Result]]:
        """Return the results of the plain objects, and note in ``faces`` what each looks like; they hold what lies outside."""
        results: dict[str, list[Result]] = {}
        nameable: dict[str, bool] = {}
        for object_id, candidate in self._candidates():
            facts = candidate.facts
            verdict = judge(facts)
            if verdict.outcome is not Outcome.SHARE:
                faces[object_id] = ABSENT
                held = verdict.outcome is Outcome.HOLD
                results[object_id] = [
                    Result(
                        candidate.key,
                        facts,
                        visible=False,
                        rule=verdict.rule,
                        reason=verdict.reason,
                        wake_at=verdict.wake_at,
                        held=held,
                    )
                ]
                continue
            creator = facts.created_by
            if creator and creator not in nameable:
                nameable[creator] = not self._judges.unnameable(view, audience, creator)
            if verdict.changes or (creator and not nameable[creator]) or not self._finds_originals(facts, faces, judge):
                continue
            faces[object_id] = Face(Kind.ORIGINAL, object_id)
            results[object_id] = [self._result(candidate, verdict)]
        return results

    def _candidates(self) -> list[tuple[str, Candidate]]:
        """Return what may be plain, what has no references first, lists of references last; the same for all views."""
        if self._ordered is None:
            ranked: tuple[list[tuple[str, Candidate]], ...] = ([], [], [])
            for object_id in self._objects:
                candidates = self._loaded.objects[object_id]
                if len(candidates) != 1 or leans_on_others(object_id) or candidates[0].facts.granular:
                    continue
                references = candidates[0].facts.references
                last = references and any(len(each.path) > 1 for each in references)
                ranked[2 if last else 1 if references else 0].append((object_id, candidates[0]))
            self._ordered = [each for rank in ranked for each in rank]
        return self._ordered

    def _finds_originals(self, facts: Facts, faces: Mapping[str, Face], judge: Judge) -> bool:
        for reference in facts.references:
            target = reference.target
            face = faces.get(target)
            if face is None:
                if target in self._objects:
                    return False
                face = UNSEEN
            if face.kind is Kind.UNSEEN:
                kind = target.partition("--")[0]
                if kind in OBSERVABLE_TYPES and judge.cuts_unseen(kind):
                    return False
            elif face.kind is not Kind.ORIGINAL:
                return False
        return True

    def _result(self, candidate: Candidate, verdict: Verdict) -> Result:
        key = (candidate.key, verdict.rule, verdict.override, verdict.wake_at)
        result = self._results.get(key)
        if result is None:
            facts = candidate.facts
            reasons = ((Reason.OVERRIDE,) if verdict.override else ()) + (("revoked",) if facts.revoked else ())
            result = self._results[key] = Result(
                candidate.key,
                facts,
                visible=True,
                given_id=facts.id,
                rule=verdict.rule,
                reasons=reasons,
                wake_at=verdict.wake_at,
            )
        return result


def named_by(results: Mapping[str, Sequence[Result]]) -> set[tuple[str, Use]]:
    """Return what the visible originals among these name, and how."""
    return {
        (target, use)
        for rows in results.values()
        for row in rows
        if row.visible
        for target, uses in uses_of(row.facts).items()
        for use in uses
    }
