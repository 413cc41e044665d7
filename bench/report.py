"""Figures and budgets: what is printed, and what is kept in docs/performance.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """Collects what was measured. A budget is a ratio that should be at least so much, or at most."""

    size: int
    lines: list[str] = field(default_factory=list)
    short: int = 0

    def section(self, title: str) -> None:
        """Begin a group of figures."""
        self._say(f"\n{title}")

    def figure(self, name: str, text: str) -> None:
        """Note an absolute figure, which says something about this machine only."""
        self._say(f"  {name}: {text}")

    def at_least(self, name: str, found: float, bound: float) -> None:
        """Judge a budget with a lower bound."""
        self._judge(name, f"{found:.2f} (at least {bound:g})", good=found >= bound)

    def at_most(self, name: str, found: float, bound: float) -> None:
        """Judge a budget with an upper bound."""
        self._judge(name, f"{found:.2f} (at most {bound:g})", good=found <= bound)

    def skipped(self, name: str, why: str) -> None:
        """Say that a budget was not measured."""
        self._say(f"budget {name}: not measured, {why}")

    def text(self) -> str:
        """Return everything that was said, with what it was measured on."""
        cores = len(os.sched_getaffinity(0))
        machine = f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, {self.size:,} objects"
        return "\n".join([machine, *self.lines]) + "\n"

    def _judge(self, name: str, told: str, *, good: bool) -> None:
        self.short += not good
        self._say(f"budget {name}: {told} {'ok' if good else 'short'}")

    def _say(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)


@dataclass(frozen=True, slots=True)
class Rounds:
    """What several measurements gave in each round."""

    found: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Return the middle figure of one measurement."""
        return statistics.median(self.found[name])

    def ratio(self, name: str, beside: str) -> float:
        """Return the middle of the ratios of each round: what disturbs a whole round cancels out."""
        return statistics.median(one / other for one, other in zip(self.found[name], self.found[beside], strict=True))


def interleaved(runs: Mapping[str, Callable[[], float]], rounds: int) -> Rounds:
    """Run each of several measurements in turn, ``rounds`` times over.

    In turn, so that whatever else the machine does falls on all of them alike; one unmeasured round first.
    """
    found: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(rounds + 1):
        for name, run in runs.items():
            figure = run()
            if round_number:
                found[name].append(figure)
    return Rounds(found)
