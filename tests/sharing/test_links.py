"""A change rule may ask for a link from the copy to its source (sharing model, section 7)."""

from __future__ import annotations

from nodekit import NODE_IDENTITY, in_force, indicator, malware, open_kit, relationship, stix_id
from taxii_fed.core.rules.model import Change, Party, Share
from taxii_fed.core.stix.levels import Level

PEER = Party(name="peer", role="peer")
SHARE = Share(name="all", up_to=Level.GREEN, relayed_up_to=Level.GREEN)
ADDRESS = "[ipv4-addr:value = '198.51.100.7']"


def rules(*changes: Change):
    return in_force(parties=(PEER,), share=(SHARE,), change=changes)


def test_a_copy_is_linked_to_its_source_where_the_rule_says_so(tmp_path):
    kit = open_kit(tmp_path, rules(Change(name="coarser", generalise_v4=24, link=True)))
    kit.publish(indicator(1, pattern=ADDRESS), indicator(2))
    copy, other, link = sorted(kit.view("peer"), key=lambda obj: (obj["type"], obj.get("name", "")))
    assert other["id"] == stix_id("indicator", 2)
    assert (link["relationship_type"], link["source_ref"], link["target_ref"]) == (
        "derived-from",
        copy["id"],
        stix_id("indicator", 1),
    )
    assert link["created_by_ref"] == NODE_IDENTITY
    kit.clock.pass_(1)
    kit.publish(indicator(1, pattern=ADDRESS, version=1))
    assert len([obj for obj in kit.view("peer") if obj["type"] == "relationship"]) == 1
    assert kit.planner.verify() == []
    kit.store.close()


def test_no_link_is_made_where_one_of_the_rules_does_not_ask_for_it(tmp_path):
    changes = (Change(name="coarser", generalise_v4=24, link=True), Change(name="shorter", drop=("description",)))
    kit = open_kit(tmp_path, rules(*changes))
    kit.publish(indicator(1, pattern=ADDRESS, description="x"))
    assert stix_id("indicator", 1) not in str(kit.view("peer"))
    kit.store.close()


def test_the_link_goes_with_the_copy(tmp_path):
    kit = open_kit(tmp_path, rules(Change(name="coarser", generalise_v4=24, link=True)))
    kit.publish(indicator(1, pattern=ADDRESS))
    kit.clock.pass_(1)
    kit.put_in_force(rules())
    types = [obj["type"] for obj in kit.view("peer") if obj["type"] != "note"]
    assert types == ["indicator"]
    assert kit.planner.verify() == []
    kit.store.close()


def test_what_refers_to_a_linked_copy_later_names_the_copy(tmp_path):
    kit = open_kit(tmp_path, rules(Change(name="coarser", generalise_v4=24, link=True)))
    first = indicator(1, pattern=ADDRESS)
    kit.publish({**first, "created": first["modified"]}, malware(1))
    kit.publish(relationship(1, stix_id("indicator", 1), stix_id("malware", 1)))
    copy = next(obj for obj in kit.view("peer") if obj["type"] == "indicator")
    sources = [obj["source_ref"] for obj in kit.view("peer") if obj.get("relationship_type") == "related-to"]
    assert sources == [copy["id"]]
    assert kit.planner.verify() == []
    kit.store.close()
