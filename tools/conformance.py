"""Run the tests that answer the TAXII 2.1 standard and print which requirements are covered: `make conformance`.

Arguments go on to pytest. A requirement is covered where at least one test names it and all that do have passed. Fails when a test does,
when a test names a requirement that is none, and when an observable requirement is open.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent / "tests"
REQUIREMENTS = TESTS / "conformance" / "requirements.json"
FOLDERS = (TESTS / "conformance", TESTS / "http")


class Coverage:
    """Collects, for each requirement, the outcomes of the tests that name it."""

    def __init__(self) -> None:
        self.named: dict[str, set[str]] = defaultdict(set)
        self.outcomes: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("taxii"):
                for number in mark.args:
                    self.named[number].add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self.outcomes[report.nodeid].add(report.outcome)

    def of(self, number: str) -> str:
        """Return ``covered``, ``failed``, or ``open`` where no test that names the requirement has run."""
        outcomes = set().union(*(self.outcomes[test] for test in self.named[number])) if number in self.named else set()
        if "failed" in outcomes:
            return "failed"
        return "covered" if "passed" in outcomes else "open"


def table(requirements: list[dict[str, Any]], coverage: Coverage) -> tuple[list[str], int, int]:
    """Return the lines of the table, and how many requirements are covered and open."""
    lines, covered, left = [], 0, 0
    for each in requirements:
        state = "not observable" if "unobservable" in each else coverage.of(each["id"])
        covered += state == "covered"
        left += state in {"open", "failed"}
        tests = f"{len(coverage.named.get(each['id'], ()))} tests" if state != "not observable" else each["unobservable"]
        lines.append(f"{each['id']:<12} {each['level']:<10} {state:<15} {tests:<10} {each['text']}")
    return lines, covered, left


def main(arguments: list[str]) -> int:
    """Return the exit code: pytest's, or 1 where a requirement is open or named wrongly."""
    requirements = json.loads(REQUIREMENTS.read_text(encoding="utf-8"))
    coverage = Coverage()
    code = int(pytest.main(["-m", "taxii", "-q", *map(str, FOLDERS), *arguments], plugins=[coverage]))
    lines, covered, left = table(requirements, coverage)
    print("\n".join(lines))
    unknown = sorted(set(coverage.named) - {each["id"] for each in requirements})
    if unknown:
        print(f"tests name what is no requirement: {', '.join(unknown)}")
    aside = len(requirements) - covered - left
    print(f"{aside} requirements can't be observed over HTTP; the table says why")
    print(f"conformance: {covered} covered, {left} open")
    return code or int(bool(left or unknown))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
