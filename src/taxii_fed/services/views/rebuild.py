"""Views brought in line with the versions where they are not (I7): what a proof found amiss is settled again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from taxii_fed.ports import Clock, Store
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.views.settle import Settler
from taxii_fed.services.views.whole import Difference

_CHUNK = 200


class Rebuilder:
    """Settles objects again."""

    def __init__(self, store: Store, settler: Settler, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._cache = cache
        self._clock = clock

    def mend(self, found: Iterable[Difference]) -> None:
        """Settle the objects of differences in all views of their collections; readers are told of what ends, as ever."""
        by_collection: dict[str, list[str]] = defaultdict(list)
        for each in found:
            by_collection[each.collection].append(each.object_id)
        with self._store.read() as reader:
            in_force = self._cache.require(reader)
        for name, object_ids in by_collection.items():
            ids = list(dict.fromkeys(object_ids))
            for start in range(0, len(ids), _CHUNK):
                with self._store.write() as writer:
                    touched = set(ids[start : start + _CHUNK])
                    self._settler.settle(writer, in_force.collections[name].id, touched, self._clock.now())
