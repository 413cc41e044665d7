"""Views brought in line with the versions where they are not (I7): what a proof found amiss is settled again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from taxii_fed.ports import Change, Clock, Store
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.views.settle import Settler
from taxii_fed.services.views.whole import Difference

REBUILT = "rebuilt"

_CHUNK = 200


class Rebuilder:
    """Settles objects again."""

    def __init__(self, store: Store, settler: Settler, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._cache = cache
        self._clock = clock

    def mend(self, found: Iterable[Difference]) -> None:
        """Settle the objects of differences in all views of their collections; readers are told of what ends, as ever.

        Settling takes what stands in a view for what once was given out. Of what has other content, or another rank, the entry
        ends first, so that it is made anew, with a new date. A notice, which nothing makes anew, gets its rank.
        """
        by_collection: dict[str, dict[str, list[Difference]]] = defaultdict(lambda: defaultdict(list))
        for each in found:
            by_collection[each.collection][each.object_id].append(each)
        with self._store.read() as reader:
            in_force = self._cache.require(reader)
        for name, by_object in by_collection.items():
            ids = list(by_object)
            for start in range(0, len(ids), _CHUNK):
                touched = ids[start : start + _CHUNK]
                with self._store.write() as writer:
                    for each in (each for object_id in touched for each in by_object[object_id]):
                        if each.rank is not None:
                            writer.change(each.view, Change(reranked=((each.date_added, each.rank),)))
                        elif each.kind in ("content", "rank"):
                            writer.change(each.view, Change(ended=((each.date_added, REBUILT),)))
                    self._settler.settle(writer, in_force.collections[name].id, touched, self._clock.now())
