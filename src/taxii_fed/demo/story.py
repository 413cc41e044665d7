"""The order of events of the demo, and the checks that it makes of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from taxii_fed.core.errors import NotFoundError
from taxii_fed.core.stix import Received
from taxii_fed.demo.account import ABSENT, COPY, HELD, ORIGINAL, WITHHELD, Account, Columns, Outcome
from taxii_fed.demo.incident import Incident, Json, Posted
from taxii_fed.demo.nodes import DemoError, Node
from taxii_fed.demo.reading import Reader, delete, post
from taxii_fed.services.explain import Explainer, VersionAnswer
from taxii_fed.wiring import open_node

MOST_ROUNDS = 8

_READERS = {
    "hk-hub": ("pearl-bank", "peak-insurance", "monetary-regulator"),
    "eu-csirt": ("rhine-bank", "banking-supervisor"),
    "us-isac": ("prairie-bank", "sentinel-soc"),
}
"""Whom the account is about; the peers read as well."""
_STAFF = {"hk-hub": "analysts", "eu-csirt": "duty-officers", "us-isac": "watch-floor"}


class Story:
    """Publishes, federates, reads and tells. ``now`` is an instant in microseconds."""

    def __init__(self, nodes: dict[str, Node], account: Account, now: int) -> None:
        self._nodes = nodes
        self._account = account
        self._incident = Incident(now)
        self._sent: dict[tuple[str, str], bytes] = {}
        self._objects: dict[str, Json] = {}
        self._told: dict[str, Columns] = {}
        self._readers = [Reader(nodes[name], party) for name, parties in _READERS.items() for party in parties]
        self._begun = time.monotonic()

    def tell(self) -> bool:
        """Let everything happen and return whether all checks hold. The nodes must be up. Raises `DemoError`."""
        tell = self._account
        tell.chapter("Three nodes, three jurisdictions, one program")
        for node in self._nodes.values():
            rules = sum(
                len(part) for part in (node.settings.share, node.settings.never, node.settings.hold, node.settings.change)
            )
            tell.say(
                f"{node.name:9} {node.settings.node.title:30} {node.url}   {len(node.settings.parties)} parties, {rules} rules"
            )
        tell.chapter("An incident: codes of bank customers are relayed in real time")
        for posted in self._incident.first_wave():
            self._post(posted)
        tell.chapter("The nodes pull from each other, over plain TAXII")
        self._federate()
        tell.chapter("Who received what, and why not the rest")
        self._tell()
        checks = self._first_checks()
        tell.chapter(
            "Hours later: a correction, a stricter marking, a revocation, an approval, a deletion",
            "The operator panel is AMBER from now on, so it leaves whoever may read up to GREEN.",
            "The regulator may see the takedown report; the other readers wait.",
        )
        for posted in self._incident.second_wave():
            self._post(posted)
        hub = self._nodes["hk-hub"]
        hub.run("approve", self._incident.id("report", "takedown"), "--to", "monetary-regulator")
        delete(self._nodes["us-isac"], "prairie-bank", "banking", self._incident.id("threat-actor", "paper lantern"))
        self._federate("--reconcile")
        self._tell()
        checks |= self._second_checks()
        tell.chapter("What must hold, checked on what the readers fetched")
        good = tell.checks(checks)
        tell.say(f"{time.monotonic() - self._begun:.0f} seconds", "dim")
        return good

    # -- acting ---------------------------------------------------------------------------------------------------------------
    def _post(self, posted: Posted) -> None:
        node = self._nodes[posted.node]
        for value, raw in zip(posted.objects, post(node, posted.party, posted.collection, posted.objects), strict=True):
            self._objects[value["id"]] = value
            self._account.name(value)
            self._sent[value["id"], value.get("modified", "")] = raw
        self._account.say(f"{posted.party:14} publishes {len(posted.objects):2} objects at {posted.node}")

    def _federate(self, *how: str) -> None:
        """Let all nodes pull until a whole round changes nothing that anybody sees."""
        before = self._seen()
        for round_number in range(1, MOST_ROUNDS + 1):
            with ThreadPoolExecutor(len(self._nodes)) as pool:
                list(pool.map(lambda node: node.run("sync", "--once", *how), self._nodes.values()))
            after = self._seen()
            changed = sum(len(after[reader] ^ before[reader]) for reader in after)
            self._account.say(f"round {round_number}: {changed} changes of what readers see" + ("" if changed else "; at rest"))
            if not changed:
                return
            before = after
        raise DemoError(f"the nodes did not come to rest in {MOST_ROUNDS} rounds")

    def _seen(self) -> dict[str, frozenset[tuple[str, str]]]:
        staff = [Reader(self._nodes[name], party) for name, party in _STAFF.items()]
        return {
            str(reader): frozenset((each.id, each.version_text) for each in reader.read())
            for reader in [*self._readers, *staff]
        }

    # -- telling ----------------------------------------------------------------------------------------------------------------
    def _tell(self) -> None:
        """Tell what every reader has; the second time only what changed."""
        with ExitStack() as stack:
            explainers = {name: stack.enter_context(_explainer(node)) for name, node in self._nodes.items()}
            copies = self._copies(explainers)
            for name, node in self._nodes.items():
                before = self._told.get(name)
                columns = self._told[name] = {
                    party: {each: _outcome(explainers[name], each, copies[each], party) for each in self._objects}
                    for party in _READERS[name]
                }
                listed = [value for value in self._objects.values() if _worth_telling(value["id"], columns, before)]
                self._account.say("")
                self._account.say(f"{name}: {node.settings.node.title}" + (", what changed" if before else ""), "bold")
                self._account.matrix(listed, columns, before)
                if not before:
                    self._account.reasons(columns)
        self._account.legend()

    def _copies(self, explainers: dict[str, Explainer]) -> dict[str, list[str]]:
        """Return the ids of the copies of each object that a node made for its peers, and of the copies that those made of them."""
        copies: dict[str, list[str]] = {object_id: [] for object_id in self._objects}
        for _ in range(len(explainers) - 1):
            for object_id, known in copies.items():
                for name, explainer in explainers.items():
                    for peer in explainers.keys() - {name}:
                        for each in (object_id, *known):
                            known += [given for given in _given(explainer, each, peer) if given not in (object_id, *known)]
        return copies

    # -- checking ---------------------------------------------------------------------------------------------------------------
    def _first_checks(self) -> dict[str, bool]:
        held = {str(reader): reader.read() for reader in self._readers}
        texts = {name: b"\n".join(each.raw for each in objects) for name, objects in held.items()}
        europeans = {str(reader) for reader in self._readers if reader.node.name == "eu-csirt"}
        americans = {str(reader) for reader in self._readers if reader.node.name == "us-isac"}
        regulator = "monetary-regulator at hk-hub"

        def only(phrase: str, allowed: set[str]) -> bool:
            return {name for name, text in texts.items() if phrase.encode() in text} <= allowed

        pearl, prairie = ({each.id for each in held[name]} for name in ("pearl-bank at hk-hub", "prairie-bank at us-isac"))
        relay = self._incident.id("malware", "relay kit")
        return {
            "every original arrived byte for byte as it was published, at every node": self._as_sent(held),
            "no reader has one version twice": all(_distinct(objects) for objects in held.values()),
            "what is GREEN in Hong Kong is with the banks of all three": relay in pearl & prairie
            and relay in {each.id for each in held["rhine-bank at eu-csirt"]},
            "the address and the mail from Europe are exact in Europe alone": only("198.51.100.23", europeans)
            and only("mule-office@", europeans),
            "abroad the address is a network": b"198.51.100.0/24" in texts["pearl-bank at hk-hub"],
            "the European AMBER stayed in Europe": only("LANTERN-7", europeans),
            "the victim is known to the regulator alone": only("Lion Rock Trading", {regulator})
            and b"Lion Rock Trading" in texts[regulator],
            "the informant stayed in the room": only("A reporter inside the group", {regulator}),
            "the takedown is on hold for everyone": only("Takedown of the relay hosts", set()),
            "the weak indicator stayed in the United States": only("prairie-bank-login", americans),
        }  # fmt: skip

    def _second_checks(self) -> dict[str, bool]:
        held = {str(reader): {(each.id, each.version_text): each for each in reader.read()} for reader in self._readers}
        panel = self._incident.control_server()
        kit = self._incident.relay_malware(hours=6)
        look_alike = self._incident.look_alike(hours=6)
        actor = self._incident.id("threat-actor", "paper lantern")
        takedown = self._incident.id("report", "takedown")
        abroad = [name for name in held if not name.endswith("hk-hub")]
        return {
            "the panel, stricter now, left every reader abroad": not any(
                object_id == panel["id"] for name in abroad for object_id, _ in held[name]
            ),
            "they were told that it was withdrawn": all(
                any(each.value and "withdrawn" in each.value.get("labels", ()) for each in held[name].values())
                for name in ("rhine-bank at eu-csirt", "prairie-bank at us-isac")
            ),
            "the banks of Hong Kong still have it": any(
                object_id == panel["id"] for object_id, _ in held["pearl-bank at hk-hub"]
            ),
            "the correction reached the banks of all three": all(
                (kit["id"], kit["modified"]) in held[name]
                for name in ("pearl-bank at hk-hub", "rhine-bank at eu-csirt", "prairie-bank at us-isac")
            ),
            "the revocation reached them, too": all(
                (look_alike["id"], look_alike["modified"]) in held[name]
                for name in ("pearl-bank at hk-hub", "rhine-bank at eu-csirt", "prairie-bank at us-isac")
            ),
            "what was deleted in the United States is gone everywhere": not any(
                object_id == actor for versions in held.values() for object_id, _ in versions
            ),
            "the approved report is with the regulator alone": {
                name for name, versions in held.items() for object_id, _ in versions if object_id == takedown
            }
            == {"monetary-regulator at hk-hub"},
        }

    def _as_sent(self, held: dict[str, list[Received]]) -> bool:
        """Return whether every object under an id that was published has the very bytes that were published."""
        known = {object_id for object_id, _ in self._sent}
        originals = [each for objects in held.values() for each in objects if each.id in known]
        return bool(originals) and all(self._sent.get((each.id, each.version_text)) == each.raw for each in originals)


def _distinct(objects: list[Received]) -> bool:
    return len({(each.id, each.version_text) for each in objects}) == len(objects)


@contextmanager
def _explainer(node: Node) -> Iterator[Explainer]:
    opened = open_node(node.settings)
    try:
        yield Explainer(opened.store, opened.keys, opened.in_force, opened.clock)
    finally:
        opened.close()


def _worth_telling(object_id: str, columns: Columns, before: Columns | None) -> bool:
    if before is None:
        return any(outcomes[object_id].form != ABSENT for outcomes in columns.values())
    return any(outcomes[object_id] != before[party].get(object_id) for party, outcomes in columns.items())


def _outcome(explainer: Explainer, object_id: str, copies: Sequence[str], party: str) -> Outcome:
    """Return what a party gets of an object: the object itself, a copy made here, or one that another node made of it."""
    found = Outcome(ABSENT)
    for each in (object_id, *copies):
        versions = _versions(explainer, each, party)
        visible = [version for version in versions if version.outcome == "visible"]
        if visible:
            original = each == object_id and not visible[-1].derived
            return Outcome(ORIGINAL if original else COPY, rule=visible[-1].rule)
        if versions and found.form == ABSENT:
            last = versions[-1]
            found = Outcome(HELD if last.outcome == "held" else WITHHELD, last.reason, last.rule)
    return found


def _given(explainer: Explainer, object_id: str, party: str) -> list[str]:
    return [version.given_id for version in _versions(explainer, object_id, party) if version.given_id]


def _versions(explainer: Explainer, object_id: str, party: str) -> list[VersionAnswer]:
    try:
        return [version for answer in explainer.explain(object_id, party) for version in answer.versions]
    except NotFoundError:
        return []


def client_commands(nodes: dict[str, Node]) -> list[str]:
    """Return commands that a visitor may try while the nodes stay up."""
    lines = []
    for name, parties in _READERS.items():
        node = nodes[name]
        party = parties[0]
        lines.append(
            f"curl -s -H 'Authorization: Bearer {node.tokens[party]}' '{node.objects_url('banking')}?limit=5'   # {party}"
        )
    hub = nodes["hk-hub"]
    lines.append(f"taxii-fed --config {hub.config} status")
    lines.append(f"taxii-fed --config {hub.config} view pearl-bank")
    return lines
