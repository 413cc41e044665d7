"""Run suites of nodes whose stores lie on MongoDB, or on what stands in for it: `make mongodb`. Arguments go on to pytest."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

SUITES = ("processes", "scenarios", "sharing")
PATIENCE = 5
"""How much longer a test may take on the stand-in, whose speed says nothing."""
TOO_LARGE = "processes/test_real_content.py"
"""Thousands of objects, which the stand-in takes minutes for."""


class Patience:
    """Gives every test more time before it is broken off."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("timeout")
            seconds = float(marker.args[0] if marker and marker.args else config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds * PATIENCE), append=False)


def main(arguments: list[str]) -> int:
    """Return pytest's exit code; what the run made on the server is dropped."""
    from pymongo import MongoClient  # noqa: PLC0415

    from mongo.standin import NAMED, mongodb  # noqa: PLC0415 — found on the path that was set above
    from stores import PREFIX  # noqa: PLC0415

    wanted = list(arguments)
    if all(each.startswith("-") for each in arguments):
        wanted += ["-m", "not slow", *(str(TESTS / suite) for suite in SUITES)]
    if not NAMED:
        wanted += [f"--ignore={TESTS / TOO_LARGE}"]
    with tempfile.TemporaryDirectory() as folder, mongodb(Path(folder)) as url:
        os.environ |= {"TAXII_FED_TEST_STORE": url, "TAXII_FED_TEST_RUN": uuid.uuid4().hex}
        if not NAMED:  # which sorts all that a poll might give, for every poll
            os.environ["TAXII_FED_TEST_FEW"] = "yes"
            os.environ.setdefault("TAXII_FED_HYPOTHESIS", "few")
        code = int(pytest.main(wanted, plugins=[] if NAMED else [Patience()]))
        with MongoClient(url) as client:
            for name in client.list_database_names():
                if name.startswith(PREFIX):
                    client.drop_database(name)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
