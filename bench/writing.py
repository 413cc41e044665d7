"""Writing: POST beside bare inserts, a pull beside serving and storing, a changed rule beside the import."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.floor import bare_rate
from bench.load import in_turn, run
from bench.node import CLASSES, Measured, fill, lay_out, of_classes
from bench.objects import envelopes, objects
from bench.report import Report
from taxii_fed.config import convert
from taxii_fed.config.load import load
from taxii_fed.wiring import open_node

POSTED = 10_000
ENVELOPE = 100
DECIDED = {1: 5_000, 10: 2_000, 200: 300}
"""Number of classes to number of objects."""


def posting(report: Report, folder: Path, count: int) -> float:
    """POST envelopes of 100 to a server, and insert the same rows barely; return objects a second over HTTP."""
    report.section(f"POST: envelopes of {ENVELOPE}, validated, decided for {CLASSES} classes, durable")
    bodies = list(envelopes(objects(min(count, POSTED), seed=2), ENVELOPE))
    measured = lay_out(folder / "posting")
    measured.serve()
    first = len(bodies) // 10
    try:
        post_all(measured, bodies[:first], connections=8)  # what a process loads once, at its first copy, is not counted
        rate = post_all(measured, bodies[first:]) * ENVELOPE
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


def deciding(report: Report, folder: Path) -> None:
    """Fill nodes of few and many classes, each with rules of its own; without copies, and where one reader in five gets copies."""
    report.section("objects into views: each class with a rule of its own; with copies, one in five gets addresses as networks")
    for classes, count in DECIDED.items():
        rates = {}
        for copies in (False, True) if classes > 1 else (False,):
            measured = lay_out(
                folder / f"{classes}-classes{'-copies' if copies else ''}", readers=of_classes(classes, copies=copies)
            )
            *_, (_, seconds) = fill(measured, envelopes(objects(count, seed=3), ENVELOPE))
            rates["with copies" if copies else "as they came in"] = count / seconds
        told = ", ".join(f"{rate:,.0f} objects/s {how}" for how, rate in rates.items())
        report.figure(f"{classes} {'class' if classes == 1 else 'classes'}, {count:,} objects", told)


def applying(report: Report, measured: Measured, import_seconds: float) -> None:
    """Raise the level of one rule, and lower it again: plan and apply beside the import, the longer apply judged."""
    report.section("plan and apply: one rule from GREEN to AMBER, and back")
    config = measured.folder / "taxii-fed.yaml"
    rule = "insurers: {to: {role: insurer}, in: [banking], up_to: "
    planned, applied = {}, {}
    for word, before, after in (("release", "GREEN", "AMBER"), ("withdraw", "AMBER", "GREEN")):
        text = config.read_text()
        assert rule + before in text
        config.write_text(text.replace(rule + before, rule + after))
        measured.settings = load(config)
        coming, fingerprint = convert.in_force(measured.settings), convert.fingerprint(measured.settings)
        node = open_node(measured.settings, adopt=False)
        try:
            planned[word] = _seconds(node.planner.plan, coming)
            applied[word] = _seconds(node.governor.apply, coming, fingerprint)
        finally:
            node.close()
        report.figure(word, f"plan {planned[word]:.1f} s, apply {applied[word]:.1f} s")
    report.figure("plan / import", f"{max(planned.values()) / import_seconds:.2f}")
    report.at_most("apply / import", max(applied.values()) / import_seconds, 1.0)


def _seconds(work: Callable[..., object], *arguments: object) -> float:
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun
