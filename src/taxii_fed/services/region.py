"""The part of a collection whose answer may change when something is touched, read once and judged for each view.

What was touched, what refers to it (to any depth, unless nobody's picture of it changes), and what is visible only while something
visible names it. An addition so costs what is connected to it (sharing-rule model, section 9).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from taxii_fed.core import jsontext
from taxii_fed.core.closure import ABSENT, UNSEEN, Candidate, Face, Kind, Result, close
from taxii_fed.core.copies import AudienceCopier
from taxii_fed.core.facts import OBSERVABLE_TYPES, Facts, Json, Use, facts_of, uses_of
from taxii_fed.core.keys import Keys
from taxii_fed.core.levels import TLP_LEVELS
from taxii_fed.core.markings import Meanings
from taxii_fed.core.rules import CollectionTerms, InForce
from taxii_fed.core.sharing import Approval, Audience, Judge, Outcome, Reason, Verdict
from taxii_fed.ports import Entry, Reader, Version, View, Writer
from taxii_fed.services import approvals, vouching

_CUTTABLE = (Use.GRANULAR, Use.EXTENSION)
"""What a copy may no longer have of its source; markings stay in every copy."""
_AT_ONCE = 500
UNNAMEABLE = "unnameable"
"""Documents that hold, for each view, the identities that nobody may name in it."""
HIDDEN = "hidden"
"""Documents that hold, for each view and audience, the identities that some object hides as its creator, each with one that does."""


def candidate_of(version: Version) -> Candidate:
    """Return a stored version as closure judges it."""
    obj = jsontext.loads(version.body)
    return Candidate(version.key, facts_of(obj, version.provenance), obj)


@dataclass(slots=True)
class Loaded:
    """The part of a collection that one settling looks at, read once for all views."""

    reader: Reader
    collection: CollectionTerms
    in_force: InForce
    now: int
    objects: dict[str, list[Candidate]] = field(default_factory=dict)
    exists: dict[str, bool] = field(default_factory=dict)
    absent: dict[str, bool] = field(default_factory=dict)
    """Of ids that have no version here: whether they were here or lie in quarantine."""
    bringers: dict[int, frozenset[str]] = field(default_factory=dict)
    """Of versions of marking definitions, by key: the origins that bring them."""

    def load(self, object_ids: Iterable[str]) -> None:
        """Read all versions of these objects, those without any as an empty list."""
        wanted = [object_id for object_id in object_ids if object_id not in self.objects]
        if wanted:
            found = self.reader.versions(self.collection.id, wanted)
            for object_id in wanted:
                self.objects[object_id] = [candidate_of(version) for version in found.get(object_id, ())]

    def meanings(self, candidates: Iterable[Candidate]) -> Meanings:
        """Return what the markings that these use mean here; loads their definitions."""
        markings = {marking for each in candidates for marking in each.facts.markings if marking not in TLP_LEVELS}
        markings |= {marking for each in candidates for marking, _ in each.facts.granular if marking not in TLP_LEVELS}
        self.load(markings)
        return Meanings(self.in_force.markings, self.definition)

    def definition(self, marking: str, origin: str) -> Json | None:
        """Return the newest definition of a marking that counts for objects of an origin, None where there is none."""
        self.load([marking])
        versions = self.objects[marking]
        unread = [each.key for each in versions if each.key not in self.bringers]
        if unread:
            offers = self.reader.offers(unread)
            self.bringers.update({key: vouching.vouchers(offers.get(key, ()), self.in_force) for key in unread})
        return next((each.obj for each in reversed(versions) if vouching.counts(self.bringers[each.key], origin)), None)


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
        self._changed = touched
        self._touched = touched | unchanged
        self.fresh = fresh
        self._objects: set[str] = set()
        self._faces: dict[int, dict[str, Face]] = {view.id: {} for view, _ in views}
        self._judges: dict[tuple[int, str], Judge] = {}
        self._approved: dict[str, Sequence[Approval]] = {}
        self._ordered: list[tuple[str, Candidate]] | None = None
        self._plain_results: dict[tuple[int, str, bool, int | None], Result] = {}
        self._named_plainly: set[tuple[str, Use]] = set()
        self._leaning: dict[str, bool] = {}
        self._hidden_now: dict[str, dict[str, str]] = {}
        self._hidden_before: dict[str, dict[str, str]] = {}
        self.wakes: set[tuple[int, str]] = set()

    # -- growing ----------------------------------------------------------------------------------------------------------

    def explain(self, object_id: str, view: View | None, audience: Audience) -> list[Result]:
        """Return the results of one object, all around it taken as it stands; ``view`` None: for a party that reads nothing here."""
        self._just({object_id})
        seen = view or View(id=0, collection=self._loaded.collection.id, head=0, wake_at=None)
        return self.close(seen, (audience,)).get(object_id, [])

    def all(self, object_ids: set[str], view: View, audience: Audience) -> dict[str, list[Result]]:
        """Return the results of all objects of a collection, judged together."""
        self._just(object_ids)
        return self.close(view, (audience,))

    def _just(self, object_ids: set[str]) -> None:
        self._objects = set(object_ids)
        self._objects |= self._translated(self._objects)
        self._prepare(self._objects)
        self._look_outside(self._objects)

    def grow(self, writer: Writer) -> set[str]:
        """Return the ids of the region, everything loaded that judging it takes."""
        reader, collection = self._loaded.reader, self._loaded.collection.id
        objects = set(self._touched)
        self._follow_definitions(objects)
        self._prepare(objects)
        self._follow_creators(writer, objects)
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
        self._objects = objects
        self._look_outside(objects)
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

    def _follow_definitions(self, objects: set[str]) -> None:
        """A marking definition that comes or goes changes what its users mean."""
        markings = {each for each in self._changed if each.startswith("marking-definition--") and each not in TLP_LEVELS}
        if markings:
            users = self._loaded.reader.users(self._loaded.collection.id, markings, [Use.MARKING, Use.GRANULAR])
            objects.update(user for each in users.values() for user in each)

    def _follow_creators(self, writer: Writer, objects: set[str]) -> None:
        """Where it changes whether an identity may be named, all that it made is looked at again."""
        identities = {each for each in self._touched if each.startswith("identity--")}
        if not identities:
            return
        moved: set[str] = set()
        for view, audiences in self._views:
            before = set((writer.doc(UNNAMEABLE, str(view.id)) or {}).get("ids", ()))
            after = (before - identities) | {
                each for each in identities if any(self._unnameable(view, audience, each) for audience in audiences)
            }
            if after != before:
                writer.put_doc(UNNAMEABLE, str(view.id), {"ids": sorted(after)})
                moved |= after ^ before
        moved &= self._changed
        if moved:
            users = writer.users(self._loaded.collection.id, moved, [Use.CREATOR])
            found = {user for each in users.values() for user in each}
            objects |= found
            self._prepare(found)

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
                or self._judge(view, audience)(candidate.facts).outcome is not Outcome.SHARE
                for candidate in self._loaded.objects.get(identity, ())
                for view, audiences in self._views
                for audience in audiences
            )
        return leaning

    def _steady(self, target: str, naming: Sequence[Candidate]) -> bool:
        """Return whether a thing that leans on others stays as it is in every view, whatever becomes of those that name it here.

        What is visible stays so while nothing that was visible may go; what is not comes only when something visible names it.
        """
        if target in self._touched:
            return False
        fresh = all(candidate.facts.id in self.fresh for candidate in naming)
        live = self._loaded.reader.live([view.id for view, _ in self._views], [target])
        for view, audiences in self._views:
            if any(rule.hide_creator for audience in audiences for rule in audience.change):
                return False
            if target in live.get(view.id, {}):
                if not fresh:
                    return False
            elif any(self._may_come(view, audience, candidate) for candidate in naming for audience in audiences):
                return False
        return True

    def _may_come(self, view: View, audience: Audience, candidate: Candidate) -> bool:
        """Return whether something may be visible by itself, or as what something visible names."""
        facts, judge = candidate.facts, self._judge(view, audience)
        leans = _leans_on_others(facts.id)
        return (
            facts.type == "marking-definition"
            or judge(facts).outcome is Outcome.SHARE
            or (leans and judge(facts, used=True).outcome is Outcome.SHARE)
        )

    def _quiet(self, object_id: str, live: Mapping[int, Mapping[str, list[Entry]]]) -> bool:
        """Return whether nobody's picture of the object changes, whatever hangs on it: then what refers to it may rest."""
        candidates = self._loaded.objects[object_id]
        if object_id in self.fresh:  # a reference to what was never seen stays; to what is seen and withheld it goes
            return False
        if not candidates or object_id.partition("--")[0] in ("identity", "marking-definition", "extension-definition"):
            return False
        for view, audiences in self._views:
            entries = live.get(view.id, {}).get(object_id, [])
            for audience in audiences:
                judge = self._judge(view, audience)
                verdicts = [judge(candidate.facts) for candidate in candidates]
                if not entries and all(verdict.outcome is not Outcome.SHARE for verdict in verdicts):
                    continue
                plain = all(
                    verdict.outcome is Outcome.SHARE
                    and not verdict.changes
                    and not candidate.facts.granular
                    and not candidate.facts.references
                    and not (candidate.facts.created_by and self._unnameable(view, audience, candidate.facts.created_by))
                    for verdict, candidate in zip(verdicts, candidates, strict=True)
                )
                if not (plain and entries and not any(entry.derived for entry in entries)):
                    return False
        return True

    # -- judging ----------------------------------------------------------------------------------------------------------

    def close(self, view: View, audiences: Sequence[Audience]) -> dict[str, list[Result]]:
        """Return the results of the region for one view: what passes all audiences alike."""
        found = [self._close(view, audience) for audience in audiences]
        return found[0] if len(found) == 1 else _meet(found)

    def _close(self, view: View, audience: Audience) -> dict[str, list[Result]]:
        judge = self._judge(view, audience)
        results = self._settle_plain(view, audience, judge)
        rest = {
            each: candidates for each in self._objects if each not in results and (candidates := self._loaded.objects[each])
        }
        if rest:
            copier = AudienceCopier(self._keys, self._loaded.in_force.identity, audience, judge.meanings)
            self._named_plainly = self._named_by(results) if any(_leans_on_others(each) for each in rest) else set()
            results.update(close(rest, judge, copier, _Outside(self, view, audience)))
            self._note_hidden(view, audience, judge, rest)
        for object_id, rows in results.items():
            for row in rows:
                if row.wake_at is not None:
                    self.wakes.add((row.wake_at, object_id))
        return results

    def _settle_plain(self, view: View, audience: Audience, judge: Judge) -> dict[str, list[Result]]:
        """Return the results of those objects of which closure can change nothing, and note their faces: the bulk, at little cost.

        They have one version and no edits, are not of a kind that leans on others, and refer to nothing but originals.
        """
        faces = self._faces.setdefault(view.id, {})
        results: dict[str, list[Result]] = {}
        nameable: dict[str, bool] = {}
        for object_id, candidate in self._plain_candidates():
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
                nameable[creator] = not self._unnameable(view, audience, creator)
            if verdict.changes or (creator and not nameable[creator]) or not self._finds_originals(facts, faces, judge):
                continue
            faces[object_id] = Face(Kind.ORIGINAL, object_id)
            results[object_id] = [self._plain_result(candidate, verdict)]
        return results

    def _plain_candidates(self) -> list[tuple[str, Candidate]]:
        """Return what may be plain, what has no references first, lists of references last; the same for all views."""
        if self._ordered is None:
            ranked: tuple[list[tuple[str, Candidate]], ...] = ([], [], [])
            for object_id in self._objects:
                candidates = self._loaded.objects[object_id]
                if len(candidates) != 1 or _leans_on_others(object_id) or candidates[0].facts.granular:
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

    def _plain_result(self, candidate: Candidate, verdict: Verdict) -> Result:
        key = (candidate.key, verdict.rule, verdict.override, verdict.wake_at)
        result = self._plain_results.get(key)
        if result is None:
            facts = candidate.facts
            reasons = ((Reason.OVERRIDE,) if verdict.override else ()) + (("revoked",) if facts.revoked else ())
            result = self._plain_results[key] = Result(
                candidate.key,
                facts,
                visible=True,
                given_id=facts.id,
                rule=verdict.rule,
                reasons=reasons,
                wake_at=verdict.wake_at,
            )
        return result

    def _named_by(self, results: Mapping[str, Sequence[Result]]) -> set[tuple[str, Use]]:
        return {
            (target, use)
            for rows in results.values()
            for row in rows
            if row.visible
            for target, uses in uses_of(row.facts).items()
            for use in uses
        }

    def _judge(self, view: View, audience: Audience) -> Judge:
        key = (view.id, audience.signature)
        judge = self._judges.get(key)
        if judge is None:
            loaded = self._loaded
            judge = self._judges[key] = Judge(audience, loaded.in_force, loaded.meanings(()), loaded.now, self._approvals)
        return judge

    def _approvals(self, object_id: str) -> Sequence[Approval]:
        found = self._approved.get(object_id)
        if found is None:
            rows = approvals.standing(self._loaded.reader, self._loaded.collection.id, [object_id])
            found = self._approved[object_id] = rows.get(object_id, [])
        return found

    def _unnameable(self, view: View, audience: Audience, identity: str) -> bool:
        candidates = self._loaded.objects.get(identity)
        if candidates is None:
            self._loaded.load([identity])
            candidates = self._loaded.objects[identity]
        judge = self._judge(view, audience)
        if not candidates:
            return self.lies_apart(identity)
        for candidate in reversed(candidates):
            verdict = judge(candidate.facts, used=True)
            if verdict.outcome is not Outcome.HOLD:
                return verdict.outcome is Outcome.WITHHOLD
        return True

    def lies_apart(self, object_id: str) -> bool:
        """Return whether an object without a version here lies in quarantine."""
        return bool(self._loaded.reader.quarantined_ids(self._loaded.collection.id, [object_id]))

    def hides(self, audience: Audience, view: View, identity: str) -> bool:
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
        return object_id not in self.fresh and any(
            candidate.facts.created_by == identity for candidate in self._loaded.objects[object_id]
        )

    def _search_hiding(self, view: View, audience: Audience, identity: str, likely: str | None) -> str:
        """Return an object outside the region that hides this creator, "" where there is none; ``likely`` is looked at first."""
        reader, collection = self._loaded.reader, self._loaded.collection.id
        judge = self._judge(view, audience)

        def hides(user: str) -> bool:
            if user in self._objects:
                return False
            found = reader.versions(collection, [user]).get(user, ())
            return any(_hides_creator(judge, candidate_of(version).facts, identity) for version in found)

        if likely is not None and hides(likely):
            return likely
        users = reader.users(collection, [identity], [Use.CREATOR]).get(identity, ())
        return next((user for user in users if hides(user)), "")

    def moved_hidden(self) -> list[tuple[str, dict[str, str]]]:
        """Return the documents of `HIDDEN`, by name, that judging changed."""
        return [(name, found) for name, found in self._hidden_now.items() if found != self._hidden_before[name]]

    def _hidden(self, view: View, audience: Audience) -> dict[str, str]:
        """Return which identities are hidden from the audience, each with an object that hides it."""
        name = f"{view.id}:{audience.signature[:16]}"
        hidden = self._hidden_now.get(name)
        if hidden is None:
            before = self._hidden_before[name] = self._loaded.reader.doc(HIDDEN, name) or {}
            hidden = self._hidden_now[name] = dict(before)
        return hidden

    def _note_hidden(self, view: View, audience: Audience, judge: Judge, rest: Mapping[str, Sequence[Candidate]]) -> None:
        """Keep which creators the objects of the region hide."""
        if not any(rule.hide_creator for rule in audience.change):
            return
        hidden = self._hidden(view, audience)
        for object_id, candidates in rest.items():
            for creator in {candidate.facts.created_by for candidate in candidates}:
                if creator and any(_hides_creator(judge, candidate.facts, creator) for candidate in candidates):
                    hidden.setdefault(creator, object_id)

    # -- what lies outside ------------------------------------------------------------------------------------------------

    def _look_outside(self, objects: set[str]) -> None:
        """Read the faces of all that the region refers to and that is not in it, or in it without any version."""
        loaded, reader, collection = self._loaded, self._loaded.reader, self._loaded.collection.id
        targets = {
            reference.target
            for each in objects
            for candidate in loaded.objects[each]
            for reference in candidate.facts.references
        } - {each for each in objects if loaded.objects[each]}
        if not targets:
            return
        live = reader.live([view.id for view, _ in self._views], targets)
        here = {
            object_id
            for object_id, known in reader.known(targets).items()
            if any(each.collection == collection for each in known)
        }
        unknown = targets - here
        apart = reader.quarantined_ids(collection, unknown) if unknown else set()
        marks = {self._keys.gone_mark(collection, target): target for target in unknown}
        gone = {marks[mark] for mark in reader.refused(marks)} if marks else set()
        for view, _ in self._views:
            faces, rows = self._faces[view.id], live.get(view.id, {})
            for target in targets:
                entries = rows.get(target)
                if entries and target not in objects:  # what has no version any more is about to end
                    newest = max((entry for entry in entries if entry.source_key > 0), key=lambda entry: entry.version)
                    faces[target] = Face(Kind.DERIVED, newest.id) if newest.derived else Face(Kind.ORIGINAL, target)
                else:
                    faces[target] = ABSENT if target in here or target in apart or target in gone else UNSEEN

    def face(self, view: View, target: str) -> Face:
        """Return what a reference to an object outside the region finds."""
        return self._faces.get(view.id, {}).get(target, UNSEEN)

    def used(self, view: View, target: str, uses: tuple[Use, ...]) -> bool:
        """Return whether a live entry outside the region names the target."""
        if any((target, use) in self._named_plainly for use in uses):
            return True
        reader = self._loaded.reader
        without = [each for each in self._objects if each not in self.fresh]
        if not reader.used_visibly(view.id, {target: uses}, without):
            return False
        cuttable = [use for use in uses if use in _CUTTABLE]
        lasting = [use for use in uses if use not in _CUTTABLE]
        if not cuttable or (lasting and reader.used_visibly(view.id, {target: lasting}, without)):
            return True
        return self._named_uncut(view, target, cuttable, set(without))

    def _named_uncut(self, view: View, target: str, uses: Sequence[Use], without: Collection[str]) -> bool:
        """Return whether a live entry names the target still, its cuts made."""
        reader, collection = self._loaded.reader, self._loaded.collection.id
        users = [user for user in reader.users(collection, [target], uses).get(target, ()) if user not in without]
        for start in range(0, len(users), _AT_ONCE):
            live = reader.live([view.id], users[start : start + _AT_ONCE]).get(view.id, {})
            for entry in (entry for rows in live.values() for entry in rows):
                if not entry.derived or target.encode() in reader.body(entry.body):
                    return True
        return False


def _hides_creator(judge: Judge, facts: Facts, identity: str) -> bool:
    return facts.created_by == identity and any(rule.hide_creator for rule in judge(facts).changes)


def _leans_on_others(object_id: str) -> bool:
    """Return whether an object may be visible only while something else is, or repeats properties of something else."""
    return object_id.startswith(("identity--", "marking-definition--", "extension-definition--", "language-content--"))


@dataclass(frozen=True, slots=True)
class _Outside:
    """`core.closure.Surroundings` for one view."""

    region: Region
    view: View
    audience: Audience

    def face(self, target: str) -> Face:
        return self.region.face(self.view, target)

    def used(self, target: str, uses: tuple[Use, ...]) -> bool:
        return self.region.used(self.view, target, uses)

    def hides(self, identity: str) -> bool:
        return self.region.hides(self.audience, self.view, identity)

    def creator_withheld(self, identity: str) -> bool:
        return self.region._unnameable(self.view, self.audience, identity)  # noqa: SLF001 — one class in two parts


def _meet(found: Sequence[Mapping[str, list[Result]]]) -> dict[str, list[Result]]:
    """Return what all audiences see alike, for the time in which rules change: never more than before, never more than after."""
    others = [{row.key: row for rows in each.values() for row in rows} for each in found[1:]]
    return {
        object_id: [
            row if all(_alike(row, other.get(row.key)) for other in others) else replace(row, visible=False) for row in rows
        ]
        for object_id, rows in found[0].items()
    }


def _alike(one: Result, other: Result | None) -> bool:
    return (
        other is not None and one.visible and other.visible and one.given_id == other.given_id and one.content == other.content
    )
