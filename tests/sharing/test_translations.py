"""A translation says no more than the object that it translates (convention 7; I1)."""

from __future__ import annotations

from typing import Any

import pytest

from nodekit import Json, in_force, indicator, open_kit, sdo, stix_id
from taxii_fed.core.rules.model import Change, Party, Share, To, What
from taxii_fed.core.stix.levels import Level

ANT = Party(name="ant", role="bank")
BANKS = Share(name="banks", to=To(role=("bank",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN)
SHORTER = Change(name="shorter", what=What(label=("short",)), drop=("description",))
SOURCE = indicator(1, description="Viel zu sagen", labels=["short"])


def translation(**german: str) -> Json:
    return sdo("language-content", 1, object_ref=SOURCE["id"], contents={"de": german})


def translations(kit: Any) -> list[Json]:
    return [obj["contents"]["de"] for obj in kit.view("ant") if obj["type"] == "language-content"]


@pytest.fixture
def kit(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), change=(SHORTER,)))
    yield kit
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("together", [True, False])
def test_what_an_edit_drops_goes_from_the_translation_whenever_it_comes(kit, together):
    both = translation(name="Anzeichen", description="Viel zu sagen")
    if together:
        kit.publish(SOURCE, both)
    else:
        kit.publish(SOURCE)
        kit.publish(both)
    assert translations(kit) == [{"name": "Anzeichen"}]


@pytest.mark.invariant("I1")
def test_a_translation_of_what_an_edit_drops_alone_is_withheld(kit):
    kit.publish(SOURCE)
    kit.publish(translation(description="Viel zu sagen"))
    assert translations(kit) == []


@pytest.mark.invariant("I1")
def test_a_translation_of_an_object_that_is_withheld_is_withheld(kit):
    kit.publish(indicator(1, level=Level.RED))
    kit.publish(translation(name="Anzeichen"))
    assert translations(kit) == []


def test_a_translation_is_whole_again_once_its_object_is(kit):
    both = translation(name="Anzeichen", description="Viel zu sagen")
    kit.publish(SOURCE, both)
    kit.clock.pass_(5)
    kit.publish(indicator(1, version=1, description="Viel zu sagen"))
    kit.clock.pass_(5)
    kit.put_in_force(in_force(parties=(ANT,), share=(BANKS,)))
    assert both in kit.view("ant")
    assert stix_id("indicator", 1) in {obj["id"] for obj in kit.view("ant")}
