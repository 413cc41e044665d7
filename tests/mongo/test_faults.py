"""Connections that break at any command, and errors of an election: nothing is lost, and a client sees a request that took longer."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from pymongo.errors import OperationFailure

from federation.hubs import HubPeer, close_hubs, collection_id, open_hubs
from httpkit.nodes import BANKING, START, ManualClock, TestNode, settings_in
from mongo.proxy import FATES, Proxy
from mongo.standin import database_of
from nodekit import indicator
from taxii_fed.core.errors import StoreUnavailableError
from taxii_fed.core.timestamps import format_taxii, parse_rfc3339
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import Subscriptions
from taxii_fed.storage.mongo import MongoStore
from taxii_fed.web.app import create_app
from taxii_fed.wiring import open_node
from taxii_fed.worker.plan import plans

pytestmark = [pytest.mark.mongodb, pytest.mark.timeout(600)]

numbers = itertools.count(1, 10)


@pytest.fixture
def proxy(server):
    opened = Proxy(server)
    yield opened
    opened.close()


def store_behind(proxy, store_factory, clock):
    return MongoStore(database_of(proxy.url, f"{store_factory.prefix}_0"), clock=clock)


def open_behind(proxy, store_factory, folder, holds=0):
    """A node on the store behind the proxy; with ``holds`` that many embargoes, one a minute after the other."""
    start = parse_rfc3339(START)
    rules = "".join(
        f"  embargo {number}: {{what: {{label: until-{number}}}, until: {format_taxii(start + 60_000_000 * (number + 1))}}}\n"
        for number in range(holds)
    )
    settings = settings_in(folder, lambda text: f"{text}hold:\n{rules}" if holds else text)
    clock = ManualClock()
    opened = open_node(settings, clock=clock, store=store_behind(proxy, store_factory, clock))
    return TestNode(settings, clock, opened, create_app(opened, lambda _: None))


@pytest.fixture
def closing(proxy):
    """What is opened in a test, closed over a connection that lasts."""
    with contextlib.ExitStack() as stack:
        yield stack
        proxy.disarm()


@pytest.fixture
def node(proxy, store_factory, tmp_path, closing):
    opened = open_behind(proxy, store_factory, tmp_path)
    closing.callback(opened.node.close)
    return opened


def envelope():
    """Three objects that nobody has seen."""
    first = next(numbers)
    return [indicator(number) for number in range(first, first + 3)]


def listed(node):
    """Every version that the reader gets, and its dates."""
    rows = node.client().get(f"collections/{BANKING}/manifest/", {"match[version]": "all", "limit": 200}).json["objects"]
    dates = [row["date_added"] for row in rows]
    assert dates == sorted(set(dates))
    return [(row["id"], row["version"]) for row in rows]


def at(number, fate):
    """The plan that lets one command meet its fate."""
    return lambda turn, _: fate if turn == number else ""


@pytest.mark.invariant("I2", "I5")
@pytest.mark.parametrize("fate", FATES)
def test_a_post_survives_a_connection_that_breaks_at_any_command(node, proxy, fate):
    expected: list[tuple[str, str]] = []
    commands: set[str] = set()
    for number in itertools.count():
        rows = envelope()
        proxy.arm(at(number, fate))
        status = node.client("soar").add(BANKING, *rows)
        cut = proxy.cuts
        commands |= set(proxy.disarm())
        assert (status.status, status.json["status"], status.json["failure_count"]) == (202, "complete", 0)
        expected += [(each["id"], each["modified"]) for each in rows]
        stored = node.client("soar").get(f"status/{status.json['id']}/")
        assert (stored.status, stored.json) == (200, status.json)
        if not cut:
            break
    assert {"findAndModify", "insert", "update", "commitTransaction"} <= commands
    assert number > 20
    assert sorted(listed(node)) == sorted(expected)


@pytest.mark.invariant("I10")
@pytest.mark.parametrize("fate", FATES)
def test_a_delete_of_the_newest_version_takes_one_version_wherever_the_connection_breaks(node, proxy, fate):
    bank = node.client("soar")
    count = 60
    objects = [indicator(next(numbers)) for _ in range(count)]
    later = [{**each, "modified": "2031-01-01T00:00:00.000Z"} for each in objects]
    for rows in (objects, later):
        assert bank.add(BANKING, *rows).json["failure_count"] == 0
    number = 0
    for each in objects:
        proxy.arm(at(number, fate))
        assert bank.delete(f"collections/{BANKING}/objects/{each['id']}/").status == 200
        cut = proxy.cuts
        proxy.disarm()
        number += 1
        if not cut:
            break
    assert number > 10
    left = listed(node)
    for index, each in enumerate(objects):
        wanted = [each["modified"]] if index < number else [each["modified"], later[index]["modified"]]
        assert [version for given, version in left if given == each["id"]] == wanted


@pytest.mark.parametrize("fate", FATES)
def test_a_get_survives_a_connection_that_breaks_at_any_command(node, proxy, fate):
    reader = node.client()
    assert node.client("soar").add(BANKING, *envelope()).status == 202
    expected = reader.get(f"collections/{BANKING}/objects/").json
    for number in itertools.count():
        proxy.arm(at(number, fate))
        answer = reader.get(f"collections/{BANKING}/objects/")
        assert (answer.status, answer.json) == (200, expected)
        if not proxy.cuts:
            break
        proxy.disarm()
    assert number >= 3  # the store itself, the place of the reader, its view


@pytest.mark.invariant("I5", "I6")
@pytest.mark.parametrize("fate", FATES)
def test_a_get_that_has_to_carry_out_what_is_due_survives_too(proxy, store_factory, tmp_path, closing, fate):
    node = open_behind(proxy, store_factory, tmp_path, holds=60)
    closing.callback(node.node.close)
    reader, shown = node.client(), set()
    for number in itertools.count():
        held = indicator(next(numbers), labels=[f"until-{number}"])
        assert node.client("soar").add(BANKING, held).json["failure_count"] == 0
        assert {row["id"] for row in reader.get(f"collections/{BANKING}/objects/", {"limit": 200}).objects} == shown
        shown.add(held["id"])
        node.clock.pass_seconds(60)
        proxy.arm(at(number, fate))
        answer = reader.get(f"collections/{BANKING}/objects/", {"limit": 200})
        cut = proxy.cuts
        commands = proxy.disarm()
        assert answer.status == 200
        assert {row["id"] for row in answer.objects} == shown
        if not cut:
            break
    assert "commitTransaction" in commands
    assert number > 10


@pytest.mark.invariant("I5", "I8")
@pytest.mark.parametrize("fate", FATES)
def test_a_pull_brings_everything_once_wherever_the_connection_breaks(proxy, store_factory, tmp_path, closing, fate):
    hubs = open_hubs(tmp_path, {"eu": (), "hk": ("eu",)})
    closing.callback(close_hubs, hubs)
    eu, hk = hubs["eu"], hubs["hk"]
    hk.node.close()
    hk.node = open_node(hk.node.settings, clock=hk.clock, store=store_behind(proxy, store_factory, hk.clock))
    hk.app = create_app(hk.node, write=lambda _: None)
    hk.federation = Federation(
        hk.node.store,
        hk.node.ingest,
        hk.clock,
        hk.node.in_force,
        Subscriptions(hk.node.store, hk.clock, plans(hk.node.settings)),
        lambda _: HubPeer(eu, "hk"),
        "worker",
    )
    published = []
    for number in itertools.count():
        published.append(indicator(next(numbers)))
        eu.publish(published[-1])
        for each in (eu, hk):
            each.clock.pass_(60)
        proxy.arm(at(number, fate))
        with contextlib.suppress(StoreUnavailableError):  # the worker says so, and comes again
            hk.pull()
        cut = proxy.cuts
        proxy.disarm()
        hk.clock.pass_(600)  # the lease of a pull that broke off runs out
        hk.pull()
        found = hk.client("bank").get(f"collections/{collection_id('hk')}/objects/", {"limit": 200}).objects
        assert [each["id"] for each in found] == [each["id"] for each in published]
        if not cut:
            break
    assert number > 10
    assert hk.node.planner.verify() == []


FAULTS = [
    ("insert", {"errorCode": 112, "errorLabels": ["TransientTransactionError"]}),
    ("update", {"errorCode": 251, "errorLabels": ["TransientTransactionError"]}),
    ("findAndModify", {"errorCode": 10107}),
    ("find", {"errorCode": 11602}),
    ("commitTransaction", {"errorCode": 91, "errorLabels": ["UnknownTransactionCommitResult", "RetryableWriteError"]}),
    ("commitTransaction", {"errorCode": 112, "errorLabels": ["TransientTransactionError"]}),
    ("commitTransaction", {"closeConnection": True}),
]


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(("command", "fault"), FAULTS, ids=[f"{name}-{min(fault.items())[1]}" for name, fault in FAULTS])
def test_a_post_survives_the_errors_of_an_election(node, client, command, fault, times):
    rows = envelope()
    try:
        client.admin.command(
            "configureFailPoint", "failCommand", mode={"times": times}, data={"failCommands": [command], **fault}
        )
    except OperationFailure:
        pytest.skip("the server takes no test commands")
    try:
        status = node.client("soar").add(BANKING, *rows)
    finally:
        client.admin.command("configureFailPoint", "failCommand", mode="off")
    assert (status.status, status.json["failure_count"]) == (202, 0)
    assert sorted(listed(node)) == sorted((each["id"], each["modified"]) for each in rows)
