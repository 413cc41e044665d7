"""How far a change reaches in a collection: the objects whose answer may change when something is touched.

What was touched, what refers to it (to any depth, unless nobody's picture of it changes), and what is visible only while something
visible names it. An addition so costs what is connected to it (sharing model, section 9).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.judge import Outcome
from taxii_fed.core.stix.facts import Use
from taxii_fed.core.stix.levels import TLP_LEVELS
from taxii_fed.core.views.results import Candidate
from taxii_fed.ports import Entry, View, Writer
from taxii_fed.services.views.judges import Judges
from taxii_fed.services.views.loaded import Loaded

UNNAMEABLE = "unnameable"
"""Documents that hold, for each view, the identities that nobody may name in it, and for each collection those without a version here."""


class Growing:
    """Finds the objects of a region, and loads everything that judging them takes."""

    def __init__(
        self,
        loaded: Loaded,
        judges: Judges,
        views: Sequence[tuple[View, tuple[Audience, ...]]],
        changed: set[str],
        touched: set[str],
        fresh: frozenset[str],
    ) -> None:
        self._loaded = loaded
        self._judges = judges
        self._views = views
        self._changed = changed
        self._touched = touched
        self._fresh = fresh
        self._leaning: dict[str, bool] = {}

    def just(self, object_ids: set[str]) -> set[str]:
        """Return these objects, and what translations among them repeat."""
        objects = object_ids | self._translated(object_ids)
        self._prepare(objects)
        return objects

    def grow(self, writer: Writer) -> set[str]:
        """Return the ids of all that was touched and whatever hangs on it."""
        reader, collection = self._loaded.reader, self._loaded.collection.id
        objects = set(self._touched)
        redefined = self._redefined()
        objects |= redefined
        self._prepare(objects)
        self._follow_creators(writer, objects, redefined)
        objects |= self._translated(objects)
        self._prepare(objects)
        frontier = set(objects)
        while frontier:
            users = reader.users(collection, frontier, [Use.REFERENCE])
            known = [target for target in users if target in self._touched]
            live = reader.live([view.id for view, _ in self._views], known) if known else {}
            moving = [target for target in users if not (target in self._touched and self._quiet(target, live))]
            found = {user for target in moving for user in users[target]} - objects
            self._prepare(found)
            named = self._named(frontier | found) - objects - found
            self._prepare(named)
            found |= named
            objects |= found
            frontier = found
        return objects

    def _translated(self, object_ids: set[str]) -> set[str]:
        """Return the objects that translations among these repeat properties of."""
        self._loaded.load(object_ids)
        return {
            str(candidate.obj.get("object_ref"))
            for each in object_ids
            for candidate in self._loaded.objects[each]
            if candidate.facts.type == "language-content"
        }

    def _prepare(self, object_ids: set[str]) -> None:
        loaded = self._loaded
        loaded.load(object_ids)
        candidates = [candidate for each in object_ids for candidate in loaded.objects[each]]
        loaded.load({candidate.facts.created_by for candidate in candidates if candidate.facts.created_by})
        loaded.meanings(candidates)

    def _redefined(self) -> set[str]:
        """Return what means something else since a marking definition came or went."""
        markings = {each for each in self._changed if each.startswith("marking-definition--") and each not in TLP_LEVELS}
        users = self._loaded.reader.users(self._loaded.collection.id, markings, [Use.MARKING, Use.GRANULAR]) if markings else {}
        return {user for each in users.values() for user in each}

    def _follow_creators(self, writer: Writer, objects: set[str], redefined: set[str]) -> None:
        """Where it changes whether an identity may be named, all that it made is looked at again."""
        identities = {each for each in self._touched | redefined if each.startswith("identity--")}
        if not identities:
            return
        moved = self._moved_apart(writer, identities)
        for view, audiences in self._views:
            before = set((writer.doc(UNNAMEABLE, str(view.id)) or {}).get("ids", ()))
            after = (before - identities) | {
                each for each in identities if any(self._judges.unnameable(view, audience, each) for audience in audiences)
            }
            if after != before:
                writer.put_doc(UNNAMEABLE, str(view.id), {"ids": sorted(after)})
                moved |= after ^ before
        moved &= self._changed | redefined
        if moved:
            users = writer.users(self._loaded.collection.id, moved, [Use.CREATOR])
            found = {user for each in users.values() for user in each}
            objects |= found
            self._prepare(found)

    def _moved_apart(self, writer: Writer, identities: set[str]) -> set[str]:
        """Return the identities that are kept back at the door since, or no longer: no walk over what is here comes by them."""
        name = self._loaded.collection.id
        before = set((writer.doc(UNNAMEABLE, name) or {}).get("ids", ()))
        after = (before - identities) | {
            each for each in identities if not self._loaded.objects.get(each) and self._judges.lies_apart(each)
        }
        if after != before:
            writer.put_doc(UNNAMEABLE, name, {"ids": sorted(after)} if after else None)
        return after ^ before

    def _named(self, object_ids: set[str]) -> set[str]:
        """Return what these name, is visible only while something visible names it, and may now come or go."""
        loaded = self._loaded
        naming: dict[str, list[Candidate]] = defaultdict(list)
        for object_id in object_ids:
            for candidate in loaded.objects[object_id]:
                facts = candidate.facts
                for target in (*facts.extensions, *facts.markings, *(marking for marking, _ in facts.granular)):
                    if target not in TLP_LEVELS:
                        naming[target].append(candidate)
                if facts.created_by and self._leans(facts.created_by):
                    naming[facts.created_by].append(candidate)
        loaded.load(naming)
        return {target for target, who in naming.items() if loaded.objects[target] and not self._steady(target, who)}

    def _leans(self, identity: str) -> bool:
        """Return whether an identity is visible to some audience only while something visible names it."""
        leaning = self._leaning.get(identity)
        if leaning is None:
            leaning = self._leaning[identity] = any(
                any(rule.hide_creator for rule in audience.change)
                or self._judges.of(view, audience)(candidate.facts).outcome is not Outcome.SHARE
                for candidate in self._loaded.objects.get(identity, ())
                for view, audiences in self._views
                for audience in audiences
            )
        return leaning

    def _steady(self, target: str, naming: Sequence[Candidate]) -> bool:
        """Return whether a thing that leans on others stays as it is in every view, whatever becomes of those that name it here.

        What is visible, in all its versions, stays so while nothing that was visible may go; what is not comes only when something
        visible names it.
        """
        if target in self._touched:
            return False
        fresh = all(candidate.facts.id in self._fresh for candidate in naming)
        live = self._loaded.reader.live([view.id for view, _ in self._views], [target])
        for view, audiences in self._views:
            if any(rule.hide_creator for audience in audiences for rule in audience.change):
                return False
            if entries := live.get(view.id, {}).get(target):
                if not fresh or len(entries) < len(self._loaded.objects[target]):
                    return False
            elif any(self._may_come(view, audience, candidate) for candidate in naming for audience in audiences):
                return False
        return True

    def _may_come(self, view: View, audience: Audience, candidate: Candidate) -> bool:
        """Return whether something may be visible by itself, or as what something visible names."""
        facts, judge = candidate.facts, self._judges.of(view, audience)
        leans = leans_on_others(facts.id)
        return (
            facts.type == "marking-definition"
            or judge(facts).outcome is Outcome.SHARE
            or (leans and judge(facts, used=True).outcome is Outcome.SHARE)
        )

    def _quiet(self, object_id: str, live: Mapping[int, Mapping[str, list[Entry]]]) -> bool:
        """Return whether nobody's picture of the object changes, whatever hangs on it: then what refers to it may rest."""
        candidates = self._loaded.objects[object_id]
        if object_id in self._fresh:  # a reference to what was never seen stays; to what is seen and withheld it goes
            return False
        if not candidates or object_id.partition("--")[0] in ("identity", "marking-definition", "extension-definition"):
            return False
        for view, audiences in self._views:
            entries = live.get(view.id, {}).get(object_id, [])
            for audience in audiences:
                judge = self._judges.of(view, audience)
                verdicts = [judge(candidate.facts) for candidate in candidates]
                if not entries and all(verdict.outcome is not Outcome.SHARE for verdict in verdicts):
                    continue
                plain = all(
                    verdict.outcome is Outcome.SHARE
                    and not verdict.changes
                    and not candidate.facts.granular
                    and not candidate.facts.references
                    and not (candidate.facts.created_by and self._judges.unnameable(view, audience, candidate.facts.created_by))
                    for verdict, candidate in zip(verdicts, candidates, strict=True)
                )
                if not (plain and entries and not any(entry.derived for entry in entries)):
                    return False
        return True


def leans_on_others(object_id: str) -> bool:
    """Return whether an object may be visible only while something else is, or repeats properties of something else."""
    return object_id.startswith(("identity--", "marking-definition--", "extension-definition--", "language-content--"))
