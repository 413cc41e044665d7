"""The commands of the README, run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from taxii_fed.demo.nodes import free_ports

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|yaml)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SETTING_UP = ("make demo", "deploy/install.sh")


def _run(script, folder):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("TAXII_FED_CONFIG", None)
    done = subprocess.run(  # noqa: PLW1510 — judged below, with what it said
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def commands():
    return [text for kind, text in BLOCKS if kind == "sh" and not any(word in text for word in SETTING_UP)]


def test_the_readme_makes_runs_and_asks_a_node(tmp_path, commands):
    (port,) = free_ports(1)
    make, publish, read, change = (text.replace("8421", str(port)) for text in commands)
    printed = _run(make.replace("--jurisdiction HK", f"--jurisdiction HK --url http://127.0.0.1:{port}"), tmp_path)
    password = re.search(r"password \(shown this once\):\n\s+(\S+)", printed)[1]
    export = 'export TAXII_FED_CONFIG="$PWD/my-hub/taxii-fed.yaml"\n'
    told = _run(
        export
        + publish.replace("my-hub.log &", "my-hub.log & trap 'kill $!; wait $! || true' EXIT")
        + read.replace("what init printed", password),
        tmp_path,
    )
    assert '"title": "My Hub' in told.replace('":"', '": "')
    assert "own staff reads everything" in told
    assert password not in told
    hashed = _run(f"echo '{password}' | taxii-fed hash-password", tmp_path).strip()
    (addition,) = (text for kind, text in BLOCKS if kind == "yaml")
    _merge(tmp_path / "my-hub" / "taxii-fed.yaml", addition.replace("'…'", f"'{hashed}'"))
    planned = _run(export + change, tmp_path)
    assert "harbour-bank" in planned
    assert "1" in planned


def _merge(config, addition):
    """Put the entries of the README's block where its reader would: below the sections of the same name."""
    text = config.read_text()
    for section, entries in re.findall(r"^(\w+):\n(.*?)(?=^\w|\Z)", addition, re.MULTILINE | re.DOTALL):
        assert f"\n{section}:\n" in text
        text = text.replace(f"\n{section}:\n", f"\n{section}:\n{entries.rstrip()}\n", 1)
    config.write_text(text)


def test_the_readme_shows_what_it_promises():
    assert any("make demo" in text for _, text in BLOCKS)
    assert any("deploy/install.sh" in text for _, text in BLOCKS)
