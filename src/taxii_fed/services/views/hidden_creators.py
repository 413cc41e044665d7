"""Creators that some object hides from an audience: kept beside each view, so that not all that a creator made is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.judge import Judge
from taxii_fed.core.stix.facts import Facts, Use
from taxii_fed.core.views.results import Candidate
from taxii_fed.ports import View
from taxii_fed.services.views.judges import Judges
from taxii_fed.services.views.loaded import Loaded

HIDDEN = "hidden"
"""Documents that hold, for each view and audience, the identities that some object hides as its creator, each with one that does."""


class HiddenCreators:
    """Which creators are hidden, from whom, and by what; ``objects`` are those of the region."""

    def __init__(self, loaded: Loaded, judges: Judges, objects: set[str], touched: set[str], fresh: frozenset[str]) -> None:
        self._loaded = loaded
        self._judges = judges
        self._objects = objects
        self._touched = touched
        self._fresh = fresh
        self._now: dict[str, dict[str, str]] = {}
        self._before: dict[str, dict[str, str]] = {}

    def hides(self, view: View, audience: Audience, identity: str) -> bool:
        """Return whether an object outside the region hides this creator from the audience.

        Which ones are hidden, and by what, is kept beside the view; objects are searched only where that may be out of date.
        """
        if not any(rule.hide_creator for rule in audience.change):
            return False
        hidden = self._hidden(view, audience)
        if identity not in self._touched:
            if identity not in hidden:
                return False
            if not any(self._named_before(each, identity) for each in self._objects):
                return True
        found = self._search_hiding(view, audience, identity, hidden.get(identity))
        if found:
            hidden[identity] = found
        else:
            hidden.pop(identity, None)
        return bool(found)

    def _named_before(self, object_id: str, identity: str) -> bool:
        """Return whether an object of the region may have hidden this creator until now."""
        return object_id not in self._fresh and any(
            candidate.facts.created_by == identity for candidate in self._loaded.objects[object_id]
        )

    def _search_hiding(self, view: View, audience: Audience, identity: str, likely: str | None) -> str:
        """Return an object outside the region that hides this creator, "" where there is none; ``likely`` is looked at first."""
        reader, collection = self._loaded.reader, self._loaded.collection.id
        judge = self._judges.of(view, audience)

        def hides(user: str) -> bool:
            if user in self._objects:
                return False
            return any(_hides_creator(judge, candidate.facts, identity) for candidate in self._loaded.glance(user))

        if likely is not None and hides(likely):
            return likely
        users = reader.users(collection, [identity], [Use.CREATOR]).get(identity, ())
        return next((user for user in users if hides(user)), "")

    def moved(self) -> list[tuple[str, dict[str, str]]]:
        """Return the documents of `HIDDEN`, by name, that judging changed."""
        return [(name, found) for name, found in self._now.items() if found != self._before[name]]

    def note(self, view: View, audience: Audience, judge: Judge, rest: Mapping[str, Sequence[Candidate]]) -> None:
        """Keep which creators the objects of the region hide."""
        if not any(rule.hide_creator for rule in audience.change):
            return
        hidden = self._hidden(view, audience)
        for object_id, candidates in rest.items():
            for creator in {candidate.facts.created_by for candidate in candidates}:
                if creator and any(_hides_creator(judge, candidate.facts, creator) for candidate in candidates):
                    hidden.setdefault(creator, object_id)

    def _hidden(self, view: View, audience: Audience) -> dict[str, str]:
        """Return which identities are hidden from the audience, each with an object that hides it."""
        name = f"{view.id}:{audience.signature[:16]}"
        hidden = self._now.get(name)
        if hidden is None:
            before = self._before[name] = self._loaded.reader.doc(HIDDEN, name) or {}
            hidden = self._now[name] = dict(before)
        return hidden


def _hides_creator(judge: Judge, facts: Facts, identity: str) -> bool:
    return facts.created_by == identity and any(rule.hide_creator for rule in judge(facts).changes)
