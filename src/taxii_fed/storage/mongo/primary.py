"""Which member is the primary, and whether what it shows is not older than what others were told.

A primary reads as of the last moment of which it knows that a majority has it. One that was just elected may know of less than its
predecessor has answered for, until a write of its own has got there: a reader would step back behind what it, or another process, saw.
So each process writes to a primary before it reads from it for the first time. Behind a mongos it can't be seen who is elected.
"""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.schema import META, PROBE

_ROUTED = ("Sharded", "LoadBalanced")


class Primary:
    """The primary as one process sees it."""

    def __init__(self, db: Database[Row]) -> None:
        self._db = db
        self._confirmed: Any = None

    def present(self) -> Any:
        """Return what tells this primary, in this term of office, from any other; None where none is known."""
        topology = self._db.client.topology_description
        if topology.topology_type_name in _ROUTED:
            return topology.topology_type_name
        writable = [each for each in topology.server_descriptions().values() if each.is_writable]
        return (writable[0].address, writable[0].election_id) if writable else None

    def confirm(self) -> Any:
        """Return the `present` primary, once a majority has followed it."""
        while True:
            seen = self.present()
            if seen is not None and (seen == self._confirmed or seen in _ROUTED):
                return seen
            self._db[META].update_one({"_id": PROBE}, {"$inc": {"looks": 1}}, upsert=True)
            if seen is not None and self.present() == seen:
                self._confirmed = seen
