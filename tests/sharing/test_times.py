"""Whatever dates pass, between whatever arrives, views are what the rules make of the objects at that time (I6, I7; convention 13)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodekit import START, Kit, identity, indicator, relationship, report, stix_id
from sharing import test_properties as plain
from sharing.test_properties import READERS, node, objects, rules, seen, unshifted
from taxii_fed.core.rules.model import Change, Hold, InForce, Membership, Never, Share, To, What
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.timestamps import format_stix

SECOND = 1_000_000
instants = st.integers(1, 9).map(lambda second: START + second * SECOND)
maybe = st.none() | instants
whats = st.sampled_from(
    [
        What(),
        What(label=("embargo",)),
        What(type=("identity",)),
        What(type=("malware", "identity")),
        What(expired=False),
        What(but_not=(What(expired=True),)),
        What(min_tlp=Level.GREEN),
        What(type=("marking-definition",)),
    ]
)
targets = st.sampled_from([To(), To(role=("bank",)), To(community=("ring",)), To(but_not=(To(community=("ring",)),))])
holds = st.builds(Hold, name=st.sampled_from(["wait", "wait more"]), to=targets, what=whats, from_at=maybe, until_at=instants)
vetoes = st.builds(Never, name=st.just("dated veto"), to=targets, what=whats, from_at=maybe, until_at=maybe)
grants = st.builds(
    Share, name=st.just("dated"), to=targets, what=whats, from_at=maybe, until_at=maybe, up_to=plain.levels,
    relayed_up_to=st.just(Level.GREEN), unmarked_as=st.sampled_from([None, Level.GREEN]),
)  # fmt: skip
edits = st.builds(
    lambda what, start, end, rule: replace(rule, name="dated edit", what=what, from_at=start, until_at=end),
    whats,
    maybe,
    maybe,
    st.sampled_from(
        [
            Change(name="", hide_creator=True),
            Change(name="", generalise_v4=24, generalise_v6=48),
            Change(name="", drop=("description",)),
            Change(name="", drop=("description",), link=True, mark=Level.AMBER, credit="Somebody"),
            Change(name="", redact_text=("ip",), link=True),
            Change(name="", pseudonymise_email="abroad", mark=Level.GREEN),
        ]
    ),
)


@st.composite
def dated_rules(draw: st.DrawFn) -> InForce:
    terms = draw(rules())
    parties = {
        name: replace(party, communities=(Membership("ring", draw(maybe), draw(maybe)),)) if name in READERS else party
        for name, party in terms.parties.items()
    }
    return replace(
        terms,
        parties=parties,
        share=(*terms.share, *draw(st.lists(grants, max_size=1))),
        never=(*terms.never, *draw(st.lists(vetoes, max_size=1))),
        hold=(*terms.hold, *draw(st.lists(holds, max_size=2, unique_by=lambda rule: rule.name))),
        change=(*terms.change, *draw(st.lists(edits, max_size=1))),
    )


@st.composite
def dated_objects(draw: st.DrawFn) -> list[dict]:
    """Objects of which some expire, by creators that go along with them; or of every kind."""
    found = draw(st.one_of(objects(), few_objects()))
    until = {obj["id"]: draw(maybe) for obj in found if obj["type"] == "indicator"}
    return [{**obj, "valid_until": format_stix(at)} if (at := until.get(obj["id"])) is not None else obj for obj in found]


@st.composite
def few_objects(draw: st.DrawFn) -> list[dict]:
    makers = [stix_id("identity", number) for number in range(2)]
    found = [identity(number, level=draw(st.sampled_from([None, None, Level.GREEN]))) for number in range(2)]
    for number in range(draw(st.integers(1, 3))):
        more = {"labels": draw(plain.labels)} if draw(st.booleans()) else {}
        made = indicator(number, created_by_ref=draw(st.sampled_from(makers)), level=draw(plain.levels), **more)
        found.append({key: value for key, value in made.items() if value})
    found.append(report(0, draw(plain.refs), created_by_ref=draw(st.sampled_from(makers))))
    found.append(relationship(0, stix_id("indicator", 0), draw(st.sampled_from([*makers, stix_id("report", 0)]))))
    return found


def passed(kit: Kit, second: int) -> None:
    kit.clock.instant = START + second * SECOND
    kit.waker.wake_due()


@pytest.mark.invariant("I6", "I7")
@given(
    terms=dated_rules(),
    collection=dated_objects(),
    times=st.lists(st.integers(0, 11), min_size=1, max_size=4).map(sorted),
    order=st.randoms(use_true_random=False),
)
def test_whatever_time_passes_views_are_what_a_rebuild_gives(terms, collection, times, order):
    order.shuffle(collection)
    with node(terms) as kit:
        for turn, second in enumerate(times):
            kit.publish(*collection[turn :: len(times)] or [indicator(9)])
            assert kit.planner.verify() == []
            passed(kit, second)
            assert kit.planner.verify() == [], second
        with node(terms) as fresh:
            passed(fresh, times[-1])
            for turn in range(len(times)):
                fresh.publish(*collection[turn :: len(times)] or [indicator(9)])
            assert {party: unshifted(texts) for party, texts in seen(kit).items()} == {
                party: unshifted(texts) for party, texts in seen(fresh).items()
            }
