"""The seams: what the services need of a store, a clock and a peer, spoken in values.

`storage.contract` is the suite that every store passes.
"""

from taxii_fed.ports.clock import Clock
from taxii_fed.ports.moving import MOVED, MOVING, PLACE, Moving
from taxii_fed.ports.peer import PeerClient
from taxii_fed.ports.store import LEAD_MS, Reader, Store, Writer
from taxii_fed.ports.values import (
    Applied,
    Change,
    Consent,
    Contents,
    DoorEvent,
    Entry,
    Json,
    Known,
    Lease,
    NewVersion,
    Offer,
    Opening,
    Page,
    Place,
    Quarantined,
    Read,
    Row,
    Tail,
    Version,
    View,
)

__all__ = [
    "LEAD_MS",
    "MOVED",
    "MOVING",
    "PLACE",
    "Applied",
    "Change",
    "Clock",
    "Consent",
    "Contents",
    "DoorEvent",
    "Entry",
    "Json",
    "Known",
    "Lease",
    "Moving",
    "NewVersion",
    "Offer",
    "Opening",
    "Page",
    "PeerClient",
    "Place",
    "Quarantined",
    "Read",
    "Reader",
    "Row",
    "Store",
    "Tail",
    "Version",
    "View",
    "Writer",
]
