"""Classes that nothing among the objects tells apart are judged together: each gets what it would get alone, by its own rules' names."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodekit import BANKING, Kit, in_force, indicator, open_kit, stix_id
from sharing.test_properties import levels, node, objects
from taxii_fed.core.rules.audience import audience_of
from taxii_fed.core.rules.bearing import bearing, names_of, words_of
from taxii_fed.core.rules.judge import Judge
from taxii_fed.core.rules.markings import Meanings
from taxii_fed.core.rules.model import Change, Hold, InForce, Never, Party, Rule, Share, To, What
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, Provenance, facts_of
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.views.region import Region

READERS = tuple(Party(name=f"reader-{number}", role="bank", jurisdiction="HK") for number in range(4))

narrow = st.sampled_from(
    [
        What(),
        What(label=("victim",)),
        What(label=("nobody-says-this",)),
        What(but_not=(What(label=("nobody-says-this", "embargo")),)),
        What(but_not=(What(label=("nobody-says-this",)),)),
        What(id=(stix_id("indicator", 0),)),
        What(but_not=(What(id=(stix_id("indicator", 1), stix_id("tool", 7))),)),
        What(created_by=(stix_id("identity", 0), stix_id("identity", 9))),
        What(type=("malware",), label=("nobody-says-this",)),
        What(type=("ipv4-addr",), label=("nobody-says-this",)),
        What(type=("url",), label=("nobody-says-this",)),
        What(type=("indicator", "report", "relationship")),
        What(min_tlp=Level.AMBER),
    ]
)


@st.composite
def classes(draw: st.DrawFn) -> InForce:
    """Readers under rules of their own that say the same, save for what one or the other says more."""
    base = [
        *(
            Share(name=f"share-{n}", what=draw(narrow), up_to=draw(levels), relayed_up_to=Level.GREEN)
            for n in range(draw(st.integers(1, 2)))
        ),
        *(Never(name="never", what=draw(narrow)) for _ in range(draw(st.integers(0, 1)))),
        *(Hold(name="hold", what=draw(narrow), until_at=4_000_000_000_000_000) for _ in range(draw(st.integers(0, 1)))),
    ]
    found: dict[type, list[Rule]] = defaultdict(list)
    for party in READERS:
        another = draw(st.integers(0, 2 * len(base)))
        for number, rule in enumerate(base):
            what = draw(narrow) if number == another else rule.what
            name = rule.name if draw(st.integers(0, 3)) == 0 else f"{rule.name} for {party.name}"
            name = "share-0" if draw(st.integers(0, 9)) == 0 else name
            found[type(rule)].append(replace(rule, name=name, to=To(party=(party.name,)), what=what))
    reached = tuple(party.name for party in READERS if draw(st.booleans()))
    if reached:
        hides = draw(st.integers(0, 3)) == 0
        found[Change].append(
            Change(name="coarser", to=To(party=reached), generalise_v4=24, redact_text=("ip",), hide_creator=hides)
        )
    return in_force(
        parties=READERS,
        share=tuple(found[Share]),
        never=tuple(found[Never]),
        hold=tuple(found[Hold]),
        change=tuple(found[Change]),
    )


def alone(terms: InForce, party: Party) -> InForce:
    """The same rules, with one reader."""
    return replace(terms, parties={name: each for name, each in terms.parties.items() if each == party or each not in READERS})


def ledger(kit: Kit, party: Party) -> list[tuple[object, ...]]:
    """What a party has, under which ids, and by which rules; versions of copies left out, which tell how often a copy changed."""
    with kit.store.read() as reader:
        place = reader.place(party.name, BANKING.id)
        entries = reader.entries(place.view.id, 0, 10_000) if place.view else []
        return sorted(
            (each.source, each.source_key, each.id, each.derived, each.rank, each.rule, each.reasons)
            for each in entries
            if each.source
        )


@pytest.mark.invariant("I7")
@pytest.mark.timeout(600)
@given(terms=classes(), after=classes(), collection=objects(), cut=st.integers(0, 12), party=st.sampled_from(READERS))
def test_each_class_among_many_gets_what_it_gets_alone(terms, after, collection, cut, party):
    parts = [part for part in (collection[:cut], collection[cut:]) if part]
    with node(terms) as many, node(alone(terms, party)) as single:
        for part in parts:
            many.publish(*part)
            single.publish(*part)
        many.put_in_force(after)
        single.put_in_force(alone(after, party))
        assert many.planner.verify() == []
        assert ledger(many, party) == ledger(single, party)


def test_classes_that_differ_by_what_no_object_has_are_judged_once(tmp_path, monkeypatch):
    judged = []
    close = Region.close
    monkeypatch.setattr(
        Region, "close", lambda region, view, audiences: judged.append(view.id) or close(region, view, audiences)
    )
    rules = [
        Share(
            name=party.name,
            to=To(party=(party.name,)),
            what=What(but_not=(What(label=(f"not-{party.name}",)),)),
            up_to=Level.GREEN,
            relayed_up_to=Level.GREEN,
        )
        for party in READERS
    ]
    kit = open_kit(tmp_path, in_force(parties=READERS, share=tuple(rules)))
    kit.publish(indicator(0), indicator(1))
    assert len(judged) == 1
    assert [ledger(kit, party)[0][5] for party in READERS] == [party.name for party in READERS]
    kit.publish(indicator(2, labels=["not-reader-2"]))
    assert len(judged) == 1 + 2
    assert [len(ledger(kit, party)) for party in READERS] == [3, 3, 2, 3]
    kit.store.close()


@settings(max_examples=200)
@given(terms=classes(), collection=objects())
def test_audiences_of_equal_bearing_are_told_the_same(terms, collection):
    found = [facts_of(each, Provenance()) for each in collection]
    words = words_of(found)
    audiences = [audience_of(terms, party, BANKING.name, 0) for party in READERS]
    for one, other in itertools.combinations([each for each in audiences if each.reads], 2):
        if bearing(one, words) != bearing(other, words):
            continue
        names = dict(zip(names_of(one), names_of(other), strict=True))
        judge, second = (Judge(each, terms, Meanings({}, lambda *_: None), 0) for each in (one, other))
        assert [judge.cuts_unseen(kind) for kind in OBSERVABLE_TYPES] == [second.cuts_unseen(kind) for kind in OBSERVABLE_TYPES]
        for facts, used in itertools.product(found, (False, True)):
            verdict = judge(facts, used=used)
            assert replace(verdict, rule=names.get(verdict.rule, verdict.rule)) == second(facts, used=used)
