"""A federation of whole nodes that plays a story, step by step.

Each honest hub is real (core, store, HTTP application, pulls and comparisons); the network, the clocks and the liars are simulated.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from federation.hubs import Hub, HubPeer, collection_id, config_text, identity_of, token
from httpkit.client import Client
from nodekit import SettableClock, memory_folder
from simulator.liar import Dice, Liar, LyingPeer
from simulator.story import LAWLESS, Step, Story, Terms
from simulator.things import Json, Thing
from taxii_fed.config import convert
from taxii_fed.config.load import loads
from taxii_fed.config.schema import Settings
from taxii_fed.core.errors import PeerAnswerError, PeerBusyError, PeerOverloadedError, PeerUnreachableError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.remote import ManifestPage, ObjectPage
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.timestamps import parse_stix
from taxii_fed.ports import PeerClient
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import Subscription, Subscriptions
from taxii_fed.storage import open_store
from taxii_fed.web.app import create_app
from taxii_fed.wiring import open_node
from taxii_fed.worker.plan import plans

MINUTE = 60.0


class OwnClock(SettableClock):
    """A hub's clock: the world's, off by a fixed amount."""

    def __init__(self, world: SettableClock, skew_seconds: float) -> None:
        self._world = world
        self._skew = int(skew_seconds * 1_000_000)

    def now(self) -> int:
        return self._world.now() + self._skew


@dataclass
class Faults:
    """What the network does at present: chances per request, and pairs that can't reach each other."""

    chance: float = 0.0
    cut: set[tuple[str, str]] = field(default_factory=set)


class FaultyPeer(HubPeer):
    """A peer over a network that delays, loses, repeats and breaks."""

    def __init__(self, hub: Hub, reader: str, faults: Faults, dice: Dice) -> None:
        super().__init__(hub, reader)
        self._hub = hub
        self._pair = (reader, hub.name)
        self._faults = faults
        self._dice = dice
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
        return self._dice.rng.random() < self._faults.chance * share

    def _before(self) -> None:
        self._client.app = self._hub.app  # the hub may have been restarted
        if self._pair in self._faults.cut:
            raise PeerUnreachableError("no route")
        if self._strikes():
            raise self._dice.rng.choice(
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


@cache
def settings_of(name: str, everyone: tuple[str, ...], sources: tuple[str, ...]) -> Settings:
    """Return the settings of a hub, without rules; where its store is comes from elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "node.key").write_text(hashlib.sha256(name.encode()).hexdigest())
        return loads(config_text(name, everyone, sources), Path(folder))


class World:
    """One run of a story. Everything random comes from its seed and the number of the step."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.names = story.names
        self.liars = story.liars
        self.links = story.links
        self.folder = tempfile.TemporaryDirectory(prefix="taxii-fed-", dir=memory_folder())
        self.clock = SettableClock()
        self.dice = Dice()
        self.faults = Faults(story.chance)
        self.things: dict[int, Thing] = {}
        self.lies: dict[int, Thing] = {}
        self.terms = {**story.terms, **dict.fromkeys(story.liars, LAWLESS)}
        self.loosest = dict(self.terms)
        self.forms: dict[str, tuple[str, str]] = {}
        """Name of the thing and maker, by the ids that things and their copies go by."""
        self._makers = {identity_of(name): name for name in self.names}
        self.moved: set[str] = set()
        """The hubs whose views may be others since somebody last emptied this."""
        self.looked_at: dict[str, list[Json]] = {}
        """What each hub's bank saw when it was last looked at."""
        self.lost: list[tuple[str, Json]] = []
        """(hub, object): what its bank saw and others than liars offer, and was gone once the hub had talked to a liar."""
        self.overheard: list[tuple[str, str]] = []
        """(hub, liar) of what liars have just read."""
        self.hubs: dict[str, Hub] = {}
        self._lists: dict[tuple[str, str], tuple[object, list[Json]]] = {}
        self._clocks = {name: OwnClock(self.clock, story.skews[name]) for name in self.names}
        for name in self.names:
            self._open(name)
        tokens = [hub.node.path_token for hub in self.hubs.values()]
        self.tellers = {name: Liar(name, self.dice, tokens, fed=not story.plain_liars) for name in story.liars}

    def close(self) -> None:
        for hub in self.hubs.values():
            hub.node.close()
        self.folder.cleanup()

    # -- set-up -----------------------------------------------------------------------------------------------------------

    def _open(self, name: str) -> None:
        """Open a hub's node, or open it again, as after a restart: what was not stored is gone."""
        settings = settings_of(name, (*self.names, *self.liars), self.links[name])
        clock = self._clocks[name]
        store = open_store(f"sqlite:{name}.db", base_dir=Path(self.folder.name), clock=clock)
        node = open_node(settings, clock=clock, store=store, adopt=False)
        coming = self.terms[name].in_force(convert.in_force(settings))
        node.governor.adopt(coming, repr(coming))
        subscriptions = Subscriptions(node.store, clock, plans(settings))
        federation = Federation(
            node.store,
            node.ingest,
            clock,
            node.in_force,
            subscriptions,
            lambda peer: self._peer(peer, name),
            f"worker of {name}",
        )
        hub = self.hubs.setdefault(name, Hub(name, node, None, clock))
        hub.node, hub.app, hub.federation = node, create_app(node, write=lambda _: None), federation

    def _peer(self, peer: str, reader: str) -> PeerClient:
        if peer in self.tellers:
            return LyingPeer(self.tellers[peer])
        return FaultyPeer(self.hubs[peer], reader, self.faults, self.dice)

    # -- what is there ------------------------------------------------------------------------------------------------------

    def client(self, hub: str, account: str) -> Client:
        return Client(self.hubs[hub].app, f"Bearer {token(hub, account)}")

    def listed(self, hub: str, account: str = "bank") -> list[Json]:
        """Return all that an account reads at a hub, every version, notes left out. It asks again only once its view is another."""
        with self.hubs[hub].node.store.read() as reader:
            view = reader.place(account, collection_id(hub)).view
        state = view and (view.id, view.head, view.edits)
        if (hub, account) not in self._lists or self._lists[hub, account][0] != state:
            self._lists[hub, account] = state, self._read(hub, account)
        return self._lists[hub, account][1]

    def look_afresh(self) -> None:
        """Forget what was read, so that all is asked for again."""
        self._lists.clear()

    def _read(self, hub: str, account: str) -> list[Json]:
        client = self.client(hub, account)
        found: list[Json] = []
        query: Json = {"match[version]": "all", "limit": "200"}
        while True:
            reply = client.get(f"collections/{collection_id(hub)}/objects/", query)
            if reply.status != 200:
                return found
            found += reply.objects
            if not reply.json.get("more"):
                self._note_forms(found)
                return [obj for obj in found if obj["type"] != "note"]
            query["next"] = reply.json["next"]

    def _note_forms(self, objects: Sequence[Json]) -> None:
        """Note under which ids things go, and who made those: the original's home, or the hub that edited it."""
        for obj in objects:
            if obj["id"] not in self.forms and obj.get("name", "").startswith("thing"):
                self.forms[obj["id"]] = obj["name"], self._makers[obj["created_by_ref"]]

    def home(self, hub: str, object_id: str) -> str:
        """Return the peer that is the home of an object at a hub, "" where none is."""
        with self.hubs[hub].node.store.read() as reader:
            home = reader.homes([object_id]).get(object_id, "")
        return home.removeprefix("peer:") if home.startswith("peer:") else ""

    def offered_by_others(self, hub: str, objects: Sequence[Json]) -> list[Json]:
        """Return those objects that the hub has from somebody who is no liar, and not by way of itself."""
        node = self.hubs[hub].node
        with node.store.read() as reader:
            known = reader.known({obj["id"] for obj in objects})
            versions = {row.key: (name, row.version) for name, rows in known.items() for row in rows}
            good = {
                versions[key]
                for key, offers in reader.offers(versions).items()
                for offer in offers
                if offer.giver.split(":")[1] not in self.liars and node.path_token not in offer.path
            }
        return [obj for obj in objects if (obj["id"], parse_stix(obj["modified"])) in good]

    # -- what happens -------------------------------------------------------------------------------------------------------

    def play(self, step: Step) -> None:
        """Let a step happen; one about what is not there (any more) passes by."""
        self.dice.rng = random.Random(f"{self.story.seed} {step.number}")
        self.clock.pass_(step.seconds)
        getattr(self, step.act)(*step.arguments)

    def publish(self, number: int, home: str, level: Level, victim: bool, address: str, sealed: bool) -> None:
        thing = self.things[number] = Thing(number, home, [level], victim, address, sealed)
        self.forms[thing.id] = thing.name, home
        self._publish(thing)

    def revise(self, number: int, level: Level, revoked: bool) -> None:
        thing = self.things.get(number)
        if thing is not None and not (thing.deleted or thing.revoked):
            thing.levels.append(level)
            thing.revoked = revoked
            self._publish(thing)

    def _publish(self, thing: Thing) -> None:
        self.hubs[thing.home].publish(thing.version())
        self.moved.add(thing.home)

    def delete(self, number: int) -> None:
        thing = self.things.get(number)
        if thing is not None and not thing.deleted:
            thing.deleted = True
            self.hubs[thing.home].delete(thing.version())
            self.moved.add(thing.home)

    def rule(self, name: str, terms: Terms) -> None:
        self.terms[name] = terms
        self.loosest[name] = self.loosest[name].or_looser(terms)
        node = self.hubs[name].node
        coming = terms.in_force(convert.in_force(node.settings))
        node.governor.apply(coming, repr(coming))
        self.moved.add(name)

    def pull(self, name: str) -> None:
        for federation, subscription in self._subscriptions(name):
            federation.pull(subscription)

    def compare(self, name: str) -> None:
        for federation, subscription in self._subscriptions(name):
            reconcile(federation, subscription)

    def _subscriptions(self, name: str) -> Iterator[tuple[Federation, Subscription]]:
        """Yield what a hub pulls, and see to it that what liars say there takes nothing away."""
        federation = self.hubs[name].federation
        assert federation is not None
        self.moved.add(name)
        for subscription in federation.subscriptions.all():
            if subscription.peer not in self.tellers:
                yield federation, subscription
                continue
            before = self.offered_by_others(name, [obj for obj in self.listed(name) if obj["type"] == "indicator"])
            yield federation, subscription
            after = {(obj["id"], obj.get("modified")) for obj in self.listed(name)} if before else set()
            self.lost += [(name, obj) for obj in before if (obj["id"], obj["modified"]) not in after]

    def restart(self, name: str) -> None:
        self.hubs[name].node.close()
        self._open(name)

    def cut(self, reader: str, peer: str) -> None:
        self.faults.cut.add((reader, peer))

    def mend(self) -> None:
        self.faults.cut.clear()

    # -- what liars do ------------------------------------------------------------------------------------------------------

    def overhear(self, liar: str) -> None:
        """Let a liar read everything at the hubs that it reads at."""
        for hub in self.links[liar]:
            self.tellers[liar].learn(self.listed(hub, liar))
            self.overheard.append((hub, liar))

    def lie(self, liar: str, number: int, kind: str, about: int, level: Level, victim: bool) -> None:
        told = Thing(number, liar, [level], victim and kind != "definition", word="lie")
        self.lies[number] = told
        self.tellers[liar].lie(kind, told, self.things.get(about), self.names, self.clock.now())

    def unsay(self, liar: str) -> None:
        self.tellers[liar].unsay()

    # -- the end ------------------------------------------------------------------------------------------------------------

    def heal(self) -> int:
        """End all faults and let every hub pull and compare until nothing changes; return the rounds it took, 0: it never rested.

        Liars that go on as before keep what is theirs in motion; the rest must come to rest all the same.
        """
        self.faults.chance = 0.0
        self.faults.cut.clear()
        wild = self.story.at_the_end == "wild" and bool(self.liars)
        for teller in self.tellers.values():
            teller.wild, teller.gone = wild, self.story.at_the_end == "gone"
        look, needed = (self._shown, 2) if self.liars else (self._held, 1)
        before, quiet = look(), 0
        for rounds in range(1, 8 * len(self.names) + 8):
            self.dice.rng = random.Random(f"{self.story.seed} round {rounds}")
            for name in self.names:
                self.clock.pass_(30 * MINUTE)
                self.pull(name)
                self.compare(name)
            after = look()
            quiet = quiet + 1 if before == after else 0
            if quiet >= needed and (rounds > len(self.names) or not wild):
                return rounds
            before = after
        return 0

    def _held(self) -> object:
        """Return the state of every view, and who offers what by which path: where a round changes none of it, no round does."""
        found: list[object] = []
        for name in self.names:
            node = self.hubs[name].node
            with node.store.read() as reader:
                for party in node.settings.parties:
                    view = reader.place(party, collection_id(name)).view
                    found.append(view and (view.id, view.head, view.edits))
                for peer in self.links[name]:
                    offers = reader.offered_by(f"peer:{peer}:{collection_id(peer)}", 0, 1000)
                    found.append([(version.key, path) for version, path in offers])
        return found

    def _shown(self) -> object:
        """Return what the banks see after a round, without what wild liars keep in motion.

        What a calm one gives and does not list comes and goes within each round; a copy of it is dated anew whenever it comes.
        """
        return [
            {
                (obj["id"], "" if self.touched(obj) else obj.get("modified", ""))
                for obj in self.listed(name)
                if not self._in_motion(obj)
            }
            for name in self.names
        ]

    def _in_motion(self, obj: Json) -> bool:
        """Return whether liars move an object: it is a lie, or one that they give out or lied about."""
        if self.story.at_the_end != "wild":
            return False
        return obj.get("name", "").startswith("lie") or self.touched(obj)

    def touched(self, obj: Json) -> bool:
        """Return whether liars give an object out, or lied about it or its maker."""
        return any({obj.get("name", ""), obj.get("created_by_ref")} & each.touched for each in self.tellers.values())
