"""`make bench`: everything at one size, in one run, with the budgets judged. The exit code is 1 where one is short."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.foreign import foreign
from bench.load import always, run
from bench.node import Measured, lay_out, memory_megabytes
from bench.pulling import pulling
from bench.report import Report
from bench.serving import growth, pages
from bench.writing import applying, deciding, importing, posting

SMALL = 10_000
RECORD = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> int:
    """Measure and report."""
    options = _options()
    report = Report(options.size)
    with tempfile.TemporaryDirectory(prefix="taxii-fed-bench-", dir=options.folder) as scratch:
        folder = Path(scratch)
        small, large = lay_out(folder / "small"), lay_out(folder / "large")
        importing(report, small, SMALL)
        seconds = importing(report, large, options.size)
        for measured in (small, large):
            measured.serve()
        try:
            pages(report, large, seconds=options.seconds, rounds=options.rounds)
            growth(report, small, large, seconds=options.seconds, rounds=options.rounds)
            _memory(report, small, large)
            pulling(report, large, folder, options.size / seconds)
        finally:
            for measured in (small, large):
                measured.stop()
        posting(report, folder, options.size)
        deciding(report, folder)
        applying(report, large, seconds)
        if not options.without_others:
            foreign(report, folder, seconds=options.seconds, rounds=options.rounds)
    if options.record:
        _record(report)
    return 1 if report.short else 0


def _memory(report: Report, small: Measured, large: Measured) -> None:
    report.section("memory of one server process, after the above and many pages of 1,000")
    found = []
    for measured in (small, large):
        assert measured.server is not None
        run(measured.address, always(measured.get("objects/?limit=1000")), seconds=2)
        found.append(memory_megabytes(measured.server.pid))
    report.figure("small, large", f"{found[0]:.0f} MB, {found[1]:.0f} MB")
    report.at_most("memory, large / small", found[1] / found[0], 1.3)


def _record(report: Report) -> None:
    """Put the figures of this size into the document, in the place of older ones."""
    begin, end = f"<!-- {report.size} -->\n", f"<!-- end {report.size} -->\n"
    text = RECORD.read_text()
    block = f"{begin}```\n{report.text()}```\n{end}"
    before, known, rest = text.partition(begin)
    after = rest.partition(end)[2] if known else ""
    text = f"{before.rstrip()}\n\n{block}{after}"
    RECORD.write_text(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", type=int, default=20_000, help="objects in the large collection")
    parser.add_argument("--seconds", type=float, default=0.6, help="for each run of a reading")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each reading, of which the median counts")
    parser.add_argument("--folder", help="where the stores go; the system's folder for such things when left out")
    parser.add_argument("--without-others", action="store_true", help="leave the other servers out")
    parser.add_argument("--record", action="store_true", help=f"keep the figures in {RECORD.name}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
