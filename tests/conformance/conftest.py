"""One node with known content, read only by the tests of this folder; and an empty one for those that write."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from httpkit.client import Client
from httpkit.nodes import TestNode, node_in
from httpkit.objects import TLP_GREEN, domain, indicator, malware, statement, stix_id

VERSIONS = ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z", "2026-01-03T00:00:00.123Z")


@dataclass(frozen=True)
class World:
    """The filled node. ``ids`` in the order in which their newest version was added."""

    node: TestNode
    reader: Client
    ids: list[str]
    old: dict
    """The object with three versions, as its first was posted."""
    scos: dict
    marking: dict
    twice: str
    """Id of the object that is there in STIX 2.0 and in 2.1."""


def stix_20(number: int) -> dict:
    """An indicator as STIX 2.0 writes it."""
    return {
        "type": "indicator",
        "id": stix_id("indicator", number),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "labels": ["malicious-activity"],
        "pattern": "[domain-name:value = 'old.example']",
        "valid_from": "2026-01-01T00:00:00Z",
    }


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    opened = node_in(tmp_path_factory.mktemp("conformance"))
    staff = opened.client("staff")
    custom = malware(50) | {"type": "x-harbour-case", "id": stix_id("x-harbour-case", 50), "x_harbour_note": "Grüße 港 🚢"}
    # A marking definition is shown to those who see what carries it.
    copyrighted = indicator(2) | {"object_marking_refs": [TLP_GREEN, statement(1)["id"]]}
    envelopes = [
        [indicator(1, modified=VERSIONS[0])],
        [statement(1), copyrighted, indicator(3), indicator(4), malware(1), domain("a.example")],
        [indicator(1, modified=VERSIONS[1])],
        [stix_20(5), indicator(5), stix_20(6), custom],
        [indicator(1, modified=VERSIONS[2]), indicator(7, modified="2031-01-01T00:00:00Z")],
    ]
    for envelope in envelopes:
        status = staff.add("banking", *envelope).json
        assert status["failure_count"] == 0, status
        opened.clock.pass_seconds(5)
    reader = opened.client("reader")
    yield World(
        node=opened,
        reader=reader,
        ids=reader.get("collections/banking/objects/").ids,
        old=envelopes[0][0],
        scos=domain("a.example"),
        marking=statement(1),
        twice=stix_id("indicator", 5),
    )
    opened.node.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[TestNode]:
    opened = node_in(tmp_path)
    yield opened
    opened.node.close()
