"""Leases: single documents, changed by compare-and-set, so that no transaction is needed."""

from __future__ import annotations

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from taxii_fed.ports import Lease
from taxii_fed.storage.mongo.connection import Row


def take_lease(db: Database[Row], name: str, owner: str, seconds: float, now: int) -> Lease | None:
    """Take or renew a lease, None while another owner holds it. ``fence`` grows with every new holder."""
    until = now + int(seconds * 1_000_000)
    while True:
        held = db["lease"].find_one({"_id": name})
        if held is None:
            try:
                db["lease"].insert_one({"_id": name, "owner": owner, "fence": 1, "until": until})
            except DuplicateKeyError:
                continue
            return Lease(name, owner, 1, until)
        if held["owner"] not in {owner, ""} and held["until"] > now:
            return None
        fence = int(held["fence"]) + (held["owner"] != owner)
        if db["lease"].update_one(held, {"$set": {"owner": owner, "fence": fence, "until": until}}).matched_count:
            return Lease(name, owner, fence, until)


def lease_holder(db: Database[Row], name: str) -> Lease | None:
    """Return the lease as it stands, None where nobody took it or it was given back."""
    held = db["lease"].find_one({"_id": name})
    return Lease(name, held["owner"], int(held["fence"]), int(held["until"])) if held is not None and held["owner"] else None


def give_lease(db: Database[Row], lease: Lease) -> None:
    """Give a lease back, unless it has passed to another owner."""
    db["lease"].update_one({"_id": lease.name, "owner": lease.owner, "fence": lease.fence}, {"$set": {"owner": "", "until": 0}})
