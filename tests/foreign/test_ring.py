"""Five nodes in a ring, a medallion and an OpenTAXII beside it, writers on all seven, faults on: the sets that the rules allow.

Everything is a process: servers, workers, the foreign servers. What each bank must read in the end is worked out from the rules along
the ring, by itself (`allowed`); from then on a deletion where something was made leaves the whole ring.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import threading
import urllib.error
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from foreign.lines import Line
from foreign.servers import Foreign, medallion, opentaxii
from nodekit import indicator
from processes.live import COLLECTION, PATIENCE, ROOT, TAXII, LiveNode, kill, token_of
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import Level

pytestmark = [pytest.mark.foreign, pytest.mark.slow, pytest.mark.timeout(600)]

SEED = int(os.environ.get("TAXII_FED_SEED", "20260302"))
RING = ("hk", "eu", "us", "sg", "jp")
"""Each pulls from the one before it, the first from the last."""
BESIDE = {"medallion": "us", "opentaxii": "jp"}
"""Who pulls from which foreign server."""
RELAYED = {"us": Level.GREEN}
"""Up to which level a node hands on what is not its own; AMBER where nothing is said."""
VETO, COARSE = "sg", "eu"
"""The node that hands on no victims, and the one whose addresses leave it as networks."""
THINGS, TURNS, SWEEPS = 30, 24, 6

Key = tuple[str, str]


@dataclass
class Thing:
    """One object of the story and the levels of its versions; ``entry`` is the node by which it comes into the ring."""

    number: int
    site: str
    levels: list[Level]
    victim: bool
    address: str
    deleted: bool = False

    @property
    def entry(self) -> str:
        return BESIDE.get(self.site, self.site)

    @property
    def id(self) -> str:
        return str(indicator(self.number)["id"])

    def name(self, index: int) -> str:
        """A name that is in this version and in copies of it, and in nothing else."""
        return f"thing {self.number}, version {index}, é"

    def version(self, index: int) -> dict[str, Any]:
        pattern = f"[ipv4-addr:value = '{self.address}']" if self.address else f"[domain-name:value = 'h{self.number}.example']"
        more: dict[str, Any] = {"labels": ["victim"]} if self.victim else {}
        made = indicator(self.number, level=self.levels[index], version=index, pattern=pattern, **more)
        return {**made, "name": self.name(index)}

    def raw(self, index: int) -> str:
        """Return a version as it is posted: no two are spelled alike."""
        spelled = self.number % 3
        made = self.version(index)
        if spelled == 0:
            return json.dumps(made)
        return json.dumps(made, indent=spelled, ensure_ascii=False)


# -- what the rules allow -------------------------------------------------------------------------------------------------------


@dataclass
class Allowed:
    """What the bank of one node reads: originals by id and index of the version, and copies by name."""

    originals: set[tuple[str, int]] = field(default_factory=set)
    copies: set[str] = field(default_factory=set)


def allowed(things: Sequence[Thing]) -> dict[str, Allowed]:
    """Follow each thing round the ring, until a rule stops it or it is back where it came in."""
    found = {name: Allowed() for name in RING}
    for thing in things:
        at, held, relayed, coarse = thing.entry, list(range(len(thing.levels))), thing.site in BESIDE, False
        while held and not thing.deleted:
            for index in _up_to(thing, held, Level.AMBER):
                if coarse:
                    found[at].copies.add(thing.name(index))
                else:
                    found[at].originals.add((thing.id, index))
            following = RING[(RING.index(at) + 1) % len(RING)]
            if following == thing.entry or (at == VETO and thing.victim):
                break
            held = _up_to(thing, held, RELAYED.get(at, Level.AMBER) if relayed else Level.AMBER)
            coarse = coarse or (at == COARSE and bool(thing.address))
            at, relayed = following, True
    return found


def _up_to(thing: Thing, held: Sequence[int], ceiling: Level) -> list[int]:
    """A newest version above the ceiling takes the older ones with it."""
    if not held or thing.levels[max(held)] > ceiling:
        return []
    return [index for index in held if thing.levels[index] <= ceiling]


# -- the ring -------------------------------------------------------------------------------------------------------------------


class RingNode(LiveNode):
    """A node named after its jurisdiction."""

    def settings(self) -> dict[str, Any]:
        given = super().settings()
        here = self.name.upper()
        given["node"]["jurisdiction"] = here
        parties = given["parties"]
        reader = parties.pop("partner")
        for party in parties.values():
            party["jurisdiction"] = here
        left, right = (RING[(RING.index(self.name) + step) % len(RING)] for step in (-1, 1))
        parties[left] = {"role": "peer", "jurisdiction": left.upper()}
        parties[right] = {**reader, "jurisdiction": right.upper()}
        for site, node in BESIDE.items():
            if node == self.name:
                parties[site] = {"role": "peer", "jurisdiction": "ZA"}
        relayed = str(RELAYED.get(self.name, Level.AMBER))
        given["share"] = {
            "members": {"to": {"role": ["own", "bank"]}, "in": "all", "up_to": "AMBER", "relayed_up_to": "AMBER"},
            "peers": {"to": {"role": "peer"}, "in": "all", "up_to": "AMBER", "relayed_up_to": relayed},
        }
        if self.name == VETO:
            given["never"] = {"victims stay": {"to": {"role": "peer"}, "what": {"label": "victim"}}}
        if self.name == COARSE:
            abroad = {"to": {"not": {"jurisdiction": here}}, "generalise_ip": {"v4": 24, "v6": 48}}
            given["change"] = {"addresses leave coarser": abroad}
        return given

    def ask(self, method: str, path: str, account: str, **more: Any) -> requests.Response:
        headers = {"Accept": TAXII, "Content-Type": TAXII, "Authorization": f"Bearer {token_of(account)}"}
        url = f"{self.base}/{ROOT}/collections/{COLLECTION}/objects/{path}"
        return requests.request(method, url, headers=headers, timeout=PATIENCE, **more)

    def post(self, raws: Sequence[str]) -> None:
        answer = self.ask("POST", "", "writer", data=f'{{"objects": [{", ".join(raws)}]}}'.encode())
        assert (answer.status_code, answer.json()["success_count"]) == (202, len(raws)), answer.text

    def delete(self, object_id: str) -> None:
        """Delete an object; one that is gone was deleted by a request whose answer was lost."""
        assert self.ask("DELETE", f"{object_id}/?match[version]=all", "writer").status_code in {200, 404}

    def bank(self) -> Bank:
        """Return all that the bank reads."""
        bank, query = Bank(), {"match[version]": "all", "limit": "500"}
        while True:
            answer = self.ask("GET", "", "reader", params=query)
            assert answer.status_code == 200, answer.text
            bank.text += answer.text
            for each in read_envelope(answer.content):
                assert each.value is not None
                if each.value["type"] != "note":
                    bank.found.append((each.value, each.raw))
            page = answer.json()
            if not page.get("more"):
                return bank
            query["next"] = page["next"]


@dataclass
class Bank:
    """What a bank reads: objects with their bytes, notices left out, and the text of all pages."""

    found: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    text: str = ""

    @property
    def keys(self) -> Counter[Key]:
        return Counter((value["id"], value["modified"]) for value, _ in self.found)


@dataclass
class Ring:
    """Everything that runs."""

    nodes: dict[str, RingNode]
    beside: dict[str, Foreign]
    lines: list[Line]

    def post(self, things: Sequence[tuple[Thing, int]]) -> None:
        """Publish versions that were made at one site."""
        site = things[0][0].site
        if site in self.nodes:
            self.nodes[site].post([thing.raw(index) for thing, index in things])
        else:
            self.beside[site].post(*(thing.version(index) for thing, index in things))

    def delete(self, thing: Thing) -> None:
        if thing.site in self.nodes:
            self.nodes[thing.site].delete(thing.id)
        else:
            self.beside[thing.site].delete(thing.id)
        thing.deleted = True

    def banks(self) -> dict[str, Bank]:
        return {name: node.bank() for name, node in self.nodes.items()}

    def rest(self) -> int:
        """Let each node pull and compare, round the ring, until nothing changes; return how often that was."""
        before = {name: bank.keys for name, bank in self.banks().items()}
        for sweep in range(1, SWEEPS + 1):
            for node in self.nodes.values():
                done = node.run("sync", "--once", "--reconcile", timeout=120)
                assert done.returncode == 0, f"{node.name}: {done.stdout}{done.stderr}"
            after = {name: bank.keys for name, bank in self.banks().items()}
            if after == before:
                return sweep
            before = after
        raise AssertionError("the ring did not come to rest")


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    monkeypatch.setenv("TAXII_FED_TEST_TOKEN", token_of("puller"))
    with ExitStack() as stack:
        beside = {}
        for site, start in {"medallion": medallion, "opentaxii": opentaxii}.items():
            (tmp_path / site).mkdir()
            beside[site] = stack.enter_context(start(tmp_path / site))
        nodes = {name: RingNode(tmp_path / name, name, identity=name) for name in RING}
        lines = []
        for number, name in enumerate(RING):
            pulled = {RING[number - 1]: (nodes[RING[number - 1]].base, COLLECTION)}
            pulled |= {site: (beside[site].url, beside[site].collection) for site, node in BESIDE.items() if node == name}
            for peer, (url, collection) in pulled.items():
                line = stack.enter_context(Line(url, random.Random(f"{SEED} {name} {peer}")))
                lines.append(line)
                nodes[name].peers[peer] = _peer(line, collection, beside.get(peer), monkeypatch)
            nodes[name].write()
        for node in nodes.values():
            stack.callback(node.kill)
            node.serve("--workers", "1")
        yield Ring(nodes, beside, lines)


def _peer(line: Line, collection: str, foreign: Foreign | None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    auth: dict[str, Any] = {"token": {"env": "TAXII_FED_TEST_TOKEN"}}
    if foreign is not None and foreign.authorization.startswith("Bearer "):
        monkeypatch.setenv("TAXII_FED_TEST_OPENTAXII", foreign.authorization.removeprefix("Bearer "))
        auth = {"token": {"env": "TAXII_FED_TEST_OPENTAXII"}}
    elif foreign is not None:
        monkeypatch.setenv("TAXII_FED_TEST_MEDALLION", foreign.password)
        auth = {"username": foreign.username, "password": {"env": "TAXII_FED_TEST_MEDALLION"}}
    return {
        "url": f"{line.url}/taxii2/", "auth": auth, "allow_private": "true", "max_page": "40", "removal_guard": "off",
        "pull": [{"theirs": collection, "ours": "banking"}],
    }  # fmt: skip


# -- what happens ---------------------------------------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Does one act after the other, each again until it is acknowledged."""

    def __init__(self, acts: Sequence[Callable[[], None]], over: threading.Event) -> None:
        super().__init__()
        self._acts = acts
        self._over = over
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for act in self._acts:
                self._acknowledged(act)
                self._over.wait(1.0)
        except Exception as error:  # noqa: BLE001 (told by the test)
            self.error = error

    def _acknowledged(self, act: Callable[[], None]) -> None:
        for _ in range(400):
            with contextlib.suppress(
                requests.ConnectionError, requests.exceptions.ChunkedEncodingError, urllib.error.HTTPError
            ):
                return act()
            self._over.wait(0.2)
        raise AssertionError("never acknowledged")


def story(site: str, first: int, chance: random.Random) -> list[Thing]:
    """Make up the things of one site; the first goes wherever its form allows, the second is an address."""
    things = [
        Thing(first, site, [Level.GREEN], victim=False, address=""),
        Thing(first + 1, site, [Level.CLEAR], victim=False, address=_address(first + 1)),
    ]
    for number in range(first + 2, first + THINGS):
        levels = [chance.choice((Level.CLEAR, Level.GREEN, Level.GREEN, Level.AMBER, Level.RED))]
        while chance.random() < 0.35 and len(levels) < 3:
            levels.append(chance.choice((Level.CLEAR, Level.GREEN, Level.AMBER)))
        address = _address(number) if chance.random() < 0.4 else ""
        things.append(Thing(number, site, levels, victim=chance.random() < 0.2, address=address))
    return things


def _address(number: int) -> str:
    return f"100.{number // 250 + 64}.{number % 250}.77"


def acts(ring: Ring, things: Sequence[Thing], chance: random.Random) -> list[Callable[[], None]]:
    """Return what a writer does: envelopes of some things, later versions after earlier ones, some deletions."""
    result: list[Callable[[], None]] = []
    for index in range(max(len(thing.levels) for thing in things)):
        rest = [(thing, index) for thing in things if len(thing.levels) > index]
        while rest:
            size = chance.randint(1, 4)
            some, rest = rest[:size], rest[size:]
            result.append(lambda some=some: ring.post(some))
    return [*result, *(lambda thing=thing: ring.delete(thing) for thing in chance.sample(things[2:], 2))]


def disturb(ring: Ring, writers: Sequence[Writer], chance: random.Random) -> Counter[str]:
    """Let workers run and kill most of them, and now and then a server, while the writers write; return what was done."""
    done: Counter[str] = Counter()
    nodes = list(ring.nodes.values())
    while done["turns"] < TURNS or any(writer.is_alive() for writer in writers):
        working = [node.spawn("sync", "--once", "--reconcile") for node in chance.sample(nodes, 2)]
        if done["turns"] % 6 == 3:
            crashing = chance.choice(nodes)
            crashing.kill()
            crashing.serve("--workers", "1")
            done["servers killed"] += 1
        for worker in working:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(timeout=chance.uniform(0.3, 2.0))
            done["workers killed" if worker.poll() is None else "workers ended"] += 1
            kill(worker)
        done["turns"] += 1
    return done


def check(ring: Ring, things: Sequence[Thing], spelled: dict[Key, bytes]) -> None:
    """Compare what each bank reads with what it is allowed, byte for byte; ``spelled`` learns the bytes of foreign originals."""
    by_id = {thing.id: thing for thing in things}
    copy_ids: dict[str, set[str]] = defaultdict(set)
    for name, expected in allowed(things).items():
        bank = ring.nodes[name].bank()
        assert max(bank.keys.values()) == 1, name
        originals, copies = set(), Counter()
        for value, raw in bank.found:
            thing = by_id.get(value["id"])
            if thing is None:
                copies[value["name"]] += 1
                copy_ids[value["name"].partition(",")[0]].add(value["id"])
                continue
            index = next(i for i in range(len(thing.levels)) if thing.version(i)["modified"] == value["modified"])
            originals.add((thing.id, index))
            assert value == thing.version(index)
            assert raw == spelled.setdefault((thing.id, value["modified"]), raw), f"{name}: {raw!r}"
        assert originals == expected.originals, name
        assert copies == Counter(expected.copies), name
        for thing in things:
            if thing.address and not any(each == thing.id for each, _ in originals):
                assert f"'{thing.address}'" not in bank.text, f"{name} reads {thing.address}"
    assert all(len(ids) == 1 for ids in copy_ids.values()), copy_ids


@pytest.mark.invariant("I1", "I2", "I3", "I4", "I5", "I10")
def test_a_ring_with_foreign_servers_and_faults_comes_to_the_sets_that_the_rules_allow(ring: Ring) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    sites = {site: story(site, 1 + THINGS * number, chance) for number, site in enumerate((*RING, *BESIDE))}
    things = [thing for some in sites.values() for thing in some]
    over = threading.Event()
    writers = [Writer(acts(ring, some, chance), over) for some in sites.values()]
    for writer in writers:
        writer.start()
    try:
        for line in ring.lines:
            line.spoil()
        done = disturb(ring, writers, chance)
    finally:
        over.set()
        for line in ring.lines:
            line.mend()
        for writer in writers:
            writer.join()
    assert [writer.error for writer in writers] == [None] * len(writers)
    print(dict(done), {"cut": sum(line.cut for line in ring.lines), "delayed": sum(line.delayed for line in ring.lines)})
    assert done["workers killed"] > 2
    assert sum(line.cut for line in ring.lines) > 2

    spelled = {
        (thing.id, thing.version(index)["modified"]): thing.raw(index).encode()
        for thing in things
        for index in range(len(thing.levels))
        if thing.site not in BESIDE
    }
    print("at rest after", ring.rest())
    check(ring, things, spelled)

    leaving = [*sites["hk"][:2], *sites["opentaxii"][:2]]
    for bank in ring.banks().values():
        assert all(f"thing {thing.number}," in bank.text for thing in leaving)
    for thing in leaving:
        ring.delete(thing)
    print("at rest after", ring.rest())
    check(ring, things, spelled)
    for name, bank in ring.banks().items():
        assert not any(f"thing {thing.number}," in bank.text for thing in leaving), name
    for node in ring.nodes.values():
        node.kill()
        verified = node.run("rebuild", "--verify")
        assert verified.returncode == 0, f"{node.name}: {verified.stdout}{verified.stderr}"
