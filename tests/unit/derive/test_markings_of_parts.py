"""Granular markings: what is cut, what is withheld, and how selectors follow."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.derive import cut_language, cut_references, edit, finish, valid
from taxii_fed.core.derive.cutting import cut
from taxii_fed.core.stix.levels import TLP_LEVELS, Level
from taxii_fed.core.stix.selectors import resolve
from unit.derive.builders import AMBER, GREEN, KEYS, RED, domain_object, edits, indicator

UNKNOWN = "marking-definition--11111111-1111-4111-8111-111111111111"
KNOWN = "indicator--68431cc7-bc7f-436b-9d1b-a2b2f1f17a22"
STATEMENT = "marking-definition--22222222-2222-4222-8222-222222222222"


def marked(marking, *selectors):
    return {"marking_ref": marking, "selectors": list(selectors)}


def cut_at_green(obj):
    level = {**TLP_LEVELS, STATEMENT: Level.CLEAR}.get
    return edit(obj, edits(ceiling=Level.GREEN, marking_level=level), KEYS)


def report(*granular, **more):
    return domain_object(
        "report",
        name="Winter",
        published="2026-02-10T08:00:00Z",
        **{"object_refs": ["indicator--1", "indicator--2", "indicator--3", "indicator--4"], **more},
        external_references=[{"source_name": "a", "url": "https://a.example"}, {"source_name": "b", "description": "b"}],
        labels=["one", "two", "three"],
        granular_markings=list(granular),
    )


def test_list_entries_are_cut_by_index_and_the_selectors_that_stay_move_to_fit():
    source = report(
        marked(RED, "object_refs.[1]", "labels.[0]"),
        marked(GREEN, "object_refs.[0]", "object_refs.[1]", "object_refs.[3]", "labels.[2]", "name"),
    )
    done = cut_at_green(source)
    assert done.obj["object_refs"] == ["indicator--1", "indicator--3", "indicator--4"]
    assert done.obj["labels"] == ["two", "three"]
    assert done.obj["granular_markings"] == [marked(GREEN, "object_refs.[0]", "object_refs.[2]", "labels.[1]", "name")]
    assert (done.reasons, done.cut) == (("property-marking",), frozenset({"object_refs", "labels"}))


def test_selectors_move_by_as_many_places_as_were_cut_before_theirs_in_the_same_list():
    source = indicator(
        labels=list("abcdef"),
        x_rows=[["a", "b", "c"], ["d", "e", "f"]],
        granular_markings=[
            marked(RED, "labels.[4]", "labels.[0]", "labels.[1]", "x_rows.[0]", "x_rows.[1].[1]"),
            marked(GREEN, "labels.[2]", "labels.[3]", "labels.[5]", "x_rows.[0].[2]", "x_rows.[1].[0]", "x_rows.[1].[2]"),
        ],
    )
    done = cut_at_green(source).obj
    assert (done["labels"], done["x_rows"]) == (list("cdf"), [["d", "f"]])
    assert done["granular_markings"] == [
        marked(GREEN, "labels.[0]", "labels.[1]", "labels.[2]", "x_rows.[0].[0]", "x_rows.[0].[1]")
    ]


def test_nested_properties_are_cut_and_emptied_containers_go():
    source = report(
        marked(AMBER, "external_references.[0].url", "external_references.[1]", "labels.[0]", "labels.[1]", "labels.[2]")
    )
    done = cut_at_green(source)
    assert done.obj["external_references"] == [{"source_name": "a"}]
    assert "labels" not in done.obj
    assert "granular_markings" not in done.obj


@pytest.mark.parametrize(
    "selector",
    ["name", "published", "object_refs", "id", "type", "created", "modified", "object_marking_refs", "revoked", "spec_version"],
)
def test_a_required_property_or_what_holds_the_object_together_cannot_be_cut(selector):
    source = report(marked(RED, selector), revoked=True, object_marking_refs=[GREEN])
    assert cut_at_green(source).problem == "property-marking"


def test_a_required_list_that_is_emptied_withholds_the_object():
    source = report(marked(RED, *(f"object_refs.[{index}]" for index in range(4))))
    assert cut_at_green(source).problem == "property-marking"


@pytest.mark.parametrize("marking", [UNKNOWN, RED])
def test_an_unknown_marking_cuts_as_one_above_the_ceiling_does(marking):
    done = cut_at_green(indicator(description="x", granular_markings=[marked(marking, "description")]))
    assert "description" not in done.obj


@pytest.mark.parametrize(
    "entry", [marked(STATEMENT, "description"), marked(GREEN, "description"), {"lang": "de", "selectors": ["description"]}]
)
def test_statements_languages_and_levels_within_the_ceiling_cut_nothing(entry):
    source = indicator(description="x", granular_markings=[entry])
    assert cut_at_green(source).obj is source


@pytest.mark.parametrize(
    "selector", ["description.[0]", "description.more", "descriptions", "", "labels.[7]", "labels.x", f"labels.[{'9' * 5000}]"]
)
def test_a_selector_that_leads_nowhere_takes_the_whole_property_or_the_object(selector):
    done = cut_at_green(indicator(description="secret", labels=["secret"], granular_markings=[marked(RED, selector)]))
    assert done.problem == "property-marking" or selector.split(".")[0] not in done.obj


@pytest.mark.parametrize(
    "entry",
    [
        "nonsense",
        {},
        {"marking_ref": RED},
        {"selectors": ["description"]},
        {"marking_ref": 3, "selectors": ["description"]},
        {"marking_ref": RED, "selectors": [3]},
    ],
)
def test_a_granular_marking_that_cannot_be_read_withholds_or_cuts(entry):
    done = cut_at_green(indicator(description="secret", granular_markings=[entry]))
    assert done.problem == "property-marking" or "description" not in done.obj


def test_a_creator_marked_above_the_ceiling_is_dropped():
    creator = "identity--9e547c3e-4f9f-46d6-88ec-516e70bcf7ee"
    done = cut_at_green(indicator(created_by_ref=creator, granular_markings=[marked(RED, "created_by_ref")]))
    assert (done.changed, "created_by_ref" in done.obj) == (True, False)


def test_a_cut_reference_moves_the_selectors_behind_it():
    source = report(marked(GREEN, "object_refs.[0]", "object_refs.[2]"), marked(AMBER, "object_refs.[1]"))
    closed = cut_references(source, {"indicator--2"}, {})
    assert closed.obj["granular_markings"] == [marked(GREEN, "object_refs.[0]", "object_refs.[1]")]


def test_a_copy_has_no_selector_that_leads_nowhere():
    source = indicator(
        granular_markings=[marked(GREEN, "name", "gone", "external_references.[3].url"), {"lang": "de", "selectors": ["x"]}]
    )
    result, problem = finish(source, source_id=f"indicator--{AMBER[-36:]}", new_id=source["id"], creator="")
    assert (problem, result["granular_markings"]) == ("", [marked(GREEN, "name")])
    assert "gone" in valid(source)
    assert valid(result) == ""


def test_selectors_into_objects_inside_lists_are_valid():
    assert valid(report(marked(GREEN, "external_references.[0].url"), object_marking_refs=[GREEN], object_refs=[KNOWN])) == ""


def test_translations_of_cut_properties_go_and_an_emptied_language_content_is_none():
    content = domain_object(
        "language-content",
        object_ref="report--1",
        contents={"de": {"name": "Winter", "description": "geheim"}, "fr": {"description": "secret"}},
    )
    assert cut_language(content, {"description"})["contents"] == {"de": {"name": "Winter"}}
    assert cut_language(content, {"labels"}) is content
    assert cut_language(content, {"name", "description"}) is None


def test_selectors_reach_into_dictionaries_and_lists():
    obj = {"a": [{"b.c": {"d": 1}}], "x": {"y": [1, 2]}}
    assert resolve(obj, "a.[0].b.c.d") == ("a", 0, "b.c", "d")
    assert resolve(obj, "x.y.[1]") == ("x", "y", 1)
    assert resolve(obj, "x.y.[2]") is None
    assert resolve(obj, "x.z") is None


_ITEMS = st.lists(st.integers(), min_size=1, max_size=6)


@given(_ITEMS, st.sets(st.integers(0, 5), max_size=5))
def test_the_selectors_that_stay_select_what_they_selected(items, gone):
    obj = {
        "keep": 1,
        "items": items,
        "granular_markings": [marked(str(index), f"items.[{index}]") for index in range(len(items))],
    }
    before = copy.deepcopy(obj)
    result = cut(obj, [("items", index) for index in gone])
    assert obj == before
    for entry in result.get("granular_markings", []):
        path = resolve(result, entry["selectors"][0])
        assert result["items"][path[1]] == items[int(entry["marking_ref"])]
    assert result.get("items", []) == [item for index, item in enumerate(items) if index not in gone]
