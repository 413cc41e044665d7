"""Reading: pages and polls beside a constant body of the same server, and one size of collection beside another."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import orjson

from bench.load import always, ask, run
from bench.node import Measured, processor_seconds
from bench.report import Report, interleaved
from taxii_fed.core.timestamps import format_taxii, parse_rfc3339

CONNECTIONS = 16


def pages(report: Report, measured: Measured, *, seconds: float, rounds: int) -> None:
    """Pages of 100 and 1,000 and the empty poll, beside the constant body."""
    report.section("pages and polls, 16 connections, answers a second")
    last = measured.newest()
    queries = {
        "page of 100": "objects/?limit=100",
        "page of 1000": "objects/?limit=1000",
        "poll": f"objects/?added_after={last}",
    }
    runs: dict[str, Callable[[], float]] = {}
    for name, query in queries.items():
        runs[name] = partial(_rate, measured, measured.get(query), seconds)
        runs[f"{name}, constant"] = partial(_rate, measured, _constant(measured, query), seconds)
    costs: dict[str, float] = {}
    found = interleaved(runs, rounds)
    for name in runs:
        query = queries[name.removesuffix(", constant")]
        message = _constant(measured, query) if name.endswith("constant") else measured.get(query)
        costs[name] = _cost(measured, message, seconds)
        report.figure(name, f"{found.median(name):,.0f}/s, {costs[name]:.2f} ms of the server's processors each")
    share = run(measured.address, always(measured.get(queries["poll"])), seconds=seconds).client_share
    report.figure("client's share of a core while polling", f"{share:.0%}")
    for name, bound in (("page of 100", 0.75), ("page of 1000", 0.45), ("poll", 0.8)):
        report.at_least(f"{name} / constant", found.ratio(name, f"{name}, constant"), bound)


def growth(report: Report, small: Measured, large: Measured, *, seconds: float, rounds: int) -> None:
    """The same questions to a small and a large collection, both served at once and asked in turn."""
    report.section("growth: large collection beside one of 10,000, answers a second")
    runs: dict[str, Callable[[], float]] = {}
    questions = {id(each): _questions(each) for each in (small, large)}
    for name in questions[id(small)]:
        for label, measured in (("small", small), ("large", large)):
            runs[f"{name}, {label}"] = partial(_rate, measured, measured.get(questions[id(measured)][name]), seconds)
    found = interleaved(runs, rounds)
    for name in questions[id(small)]:
        report.figure(name, f"{found.median(f'{name}, small'):,.0f}/s small, {found.median(f'{name}, large'):,.0f}/s large")
    for name in questions[id(small)]:
        report.at_least(f"{name}, large / small", found.ratio(f"{name}, large", f"{name}, small"), 0.8)


def full_read(measured: Measured, limit: int) -> tuple[int, float]:
    """Return how many objects a reader that follows ``next`` gets, and how many a second."""
    count, query, begun = 0, f"objects/?limit={limit}", time.perf_counter()
    while True:
        _, body = ask(measured.address, measured.get(query))
        page = orjson.loads(body)
        count += len(page.get("objects", ()))
        if not page.get("more"):
            return count, count / (time.perf_counter() - begun)
        query = f"objects/?limit={limit}&next={page['next']}"


def _questions(measured: Measured) -> dict[str, str]:
    deep = _middle(measured)
    _, body = ask(measured.address, measured.get(f"manifest/?limit=1&next={deep}"))
    some_id = body.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode()
    return {
        "poll": f"objects/?added_after={measured.newest()}",
        "first page of 100": "objects/?limit=100",
        "deep page of 100": f"objects/?limit=100&next={deep}",
        "by id": f"objects/{some_id}/",
        "match[id]": f"objects/?match[id]={some_id}",
        "by type": "objects/?limit=100&match[type]=malware",
        "manifest of 100": f"manifest/?limit=100&next={deep}",
    }


def _middle(measured: Measured) -> str:
    """Return a cursor half way into the view."""
    first = parse_rfc3339(ask(measured.address, measured.get("objects/?limit=1"))[0]["x-taxii-date-added-first"])
    middle = format_taxii((first + parse_rfc3339(measured.newest())) // 2)
    _, body = ask(measured.address, measured.get(f"objects/?limit=1&added_after={middle}"))
    cursor: str = orjson.loads(body)["next"]
    return cursor


def _constant(measured: Measured, query: str) -> bytes:
    real = measured.path.encode()
    return measured.get(query).replace(real, real.rsplit(b"/", 2)[0] + b"/constant/", 1)


def _rate(measured: Measured, message: bytes, seconds: float) -> float:
    return run(measured.address, always(message), seconds=seconds, connections=CONNECTIONS).rate


def _cost(measured: Measured, message: bytes, seconds: float) -> float:
    """Return the processor time of the server for one answer, in milliseconds."""
    assert measured.server is not None
    before = processor_seconds(measured.server.pid)
    load = run(measured.address, always(message), seconds=seconds, connections=CONNECTIONS)
    return (processor_seconds(measured.server.pid) - before) * 1000 / load.count
