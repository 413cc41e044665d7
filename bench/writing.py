"""Writing: POST beside bare inserts, a pull beside serving and storing, a changed rule beside the import."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.floor import bare_rate
from bench.load import in_turn, run
from bench.node import CLASSES, Measured, fill, lay_out
from bench.objects import envelopes, objects
from bench.report import Report
from taxii_fed.config import convert
from taxii_fed.config.load import load

POSTED = 10_000
ENVELOPE = 100


def posting(report: Report, folder: Path, count: int) -> float:
    """POST envelopes of 100 to a server, and insert the same rows barely; return objects a second over HTTP."""
    report.section(f"POST: envelopes of {ENVELOPE}, validated, decided for {CLASSES} classes, durable")
    bodies = list(envelopes(objects(min(count, POSTED), seed=2), ENVELOPE))
    measured = lay_out(folder / "posting")
    measured.serve()
    try:
        rate = post_all(measured, bodies) * ENVELOPE
    finally:
        measured.stop()
    bare = bare_rate(measured.database, bodies, folder / "floor.db")
    report.figure("POST", f"{rate:,.0f} objects/s")
    report.figure("orjson and bare inserts", f"{bare:,.0f} objects/s")
    report.at_least("POST / orjson and bare inserts", rate / bare, 0.3)
    return rate


def post_all(measured: Measured, bodies: Sequence[bytes], connections: int = 2) -> float:
    """Post each body once and return envelopes a second."""
    waiting: Iterator[bytes] = (measured.post(body) for body in bodies)
    return run(measured.address, in_turn(waiting), seconds=3600, connections=connections, expect=b"202").rate


def importing(report: Report, measured: Measured, count: int) -> float:
    """Fill a node in this process; return the seconds that it took."""
    report.section(f"import of {count:,} objects for {CLASSES} classes")
    spent = 0.0
    for done, seconds in fill(measured, envelopes(objects(count), 1000)):
        spent = seconds
        if done % 100_000 == 0:
            report.figure(f"after {done:,}", f"{done / seconds:,.0f} objects/s")
    report.figure("import", f"{count / spent:,.0f} objects/s, {spent:.1f} s")
    report.figure(
        "store",
        f"{measured.database.stat().st_size / 1e6:,.0f} MB, {measured.database.stat().st_size / count:,.0f} bytes an object",
    )
    return spent


def applying(report: Report, measured: Measured, import_seconds: float) -> None:
    """Raise the level of one rule, and lower it again; the longer of the two beside the import."""
    report.section("apply: one rule from GREEN to AMBER, and back")
    taken = {}
    for level in ("AMBER", "GREEN"):
        config = measured.folder / "taxii-fed.yaml"
        text = config.read_text().replace("in: [banking], up_to: GREEN}", "in: [banking], up_to: AMBER}", 1)
        if level == "GREEN":
            text = config.read_text().replace(
                "role: insurer}, in: [banking], up_to: AMBER}", "role: insurer}, in: [banking], up_to: GREEN}"
            )
        config.write_text(text)
        settings = load(config)
        node = measured.open()
        begun = time.perf_counter()
        try:
            node.governor.apply(convert.in_force(settings), convert.fingerprint(settings))
        finally:
            node.close()
        measured.settings = settings
        taken[level] = time.perf_counter() - begun
    report.figure("release", f"{taken['AMBER']:.1f} s")
    report.figure("withdraw", f"{taken['GREEN']:.1f} s")
    report.at_most("apply / import", max(taken.values()) / import_seconds, 1.0)
