"""What docs/administration.md shows is what the commands say: the page is run, line by line."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import Path

import pytest

from nodekit import indicator, malware, relationship, stix_id
from taxii_fed.core.stix.levels import Level

PAGE = Path(__file__).parents[2] / "docs" / "administration.md"
BLOCKS = re.findall(r"^```(console|diff)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
HOLD = (
    "never:\n",
    (
        "hold:\n  foreign heads are asked:\n    to: {role: regulator}\n    what: {origin: eu-csirt, min_tlp: AMBER}\n"
        "    until: approved\nnever:\n"
    ),
)


@pytest.fixture
def node(admin, monkeypatch):
    """The node of the page: its key, its files and what the peer gave are the same in every run."""
    (admin.folder / "node.key").write_text(hashlib.sha256(b"guide").hexdigest())
    (admin.folder / "node.key").chmod(0o600)
    account = "accounts: {harbour-siem: {token_hash: '" + "a" * 64 + "'}}"
    admin.edit(
        HOLD, ("communities: [hk-banking], publish: [banking]}", f"communities: [hk-banking], publish: [banking], {account}}}")
    )
    monkeypatch.chdir(admin.folder)
    feed = [
        indicator(1, level=Level.GREEN, pattern="[ipv4-addr:value = '198.51.100.7']"),
        indicator(2, level=Level.AMBER),
        indicator(3, level=Level.RED),
        malware(4, level=Level.GREEN, labels=["victim"]),
        relationship(5, stix_id("indicator", 1), stix_id("malware", 4)),
    ]
    Path("feed.json").write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": feed}))
    admin.run("apply")
    admin.now -= 60_000_000  # The times of the page are those of a node that just began.
    return admin


def shown(node, command):
    """Return what a command of the page prints."""
    words = shlex.split(command)
    assert words[0] == "taxii-fed"
    result = node.try_(*words[1:])
    if words[1:2] == ["import"]:
        node.offer(
            indicator(20, level=Level.AMBER), indicator(21, level=Level.GREEN), indicator(22, level=Level.RED),
            indicator(2, level=Level.GREEN),
        )  # fmt: skip
    return [line.rstrip() for line in result.output.replace(str(node.folder), "").splitlines()]


def told(block):
    """Yield each command of a block with the lines below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        yield command, lines


def edit(node, block):
    """Make the change that a block of lines with - and + asks for."""
    lines = [line for line in block.splitlines() if line[:1] in "-+"]
    old = "\n".join(line[1:] for line in lines if line.startswith("-"))
    new = "\n".join(line[1:] for line in lines if line.startswith("+"))
    node.edit((f"{old}\n", f"{new}\n"))


def as_pattern(lines):
    """Return what the lines match: an ellipsis stands for anything in a line, alone for any number of lines."""
    parts = (r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n" for line in lines)
    return "".join(parts)


def test_the_page_shows_what_the_commands_say(node):
    for kind, block in BLOCKS:
        if kind == "diff":
            edit(node, block)
            continue
        for command, expected in told(block):
            found = "".join(f"{line}\n" for line in shown(node, command))
            assert re.fullmatch(as_pattern(expected), found), f"$ {command}\n{found}"


def test_the_page_tells_of_every_command_of_an_admin():
    from taxii_fed.cli.main import COMMANDS

    here = {
        name
        for name, place in COMMANDS.items()
        if place.split(":")[0].split(".")[-1] in {"govern", "answers", "people", "data"}
    }
    assert {name for name in here if f"taxii-fed {name}" in PAGE.read_text() or f"`{name} " in PAGE.read_text()} == here
