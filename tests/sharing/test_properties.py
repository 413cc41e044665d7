"""What must hold for any rules, any objects and any order of arrival (I1, I6, I7; issue: the whole sharing model)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodekit import (
    DESK,
    Kit,
    identity,
    in_force,
    indicator,
    malware,
    marked,
    memory_folder,
    note,
    open_kit,
    relationship,
    report,
    sdo,
    stix_id,
)
from taxii_fed.core.derive import observable_id
from taxii_fed.core.rules.model import Change, CollectionTerms, Hold, InForce, Never, Party, Share, To, What
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.facts import references_of
from taxii_fed.core.stix.levels import TLP2_IDS, Level
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery
from taxii_fed.services.rules.govern import WITHDRAW

BANK = Party(name="bank", role="bank", jurisdiction="HK")
PEER = Party(name="peer", role="peer", jurisdiction="US")
READERS = ("bank", "peer")

levels = st.sampled_from([Level.CLEAR, Level.GREEN, Level.AMBER, Level.RED])
labels = st.sampled_from([[], ["victim"], ["embargo"], ["anonymous"]])
POOL = [
    *(stix_id("indicator", number) for number in range(4)),
    *(stix_id("malware", number) for number in range(3)),
    *(stix_id("identity", number) for number in range(2)),
    *(stix_id("report", number) for number in range(2)),
    *(stix_id("note", number) for number in range(2)),
    *(stix_id("relationship", number) for number in range(3)),
    *(stix_id("observed-data", number) for number in range(2)),
]
refs = st.lists(st.sampled_from(POOL), min_size=1, max_size=3, unique=True)


STATEMENT, CLAIM = stix_id("marking-definition", 1), stix_id("marking-definition", 2)
ADDRESSES = ["198.51.100.7", "198.51.100.8", "203.0.113.9"]


def marking_definitions() -> list[dict]:
    """A plain statement, and one whose text claims a level, which makes it unknown."""
    common = {
        "type": "marking-definition",
        "spec_version": "2.1",
        "created": "2026-01-01T00:00:00.000Z",
        "definition_type": "statement",
    }
    return [
        {**common, "id": STATEMENT, "definition": {"statement": "For defence only."}},
        {**common, "id": CLAIM, "definition": {"statement": "TLP:RED"}},
    ]


def address(number: int, level: Level | None) -> dict:
    obj = {"type": "ipv4-addr", "spec_version": "2.1", "value": ADDRESSES[number]}
    return marked({**obj, "id": observable_id(obj)}, level)


def traffic(source: int, target: int, level: Level | None) -> dict:
    refs = {"src_ref": address(source, None)["id"], "dst_ref": address(target, None)["id"]}
    obj = {"type": "network-traffic", "spec_version": "2.1", "protocols": ["tcp"], **refs}
    return marked({**obj, "id": observable_id(obj)}, level)


def observed(number: int, refs: list[str], level: Level | None) -> dict:
    times = {"first_observed": "2026-02-09T07:00:00Z", "last_observed": "2026-02-09T07:00:00Z", "number_observed": 1}
    return sdo("observed-data", number, level=level, object_refs=refs, **times)


def translation(number: int, target: str, level: Level | None) -> dict:
    return sdo(
        "language-content",
        number,
        level=level,
        object_ref=target,
        contents={"de": {"description": "Hinweis", "name": "Anzeiger"}},
    )


@st.composite
def objects(draw: st.DrawFn) -> list[dict]:
    """A small collection with references in every direction, cycles among them."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        more: dict = {
            "pattern": draw(st.sampled_from(["[domain-name:value = 'a.example']", "[ipv4-addr:value = '198.51.100.7']"]))
        }
        more["labels"] = draw(labels) if draw(st.booleans()) else []
        creator = draw(st.sampled_from([None, 0, 1]))
        more["created_by_ref"] = stix_id("identity", creator) if creator is not None else ""
        if draw(st.booleans()):
            more["description"] = "Seen at 198.51.100.7"
            mark = draw(st.sampled_from([TLP2_IDS[Level.RED], CLAIM, STATEMENT]))
            more["granular_markings"] = [{"marking_ref": mark, "selectors": ["description"]}] if draw(st.booleans()) else []
        more = {key: value for key, value in more.items() if value}
        made = indicator(number, level=draw(levels), **more)
        if draw(st.booleans()):
            made["object_marking_refs"] = [*made["object_marking_refs"], draw(st.sampled_from([STATEMENT, CLAIM]))]
        found.append(made)
        if draw(st.booleans()):
            found.append(indicator(number, level=draw(levels), version=1, **more))
    found += [malware(number, level=draw(levels)) for number in range(draw(st.integers(0, 3)))]
    found += [
        identity(number, level=draw(st.sampled_from([None, Level.GREEN, Level.RED])))
        for number in range(draw(st.integers(0, 2)))
    ]
    found += [report(number, draw(refs), level=draw(levels)) for number in range(draw(st.integers(0, 2)))]
    found += [note(number, draw(refs), level=draw(levels)) for number in range(draw(st.integers(0, 2)))]
    for number in range(draw(st.integers(0, 3))):
        found.append(relationship(number, draw(st.sampled_from(POOL)), draw(st.sampled_from(POOL)), level=draw(levels)))
    found += [each for each in marking_definitions() if draw(st.booleans())]
    if draw(st.booleans()):
        found += [address(number, draw(levels)) for number in range(draw(st.integers(1, 3)))]
        targets = [address(number, None)["id"] for number in range(3)]
        if draw(st.booleans()):
            flow = traffic(draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(levels))
            found.append(flow)
            targets.append(flow["id"])
        found += [
            observed(number, draw(st.lists(st.sampled_from(targets), min_size=1, max_size=3, unique=True)), draw(levels))
            for number in range(draw(st.integers(0, 2)))
        ]
    if draw(st.booleans()):
        found.append(translation(0, stix_id("indicator", draw(st.integers(0, 3))), draw(levels)))
    return found


share = st.builds(
    Share,
    name=st.sampled_from(["one", "two"]),
    to=st.sampled_from([To(), To(role=("bank",)), To(role=("peer",))]),
    up_to=levels,
    relayed_up_to=st.just(Level.GREEN),
    what=st.sampled_from([What(), What(type=("indicator", "relationship", "report", "note", "malware"))]),
    unmarked_as=st.sampled_from([None, Level.GREEN]),
)
never = st.builds(
    Never,
    name=st.just("veto"),
    to=st.sampled_from([To(), To(role=("peer",))]),
    what=st.sampled_from([What(label=("victim",)), What(type=("malware",))]),
)
hold = st.builds(Hold, name=st.just("embargo"), what=st.just(What(label=("embargo",))), until_at=st.just(4_000_000_000_000_000))
change = st.sampled_from(
    [
        Change(name="coarser", to=To(role=("peer",)), generalise_v4=24, generalise_v6=48),
        Change(name="anonymous", what=What(label=("anonymous",)), hide_creator=True),
        Change(name="plainer", redact_text=("ip",)),
        Change(name="shorter", to=To(role=("bank",)), drop=("description",)),
    ]
)


@st.composite
def rules(draw: st.DrawFn) -> InForce:
    return in_force(
        parties=(BANK, PEER),
        share=tuple(draw(st.lists(share, min_size=1, max_size=2, unique_by=lambda rule: rule.name))),
        never=tuple(draw(st.lists(never, max_size=1))),
        hold=tuple(draw(st.lists(hold, max_size=1))),
        change=tuple(draw(st.lists(change, max_size=2, unique_by=lambda rule: rule.name))),
    )


@contextmanager
def node(terms: InForce) -> Iterator[Kit]:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        kit = open_kit(Path(folder), terms)
        try:
            yield kit
        finally:
            kit.store.close()


def seen(kit: Kit) -> dict[str, set[str]]:
    """What each reader sees, notices aside, as canonical text; versions of copies included."""
    return {
        party: {
            json.dumps(obj, sort_keys=True)
            for obj in kit.view(party)
            if not (obj["type"] == "note" and "withdrawn" in obj.get("labels", ()))
        }
        for party in READERS
    }


def sources(kit: Kit) -> dict[str, set[tuple[str, int]]]:
    """Which (source, version) each reader sees in whatever form."""
    found: dict[str, set[tuple[str, int]]] = {}
    with kit.store.read() as reader:
        for party in READERS:
            place = reader.place(party, "1b4f8f5e-3c44-4d0a-9d0e-0f6e2f1a2b3c")
            entries = reader.entries(place.view.id, 0, 10_000) if place.view else []
            found[party] = {(entry.source, entry.source_key) for entry in entries if entry.source}
    return found


def unshifted(texts: set[str]) -> set[str]:
    """The same without the versions of copies, which also tell how often a copy changed on the way."""
    plain = set()
    for text in texts:
        obj = json.loads(text)
        if obj.get("created_by_ref") == "identity--0d0f5d0e-6e0e-4c43-9a9a-6f0f2a7b1c11":
            obj.pop("modified", None)
        plain.add(json.dumps(obj, sort_keys=True))
    return plain


@pytest.mark.invariant("I7")
@given(terms=rules(), collection=objects(), order=st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_views(terms, collection, order):
    with node(terms) as together, node(terms) as apart:
        together.publish(*collection)
        shuffled = list(collection)
        order.shuffle(shuffled)
        for obj in shuffled:
            apart.clock.pass_(1)
            apart.publish(obj)
        one, other = seen(together), seen(apart)
        assert {party: unshifted(texts) for party, texts in one.items()} == {
            party: unshifted(texts) for party, texts in other.items()
        }
        assert together.planner.verify() == []
        assert apart.planner.verify() == []


@pytest.mark.invariant("I7")
@given(before=rules(), after=rules(), collection=objects())
def test_after_any_change_of_rules_the_views_are_what_a_rebuild_gives(before, after, collection):
    with node(before) as kit, node(after) as fresh:
        kit.publish(*collection)
        held = {party: kit.dated(party) for party in READERS}
        kit.clock.pass_(60)
        kit.put_in_force(after)
        assert kit.planner.verify() == []
        fresh.publish(*collection)
        assert {party: unshifted(texts) for party, texts in seen(kit).items()} == {
            party: unshifted(texts) for party, texts in seen(fresh).items()
        }
        if before == after:
            assert {party: kit.dated(party) for party in READERS} == held


@pytest.mark.invariant("I1")
@given(terms=rules(), collection=objects())
def test_no_view_refers_to_what_it_lacks(terms, collection):
    ids = {obj["id"] for obj in collection}
    with node(terms) as kit:
        kit.publish(*collection)
        for party in READERS:
            listed = kit.view(party)
            given_ids = {obj["id"] for obj in listed}
            for obj in listed:
                for reference in references_of(obj):
                    assert reference.target in given_ids or reference.target not in ids


@pytest.mark.invariant("I6")
@given(terms=rules(), collection=objects(), more=st.one_of(never, hold))
def test_an_added_veto_or_hold_never_widens_a_view(terms, collection, more):
    more = replace(more, name="added")
    stricter = (
        replace(terms, never=(*terms.never, more)) if isinstance(more, Never) else replace(terms, hold=(*terms.hold, more))
    )
    with node(terms) as loose, node(stricter) as strict:
        loose.publish(*collection)
        strict.publish(*collection)
        for party in READERS:
            assert {source for source, _ in sources(strict)[party]} <= {source for source, _ in sources(loose)[party]}


@pytest.mark.invariant("I6")
@given(terms=rules(), collection=objects(), more=share)
def test_an_added_share_never_narrows_a_view(terms, collection, more):
    # What a share adds may hide its creator: without rules that do, since then an identity may go.
    terms = replace(terms, change=tuple(rule for rule in terms.change if not rule.hide_creator))
    wider = replace(terms, share=(*terms.share, replace(more, name="added")))
    with node(terms) as narrow, node(wider) as wide:
        narrow.publish(*collection)
        wide.publish(*collection)
        for party in READERS:
            assert sources(narrow)[party] <= sources(wide)[party]


@pytest.mark.invariant("I4")
@given(terms=rules(), collection=objects())
def test_the_same_objects_again_change_nothing(terms, collection):
    with node(terms) as kit:
        kit.publish(*collection)
        before = {party: kit.dated(party) for party in READERS}
        kit.clock.pass_(60)
        status = kit.publish(*collection)
        assert status["failure_count"] == 0
        assert {party: kit.dated(party) for party in READERS} == before


@pytest.mark.invariant("I2")
@given(terms=rules(), collection=objects(), after=rules())
def test_no_id_and_version_ever_goes_out_with_two_contents(terms, collection, after):
    given_out: dict[tuple[str, str], str] = {}
    with node(terms) as kit:
        for step in (lambda: kit.publish(*collection[::2]), lambda: kit.publish(*collection), lambda: kit.put_in_force(after)):
            kit.clock.pass_(1)
            step()
            for party in READERS:
                for obj in kit.view(party, ObjectQuery(limit=1000, versions=ALL_VERSIONS)):
                    if (
                        "modified" not in obj
                    ):  # copies of several observables in one: no version could tell their markings apart
                        continue
                    key = (obj["id"], obj["modified"])
                    text = json.dumps(obj, sort_keys=True)
                    assert given_out.setdefault(key, text) == text


@pytest.mark.invariant("I1", "I6")
@given(before=rules(), after=rules(), collection=objects(), early=st.integers(0, 12))
def test_what_arrives_during_a_change_is_seen_only_as_the_old_rules_and_the_new_let_it_out(before, after, collection, early):
    first, late = collection[:early], collection[early:]
    during: dict[str, set[str]] = {}

    def arrive(stage: str, _done: int) -> None:
        if stage == WITHDRAW and not during:
            if late:
                kit.publish(*late)
            during.update(seen(kit))

    with node(before) as kit, node(before) as old, node(after) as new:
        for each in (kit, old, new):
            if first:
                each.publish(*first)
        kit.governor.apply(after, "coming", arrive)
        for each in (old, new):
            if late:
                each.publish(*late)
        arrived = {obj["id"] for obj in late}
        for party, texts in during.items():
            then, now = unshifted(seen(old)[party]), unshifted(seen(new)[party])
            for text in unshifted(texts):
                assert text in then | now
                if json.loads(text)["id"] in arrived:
                    assert text in then & now


ARCHIVE = CollectionTerms(name="archive", id="9d0f6b62-58a5-4c6e-8f6e-2b8f5a3c7d10", api_root="finance", title="Archive")
CLERK = Party(name="clerk", role="own", publish=("banking",))
names = st.sampled_from(["bank", "peer", "clerk"])
roles = st.sampled_from(["own", "bank", "peer", "vendor"])


def _with_party(terms: InForce, name: str, role: str) -> InForce:
    party = terms.parties.get(name) or Party(name=name, role=role)
    return replace(terms, parties={**terms.parties, name: replace(party, role=role)})


def _without(terms: InForce, kind: str, name: str) -> InForce:
    return replace(terms, **{kind: {key: value for key, value in getattr(terms, kind).items() if key != name}})


def _renamed(terms: InForce, kind: str) -> InForce:
    return replace(terms, **{kind: tuple(replace(rule, name=f"{rule.name} again") for rule in getattr(terms, kind))})


def _fewer(terms: InForce, kind: str) -> InForce:
    return replace(terms, **{kind: getattr(terms, kind)[1:]})


kinds = st.sampled_from(["share", "never", "hold", "change"])
steps = st.one_of(
    st.builds(lambda name, role: lambda terms: _with_party(terms, name, role), names | st.just("newcomer"), roles),
    st.builds(lambda name: lambda terms: _without(terms, "parties", name), names),
    st.builds(lambda kind: lambda terms: _renamed(terms, kind), kinds),
    st.builds(lambda kind: lambda terms: _fewer(terms, kind), kinds),
)


@pytest.mark.invariant("I6", "I7")
@given(
    terms=rules(),
    collection=objects(),
    changed=st.lists(steps, min_size=1, max_size=2),
    readable=st.booleans(),
    dropped=st.booleans(),
)
def test_what_is_taken_over_at_once_leaves_every_view_as_the_new_rules_make_it(terms, collection, changed, readable, dropped):
    before = replace(
        terms,
        parties={**terms.parties, "clerk": CLERK},
        collections={"archive": ARCHIVE, **terms.collections},
        share=terms.share if readable else tuple(replace(rule, collections=("banking",)) for rule in terms.share),
    )
    after = _without(before, "collections", "archive") if dropped else before
    for step in changed:
        after = step(after)
    with node(before) as kit:
        definitions = [obj for obj in collection if obj["type"] == "marking-definition"]
        if definitions:
            kit.publish(*definitions, party=CLERK)
        kit.publish(*(obj for obj in collection if obj["type"] != "marking-definition"))
        kit.ingest.publish_objects(DESK, ARCHIVE, read_envelope(json.dumps({"objects": [indicator(9)]}).encode()))
        kit.governor.adopt(after, "coming")
        assert kit.planner.verify() == []
