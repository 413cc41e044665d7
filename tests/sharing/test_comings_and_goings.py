"""What arrives, goes and comes back, and what that costs and tells."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodekit import BANKING, DESK, in_force, indicator, open_kit, relationship, stix_id
from taxii_fed.core.door import PeerTerms
from taxii_fed.core.levels import Level
from taxii_fed.core.query import ALL_VERSIONS
from taxii_fed.core.rules import Change, CollectionTerms, Party, Share, To
from taxii_fed.core.stix import read_envelope
from taxii_fed.services import region
from taxii_fed.services.ingest import Giver, Offered

ANT, BEE = Party(name="ant", role="bank"), Party(name="bee", role="bank")
GOOD, BAD = Party(name="good", role="peer"), Party(name="bad", role="peer")
BANKS = Share(name="banks", to=To(role=("bank",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN, unmarked_as=Level.GREEN)
PAYMENTS = CollectionTerms(name="payments", id="2b4f8f5e-3c44-4d0a-9d0e-0f6e2f1a2b3c", api_root="finance", title="Payments")


def offer(kit, peer, collection, *objects):
    received = read_envelope(json.dumps({"objects": list(objects)}).encode())
    return kit.ingest.offer(Giver(peer.name, "r", peer, PeerTerms()), collection, [Offered(each) for each in received])


def notices(kit, party="ant"):
    return [obj for obj in kit.view(party) if obj["type"] == "note"]


@pytest.mark.invariant("I7")
def test_what_a_home_says_in_one_collection_lets_nothing_out_of_quarantine_in_another(tmp_path):
    rules = in_force(parties=(ANT, GOOD, BAD), share=(BANKS,))
    kit = open_kit(tmp_path, replace(rules, collections={"banking": BANKING, "payments": PAYMENTS}))
    offer(kit, GOOD, BANKING, indicator(1))
    for collection in (BANKING, PAYMENTS):
        offer(kit, BAD, collection, indicator(1, version=1))
    offer(kit, BAD, PAYMENTS, relationship(1, stix_id("indicator", 1), stix_id("malware", 1)))
    offer(kit, GOOD, BANKING, indicator(1, version=1))
    with kit.store.read() as reader:
        assert [each.collection for each in reader.quarantine()] == [PAYMENTS.id]
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I10")
def test_a_notice_is_taken_back_when_what_was_deleted_is_published_again(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    kit.publish(indicator(1))
    kit.clock.pass_(5)
    kit.ingest.delete(DESK, BANKING, stix_id("indicator", 1), ALL_VERSIONS)
    assert [each.get("revoked", False) for each in notices(kit)] == [False]
    kit.clock.pass_(5)
    kit.publish(indicator(1))
    assert [each.get("revoked", False) for each in notices(kit)] == [True]
    kit.store.close()


@pytest.mark.invariant("I4")
def test_an_observable_can_be_published_though_a_copy_of_another_has_the_same_values(tmp_path):
    coarser = Change(name="coarser", to=To(party=("ant",)), generalise_v4=24)
    kit = open_kit(tmp_path, in_force(parties=(ANT, BEE, BAD), share=(BANKS,), change=(coarser,)))
    kit.publish({"type": "ipv4-addr", "spec_version": "2.1", "id": stix_id("ipv4-addr", 1), "value": "198.51.100.7"})
    (copy,) = kit.view("ant")
    assert offer(kit, BAD, BANKING, copy) == {"loop-duplicate": 1}
    assert copy["id"] not in {obj["id"] for obj in kit.view("bee")}
    kit.publish(copy)
    assert copy["id"] in {obj["id"] for obj in kit.view("bee")}
    assert kit.planner.verify() == []
    kit.store.close()


def test_a_deletion_does_not_look_at_all_that_has_the_same_marking(tmp_path, monkeypatch):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    marking = {
        "type": "marking-definition", "spec_version": "2.1", "id": stix_id("marking-definition", 1),
        "created": "2026-02-10T08:00:00.000Z", "definition_type": "statement", "definition": {"statement": "ours"},
    }  # fmt: skip
    kit.publish(marking, *(indicator(number, level=None, object_marking_refs=[marking["id"]]) for number in range(50)))
    seen = []
    real = region.candidate_of
    monkeypatch.setattr(region, "candidate_of", lambda version: seen.append(version.object_id) or real(version))
    kit.ingest.delete(DESK, BANKING, stix_id("indicator", 1), ALL_VERSIONS)
    assert len(seen) < 10
    assert kit.planner.verify() == []
    kit.store.close()
