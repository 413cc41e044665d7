"""Client certificates and the gate: whose word counts on who asks."""

import base64
import datetime as dt
import hashlib
import ipaddress
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import UnauthenticatedError
from taxii_fed.services.reading.values import Caller
from taxii_fed.web.auth import Account, Authenticator, LoginError
from taxii_fed.web.certificates import Wanted, read_certificate
from taxii_fed.web.gate import Gate

TOKEN_HASH = hashlib.sha256(b"tok").hexdigest()


class Clock:
    def now(self) -> int:
        return 0


def made(names: list[tuple[x509.ObjectIdentifier, str]], alternatives: list[x509.GeneralName]) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2036, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


BANK = made(
    [(NameOID.COUNTRY_NAME, "HK"), (NameOID.ORGANIZATION_NAME, 'Bank, "Harbour" 港'), (NameOID.COMMON_NAME, "siem")],
    [
        x509.DNSName("SIEM.bank.example"),
        x509.UniformResourceIdentifier("spiffe://bank.example/siem"),
        x509.RFC822Name("a@b.example"),
    ],
)
PLAIN = made([(NameOID.COMMON_NAME, "plain")], [])


def test_a_certificate_is_read_as_an_independent_reader_reads_it():
    theirs = x509.load_der_x509_certificate(BANK)
    ours = read_certificate(BANK)
    assert ours.subject == theirs.subject.rfc4514_string()
    assert ours.sha256 == theirs.fingerprint(SHA256()).hex()
    assert ours.dns_names == {"siem.bank.example"}
    assert ours.uris == {"spiffe://bank.example/siem"}


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Wanted(sha256=hashlib.sha256(BANK).hexdigest()), True),
        (Wanted(san_dns="siem.BANK.example"), True),
        (Wanted(san_uri="spiffe://bank.example/siem"), True),
        (Wanted(subject=r"CN=siem, O=Bank\, \"Harbour\" 港, C=HK"), True),
        (Wanted(san_dns="siem.bank.example", san_uri="spiffe://bank.example/siem"), True),
        (Wanted(san_dns="siem.bank.example", san_uri="spiffe://other.example/siem"), False),
        (Wanted(subject="CN=siem"), False),
        (Wanted(sha256="00" * 32), False),
        (Wanted(), False),
    ],
)
def test_everything_that_an_account_names_must_be_in_its_certificate(wanted: Wanted, matches: bool):
    assert wanted.matches(read_certificate(BANK)) is matches


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate_are_refused(data: bytes):
    with pytest.raises(ValueError):
        read_certificate(data)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_a_damaged_certificate_is_read_or_refused_never_more(at: int, byte: int):
    damaged = PLAIN[:at] + bytes([byte]) + PLAIN[at + 1 :]
    try:
        read = read_certificate(damaged)
    except ValueError:
        return
    assert read.sha256 == hashlib.sha256(damaged).hexdigest()


ACCOUNTS = [
    Account(name="siem", party="bank", certificate=Wanted(san_dns="siem.bank.example")),
    Account(name="soar", party="vendor", token_hash=TOKEN_HASH),
]


def gate(anonymous: str = "") -> Gate:
    return Gate(Authenticator(ACCOUNTS, Clock()), lambda: anonymous, [ipaddress.ip_network("10.0.0.0/8")])


def environ(address: str = "10.1.2.3", **headers: str) -> dict[str, Any]:
    return {"REMOTE_ADDR": address, **headers}


RFC_9440 = ":" + base64.b64encode(BANK).decode() + ":"
NGINX = quote(f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(BANK).decode()}-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("header", [{"HTTP_CLIENT_CERT": RFC_9440}, {"HTTP_X_SSL_CLIENT_CERT": NGINX}])
def test_a_trusted_proxy_reports_the_clients_certificate(header: dict[str, str]):
    assert gate().admit(environ(**header)) == Caller("bank", "siem", "10.1.2.3")


@pytest.mark.parametrize("header", [{"HTTP_CLIENT_CERT": RFC_9440}, {"HTTP_X_SSL_CLIENT_CERT": NGINX}])
def test_nobody_else_can_say_whose_certificate_it_was(header: dict[str, str]):
    with pytest.raises(UnauthenticatedError):
        gate().admit(environ("192.0.2.7", **header))


def test_a_certificate_that_the_proxy_could_not_verify_does_not_count():
    with pytest.raises(UnauthenticatedError):
        gate().admit(environ(HTTP_X_SSL_CLIENT_CERT=NGINX, HTTP_X_SSL_CLIENT_VERIFY="FAILED:self-signed"))


@pytest.mark.parametrize(
    "reported",
    [":!!!:", "no certificate", ":" + base64.b64encode(PLAIN).decode() + ":"],
    ids=["no base64", "no PEM", "of nobody"],
)
def test_a_certificate_of_no_account_opens_nothing_not_even_as_anonymous(reported: str):
    with pytest.raises(LoginError):
        gate(anonymous="public").admit(environ(HTTP_CLIENT_CERT=reported))


def test_the_authorization_header_decides_where_there_is_one():
    assert gate().admit(environ(HTTP_CLIENT_CERT=RFC_9440, HTTP_AUTHORIZATION="Bearer tok")).party == "vendor"
    with pytest.raises(LoginError):
        gate(anonymous="public").admit(environ(HTTP_CLIENT_CERT=RFC_9440, HTTP_AUTHORIZATION="Bearer wrong"))


def test_without_credentials_a_reader_is_anonymous_or_nobody():
    assert gate(anonymous="public").admit(environ()) == Caller("public", "", "10.1.2.3")
    with pytest.raises(UnauthenticatedError):
        gate().admit(environ())


@pytest.mark.parametrize(
    ("address", "forwarded", "seen"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.8", "10.0.0.9"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_log_names_the_client_that_the_trusted_proxies_saw(address: str, forwarded: str, seen: str):
    assert gate().address(environ(address, HTTP_X_FORWARDED_FOR=forwarded)) == seen
