"""What lies apart at the door, as far as it matters to those who refer to it."""

from __future__ import annotations

from collections.abc import Collection

from taxii_fed.core.rules.door import Ruling
from taxii_fed.ports import Reader


def kept_back(reader: Reader, collection: str, object_ids: Collection[str]) -> set[str]:
    """Return those ids that lie in quarantine for what they are: marked above what is accepted of their giver.

    They count as withheld (convention 8). What lies there for who sent it changes no view (sharing model, section 4 "Inbound", 2
    and 3): else whoever sends an object under any id could cut it out of all that others have to say.
    """
    return {
        object_id
        for object_id in reader.quarantined_ids(collection, object_ids)
        if any(each.reason == Ruling.ABOVE for each in reader.quarantine(collection=collection, object_id=object_id))
    }
