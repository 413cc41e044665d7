"""`taxii-fed serve` over real sockets: unmodified clients, signals, TLS, and clients that misbehave below HTTP."""

import errno
import json
import math
import re
import selectors
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests
import trustme
from cytaxii2.cytaxii2 import cytaxii2
from gunicorn.workers import gthread
from stix2 import TAXIICollectionSink, TAXIICollectionSource
from taxii2client.common import TokenAuth
from taxii2client.v21 import Collection, Server, as_pages

from httpkit.client import TAXII
from httpkit.nodes import BANKING, PASSWORD, token_of, write_config
from httpkit.objects import indicator, malware
from httpkit.resources import RESOURCES
from httpkit.served import Served, serving
from taxii_fed.web import worker as worker_module
from taxii_fed.web.idle import SILENT_SECONDS, is_begun
from taxii_fed.web.worker import Worker

OBJECTS = "/finance/collections/banking/objects/"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("plain")) as served:
        served.read_on()
        yield served


def _post(served: Served, *objects: dict) -> None:
    reply = requests.post(
        served.url + OBJECTS,
        json={"objects": list(objects)},
        headers={"Accept": TAXII, "Content-Type": TAXII, "Authorization": f"Bearer {token_of('staff')}"},
        timeout=30,
    )
    assert (reply.status_code, reply.json()["failure_count"]) == (202, 0)


@pytest.fixture(scope="module")
def ids(plain: Served) -> list[str]:
    """Ids of what is in the collection: more than a page of the settings."""
    numbers = range(130)
    for start in range(0, 130, 65):
        _post(plain, *(indicator(number) for number in numbers[start : start + 65]))
    return [indicator(number)["id"] for number in numbers]


# -- unmodified clients -------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-B-01")
@pytest.mark.parametrize("per_request", [7, 100])
@pytest.mark.parametrize("auth", [{"user": "SIEM", "password": PASSWORD}, {"auth": TokenAuth(token_of("soar"))}])
def test_taxii2_client_reads_everything_from_discovery_on(plain: Served, ids: list[str], auth: dict, per_request: int):
    root = Server(plain.url + "/taxii2/", **auth).default
    (collection,) = [each for each in root.collections if each.title == "Banking"]
    pages = as_pages(collection.get_objects, per_request=per_request, type="indicator")
    assert [each["id"] for page in pages for each in page["objects"]] == ids
    manifests = as_pages(collection.get_manifest, per_request=per_request, type=["indicator", "tool"])
    entries = [entry for page in manifests for entry in page["objects"]]
    assert [entry["id"] for entry in entries] == ids
    later = collection.get_manifest(added_after=entries[9]["date_added"], limit=3, type="indicator")
    assert [entry["id"] for entry in later["objects"]] == ids[10:13]
    assert collection.get_object(ids[5])["objects"][0]["id"] == ids[5]
    assert collection.object_versions(ids[5])["versions"] == [indicator(5)["modified"]]


def test_taxii2_client_adds_waits_for_the_status_and_deletes(plain: Served):
    collection = Collection(f"{plain.url}/finance/collections/{BANKING}/", user="siem", password=PASSWORD)
    status = collection.add_objects({"objects": [malware(1)]}, wait_for_completion=True, poll_interval=0, timeout=5)
    assert (status.status, status.success_count, status.failure_count) == ("complete", 1, 0)
    collection.delete_object(malware(1)["id"])
    with pytest.raises(requests.HTTPError):
        collection.get_object(malware(1)["id"])


def test_cytaxii2_reads_everything_with_next(plain: Served, ids: list[str]):
    client = cytaxii2(plain.url + "/taxii2/", "siem", PASSWORD)
    seen, cursor = [], None
    while True:
        asked = {"added_after": "2026-01-01T00:00:00.000Z", "limit": 40, "next": cursor, "object_type": "indicator"}
        page = client.poll_request(collection_id=BANKING, **asked)["response"]
        seen += [each["id"] for each in page["objects"]]
        if not page["more"]:
            break
        cursor = page["next"]
    assert seen == ids
    assert client.collection_request()["response"]["collections"][0]["id"] == BANKING


def test_stix2_reads_and_writes_through_its_collection_source_and_sink(plain: Served, ids: list[str]):
    collection = Collection(f"{plain.url}/finance/collections/{BANKING}/", user="siem", password=PASSWORD)
    TAXIICollectionSink(collection).add(malware(2))
    source = TAXIICollectionSource(collection)
    assert {each.id for each in source.query([])} >= set(ids)
    assert source.get(malware(2)["id"]).name == "malware 2"
    assert [each.id for each in source.all_versions(malware(2)["id"])] == [malware(2)["id"]]
    assert source.get(malware(999)["id"]) is None
    collection.delete_object(malware(2)["id"])


# -- HTTP below the application -----------------------------------------------------------------------------------------------


def _answer(raw: bytes) -> tuple[int, dict[str, str], dict]:
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, json.loads(body) if body else {}


@pytest.mark.taxii("S-B-04")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(200)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: user@x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x:y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x:8421\r\n\r\n", 401),
        (b"GET / HTTP/1.1\r\nHost: [::1]:8421\r\n\r\n", 401),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 401),
        (b"GET / HTTP/1.0\r\n\r\n", 401),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /x\r\n\r\n", 401),
    ],
)
def test_what_is_no_request_is_refused_in_the_shape_of_taxii(plain: Served, sent: bytes, status: int):
    if status == 401:
        sent = sent.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    code, headers, body = _answer(plain.talk(sent))
    assert (code, headers["Content-Type"]) == (status, TAXII)
    assert set(body) <= set(RESOURCES["error"][0]) | set(RESOURCES["error"][1])
    assert body["http_status"] == str(status)


def test_a_tls_client_at_a_port_without_tls_is_told_so_at_once_and_the_log_says_who(plain: Served):
    context = ssl.create_default_context()
    with plain.connect() as connection:
        connection.settimeout(SILENT_SECONDS / 2)
        with pytest.raises(ssl.SSLError, match=r"WRONG_VERSION_NUMBER|RECORD"):
            context.wrap_socket(connection, server_hostname="localhost")
    fields = _fields_of_line(plain, "error=InvalidProtocolError")
    assert (fields["level"], fields["event"], fields["address"], fields["status"]) == ("warning", "refused", "127.0.0.1", "400")
    assert fields["reason"] == "This port speaks HTTP, without TLS."
    assert len(fields["id"]) == 16


def _fields_of_line(served: Served, text: str) -> dict[str, str]:
    """Return the fields of the line with a text, once the server has written it."""
    deadline = time.monotonic() + 30
    while not (found := [line for line in served.lines if text in line]):
        assert time.monotonic() < deadline, served.lines
        requests.get(served.url + "/livez", timeout=30)
    return dict(each.split("=", 1) for each in shlex.split(found[0]))


def _upload(plain: Served, *lines: bytes) -> bytes:
    head = [f"POST {OBJECTS} HTTP/1.1".encode(), b"Host: x", b"Content-Type: " + TAXII.encode()]
    head.append(f"Authorization: Bearer {token_of('staff')}".encode())
    return b"\r\n".join([*head, *lines])


@pytest.mark.taxii("S-5.5-05")
def test_a_body_that_is_announced_too_long_is_refused_before_it_is_sent(plain: Served):
    code, headers, _ = _answer(plain.talk(_upload(plain, b"Content-Length: 1000000000", b"", b"")))
    assert code == 413
    assert headers["Content-Type"] == TAXII


def test_a_chunked_body_that_grows_too_long_is_refused_while_it_is_sent(plain: Served):
    with plain.connect() as connection:
        connection.sendall(_upload(plain, b"Transfer-Encoding: chunked", b"", b""))
        chunk = b"%x\r\n%b\r\n" % (60_000, b" " * 60_000)
        for _ in range(4):
            connection.sendall(chunk)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "lines", [(b"Content-Length: 2", b"", b"{}"), (b"Transfer-Encoding: chunked", b"", b"2\r\n{}\r\n0\r\n\r\n")]
)
def test_a_refusal_that_leaves_the_body_unread_says_that_the_connection_ends(plain: Served, lines: tuple[bytes, ...]):
    head, *rest = _upload(plain, *lines).partition(b"\r\n")
    code, headers, _ = _answer(plain.talk(b"".join([head.replace(b"/banking/", b"/nothing/"), *rest])))
    assert (code, headers["Connection"]) == (404, "close")


def test_a_client_that_sends_all_before_it_reads_gets_the_refusal(plain: Served):
    body = b" " * 12_000_000
    reply = requests.post(plain.url + OBJECTS, data=body, headers={"Authorization": "Bearer nobody's"}, timeout=30)
    assert reply.status_code == 401


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nabc", b"5;x=\x00\r\n"])
def test_a_broken_chunk_is_the_clients_fault(plain: Served, body: bytes):
    with plain.connect() as connection:
        connection.sendall(_upload(plain, b"Transfer-Encoding: chunked", b"", body))
        connection.shutdown(socket.SHUT_WR)
        raw = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert raw.startswith((b"HTTP/1.1 400", b"HTTP/1.1 422"))


def test_the_server_names_itself_without_a_version_and_leaves_no_control_socket(plain: Served):
    reply = requests.get(plain.url + "/livez", timeout=30)
    assert reply.headers["Server"] == "taxii-fed"
    made = {path.name for path in plain.folder.rglob("*") if path.is_socket()}
    assert made == set()
    assert not any(path.name.startswith(".") for path in plain.folder.iterdir())


def test_clients_that_do_not_hang_up_keep_nobody_waiting(plain: Served):
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    silent = [plain.connect() for _ in range(24)]
    for connection in silent:
        connection.sendall(request)
    assert requests.get(plain.url + "/livez", timeout=30).status_code == 200
    for connection in silent:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        while connection.recv(65_536):  # the server hangs up first
            pass
        connection.close()


def test_a_connection_is_kept_for_the_next_request(plain: Served):
    connection = HTTPConnection("127.0.0.1", plain.port, timeout=30)
    connection.connect()
    kept = connection.sock
    for _ in range(3):
        connection.request("GET", OBJECTS + "?limit=1", headers={"Authorization": f"Bearer {token_of('reader')}"})
        reply = connection.getresponse()
        assert (reply.status, bool(reply.read())) == (200, True)
        assert connection.sock is kept
    connection.close()


def test_metrics_tell_for_all_processes(plain: Served):
    def counted() -> int:
        text = requests.get(plain.url + "/metrics", headers={"Authorization": f"Bearer {token_of('staff')}"}, timeout=30).text
        found = re.search(r'taxii_fed_requests_total\{endpoint="discovery",method="GET",status="200"\} (\d+)', text)
        return int(found[1]) if found else 0

    before = counted()
    for _ in range(20):
        requests.get(plain.url + "/taxii2/", headers={"Authorization": f"Bearer {token_of('reader')}"}, timeout=30)
    assert counted() == before + 20


class _Connection:
    timeout = math.inf

    def __init__(self) -> None:
        self.sock, self.client = socket.socketpair()

    def close(self) -> None:
        self.sock.close()


class _Listener:
    def __init__(self, error: OSError) -> None:
        self._error = error

    def accept(self) -> None:
        raise self._error


def test_a_request_that_is_sent_too_slowly_loses_its_connection(monkeypatch: pytest.MonkeyPatch):
    slow, answering, stuck = _Connection(), _Connection(), _Connection()
    worker = object.__new__(Worker)
    worker.keepalived_conns = []
    worker.nr_conns, worker.worker_connections = 1, 2
    worker._waiting = set()
    now = time.monotonic()
    worker._begun = {slow: now - 30, answering: now - 30, stuck: now - worker_module.ANSWER_SECONDS - 1}
    worker._deadlines = {slow: now - 1, answering: now + 60, stuck: now - 1}
    worker.murder_keepalived()
    assert slow.sock.recv(1) == b""
    slow.sock.sendall(b"an answer may still go out")
    answering.client.sendall(b"x")
    assert answering.sock.recv(1) == b"x"
    with pytest.raises(BrokenPipeError):
        stuck.sock.sendall(b"x")
    for connection in (slow, answering, stuck):
        connection.sock.close()
        connection.client.close()


@pytest.mark.parametrize("crowded", [True, False])
def test_a_head_that_dawdles_is_given_less_time_while_others_wait_for_a_thread(crowded: bool):
    dawdling, sending = _Connection(), _Connection()
    worker = object.__new__(Worker)
    worker.keepalived_conns = []
    worker.nr_conns, worker.worker_connections = 1, 2
    worker._waiting = {_Connection()} if crowded else set()
    now = time.monotonic()
    worker._begun = dict.fromkeys((dawdling, sending), now - worker_module.HURRIED_HEAD_SECONDS - 1)
    worker._deadlines = {sending: now + 60}
    worker.murder_keepalived()
    sending.client.sendall(b"x")
    assert sending.sock.recv(1) == b"x"
    if not crowded:
        dawdling.client.sendall(b"x")
    assert dawdling.sock.recv(1) == (b"" if crowded else b"x")
    for connection in (dawdling, sending, *worker._waiting):
        connection.sock.close()
        connection.client.close()


def test_those_silent_for_longest_make_room_when_there_are_too_many():
    waiting, kept = [_Connection() for _ in range(3)], [_Connection() for _ in range(3)]
    worker = object.__new__(Worker)
    worker.pending_conns, worker.keepalived_conns, worker.poller = deque(waiting), deque(kept), selectors.DefaultSelector()
    worker._waiting, worker._begun, worker._deadlines = set(), {}, {}
    worker.nr_conns, worker.worker_connections, worker.alive = 6, 7, True
    worker.murder_keepalived()
    worker.murder_pending()
    assert (list(worker.pending_conns), list(worker.keepalived_conns), worker.nr_conns) == (waiting, kept, 6)
    worker.worker_connections = 6
    worker.murder_keepalived()
    worker.murder_pending()
    assert (list(worker.pending_conns), list(worker.keepalived_conns), worker.nr_conns) == (waiting[1:], kept[1:], 4)
    for connection in (waiting[0], kept[0]):
        assert connection.client.recv(1) == b""
    for connection in (*waiting, *kept):
        connection.close()
        connection.client.close()
    worker.poller.close()


def test_without_a_descriptor_for_it_a_connection_waits_and_the_server_lives_on():
    worker = object.__new__(Worker)
    oldest = _Connection()
    worker.pending_conns, worker.keepalived_conns, worker.worker_connections = deque([oldest]), deque(), 4
    worker.accept(_Listener(OSError(errno.EMFILE, "too many open files")))
    worker.accept(_Listener(BlockingIOError(errno.EAGAIN, "another worker was faster")))
    assert oldest.timeout == 0
    with pytest.raises(OSError, match="gone"):
        worker.accept(_Listener(OSError(errno.EBADF, "gone")))
    oldest.close()
    oldest.client.close()


def test_a_connection_that_says_nothing_waits_without_a_thread():
    class Silent:
        initialized = data_ready = False

        def __init__(self) -> None:
            self.waited: list[float] = []

        def wait_for_data(self, timeout: float) -> bool:
            self.waited.append(timeout)
            return False

    worker = object.__new__(Worker)
    worker._waiting, worker._begun, worker._deadlines = set(), {}, {}
    silent = Silent()
    assert worker.handle(silent) is gthread._DEFER
    assert silent.waited == [worker_module.SILENT_SECONDS]
    assert worker._begun == {}


def test_many_who_say_nothing_keep_nobody_waiting(plain: Served):
    silent = [plain.connect() for _ in range(200)]
    assert requests.get(plain.url + "/livez", timeout=worker_module.HEAD_SECONDS - 1).status_code == 200
    silent[0].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert silent[0].recv(65_536).startswith(b"HTTP/1.1 200")
    for connection in silent:
        connection.close()


def _half(served: Served) -> socket.socket:
    connection = served.connect()
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
    return connection


def test_many_who_send_half_a_head_keep_nobody_waiting(plain: Served):
    halves = [_half(plain) for _ in range(200)]
    assert requests.get(plain.url + "/livez", timeout=worker_module.HURRIED_HEAD_SECONDS).status_code == 200
    halves[0].sendall(b"Connection: ")
    halves[0].sendall(b"close\r\n\r\n")
    assert halves[0].recv(65_536).startswith(b"HTTP/1.1 200")
    for connection in halves:
        connection.close()


def test_whoever_hangs_up_in_the_middle_of_a_head_is_let_go(plain: Served):
    with _half(plain) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65_536) == b""


@pytest.mark.parametrize("length", [40_000, 70_000])
def test_a_head_too_long_to_wait_for_its_end_is_read(plain: Served, length: int):
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 1000) for number in range(length // 1000))
    code, _, _ = _answer(plain.talk(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lines + b"\r\n"))
    assert code == 200


def test_a_kept_connection_may_send_its_next_head_in_pieces(plain: Served):
    with plain.connect() as connection:
        for pieces in ([b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"], [b"GET /livez ", b"HTTP/1.1\r\nHost: x\r\n", b"\r\n"]):
            for piece in pieces:
                connection.sendall(piece)
                requests.get(plain.url + "/livez", timeout=30)
            answer = b""
            while b"alive" not in answer:  # head and body may come apart
                answer += connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("said", "tls", "begun"),
    [
        (b"GET / HTTP/1.1\r\n", False, True),
        (b"GET / HTTP/1.1\r\n\r\n", False, False),
        (b"\x16\x03", True, True),
        (b"\x16\x03\x01\x00\x04abc", True, True),
        (b"\x16\x03\x01\x00\x04abcd", True, False),
        (b"GET / HTTP/1.1\r\n", True, False),
        (b"\r\nGET / HTTP/1.1\r\n", False, True),
        (b"\x16\x03", False, False),
        (b"{", False, False),
    ],
)
def test_a_head_or_a_record_that_has_no_end_yet_has_only_begun(said: bytes, tls: bool, begun: bool):
    assert is_begun(said, tls=tls) is begun


def test_half_a_head_does_not_keep_a_server_from_ending(tmp_path: Path):
    with serving(tmp_path) as served:
        served.read_on()
        halves = [_half(served) for _ in range(4)]
        requests.get(served.url + "/livez", timeout=30)
        served.signal(signal.SIGTERM)
        assert served.process.wait(SILENT_SECONDS / 2) == 0
        for connection in halves:
            connection.close()


# -- signals ------------------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_told_in_one_line_at_once_and_nothing_is_put_in_force(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = write_config(tmp_path, lambda text: text.replace("server:\n", f"server:\n  listen: 127.0.0.1:{port}\n"))
        command = [sys.executable, "-m", "taxii_fed", "--config", str(path), "serve"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == f"taxii-fed: 127.0.0.1:{port} is in use by another process (server.listen)\n"
    assert ended.returncode == 1
    assert not list(tmp_path.glob("*.db"))


def test_sigterm_ends_the_server_after_the_requests_under_way(tmp_path: Path):
    with serving(tmp_path, workers=1) as served:
        served.read_on()
        body = json.dumps({"objects": [indicator(1)]}).encode()
        with served.connect() as connection:
            connection.sendall(_upload(served, f"Content-Length: {len(body)}".encode(), b"Expect: 100-continue", b"", b""))
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
            ended = threading.Thread(target=served.stop)
            ended.start()
            connection.sendall(body)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 202")
        ended.join()
        assert served.process.returncode == 0


def test_sighup_takes_over_a_good_configuration_and_keeps_the_last_good_one_otherwise(tmp_path: Path):
    with serving(tmp_path, workers=1) as served:
        path = tmp_path / "taxii-fed.yaml"
        good = path.read_text()

        def status_of(account: str) -> int:
            return requests.get(
                served.url + "/taxii2/", headers={"Authorization": f"Bearer {token_of(account)}"}, timeout=30
            ).status_code

        assert status_of("reader") == 200
        path.write_text("no: configuration")
        served.signal(signal.SIGHUP)
        assert "configuration not reloaded" in served.wait_for("configuration")
        path.write_text(re.sub(r"(reader: \{token_hash: ')[0-9a-f]+", r"\g<1>" + "0" * 64, good))
        served.signal(signal.SIGHUP)
        served.wait_for("reloaded")
        served.read_on()
        deadline = time.monotonic() + 30
        while status_of("reader") == 200 and time.monotonic() < deadline:  # the old processes end what they began
            pass
        assert status_of("reader") == 401
        assert status_of("soar") == 200


# -- TLS ----------------------------------------------------------------------------------------------------------------------

ROOT, OTHER_ROOT = trustme.CA(), trustme.CA()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("tls")
    certificate = ROOT.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "tls.pem", append=number > 0)
    ROOT.cert_pem.write_to_path(folder / "members.pem")

    def change(text: str) -> str:
        text = text.replace("http://localhost", "https://localhost")
        text = text.replace(
            "  page_size", "  tls: {certificate: tls.pem, key: tls.key, client_ca: members.pem}\n  page_size", 1
        )
        return text.replace(
            "accounts:\n      siem:", "accounts:\n      robot: {certificate: {san_dns: robot.bank.example}}\n      siem:"
        )

    with serving(folder, change, workers=1) as served:
        served.read_on()
        yield served


def _context(certificate: trustme.LeafCert | None = None, **settings: object) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ROOT.configure_trust(context)
    if certificate:
        certificate.configure_cert(context)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def _get(tls: Served, context: ssl.SSLContext, authorization: str = "") -> tuple[str, int]:
    """Return the TLS version and the status of a GET."""
    line = f"Authorization: {authorization}\r\n" if authorization else ""
    with tls.connect() as raw, context.wrap_socket(raw, server_hostname="localhost") as connection:
        connection.sendall(f"GET {OBJECTS} HTTP/1.1\r\nHost: localhost\r\n{line}Connection: close\r\n\r\n".encode())
        status = int(connection.recv(65_536).split()[1])
        return connection.version() or "", status


@pytest.mark.taxii("S-8.2.2-01", "S-8.2.2-02")
@pytest.mark.parametrize(("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_https_is_served_with_tls_1_2_and_1_3(tls: Served, version: ssl.TLSVersion, name: str):
    context = _context(minimum_version=version, maximum_version=version)
    assert _get(tls, context, f"Bearer {token_of('reader')}") == (name, 200)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.taxii("S-8.2.2-02")
def test_older_tls_is_refused(tls: Served):
    context = _context(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _get(tls, context)


@pytest.mark.taxii("S-8.2.2-04")
@pytest.mark.parametrize(
    "ciphers", ["AES128-GCM-SHA256:AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256", "AES128-SHA"]
)
def test_tls_1_2_suites_without_ephemeral_keys_or_authenticated_encryption_are_refused(tls: Served, ciphers: str):
    context = _context(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(ciphers)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _get(tls, context)


@pytest.mark.taxii("S-8.3.1-01")
def test_a_client_certificate_opens_its_account(tls: Served):
    assert _get(tls, _context(ROOT.issue_cert("robot.bank.example")))[1] == 200
    assert _get(tls, _context(ROOT.issue_cert("other.bank.example")))[1] == 401
    assert _get(tls, _context())[1] == 401


@pytest.mark.taxii("S-8.3.1-01")
def test_a_client_certificate_of_an_unknown_authority_is_refused_by_tls(tls: Served):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _get(tls, _context(OTHER_ROOT.issue_cert("robot.bank.example")))


def test_a_plain_request_to_a_tls_port_is_refused_and_harms_nobody(tls: Served):
    tls.talk(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert _get(tls, _context(), f"Bearer {token_of('reader')}")[1] == 200
