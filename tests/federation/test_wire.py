"""The client against real sockets: servers that are slow, wrong or hostile, and what is never done for them."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import trustme

from federation.simulated_peer import COLLECTION, Answer, SimulatedPeer, Wire, indicator, reply, serving
from taxii_fed import __version__
from taxii_fed.core.errors import (
    PeerAnswerError,
    PeerBusyError,
    PeerError,
    PeerOverloadedError,
    PeerRefusedError,
    PeerUnreachableError,
)
from taxii_fed.core.federation.pull import Request
from taxii_fed.peers import addresses
from taxii_fed.peers import body as body_module
from taxii_fed.peers.addresses import Permitted, is_public
from taxii_fed.peers.client import TaxiiPeer
from taxii_fed.peers.roots import api_roots
from taxii_fed.peers.transport import Access
from taxii_fed.peers.words import clean, read_retry_after

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
Handler = BaseHTTPRequestHandler


def client(wire: Wire, path: str = "/taxii2/", **more: Any) -> TaxiiPeer:
    return TaxiiPeer(Access(url=wire.url + path, allow_private=LOOPBACK, **{"timeout": 5.0, **more}))


def only_for(part: str, act: Callable[[Handler], None]) -> Callable[[Handler], bool]:
    def behave(handler: Handler) -> bool:
        if part not in handler.path:
            return False
        act(handler)
        return True

    return behave


def head(handler: Handler, *lines: str, status: str = "200 OK") -> None:
    """Write a response head by hand."""
    handler.wfile.write("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode())
    handler.close_connection = True


def asked(peer: TaxiiPeer, **request: Any) -> list[str]:
    return [each.id for each in peer.objects(COLLECTION, Request(**request)).objects]


@pytest.mark.parametrize(
    "path", ["/taxii2/", "/taxii2", "/root/", f"/root/collections/{COLLECTION}/", f"/root/collections/{COLLECTION}/objects"]
)
@pytest.mark.taxii("C-4.1-01")
def test_any_url_that_an_admin_was_given_leads_to_the_collection(path: str) -> None:
    peer = SimulatedPeer()
    peer.add(indicator(1))
    with serving(peer) as wire:
        assert asked(client(wire, path)) == [indicator(1)["id"]]


@pytest.mark.taxii("C-3.1-01", "C-3.1-02", "C-3.1-03", "C-3.2-01")
def test_requests_are_proper_taxii_and_say_who_asks() -> None:
    with serving(SimulatedPeer()) as wire:
        asked(client(wire))
        for path, headers in wire.seen:
            assert path.partition("?")[0].endswith("/")
            assert headers["accept"] == "application/taxii+json;version=2.1"
            assert headers["user-agent"] == f"taxii-fed/{__version__}"
            assert headers["x-taxii-fed"] == "1"
            assert "authorization" not in headers


@pytest.mark.parametrize(
    ("access", "header", "value"),
    [
        ({"username": "hk-hüb", "password": "s:ecret"}, "authorization", "Basic aGstaMO8YjpzOmVjcmV0"),
        ({"token": "abc"}, "authorization", "Bearer abc"),
        ({"token": "abc", "token_scheme": "Token"}, "authorization", "Token abc"),
        ({"header": ("X-Api-Key", "abc")}, "x-api-key", "abc"),
    ],
)
@pytest.mark.taxii("C-8.5.1-04")
def test_every_way_to_log_in(access: dict[str, Any], header: str, value: str) -> None:
    with serving(SimulatedPeer()) as wire:
        asked(client(wire, **access))
        assert {headers[header] for _, headers in wire.seen} == {value}


def test_odd_tokens_go_back_unchanged() -> None:
    token = 'a b+c&d=é/"%2F#'
    with serving(SimulatedPeer()) as wire:
        peer = client(wire)
        asked(peer)
        peer.objects(COLLECTION, Request(next=token))
        assert wire.peer.requests[-1][1]["next"] == token


def test_a_body_without_end_is_cut_at_the_limit() -> None:
    def endless(handler: Handler) -> None:
        head(handler, "Content-Type: application/taxii+json;version=2.1")
        while True:
            handler.wfile.write(b" " * 65536)

    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", endless)
        with pytest.raises(PeerOverloadedError, match="larger than 100000 bytes"):
            asked(client(wire, max_bytes=100_000))


def test_an_answer_of_more_lists_and_objects_than_memory_is_for_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MAX_NESTED", 1000)

    def dense(handler: Handler) -> None:
        text = b'{"objects": [' + b'{"":[]},' * 500 + b"{}]}"
        head(handler, f"Content-Length: {len(text)}")
        handler.wfile.write(text)

    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", dense)
        with pytest.raises(PeerOverloadedError, match="more than 1000 lists and objects"):
            asked(client(wire))


def test_a_small_answer_that_unpacks_without_end_is_cut_at_the_limit() -> None:
    bomb = gzip.compress(b" " * 20_000_000)

    def explode(handler: Handler) -> None:
        head(handler, "Content-Encoding: gzip", f"Content-Length: {len(bomb)}")
        handler.wfile.write(bomb)

    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", explode)
        with pytest.raises(PeerOverloadedError, match="when unpacked"):
            asked(client(wire, max_bytes=100_000))


def test_a_stream_of_several_compressed_members_is_read_whole() -> None:
    body = gzip.compress(b'{"more": false, ') + gzip.compress(b'"objects": []}')

    def both(handler: Handler) -> None:
        head(handler, "Content-Encoding: gzip", f"Content-Length: {len(body)}")
        handler.wfile.write(body)

    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", both)
        assert asked(client(wire)) == []


@pytest.mark.parametrize("stage", ["nothing", "headers", "body"])
def test_a_peer_that_drips_a_byte_at_a_time_meets_a_deadline(stage: str) -> None:
    with serving(SimulatedPeer()) as wire:

        def drip(handler: Handler) -> None:
            if stage == "body":
                head(handler, "Content-Type: application/taxii+json;version=2.1")
            while stage != "nothing" and not wire.released.wait(0.02):
                handler.wfile.write(b" " if stage == "body" else b"X")
            wire.released.wait()

        wire.behave = only_for("objects", drip)
        with pytest.raises(PeerOverloadedError, match=r"no complete answer|not a byte"):
            asked(client(wire, timeout=0.1))


def test_a_request_under_way_can_be_broken_off_from_another_thread() -> None:
    with serving(SimulatedPeer()) as wire:
        peer = client(wire, timeout=60.0)

        def cut(_handler: Handler) -> None:
            peer.cut()
            wire.released.wait()

        wire.behave = only_for("objects", cut)
        with pytest.raises(PeerError):
            asked(peer)
        with pytest.raises(PeerUnreachableError, match="broken off"):
            asked(peer)


@pytest.mark.parametrize("claimed", [True, False])
def test_an_answer_that_breaks_off_is_no_answer(claimed: bool) -> None:
    def break_off(handler: Handler) -> None:
        head(handler, *(["Content-Length: 1000"] if claimed else []))
        handler.wfile.write(b'{"more": false, "objects": [')

    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", break_off)
        with pytest.raises((PeerUnreachableError, PeerAnswerError)):
            asked(client(wire))


def test_a_redirect_to_another_host_is_not_followed() -> None:
    with serving(SimulatedPeer()) as wire, serving(SimulatedPeer()) as other:
        wire.behave = only_for(
            "objects", lambda handler: reply(handler, Answer(302, {"Location": f"http://localhost:{other.url[-5:]}/x/"}))
        )
        with pytest.raises(PeerRefusedError, match="redirects to another host"):
            asked(client(wire, username="hk-hub", password="secret"))
        assert other.seen == []


def test_a_redirect_to_another_port_is_not_followed() -> None:
    with serving(SimulatedPeer()) as wire, serving(SimulatedPeer()) as other:
        wire.behave = only_for("objects", lambda handler: reply(handler, Answer(307, {"Location": f"{other.url}/x/"})))
        with pytest.raises(PeerRefusedError, match="another port"):
            asked(client(wire))
        assert other.seen == []


def test_a_redirect_on_the_same_host_is_followed_and_keeps_the_filters() -> None:
    peer = SimulatedPeer()
    peer.add(*(indicator(number) for number in range(5)))
    with serving(peer) as wire:

        def elsewhere(handler: Handler) -> bool:
            if "/old/" not in handler.path:
                return False
            reply(handler, Answer(308, {"Location": f"/root/collections/{COLLECTION}/objects/"}))
            return True

        wire.behave = elsewhere
        page = client(wire, f"/root/collections/{COLLECTION}/")
        page._found[COLLECTION] = page.collections()[0].__class__(
            url=f"{wire.url}/old/{COLLECTION}/", id=COLLECTION, title="x", can_read=True, can_write=False
        )
        assert len(asked(page, limit=2)) == 2


def test_a_redirect_in_circles_ends() -> None:
    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", lambda handler: reply(handler, Answer(301, {"Location": handler.path})))
        with pytest.raises(PeerRefusedError, match="circles"):
            asked(client(wire))


def test_406_is_answered_with_another_accept_once() -> None:
    def picky(handler: Handler) -> bool:
        if "; version=2.1" in handler.headers["Accept"]:
            return False
        reply(handler, Answer(406, {}, b"{}"))
        return True

    peer = SimulatedPeer()
    peer.add(indicator(1))
    with serving(peer) as wire:
        wire.behave = picky
        assert len(asked(client(wire))) == 1
        assert len([1 for _, headers in wire.seen if headers["accept"].endswith("taxii+json;version=2.1")]) == 1


def test_a_server_that_knows_no_trailing_slash_is_asked_without_it() -> None:
    peer = SimulatedPeer()
    peer.add(indicator(1))
    with serving(peer) as wire:

        def slashless(handler: Handler) -> bool:
            path, _, query = handler.path.partition("?")
            if path.endswith("/objects/"):
                reply(handler, Answer(404, {}, b"{}"))
                return True
            if path.endswith("/objects"):
                handler.path = f"{path}/?{query}"
            return False

        wire.behave = slashless
        assert len(asked(client(wire))) == 1


@pytest.mark.parametrize("content_type", ["application/json", "application/taxii+json", "text/plain; charset=utf-8", ""])
def test_a_wrong_content_type_is_no_reason_when_the_body_is_an_envelope(content_type: str) -> None:
    peer = SimulatedPeer(content_type=content_type)
    peer.add(indicator(1))
    with serving(peer) as wire:
        assert len(asked(client(wire))) == 1


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"", b"[]", b'"x"', b'{"objects": 3}', b'{"more": "yes"}', b"\xff\xfe"]
)
def test_an_answer_that_is_no_envelope_is_the_peers_fault(body: bytes) -> None:
    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", lambda handler: reply(handler, Answer(200, {}, body)))
        with pytest.raises(PeerAnswerError):
            asked(client(wire))


@pytest.mark.parametrize("token", ['{"a": 1}', "true", '"a\\nb"', f'"{"x" * 5000}"'])
def test_a_next_that_is_no_short_printable_string_is_the_peers_fault(token: str) -> None:
    body = f'{{"objects": [], "more": true, "next": {token}}}'.encode()
    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("/objects/", lambda handler: reply(handler, Answer(200, {}, body)))
        with pytest.raises(PeerAnswerError, match="next"):
            asked(client(wire))


def test_a_next_that_is_a_number_goes_back_as_its_digits() -> None:
    with serving(SimulatedPeer()) as wire:
        body = b'{"objects": [], "more": true, "next": 17}'
        wire.behave = only_for("/objects/", lambda handler: reply(handler, Answer(200, {}, body)))
        assert client(wire).objects(COLLECTION, Request()).next == "17"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"objects": 3}'])
def test_a_manifest_that_is_none_is_the_peers_fault(body: bytes) -> None:
    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("/manifest/", lambda handler: reply(handler, Answer(200, {}, body)))
        with pytest.raises(PeerAnswerError):
            client(wire).manifest(COLLECTION, Request())


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"api_roots": []}'])
def test_a_discovery_that_leads_nowhere_is_the_peers_fault(body: bytes) -> None:
    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("/taxii2/", lambda handler: reply(handler, Answer(200, {}, body)))
        with pytest.raises(PeerAnswerError):
            client(wire).collections()


@pytest.mark.taxii("C-3.6-01")
@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, PeerRefusedError), (403, PeerRefusedError), (500, PeerOverloadedError), (502, PeerOverloadedError)],
)
def test_errors_are_told_apart_by_status_and_their_words_are_harmless(status: int, kind: type[PeerError], html: bool) -> None:
    with serving(SimulatedPeer(html_errors=html)) as wire:
        wire.behave = only_for("objects", lambda handler: reply(handler, wire.peer._error(status)))
        with pytest.raises(kind) as raised:
            asked(client(wire))
        assert str(raised.value).isprintable()
        assert str(status) in str(raised.value)


@pytest.mark.parametrize(
    ("status", "wait", "seconds"), [(429, "17", 17.0), (503, "17", 17.0), (503, None, None), (429, "soon", None)]
)
def test_retry_after_is_read(status: int, wait: str | None, seconds: float | None) -> None:
    with serving(SimulatedPeer()) as wire:
        wire.behave = only_for("objects", lambda handler: reply(handler, Answer(status, {"Retry-After": wait} if wait else {})))
        with pytest.raises(PeerBusyError) as raised:
            asked(client(wire))
        assert raised.value.retry_after_seconds == seconds


def test_retry_after_may_be_a_date() -> None:
    assert read_retry_after("Wed, 21 Oct 2026 07:28:10 GMT", 1792567680.0) == 10.0
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1792567680.0) == 0.0


def test_an_address_inside_our_network_is_not_connected_to() -> None:
    with serving(SimulatedPeer()) as wire:
        with pytest.raises(PeerUnreachableError, match="allow_private"):
            TaxiiPeer(Access(url=wire.url.replace("http", "https"))).collections()
        assert wire.seen == []


def test_a_name_that_turns_into_an_inner_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["198.51.100.7", "127.0.0.1"])
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (next(answers), 443))])
    reached: list[str] = []

    def connect(address: tuple[str, int], **_: Any) -> socket.socket:
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(addresses.socket, "create_connection", connect)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "198.51.100.7")
    peer = TaxiiPeer(Access(url="https://rebinding.example/taxii2/"))
    with pytest.raises(PeerUnreachableError, match="no connection"):
        peer.collections()
    with pytest.raises(PeerUnreachableError, match="not public"):
        peer.collections()
    assert reached == ["198.51.100.7"], "the address that was judged is the one that is connected to"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1", True), ("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False),
        ("192.168.1.1", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("::1", False), ("fe80::1%eth0", False),
        ("fc00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True), ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True), ("::", False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_named_private_network_is_permitted_and_no_other() -> None:
    permitted = Permitted((ipaddress.ip_network("10.1.0.0/16"),))
    assert permitted.permits("10.1.2.3")
    assert permitted.permits("::ffff:10.1.2.3")
    assert not permitted.permits("10.2.0.1")
    assert permitted.permits("8.8.8.8")
    assert not Permitted((ipaddress.ip_network("10.1.0.0/16"),), public=False).permits("8.8.8.8")


@pytest.mark.taxii("C-8.5.1-01")
def test_plain_http_does_not_go_to_the_internet() -> None:
    with pytest.raises(PeerUnreachableError, match="https"):
        TaxiiPeer(Access(url="http://taxii.example/taxii2/")).collections()


def test_nobody_there_is_told_in_words() -> None:
    with serving(SimulatedPeer()) as wire:
        url = wire.url
    with pytest.raises(PeerUnreachableError, match=r"no connection to 127\.0\.0\.1 port \d+: Connection refused"):
        TaxiiPeer(Access(url=f"{url}/taxii2/", allow_private=LOOPBACK, timeout=5.0)).collections()


# -- TLS ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str = "localhost", *, clients: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    return context


def ca_file(authority: trustme.CA, folder: Path) -> str:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_a_handshake_that_gets_no_answer_is_told_apart_from_an_answer_that_stays_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/taxii2/"
        with pytest.raises(PeerUnreachableError, match=r"^the TLS handshake got no answer within 0\.2 s$"):
            TaxiiPeer(Access(url=url, allow_private=LOOPBACK, timeout=0.2)).collections()


def test_a_port_for_http_that_answers_in_the_clear_is_named_as_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        url = f"https://127.0.0.1:{plain.getsockname()[1]}/taxii2/"
        with pytest.raises(PeerUnreachableError, match=r"^no TLS connection: what answers there speaks no TLS$"):
            TaxiiPeer(Access(url=url, allow_private=LOOPBACK, timeout=5.0)).collections()
        answering.join(30)


@pytest.mark.taxii("C-8.5.2-01", "C-8.5.1-02")
def test_a_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA) -> None:
    with (
        serving(SimulatedPeer(), tls=server_tls(authority)) as wire,
        pytest.raises(PeerUnreachableError, match="certificate is not valid"),
    ):
        client(wire).collections()


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(SimulatedPeer(), tls=server_tls(authority, "other.example")) as wire:
        with pytest.raises(PeerUnreachableError, match="certificate is not valid"):
            client(wire, ca=ca_file(authority, tmp_path)).collections()
        assert wire.seen == []


def test_an_authority_of_ones_own_and_a_client_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    mine = authority.issue_cert("hk-hub.example")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "mine.pem"))
    with serving(SimulatedPeer(), tls=server_tls(authority, clients=True)) as wire:
        files = (str(tmp_path / "mine.pem"), str(tmp_path / "mine.pem"))
        assert len(client(wire, ca=ca_file(authority, tmp_path), certificate=files).collections()) == 1


@pytest.mark.taxii("C-8.5.1-02", "C-8.5.1-03")
@pytest.mark.parametrize(
    ("ciphers", "spoken"),
    [("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE+AES128+SHA256:!AESGCM", False)],
)
def test_tls_1_2_with_a_weak_cipher_suite_is_not_spoken(
    authority: trustme.CA, tmp_path: Path, ciphers: str, spoken: bool
) -> None:
    context = server_tls(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    with serving(SimulatedPeer(), tls=context) as wire:
        peer = client(wire, ca=ca_file(authority, tmp_path))
        if spoken:
            assert len(peer.collections()) == 1
        else:
            with pytest.raises(PeerUnreachableError, match="no TLS connection"):
                peer.collections()


def test_a_redirect_from_https_to_http_is_not_followed(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(SimulatedPeer(), tls=server_tls(authority)) as wire:
        plain = wire.url.replace("https", "http")
        wire.behave = only_for("objects", lambda handler: reply(handler, Answer(302, {"Location": f"{plain}/x/"})))
        with pytest.raises(PeerRefusedError, match="https to http"):
            asked(client(wire, ca=ca_file(authority, tmp_path)))


def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:1")
    with serving(SimulatedPeer()) as wire:
        asked(client(wire))
        assert all("authorization" not in headers for _, headers in wire.seen)


def test_a_proxy_that_is_named_is_used() -> None:
    peer = SimulatedPeer()
    peer.add(indicator(1))
    with serving(peer) as proxy:

        def forward(handler: Handler) -> bool:
            handler.path = handler.path.removeprefix("http://10.9.9.9")
            return False

        proxy.behave = forward
        networks = (ipaddress.ip_network("10.0.0.0/8"),)
        through = TaxiiPeer(Access(url="http://10.9.9.9/taxii2/", proxy=proxy.url, allow_private=networks, timeout=5.0))
        assert len(asked(through)) == 1
        assert proxy.seen[0][0].startswith("http://10.9.9.9/")


# -- discovery ----------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("C-4.1-01", "C-4.1-02", "C-8.4.2-02")
def test_roots_of_a_hostile_discovery_stay_at_home() -> None:
    named = [
        "/relative", "below/", "https://peer.example/absolute/", "https://evil.example/stolen/", "//evil.example/x/", "../up/",
        "/with?query", "http://localhost:5000/inner/", 7, "", "/relative/",
    ]  # fmt: skip
    found = api_roots("https://peer.example/taxii2/", {"api_roots": named, "default": "/standard/"})
    assert found == [
        "https://peer.example/standard/",
        "https://peer.example/relative/",
        "https://peer.example/taxii2/below/",
        "https://peer.example/absolute/",
        "https://peer.example/stolen/",
        "https://peer.example/inner/",
    ]


@pytest.mark.taxii("C-5.2-01")
def test_a_collection_that_may_not_be_read_is_not_read() -> None:
    listed = {"collections": [{"id": COLLECTION, "title": "x", "can_read": False, "can_write": True}]}
    with serving(SimulatedPeer()) as wire:

        def unreadable(handler: Handler) -> bool:
            if not handler.path.endswith("/collections/"):
                return False
            reply(handler, wire.peer._json(listed))
            return True

        wire.behave = unreadable
        with pytest.raises(PeerRefusedError, match="does not let us read"):
            asked(client(wire))
        assert not any("objects" in path for path, _ in wire.seen)


def test_what_a_peer_says_is_made_printable_and_short() -> None:
    assert clean("a\r\nb\x1b[31m\u202e") == "a\\r\\nb\\x1b[31m\\u202e"
    assert len(clean("x" * 5000)) == 201
