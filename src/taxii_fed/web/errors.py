"""From exceptions to answers: the only place that knows which error is which HTTP status (TAXII 2.1 section 3.6)."""

from __future__ import annotations

from taxii_fed.core import errors
from taxii_fed.core.taxii import resources
from taxii_fed.web.answers import Answer

STATUS_OF: dict[type[errors.RequestError], int] = {
    errors.BadRequestError: 400,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.MethodNotAllowedError: 405,
    errors.NotAcceptableError: 406,
    errors.TooLargeError: 413,
    errors.UnsupportedMediaError: 415,
    errors.UnprocessableError: 422,
    errors.TooManyRequestsError: 429,
}

_CHALLENGES = [
    ("WWW-Authenticate", 'Basic realm="taxii-fed", charset="UTF-8"'),
    ("WWW-Authenticate", 'Bearer realm="taxii-fed"'),
]


def refusal(error: errors.RequestError, request_id: str) -> Answer:
    """Return the answer to a request that can't be served as it stands."""
    status = next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)
    headers: list[tuple[str, str]] = []
    if isinstance(error, errors.UnauthenticatedError):
        headers.extend(_CHALLENGES)
    elif isinstance(error, errors.MethodNotAllowedError):
        headers.append(("Allow", ", ".join(error.allow)))
    elif isinstance(error, errors.TooManyRequestsError):
        headers.append(("Retry-After", "1"))
    return message(status, error.title, error.description, request_id, headers)


def unavailable(request_id: str) -> Answer:
    """Return the answer while the store can't be read or written, or a change that is due waits (I6)."""
    description = "The server can't answer this right now. Send the same request again."
    return message(503, "Service unavailable", description, request_id, [("Retry-After", "2")])


def failure(request_id: str) -> Answer:
    """Return the answer to a request on which the server failed; the log has the reason under the id."""
    description = f"The server failed on this request. Its operator finds the reason in the log under {request_id}."
    return message(500, "Internal error", description, request_id)


def message(status: int, title: str, description: str, request_id: str, headers: list[tuple[str, str]] | None = None) -> Answer:
    """Return an answer that carries a TAXII error resource."""
    error = resources.ErrorMessage(title=title, description=description, error_id=request_id, http_status=str(status))
    return Answer(status, resources.encode(error.to_json()), headers or [])
