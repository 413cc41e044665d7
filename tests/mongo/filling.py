"""A node that holds something of everything, and all that can be told of it."""

from __future__ import annotations

from httpkit.nodes import BANKING
from nodekit import indicator, malware, relationship, stix_id
from taxii_fed.core.stix.facts import Use
from taxii_fed.core.stix.levels import Level
from taxii_fed.ports import MOVED, DoorEvent, Offer, Read
from taxii_fed.storage.contract.builders import COLLECTION, new_version, object_id, quarantined


def everything(store):
    """All records of a store, those that have no order sorted."""
    with store.moving() as moving:
        found = {table: list(moving.take(table, 0)) for table in MOVED}
    return {table: sorted(map(repr, rows)) for table, rows in found.items()}


def fill(node):
    """Give a node something of everything, by way of its services and past them."""
    bank, staff = node.client("soar"), node.client("staff")
    rows = [indicator(number) for number in range(6)] + [malware(7), indicator(1, version=3), indicator(20, level=Level.RED)]
    rows.append(relationship(9, stix_id("indicator", 2), stix_id("malware", 7)))
    assert bank.add(BANKING, *rows).json["failure_count"] == 0
    assert bank.delete(f"collections/{BANKING}/objects/{stix_id('indicator', 3)}/").status == 200
    assert staff.add(BANKING, indicator(30)).status == 202
    node.node.eraser.erase(stix_id("indicator", 4))
    with node.node.store.write() as writer:
        writer.quarantine_add(quarantined(1, body=b"kept apart"))
        writer.quarantine_remove([writer.quarantine_add(quarantined(2))])
        writer.note_door(
            [DoorEvent(at=1, collection=COLLECTION, object_id=object_id(1), version_text="t", giver="peer:x:y", reason="r")]
        )
        (key,) = writer.add_versions([new_version(1, 0, spec_version="2.0")])
        writer.add_offers([Offer(key, "peer:x:y", ("a", "b"))])
        writer.set_homes({object_id(1): "peer:x"})
        writer.note_given([(object_id(2), 5, b"d" * 32)])
        writer.approve(COLLECTION, object_id(1), 5, "embargo", "bank", "alice", 1)
        writer.add_wakes(COLLECTION, [(10**15, object_id(1))])
        writer.put_doc("kind", "name", {"a.b": 2**60, "$c": None})
        writer.refuse([b"m" * 32], 1)
    node.node.store.note_reads([Read(1, "reader", "reader", 5, 9, 1, "::1"), Read(1, "reader", "reader", 50, 90, 1, "::1")])
    assert node.node.store.lease("pull", "a", 10, 0) is not None


def answers(node):
    """What clients get, with a page that goes on from a cursor."""
    found = {}
    for account in ("reader", "staff", "partner"):
        client = node.client(account)
        first = client.get(f"collections/{BANKING}/objects/", {"limit": 3, "match[version]": "all"})
        rest = client.get(
            f"collections/{BANKING}/objects/", {"limit": 100, "match[version]": "all", "next": first.json["next"]}
        )
        manifest = client.get(f"collections/{BANKING}/manifest/", {"match[version]": "all"})
        one = client.get(f"collections/{BANKING}/objects/{stix_id('indicator', 1)}/versions/")
        found[account] = [(each.status, each.headers.get("ETag"), each.body) for each in (first, rest, manifest, one)]
    return found


REQUESTS = {
    "place": lambda reader, view, one, other: reader.place("bank", COLLECTION),
    "shown": lambda reader, view, one, other: reader.shown(view, other),
    "known": lambda reader, view, one, other: reader.known([one]),
    "versions": lambda reader, view, one, other: reader.versions(COLLECTION, [one]),
    "live": lambda reader, view, one, other: reader.live([view], [other]),
    "live_by_id": lambda reader, view, one, other: reader.live_by_id(view, [other]),
    "last_given": lambda reader, view, one, other: reader.last_given(view, [other]),
    "given": lambda reader, view, one, other: reader.given([other]),
    "ledger": lambda reader, view, one, other: reader.ledger(one),
    "entries": lambda reader, view, one, other: reader.entries(view, 0, 5, ended=True),
    "walk": lambda reader, view, one, other: reader.walk(COLLECTION, "", 5),
    "users": lambda reader, view, one, other: reader.users(COLLECTION, [one], list(Use)),
    "used_visibly": lambda reader, view, one, other: reader.used_visibly(view, {one: [Use.REFERENCE], other: [Use.CREATOR]}),
    "homes": lambda reader, view, one, other: reader.homes([one]),
    "offered_by": lambda reader, view, one, other: reader.offered_by("local:bank", 0, 9),
    "refused": lambda reader, view, one, other: reader.refused([b"m" * 32]),
    "wakes": lambda reader, view, one, other: reader.wakes(9, 9),
    "next_wake": lambda reader, view, one, other: reader.next_wake(COLLECTION),
    "quarantined_ids": lambda reader, view, one, other: reader.quarantined_ids(COLLECTION, [one]),
    "quarantine": lambda reader, view, one, other: reader.quarantine(object_id=one),
    "quarantine_load": lambda reader, view, one, other: reader.quarantine_load("partner"),
    "door_events": lambda reader, view, one, other: reader.door_events(object_id=one, giver="local:bank"),
    "door_events_of_a_giver": lambda reader, view, one, other: reader.door_events(giver="local:bank"),
    "reads": lambda reader, view, one, other: reader.reads(view=view),
    "reads_of_a_party": lambda reader, view, one, other: reader.reads(party="bank"),
    "approvals": lambda reader, view, one, other: reader.approvals(COLLECTION, [one]),
    "past_readers": lambda reader, view, one, other: reader.past_readers(view),
    "past_views": lambda reader, view, one, other: reader.past_views(COLLECTION, "bank"),
    "status": lambda reader, view, one, other: reader.status("00000000-0000-4000-8000-000000000000"),
    "docs": lambda reader, view, one, other: reader.docs("kind"),
    "in_force": lambda reader, view, one, other: reader.in_force(),
}
"""What a request asks of a reader, of a view and two ids."""
