"""The connection to a peer: taxii2-client's, made fit for peers that are slow, broken or hostile.

`BoundedConnection` is what taxii2-client's endpoints talk through. It answers with the bytes as they came, not with parsed JSON, so that
objects can be kept as received (I3), and it bounds every request: a deadline for the whole answer however slowly it drips, a limit on
compressed and on plain bytes, no redirect to another host or back to http, no address that is not public unless the peer is named as
private, TLS always verified, nothing taken from the environment (C-8.5.1-01 to -04). One thread at a time uses a connection; any thread
may `cut` it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson
import requests
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from taxii2client.common import _HTTPConnection

from taxii_fed import __version__
from taxii_fed.core.errors import (
    PeerBusyError,
    PeerError,
    PeerOverloadedError,
    PeerRefusedError,
    PeerUnreachableError,
)
from taxii_fed.core.federation.remote import FED_HEADER
from taxii_fed.peers.addresses import Network
from taxii_fed.peers.body import CHUNK, read_body
from taxii_fed.peers.sockets import CONNECT_SECONDS, GuardedAdapter, Sockets
from taxii_fed.peers.words import clean, read_retry_after

USER_AGENT = f"taxii-fed/{__version__}"

ACCEPT_FORMS = (
    "application/taxii+json;version=2.1",
    "application/taxii+json; version=2.1, application/taxii+json;q=0.9, application/json;q=0.5",
)
"""Tried in turn where a peer answers 406 (C-3.1-02, C-3.1-03)."""

ACCEPT_FORMS_20 = (
    "",
    "application/vnd.oasis.stix+json, application/vnd.oasis.taxii+json;q=0.9, application/json;q=0.5",
)
"""The same for TAXII 2.0, where the first form is that of the endpoint: objects have another type than all else."""

_TAXII_20 = "application/vnd.oasis.taxii+json; version=2.0"

PATIENCE = 5
"""How many times the time-out a whole answer may take."""

_MAX_REDIRECTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a peer is reached. Files are paths; ``timeout`` is in seconds without a byte; a whole answer may take `PATIENCE` times that.

    ``taxii`` is the version that it speaks, 2.1 or 2.0. At most one of (``username``, ``password``), ``token`` and ``header`` is given;
    ``certificate`` is (certificate file, key file).
    """

    url: str
    taxii: str = "2.1"
    username: str = ""
    password: str = ""
    token: str = ""
    token_scheme: str = "Bearer"  # noqa: S105 (a word, no secret)
    header: tuple[str, str] | None = None
    certificate: tuple[str, str] | None = None
    ca: str = ""
    proxy: str = ""
    allow_private: tuple[Network, ...] = ()
    timeout: float = 60.0
    max_bytes: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer, whole."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class HeaderAuth(AuthBase):
    """Sends one header: a token, or an API key."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with the header."""
        request.headers[self._name] = self._value
        return request


class BoundedConnection(_HTTPConnection):  # type: ignore[misc] # taxii2-client has no types
    """A `taxii2client` connection under our limits; ``get`` returns a `Reply`."""

    def __init__(self, access: Access) -> None:
        super().__init__(
            verify=access.ca or True,
            proxies={"http": access.proxy, "https": access.proxy} if access.proxy else None,
            user_agent=USER_AGENT,
            version=access.taxii,
            auth=_auth(access),
            cert=access.certificate,
        )
        self._access = access
        self._sockets = Sockets()
        self._forms = ACCEPT_FORMS if access.taxii == "2.1" else ACCEPT_FORMS_20
        self._accept = 0
        self.slashless = False
        self.range_unit = "items="
        self.session.trust_env = False
        self.session.headers = CaseInsensitiveDict({"Accept-Encoding": "gzip", FED_HEADER: "1"})
        adapter = GuardedAdapter(self._sockets, access.allow_private)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def get(self, url: str, headers: Mapping[str, str] | None = None, params: Mapping[str, Any] | None = None) -> Reply:
        """Return the answer to a GET, with redirects on the same host followed.

        Raises the `PeerError` that fits. 406 is answered with another form of Accept once; which one worked is remembered.
        """
        if self.slashless:
            url = url.rstrip("/")
        given = headers or {}
        try:
            return self._get(url, params, self._headers(given))
        except PeerRefusedError as error:
            if error.status != 406:
                raise
            self._accept = 1 - self._accept
            try:
                return self._get(url, params, self._headers(given))
            except PeerRefusedError:
                self._accept = 1 - self._accept
                raise error from None

    def cut(self) -> None:
        """Break off the request under way, from any thread; it and all later ones fail."""
        self._sockets.cut(final=True)

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what is sent; of what taxii2-client wants to send, the type of a TAXII 2.0 endpoint and the range of its page."""
        headers = {"Accept": self._forms[self._accept] or given.get("Accept", _TAXII_20), "User-Agent": USER_AGENT}
        if "Range" in given:
            headers["Range"] = given["Range"].replace("items=", self.range_unit)
        return headers

    def _get(self, url: str, params: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Reply:
        seconds = PATIENCE * self._access.timeout
        deadline = time.monotonic() + seconds
        status = 0
        for _ in range(_MAX_REDIRECTS + 1):
            self._require_safe(url)
            with self._sockets.until(deadline), _peer_errors(self._sockets, seconds):
                answer = self._send(url, params, headers)
                with answer:
                    if answer.status_code not in (301, 302, 303, 307, 308):
                        return self._reply(answer)
                    status, url = answer.status_code, _redirected(url, answer)
            if urlsplit(url).query:
                params = None
        raise PeerRefusedError("it redirects in circles", status)

    def _send(self, url: str, params: Mapping[str, Any] | None, headers: Mapping[str, str]) -> requests.Response:
        seconds = self._access.timeout
        return self.session.get(  # type: ignore[no-any-return]
            url,
            params=params,
            headers=headers,
            timeout=(min(seconds, CONNECT_SECONDS), seconds),
            allow_redirects=False,
            stream=True,
        )

    def _require_safe(self, url: str) -> None:
        if urlsplit(url).scheme == "http" and not self._access.allow_private:
            raise PeerUnreachableError("TAXII goes over https; plain http is for private networks named in allow_private")

    def _reply(self, answer: requests.Response) -> Reply:
        status = answer.status_code
        if 200 <= status < 300:
            return Reply(answer.url, answer.headers, read_body(answer, self._access.max_bytes))
        if status in (429, 503):
            wait = read_retry_after(answer.headers.get("Retry-After"), time.time())
            raise PeerBusyError(f"it asks for patience ({status})", wait)
        said = _said(answer)
        if status >= 500:
            raise PeerOverloadedError(f"it answers {status}, a fault on its side{said}")
        raise PeerRefusedError(f"{_REFUSALS.get(status, 'it refuses the request')} ({status}){said}", status)


_REFUSALS = {
    401: "it does not accept our credentials",
    403: "it does not permit this",
    404: "it does not have this",
    406: "it does not speak this version of TAXII with us",
    410: "it does not have this any more",
    416: "it has nothing in this range",
}


@contextmanager
def _peer_errors(sockets: Sockets, seconds: float) -> Iterator[None]:
    """Turn what goes wrong on the wire into the errors of `core.errors`."""
    try:
        yield
    except PeerError:
        if not sockets.expired:
            raise
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if not sockets.expired:
            if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
                raise PeerOverloadedError(f"not a byte for {seconds / PATIENCE:g} s") from error
            raise PeerUnreachableError(_why(error)) from error
    # A socket that was shut looks like the end of an answer that does not say how long it is.
    if sockets.ended:
        raise PeerUnreachableError("the request was broken off here")
    if sockets.expired:
        raise PeerOverloadedError(f"no complete answer within {seconds:g} s")


def _why(error: BaseException) -> str:
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            break
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {clean(cause.verify_message)}"
        if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
            return "no TLS connection: what answers there speaks no TLS"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS connection: {clean(cause.reason or cause)}"
        cause = getattr(cause, "reason", None) or next((arg for arg in cause.args if isinstance(arg, BaseException)), None)
        cause = cause if isinstance(cause, BaseException) else None
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy lets nothing through"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | ValueError):
        return "its URL can't be used"
    return "the connection broke off before the answer was complete"


def _redirected(url: str, answer: requests.Response) -> str:
    location = answer.headers.get("Location", "")
    target = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(target)
    status = answer.status_code
    if not location or there.scheme not in ("http", "https") or here.hostname != there.hostname:
        raise PeerRefusedError(
            f"it redirects to another host ({clean(there.hostname or location)}), which is not followed", status
        )
    if here.scheme != there.scheme and there.scheme == "http":
        raise PeerRefusedError("it redirects from https to http, which is not followed", status)
    if here.scheme == there.scheme and here.port != there.port:
        raise PeerRefusedError("it redirects to another port, which is not followed", status)
    return target


def _said(answer: requests.Response) -> str:
    """Return the title of a TAXII error resource (C-3.6-01: words only, the status decides)."""
    try:
        body = read_body(answer, CHUNK)
        title = orjson.loads(body).get("title")
    except (ValueError, AttributeError, RecursionError, PeerError, OSError, urllib3.exceptions.HTTPError):
        return ""
    return f": {clean(title)}" if isinstance(title, str) and title else ""


def _auth(access: Access) -> AuthBase | None:
    if access.username:
        return HTTPBasicAuth(access.username.encode(), access.password.encode())
    if access.token:
        return HeaderAuth("Authorization", f"{access.token_scheme} {access.token}")
    return HeaderAuth(*access.header) if access.header else None
