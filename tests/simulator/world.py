"""A random federation of whole nodes under one seed: topology, rules, clocks, what happens, and what goes wrong on the way.

Each node is real (core, store, HTTP application, pulls and comparisons); only the network and the clocks are simulated.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from federation.hubs import Hub, HubPeer, close_hubs, identity_of, open_hubs
from nodekit import SettableClock, indicator, memory_folder
from taxii_fed.config import convert
from taxii_fed.core.errors import PeerAnswerError, PeerBusyError, PeerOverloadedError, PeerUnreachableError
from taxii_fed.core.levels import Level
from taxii_fed.core.pull import Request
from taxii_fed.core.remote import ManifestPage, ObjectPage
from taxii_fed.core.rules import Change, InForce, Never, Share, To, What
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import Subscriptions
from taxii_fed.web.app import create_app
from taxii_fed.wiring import open_node
from taxii_fed.worker.plan import plans

NAMES = ("hk", "eu", "us", "cn", "za")
LEVELS = (Level.CLEAR, Level.GREEN, Level.AMBER, Level.RED)
MINUTE = 60.0


class OwnClock(SettableClock):
    """A hub's clock: the world's, off by a fixed amount."""

    def __init__(self, world: SettableClock, skew_seconds: float) -> None:
        self._world = world
        self._skew = int(skew_seconds * 1_000_000)

    def now(self) -> int:
        return self._world.now() + self._skew


@dataclass
class Terms:
    """The rules of one hub, as the oracle reads them: ceilings for its bank and its peers, of its own content and of what it relays."""

    bank: tuple[Level, Level]
    peer: tuple[Level, Level]
    coarse: bool = False
    """Whether addresses leave it as networks only; never changes in a run."""
    victims_stay: bool = False

    def in_force(self, base: InForce) -> InForce:
        own = Share(name="own", to=To(role=("own",)), up_to=Level.RED, relayed_up_to=Level.RED)
        bank = Share(name="bank", to=To(role=("bank",)), up_to=self.bank[0], relayed_up_to=self.bank[1])
        peer = Share(name="peer", to=To(role=("peer",)), up_to=self.peer[0], relayed_up_to=self.peer[1])
        never = (Never(name="victims", to=To(role=("peer",)), what=What(label=("victim",))),) if self.victims_stay else ()
        change = (Change(name="coarser", to=To(role=("peer",)), generalise_v4=24, generalise_v6=48),) if self.coarse else ()
        return replace(base, share=(own, bank, peer), never=never, hold=(), change=change)


@dataclass
class Thing:
    """One object of the story: where it was made, and its versions' levels; ``address`` is written in it where it has one."""

    number: int
    home: str
    levels: list[Level]
    victim: bool
    address: str
    revoked: bool = False
    deleted: bool = False

    @property
    def name(self) -> str:
        """A name that is in every version and copy, and in nothing else."""
        return f"thing-{self.number}-end"

    def version(self) -> dict[str, Any]:
        index = len(self.levels) - 1
        pattern = f"[ipv4-addr:value = '{self.address}']" if self.address else f"[domain-name:value = 'h{self.number}.example']"
        more: dict[str, Any] = {"labels": ["victim"]} if self.victim else {}
        if self.revoked:
            more["revoked"] = True
        made = indicator(
            self.number, level=self.levels[-1], version=index, pattern=pattern, created_by_ref=identity_of(self.home), **more
        )
        return {**made, "name": self.name}


@dataclass
class Faults:
    """What the network does at present: chances per request, and pairs that can't reach each other."""

    chance: float = 0.0
    cut: set[tuple[str, str]] = field(default_factory=set)


class FaultyPeer(HubPeer):
    """A peer over a network that delays, loses, repeats and breaks."""

    def __init__(self, hub: Hub, reader: str, faults: Faults, rng: random.Random) -> None:
        super().__init__(hub, reader)
        self._hub = hub
        self._pair = (reader, hub.name)
        self._faults = faults
        self._rng = rng
        self._last: ObjectPage | None = None

    def objects(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ObjectPage:
        if self._last is not None and self._strikes(0.3):
            return self._last
        self._before()
        page = super().objects(remote, request, ids)
        self._after()
        self._last = page if not ids else None
        return page

    def object(self, remote: str, object_id: str, version_text: str) -> ObjectPage:
        self._before()
        page = super().object(remote, object_id, version_text)
        self._after()
        return page

    def manifest(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ManifestPage:
        self._before()
        page = super().manifest(remote, request, ids)
        self._after()
        return page

    def _strikes(self, share: float = 1.0) -> bool:
        return self._rng.random() < self._faults.chance * share

    def _before(self) -> None:
        self._client.app = self._hub.app  # the hub may have been restarted
        if self._pair in self._faults.cut:
            raise PeerUnreachableError("no route")
        if self._strikes():
            raise self._rng.choice(
                [
                    PeerUnreachableError("refused"),
                    PeerBusyError("busy", 5.0),
                    PeerOverloadedError("overloaded"),
                    PeerAnswerError("HTML"),
                ]
            )

    def _after(self) -> None:
        """The request was carried out, and the reply is lost on the way."""
        if self._strikes(0.5):
            raise PeerUnreachableError("connection reset")


class World:
    """One run. Everything random comes from the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.folder = tempfile.TemporaryDirectory(prefix="taxii-fed-", dir=memory_folder())
        self.clock = SettableClock()
        self.faults = Faults()
        self.names = NAMES[: self.rng.randint(2, 5)]
        self.links = self._topology()
        self.things: list[Thing] = []
        self.terms = {name: self._random_terms() for name in self.names}
        self.loosest = {name: self.terms[name] for name in self.names}
        self.hubs = open_hubs(Path(self.folder.name), self.links)
        self._clocks = {name: OwnClock(self.clock, self.rng.uniform(-120, 120)) for name in self.names}
        for name in self.names:
            self._reopen(name)
            self._put_in_force(name)

    def close(self) -> None:
        close_hubs(self.hubs)
        self.folder.cleanup()

    # -- set-up -----------------------------------------------------------------------------------------------------------

    def _topology(self) -> dict[str, Sequence[str]]:
        links: dict[str, Sequence[str]] = {}
        for name in self.names:
            others = [other for other in self.names if other != name]
            links[name] = sorted(self.rng.sample(others, self.rng.randint(0 if len(others) > 1 else 1, len(others))))
        return links

    def _random_terms(self) -> Terms:
        def ceilings() -> tuple[Level, Level]:
            own = self.rng.choice(LEVELS[:3])
            return own, min(own, self.rng.choice(LEVELS[:3]))

        return Terms(ceilings(), ceilings(), coarse=self.rng.random() < 0.4, victims_stay=self.rng.random() < 0.4)

    def _reopen(self, name: str) -> None:
        """Open a hub's node (again), as after a restart: what was not stored is gone."""
        hub = self.hubs[name]
        settings = hub.node.settings
        hub.node.close()
        clock = self._clocks[name]
        node = open_node(settings, clock=clock)
        subscriptions = Subscriptions(node.store, clock, plans(settings))
        hub.node, hub.clock, hub.app = node, clock, create_app(node, write=lambda _: None)
        hub.federation = Federation(
            node.store,
            node.ingest,
            clock,
            node.in_force,
            subscriptions,
            lambda peer: FaultyPeer(self.hubs[peer], name, self.faults, self.rng),
            f"worker of {name}",
        )

    def _put_in_force(self, name: str) -> None:
        node, terms = self.hubs[name].node, self.terms[name]
        coming = terms.in_force(convert.in_force(node.settings))
        node.governor.apply(coming, repr(coming))
        before = self.loosest[name]
        self.loosest[name] = Terms(
            bank=(max(before.bank[0], terms.bank[0]), max(before.bank[1], terms.bank[1])),
            peer=(max(before.peer[0], terms.peer[0]), max(before.peer[1], terms.peer[1])),
            coarse=before.coarse and terms.coarse,
            victims_stay=before.victims_stay and terms.victims_stay,
        )

    # -- what happens -------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Do one thing of many."""
        self.clock.pass_(self.rng.uniform(1, 90))
        acts = [self.publish] * 5 + [self.pull] * 8 + [self.compare] * 3
        acts += [self.new_version, self.new_version, self.delete, self.change_rules, self.restart, self.cut, self.mend]
        self.rng.choice(acts)()

    def publish(self) -> None:
        number = len(self.things) + 1
        thing = Thing(
            number,
            self.rng.choice(self.names),
            [self.rng.choice(LEVELS)],
            victim=self.rng.random() < 0.25,
            address=f"100.{number // 250 + 64}.{number % 250}.77" if self.rng.random() < 0.5 else "",
        )
        self.things.append(thing)
        self.hubs[thing.home].publish(thing.version())

    def new_version(self) -> None:
        standing = [thing for thing in self.things if not thing.deleted and not thing.revoked]
        if standing:
            thing = self.rng.choice(standing)
            thing.levels.append(self.rng.choice(LEVELS))
            thing.revoked = self.rng.random() < 0.2
            self.hubs[thing.home].publish(thing.version())

    def delete(self) -> None:
        standing = [thing for thing in self.things if not thing.deleted]
        if standing:
            thing = self.rng.choice(standing)
            thing.deleted = True
            self.hubs[thing.home].delete(thing.version())

    def change_rules(self) -> None:
        name = self.rng.choice(self.names)
        self.terms[name] = replace(self._random_terms(), coarse=self.terms[name].coarse)
        self._put_in_force(name)

    def pull(self) -> None:
        self.hubs[self.rng.choice(self.names)].pull()

    def compare(self) -> None:
        self.hubs[self.rng.choice(self.names)].compare()

    def restart(self) -> None:
        """Restart a hub. Its file still has the first rules, which an empty node takes over: the admin applies the others again."""
        name = self.rng.choice(self.names)
        self._reopen(name)
        self._put_in_force(name)

    def cut(self) -> None:
        self.faults.cut.add((self.rng.choice(self.names), self.rng.choice(self.names)))

    def mend(self) -> None:
        self.faults.cut.clear()

    def heal(self) -> int:
        """End all faults and let every hub pull and compare until nothing changes; return the rounds it took, 0: it never rested."""
        self.faults.chance, quiet = 0.0, 0
        self.faults.cut.clear()
        for rounds in range(1, 8 * len(self.names) + 8):
            before = {name: hub.versions() for name, hub in self.hubs.items()}
            for hub in self.hubs.values():
                self.clock.pass_(30 * MINUTE)
                hub.pull()
                hub.compare()
            quiet = quiet + 1 if before == {name: hub.versions() for name, hub in self.hubs.items()} else 0
            if quiet == 2:
                return rounds
        return 0
