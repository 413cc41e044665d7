"""The demo, as a visitor runs it: without a terminal, to its end."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(300)

NEW = (
    "the advisory waited for its hour",
    "it reached banks in all three that had read past its place",
    "the copies of what is GREEN in Europe left every reader abroad",
    "the banks abroad were told which ones",
    "the ledgers name everybody who has an object, and nobody else",
    "the European ledger knows who fetched the copy, when it ended and why",
)
"""What is checked of the embargo that opens, of the rule that is tightened and of who has it."""


def test_the_demo_federates_tells_and_leaves_the_nodes_up_until_it_is_ended(tmp_path):
    command = [sys.executable, "-m", "taxii_fed", "demo", "--serve", "--folder", str(tmp_path / "demo")]
    demo = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "300"},
    )
    try:
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if " --config " in line and " view " in line:
                break
        told = "".join(lines)
        assert "✗" not in told
        assert told.count("✓") >= len(NEW) + 18
        assert all(f"✓ {sentence}" in told for sentence in NEW)
        assert "at rest" in told
        assert 'rule "victims leave to the regulator only"' in told
        asked = re.search(r"curl .*'(?=\s+# pearl-bank)", told)[0]
        answer = subprocess.run(shlex.split(asked), capture_output=True, text=True, check=True).stdout
        assert '"objects"' in answer
        for asked, found in ((r"\S+ --config .* explain .*", "victims leave to"), (r"\S+ --config .* ledger .*", "rhine-bank")):
            command = re.findall(asked, told)[-1]
            answer = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
            assert found in answer
    finally:
        demo.send_signal(signal.SIGTERM)
        rest, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, told + rest
    logs = [path.read_text() for path in (tmp_path / "demo").glob("*/node.log")]
    assert len(logs) == 3
    assert not any("status=500" in text or "Traceback" in text for text in logs)
