"""From the settings to what federation works with: a plan per peer, and how to reach it."""

from __future__ import annotations

from collections.abc import Collection

from taxii_fed.config.schema import Auth, Peer, Settings
from taxii_fed.core.federation.reconcile import Guard
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.peers.taxii20 import open_peer
from taxii_fed.peers.transport import PATIENCE, Access
from taxii_fed.ports import Clock, PeerClient, Store
from taxii_fed.services.federation.federate import Federation, Intake
from taxii_fed.services.federation.subscriptions import PeerPlan, Subscription, Subscriptions
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.leases import owner

_SECOND = 1_000_000


def plans(settings: Settings) -> dict[str, PeerPlan]:
    """Return the plan of each peer by its name."""
    return {name: _plan(name, peer) for name, peer in settings.peers.items()}


def _plan(name: str, peer: Peer) -> PeerPlan:
    guard = peer.removal_guard
    return PeerPlan(
        name=name,
        terms=PeerTerms(
            accept_up_to=peer.accept_up_to,
            drop_above=peer.above == "drop",
            home_of=frozenset(peer.home_of),
            read_markings_as=dict(peer.read_markings_as),
        ),
        subscriptions=tuple(Subscription(name, pair.theirs, pair.ours) for pair in peer.pull),
        every=peer.every * _SECOND,
        overlap=peer.overlap * _SECOND,
        reconcile=peer.reconcile * _SECOND,
        guard=None if guard is None else Guard(guard.above, guard.of_at_least),
        max_page=peer.max_page,
        answer_seconds=PATIENCE * peer.timeout,
        quarantine_objects=peer.quota.objects,
        quarantine_bytes=peer.quota.size,
    )


def access(peer: Peer) -> Access:
    """Return how a peer is reached."""
    auth = peer.auth or Auth.model_construct()
    header = auth.header
    return Access(
        url=peer.url,
        taxii=peer.taxii,
        username=auth.username,
        password=auth.password.get_secret_value() if auth.password else "",
        token=auth.token.get_secret_value() if auth.token else "",
        token_scheme=auth.scheme,
        header=(header.name, header.value.get_secret_value()) if header else None,
        certificate=(str(auth.certificate.certificate), str(auth.certificate.key)) if auth.certificate else None,
        ca=str(peer.ca) if peer.ca else "",
        proxy=peer.proxy.get_secret_value() if peer.proxy else "",
        allow_private=peer.allow_private,
        timeout=float(peer.timeout),
        max_bytes=peer.max_bytes,
    )


def open_federation(
    settings: Settings, store: Store, ingest: Intake, clock: Clock, cache: InForceCache, only: Collection[str] = ()
) -> Federation:
    """Return the federation of a node, for one process: with all peers, or with those named in ``only``."""

    def connect(name: str) -> PeerClient:
        return open_peer(access(settings.peers[name]))

    wanted = {name: plan for name, plan in plans(settings).items() if not only or name in only}
    return Federation(store, ingest, clock, cache, Subscriptions(store, clock, wanted), connect, owner())
