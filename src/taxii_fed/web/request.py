"""One request on its way through the application."""

from __future__ import annotations

from typing import Any

from taxii_fed.services.reading.values import Caller
from taxii_fed.web.routes import Route

NOBODY = Caller("")


class Request:
    """What is known of a request; ``caller`` and ``route`` are filled in as the checks pass."""

    __slots__ = ("caller", "environ", "filters", "id", "method", "parts", "route")

    def __init__(self, environ: dict[str, Any], request_id: str, parts: list[str]) -> None:
        self.environ = environ
        self.id = request_id
        self.method: str = environ.get("REQUEST_METHOD", "")
        self.parts = parts
        self.route: Route | None = None
        self.caller = NOBODY
        self.filters = ""
        """The parameters that count, for the log: a client's own may hold a secret."""

    def header(self, name: str) -> str:
        """Return a header by its WSGI name (``HTTP_…``), "" where it was not sent."""
        value: str = self.environ.get(name, "")
        return value
