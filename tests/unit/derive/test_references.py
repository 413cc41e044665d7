"""References that closure cuts or moves, and what an object can't be without."""

import copy

import pytest
from stix2 import registry

from taxii_fed.core.derive import cut_references
from taxii_fed.core.derive.known import KNOWN_EXTENSIONS, known_properties
from taxii_fed.core.derive.required import _REQUIRED, required_of
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, STIX_TYPES
from unit.derive.builders import domain_object, observable

GONE = "identity--985b9abb-05e9-522b-a869-f7db86c19a2b"
KEPT = "identity--3c6a38ba-f1f2-4013-a4bf-86098792d467"
MOVED = "identity--0a1f0000-0000-4000-8000-000000000000"

REQUIRED = {
    "relationship": {"relationship_type": "uses", "source_ref": GONE, "target_ref": KEPT},
    "sighting": {"sighting_of_ref": GONE},
    "report": {"name": "a", "published": "2026-02-10T08:00:00Z", "object_refs": [GONE]},
    "grouping": {"context": "a", "object_refs": [GONE]},
    "note": {"content": "a", "object_refs": [GONE]},
    "opinion": {"opinion": "agree", "object_refs": [GONE]},
    "observed-data": {"first_observed": "t", "last_observed": "t", "number_observed": 1, "object_refs": [GONE]},
    "language-content": {"object_ref": GONE, "contents": {"de": {"name": "a"}}},
    "malware-analysis": {"product": "a", "analysis_sco_refs": [GONE]},
}


@pytest.mark.parametrize("kind", REQUIRED)
def test_an_object_without_its_required_reference_is_withheld(kind):
    assert cut_references(domain_object(kind, **REQUIRED[kind]), {GONE}, {}).problem == "reference-withheld"


def test_traffic_needs_one_of_its_ends():
    traffic = observable("network-traffic", protocols=["tcp"], src_ref=GONE, dst_ref=KEPT)
    assert cut_references(traffic, {GONE}, {}).obj == observable("network-traffic", protocols=["tcp"], dst_ref=KEPT)
    assert cut_references(traffic, {GONE, KEPT}, {}).problem == "reference-withheld"


def test_a_process_says_something_or_is_withheld():
    assert cut_references(observable("process", image_ref=GONE), {GONE}, {}).problem == "reference-withheld"
    assert cut_references(observable("process", image_ref=GONE, pid=4), {GONE}, {}).obj == observable("process", pid=4)


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            domain_object("sighting", sighting_of_ref=KEPT, where_sighted_refs=[GONE, KEPT], observed_data_refs=[GONE]),
            domain_object("sighting", sighting_of_ref=KEPT, where_sighted_refs=[KEPT]),
        ),
        (
            observable("email-message", is_multipart=False, from_ref=GONE, to_refs=[GONE], cc_refs=[KEPT, GONE]),
            observable("email-message", is_multipart=False, cc_refs=[KEPT]),
        ),
        (
            observable("email-message", is_multipart=True, body_multipart=[{"body_raw_ref": GONE, "body": "a"}]),
            observable("email-message", is_multipart=True, body_multipart=[{"body": "a"}]),
        ),
        (
            observable(
                "network-traffic",
                protocols=["http"],
                dst_ref=KEPT,
                extensions={"http-request-ext": {"request_method": "get", "message_body_data_ref": GONE}},
            ),
            observable(
                "network-traffic", protocols=["http"], dst_ref=KEPT, extensions={"http-request-ext": {"request_method": "get"}}
            ),
        ),
        (domain_object("x-case", victim_ref=GONE, other_refs=[GONE]), domain_object("x-case")),
    ],
)
def test_optional_references_are_cut(obj, expected):
    before = copy.deepcopy(obj)
    closed = cut_references(obj, {GONE}, {})
    assert (closed.obj, closed.problem, closed.cut) == (expected, "", True)
    assert obj == before


def test_the_creator_and_the_markings_are_not_cut():
    obj = domain_object("tool", name="a", created_by_ref=GONE, object_marking_refs=["marking-definition--1"])
    assert cut_references(obj, {GONE, "marking-definition--1"}, {GONE: MOVED}).obj is obj


def test_references_to_copies_point_to_them():
    obj = domain_object("report", name="a", published="2026-02-10T08:00:00Z", object_refs=[KEPT, GONE, KEPT])
    closed = cut_references(obj, {GONE}, {KEPT: MOVED})
    assert closed.obj["object_refs"] == [MOVED, MOVED]


def test_an_object_that_refers_to_itself_follows_itself_to_its_copy():
    own = domain_object("report", name="a", published="t", object_refs=[KEPT])
    own["object_refs"] = [own["id"], KEPT]
    closed = cut_references(own, set(), {own["id"]: "report--new"})
    assert (closed.problem, closed.obj["object_refs"]) == ("", ["report--new", KEPT])


def test_text_that_names_a_cut_or_moved_object_withholds_the_copy():
    obj = domain_object("note", content=f"see {GONE.upper()}", object_refs=[KEPT, GONE])
    assert cut_references(obj, {GONE}, {}).problem == "untransformable"
    assert cut_references({**obj, "content": f"see {KEPT}"}, {GONE}, {}).problem == ""
    assert cut_references({**obj, "content": f"see {KEPT}"}, set(), {KEPT: MOVED}).problem == "untransformable"


def test_nothing_to_cut_leaves_the_object_as_it_is():
    obj = domain_object("report", name="a", object_refs=[KEPT])
    assert cut_references(obj, {GONE}, {GONE: MOVED}).obj is obj


@pytest.mark.parametrize("kind", sorted(STIX_TYPES))
def test_required_and_known_properties_agree_with_stix2(kind):
    families = registry.STIX2_OBJ_MAPS["2.1"]
    definition = (families["observables"] if kind in OBSERVABLE_TYPES else families["objects"])[kind]
    required = {name for name, each in definition._properties.items() if each.required}
    required |= {"valid_from"} if kind == "indicator" else set()  # stix2 makes one up
    sample = {"type": kind} if kind in OBSERVABLE_TYPES else {"type": kind, "created": "", "spec_version": "2.1"}
    assert required_of(sample) - {"object_refs", "type", "id", "created", "modified"} == required - {
        "object_refs",
        "type",
        "id",
        "created",
        "modified",
    }
    assert set(definition._properties) <= known_properties(kind)


def test_every_type_has_its_required_properties_and_every_extension_is_known():
    assert set(_REQUIRED) | {"marking-definition"} == STIX_TYPES
    assert {key for each in registry.STIX2_OBJ_MAPS.values() for key in each["extensions"]} == KNOWN_EXTENSIONS
