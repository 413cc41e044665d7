"""Credentials: what opens, what does not, what it costs, and what is forgotten when."""

import base64
import hashlib
import threading

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import TooManyRequestsError
from taxii_fed.web import auth
from taxii_fed.web.auth import Account, Authenticator, LoginError

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
TOKEN = "tok-0123456789"
ACCOUNTS = [
    Account(name="siem", party="bank", password_hash=CHEAP.hash("pässword:with colon")),
    Account(name="Soar", party="bank", token_hash=hashlib.sha256(TOKEN.encode()).hexdigest().upper()),
    Account(name="guest", party="vendor", token_hash=hashlib.sha256(b"old").hexdigest(), expires_at=1_000),
]


class Clock:
    now_at = 0

    def now(self) -> int:
        return self.now_at


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that passwords were held against, in order."""
    calls: list[bytes] = []
    real = auth.verify_secret

    def counted(expected: bytes, *rest: object) -> bool:
        calls.append(expected)
        return real(expected, *rest)

    monkeypatch.setattr(auth, "verify_secret", counted)
    return calls


def basic(user: str, password: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode(encoding)).decode()


def reason(authenticator: Authenticator, header: str) -> str:
    with pytest.raises(LoginError) as caught:
        authenticator.by_header(header)
    assert caught.value.description == "These credentials open nothing here."
    return caught.value.reason


@pytest.mark.parametrize(
    "header",
    [
        basic("siem", "pässword:with colon"),
        basic("SIEM", "pässword:with colon"),
        basic("siem", "pässword:with colon").replace("Basic", "basic  "),
    ],
)
def test_a_password_opens_its_account_whatever_the_case_of_the_user_name(header: str):
    assert Authenticator(ACCOUNTS, Clock()).by_header(header).name == "siem"


def test_credentials_in_latin_1_are_read_too():
    accounts = [Account(name="siem", party="bank", password_hash=CHEAP.hash("pässword"))]
    assert Authenticator(accounts, Clock()).by_header(basic("siem", "pässword", "latin-1")).name == "siem"


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}",
        f"bearer {TOKEN}",
        f"Token {TOKEN}",
        f"TOKEN   {TOKEN} ",
        basic("anyone", TOKEN),
        basic(TOKEN, "whatever"),
    ],
)
def test_a_token_opens_its_account_in_every_spelling_that_clients_have(header: str):
    assert Authenticator(ACCOUNTS, Clock()).by_header(header).name == "Soar"


def test_a_token_costs_no_password_hash(verified: list[bytes]):
    Authenticator(ACCOUNTS, Clock()).by_header(basic("siem", TOKEN))
    assert verified == []


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (basic("siem", "wrong"), "wrong password of siem"),
        (basic("nobody", "wrong"), "unknown user"),
        (basic("soar", "wrong"), "unknown user"),
        ("Bearer wrong", "unknown token"),
        ("Bearer", "unknown token"),
        ("Basic !!!", "malformed header"),
        ("Basic " + base64.b64encode(b"no colon").decode(), "malformed header"),
        ("Digest username=siem", "unknown scheme"),
        ("", "unknown scheme"),
        ("Bearer old", "guest has expired"),
    ],
)
def test_what_opens_nothing_is_told_apart_in_the_log_only(header: str, why: str):
    clock = Clock()
    clock.now_at = 5_000
    assert reason(Authenticator(ACCOUNTS, clock), header) == why


def test_an_account_opens_until_it_expires_also_when_it_is_remembered():
    clock = Clock()
    authenticator = Authenticator(ACCOUNTS, clock)
    assert authenticator.by_header("Bearer old").name == "guest"
    clock.now_at = 1_000
    assert reason(authenticator, "Bearer old") == "guest has expired"


def test_an_unknown_user_costs_what_a_known_one_costs(verified: list[bytes]):
    authenticator = Authenticator(ACCOUNTS, Clock())
    for user in ("siem", "soar", "nobody"):
        reason(authenticator, basic(user, "wrong"))
    first, *others = [auth.extract_parameters(expected.decode()) for expected in verified]
    assert others == [first, first]


def test_a_password_is_verified_once_however_long_ago(verified: list[bytes]):
    clock = Clock()
    authenticator = Authenticator(ACCOUNTS, clock)
    for now in (0, 60_000_000, 10**15):
        clock.now_at = now
        assert authenticator.by_header(basic("siem", "pässword:with colon")).name == "siem"
    assert len(verified) == 1


@pytest.mark.parametrize("password", ["pässword:with colon", "wrong"])
def test_requests_with_the_same_header_wait_for_one_verification(monkeypatch: pytest.MonkeyPatch, password: str):
    authenticator = Authenticator(ACCOUNTS, Clock(), verify_at_once=1, wait_at_most=0)
    inside, go_on, real = threading.Event(), threading.Event(), auth.verify_secret
    found: list[str] = []

    def slow(*arguments: object) -> bool:
        inside.set()
        go_on.wait()
        return real(*arguments)

    def log_in() -> None:
        try:
            found.append(authenticator.by_header(basic("siem", password)).name)
        except LoginError as error:
            found.append(error.reason)

    monkeypatch.setattr(auth, "verify_secret", slow)
    crowd = [threading.Thread(target=log_in) for _ in range(20)]
    for thread in crowd:
        thread.start()
    inside.wait()
    go_on.set()
    for thread in crowd:
        thread.join()
    assert found == ["siem" if password != "wrong" else "wrong password of siem"] * 20


def test_a_verification_that_breaks_keeps_nobody_waiting_and_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    authenticator = Authenticator(ACCOUNTS, Clock())

    def broken(*_: object) -> bool:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(auth, "verify_secret", broken)
        for _ in range(10):
            with pytest.raises(MemoryError):
                authenticator.by_header(basic("siem", "pässword:with colon"))
    assert authenticator.by_header(basic("siem", "pässword:with colon")).name == "siem"


def test_a_wrong_password_sent_again_and_again_is_verified_once_in_a_while(verified: list[bytes]):
    clock = Clock()
    authenticator = Authenticator(ACCOUNTS, clock, remember_failure_seconds=15)
    for now, times in ((0, 1), (14_999_999, 1), (15_000_000, 2)):
        clock.now_at = now
        reason(authenticator, basic("siem", "wrong"))
        assert len(verified) == times


def test_what_was_cheap_to_refuse_pushes_nothing_out_of_memory(verified: list[bytes]):
    authenticator = Authenticator(ACCOUNTS, Clock(), remembered=5)
    authenticator.by_header(basic("siem", "pässword:with colon"))
    for number in range(20):
        reason(authenticator, f"Bearer {number}")
        reason(authenticator, f"Basic {number}!")
    authenticator.by_header(basic("siem", "pässword:with colon"))
    assert len(verified) == 1


def test_memory_of_log_ins_is_bounded():
    authenticator = Authenticator(ACCOUNTS, Clock(), remembered=3)
    for number in range(10):
        reason(authenticator, basic("nobody", str(number)))
    assert len(authenticator._refused) == 3


def test_wrong_log_ins_push_no_right_one_out_of_memory(verified: list[bytes]):
    authenticator = Authenticator(ACCOUNTS, Clock(), remembered=3)
    for number in range(10):
        authenticator.by_header(basic("siem", "pässword:with colon"))
        reason(authenticator, basic("nobody", str(number)))
    assert len(verified) == 1 + 10


def test_memory_of_what_opened_is_bounded_too():
    authenticator = Authenticator(ACCOUNTS, Clock(), remembered=3)
    for number in range(10):
        assert authenticator.by_header(basic(f"anyone {number}", TOKEN)).name == "Soar"
    assert len(authenticator._opened) == 3


def test_a_flood_of_log_ins_is_turned_away_while_known_credentials_pass(monkeypatch: pytest.MonkeyPatch):
    authenticator = Authenticator(ACCOUNTS, Clock(), verify_at_once=1, wait_at_most=1)
    authenticator.by_header(basic("siem", "pässword:with colon"))
    inside, go_on = threading.Semaphore(0), threading.Event()

    def slow(*_: object) -> bool:
        inside.release()
        go_on.wait()
        raise auth.Argon2Error

    monkeypatch.setattr(auth, "verify_secret", slow)
    flood = [threading.Thread(target=lambda n=n: reason(authenticator, basic("nobody", str(n)))) for n in range(2)]
    for thread in flood:
        thread.start()
    inside.acquire()
    while authenticator._waiting._value:
        pass
    with pytest.raises(TooManyRequestsError):
        authenticator.by_header(basic("nobody", "one more"))
    assert authenticator.by_header(basic("siem", "pässword:with colon")).name == "siem"
    go_on.set()
    for thread in flood:
        thread.join()


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: "Basic " + base64.b64encode(raw).decode()))
def test_any_header_is_an_account_or_a_refusal(header: str):
    with pytest.raises(LoginError):
        AUTHENTICATOR.by_header(header)


AUTHENTICATOR = Authenticator(ACCOUNTS, Clock(), remembered=10)
