"""Three nodes as an admin would run them: a folder with a configuration each, and real processes on free loopback ports."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template

from taxii_fed.config.load import load
from taxii_fed.config.schema import Settings
from taxii_fed.core.errors import TaxiiFedError
from taxii_fed.core.timestamps import format_taxii

NAMES = ("hk-hub", "eu-csirt", "us-isac")
START_SECONDS = 30.0
_PORT = "port_"
_PRESS_CONFERENCE = "time_press_conference"
_DAY = 86_400_000_000
_LAST_LINES = 12


class DemoError(TaxiiFedError):
    """A node of the demo did not do what it should; the message says which, and how its log ends."""


@dataclass(slots=True)
class Node:
    """A node of the demo. ``tokens``: party to the token that opens it, in clear."""

    name: str
    folder: Path
    port: int
    settings: Settings
    tokens: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.folder / "taxii-fed.yaml"

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Where its processes write."""
        return self.folder / "node.log"

    def objects_url(self, collection: str) -> str:
        """Return the URL of the objects of a collection, by its name in the configuration."""
        terms = self.settings.collections[collection]
        return f"{self.url}/{terms.api_root}/collections/{terms.id}/objects/"

    def start(self, *command: str) -> None:
        """Start a command that stays."""
        with self.log.open("ab") as log:
            self.processes.append(
                subprocess.Popen(  # noqa: S603 — our own program
                    self._line(command), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            )

    def run(self, *command: str, width: int = 0) -> str:
        """Run a command to its end and return what it printed, with ``width`` as on a terminal so wide. Raises `DemoError`."""
        terminal = {"FORCE_COLOR": "1", "COLUMNS": str(width)} if width else {}
        done = subprocess.run(  # noqa: S603 — our own program
            self._line(command),
            cwd=self.folder,
            env=os.environ | terminal,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(
                f"{self.name}: `taxii-fed {' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout

    def edit(self, before: str, after: str) -> list[str]:
        """Change the configuration on disk, as with an editor, and return the paragraph with a space, - or + before each line.

        What is in force stays until ``apply``. Raises `DemoError` where ``before`` is not there exactly once.
        """
        text = self.config.read_text("utf-8")
        if text.count(before) != 1:
            raise DemoError(f"{self.config} should have once: {before}")
        edited = text.replace(before, after)
        self.config.write_text(edited, "utf-8")
        self.settings = load(self.config)
        difference = difflib.unified_diff(text.splitlines(), edited.splitlines(), n=3, lineterm="")
        lines = [line for line in difference if not line.startswith(("---", "+++", "@@"))]
        paragraphs = [list(each) for _, each in itertools.groupby(lines, lambda line: line == " ")]
        return [line for each in paragraphs if any(line[:1] in "-+" for line in each) for line in each]

    def await_ready(self) -> None:
        """Wait until the server says that it is ready. Raises `DemoError`."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for process in self.processes:
                if process.poll() is not None:
                    raise DemoError(f"{self.name} ended by itself. {self._end_of_log()}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):  # noqa: S310 — our own loopback server
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise DemoError(f"{self.name} was not ready in {START_SECONDS:.0f} seconds. {self._end_of_log()}")

    def stop(self) -> None:
        """End its processes, the last one first, and wait for them."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def _end_of_log(self) -> str:
        """Return the end of the log in words: the folder may be gone by the time that somebody looks."""
        lines = self.log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:] if self.log.exists() else []
        return "\n  ".join(["Its log ends with:", *lines]) if lines else "It logged nothing."

    def _line(self, command: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "taxii_fed", "--config", str(self.config), *command]


def lay_out(folder: Path, now: int) -> dict[str, Node]:
    """Write the configuration of all nodes below ``folder`` and return them by name; nothing runs yet. ``now`` in microseconds."""
    ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    templates = {
        name: Template((resources.files("taxii_fed.demo") / "nodes" / f"{name}.yaml").read_text("utf-8")) for name in NAMES
    }
    tokens = {name: _tokens(template) for name, template in templates.items()}
    nodes = {}
    for name, template in templates.items():
        home = folder / name
        home.mkdir()
        _write_secret(home / "node.key", secrets.token_hex(32))
        for peer in NAMES:
            if peer != name:
                _write_secret(home / f"{peer}.token", tokens[peer][name])
        filled = {f"{_PORT}{_word(each)}": str(port) for each, port in ports.items()}
        filled[_PRESS_CONFERENCE] = whole_second(now + _DAY)
        filled |= {_word(party): hashlib.sha256(token.encode()).hexdigest() for party, token in tokens[name].items()}
        (home / "taxii-fed.yaml").write_text(template.substitute(filled), "utf-8")
        nodes[name] = Node(name, home, ports[name], load(home / "taxii-fed.yaml"), tokens[name])
    return nodes


def _tokens(template: Template) -> dict[str, str]:
    """Return a new token for each party whose account the configuration has a place for."""
    parties = (word.replace("_", "-") for word in template.get_identifiers() if not word.startswith((_PORT, _PRESS_CONFERENCE)))
    return {party: secrets.token_urlsafe(18) for party in parties}


def whole_second(instant: int) -> str:
    """Return an instant (µs) as one writes it in a configuration."""
    return f"{format_taxii(instant)[:19]}Z"


def _word(name: str) -> str:
    return name.replace("-", "_")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at the moment."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def stop_all(nodes: Iterable[Node]) -> None:
    """End all processes of all nodes."""
    for node in nodes:
        node.stop()


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")
