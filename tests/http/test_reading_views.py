"""What stands behind a read: views whose time has come, who read what, and answers while the store is out of order."""

from contextlib import contextmanager

import pytest

from httpkit.client import TAXII
from httpkit.nodes import BANKING, TestNode, node_in, settings_in
from httpkit.objects import TLP_RED, domain, indicator, malware
from taxii_fed.core.errors import SchemaError, StoreError, StoreUnavailableError
from taxii_fed.core.taxii.paging import Cursors
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Read
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.reading.browse import Browse
from taxii_fed.services.reading.readlog import ReadLog
from taxii_fed.services.reading.values import Caller, Limits
from taxii_fed.wiring import open_node

OBJECTS = "collections/banking/objects/"


def view_of(node: TestNode, party: str = "reader"):
    with node.node.store.read() as reader:
        return reader.place(party, BANKING).view


# -- I6: time passes ----------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I6")
def test_a_grant_that_ends_is_over_for_the_next_read_though_nobody_worked_meanwhile(tmp_path):
    def until(text: str) -> str:
        return text.replace(
            "up_to: AMBER, unmarked_as: GREEN, unknown_types", "until: 2026-03-02T10:00Z, up_to: AMBER, unknown_types"
        )

    node = node_in(tmp_path, until)
    node.client("staff").add("banking", indicator(1))
    node.clock.pass_seconds(10)
    assert node.client("reader").get(OBJECTS).ids == [indicator(1)["id"]]
    node.clock.pass_seconds(3600)
    reply = node.client("reader").get(OBJECTS)
    assert (reply.status, reply.objects) in [(404, []), (200, [])]
    assert node.client("staff").get(OBJECTS).ids == [indicator(1)["id"]]
    node.node.close()


@pytest.mark.invariant("I6")
@pytest.mark.parametrize("path", [OBJECTS, "collections/banking/manifest/", f"{OBJECTS}{indicator(1)['id']}/versions/"])
def test_while_a_change_that_is_due_is_not_carried_out_the_view_is_not_read(node: TestNode, path: str):
    node.client("staff").add("banking", indicator(1))
    with node.node.store.write() as writer:
        writer.set_wake(view_of(node).id, node.clock.now())
    woken: list[str] = []
    browse = Browse(node.node.store, node.clock, InForceCache(), Cursors(b"k" * 32), Limits(), woken.append)
    with pytest.raises(StoreUnavailableError):
        browse.objects(Caller("reader"), "finance", "banking", ObjectQuery())
    assert woken == [BANKING]
    node.app._endpoints._browse._wake = woken.append
    reply = node.client("reader").get(path)
    assert (reply.status, reply.headers["Content-Type"], reply.headers["Retry-After"]) == (503, TAXII, "2")
    assert b"indicator" not in reply.body
    assert " status=503 " in node.lines[-1]


def test_a_collection_that_was_just_put_in_force_is_found_by_a_process_that_knew_the_old_rules(node: TestNode, tmp_path):

    assert node.client("staff").get("collections/fresh/").status == 404
    line = "  open: {id: "
    fresh = "  fresh: {id: 5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0009, api_root: finance, title: Fresh, alias: fresh}\n"
    changed = settings_in(tmp_path, lambda text: text.replace(line, fresh + line, 1))
    open_node(changed, clock=node.clock, store=node.node.store)
    for path in ("collections/fresh/", "collections/fresh/objects/", "collections/fresh/manifest/"):
        assert node.client("staff").get(path).status == 200
        assert node.client("reader").get(path).status == 404


# -- who read what ------------------------------------------------------------------------------------------------------------


def reads(node: TestNode, **which) -> list[Read]:
    node.node.browse.reads.flush()
    with node.node.store.read() as reader:
        return reader.reads(**which)


@pytest.mark.invariant("I10")
def test_pages_that_were_read_become_one_range_with_account_and_address(node: TestNode):
    node.client("staff").add("banking", *(indicator(number) for number in range(10)))
    node.clock.pass_seconds(2)
    client, cursor = node.client("reader"), None
    for _ in range(4):
        cursor = client.get(OBJECTS, {"limit": 3} | ({"next": cursor} if cursor else {})).json.get("next")
    (read,) = reads(node, party="reader")
    view = view_of(node)
    assert (read.view, read.account, read.address, read.at) == (view.id, "reader", "192.0.2.1", node.clock.now())
    assert read.last == view.head


@pytest.mark.invariant("I10")
def test_a_filtered_page_covers_only_what_it_gave(node: TestNode):
    node.client("staff").add("banking", indicator(1), malware(1), indicator(2), indicator(3, marking=TLP_RED))
    node.clock.pass_seconds(2)
    node.client("reader").get(OBJECTS, {"match[type]": "indicator"})
    head = view_of(node).head
    assert [(read.first, read.last) for read in reads(node, party="reader")] == [(head - 2, head - 2), (head, head)]


def test_an_idle_poll_moves_the_time_and_covers_nothing_more(node: TestNode):
    node.client("staff").add("banking", indicator(1), domain("a.example"))
    node.clock.pass_seconds(2)
    client = node.client("reader")
    after = client.get(OBJECTS).dates[1]
    (before,) = reads(node, party="reader")
    node.clock.pass_seconds(60)
    client.get(OBJECTS, {"added_after": after})
    (read,) = reads(node, party="reader")
    assert (read.first, read.last) == (before.first, before.last)
    assert read.at == before.at + 60_000_000


def test_manifests_and_refusals_are_no_reads(node: TestNode):
    node.client("staff").add("banking", indicator(1))
    node.client("reader").get("collections/banking/manifest/")
    node.client("reader").get(f"{OBJECTS}{indicator(2)['id']}/")
    node.client("sender").get(OBJECTS)
    assert reads(node) == []


class Unwilling:
    """A store that can't write at first."""

    def __init__(self) -> None:
        self.willing = False
        self.written: list[Read] = []

    def note_reads(self, given) -> None:
        if not self.willing:
            raise StoreUnavailableError("busy")
        self.written += given


def test_what_could_not_be_written_is_written_the_next_time():
    store = Unwilling()
    log = ReadLog(store)
    log.note(1, "bank", "siem", [(1, 5)], 10, "192.0.2.1")
    log.flush()
    log.note(1, "bank", "siem", [(6, 9)], 20, "192.0.2.2")
    log.note(2, "bank", "siem", [(3, 3), (7, 7)], 30, "")
    store.willing = True
    log.flush()
    log.flush()
    assert [(each.view, each.first, each.last, each.at, each.address) for each in store.written] == [
        (1, 1, 9, 20, "192.0.2.2"),
        (2, 3, 3, 30, ""),
        (2, 7, 7, 30, ""),
    ]


# -- out of order -------------------------------------------------------------------------------------------------------------


@contextmanager
def broken_store(node: TestNode, monkeypatch: pytest.MonkeyPatch, error: Exception):
    def read():
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(node.node.store, "read", read)
        yield


@pytest.mark.parametrize(
    ("error", "status", "ready"),
    [
        (StoreUnavailableError("disk full: /var/lib/secret-path"), 503, 503),
        (StoreError("damaged: /var/lib/secret-path"), 500, 503),
        (SchemaError("version 9: /var/lib/secret-path"), 500, 503),
        (ZeroDivisionError("secret-path"), 500, 500),
    ],
)
def test_when_the_store_is_out_of_order_the_answer_is_taxiis_and_the_reason_is_in_the_log_only(
    node: TestNode, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, ready: int
):
    with broken_store(node, monkeypatch, error):
        reply = node.client("reader").get(OBJECTS)
        probe = node.client(None).get("/readyz")
    assert (reply.status, reply.headers["Content-Type"], reply.json["http_status"]) == (status, TAXII, str(status))
    assert b"secret-path" not in reply.body + probe.body
    assert reply.headers["X-Request-Id"] in reply.body.decode()
    line = next(line for line in node.lines if reply.headers["X-Request-Id"] in line)
    assert "secret-path" in line
    assert probe.status == ready
    assert sum("secret-path" in line for line in node.lines) == (2 if ready == 500 else 1)
    assert node.client("reader").get(OBJECTS).status == 200


# -- accounts that are removed ------------------------------------------------------------------------------------------------


def _without_soar(text: str) -> str:
    lines = [line for line in text.splitlines() if "soar: {token_hash" not in line]
    return "\n".join(lines)


@pytest.mark.invariant("I1")
@pytest.mark.parametrize(
    "path",
    [
        "/taxii2/", "/finance/", "/finance/collections/", "/finance/collections/banking/", "/finance/status/1/",
        f"/finance/{OBJECTS}", "/finance/collections/banking/manifest/", f"/finance/{OBJECTS}{indicator(1)['id']}/",
        f"/finance/{OBJECTS}{indicator(1)['id']}/versions/",
    ],
)  # fmt: skip
def test_a_removed_account_is_out_at_once_where_the_files_were_not_read_again(node: TestNode, tmp_path, path: str):
    node.client("staff").add("banking", indicator(1))
    soar = node.client("soar", root="")
    assert soar.get(path).status in (200, 404)
    open_node(settings_in(tmp_path, _without_soar), clock=node.clock).close()  # another process, which reads them
    refused, wrong = soar.get(path), node.client("nobody", root="").get(path)
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, wrong.headers["WWW-Authenticate"])
    assert refused.json["description"] == wrong.json["description"]
    assert soar.post(f"/finance/{OBJECTS}", {"objects": [indicator(2)]}).status == 401
    assert node.client("reader", root="").get(f"/finance/{OBJECTS}").ids == [indicator(1)["id"]]
    open_node(settings_in(tmp_path), clock=node.clock).close()
    assert soar.get(f"/finance/{OBJECTS}").status == 200, "it is back in the files"
