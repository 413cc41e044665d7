"""The one place that builds a node from its settings."""

from __future__ import annotations

import gc
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from taxii_fed.config import convert
from taxii_fed.config.schema import Settings
from taxii_fed.core.errors import StoreError
from taxii_fed.core.keys import Keys, hkdf
from taxii_fed.core.taxii.paging import Cursors
from taxii_fed.ports import MOVING, PLACE, Clock, Store
from taxii_fed.services.answers.explain import Explainer
from taxii_fed.services.answers.given import Giving
from taxii_fed.services.answers.sight import Sights
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.intake.erase import Eraser
from taxii_fed.services.intake.ingest import Ingest
from taxii_fed.services.intake.quarantine import Quarantine
from taxii_fed.services.intake.transfer import Transfer
from taxii_fed.services.nodekey import keep_key, require_key
from taxii_fed.services.reading.browse import Browse
from taxii_fed.services.reading.federation_facts import FederationFacts
from taxii_fed.services.reading.values import Limits
from taxii_fed.services.rules.govern import Governor
from taxii_fed.services.rules.holds import Holds
from taxii_fed.services.rules.plan import Planner
from taxii_fed.services.rules.wake import Waker
from taxii_fed.services.views.rebuild import Rebuilder
from taxii_fed.services.views.settle import Settler
from taxii_fed.storage import open_store

_BETWEEN_COLLECTIONS = 10_000
"""Objects that Python makes before it looks for cycles. An envelope brings thousands and no cycle: with the usual 700, a seventh of
the time that taking one in needs goes into looking."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the present instant in microseconds."""
        return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Node:
    """An open node: its store and the services over it."""

    settings: Settings
    clock: Clock
    store: Store
    keys: Keys
    in_force: InForceCache
    settler: Settler
    governor: Governor
    waker: Waker
    ingest: Ingest
    browse: Browse
    explainer: Explainer
    planner: Planner
    sights: Sights
    giving: Giving
    holds: Holds
    quarantine: Quarantine
    eraser: Eraser
    transfer: Transfer
    rebuilder: Rebuilder
    path_token: str

    def close(self) -> None:
        """Write what is still in memory and free the store."""
        self.browse.reads.flush()
        self.store.close()


def _require_whole(store: Store) -> None:
    """Raise `StoreError` for the target of a move that has not come to its end: it would serve a part for all."""
    with store.read() as reader:
        if reader.doc(MOVING, PLACE) is not None:
            raise StoreError("a move into this store was broken off: run `taxii-fed migrate` again, which goes on from there")


def open_node(
    settings: Settings, *, clock: Clock | None = None, store: Store | None = None, adopt: bool = True, any_key: bool = False
) -> Node:
    """Return a node over its store (opened where none is given), with what moves no entry of its settings in force.

    In an empty store the settings are put in force. Without ``adopt`` what is in force stays as it is. Raises `StoreError` where the
    store can't be opened, is not whole or, unless ``any_key``, was made with another key.
    """
    gc.set_threshold(max(gc.get_threshold()[0], _BETWEEN_COLLECTIONS), *gc.get_threshold()[1:])
    clock = clock or SystemClock()
    secret = settings.node.secret.get_secret_value()
    keys = Keys(secret)
    with ExitStack() as undo:
        if store is None:
            store = open_store(settings.store.url.url.get_secret_value(), base_dir=Path(), clock=clock)
            undo.callback(store.close)
        _require_whole(store)
        if not any_key:
            require_key(store, keys)
        if adopt:
            keep_key(store, keys)
        undo.pop_all()
    cache = InForceCache()
    settler = Settler(keys, cache)
    governor = Governor(store, settler, cache, clock)
    waker = Waker(store, settler, governor, clock)
    token = hkdf(secret, b"path-token").hex()[:32]
    claims = {identity: f"peer:{name}" for name, peer in settings.peers.items() for identity in peer.home_of}
    ingest = Ingest(store, settler, cache, keys, clock, claims=claims, path_token=token)
    limits = Limits(settings.server.page_size, settings.server.max_page_size, settings.server.max_page_bytes)
    browse = Browse(store, clock, cache, Cursors(keys.cursor_key), limits, waker.wake, FederationFacts(cache, token))
    if adopt:
        governor.adopt(convert.in_force(settings), convert.fingerprint(settings))
    return Node(
        settings=settings,
        clock=clock,
        store=store,
        keys=keys,
        in_force=cache,
        settler=settler,
        governor=governor,
        waker=waker,
        ingest=ingest,
        browse=browse,
        explainer=Explainer(store, keys, cache, clock),
        planner=Planner(store, keys, cache, clock),
        sights=Sights(store, keys, cache, clock),
        giving=Giving(store, cache),
        holds=Holds(store, settler, cache, clock),
        quarantine=Quarantine(store, settler, cache, keys, clock, claims),
        eraser=Eraser(store, ingest, settler, cache, keys, clock),
        transfer=Transfer(store, ingest),
        rebuilder=Rebuilder(store, settler, cache, clock),
        path_token=token,
    )
