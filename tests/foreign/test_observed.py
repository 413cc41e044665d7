"""The table of what foreign servers do is what they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from foreign.observed import SERVERS, column, table, written

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]


def test_the_table_in_the_page_is_what_the_servers_answer(tmp_path: Path) -> None:
    columns = {}
    for name, start in SERVERS.items():
        (tmp_path / name).mkdir()
        with start(tmp_path / name) as server:
            columns[name] = column(server)
    assert written() == table(columns)
