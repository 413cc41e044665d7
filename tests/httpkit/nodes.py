"""A node for tests: two API roots, four collections, and a party for every standing that one can have."""

import base64
import hashlib
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from httpkit.client import Client
from taxii_fed.config.load import loads
from taxii_fed.config.schema import Settings
from taxii_fed.core.timestamps import parse_rfc3339
from taxii_fed.web.app import create_app
from taxii_fed.wiring import Node, open_node

BANKING = "5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0001"
INSURANCE = "5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0002"
DROPBOX = "5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0003"
OPEN = "5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0004"
UNKNOWN = "5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1bffff"
PASSWORD = "correct horse"
START = "2026-03-02T09:00:00Z"

_CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
_SECRET = hashlib.sha256(b"a secret for tests").hexdigest()


def token_of(account: str) -> str:
    return f"token-of-{account}"


def _account(name: str) -> str:
    return f"{{{name}: {{token_hash: '{hashlib.sha256(token_of(name).encode()).hexdigest()}'}}}}"


CONFIG = f"""
node:
  name: hk-hub
  title: Hong Kong Financial CTI Hub
  organisation: Harbour Exchange
  jurisdiction: HK
  contact: soc@harbour.example
  identity: identity--0a1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0001
  secret: {{file: node.key}}
server:
  public_url: https://taxii.harbour.example
  page_size: 50
  max_page_size: 200
  max_page_bytes: 1MB
  max_content_length: 200KB
api_roots:
  finance: {{title: Financial sector, default: true, description: Collections of the financial sector}}
  public: {{title: Open to all}}
collections:
  banking: {{id: {BANKING}, api_root: finance, title: Banking, sector: financial-services, alias: banking}}
  insurance: {{id: {INSURANCE}, api_root: finance, title: Insurance, alias: insurance}}
  dropbox: {{id: {DROPBOX}, api_root: finance, title: Dropbox, alias: dropbox}}
  open: {{id: {OPEN}, api_root: public, title: Open}}
parties:
  hub:
    role: own
    jurisdiction: HK
    organisation: Harbour Exchange
    publish: [banking, insurance, dropbox, open]
    accounts: {_account("staff")}
  bank:
    role: bank
    jurisdiction: HK
    organisation: Harbour Bank
    publish: [banking]
    accounts:
      siem: {{password_hash: '{_CHEAP_HASH}'}}
      soar: {{token_hash: '{hashlib.sha256(token_of("soar").encode()).hexdigest()}'}}
  reader: {{role: bank, jurisdiction: HK, organisation: Reading Bank, accounts: {_account("reader")}}}
  insurer: {{role: insurer, jurisdiction: HK, organisation: Insurer, publish: [insurance], accounts: {_account("insurer")}}}
  sender: {{role: vendor, jurisdiction: HK, organisation: Sender, publish: [dropbox, banking], accounts: {_account("sender")}}}
  stranger: {{role: law-enforcement, jurisdiction: HK, organisation: Stranger, accounts: {_account("stranger")}}}
  partner: {{role: peer, jurisdiction: EU, organisation: Partner, accounts: {_account("partner")}}}
share:
  own staff reads all: {{to: {{role: own}}, in: all, up_to: RED, relayed_up_to: RED, unmarked_as: CLEAR, unknown_types: share}}
  banks read banking: {{to: {{role: [bank, peer]}}, in: [banking], up_to: AMBER, unmarked_as: GREEN, unknown_types: share}}
  insurers read insurance: {{to: {{role: insurer}}, in: [insurance], up_to: AMBER, unmarked_as: GREEN}}
"""


class ManualClock:
    """A clock that stands still until it is moved on."""

    def __init__(self, text: str = START) -> None:
        self.at = parse_rfc3339(text)

    def now(self) -> int:
        return self.at

    def pass_seconds(self, seconds: float) -> None:
        self.at += int(seconds * 1_000_000)


@dataclass(repr=False)
class TestNode:
    """An open node with its application; ``lines`` are what it logged."""

    __test__ = False
    settings: Settings
    clock: ManualClock
    node: Node
    app: Any
    lines: list[str] = field(default_factory=list)

    def client(self, account: str | None = "reader", root: str = "/finance/") -> Client:
        """Return a client that logs in with the token of an account, or with nothing."""
        return Client(self.app, f"Bearer {token_of(account)}" if account else None, root)


def write_config(folder: Path, change: Callable[[str], str]) -> Path:
    """Write `CONFIG`, after ``change``, and the node's key into ``folder``; return the file."""
    (folder / "node.key").write_text(_SECRET)
    (folder / "node.key").chmod(0o600)
    path = folder / "taxii-fed.yaml"
    path.write_text(change(textwrap.dedent(CONFIG)))
    return path


def settings_in(folder: Path, change: Callable[[str], str] = lambda text: text) -> Settings:
    """Return the settings of `CONFIG`, after ``change``, for a node that lives in ``folder``."""
    (folder / "node.key").write_text(_SECRET)
    return loads(change(textwrap.dedent(CONFIG)), folder)


def node_in(folder: Path, change: Callable[[str], str] = lambda text: text) -> TestNode:
    """Open a node in ``folder``. Close ``.node`` at the end."""
    settings = settings_in(folder, change)
    clock = ManualClock()
    node = open_node(settings, clock=clock)
    lines: list[str] = []
    return TestNode(settings, clock, node, create_app(node, lines.append), lines)


def basic(user: str, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
