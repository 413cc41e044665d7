"""The server that is measured: the very one of `taxii-fed serve`, whose application also knows one collection that is constant.

What is under ``…/collections/constant/objects/`` passes the same server, the same log-in, the same checks and the same log as the real
page with the same query, and then gives the answer that the first such request got. So the two differ by the store alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.node import COLLECTION
from taxii_fed.config.load import load
from taxii_fed.web.answers import Answer
from taxii_fed.web.request import Request
from taxii_fed.web.routes import Route
from taxii_fed.web.server import Server
from taxii_fed.web.taxii import TaxiiApp
from taxii_fed.wiring import open_node

CONSTANT = "constant"


class WithConstant:
    """Endpoints with the constant collection beside the real ones."""

    def __init__(self, endpoints: Any) -> None:
        self._endpoints = endpoints
        self._answers: dict[str, Answer] = {}

    def answer(self, request: Request, route: Route) -> Answer:
        """Answer a request."""
        if route.collection != CONSTANT:
            answered: Answer = self._endpoints.answer(request, route)
            return answered
        query = request.environ.get("QUERY_STRING", "")
        if query not in self._answers:
            self._answers[query] = self._endpoints.answer(request, replace(route, collection=COLLECTION))
        return self._answers[query]


class BenchServer(Server):
    """`Server` with `WithConstant`."""

    def load(self) -> TaxiiApp:
        """Open the node in this worker."""
        app = super().load()
        app._endpoints = WithConstant(app._endpoints)  # noqa: SLF001 — only a measurement puts itself here
        return app


def main(arguments: Sequence[str]) -> None:
    """Serve the configuration named first, with so many processes and threads."""
    path = Path(arguments[0])
    workers, threads = (int(each) for each in (*arguments[1:], "2", "8")[:2])
    BenchServer(load(path), lambda: load(path), open_node, workers, threads).run()


if __name__ == "__main__":
    main(sys.argv[1:])
