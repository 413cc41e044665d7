"""The proof that views are what they should be finds what is not, and mending puts it right (I7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodekit import BANKING, DESK, Kit, in_force, indicator, open_kit, stix_id
from taxii_fed.core.rules.model import Change as ChangeRule
from taxii_fed.core.rules.model import Party, Share, To, What
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.taxii.query import ALL_VERSIONS, Rank
from taxii_fed.ports import Change, Entry, Opening
from taxii_fed.services.views.rebuild import Rebuilder

ANT = Party(name="ant", role="bank")
BANKS = Share(name="banks", to=To(role=("bank",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN)
SHORTER = ChangeRule(name="shorter", what=What(label=("short",)), drop=("description",))
PLAIN, EDITED, WITHHELD = (stix_id("indicator", number) for number in (1, 2, 3))


@pytest.fixture
def kit(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), change=(SHORTER,)))
    kit.publish(indicator(1), indicator(2, description="Much to say", labels=["short"]), indicator(3, level=Level.RED))
    assert kit.planner.verify() == []
    yield kit
    kit.store.close()


def view_of(kit: Kit) -> int:
    with kit.store.read() as reader:
        view = reader.place("ant", BANKING.id).view
        assert view is not None
        return view.id


def entry_of(kit: Kit, source: str) -> Entry:
    with kit.store.read() as reader:
        (entry,) = reader.live([view_of(kit)], [source])[view_of(kit)][source]
        return entry


def opening_of(kit: Kit, source: str, like: Entry) -> Opening:
    with kit.store.read() as reader:
        (version,) = reader.versions(BANKING.id, [source])[source]
    return Opening(
        id=source, type="indicator", spec_version="2.1", version=version.version, version_text=version.version_text,
        source=source, source_key=version.key, rank=like.rank, rule=like.rule,
    )  # fmt: skip


def take_away(kit: Kit) -> Change:
    return Change(ended=((entry_of(kit, PLAIN).date_added, "damage"),))


def give_what_is_withheld(kit: Kit) -> Change:
    return Change(opened=(opening_of(kit, WITHHELD, entry_of(kit, PLAIN)),))


def give_the_original_for_its_copy(kit: Kit) -> Change:
    copy = entry_of(kit, EDITED)
    return Change(ended=((copy.date_added, "damage"),), opened=(opening_of(kit, EDITED, copy),))


def give_a_copy_that_says_more(kit: Kit) -> Change:
    copy = entry_of(kit, EDITED)
    with kit.store.read() as reader:
        content = reader.body(copy.body).replace(b'"Indicator 2"', b'"Indicator of more"')
    more = replace(opening_of(kit, EDITED, copy), id=copy.id, content=content)
    return Change(ended=((copy.date_added, "damage"),), opened=(more,))


def hide_the_newest(kit: Kit) -> Change:
    return Change(reranked=((entry_of(kit, PLAIN).date_added, Rank(newest=False)),))


def hide_the_newest_copy(kit: Kit) -> Change:
    return Change(reranked=((entry_of(kit, EDITED).date_added, Rank(newest=False)),))


DAMAGES = {
    take_away: ("missing", PLAIN),
    give_what_is_withheld: ("surplus", WITHHELD),
    give_the_original_for_its_copy: ("content", EDITED),
    give_a_copy_that_says_more: ("content", EDITED),
    hide_the_newest: ("rank", PLAIN),
    hide_the_newest_copy: ("rank", EDITED),
}


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_not_as_it_should_be_is_found_and_mended(kit, damage):
    before = {obj["id"]: obj for obj in kit.view("ant")}
    with kit.store.write() as writer:
        writer.change(view_of(kit), damage(kit))
    kit.clock.pass_(5)
    found = kit.planner.verify()
    assert {(each.kind, each.object_id) for each in found} == {DAMAGES[damage]}
    Rebuilder(kit.store, kit.settler, kit.cache, kit.clock).mend(found)
    assert kit.planner.verify() == []
    after = {obj["id"]: obj for obj in kit.view("ant") if obj["type"] != "note"}
    assert {each.partition("--")[2] for each in after} == {each.partition("--")[2] for each in before}


@pytest.mark.invariant("I7", "I10")
def test_a_notice_that_is_hidden_is_shown_again_and_told_once(kit):
    kit.ingest.delete(DESK, BANKING, PLAIN, ALL_VERSIONS)
    (notice,) = [obj for obj in kit.view("ant") if obj["type"] == "note"]
    with kit.store.write() as writer:
        (entry,) = writer.live_by_id(view_of(kit), [notice["id"]])[notice["id"]]
        writer.change(view_of(kit), Change(reranked=((entry.date_added, Rank(newest=False)),)))
    found = kit.planner.verify()
    assert [(each.kind, each.object_id) for each in found] == [("rank", notice["id"])]
    Rebuilder(kit.store, kit.settler, kit.cache, kit.clock).mend(found)
    assert kit.planner.verify() == []
    assert [obj for obj in kit.view("ant") if obj["type"] == "note"] == [notice]
