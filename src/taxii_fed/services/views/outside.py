"""What lies outside a region, in each view: settled, and not about to change."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.facts import Use
from taxii_fed.core.views.results import ABSENT, UNSEEN, Face, Kind
from taxii_fed.ports import View
from taxii_fed.services.views.apart import kept_back
from taxii_fed.services.views.loaded import Loaded

_CUTTABLE = (Use.GRANULAR, Use.EXTENSION)
"""What a copy may no longer have of its source; markings stay in every copy."""
_AT_ONCE = 500


class Outside:
    """The faces of all that the ``objects`` of a region refer to, read once, and who else names what is among them."""

    def __init__(
        self,
        keys: Keys,
        loaded: Loaded,
        views: Sequence[tuple[View, tuple[Audience, ...]]],
        objects: set[str],
        fresh: frozenset[str],
    ) -> None:
        self._keys = keys
        self._loaded = loaded
        self._views = views
        self._objects = objects
        self._fresh = fresh
        self._faces: dict[int, dict[str, Face]] = {view.id: {} for view, _ in views}
        self._look()

    def faces(self, view: View) -> dict[str, Face]:
        """Return what references to objects outside find in a view, by target; the dict is the caller's."""
        return dict(self._faces.get(view.id, ()))

    def _look(self) -> None:
        """Read the faces of all that the region refers to and that is not in it, or in it without any version."""
        loaded, reader, collection = self._loaded, self._loaded.reader, self._loaded.collection.id
        objects = self._objects
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
        apart = kept_back(reader, collection, unknown) if unknown else set()
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

    def used(self, view: View, target: str, uses: tuple[Use, ...]) -> bool:
        """Return whether a live entry outside the region names the target."""
        reader = self._loaded.reader
        without = [each for each in self._objects if each not in self._fresh]
        if not reader.used_visibly(view.id, {target: uses}, without):
            return False
        cuttable = [use for use in uses if use in _CUTTABLE]
        lasting = [use for use in uses if use not in _CUTTABLE]
        if not cuttable or (lasting and reader.used_visibly(view.id, {target: lasting}, without)):
            return True
        return self._named_uncut(view, target, cuttable, set(without))

    def _named_uncut(self, view: View, target: str, uses: Sequence[Use], without: Collection[str]) -> bool:
        """Return whether a live entry names the target still: another version than the one that does may be live, or one that was cut."""
        reader, collection = self._loaded.reader, self._loaded.collection.id
        users = [user for user in reader.users(collection, [target], uses).get(target, ()) if user not in without]
        for start in range(0, len(users), _AT_ONCE):
            live = reader.live([view.id], users[start : start + _AT_ONCE]).get(view.id, {})
            for entry in (entry for rows in live.values() for entry in rows):
                if _names(reader.body(entry.body), target, uses):
                    return True
        return False


def _names(body: bytes, target: str, uses: Collection[Use]) -> bool:
    if target.encode() not in body:
        return False
    obj = jsontext.loads(body)
    granular = (item.get("marking_ref") for item in obj.get("granular_markings") or ())
    return (Use.EXTENSION in uses and target in (obj.get("extensions") or ())) or (Use.GRANULAR in uses and target in granular)
