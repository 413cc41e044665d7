"""Which changes of the configuration are taken over at once, and which wait for apply (I6)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodekit import BANKING, DESK, in_force, indicator, open_kit
from taxii_fed.core.rules.model import CollectionTerms, Party, Share, To
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import Level

ARCHIVE = CollectionTerms(name="archive", id="9d0f6b62-58a5-4c6e-8f6e-2b8f5a3c7d10", api_root="finance", title="Archive")
ANT = Party(name="ant", role="bank")
BANKS = Share(name="banks", to=To(role=("bank",)), collections=("banking",), up_to=Level.GREEN, relayed_up_to=Level.GREEN)


@pytest.mark.invariant("I6")
def test_a_collection_that_nobody_reads_hides_no_change_of_another(tmp_path):
    desk = replace(DESK, publish=("archive", "banking"))
    before = replace(
        in_force(parties=(ANT,), share=(BANKS,)),
        parties={"desk": desk, "ant": ANT},
        collections={"archive": ARCHIVE, "banking": BANKING},
    )
    after = replace(before, collections={"banking": BANKING}, share=(replace(BANKS, up_to=Level.CLEAR),))
    kit = open_kit(tmp_path, before)
    kit.ingest.publish_objects(desk, ARCHIVE, read_envelope(json.dumps({"objects": [indicator(1)]}).encode()))
    kit.publish(indicator(2), party=desk)
    assert len(kit.view("ant")) == 1
    assert kit.governor.adopt(after, "coming").moves
    kit.put_in_force(after)
    assert not [obj for obj in kit.view("ant") if obj["type"] == "indicator"]
    kit.store.close()


@pytest.mark.invariant("I1")
def test_parties_of_one_view_part_at_once_where_nothing_was_published(tmp_path):
    parties = (ANT, replace(ANT, name="bee"), replace(ANT, name="cat"))
    parted = (ANT, replace(ANT, name="bee", role="vendor"), replace(ANT, name="cat", role="vendor"))
    shares = (BANKS, replace(BANKS, name="vendors", to=To(role=("vendor",)), up_to=Level.CLEAR))
    kit = open_kit(tmp_path, in_force(parties=parties, share=shares))
    assert kit.governor.adopt(in_force(parties=parted, share=shares), "coming").same
    kit.publish(indicator(1), indicator(2, level=Level.CLEAR))
    seen = {name: len(kit.view(name)) for name in ("ant", "bee", "cat")}
    assert seen == {"ant": 2, "bee": 1, "cat": 1}
    assert kit.planner.verify() == []
    kit.store.close()


def test_staff_who_never_published_anything_wait_for_nothing(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    kit.publish(indicator(1))
    clerk = Party(name="clerk", role="own")
    assert kit.governor.adopt(in_force(parties=(ANT, clerk), share=(BANKS,)), "coming").same
    assert kit.planner.verify() == []
    kit.store.close()
