"""The node that is measured: five classes of readers in one collection, and the processes that serve it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import AnswerError, ask, request
from taxii_fed.config.load import load
from taxii_fed.config.schema import Settings
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.timestamps import format_date_added
from taxii_fed.demo.nodes import free_ports
from taxii_fed.wiring import Node, open_node

COLLECTION = "5d1f7a3e-0f4b-4b8e-9a51-1c2d3e4f5a01"
TOKEN = "bench"
CLASSES = 5


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


_CONFIG = """
node:
  name: bench
  title: Bench
  organisation: Bench
  jurisdiction: HK
  identity: identity--4d0c3a53-7c53-4c58-8d60-0d9f8a7c1a09
  secret: {{file: node.key}}
server: {{listen: 127.0.0.1:{port}, public_url: 'http://127.0.0.1:{port}', max_content_length: 50MB}}
api_roots: {{finance: {{title: Finance, default: true}}}}
collections:
  banking: {{id: {collection}, api_root: finance, title: Banking}}
communities: [members]
parties:
  staff: {{role: own, jurisdiction: HK, organisation: Bench, publish: [banking], accounts: {{staff: {{token_hash: '{staff}'}}}}}}
{readers}"""

_FIVE = f"""\
  bank: {{role: bank, jurisdiction: HK, organisation: Bank, communities: [members], accounts: {{bank: {{token_hash: '{_hash("bank")}'}}}}}}
  insurer: {{role: insurer, jurisdiction: HK, organisation: Insurer}}
  vendor: {{role: vendor, jurisdiction: US, organisation: Vendor}}
  other: {{role: peer, jurisdiction: EU, organisation: Other}}
share:
  staff: {{to: {{role: own}}, in: all, up_to: RED, relayed_up_to: RED}}
  members: {{to: {{community: members}}, in: [banking], up_to: AMBER, relayed_up_to: AMBER}}
  insurers: {{to: {{role: insurer}}, in: [banking], up_to: GREEN}}
  vendors: {{to: {{role: vendor}}, in: [banking], what: {{type: [indicator, malware]}}, up_to: GREEN}}
  peers: {{to: {{role: peer}}, in: [banking], up_to: CLEAR}}
"""

_LEVELS = ("CLEAR", "GREEN", "AMBER")


def of_classes(count: int, *, copies: bool = False) -> str:
    """Return the readers of ``count`` classes, the staff's among them: each a party under a rule of its own.

    With ``copies`` one in five gets addresses as networks, under one change rule.
    """
    names = {f"reader-{number}": number for number in range(count - 1)}
    parties = (f"  {name}: {{role: {'vendor' if at % 5 == 0 else 'bank'}, jurisdiction: HK}}" for name, at in names.items())
    rules = (
        f"  {name}: {{to: {{party: {name}}}, in: [banking], what: {{not: {{label: not-{name}}}}}, up_to: {_LEVELS[at % 3]}}}"
        for name, at in names.items()
    )
    staff = "  staff: {to: {role: own}, in: all, up_to: RED, relayed_up_to: RED}"
    change = ["change:", "  vendors: {to: {role: vendor}, generalise_ip: {v4: 24}}"] if copies else []
    return "\n".join([*parties, "share:", staff, *rules, *change, ""])


@dataclass(slots=True)
class Measured:
    """A node in a folder of its own. ``server`` is its process while it serves."""

    folder: Path
    port: int
    settings: Settings
    server: subprocess.Popen[bytes] | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    @property
    def path(self) -> str:
        """The path of the collection."""
        return f"/finance/collections/{COLLECTION}/"

    @property
    def database(self) -> Path:
        """The file of its store."""
        return self.folder / "taxii-fed.db"

    def get(self, path: str, token: str = TOKEN) -> bytes:
        """Return a GET request below the collection."""
        return request("GET", self.path + path, headers(token))

    def post(self, body: bytes) -> bytes:
        """Return a POST request of an envelope."""
        typed = {"Content-Type": "application/taxii+json;version=2.1"}
        return request("POST", self.path + "objects/", headers(TOKEN) | typed, body)

    def newest(self) -> str:
        """Return the date of the newest entry that the measuring reader has."""
        node = self.open()
        try:
            with node.store.read() as reader:
                view = reader.place("staff", COLLECTION).view
        finally:
            node.close()
        assert view is not None
        return format_date_added(view.head)

    def open(self) -> Node:
        """Open it in this process."""
        return open_node(self.settings)

    def serve(self, *arguments: str) -> None:
        """Start its server in processes of their own, and wait until it is ready."""
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "bench.server", str(self.folder / "taxii-fed.yaml"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while True:
            try:
                ask(self.address, request("GET", "/readyz", {}))
                break
            except (OSError, AnswerError):
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start; see {self.folder / 'server.log'}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """End the server."""
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()
            self.server = None


def headers(token: str) -> dict[str, str]:
    """Return what a poller sends."""
    return {"Accept": "application/taxii+json;version=2.1", "Authorization": f"Bearer {token}"}


def lay_out(folder: Path, *, readers: str = _FIVE, extra: str = "") -> Measured:
    """Write the configuration of a node. ``readers`` is YAML of its parties beside the staff, and of the rules; ``extra`` more YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    key = folder / "node.key"
    if not key.exists():
        key.write_text(hashlib.sha256(str(folder).encode()).hexdigest())
        key.chmod(0o600)
    text = _CONFIG.format(port=port, collection=COLLECTION, staff=_hash(TOKEN), readers=readers)
    (folder / "taxii-fed.yaml").write_text(text + extra)
    return Measured(folder, port, load(folder / "taxii-fed.yaml"))


def fill(measured: Measured, bodies: Iterable[bytes]) -> Iterator[tuple[int, float]]:
    """Publish envelopes in this process; yield how many objects are in, and the seconds spent, after each."""
    node = measured.open()
    try:
        with node.store.read() as reader:
            in_force = node.in_force.current(reader)
        assert in_force is not None
        count, spent = 0, 0.0
        for body in bodies:
            received = read_envelope(body)
            begun = time.perf_counter()
            status = node.ingest.publish_objects(in_force.parties["staff"], in_force.collections["banking"], received)
            spent += time.perf_counter() - begun
            assert status["failure_count"] == 0, status
            count += len(received)
            yield count, spent
    finally:
        node.close()


def memory_megabytes(session: int) -> float:
    """Return the resident memory of the largest process of a session, without what is mapped from files."""
    found = 0.0
    for process in _processes(session):
        try:
            rollup = (process / "smaps_rollup").read_text()
        except OSError:
            continue
        anonymous = next(line for line in rollup.splitlines() if line.startswith("Anonymous:"))
        found = max(found, int(anonymous.split()[1]) / 1024)
    return found


def processor_seconds(session: int) -> float:
    """Return the processor time that all processes of a session have used."""
    ticks = 0
    for process in _processes(session):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _processes(session: int) -> Iterator[Path]:
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and os.getsid(int(process.name)) == session:
                yield process
        except ProcessLookupError:
            continue
