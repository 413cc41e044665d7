"""What an operator's tools ask: is the process alive, is the node ready, how much does it do.

`/livez` and `/readyz` need no credentials and tell nothing about content. `/metrics` counts what readers do, so it is for accounts of a
party with the role ``own``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import flask
from werkzeug.exceptions import MethodNotAllowed

from taxii_fed.core.errors import ForbiddenError, MethodNotAllowedError, RequestError, SchemaError, StoreError
from taxii_fed.core.loglines import describe
from taxii_fed.core.taxii.resources import TAXII_MEDIA_TYPE
from taxii_fed.ports import Store
from taxii_fed.services.reading.browse import Browse
from taxii_fed.web import errors
from taxii_fed.web.answers import Answer
from taxii_fed.web.gate import Gate
from taxii_fed.web.metrics import Metrics

REQUEST_ID = "taxii_fed.request_id"
"""Key of the request's id in the WSGI environment."""

REASON = "taxii_fed.reason"
"""Key of what the log is to say of a failure."""

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be answered, what is wrong, and what waits for the operator (a sentence with the command to run)."""

    ready: bool
    problem: str = ""
    waiting: str = ""


def readiness(store: Store, fingerprint: str, read_at: int | None = None) -> Readiness:
    """Return whether the store can be read and holds rules, and whether they are those of the configuration (``fingerprint``).

    ``read_at`` (µs): when this process read the configuration, None: just now. What was put in force since then came from another.
    """
    try:
        with store.read() as reader:
            applied = reader.in_force()
    except SchemaError:
        return Readiness(ready=False, problem="the store was written by another version of taxii-fed")
    except StoreError:
        return Readiness(ready=False, problem="the store can't be reached")
    if applied is None:
        return Readiness(ready=False, problem="nothing is in force yet: run taxii-fed apply")
    if applied.fingerprint != fingerprint:
        if read_at is not None and applied.at > read_at:
            return Readiness(
                ready=True,
                waiting="another configuration was put in force since this process read its own: run taxii-fed reload",
            )
        return Readiness(
            ready=True, waiting="the configuration differs from what is in force: run taxii-fed plan, then taxii-fed apply"
        )
    return Readiness(ready=True)


def operations_app(gate: Gate, browse: Browse, metrics: Metrics, ready: Callable[[], Readiness]) -> flask.Flask:
    """Return the Flask application for `/livez`, `/readyz` and `/metrics`."""
    app = flask.Flask(__name__, static_folder=None)

    @app.get("/livez")
    def livez() -> flask.Response:
        return flask.jsonify(status="alive")

    @app.get("/readyz")
    def readyz() -> tuple[flask.Response, int]:
        found = ready()
        told = {"status": "ready" if found.ready else "not ready", "problem": found.problem, "waiting": found.waiting}
        return flask.jsonify({key: value for key, value in told.items() if value}), 200 if found.ready else 503

    @app.get("/metrics")
    def metrics_text() -> flask.Response:
        caller = gate.admit(flask.request.environ)
        if browse.role(caller) != "own":
            raise ForbiddenError("Metrics are for accounts of a party with the role own.")
        return flask.Response(metrics.text(), content_type=PROMETHEUS_TEXT)

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> flask.Response:
        return _response(errors.refusal(error, _request_id()))

    @app.errorhandler(MethodNotAllowed)
    def not_allowed(_: MethodNotAllowed) -> flask.Response:
        return _response(errors.refusal(MethodNotAllowedError(("GET", "HEAD", "OPTIONS")), _request_id()))

    @app.errorhandler(Exception)
    def failed(error: Exception) -> flask.Response:
        flask.request.environ[REASON] = describe(error)
        return _response(errors.failure(_request_id()))

    @app.errorhandler(StoreError)
    def unavailable(_: StoreError) -> flask.Response:
        return _response(errors.unavailable(_request_id()))

    return app


def _request_id() -> str:
    return str(flask.request.environ[REQUEST_ID])


def _response(answer: Answer) -> flask.Response:
    return flask.Response(answer.body, answer.status, answer.headers, content_type=TAXII_MEDIA_TYPE)
