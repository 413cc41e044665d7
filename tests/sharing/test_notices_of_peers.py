"""Withdrawal notices of taxii-fed peers are consumed at the door (sharing model, section 8; I10)."""

from __future__ import annotations

import json

import pytest

from nodekit import BANKING, in_force, indicator, note, open_kit, stix_id
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Party, Share
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.ingest import Giver

PEER, BANK = Party(name="peer", role="peer", jurisdiction="EU"), Party(name="bank", role="bank")
GIVER = Giver("peer", "theirs", PEER, PeerTerms())
RULES = in_force(parties=(PEER, BANK), share=(Share(name="all", up_to=Level.AMBER, relayed_up_to=Level.AMBER),))


def offered(*objects: dict, notice: bool = False) -> list[Offered]:
    return [Offered(each, notice=notice) for each in read_envelope(json.dumps({"objects": list(objects)}).encode())]


@pytest.fixture
def kit(tmp_path):
    kit = open_kit(tmp_path, RULES)
    kit.ingest.offer(GIVER, BANKING, offered(indicator(1), indicator(2)))
    kit.clock.pass_(1)
    yield kit
    kit.store.close()


def seen(kit) -> set[str]:
    return {obj["id"] for obj in kit.view("bank") if obj["type"] == "indicator"}


@pytest.mark.invariant("I10")
def test_what_a_notice_of_the_peer_itself_names_is_withdrawn_and_the_notice_is_not_stored(kit):
    told = note(1, [stix_id("indicator", 1)], labels=["withdrawn"])
    assert kit.ingest.offer(GIVER, BANKING, offered(told, notice=True)) == {"notice": 1}
    assert seen(kit) == {stix_id("indicator", 2)}
    assert told["id"] not in {obj["id"] for obj in kit.view("bank")}


def test_a_notice_that_was_taken_back_withdraws_nothing(kit):
    told = note(1, [stix_id("indicator", 1)], labels=["withdrawn"], revoked=True)
    kit.ingest.offer(GIVER, BANKING, offered(told, notice=True))
    assert len(seen(kit)) == 2


def test_any_other_note_that_says_withdrawn_is_content(kit):
    told = note(1, [stix_id("indicator", 1)], labels=["withdrawn"])
    assert kit.ingest.offer(GIVER, BANKING, offered(told)) == {"new": 1}
    assert len(seen(kit)) == 2
    assert told["id"] in {obj["id"] for obj in kit.view("bank")}


def test_a_notice_ends_nothing_that_somebody_else_offers(kit):
    kit.publish(indicator(1))
    told = note(1, [stix_id("indicator", 1)], labels=["withdrawn"])
    kit.ingest.offer(GIVER, BANKING, offered(told, notice=True))
    assert len(seen(kit)) == 2
