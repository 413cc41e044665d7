"""Run the contract suite on every store and say how it went: `make contract`.

Arguments go on to pytest. Fails when a test does, and when a store left out a test that another one ran.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

STORES = ("sqlite", "mongodb")
FOLDER = Path(__file__).parent.parent / "tests" / "contract"


class Tally:
    """Counts the tests of each store; those of the suite lie in ``test_STORE.py``, those of one store alone beside it."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.skipped = 0
        self.suites: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            module, _, name = item.nodeid.partition("::")
            store = _store(module)
            if Path(module).stem == f"test_{store}":
                self.suites[store].add(name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed[_store(report.nodeid.partition("::")[0])] += 1
        self.skipped += report.skipped

    def left_out(self) -> dict[str, set[str]]:
        """Return, for each store whose suite was collected, the tests that only others have."""
        every = set().union(*self.suites.values())
        return {store: every - names for store, names in self.suites.items() if every - names}


def _store(module: str) -> str:
    return Path(module).stem.removeprefix("test_").partition("_")[0]


def main(arguments: list[str]) -> int:
    """Return the exit code: pytest's, or 1 where a store left something out."""
    tally = Tally()
    code = int(pytest.main([str(FOLDER), *arguments], plugins=[tally]))
    for store, names in tally.left_out().items():
        print(f"contract: {store} left out {', '.join(sorted(names))}")
        code = code or 1
    counts = ", ".join(f"{store} {tally.passed[store]} passed" for store in STORES)
    print(f"contract: {counts}, {tally.skipped} skipped")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
