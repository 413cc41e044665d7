"""Section 4: discovery, API roots, status."""

import json

import pytest

from httpkit.client import Client
from httpkit.nodes import UNKNOWN
from httpkit.objects import domain, indicator, malware, statement
from httpkit.resources import MEDIA_TYPE, TIMESTAMP, check, document, error, manifest, status

MANIFEST = "collections/banking/manifest/"


# -- 4.1 and 4.2 --------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-4.1-01", "S-4.1.1-01", "S-4.1.1-02", "S-4.1.1-03", "S-4.1.1-05", "S-8.2.1-01", "S-8.2.1-02", "S-8.2.1-03")
def test_discovery_is_at_taxii2_and_lists_absolute_api_roots_with_the_default_among_them(world):
    found = check("discovery", document(world.reader.get("/taxii2/")))
    assert found["api_roots"] == ["https://taxii.harbour.example/finance/", "https://taxii.harbour.example/public/"]
    assert found["default"] == found["api_roots"][0]


@pytest.mark.taxii("S-4.1.1-04")
def test_no_api_root_is_relative(world):
    assert all(root.startswith("https://") for root in document(world.reader.get("/taxii2/"))["api_roots"])


@pytest.mark.taxii("S-4.2-02")
def test_each_api_root_has_a_url_of_its_own_that_answers(world):
    roots = document(world.reader.get("/taxii2/"))["api_roots"]
    assert len(set(roots)) == len(roots)
    for root in roots:
        assert world.reader.get(root.removeprefix("https://taxii.harbour.example")).status == 200


@pytest.mark.taxii("S-4.2-01", "S-4.2.1-01", "S-4.2.1-02", "S-4.2.1-03", "S-4.2.1-04")
def test_an_api_root_says_which_versions_it_speaks_and_how_much_it_takes(world):
    found = check("api-root", document(world.reader.get("")))
    assert "application/taxii+json;version=2.1" in found["versions"]
    assert all(MEDIA_TYPE.fullmatch(each) for each in found["versions"])
    assert found["max_content_length"] == 200_000


@pytest.mark.taxii("S-4.2-03")
def test_an_unknown_api_root_is_404(world):
    error(world.reader.get("/nothing/"), 404)
    error(world.reader.get("/nothing/collections/"), 404)


@pytest.mark.taxii("S-4.2-04")
def test_what_a_client_finds_differs_from_root_to_root(world):
    staff = world.node.client("staff", "/public/")
    assert document(staff.get("collections/"))["collections"]
    assert document(world.node.client("reader", "/public/").get("collections/")) == {}


@pytest.mark.taxii("S-4.2.1-05")
@pytest.mark.parametrize("size", [1_000, 199_999, 200_000])
def test_a_body_up_to_max_content_length_is_never_413(node, size: int):
    body = json.dumps({"objects": [malware(1)]}).encode()
    assert node.client("staff").post("collections/banking/objects/", body + b" " * (size - len(body))).status == 202


# -- 4.3 ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-4.3-01", "S-4.3.1-01", "S-4.3.1-02", "S-4.3.1-03", "S-4.3.1-04", "S-4.3.1-13", "S-4.3.1-14")
def test_the_status_of_a_post_is_found_again_and_stays_as_it_is(node):
    client = node.client("soar")
    told = status(client.add("banking", indicator(1), malware(1)))
    assert told["status"] == "complete"
    assert TIMESTAMP.fullmatch(told["request_timestamp"])
    client.add("banking", indicator(1, modified="2026-05-01T00:00:00.000Z"))
    for _ in range(2):
        assert status(client.get(f"status/{told['id']}/"), 200) == told


@pytest.mark.taxii("S-4.3-03")
def test_a_status_that_is_not_there_is_404(world):
    error(world.reader.get(f"status/{UNKNOWN}/"), 404)
    error(world.reader.get("status/nothing/"), 404)


@pytest.mark.taxii("S-4.3.1-05", "S-4.3.1-06", "S-4.3.1-07", "S-4.3.1-08", "S-5.5-09")
def test_a_bad_object_among_good_ones_fails_alone_and_is_counted(node):
    bad = [malware(9) | {"id": "malware--not-a-uuid"}, malware(8) | {"created": "yesterday"}, 5]
    told = status(node.client("soar").add("banking", indicator(1), *bad, malware(1)))
    assert (told["total_count"], told["success_count"], told["failure_count"], told["pending_count"]) == (5, 2, 3, 0)
    assert {each["id"] for each in told["successes"]} == {indicator(1)["id"], malware(1)["id"]}
    assert len(told["failures"]) == 3
    assert all(each["message"] for each in told["failures"])


@pytest.mark.taxii("S-4.3.1-09", "S-4.3.1-10", "S-4.3.1-11", "S-4.3.1-12")
def test_status_details_name_each_object_by_id_and_version_as_the_manifest_does(node):
    marked = malware(1) | {"object_marking_refs": [*malware(1)["object_marking_refs"], statement(1)["id"]]}
    objects = [indicator(1, modified="2026-02-03T04:05:06.789Z"), statement(1), marked, domain("a.example")]
    told = status(node.client("soar").add("banking", *objects))
    listed = {entry["id"]: entry["version"] for entry in manifest(node.client("staff").get(MANIFEST))}
    assert {each["id"]: each["version"] for each in told["successes"]} == listed
    assert listed[objects[0]["id"]] == "2026-02-03T04:05:06.789Z"
    assert listed[objects[1]["id"]] == objects[1]["created"]
    assert listed[objects[3]["id"]] == "1970-01-01T00:00:00.000Z"


@pytest.mark.taxii("S-4.3-02")
def test_a_status_is_kept_for_more_than_a_day(node):
    from taxii_fed.web.server import STATUS_SECONDS

    client = node.client("soar")
    told = status(client.add("banking", malware(1)))
    node.clock.pass_seconds(24 * 3600 + 60)
    node.node.store.prune(node.clock.now() - STATUS_SECONDS * 1_000_000)
    assert status(client.get(f"status/{told['id']}/"), 200) == told
    node.clock.pass_seconds(STATUS_SECONDS)
    node.node.store.prune(node.clock.now() - STATUS_SECONDS * 1_000_000)
    error(client.get(f"status/{told['id']}/"), 404)


@pytest.mark.taxii("S-8.2.1-05")
def test_no_user_agent_is_asked_for(world):
    assert "User-Agent" not in world.reader.headers
    assert Client(world.node.app, world.reader.headers["Authorization"]).get("/taxii2/").status == 200
