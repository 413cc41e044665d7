"""Large envelopes are stored in several transactions, in their order, so that nobody waits long for one (design, section 3)."""

from __future__ import annotations

import pytest

from nodekit import in_force, indicator, open_kit
from taxii_fed.core.rules.model import Share
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.intake.ingest import CHUNK_BYTES


@pytest.fixture
def kit(tmp_path):
    kit = open_kit(tmp_path, in_force(share=(Share(name="all", up_to=Level.RED, relayed_up_to=Level.RED),)))
    yield kit
    kit.store.close()


def publish(kit, monkeypatch, count: int, size: int) -> list[int]:
    """Publish objects that large; return how many of them each transaction stored."""
    stored: list[int] = []
    take_in = kit.ingest._door.take_in

    def noted(writer, source, collection, objects):
        stored.append(len(objects))
        return take_in(writer, source, collection, objects)

    monkeypatch.setattr(kit.ingest._door, "take_in", noted)
    status = kit.publish(*(indicator(number, description="x" * size) for number in range(count)))
    assert status["success_count"] == count
    return stored


def test_small_objects_go_into_one_transaction(kit, monkeypatch):
    assert publish(kit, monkeypatch, 100, 10) == [100]


def test_large_objects_go_into_several_in_their_order(kit, monkeypatch):
    stored = publish(kit, monkeypatch, 25, CHUNK_BYTES // 10)
    assert stored == [9, 9, 7]
    seen = [obj["id"] for obj in kit.view("desk")]
    assert seen == [indicator(number)["id"] for number in range(25)]


def test_what_is_larger_than_a_transaction_has_one_of_its_own(kit, monkeypatch):
    assert publish(kit, monkeypatch, 3, CHUNK_BYTES) == [1, 1, 1]
