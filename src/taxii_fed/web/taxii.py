"""The WSGI application: TAXII 2.1 over HTTP (sections 3 to 5), one plain path from the request to the stored bytes.

`TaxiiApp` does what every request needs, in an order that reveals nothing: who asks (401), which endpoint (404, 405), which media type
(406), and only then the endpoint itself, which looks at the reader's own view. The endpoints are in `endpoints`. `/livez`, `/readyz` and
`/metrics` are a Flask application of their own beside it (`health`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import getrandbits
from time import perf_counter
from typing import Any

from taxii_fed.core.errors import MethodNotAllowedError, NotFoundError, RequestError, StoreError, StoreUnavailableError
from taxii_fed.core.loglines import Fields, describe
from taxii_fed.core.taxii.resources import TAXII_MEDIA_TYPE
from taxii_fed.ports import Clock
from taxii_fed.web import errors
from taxii_fed.web.answers import STATUS_LINES, Answer, compressed
from taxii_fed.web.endpoints import Endpoints
from taxii_fed.web.gate import Gate
from taxii_fed.web.health import REASON, REQUEST_ID
from taxii_fed.web.metrics import Metrics
from taxii_fed.web.negotiation import require_acceptable
from taxii_fed.web.request import Request
from taxii_fed.web.routes import ALLOWED, route, segments

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

OPERATIONS = frozenset({"livez", "readyz", "metrics"})
"""First path segments that do not belong to TAXII."""


class TaxiiApp:
    """Answers TAXII requests and writes one log line for each.

    ``prefix`` are the path segments of the public URL, which a proxy may or may not have taken off.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        gate: Gate,
        operations: WSGIApp,
        *,
        clock: Clock,
        log: Callable[[int, Fields], object],
        metrics: Metrics,
        prefix: list[str],
    ) -> None:
        self._endpoints = endpoints
        self._gate = gate
        self._operations = operations
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._prefix = prefix

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        started = perf_counter()
        request = Request(environ, f"{getrandbits(64):016x}", self._parts(environ))
        if len(request.parts) == 1 and request.parts[0] in OPERATIONS:
            return self._operate(request, start_response)
        answer, refused = self._answer(request)
        if answer.status != 304:
            answer = compressed(answer, environ.get("HTTP_ACCEPT_ENCODING"))
        headers = [
            ("Content-Type", TAXII_MEDIA_TYPE),
            ("X-Request-Id", request.id),
            ("Cache-Control", "private, no-cache"),
            ("Vary", "Accept-Encoding, Authorization"),
            ("X-Content-Type-Options", "nosniff"),
            *answer.headers,
        ]
        if answer.status not in (204, 304):
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(STATUS_LINES[answer.status], headers)
        body = b"" if request.method == "HEAD" else answer.body
        self._note(request, answer, len(body), perf_counter() - started, refused)
        return [body]

    def _operate(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Answer an operator's tool. Probes come every few seconds, so only what is refused is logged."""
        environ = request.environ | {"PATH_INFO": f"/{request.parts[0]}", "SCRIPT_NAME": "", REQUEST_ID: request.id}

        def noting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if not status.startswith("2"):
                self._note(request, Answer(int(status.split(maxsplit=1)[0])), 0, 0.0, environ.get(REASON, status))
            return start_response(status, [*headers, ("X-Request-Id", request.id)], *rest)

        return self._operations(environ, noting)

    def _parts(self, environ: Environ) -> list[str]:
        path = environ.get("PATH_INFO", "")
        if not path.isascii():
            path = path.encode("latin-1", "replace").decode("utf-8", "replace")
        parts = segments(path)
        prefix = self._prefix
        return parts[len(prefix) :] if prefix and parts[: len(prefix)] == prefix else parts

    def _answer(self, request: Request) -> tuple[Answer, str]:
        """Return the answer and, for the log, why a request was refused."""
        try:
            return self._served(request), ""
        except RequestError as error:
            return errors.refusal(error, request.id), getattr(error, "reason", error.description) or error.title
        except StoreUnavailableError as error:
            return errors.unavailable(request.id), str(error)
        except StoreError as error:
            return errors.failure(request.id), str(error)
        except Exception as error:  # noqa: BLE001 — the last line of defence: one shape for every answer, the reason in the log
            return errors.failure(request.id), describe(error)

    def _served(self, request: Request) -> Answer:
        request.caller = self._gate.admit(request.environ)
        found = route(request.parts)
        if found is None:
            raise NotFoundError("There is nothing at that path.")
        request.route = found
        allowed = ALLOWED[found.endpoint]
        if request.method not in allowed:
            raise MethodNotAllowedError(allowed)
        if request.method == "OPTIONS":
            return Answer(204, headers=[("Allow", ", ".join(allowed))])
        require_acceptable(request.environ.get("HTTP_ACCEPT"))
        return self._endpoints.answer(request, found)

    def _note(self, request: Request, answer: Answer, sent: int, seconds: float, refused: str) -> None:
        endpoint = request.route.endpoint.value if request.route else "none"
        self._metrics.note(endpoint, request.method, answer.status, seconds, answer.objects)
        fields: Fields = {
            "id": request.id,
            "address": request.caller.address or self._gate.address(request.environ),
            "party": request.caller.party,
            "account": request.caller.account,
            "method": request.method,
            "path": request.environ.get("PATH_INFO", ""),
            "collection": request.route.collection if request.route else "",
            "filters": request.filters,
            "objects": answer.objects,
            "status": answer.status,
            "bytes": sent,
            "ms": round(seconds * 1000, 1),
            "reason": refused,
        }
        self._log(self._clock.now(), fields)
