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


def main(arguments: list[str]) -> int:
    """Return pytest's exit code; what the run made on the server is dropped."""
    from pymongo import MongoClient  # noqa: PLC0415

    suites = ["-m", "not slow", *(str(TESTS / suite) for suite in SUITES)]
    from mongo.standin import mongodb  # noqa: PLC0415 — found on the path that was set above
    from stores import PREFIX  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, mongodb(Path(folder)) as url:
        os.environ |= {"TAXII_FED_TEST_STORE": url, "TAXII_FED_TEST_RUN": uuid.uuid4().hex}
        code = int(pytest.main(arguments if any(not each.startswith("-") for each in arguments) else [*arguments, *suites]))
        with MongoClient(url) as client:
            for name in client.list_database_names():
                if name.startswith(PREFIX):
                    client.drop_database(name)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
