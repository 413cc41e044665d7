"""Who asks: Basic, Bearer and ``Token`` credentials, client certificates (TAXII 2.1 sections 1.6.9 and 8.2.2).

A password is verified once and then known under a keyed MAC of the header, so that a poll does not pay for argon2id; requests that come
with the same header meanwhile wait for that one verification. An unknown user costs what a known one costs. How many passwords are
verified at once, and how many requests wait for that, is bounded, and what opened something is remembered apart from what did not: a flood
of wrong log-ins neither fills the memory nor touches those whose credentials are known.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import verify_secret

from taxii_fed.core.errors import TooManyRequestsError, UnauthenticatedError
from taxii_fed.ports import Clock
from taxii_fed.web.certificates import Wanted, read_certificate

_TOKEN_SCHEMES = frozenset({"bearer", "token"})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A way for a party to log in. Hashes are empty where there is no such credential.

    ``token_hash`` is the SHA-256 of the token in hexadecimal. ``expires_at`` is an instant in microseconds.
    """

    name: str
    party: str
    password_hash: str = ""
    token_hash: str = ""
    certificate: Wanted | None = None
    expires_at: int | None = None


class LoginError(UnauthenticatedError):
    """Credentials that open nothing. ``reason`` is for the log: the client is told the same in all cases."""

    def __init__(self, reason: str) -> None:
        super().__init__("These credentials open nothing here.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Refusal:
    """That a header opens nothing, for ``reason``, until an instant (microseconds)."""

    reason: str
    until: int


_Judgement = Account | _Refusal


class Authenticator:
    """Finds the account behind credentials.

    Made anew when the configuration is read again, so nothing outlives a removed account or a changed password.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        clock: Clock,
        *,
        remember_failure_seconds: int = 15,
        remembered: int = 10_000,
        verify_at_once: int = 2,
        wait_at_most: int = 4,
    ) -> None:
        self._clock = clock
        self._remember_failure = remember_failure_seconds * 1_000_000
        self._remembered = remembered
        self._key = secrets.token_bytes(32)
        self._opened: dict[bytes, Account] = {}
        self._refused: dict[bytes, _Refusal] = {}
        self._under_way: dict[bytes, Future[_Judgement]] = {}
        self._noting = Lock()
        self._verifying = BoundedSemaphore(verify_at_once)
        self._waiting = BoundedSemaphore(verify_at_once + wait_at_most)
        self._by_name: dict[str, Account] = {}
        self._by_token: dict[str, Account] = {}
        self._with_certificate: list[tuple[Wanted, Account]] = []
        for account in accounts:
            self._by_name[account.name.casefold()] = account
            if account.token_hash:
                self._by_token[account.token_hash.lower()] = account
            if account.certificate:
                self._with_certificate.append((account.certificate, account))
        self._decoy = _decoy(self._by_name)
        self._of_certificate = lru_cache(maxsize=1024)(self._found_by_certificate)

    def by_header(self, authorization: str) -> Account:
        """Return the account of an Authorization header. Raises `LoginError`, or `TooManyRequestsError` while too many wait."""
        now = self._clock.now()
        mark = hmac.digest(self._key, authorization.encode("utf-8", "surrogateescape"), "sha256")
        found = self._known(mark, now) or self._judged_once(mark, authorization, now)
        if isinstance(found, _Refusal):
            raise LoginError(found.reason)
        return self._unexpired(found, now)

    def by_certificate(self, der: bytes) -> Account:
        """Return the account that a verified client certificate (DER) stands for. Raises `LoginError`."""
        account = self._of_certificate(der)
        if account is None:
            raise LoginError("certificate of no account")
        return self._unexpired(account, self._clock.now())

    def _found_by_certificate(self, der: bytes) -> Account | None:
        try:
            certificate = read_certificate(der)
        except ValueError:
            return None
        return next((account for wanted, account in self._with_certificate if wanted.matches(certificate)), None)

    def _known(self, mark: bytes, now: int) -> _Judgement | None:
        account = self._opened.get(mark)
        if account is not None:
            return account
        refusal = self._refused.get(mark)
        return refusal if refusal is not None and now < refusal.until else None

    def _judged_once(self, mark: bytes, authorization: str, now: int) -> _Judgement:
        """Return the judgement on a header, or wait for the one that is under way. Raises what `_judge` raises."""
        with self._noting:
            found = self._known(mark, now)
            if found is not None:
                return found
            under_way = self._under_way.get(mark)
            if under_way is None:
                mine = self._under_way[mark] = Future[_Judgement]()
        if under_way is not None:
            return under_way.result()
        try:
            account, reason = self._judge(authorization)
            found = account or _Refusal(reason, now + self._remember_failure)
            with self._noting:
                self._note(mark, found)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(found)
            return found
        finally:
            with self._noting:
                del self._under_way[mark]

    def _judge(self, authorization: str) -> tuple[Account | None, str]:
        """Return what is worth remembering: a log-in, or a password that was verified. Raises `LoginError` for what was cheap to refuse."""
        scheme, _, value = authorization.strip().partition(" ")
        value = value.strip()
        if scheme.lower() in _TOKEN_SCHEMES:
            account = self._of_token(value)
            if account is None:
                raise LoginError("unknown token")
            return account, ""
        if scheme.lower() != "basic":
            raise LoginError("unknown scheme")
        try:
            user, colon, password = _text(base64.b64decode(value, validate=True)).partition(":")
        except ValueError:
            raise LoginError("malformed header") from None
        if not colon:
            raise LoginError("malformed header")
        # A token is also taken as the password beside any user, or as the user: some clients can say nothing else.
        account = self._of_token(password) or self._of_token(user)
        return (account, "") if account else self._of_password(user, password)

    def _of_token(self, token: str) -> Account | None:
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        account = self._by_token.get(digest)
        return account if account and hmac.compare_digest(account.token_hash.lower(), digest) else None

    def _of_password(self, user: str, password: str) -> tuple[Account | None, str]:
        account = self._by_name.get(user.casefold())
        expected = account.password_hash if account else ""
        verified = self._verify(expected or self._decoy, password)
        if account is None or not expected:
            return None, "unknown user"
        return (account, "") if verified else (None, f"wrong password of {account.name}")

    def _verify(self, expected: str, password: str) -> bool:
        if not self._waiting.acquire(blocking=False):
            raise TooManyRequestsError("Too many log-ins are being checked. Send the same request again.")
        try:
            with self._verifying:
                return verify_secret(expected.encode(), password.encode("utf-8", "surrogateescape"), Type.ID)
        except Argon2Error:
            return False
        finally:
            self._waiting.release()

    def _note(self, mark: bytes, found: _Judgement) -> None:
        if isinstance(found, _Refusal):
            _put(self._refused, mark, found, self._remembered)
        else:
            _put(self._opened, mark, found, self._remembered)

    def _unexpired(self, account: Account, now: int) -> Account:
        if account.expires_at is not None and account.expires_at <= now:
            raise LoginError(f"{account.name} has expired")
        return account


def _put(memory: dict[bytes, _T], mark: bytes, found: _T, at_most: int) -> None:
    """Remember what was found, and forget what was found first where that is too much."""
    memory.pop(mark, None)
    while len(memory) >= at_most:
        del memory[next(iter(memory))]
    memory[mark] = found


def _decoy(accounts: Mapping[str, Account]) -> str:
    """Return the hash that an unknown user's password is held against, as dear as the first account's own."""
    for account in accounts.values():
        try:
            parameters = extract_parameters(account.password_hash)
        except InvalidHashError:
            continue
        return PasswordHasher.from_parameters(parameters).hash(secrets.token_hex())
    return _default_decoy()


@cache
def _default_decoy() -> str:
    return PasswordHasher().hash(secrets.token_hex())


def _text(raw: bytes) -> str:
    """Return credentials as text: UTF-8, or Latin-1 as older clients send it."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
