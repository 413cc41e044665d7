"""A small node in a folder, and its commands as an admin types them."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nodekit import START, indicator, malware, relationship, stix_id
from taxii_fed.cli.main import main
from taxii_fed.config.load import load
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.ingest import Giver
from taxii_fed.wiring import SystemClock, open_node

BANKING = "5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f"
INSURANCE = "6e2a1b4f-9d3e-4c7b-8a4f-2b3c4d5e6f70"

CONFIG = f"""\
node:
  name: hk-hub
  title: Hong Kong hub
  organisation: Harbour Exchange
  jurisdiction: HK
  identity: identity--0a1f6f0e-6d0e-4c0e-8c57-0d9d3c0e6b11
  secret: {{file: node.key}}
server:
  public_url: https://taxii.harbour.example/
store:
  url: sqlite:hub.db
api_roots:
  finance: {{title: Financial sector, default: true}}
collections:
  banking: {{id: {BANKING}, api_root: finance, title: Banking, alias: bank-feed}}
  insurance: {{id: {INSURANCE}, api_root: finance, title: Insurance}}
jurisdictions:
  EU: [DE, FR]
communities: [hk-banking]
parties:
  staff: {{role: own, jurisdiction: HK, organisation: Harbour Exchange, publish: [banking, insurance]}}
  harbour-bank: {{role: bank, jurisdiction: HK, organisation: Harbour Bank, communities: [hk-banking], publish: [banking]}}
  pearl-bank: {{role: bank, jurisdiction: HK, organisation: Pearl Bank, communities: [hk-banking]}}
  lantau-life: {{role: insurer, jurisdiction: HK, organisation: Lantau Life}}
  hk-regulator: {{role: regulator, jurisdiction: HK, organisation: Monetary Office}}
  eu-csirt: {{role: peer, jurisdiction: EU, organisation: EU FI-CSIRT}}
peers:
  eu-csirt:
    url: https://taxii.eu-csirt.example/taxii2/
    accept_up_to: AMBER
    pull:
      - {{theirs: 91d0, ours: banking}}
share:
  own staff reads everything:
    to: {{role: own}}
    in: all
    up_to: RED
    relayed_up_to: RED
    unmarked_as: RED
  banks read banking:
    to: {{community: hk-banking}}
    in: [banking]
    up_to: AMBER
    relayed_up_to: AMBER
  the regulator reads what it must:
    to: {{role: regulator}}
    in: [banking]
    up_to: RED
    relayed_up_to: RED
never:
  victims stay with us:
    to: {{not: {{role: own}}}}
    what: {{label: victim}}
"""


@dataclass
class Admin:
    """An admin at the command line of one node. ``now`` is the time on its clock (µs)."""

    folder: Path
    now: int = START
    runner: CliRunner = field(default_factory=CliRunner)

    @property
    def config(self) -> Path:
        return self.folder / "taxii-fed.yaml"

    def edit(self, *changes: tuple[str, str]) -> None:
        """Change the configuration as an editor would; each old text must be there once."""
        text = self.config.read_text()
        for old, new in changes:
            assert text.count(old) == 1, (text.count(old), old)
            text = text.replace(old, new)
        self.config.write_text(text)

    def try_(self, *words: str, stdin: bytes | None = None) -> Result:
        """Run a command and return whatever became of it; the clock goes on by a minute."""
        self.now += 60_000_000
        result = self.runner.invoke(main, ["--config", str(self.config), *words], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def alone(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own, for what leaves something behind in its process, such as the server."""
        command = [sys.executable, "-m", "taxii_fed", "--config", str(self.config), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def run(self, *words: str, stdin: bytes | None = None) -> str:
        """Run a command that must succeed and return what it prints."""
        result = self.try_(*words, stdin=stdin)
        assert result.exit_code == 0, (words, result.output)
        return result.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    def publish(self, *objects: dict[str, Any], into: str = "banking", party: str = "staff") -> None:
        """Import objects as a party."""
        path = self.folder / "objects.json"
        path.write_text(json.dumps({"objects": list(objects)}))
        self.run("import", str(path), "--into", into, "--as", party)

    def offer(self, *objects: dict[str, Any], jurisdiction: str = "", level: Level | None = None) -> dict[str, int]:
        """Let the peer offer objects, as a pull does, and return how many met which ruling."""
        settings = load(self.config)
        node = open_node(settings, adopt=False)
        try:
            peer = settings.peers["eu-csirt"]
            with node.store.read() as reader:
                terms = node.in_force.require(reader)
            giver = Giver("eu-csirt", "91d0", terms.parties["eu-csirt"], PeerTerms(accept_up_to=peer.accept_up_to))
            received = read_envelope(json.dumps({"objects": objects}).encode())
            offered = [Offered(each, jurisdiction, level) for each in received]
            return dict(node.ingest.offer(giver, terms.collections["banking"], offered))
        finally:
            node.close()

    def seen(self, party: str, collection: str = "banking") -> set[str]:
        """Return the ids that a party sees."""
        (found,) = [each for each in self.json("view", party)["collections"] if each["collection"] == collection]
        return {entry["id"] for entry in found["objects"]}


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Admin:
    (tmp_path / "node.key").write_text(secrets.token_hex(32))
    (tmp_path / "taxii-fed.yaml").write_text(CONFIG)
    admin = Admin(tmp_path)
    monkeypatch.setattr(SystemClock, "now", lambda _: admin.now)
    return admin


@pytest.fixture
def stocked(admin: Admin) -> Admin:
    """The node with some objects in banking: green, amber, red, a victim's, and a relationship."""
    admin.publish(
        indicator(1, level=Level.GREEN),
        indicator(2, level=Level.AMBER),
        indicator(3, level=Level.RED),
        malware(4, level=Level.GREEN, labels=["victim"]),
        relationship(5, stix_id("indicator", 1), stix_id("malware", 4)),
    )
    return admin
