"""The measuring tools measure what they say."""

import http.server
import threading

import pytest

from bench.load import AnswerError, always, ask, in_turn, request, run
from bench.node import COLLECTION, fill, lay_out, of_classes
from bench.objects import envelopes, objects
from bench.report import Report, interleaved
from taxii_fed.core.stix.envelopes import check_strict, read_envelope


def test_objects_are_sound_and_the_same_for_the_same_seed():
    bodies = list(envelopes(objects(250), 100))
    received = [each for body in bodies for each in read_envelope(body)]
    assert [len(read_envelope(body)) for body in bodies] == [100, 100, 50]
    assert [each.problem for each in received] == [""] * 250
    assert [check_strict(each.value) for each in received[:60]] == [""] * 60
    assert len({each.id for each in received}) == 250
    assert 600 < sum(len(each.raw) for each in received) / 250 < 1000
    assert list(envelopes(objects(250), 100)) == bodies


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status = 500 if self.path == "/broken" else 200
        body = self.path.encode() * (100_000 if self.path == "/large" else 1)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if self.path == "/closing":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that leaves is no news."""


@pytest.fixture
def address():
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("path", "size"), [("/small", 6), ("/large", 600_000), ("/closing", 8)])
def test_the_client_counts_whole_answers(address, path, size):
    load = run(address, always(request("GET", path, {})), seconds=0.05, connections=3)
    assert load.size == size
    assert load.count >= 3
    assert load.p50 <= load.p99


def test_the_client_asks_each_question_once(address):
    questions = (request("GET", f"/{number}", {}) for number in range(5))
    assert run(address, in_turn(questions), seconds=60, connections=2).count == 5


def test_one_answer_is_read_to_its_end(address):
    headers, body = ask(address, request("GET", "/small", {"Accept": "any"}))
    assert (headers["content-length"], body) == ("6", b"/small")


def test_an_unexpected_status_is_no_figure(address):
    with pytest.raises(AnswerError, match="status 500"):
        run(address, always(request("GET", "/broken", {})), seconds=0.05)


def test_ratios_are_taken_round_by_round():
    figures = {"one": iter([9, 10, 40, 30]), "other": iter([9, 10, 80, 10])}
    rounds = interleaved({name: each.__next__ for name, each in figures.items()}, 3)
    assert rounds.found == {"one": [10, 40, 30], "other": [10, 80, 10]}
    assert rounds.ratio("one", "other") == 1
    assert rounds.median("one") == 30


def test_a_short_budget_is_told_and_counted(capsys):
    report = Report(20_000)
    report.at_least("speed", 0.5, 0.75)
    report.at_most("memory", 1.1, 1.3)
    assert report.short == 1
    assert capsys.readouterr().out.splitlines() == [
        "budget speed: 0.50 (at least 0.75) short",
        "budget memory: 1.10 (at most 1.3) ok",
    ]
    assert "20,000 objects" in report.text()


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_node_of_so_many_classes_has_so_many_views_with_something_in_each(tmp_path, count, copies):
    measured = lay_out(tmp_path / "node", readers=of_classes(count, copies=copies))
    assert [done for done, _ in fill(measured, envelopes(objects(60), 60))] == [60]
    node = measured.open()
    with node.store.read() as reader:
        views = set(reader.readers(COLLECTION).values())
        held = [reader.count_live(view) for view in views]
        coarser = any("ip-generalised" in entry.reasons for view in views for entry in reader.entries(view, 0, 100))
    node.close()
    assert len(views) == count
    assert all(held)
    assert coarser is (copies and count > 1)
