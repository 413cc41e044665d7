"""A node without HTTP and files, for tests of what goes out: the real services over the real store, under a settable clock."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stores import store_url
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.model import CollectionTerms, InForce, Party, to_doc
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import TLP2_IDS, Level
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery
from taxii_fed.core.timestamps import format_stix
from taxii_fed.services.answers.explain import Explainer
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.intake.ingest import Ingest
from taxii_fed.services.rules.govern import Governor
from taxii_fed.services.rules.plan import Planner
from taxii_fed.services.rules.wake import Waker
from taxii_fed.services.views.settle import Settler
from taxii_fed.storage import open_store

Json = dict[str, Any]

NODE_IDENTITY = "identity--0d0f5d0e-6e0e-4c43-9a9a-6f0f2a7b1c11"
START = 1_772_442_000_000_000
"""2026-03-02T09:00:00Z in microseconds."""
BANKING = CollectionTerms(name="banking", id="1b4f8f5e-3c44-4d0a-9d0e-0f6e2f1a2b3c", api_root="finance", title="Banking")
DESK = Party(name="desk", role="own", publish=("banking",))


class SettableClock:
    """A clock that stands still until it is set."""

    def __init__(self, instant: int = START) -> None:
        self.instant = instant
        self.each_look = 0.0
        """Seconds that pass whenever somebody looks."""

    def now(self) -> int:
        self.instant += int(self.each_look * 1_000_000)
        return self.instant

    def pass_(self, seconds: float) -> None:
        self.instant += int(seconds * 1_000_000)


def in_force(*, parties: tuple[Party, ...] = (), **rules: Any) -> InForce:
    """Return a small rule set over the one collection, with the node's desk as publisher."""
    return InForce(
        node="test-hub",
        identity=NODE_IDENTITY,
        jurisdiction="HK",
        parties={party.name: party for party in (DESK, *parties)},
        collections={"banking": BANKING},
        **rules,
    )


@dataclass
class Kit:
    """The services of one node."""

    store: Any
    clock: SettableClock
    keys: Keys
    cache: InForceCache
    settler: Settler
    governor: Governor
    ingest: Ingest
    waker: Waker
    planner: Planner
    explainer: Explainer

    def put_in_force(self, rules: InForce) -> None:
        """Put rules in force the way `taxii-fed apply` does."""
        with self.store.read() as reader:
            empty = reader.in_force() is None
        fingerprint = json.dumps(to_doc(rules), sort_keys=True)
        if empty:
            self.governor.adopt(rules, fingerprint)
        else:
            self.governor.apply(rules, fingerprint)

    def publish(self, *objects: Json, party: Party = DESK) -> Json:
        """Publish objects in one envelope and return the status."""
        body = json.dumps({"objects": list(objects)}).encode()
        return self.ingest.publish_objects(party, BANKING, read_envelope(body))

    def view(self, party: str, query: ObjectQuery | None = None) -> list[Json]:
        """Return all that a party sees, every version, in order of ``date_added``."""
        with self.store.read() as reader:
            place = reader.place(party, BANKING.id)
            if place.view is None:
                return []
            page = reader.page(place.view.id, query or ObjectQuery(limit=10_000, versions=ALL_VERSIONS))
            return [json.loads(row.body) for row in page.rows]

    def dated(self, party: str) -> dict[tuple[str, str], int]:
        """Return (id, version) to ``date_added`` of all that a party sees."""
        with self.store.read() as reader:
            place = reader.place(party, BANKING.id)
            if place.view is None:
                return {}
            rows = reader.page(place.view.id, ObjectQuery(limit=10_000, versions=ALL_VERSIONS)).rows
            return {(row.id, row.version_text): row.date_added for row in rows}


def memory_folder() -> str | None:
    """Return a folder in memory for stores that no test kills, where the machine has one: a commit there waits for no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def open_kit(folder: Path, rules: InForce | None = None, *, secret: bytes = b"k" * 32) -> Kit:
    """Return a node over a new store in ``folder``."""
    clock = SettableClock()
    store = open_store(store_url(folder / f"{uuid.uuid4().hex}.db"), base_dir=folder, clock=clock)
    keys, cache = Keys(secret), InForceCache()
    settler = Settler(keys, cache)
    governor = Governor(store, settler, cache, clock)
    kit = Kit(
        store,
        clock,
        keys,
        cache,
        settler,
        governor,
        Ingest(store, settler, cache, keys, clock),
        Waker(store, settler, governor, clock),
        Planner(store, keys, cache, clock),
        Explainer(store, keys, cache, clock),
    )
    if rules is not None:
        kit.put_in_force(rules)
    return kit


# -- objects ------------------------------------------------------------------------------------------------------------------


def stix_id(kind: str, number: int) -> str:
    """Return the id of the ``number``-th object of a type: the same in every run."""
    return f"{kind}--{uuid.UUID(int=(hash_of(kind) << 64) | number, version=4)}"


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:7].ljust(7, b"x"), "big")


def marked(obj: Json, level: Level | None) -> Json:
    return obj if level is None else {**obj, "object_marking_refs": [TLP2_IDS[level]]}


def sdo(kind: str, number: int, *, level: Level | None = Level.GREEN, version: int = 0, **more: Any) -> Json:
    """Return a valid domain or relationship object; ``version`` moves ``modified``."""
    obj: Json = {
        "type": kind,
        "spec_version": "2.1",
        "id": stix_id(kind, number),
        "created": "2026-02-10T08:00:00.000Z",
        "modified": format_stix(1_770_710_400_000_000 + version * 1_000_000),
        **more,
    }
    return marked(obj, level)


def indicator(number: int, **more: Any) -> Json:
    pattern = more.pop("pattern", f"[domain-name:value = 'host-{number}.example']")
    return sdo(
        "indicator", number, name=f"Indicator {number}", indicator_types=["malicious-activity"], pattern=pattern,
        pattern_type="stix", valid_from="2026-02-10T08:00:00Z", **more,
    )  # fmt: skip


def malware(number: int, **more: Any) -> Json:
    return sdo("malware", number, name=f"Malware {number}", is_family=True, **more)


def identity(number: int, **more: Any) -> Json:
    return sdo("identity", number, name=f"Organisation {number}", identity_class="organization", **more)


def relationship(number: int, source: str, target: str, **more: Any) -> Json:
    return sdo("relationship", number, relationship_type="related-to", source_ref=source, target_ref=target, **more)


def report(number: int, refs: list[str], **more: Any) -> Json:
    return sdo(
        "report", number, name=f"Report {number}", report_types=["campaign"], published="2026-02-10T08:00:00Z",
        object_refs=refs, **more,
    )  # fmt: skip


def note(number: int, refs: list[str], **more: Any) -> Json:
    return sdo("note", number, content=f"Note {number}", object_refs=refs, **more)
