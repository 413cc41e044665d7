"""Who sees a marking definition that nothing uses (convention 12)."""

from __future__ import annotations

from nodekit import DESK, in_force, indicator, open_kit, stix_id
from taxii_fed.core.levels import TLP2_IDS, Level
from taxii_fed.core.rules import Party, Share

STATEMENT = stix_id("marking-definition", 1)
DEFINITION = {
    "type": "marking-definition",
    "spec_version": "2.1",
    "id": STATEMENT,
    "created": "2026-01-01T00:00:00.000Z",
    "definition_type": "statement",
    "definition": {"statement": "For defence only."},
}
RULES = in_force(
    parties=(Party(name="bank", role="bank"),), share=(Share(name="all", up_to=Level.AMBER, relayed_up_to=Level.AMBER),)
)


def seen(kit, party: str) -> set[str]:
    return {obj["id"] for obj in kit.view(party)}


def test_own_staff_sees_a_definition_at_once_and_others_when_something_uses_it(tmp_path):
    kit = open_kit(tmp_path, RULES)
    kit.publish(DEFINITION)
    assert (seen(kit, DESK.name), seen(kit, "bank")) == ({STATEMENT}, set())
    used = {**indicator(1, level=None), "object_marking_refs": [TLP2_IDS[Level.GREEN], STATEMENT]}
    kit.publish(used)
    assert seen(kit, "bank") == {STATEMENT, used["id"]}
    assert kit.planner.verify() == []
    kit.store.close()
