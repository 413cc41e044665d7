"""A store and a door for stories about pulling: it keeps every version it is offered, and nothing is refused.

What the real ones do is tested with them; here only what the services of federation ask of them counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from federation.simulated_peer import COLLECTION, SimulatedPeer
from taxii_fed.core.federation.remote import version_instant
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import CollectionTerms, InForce, Party
from taxii_fed.core.stix.facts import Provenance
from taxii_fed.ports import Known, Lease, Offer, PeerClient, Quarantined, Version
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import PeerPlan, State, Subscription, Subscriptions
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.ingest import Giver

OURS = CollectionTerms(name="banking", id="11111111-1111-4111-8111-111111111111", api_root="finance", title="Banking")
SUBSCRIPTION = Subscription("eu-csirt", COLLECTION, "banking")
IN_FORCE = InForce(
    node="hk-hub",
    identity="identity--00000000-0000-4000-8000-00000000000f",
    parties={"eu-csirt": Party(name="eu-csirt", role="peer", jurisdiction="EU")},
    collections={"banking": OURS},
)


@dataclass
class HandClock:
    """A clock that is set by hand."""

    instant: int = 1_800_000_000_000_000

    def now(self) -> int:
        return self.instant


class Shelf:
    """Store and intake in one."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], Any] = {}
        self.versions: dict[int, Version] = {}
        self.offers_by_key: dict[int, set[str]] = {}
        self.waiting: set[int] = set()
        """Keys of versions of which a person must agree to the removal."""
        self.batches: list[list[Offered]] = []
        self.apart: list[Quarantined] = []
        self.outcome: Callable[[Offered], str] = lambda _offered: ""
        self.before_offer: Callable[[], None] = lambda: None
        self.path_token = ""
        self._leases: dict[str, Lease] = {}
        self._fences = 0

    # -- store ----------------------------------------------------------------------------------------------------------
    @contextmanager
    def read(self) -> Iterator[Shelf]:
        yield self

    @contextmanager
    def write(self) -> Iterator[Shelf]:
        before = dict(self.documents)
        try:
            yield self
        except BaseException:
            self.documents = before
            raise

    def doc(self, kind: str, name: str) -> Any:
        return self.documents.get((kind, name))

    def put_doc(self, kind: str, name: str, doc: Any) -> None:
        if doc is None:
            self.documents.pop((kind, name), None)
        else:
            self.documents[kind, name] = doc

    def lease(self, name: str, owner: str, seconds: float, now: int) -> Lease | None:
        held = self._leases.get(name)
        if held is not None and held.owner != owner and held.until > now:
            return None
        if held is None or held.owner != owner or held.until <= now:
            self._fences += 1
        fence = held.fence if held is not None and held.owner == owner and held.until > now else self._fences
        self._leases[name] = Lease(name, owner, fence, now + int(seconds * 1_000_000))
        return self._leases[name]

    def lease_holder(self, name: str) -> Lease | None:
        return self._leases.get(name)

    def release(self, lease: Lease) -> None:
        if self._leases.get(lease.name, lease).owner == lease.owner:
            self._leases.pop(lease.name, None)

    def revision(self) -> int:
        return 1

    def in_force(self) -> None:
        return None

    def known(self, ids: Collection[str]) -> dict[str, list[Known]]:
        found: dict[str, list[Known]] = {}
        for key, version in self.versions.items():
            if version.object_id in ids:
                found.setdefault(version.object_id, []).append(
                    Known(key, version.collection, version.version, "2.1", b"", version.provenance)
                )
        return found

    def offers(self, keys: Collection[int]) -> dict[int, list[Offer]]:
        return {key: [Offer(key, giver) for giver in self.offers_by_key.get(key, ())] for key in keys}

    def offered_by(self, giver: str, after: int, limit: int) -> list[tuple[Version, tuple[str, ...]]]:
        keys = sorted(key for key, givers in self.offers_by_key.items() if giver in givers and key > after)
        return [(self.versions[key], ()) for key in keys[:limit]]

    def add_offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            self.offers_by_key[offer.key].add(offer.giver)

    def given(self, _ids: Collection[str]) -> dict[str, Any]:
        return {}

    def quarantined_ids(self, _collection: str, ids: Collection[str]) -> set[str]:
        return {item.object_id for item in self.apart} & set(ids)

    def quarantine(self, *, object_id: str = "", **_: Any) -> list[Quarantined]:
        return [item for item in self.apart if item.object_id == object_id]

    def quarantine_load(self, _peer: str) -> tuple[int, int]:
        return len(self.apart), sum(len(item.body) for item in self.apart)

    def door_events(self, **_: Any) -> list[Any]:
        return []

    # -- intake ---------------------------------------------------------------------------------------------------------
    def offer(self, giver: Giver, collection: CollectionTerms, objects: Sequence[Offered]) -> Counter[str]:
        self.before_offer()
        self.batches.append(list(objects))
        counts: Counter[str] = Counter()
        for each in objects:
            counts[self._take(giver, collection, each)] += 1
        return counts

    def _take(self, giver: Giver, collection: CollectionTerms, offered: Offered) -> str:
        received = offered.received
        refused = self.outcome(offered)
        if refused:
            if refused == "quarantined-inbound":
                self.apart.append(
                    Quarantined(
                        id=len(self.apart) + 1, collection=collection.id, object_id=received.id,
                        version=version_instant(received.version_text) or 0, version_text=received.version_text,
                        giver=giver.name, reason=refused, at=0, body=received.raw,
                    )
                )  # fmt: skip
            return refused
        instant = version_instant(received.version_text) or 0
        for key, version in self.versions.items():
            if (version.object_id, version.version) == (received.id, instant):
                self.offers_by_key[key].add(giver.name)
                return "loop-duplicate"
        key = max(self.versions, default=0) + 1
        self.versions[key] = Version(
            key=key, collection=collection.id, object_id=received.id, type="indicator", spec_version="2.1", version=instant,
            version_text=received.version_text, body=received.raw, received_at=0, provenance=Provenance(),
        )  # fmt: skip
        self.offers_by_key[key] = {giver.name}
        return "new"

    def gone(self, giver: Giver, _collection: CollectionTerms, keys: Sequence[int]) -> int:
        for key in keys:
            self.offers_by_key[key].discard(giver.name)
            if not self.offers_by_key[key]:
                del self.offers_by_key[key], self.versions[key]
        return len(keys)

    def held_back(self, _giver: Giver, _collection: CollectionTerms, keys: Sequence[int]) -> None:
        self.waiting.update(keys)

    def holds(self) -> set[tuple[str, str]]:
        """Return all (id, version) here."""
        return {(version.object_id, version.version_text) for version in self.versions.values()}


class FixedRules:
    """What is in force, whatever the store says."""

    def current(self, _reader: Any) -> InForce:
        return IN_FORCE


def plan(**more: Any) -> PeerPlan:
    """Return the plan of the one peer of these stories."""
    return PeerPlan(name="eu-csirt", terms=PeerTerms(), subscriptions=(SUBSCRIPTION,), **more)


def federation(
    shelf: Shelf,
    peer: SimulatedPeer | Callable[[str], PeerClient],
    clock: HandClock | None = None,
    *,
    owner: str = "worker",
    **more: Any,
) -> Federation:
    """Return a node that pulls from one peer."""
    clock = clock or HandClock()
    subscriptions = Subscriptions(shelf, clock, {"eu-csirt": plan(**more)})
    connect = (lambda _name: peer.client()) if isinstance(peer, SimulatedPeer) else peer
    return Federation(shelf, shelf, clock, FixedRules(), subscriptions, connect, owner)


def state(node: Federation) -> State:
    """Return where the subscription stands."""
    return node.subscriptions.states()[SUBSCRIPTION]
