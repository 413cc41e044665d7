"""A configuration is taken over whole or not at all, and what waits for `apply` says so (I6)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from nodekit import START, indicator
from taxii_fed.cli import reload as command
from taxii_fed.config.convert import fingerprint
from taxii_fed.config.load import load
from taxii_fed.core.errors import RefusedError
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.processes import Process
from taxii_fed.web.health import readiness
from taxii_fed.web.server import Server
from taxii_fed.wiring import open_node

TIGHTER = ("    in: [banking]\n    up_to: AMBER\n    relayed_up_to: AMBER", "    in: [banking]\n    up_to: GREEN")
JOINS = (
    "organisation: Lantau Life}",
    "organisation: Lantau Life}\n  tai-po-bank: {role: bank, jurisdiction: HK, organisation: Tai Po Bank, communities: [hk-banking], "
    "accounts: {tai-po: {token_hash: '" + "a" * 64 + "'}}}",
)
SERVER = "  public_url: https://taxii.harbour.example/\n"


@dataclass
class Serving:
    """A server's main process as gunicorn drives it, without workers."""

    admin: Any
    server: Server
    said: Callable[[], str]

    def reload(self, *changes: tuple[str, str]) -> str:
        """Edit the configuration, reload, and return what the server says."""
        self.admin.edit(*changes)
        self.said()
        self.server.reload()
        return self.said()

    @property
    def revision(self) -> int:
        return self.admin.json("status")["revision"]


@pytest.fixture
def serving(stocked, capsys):
    settings = load(stocked.config)
    server = Server(settings, lambda: load(stocked.config), open_node, 1, 2)
    return Serving(stocked, server, lambda: capsys.readouterr().err)


def test_a_bad_file_leaves_the_old_one_running_loudly(serving):
    said = serving.reload(("up_to: AMBER\n    relayed_up_to: AMBER", "up_to: AMBRE"))
    assert "configuration not reloaded, the last good one stays" in said
    assert "AMBRE" in said
    assert "level=error" in said
    assert serving.server._settings == load_before(serving)


def load_before(serving):
    serving.admin.edit(("up_to: AMBRE", "up_to: AMBER\n    relayed_up_to: AMBER"))
    return load(serving.admin.config)


def test_accounts_and_page_sizes_follow(serving):
    said = serving.reload(JOINS, (SERVER, f"{SERVER}  page_size: 7\n"))
    assert "configuration reloaded" in said
    settings = serving.server._settings
    assert settings.server.page_size == 7
    assert list(settings.parties["tai-po-bank"].accounts) == ["tai-po"]


def test_rules_that_move_nothing_take_effect(serving):
    before = serving.revision
    said = serving.reload(JOINS)
    assert "apply" not in said
    assert serving.revision == before + 1
    assert len(serving.admin.seen("tai-po-bank")) == 2


@pytest.mark.invariant("I6")
def test_rules_that_move_entries_wait_and_the_server_says_which_command_to_run(serving):
    before = serving.revision
    said = serving.reload(TIGHTER, (SERVER, f"{SERVER}  page_size: 7\n"))
    assert "run taxii-fed plan, then taxii-fed apply" in said
    assert serving.revision == before
    assert len(serving.admin.seen("harbour-bank")) == 2
    assert serving.server._settings.server.page_size == 7


@pytest.mark.parametrize("files", ["certificates that are none", "a key of another certificate"])
def test_certificates_that_can_not_be_used_leave_everything_as_it_was(serving, files):
    folder, root = serving.admin.folder, trustme.CA()
    certificate, other = root.issue_cert("localhost"), root.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(folder / "tls.pem")
    other.private_key_pem.write_to_path(folder / "tls.key")
    if files == "certificates that are none":
        (folder / "tls.pem").write_text("no certificate")
    before = serving.revision
    said = serving.reload(JOINS, (SERVER, f"{SERVER}  tls: {{certificate: tls.pem, key: tls.key}}\n"))
    assert "configuration not reloaded, the last good one stays" in said
    assert serving.revision == before


def test_an_address_that_is_taken_leaves_everything_as_it_was(serving):
    before = serving.revision
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = serving.reload(JOINS, (SERVER, f"{SERVER}  listen: 127.0.0.1:{port}\n"))
    assert "configuration not reloaded, the last good one stays" in said
    assert f'reason="127.0.0.1:{port} is in use by another process (server.listen)"' in said
    assert serving.revision == before


# -- /readyz ------------------------------------------------------------------------------------------------------------------


def found(admin, mark, read_at=None):
    node = open_node(load(admin.config), adopt=False)
    try:
        return readiness(node.store, mark, read_at)
    finally:
        node.close()


def test_readiness_tells_a_configuration_that_waits_from_a_process_that_is_behind(stocked):
    old = fingerprint(load(stocked.config))
    assert found(stocked, old, START).waiting == ""
    stocked.edit(TIGHTER)
    new = fingerprint(load(stocked.config))
    assert (
        found(stocked, new).waiting
        == "the configuration differs from what is in force: run taxii-fed plan, then taxii-fed apply"
    )
    read_at = stocked.now
    stocked.run("apply")
    assert found(stocked, new).waiting == ""
    assert "run taxii-fed reload" in found(stocked, old, read_at).waiting
    assert "run taxii-fed plan" in found(stocked, old, stocked.now + 1).waiting


def test_a_node_that_was_never_started_is_not_ready(admin):
    node = open_node(load(admin.config), adopt=False)
    try:
        assert not readiness(node.store, "x").ready
    finally:
        node.close()


def test_what_came_in_meanwhile_is_there_after_a_reload(serving):
    serving.admin.publish(indicator(77, level=Level.GREEN))
    serving.reload(JOINS)
    assert len(serving.admin.seen("tai-po-bank")) == 3


def test_the_command_asks_nobody_where_it_may_not_ask_all(monkeypatch):
    sent = []

    def kill(pid: int, number: int) -> None:
        if pid == 2:
            raise PermissionError
        sent.append((pid, number))

    monkeypatch.setattr(command.os, "kill", kill)
    monkeypatch.setattr(
        command, "running_here", lambda _: [Process(kind, f"host/{pid}/x") for pid, kind in ((1, "serve"), (2, "sync"))]
    )
    with pytest.raises(RefusedError, match=r"Process 2 \(sync\) belongs to another user"):
        command._ask(None)
    assert sent == [(1, 0)]
