"""docs/configuration.md shows what the program does."""

import re
import secrets
from pathlib import Path

import yaml
from click.testing import CliRunner

from taxii_fed.cli.main import main
from taxii_fed.config import scalars

GUIDE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


def test_the_messages_in_the_guide_are_those_of_check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "node.key").write_text(secrets.token_hex(32))
    (text, told) = re.search(r"```yaml\n(.*?)```\n\n```text\n(.*?)```", GUIDE, re.DOTALL).groups()
    (tmp_path / "taxii-fed.yaml").write_text(text)
    assert CliRunner().invoke(main, ["check"]).stderr == told


def test_every_block_is_yaml():
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        yaml.safe_load(block)


def test_the_values_in_the_table_are_read():
    rows = dict(re.findall(r"^\| (Times|Time spans|Sizes|Shares|TLP levels) \| (.*) \|$", GUIDE, re.MULTILINE))
    readers = {
        "Times": scalars.instant,
        "Time spans": scalars.Duration(),
        "Sizes": scalars.size,
        "Shares": scalars.percent,
        "TLP levels": scalars.tlp,
    }
    assert rows.keys() == readers.keys()
    for kind, row in rows.items():
        values = [value for value in re.findall(r"`([^`]+)`", row) if value not in {"until", "expires"}]
        assert [readers[kind](value) for value in values]
