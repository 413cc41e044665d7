"""The exception tree, by whose fault it is. No status codes here: `web.errors` maps them in one table.

TaxiiFedError
├── RequestError             the client's fault
│   ├── BadRequestError          400  malformed query, filter or cursor
│   ├── UnauthenticatedError     401
│   ├── ForbiddenError           403
│   ├── NotFoundError            404  unknown, or hidden from this reader: one and the same
│   ├── MethodNotAllowedError    405
│   ├── NotAcceptableError       406
│   ├── TooLargeError            413
│   ├── UnsupportedMediaError    415
│   ├── UnprocessableError       422  body that is no envelope
│   └── TooManyRequestsError     429  more log-ins at once than the server checks
├── ConfigError              the admin's fault: one or more located mistakes
├── RefusedError             an admin command that a guard or a state forbids; nothing was done
├── PeerError                the peer's fault
│   ├── PeerUnreachableError     no address, no connection, no TLS, an answer that breaks off
│   ├── PeerRefusedError         an HTTP status that says no (401, 403, 404, 406 …)
│   ├── PeerBusyError            429 or 503, with the seconds it asked for
│   ├── PeerOverloadedError      too slow, too large, or a 5xx: less at a time may go through
│   ├── PeerAnswerError          an answer that is not TAXII
│   └── PeerQuotaError           more than is taken of it
└── StoreError               the store's fault
    ├── StoreUnavailableError    busy, unreachable, disk full: try again
    │   └── TransactionLostError     undone by an election or a broken connection: run it again
    └── SchemaError              made by another version of the program
"""

from __future__ import annotations


class TaxiiFedError(Exception):
    """Base of all errors that this package raises on purpose."""


class RequestError(TaxiiFedError):
    """A request that can't be served as it stands.

    ``title`` is fixed per kind, ``description`` tells the client what was wrong and where. Neither may ever name
    something that the reader may not see (I1).
    """

    title = "Bad request"

    def __init__(self, description: str = "") -> None:
        super().__init__(description or self.title)
        self.description = description


class BadRequestError(RequestError):
    """Malformed query parameter, filter, cursor or path."""


class UnauthenticatedError(RequestError):
    """No credentials, or credentials that open nothing."""

    title = "Authentication required"


class ForbiddenError(RequestError):
    """Known to this reader, but not allowed to it."""

    title = "Not permitted"


class NotFoundError(RequestError):
    """Unknown, or hidden from this reader; the two are never told apart (I1)."""

    title = "Not found"


class MethodNotAllowedError(RequestError):
    """A method that the endpoint does not have; ``allow`` lists those that it has."""

    title = "Method not allowed"

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__(f"This resource answers {', '.join(allow)}.")
        self.allow = allow


class NotAcceptableError(RequestError):
    """No media type that the client accepts can be produced."""

    title = "Not acceptable"


class TooLargeError(RequestError):
    """The body is larger than the API root's ``max_content_length``, or holds more objects than are taken at once."""

    title = "Content too large"


class UnsupportedMediaError(RequestError):
    """A Content-Type or Content-Encoding that is not taken."""

    title = "Unsupported media type"


class UnprocessableError(RequestError):
    """A body that is no TAXII envelope."""

    title = "Unprocessable content"


class TooManyRequestsError(RequestError):
    """More at once than the server takes on; the same request may be sent again shortly."""

    title = "Too many requests"


class ConfigError(TaxiiFedError):
    """A configuration that can't be used. ``problems`` holds every mistake found, each located."""

    def __init__(self, problems: tuple[object, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class RefusedError(TaxiiFedError):
    """An admin command that was not carried out; the message says why and what to do instead."""


class PeerError(TaxiiFedError):
    """A pull failed on the other side. The message never holds raw bytes of the peer (log injection)."""


class PeerUnreachableError(PeerError):
    """No address, no connection, no TLS, or an answer that breaks off."""


class PeerRefusedError(PeerError):
    """The peer said no with an HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class PeerBusyError(PeerError):
    """The peer asked for patience; ``retry_after_seconds`` is None where it did not say how long."""

    def __init__(self, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PeerOverloadedError(PeerError):
    """No complete answer in time, one past the size limit, or a server error: a smaller page may go through."""


class PeerAnswerError(PeerError):
    """The answer is not TAXII, or no page of it can be read to its end."""


class PeerQuotaError(PeerError):
    """What the peer gave fills what is granted to it here."""


class StoreError(TaxiiFedError):
    """The store could not do what was asked; nothing was half done."""


class StoreUnavailableError(StoreError):
    """Busy, unreachable or out of room: the same call may go through later."""


class TransactionLostError(StoreUnavailableError):
    """The deployment lost the transaction, or the answer to its commit: the same work, run again, gives the same result."""


class SchemaError(StoreError):
    """The store was written by a version of the program that this one can't read."""
