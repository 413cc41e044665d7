"""Other TAXII 2.1 servers in the same run: OpenTAXII with a token and medallion, each with its own defaults and the same objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.load import always, in_turn, request, run
from bench.node import Measured, fill, lay_out
from bench.objects import envelopes, objects
from bench.report import Report, interleaved

LOADED = 2_000
MEDALLION_LOADED = 1_000
POSTED = 1_000
NOTHING_NEW = "objects/?added_after=2030-01-01T00:00:00.000000Z"
PAGE = "objects/?limit=100"
CONNECTIONS = 8


def foreign(report: Report, folder: Path, *, seconds: float, rounds: int) -> None:
    """Compare polls, pages and POSTs."""
    with ExitStack() as stack:
        ours = stack.enter_context(_ours(folder, "beside"))
        for name, bounds in (("OpenTAXII", {"poll": 10, "page of 100": 20, "POST": 12}), ("medallion", {"poll": 2000})):
            count = LOADED if name == "OpenTAXII" else MEDALLION_LOADED
            report.section(f"{name} with {count:,} objects, answers a second")
            try:
                server = stack.enter_context(_started(name.lower(), folder))
            except RuntimeError as error:
                for budget in bounds:
                    report.skipped(f"{budget} / {name}", str(error))
                continue
            _post(server, list(envelopes(objects(count, seed=3), 100)))
            if name == "OpenTAXII":
                _compare(report, ours, server, seconds=seconds, rounds=rounds)
            else:
                _compare_one_poll(report, ours, server)


def _compare(report: Report, ours: Measured, server: Any, *, seconds: float, rounds: int) -> None:
    runs: dict[str, Callable[[], float]] = {}
    for what, query in (("poll", NOTHING_NEW), ("page of 100", PAGE)):
        runs[f"{what}, ours"] = partial(_rate, ours.address, ours.get(query), seconds)
        runs[f"{what}, theirs"] = partial(_rate, _address(server), _get(server, query), seconds)
    found = interleaved(runs, min(rounds, 3))
    for name in runs:
        report.figure(name, f"{found.median(name):,.0f}/s")
    bodies = list(envelopes(objects(POSTED, seed=4), 100))
    posted = {
        "ours": run(ours.address, in_turn(map(ours.post, bodies)), seconds=600, connections=2, expect=b"202").rate * 100,
        "theirs": _post(server, bodies) * 100,
    }
    for name, rate in posted.items():
        report.figure(f"POST, {name}", f"{rate:,.0f} objects/s")
    report.at_least("poll / OpenTAXII with a token", found.ratio("poll, ours", "poll, theirs"), 10)
    report.at_least("page of 100 / OpenTAXII with a token", found.ratio("page of 100, ours", "page of 100, theirs"), 20)
    report.at_least("POST / OpenTAXII with a token", posted["ours"] / posted["theirs"], 12)


def _compare_one_poll(report: Report, ours: Measured, server: Any) -> None:
    mine = run(ours.address, always(ours.get(NOTHING_NEW)), seconds=1, connections=1).rate
    theirs = run(_address(server), in_turn(iter([_get(server, NOTHING_NEW)] * 2)), seconds=600, connections=1).rate
    report.figure("poll, ours, one connection", f"{mine:,.0f}/s")
    report.figure("poll, theirs, one connection", f"{theirs:,.2f}/s")
    report.at_least("poll / medallion", mine / theirs, 2000)


@contextmanager
def _ours(folder: Path, name: str) -> Iterator[Measured]:
    measured = lay_out(folder / name)
    for _ in fill(measured, envelopes(objects(LOADED, seed=3), 500)):
        pass
    measured.serve()
    try:
        yield measured
    finally:
        measured.stop()


@contextmanager
def _started(name: str, folder: Path) -> Iterator[Any]:
    """Run a foreign server as the tests do. Raises ``RuntimeError`` where it can't be installed."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import pytest

    from foreign import servers

    home = folder / name
    home.mkdir()
    with ExitStack() as stack:
        try:
            server = stack.enter_context(getattr(servers, name)(home))
        except pytest.skip.Exception as skipped:
            raise RuntimeError(str(skipped)) from None
        yield server


def _address(server: Any) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def _headers(server: Any) -> dict[str, str]:
    return {"Accept": "application/taxii+json;version=2.1", "Authorization": server.authorization}


def _get(server: Any, query: str) -> bytes:
    return request("GET", f"{server.root}collections/{server.collection}/{query}", _headers(server))


def _post(server: Any, bodies: Sequence[bytes]) -> float:
    """Post envelopes one after the other and return how many a second."""
    path = f"{server.root}collections/{server.collection}/objects/"
    typed = _headers(server) | {"Content-Type": "application/taxii+json;version=2.1"}
    messages = (request("POST", path, typed, body) for body in bodies)
    return run(_address(server), in_turn(messages), seconds=3600, connections=1, expect=b"202").rate


def _rate(address: tuple[str, int], message: bytes, seconds: float) -> float:
    return run(address, always(message), seconds=seconds, connections=CONNECTIONS).rate
