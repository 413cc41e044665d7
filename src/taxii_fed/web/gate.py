"""The gate: from a request's credentials to a party, and to the address that the log names.

Headers by which a proxy speaks for a client (its address, its certificate) count only from an address in ``server.trusted_proxies``.
"""

from __future__ import annotations

import base64
import ipaddress
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from taxii_fed.core.errors import UnauthenticatedError
from taxii_fed.services.reading.values import Caller
from taxii_fed.web.auth import Account, Authenticator, LoginError

Environ = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Gate:
    """Lets requests in. ``anonymous`` returns the party of readers without credentials, "" where they are refused."""

    def __init__(
        self, authenticator: Authenticator, anonymous: Callable[[], str], trusted_proxies: Sequence[Network] = ()
    ) -> None:
        self._authenticator = authenticator
        self._anonymous = anonymous
        self._proxies = tuple(trusted_proxies)
        self._trusted = lru_cache(maxsize=1024)(self._is_trusted)

    def admit(self, environ: Environ) -> Caller:
        """Return who asks.

        An Authorization header decides; without one a client certificate does, then ``anonymous``. Raises `UnauthenticatedError`;
        `TooManyRequestsError` while more passwords wait to be verified than is good.
        """
        authorization = environ.get("HTTP_AUTHORIZATION")
        if authorization:
            return self._caller(environ, self._authenticator.by_header(authorization))
        certificate = self._certificate(environ)
        if certificate is not None:
            return self._caller(environ, self._authenticator.by_certificate(certificate))
        party = self._anonymous()
        if party:
            return Caller(party, address=self.address(environ))
        raise UnauthenticatedError("Log in with HTTP Basic, a bearer token or a client certificate.")

    def address(self, environ: Environ) -> str:
        """Return the client's address, as the trusted proxies in between report it."""
        address: str = environ.get("REMOTE_ADDR", "")
        forwarded = environ.get("HTTP_X_FORWARDED_FOR")
        if not forwarded or not self._trusted(address):
            return address
        for hop in reversed(forwarded.split(",")):
            try:
                address = str(ipaddress.ip_address(hop.strip()))
            except ValueError:
                break
            if not self._trusted(address):
                break
        return address

    def _caller(self, environ: Environ, account: Account) -> Caller:
        return Caller(account.party, account.name, self.address(environ))

    def _certificate(self, environ: Environ) -> bytes | None:
        """Return the verified client certificate in DER: of this connection, or as a trusted proxy reports it."""
        connection = environ.get("gunicorn.socket")
        if isinstance(connection, ssl.SSLSocket):
            der = connection.getpeercert(binary_form=True)
            if der:
                return der
        reported = environ.get("HTTP_CLIENT_CERT") or environ.get("HTTP_X_SSL_CLIENT_CERT")
        if not reported or not self._trusted(environ.get("REMOTE_ADDR", "")):
            return None
        if environ.get("HTTP_X_SSL_CLIENT_VERIFY", "SUCCESS") != "SUCCESS":
            return None
        return _decoded(reported)

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)


def _decoded(reported: str) -> bytes:
    """Return the DER of ``:base64:`` (RFC 9440) or of URL-encoded PEM (nginx). Raises `LoginError` for anything else."""
    try:
        if reported.startswith(":"):
            return base64.b64decode(reported.strip(":"), validate=True)
        return ssl.PEM_cert_to_DER_cert(unquote(reported))
    except ValueError:
        raise LoginError("certificate not readable") from None
