"""The passing of time: ends of holds, expiry, dates of rules and memberships, notices whose time is over (I6; convention 13).

Whoever notices first does the work: a reader whose view is due, a server's timer or a worker.
"""

from __future__ import annotations

from collections import defaultdict

from taxii_fed.core.errors import StoreUnavailableError, TransactionLostError
from taxii_fed.ports import Clock, Store
from taxii_fed.services.rules.govern import Governor
from taxii_fed.services.views.settle import Settler, refresh_wakes

_CHUNK = 200
_PATIENCE = 5_000_000
"""For how long (µs) a reader does the work of time before it is told to come again."""


class Waker:
    """Carries out what is due."""

    def __init__(self, store: Store, settler: Settler, governor: Governor, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._governor = governor
        self._clock = clock

    def wake(self, collection_id: str) -> None:
        """Carry out what is due, for the sake of a reader of that collection.

        Returns without having done all where another process is at it, or where it is much; the reader then finds its view still
        due, and whoever comes next goes on. Raises `TransactionLostError`: then nobody is at it, and the reader's request runs again.
        """
        del collection_id  # whatever is due is done in order of time: what one collection waits for may lie in another's way
        try:
            self._wake_due(self._clock.now() + _PATIENCE)
        except TransactionLostError:
            raise
        except StoreUnavailableError:
            return

    def wake_due(self) -> int:
        """Carry out everything that is due and return how many wakes that were."""
        return self._wake_due(None)

    def _wake_due(self, until: int | None) -> int:
        done = 0
        while until is None or self._clock.now() < until:
            with self._store.read() as reader:
                due = reader.wakes(self._clock.now(), _CHUNK)
            if not due:
                return done
            boundaries = [at for _, at, object_id in due if not object_id]
            busy: StoreUnavailableError | None = None
            if boundaries:
                try:
                    self._governor.regroup(max(boundaries))
                except StoreUnavailableError as error:
                    # Whoever is at it may take long; objects need not wait for that.
                    busy, due = error, [each for each in due if each[2]]
            done += len(due)
            by_collection: dict[str, list[tuple[int, str]]] = defaultdict(list)
            for collection, at, object_id in due:
                by_collection[collection].append((at, object_id))
            for collection, wakes in by_collection.items():
                self._carry_out(collection, wakes)
            if busy is not None:
                raise busy
        return done

    def _carry_out(self, collection: str, wakes: list[tuple[int, str]]) -> None:
        with self._store.write() as writer:
            now = self._clock.now()
            waiting = {(at, object_id) for name, at, object_id in writer.wakes(wakes[-1][0], _CHUNK) if name == collection}
            wakes = [each for each in wakes if each in waiting]
            if not wakes:  # somebody else was faster
                return
            writer.remove_wakes(collection, wakes)
            objects = {object_id for _, object_id in wakes if object_id}
            for view in writer.views(collection):
                for object_id in objects:
                    if object_id.startswith("note--"):
                        self._settler.notices.expire(writer, view, object_id)
            self._settler.settle(writer, collection, objects, now)
            refresh_wakes(writer, collection)
