"""The order of events of the demo."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from taxii_fed.core.stix.envelopes import Received
from taxii_fed.core.timestamps import parse_rfc3339
from taxii_fed.demo import checks
from taxii_fed.demo.account import ABSENT, Account, Columns
from taxii_fed.demo.checks import Checks, Opened
from taxii_fed.demo.incident import Incident, Json, Posted
from taxii_fed.demo.nodes import DemoError, Node, whole_second
from taxii_fed.demo.picture import Picture, explainer, holdings
from taxii_fed.demo.reading import Poller, Reader, delete, post

MOST_ROUNDS = 8
WAIT_SECONDS = 60.0
_EMBARGO = 3_000_000
"""How long the embargo still lasts at least once its end was moved up, in µs; more, where commands take long."""

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
        self._picture = Picture(nodes, _READERS)
        self._told: dict[str, Columns] = {}
        self._readers = [Reader(nodes[name], party) for name, parties in _READERS.items() for party in parties]
        self._begun = time.monotonic()
        self._command = 0
        """How long a command takes on this machine, in µs."""

    def tell(self) -> bool:
        """Let everything happen and return whether all checks hold. The nodes must be up. Raises `DemoError`."""
        tell = self._account
        self._introduce()
        found = self._federation()
        found |= self._hours_later()
        found |= self._embargo()
        found |= self._tightened()
        found |= self._who_has_it()
        tell.chapter("What must hold, checked on what the readers fetched")
        good = tell.checks(found)
        tell.say(f"{time.monotonic() - self._begun:.0f} seconds", "dim")
        return good

    # -- chapters -------------------------------------------------------------------------------------------------------------
    def _introduce(self) -> None:
        self._account.chapter("Three nodes, three jurisdictions, one program")
        for node in self._nodes.values():
            terms = node.settings
            rules = sum(len(part) for part in (terms.share, terms.never, terms.hold, terms.change))
            self._account.say(f"{node.name:9} {terms.node.title:30} {node.url}   {len(terms.parties)} parties, {rules} rules")

    def _federation(self) -> Checks:
        tell = self._account
        tell.chapter("An incident: codes of bank customers are relayed in real time")
        for posted in self._incident.first_wave():
            self._post(posted)
        tell.chapter("The nodes pull from each other, over plain TAXII")
        self._federate()
        tell.chapter("Who received what, and why not the rest")
        self._tell()
        return checks.first(self._held(), self._incident, self._sent)

    def _hours_later(self) -> Checks:
        self._account.chapter(
            "Hours later: a correction, a stricter marking, a revocation, an approval, a deletion",
            "The operator panel is AMBER from now on, so it leaves whoever may read up to GREEN.",
            "The regulator may see the takedown report; the other readers wait.",
            "Prairie Bank deletes what it said of the threat actor.",
        )
        for posted in self._incident.second_wave():
            self._post(posted)
        hub = self._nodes["hk-hub"]
        begun = time.monotonic_ns()
        self._account.run(hub, "approve", self._incident.id("report", "takedown"), "--to", "monetary-regulator")
        self._command = (time.monotonic_ns() - begun) // 1000
        self._account.say("")
        delete(self._nodes["us-isac"], "prairie-bank", "banking", self._incident.id("threat-actor", "paper lantern"))
        self._federate("--reconcile")
        self._tell()
        return checks.second(self._held(), self._incident)

    def _embargo(self) -> Checks:
        """Move the end of the European embargo up, and wait until readers who have long read past the advisory receive it."""
        tell = self._account
        tell.chapter(
            "An embargo opens by itself",
            "EU FI-CSIRT holds its advisory until tomorrow's press conference. That is moved up: the duty officers edit the date in their "
            "configuration, look at what that would do, and put it in force. Nobody touches the advisory.",
        )
        advisory = self._incident.id("report", "advisory")
        pollers = [Poller(reader) for reader in self._readers if reader.party in ("pearl-bank", "rhine-bank", "prairie-bank")]
        for poller in pollers:
            poller.poll()
        read_to = {str(poller.reader): poller.position for poller in pollers}
        node = self._nodes["eu-csirt"]
        (hold,) = node.settings.hold.values()
        until = whole_second(time.time_ns() // 1000 + _EMBARGO + 4 * self._command)
        assert hold.until_at is not None
        self._change_rules(node, f"until: {whole_second(hold.until_at)}", f"until: {until}")
        tell.say("")
        tell.say(f"The banks have read all there is, and ask for what is added after that. The hold ends at {until}.")
        came: dict[str, list[Received]] = {str(poller.reader): [] for poller in pollers}

        def with_all() -> bool:
            for poller in waiting:
                came[str(poller.reader)] += poller.poll()
            return all(any(each.id == advisory for each in came[str(poller.reader)]) for poller in waiting)

        waiting = [poller for poller in pollers if poller.reader.node is node]
        _await("the advisory did not appear", with_all)
        tell.say(f"{_clock()}  {waiting[0].reader} has it, without anything having been done")
        waiting = [poller for poller in pollers if poller.reader.node is not node]
        self._pull()
        _await("the advisory did not cross the border", with_all)
        for poller in waiting:
            tell.say(f"{_clock()}  {poller.reader} has it: its node asked Europe for what was added, and it asked its node")
        self._tell()
        return checks.embargo(
            Opened(parse_rfc3339(until), read_to, came, holdings(node, advisory), _STAFF["eu-csirt"]), self._incident
        )

    def _tightened(self) -> Checks:
        """Let the European node give its peers less from now on, and take back what they have."""
        self._account.chapter(
            "A rule is tightened, and what was given is taken back",
            "A court forbids EU FI-CSIRT to give away what its members mark GREEN, even without addresses. One word changes. The peers "
            "learn of it with their next pull, find by comparing that no origin is left, and tell their own readers.",
        )
        before = self._held()
        node = self._nodes["eu-csirt"]
        self._change_rules(
            node, "up_to: GREEN\n    relayed_up_to: GREEN\n\nhold", "up_to: CLEAR\n    relayed_up_to: GREEN\n\nhold"
        )
        self._account.say("")
        self._federate("--reconcile")
        self._tell()
        return checks.tightened(self._held(), before, self._incident)

    def _who_has_it(self) -> Checks:
        """Ask the ledger, and compare what the ledgers of all nodes say of all objects with what every party gets."""
        node = self._nodes["eu-csirt"]
        recalled = self._incident.id("indicator", "drop host")
        self._account.chapter(
            "Who has it, who had it, and why: one command for any object",
            "Of the drop host, at the node where it was published, and the reasons for one reader:",
        )
        _await(
            "the ledger does not know what was fetched",
            lambda: all(each.fetched for each in holdings(node, recalled) if each.until),
        )
        self._account.run(node, "ledger", recalled)
        self._account.run(node, "explain", recalled, "--to", "us-isac")
        everybody = [Reader(node, party) for node in self._nodes.values() for party in node.tokens]
        held = {str(reader): reader.read() for reader in everybody}
        lines = {}
        for name, each in self._nodes.items():
            there = {got.id for reader in everybody if reader.node is each for got in held[str(reader)]}
            with explainer(each) as asked:
                lines[name] = [line for object_id in there for line in asked.holders(object_id) if line.given_id == object_id]
        return checks.ledgers(held, lines, holdings(node, recalled))

    # -- acting ---------------------------------------------------------------------------------------------------------------
    def _post(self, posted: Posted) -> None:
        node = self._nodes[posted.node]
        for value, raw in zip(posted.objects, post(node, posted.party, posted.collection, posted.objects), strict=True):
            self._objects[value["id"]] = value
            self._account.name(value)
            self._sent[value["id"], value.get("modified", "")] = raw
        self._account.say(f"{posted.party:14} publishes {len(posted.objects):2} objects at {posted.node}")

    def _change_rules(self, node: Node, before: str, after: str) -> None:
        self._account.edit(f"{node.name}/taxii-fed.yaml", node.edit(before, after))
        self._account.run(node, "plan")
        self._account.run(node, "apply")

    def _federate(self, *how: str) -> None:
        """Let all nodes pull until a whole round changes nothing that anybody sees."""
        before = self._seen()
        for round_number in range(1, MOST_ROUNDS + 1):
            self._pull(*how)
            after = self._seen()
            changed = sum(len(after[reader] ^ before[reader]) for reader in after)
            self._account.say(f"round {round_number}: {changed} changes of what readers see" + ("" if changed else "; at rest"))
            if not changed:
                return
            before = after
        raise DemoError(f"the nodes did not come to rest in {MOST_ROUNDS} rounds")

    def _pull(self, *how: str) -> None:
        """Let all nodes pull once, at the same time."""
        with ThreadPoolExecutor(len(self._nodes)) as pool:
            list(pool.map(lambda node: node.run("sync", "--once", *how), self._nodes.values()))

    # -- reading --------------------------------------------------------------------------------------------------------------
    def _held(self) -> dict[str, list[Received]]:
        return _read(self._readers)

    def _seen(self) -> dict[str, frozenset[tuple[str, str]]]:
        staff = [Reader(self._nodes[name], party) for name, party in _STAFF.items()]
        held = _read([*self._readers, *staff])
        return {reader: frozenset((each.id, each.version_text) for each in objects) for reader, objects in held.items()}

    def _tell(self) -> None:
        """Tell what every reader has; after the first time only what changed."""
        tell = self._account
        tell.say("")
        tell.legend()
        for name, columns in self._picture.take(self._objects).items():
            before = self._told.get(name)
            self._told[name] = columns
            title = f"{name}: {self._nodes[name].settings.node.title}"
            listed = [value for value in self._objects.values() if _worth_telling(value["id"], columns, before)]
            tell.say("")
            tell.say(f"{title}, {'what changed' if listed else 'nothing changed'}" if before else title, "bold")
            if listed:
                tell.matrix(listed, columns, before)
            if not before:
                tell.reasons(columns)


def _read(readers: Iterable[Reader]) -> dict[str, list[Received]]:
    return {str(reader): reader.read() for reader in readers}


def _worth_telling(object_id: str, columns: Columns, before: Columns | None) -> bool:
    if before is None:
        return any(outcomes[object_id].form != ABSENT for outcomes in columns.values())
    return any(
        object_id not in before[party] or outcomes[object_id].had != before[party][object_id].had
        for party, outcomes in columns.items()
    )


def _await(failure: str, come: Callable[[], bool]) -> None:
    """Ask again and again until something has come. Raises `DemoError` where it never does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not come():
        if time.monotonic() > deadline:
            raise DemoError(f"{failure} in {WAIT_SECONDS:.0f} seconds")
        time.sleep(0.1)


def _clock() -> str:
    return whole_second(time.time_ns() // 1000)


def program() -> str:
    """Return how to call this program from here: by its name where that is found, else by its place."""
    beside = Path(sys.executable).with_name("taxii-fed")
    if shutil.which("taxii-fed") == str(beside) or not beside.exists():
        return "taxii-fed"
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)


def client_commands(nodes: dict[str, Node]) -> list[str]:
    """Return commands that a visitor may try while the nodes stay up."""
    lines = []
    for name, parties in _READERS.items():
        node = nodes[name]
        party = parties[0]
        lines.append(
            f"curl -s -H 'Authorization: Bearer {node.tokens[party]}' '{node.objects_url('banking')}?limit=5'   # {party}"
        )
    hub, europe = (f"{program()} --config {nodes[name].config}" for name in ("hk-hub", "eu-csirt"))
    incident = Incident(0)
    recalled, victims = incident.id("indicator", "drop host"), incident.id("sighting", "victims")
    return [
        *lines,
        f"{hub} status",
        f"{hub} explain {victims} --to pearl-bank",
        f"{europe} ledger {recalled}",
        f"{europe} plan   # after an edit of {nodes['eu-csirt'].config}",
        f"{hub} view pearl-bank",
    ]
