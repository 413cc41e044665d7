"""The objects of a collection whose answer may change, judged together for one view after the other.

`growing` finds them, `outside` reads what they refer to and leave alone, `plain` judges the bulk, `core.views.closure` the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.stix.facts import Use
from taxii_fed.core.views.closure import close
from taxii_fed.core.views.copies import AudienceCopier, Workshop
from taxii_fed.core.views.results import UNSEEN, Face, Result
from taxii_fed.ports import View, Writer
from taxii_fed.services.views.alike import Alike, alike
from taxii_fed.services.views.difference import CHANGED
from taxii_fed.services.views.growing import Growing, leans_on_others
from taxii_fed.services.views.hidden_creators import HiddenCreators
from taxii_fed.services.views.judges import Judges
from taxii_fed.services.views.loaded import Loaded
from taxii_fed.services.views.outside import Outside
from taxii_fed.services.views.plain import Plain, named_by


class Region:
    """The objects whose answer may change, for all views at once: what was touched, what refers to it, what it makes visible."""

    def __init__(
        self,
        keys: Keys,
        loaded: Loaded,
        views: Sequence[tuple[View, tuple[Audience, ...]]],
        touched: set[str],
        fresh: frozenset[str],
        unchanged: frozenset[str] = frozenset(),
    ) -> None:
        self._keys = keys
        self._loaded = loaded
        self._views = views
        self._touched = touched | unchanged
        self.fresh = fresh
        self._judges = Judges(loaded, keys)
        self._growing = Growing(loaded, self._judges, views, touched, self._touched, fresh)
        self._workshop = Workshop(keys, loaded.in_force.identity, loaded.meanings(()))
        self._take(set())
        self.wakes: set[tuple[int, str]] = set()

    def grow(self, writer: Writer) -> set[str]:
        """Return the ids of the region, everything loaded that judging it takes."""
        self._take(self._growing.grow(writer))
        return self._objects

    def explain(self, object_id: str, view: View | None, audience: Audience) -> list[Result]:
        """Return the results of one object, all around it taken as it stands; ``view`` None: for a party that reads nothing here."""
        self._take(self._growing.just({object_id}))
        seen = view or View(id=0, collection=self._loaded.collection.id, head=0, wake_at=None)
        return self.close(seen, (audience,)).get(object_id, [])

    def all(self, object_ids: set[str], view: View, audience: Audience) -> dict[str, list[Result]]:
        """Return the results of all objects of a collection, judged together."""
        self._take(self._growing.just(object_ids))
        return self.close(view, (audience,))

    def moved_hidden(self) -> list[tuple[str, dict[str, str]]]:
        """Return the documents of `hidden_creators.HIDDEN`, by name, that judging changed."""
        return self._hidden.moved()

    def _take(self, objects: set[str]) -> None:
        self._objects = objects
        self._outside = Outside(self._keys, self._loaded, self._views, objects, self.fresh)
        self._plain = Plain(self._loaded, self._judges, objects)
        self._hidden = HiddenCreators(self._loaded, self._judges, objects, self._touched, self.fresh)

    def alike(self) -> list[Alike]:
        """Return the views in groups for which `close` gives the same; it need be asked for the first of each only."""
        return alike(self._loaded, self._objects, self._outside, self._views)

    def close(self, view: View, audiences: Sequence[Audience]) -> dict[str, list[Result]]:
        """Return the results of the region for one view: what passes all audiences alike."""
        found = [self._close(view, audience) for audience in audiences]
        return found[0] if len(found) == 1 else _meet(found)

    def _close(self, view: View, audience: Audience) -> dict[str, list[Result]]:
        judge, faces = self._judges.of(view, audience), self._outside.faces(view)
        results = self._plain.settle(view, audience, judge, faces)
        rest = {
            each: candidates for each in self._objects if each not in results and (candidates := self._loaded.objects[each])
        }
        if rest:
            copier = AudienceCopier(self._workshop, audience)
            named = named_by(results) if any(leans_on_others(each) for each in rest) else set()
            around = _Around(view, audience, faces, named, self._outside, self._hidden, self._judges)
            results.update(close(rest, judge, copier, around))
            self._hidden.note(view, audience, judge, rest)
        for object_id, rows in results.items():
            for row in rows:
                if row.wake_at is not None:
                    self.wakes.add((row.wake_at, object_id))
        return results


@dataclass(frozen=True, slots=True)
class _Around:
    """`core.views.closure.Surroundings` for one view and audience: what is plain in the region, and what lies outside."""

    view: View
    audience: Audience
    faces: Mapping[str, Face]
    named: Collection[tuple[str, Use]]
    outside: Outside
    hidden: HiddenCreators
    judges: Judges

    def face(self, target: str) -> Face:
        return self.faces.get(target, UNSEEN)

    def used(self, target: str, uses: tuple[Use, ...]) -> bool:
        return any((target, use) in self.named for use in uses) or self.outside.used(self.view, target, uses)

    def hides(self, identity: str) -> bool:
        return self.hidden.hides(self.view, self.audience, identity)

    def creator_withheld(self, identity: str) -> bool:
        return self.judges.unnameable(self.view, self.audience, identity)


def _meet(found: Sequence[Mapping[str, list[Result]]]) -> dict[str, list[Result]]:
    """Return what all audiences see alike, for the time in which rules change: never more than before, never more than after."""
    others = [{row.key: row for rows in each.values() for row in rows} for each in found[1:]]
    return {
        object_id: [_met(row, [each.get(row.key) for each in others]) for row in rows] for object_id, rows in found[0].items()
    }


def _met(row: Result, others: Sequence[Result | None]) -> Result:
    """Return what all get, else a row that nobody gets, for the reason of the first who does not get it."""
    apart = [each for each in others if not _alike(row, each)]
    if not apart:
        return row
    reasons = (each.reason for each in (row, *apart) if each is not None and each.reason)
    return replace(row, visible=False, reason=next(reasons, CHANGED))


def _alike(one: Result, other: Result | None) -> bool:
    return (
        other is not None and one.visible and other.visible and one.given_id == other.given_id and one.content == other.content
    )
