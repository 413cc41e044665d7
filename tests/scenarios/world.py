"""A node under a settable clock, reached over HTTP on loopback, with stub peers around it: where the scenarios happen."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import requests
from checks import Json, Record, differences, version_of
from stub import StubPeers
from translate import UnknownTermError, inbound_terms, party_of, rules_in_force
from werkzeug.serving import WSGIRequestHandler, make_server

from nodekit import memory_folder
from stores import store_url
from taxii_fed.config import convert, load
from taxii_fed.core.errors import NotFoundError
from taxii_fed.core.federation.reconcile import Guard
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.timestamps import parse_rfc3339
from taxii_fed.peers.client import TaxiiPeer
from taxii_fed.peers.transport import Access
from taxii_fed.ports import Entry, Reader
from taxii_fed.services.answers.explain import Answer
from taxii_fed.services.federation import compare
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import PeerPlan, Subscription, Subscriptions
from taxii_fed.services.rules.holds import Holds
from taxii_fed.web.app import create_app
from taxii_fed.wiring import Node, open_node

DESK = "local-desk"
"""The account of the server's own organisation that publishes."""
ROOT = "finance"
IDENTITY = "identity--5d3f0c52-4a3e-4c0e-9f53-1b2f5b0d7a11"
ACCEPT = {"Accept": "application/taxii+json;version=2.1"}


class SettableClock:
    def __init__(self) -> None:
        self.instant = 0

    def now(self) -> int:
        return self.instant


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        pass


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve a WSGI application on a free port of loopback and give its base URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class World:
    """One scenario's node. Steps are methods; each takes the step as the file has it."""

    def __init__(self, scenario: Json, parties: Json, folder: Path) -> None:
        self.objects: dict[str, Json] = scenario["objects"]
        self.ids = {key: obj["id"] for key, obj in self.objects.items()}
        check_terms(scenario)
        self._scenario = scenario
        self._parties = parties
        self._clock = SettableClock()
        self._clock.instant = min(parse_rfc3339(step["at"]) for step in scenario["steps"]) - 3_600_000_000
        self._folder = folder
        self._collections = self._named_collections()
        self._peers = sorted({step["from"] for step in scenario["steps"] if step.get("from", "local") != "local"})
        self._sessions: dict[str, requests.Session] = {}
        self._held: dict[str, dict[str, Json]] = defaultdict(dict)
        self._ids_before: dict[tuple[str, str], dict[str, str]] = {}
        self.stub = StubPeers()
        for peer in self._peers:
            for name in self._collections:
                self.stub.offers[peer, name] = []

    @contextmanager
    def open(self) -> Iterator[World]:
        settings = load.loads(self._yaml(), self._folder)
        self.node: Node = open_node(settings, clock=self._clock)
        self._rules = self._scenario["rules"]
        try:
            self._put_in_force()
            with serving(self.stub) as peers, serving(create_app(self.node, write=lambda _: None)) as base:
                self._peer_base, self._base = peers, base
                yield self
        finally:
            for session in self._sessions.values():
                session.close()
            self.node.close()

    # -- set-up -----------------------------------------------------------------------------------------------------------

    def _named_collections(self) -> dict[str, str]:
        names = [step["collection"] for step in self._scenario["steps"] if "collection" in step]
        for rule in self._all_rules():
            names += rule.get("collections", ())
        return {name: str(uuid.uuid4()) for name in dict.fromkeys(names or ["banking"])}

    def _all_rules(self) -> list[Json]:
        return [*self._scenario["rules"], *(rule for step in self._scenario["steps"] for rule in step.get("set", ()))]

    def _known_parties(self) -> list[str]:
        names = {*self._scenario["recipients"], *self._peers}
        for step in self._scenario["steps"]:
            if step["do"] == "poll":
                names |= {
                    step["by"],
                    *(party for entry in step["expect"].get("visible", ()) for party, _ in differences(entry)),
                }
            elif step["do"] == "approve":
                names.add(step["to"])
        return sorted(names)

    def _yaml(self) -> str:
        """A configuration with what files alone supply: accounts and addresses; rules are put in force beside it."""
        server = self._parties[self._scenario["server"]]
        settings = {
            "node": {
                "name": self._scenario["server"],
                "title": server["organisation"],
                "organisation": server["organisation"],
                "jurisdiction": server["jurisdiction"],
                "identity": IDENTITY,
                "secret": {"file": "node.key"},
            },
            "server": {"public_url": "http://127.0.0.1:1/"},
            "store": {"url": store_url(self._folder / "node.db")},
            "api_roots": {ROOT: {"title": "Finance", "default": "true"}},
            "collections": {name: {"id": key, "api_root": ROOT, "title": name} for name, key in self._collections.items()},
            "parties": {
                name: {"role": "own", "accounts": {name: {"token_hash": hashlib.sha256(token(name).encode()).hexdigest()}}}
                for name in [DESK, *self._known_parties()]
            },
            "share": {"none yet": {"to": {"party": DESK}, "in": "all", "up_to": "CLEAR"}},
        }
        (self._folder / "node.key").write_text(hashlib.sha256(self._scenario["id"].encode()).hexdigest() * 2)
        return json.dumps(settings)

    def _put_in_force(self) -> None:
        base = convert.in_force(self.node.settings)
        server = self._parties[self._scenario["server"]]
        parties = {name: party_of(name, self._parties[name]) for name in self._known_parties()}
        parties[DESK] = party_of(DESK, {**server, "role": "own", "communities": []}, publish=tuple(self._collections))
        coming = rules_in_force(replace(base, parties=parties), self._rules, self.objects)
        fingerprint = hashlib.sha256(repr(coming).encode()).hexdigest()
        self.node.governor.apply(coming, fingerprint)
        self._inbound = inbound_terms(self._rules, self.ids)
        self.node.ingest.set_claims(
            {identity: f"peer:{peer}" for peer, (terms, _) in self._inbound.items() for identity in terms.home_of}
        )

    def _federation(self, peer: str, collection: str) -> tuple[Federation, Subscription]:
        terms, guard = self._inbound.get(peer, (PeerTerms(), {}))
        subscription = Subscription(peer, collection, collection)
        plan = PeerPlan(
            name=peer,
            terms=terms,
            subscriptions=(subscription,),
            overlap=0,
            guard=Guard(guard["max_removal_share"], guard.get("min_for_guard", 1)) if "max_removal_share" in guard else None,
        )
        access = Access(url=f"{self._peer_base}/{peer}/taxii2/", allow_private=(ip_network("127.0.0.0/8"),))
        subscriptions = Subscriptions(self.node.store, self._clock, {peer: plan})
        return Federation(
            self.node.store,
            self.node.ingest,
            self._clock,
            self.node.in_force,
            subscriptions,
            lambda _: TaxiiPeer(access),
            "runner",
        ), subscription

    # -- steps ------------------------------------------------------------------------------------------------------------

    def at(self, step: Json) -> None:
        """Set the clock and let the node finish what is due, each thing when it is due: before the next poll (convention 13)."""
        goal = max(self._clock.instant, parse_rfc3339(step["at"]))
        while due := self._due(goal):
            self._clock.instant = max(self._clock.instant, due)
            self.node.waker.wake_due()
        self._clock.instant = goal

    def _due(self, until: int) -> int | None:
        """Return the next instant, up to ``until``, at which time alone changes something."""
        with self.node.store.read() as reader:
            return min((at for _, at, _ in reader.wakes(until, 1)), default=None)

    def ingest(self, step: Json) -> None:
        objects = [self.objects[key] for key in step["objects"]]
        if step["from"] != "local":
            if step["from"] not in self._inbound:
                return
            self.stub.offer(step["from"], step["collection"], objects, self._clock.instant)
            self._pull(step["from"], step["collection"])
            return
        url = f"{self._base}/{ROOT}/collections/{self._collections[step['collection']]}/objects/"
        answer = self._session(DESK).post(
            url, data=json.dumps({"objects": objects}), headers={**ACCEPT, "Content-Type": ACCEPT["Accept"]}
        )
        assert answer.status_code == 202, answer.text
        failures = answer.json().get("failures", ())  # that the first content stays is told to whom may know
        assert all("an object changes by a new version" in failure["message"] for failure in failures), answer.text

    def _pull(self, peer: str, collection: str) -> None:
        federation, subscription = self._federation(peer, collection)
        try:
            run = federation.pull(subscription)
            assert run.error is None, run.error
            assert not run.unfinished
        finally:
            federation.close()

    def reconcile(self, step: Json) -> None:
        objects = [self.objects[key] for key in step["offers"]]
        self.stub.offer_exactly(step["from"], step["collection"], objects, self._clock.instant)
        federation, subscription = self._federation(step["from"], step["collection"])
        try:
            for _ in range(2):  # only what two readings agree on is gone
                run = compare.reconcile(federation, subscription)
                assert run.error is None, run.error
        finally:
            federation.close()

    def rules(self, step: Json) -> None:
        self._rules = step["set"]
        self._put_in_force()

    def approve(self, step: Json) -> None:
        obj = self.objects[step["obj"]]
        Holds(self.node.store, self.node.settler, self.node.in_force, self._clock).approve(
            obj["id"], version_of(obj), step["to"], by=step.get("by", "officer")
        )

    # -- polls ------------------------------------------------------------------------------------------------------------

    def poll(self, step: Json) -> Record:
        party, collection = step["by"], step["collection"]
        for entry in step["expect"].get("visible", ()):
            for other, _ in differences(entry):
                if entry["obj"] not in self._held[other]:
                    self._hold(other, collection, self._read(other, collection, {"match[version]": "all"}, []))
        full = "added_after" not in step
        texts: list[str] = []
        base = self._url(collection)
        for url in (f"{self._base}/taxii2/", f"{self._base}/{ROOT}/", f"{self._base}/{ROOT}/collections/", f"{base}/"):
            self._get(party, url, {}, texts)
        listed = self._read(
            party, collection, {"match[version]": "all"} if full else {"added_after": step["added_after"]}, texts
        )
        manifest = self._pages(party, f"{base}/manifest/", {"match[version]": "all"}, texts)
        reachable = {(obj["id"], version_of(obj)) for obj in listed} | {(row["id"], row["version"]) for row in manifest}
        copies, given = self._copies(party, collection)
        for object_id in sorted({*self.ids.values(), *(each for ids in given.values() for each in ids)}):
            for obj in self._pages(party, f"{base}/objects/{object_id}/", {"match[version]": "all"}, texts):
                reachable.add((obj["id"], version_of(obj)))
            answer = self._get(party, f"{base}/objects/{object_id}/versions/", {}, texts)
            reachable |= {(object_id, version) for version in answer.get("versions", ())}
        self._hold(party, collection, listed)
        reasons, log, ended = self._audit(party, collection)
        earlier = self._ids_before.get((party, collection), {})
        self._ids_before[party, collection] = {**earlier, **{key: copy[0] for key, copy in copies.items()}}
        return Record(
            full=full,
            listed=listed,
            reachable=reachable,
            texts=texts,
            copies=copies,
            given=given,
            reasons=reasons,
            log=log,
            ended=ended,
            node_identity=IDENTITY,
            astray=[f"a view is not what it should be: {each}" for each in self.node.planner.verify()],
            earlier=earlier,
            others={name: dict(found) for name, found in self._held.items() if name != party},
            same_elsewhere={
                (key, name): copy[0]
                for name in self._collections
                if name != collection
                for key, copy in self._copies(party, name)[0].items()
            },
        )

    def _url(self, collection: str) -> str:
        return f"{self._base}/{ROOT}/collections/{self._collections[collection]}"

    def _read(self, party: str, collection: str, params: Json, texts: list[str]) -> list[Json]:
        return self._pages(party, f"{self._url(collection)}/objects/", params, texts)

    def _hold(self, party: str, collection: str, listed: list[Json]) -> None:
        """Remember what stands for each object key in what a party was given."""
        found = {(obj["id"], version_of(obj)): obj for obj in listed}
        for key, copy in self._copies(party, collection)[0].items():
            if copy in found:
                self._held[party][key] = found[copy]

    def _session(self, party: str) -> requests.Session:
        if party not in self._sessions:
            session = self._sessions[party] = requests.Session()
            session.trust_env = False
            session.headers.update({**ACCEPT, "Authorization": f"Bearer {token(party)}"})
        return self._sessions[party]

    def _get(self, party: str, url: str, params: Json, texts: list[str]) -> Json:
        answer = self._session(party).get(url, params=params)
        assert answer.status_code in (200, 401, 403, 404), f"{url}: {answer.status_code} {answer.text}"
        text = answer.content.decode()
        if answer.status_code != 200:  # an error may repeat the id that was asked for
            for part in url.split("/"):
                text = text.replace(part, "") if "--" in part else text
        texts.append(text + repr(dict(answer.headers)))
        return answer.json() if answer.status_code == 200 else {}

    def _pages(self, party: str, url: str, params: Json, texts: list[str]) -> list[Json]:
        found: list[Json] = []
        asked = {**params, "limit": "3"}
        while True:
            page = self._get(party, url, asked, texts)
            found += page.get("objects", [])
            if not page.get("more"):
                return found
            asked["next"] = page["next"]

    # -- the audit, as an admin sees it --------------------------------------------------------------------------------

    def _copies(self, party: str, collection: str) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]]]:
        """Return what stands for each object key now, and all ids that it ever went out under to the party, oldest first."""
        copies: dict[str, tuple[str, str]] = {}
        given: dict[str, list[str]] = defaultdict(list)
        with self.node.store.read() as reader:
            views = reader.past_views(self._collections[collection], party)
            left = {
                view: max(until or 1 << 62 for who, _, until in reader.past_readers(view) if who == party) for view in views
            }
            present = reader.readers(self._collections[collection]).get(party)
            for key, obj in self.objects.items():
                for entry in reader.ledger(obj["id"]):
                    if entry.source != obj["id"] or not self._is_of(reader, entry, obj):
                        continue
                    if entry.date_added * 1000 >= left.get(entry.view, 0):  # what the others of a view got later
                        continue
                    given[key].append(entry.id)
                    if entry.ended_at is None and entry.view == present:
                        copies[key] = (entry.id, entry.version_text if obj.get("created") else "1970-01-01T00:00:00.000Z")
        return copies, given

    def _is_of(self, reader: Reader, entry: Entry, obj: Json) -> bool:
        """Return whether an entry stands for this version and content."""
        version = reader.version_by_key(entry.source_key)
        if version is not None:
            return bool(json.loads(version.body) == obj)
        if not entry.derived:
            return bool(json.loads(reader.body(entry.body)) == obj)
        return "created" not in obj or entry.version_text == version_of(obj)

    def _audit(self, party: str, collection: str) -> tuple[dict[str, set[str]], dict[str, set[str]], dict[str, set[str]]]:
        reasons: dict[str, set[str]] = defaultdict(set)
        log: dict[str, set[str]] = defaultdict(set)
        ended: dict[str, set[str]] = defaultdict(set)
        for key, obj in self.objects.items():
            try:
                answers = self.node.explainer.explain(obj["id"], party)
            except NotFoundError:
                continue
            for answer in answers:
                if answer.collection == collection:
                    self._audited(obj, answer, reasons[key], log[key], ended[key])
        return reasons, log, ended

    def _audited(self, obj: Json, answer: Answer, reasons: set[str], log: set[str], ended: set[str]) -> None:
        """Add what the audit says of one version: why it is absent, what was done, and why its release ended."""
        version = version_of(obj)
        accepted = [each for each in answer.versions if (each.version_text or version) == version]
        if not answer.reads:
            reasons.add("no-rule")
        for item in answer.quarantine:
            if json.loads(item.body) == obj:
                reasons.add(item.reason)
                log.add(item.reason)
        for event in answer.door:
            if (event.version_text or version) == version:
                log.add(event.reason)
                if not accepted:
                    reasons.add(event.reason)
        for each in accepted:
            if each.reason:
                reasons.add(each.reason)
            log |= {*each.reasons, each.reason} - {""}
        with self.node.store.read() as reader:
            ended |= {
                entry.ended_why for entry in answer.ended if entry.source == obj["id"] and self._is_of(reader, entry, obj)
            }
        log |= ended


def token(party: str) -> str:
    return f"token-of-{party}"


_SCENARIO = {"id", "title", "why", "tags", "server", "recipients", "rules", "objects", "steps", "needs_allow_custom", "note"}
_STEPS = {
    "ingest": {"from", "collection", "objects"},
    "poll": {"by", "collection", "expect", "added_after"},
    "rules": {"set"},
    "approve": {"obj", "to", "by"},
    "reconcile": {"from", "collection", "offers"},
}


def check_terms(scenario: Json) -> None:
    """Raise `UnknownTermError` for what this runner does not know: to pass it over would be to play another scenario."""
    unknown = [f"scenario: {term!r}" for term in scenario.keys() - _SCENARIO]
    for step in scenario["steps"]:
        known = _STEPS.get(step["do"])
        if known is None:
            unknown.append(f"step: {step['do']!r}")
        else:
            unknown += [f"{step['do']}: {term!r}" for term in step.keys() - known - {"do", "at", "note"}]
    if unknown:
        raise UnknownTermError(f"unknown terms: {', '.join(unknown)}")


def run(scenario: Json, parties: Json, folder: Path | None = None) -> Iterable[tuple[Json, Record]]:
    """Play a scenario and yield each poll step with what was found."""
    with tempfile.TemporaryDirectory(prefix="taxii-fed-", dir=memory_folder()) as temporary:
        world = World(scenario, parties, folder or Path(temporary))
        with world.open():
            for step in scenario["steps"]:
                world.at(step)
                if step["do"] == "poll":
                    yield step, world.poll(step)
                else:
                    getattr(world, step["do"])(step)
