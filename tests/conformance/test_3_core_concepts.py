"""Sections 1.6, 2 and 3: media types, data types, headers, order, filters, paging, errors."""

import pytest

from httpkit.client import TAXII, Client
from httpkit.nodes import UNKNOWN, basic, token_of
from httpkit.objects import malware, stix_id
from httpkit.resources import check, document, envelope, error, listing, manifest, versions

OBJECTS = "collections/banking/objects/"
MANIFEST = "collections/banking/manifest/"
STIX_TYPES = (
    "artifact attack-pattern autonomous-system bundle campaign course-of-action directory domain-name email-addr email-message "
    "extension-definition file grouping identity incident indicator infrastructure intrusion-set ipv4-addr ipv6-addr language-content "
    "location mac-addr malware malware-analysis marking-definition mutex network-traffic note observed-data opinion process "
    "relationship report sighting software threat-actor tool url user-account vulnerability windows-registry-key x509-certificate"
).split(" ")


def of_object(world) -> str:
    return f"{OBJECTS}{world.old['id']}/"


# -- 1.6 and 2 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii(
    "S-1.6.7-01", "S-1.6.8-01", "S-3.1-02", "S-8.2.1-04", "S-2-01", "S-2-03", "S-2-04", "S-2-05", "S-8.1.2-01", "S-3.1-11"
)
def test_every_endpoint_answers_with_its_resource_and_every_property_of_its_type(world):
    reader = world.reader
    check("discovery", document(reader.get("/taxii2/")))
    check("api-root", document(reader.get("")))
    for collection in document(reader.get("collections/"))["collections"]:
        assert check("collection", document(reader.get(f"collections/{collection['id']}/"))) == check("collection", collection)
    assert envelope(reader.get(OBJECTS))
    assert envelope(reader.get(of_object(world)))
    assert manifest(reader.get(MANIFEST))
    assert versions(reader.get(of_object(world) + "versions/"))
    error(reader.get("collections/nothing/"), 404)


@pytest.mark.taxii(
    "S-1.6.9-01", "S-1.6.9-03", "S-5.1-02", "S-5.2-02", "S-5.3-02", "S-5.4-02", "S-5.5-02", "S-5.6-02", "S-5.7-05", "S-5.8-02"
)
@pytest.mark.parametrize("credentials", [None, basic("siem", "wrong"), "Bearer wrong"])
def test_without_credentials_that_open_it_a_resource_is_401_with_registered_challenges(world, credentials):
    client = Client(world.node.app, credentials)
    paths = ["collections/", "collections/banking/", MANIFEST, OBJECTS, of_object(world), of_object(world) + "versions/"]
    requests = [("GET", path) for path in paths] + [("POST", OBJECTS), ("DELETE", of_object(world))]
    for method, path in requests:
        reply = client.request(method, path)
        error(reply, 401)
        assert {challenge.split()[0] for challenge in reply.headers["WWW-Authenticate"].split(", ")} >= {"Basic", "Bearer"}


@pytest.mark.taxii("S-1.6.9-02", "S-4.1.1-06")
def test_what_a_client_may_not_see_is_left_out(world):
    titles = [each["title"] for each in document(world.reader.get("collections/"))["collections"]]
    assert titles == ["Banking"]


@pytest.mark.taxii("S-2-02")
def test_ids_of_collections_and_status_are_version_4_uuids(world):
    for collection in document(world.node.client("staff").get("collections/"))["collections"]:
        check("collection", collection)
    check("status", document(world.node.client("staff").add("dropbox", malware(1))))


@pytest.mark.taxii("S-2-06", "S-2-07", "S-3.2-03")
def test_timestamps_have_six_digits_and_a_z(world):
    manifest(world.reader.get(MANIFEST))
    check("status", document(world.node.client("staff").add("dropbox", malware(2))))


@pytest.mark.taxii("S-2-08")
def test_text_beyond_ascii_comes_back_as_it_went_in(world):
    (custom,) = envelope(world.reader.get(OBJECTS, {"match[type]": "x-harbour-case"}))
    assert custom["x_harbour_note"] == "Grüße 港 🚢"


# -- 3.1 ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-3.1-01")
def test_a_path_without_its_slash_means_the_same(world):
    assert world.reader.get(OBJECTS.rstrip("/")).body == world.reader.get(OBJECTS).body


@pytest.mark.taxii("S-3.1-03", "S-3.1-04", "S-3.6-01", "S-3.6.1-01", "S-3.6.1-02", "S-3.6.1-03")
def test_failures_carry_an_error_resource_in_the_standards_media_type(world):
    reader = world.reader
    error(reader.get(OBJECTS, {"limit": 0}), 400)
    error(Client(world.node.app).get(OBJECTS), 401)
    error(reader.add("banking", malware(3)), 403)
    error(reader.get("collections/nothing/"), 404)
    error(reader.request("PUT", OBJECTS), 405)
    error(reader.get(OBJECTS, headers={"Accept": "text/html"}), 406)
    staff = world.node.client("staff")
    error(staff.post(OBJECTS, b" " * 200_001), 413)
    error(staff.post(OBJECTS, b"{}", content_type="text/plain"), 415)


@pytest.mark.taxii("S-3.1-05", "S-3.1-06", "S-5.3-05")
@pytest.mark.parametrize(
    "accept",
    [
        "application/taxii+json",
        "application/taxii+json;version=2.1",
        "application/taxii+json; version=2.1",
        'APPLICATION/taxii+json ;VERSION="2.1"',
        "text/html;q=0.9, application/taxii+json;version=2.1;q=0.1",
        "application/vnd.oasis.taxii+json; version=2.0, application/taxii+json; version=2.1",
        "*/*",
        "application/*;q=0.5",
        "application/taxii+json;version=2.1, application/stix+json;version=2.1",
    ],
)
def test_an_accept_that_holds_the_endpoints_type_is_served(world, accept: str):
    for path in ("/taxii2/", "", "collections/", OBJECTS, MANIFEST):
        reply = world.reader.get(path, headers={"Accept": accept})
        assert (reply.status, reply.headers["Content-Type"]) == (200, TAXII)


@pytest.mark.taxii("S-3.1-08", "S-4.1-02")
@pytest.mark.parametrize(
    "accept", ["text/html", "application/taxii+json;version=9.9", "application/vnd.oasis.taxii+json;version=2.0"]
)
def test_an_accept_that_does_not_is_406(world, accept: str):
    for path in ("/taxii2/", OBJECTS, MANIFEST):
        error(world.reader.get(path, headers={"Accept": accept}), 406)


@pytest.mark.taxii("S-3.1-07")
@pytest.mark.parametrize("more", ["", "; charset=utf-8", ";charset=UTF-8"])
def test_the_endpoints_content_type_is_taken(world, more: str):
    staff = world.node.client("staff")
    assert staff.post("collections/dropbox/objects/", {"objects": [malware(4)]}, content_type=TAXII + more).status == 202


@pytest.mark.taxii("S-3.1-09", "S-5.5-06")
@pytest.mark.parametrize("content_type", ["text/plain", "application/taxii+json;version=9.9"])
def test_another_content_type_is_415(world, content_type: str):
    error(world.node.client("staff").post(OBJECTS, b'{"objects": []}', content_type=content_type), 415)


# -- 3.2 and 3.3 --------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-3.2-01", "S-3.2-02", "S-3.2-04", "S-5.4-01", "S-5.6-01", "S-5.8-01")
def test_date_headers_are_those_of_the_first_and_last_object_of_the_page(world):
    reader = world.reader
    dates = {entry["id"]: entry["date_added"] for entry in manifest(reader.get(MANIFEST))}
    page = reader.get(OBJECTS, {"limit": 3})
    ids = [each["id"] for each in envelope(page)]
    assert page.dates == (dates[ids[0]], dates[ids[-1]])
    second = reader.get(OBJECTS, {"limit": 3, "next": page.json["next"]})
    assert second.dates[0] == dates[second.ids[0]]
    assert reader.get(of_object(world)).dates == (dates[world.old["id"]],) * 2
    every = manifest(reader.get(MANIFEST, {"match[version]": "all", "match[id]": world.old["id"]}))
    assert reader.get(of_object(world) + "versions/").dates == (every[0]["date_added"], every[-1]["date_added"])
    assert reader.get(MANIFEST, {"limit": 3}).dates == page.dates


@pytest.mark.taxii("S-3.2-01", "S-3.2-02", "S-3.2-03")
def test_date_headers_are_there_on_empty_answers_too(world):
    late = {"added_after": "2050-01-01T00:00:00.000000Z"}
    for path in (OBJECTS, MANIFEST, of_object(world)):
        assert envelope(world.reader.get(path, late)) == []
    assert versions(world.reader.get(of_object(world) + "versions/", late)) == []


@pytest.mark.taxii("S-3.3-01", "S-3.3-02", "S-3.4-04")
def test_objects_and_manifest_ascend_by_the_date_they_were_added(world):
    entries = manifest(world.reader.get(MANIFEST))
    assert [entry["date_added"] for entry in entries] == sorted(entry["date_added"] for entry in entries)
    assert [entry["id"] for entry in entries] == [each["id"] for each in envelope(world.reader.get(OBJECTS))] == world.ids
    assert [each["id"] for each in envelope(world.reader.get(OBJECTS, {"limit": 2}))] == world.ids[:2]


@pytest.mark.taxii("S-3.3-03")
def test_collections_come_in_the_same_order_each_time(world):
    staff = world.node.client("staff")
    assert staff.get("collections/").body == staff.get("collections/").body


# -- 3.4 ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-3.4-01", "S-3.4-03", "S-3.4-06", "S-3.4-14", "S-3.4.1-13", "S-3.4.1-15", "S-3.4.1-17")
@pytest.mark.parametrize(
    "query",
    [
        "added_after=yesterday",
        "added_after=2026-01-01T00:00:00.000000Z&added_after=2026-01-01T00:00:00.000000Z",
        "added_after=2026-01-01T00:00:00.000000Z,2026-01-02T00:00:00.000000Z",
        "limit=0",
        "limit=-5",
        "limit=ten",
        "limit=1.5",
        "next=garbage",
        "match[id]=nothing",
        "match[id]=indicator--1&match[id]=indicator--2",
        "match[type]=indicator&match[type]=malware",
        "match[type]=indicator malware",
        "match[version]=newest",
        "match[version]=all,last",
        "match[version]=last,last",
        "match[version]=2026-01-01",
        "match[version]=2026-01-01T00:00:00.000Z,2026-01-01T00:00:00.000Z",
        "match[spec_version]=newest",
    ],
)
def test_a_malformed_parameter_is_400(world, query: str):
    for path in (OBJECTS, MANIFEST):
        error(world.reader.get(path, query), 400)


@pytest.mark.taxii("S-3.4-02", "S-3.4-05")
def test_added_after_keeps_what_was_added_strictly_after_whatever_its_own_dates(world):
    entries = manifest(world.reader.get(MANIFEST))
    for number, entry in enumerate(entries):
        later = envelope(world.reader.get(OBJECTS, {"added_after": entry["date_added"]}))
        assert [each["id"] for each in later] == world.ids[number + 1 :]
    future = stix_id("indicator", 7)  # modified in 2031
    assert future in world.reader.get(OBJECTS, {"added_after": "2026-01-15T00:00:00Z"}).ids


@pytest.mark.taxii("S-3.4-07", "S-3.4-08", "S-3.4-09", "S-3.4-10", "S-3.7-02", "S-3.7-03")
@pytest.mark.parametrize("limit", [1, 2, 5, 10**9])
def test_limit_bounds_every_list_and_more_says_whether_there_is_more(world, limit: int):
    lists = [(OBJECTS, "objects"), (MANIFEST, "objects"), (of_object(world) + "versions/", "versions")]
    for path, member in lists:
        whole = len(world.reader.get(path).json[member])
        page = world.reader.get(path, {"limit": limit}).json
        assert len(page[member]) == min(limit, whole)
        assert page.get("more", False) is (limit < whole)
    every = world.reader.get(of_object(world), {"limit": limit, "match[version]": "all"}).json
    assert len(every["objects"]) == min(limit, 3)


@pytest.mark.taxii("S-3.4-11", "S-3.5-01", "S-3.5-02", "S-B-01")
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("path", [OBJECTS, MANIFEST])
@pytest.mark.parametrize("filters", [{}, {"match[type]": "indicator"}, {"match[version]": "all"}])
def test_following_next_gives_each_object_once(world, size: int, path: str, filters: dict):
    whole = world.reader.get(path, filters).objects
    seen, query = [], {**filters, "limit": size}
    while True:
        page = world.reader.get(path, query)
        seen += page.objects
        if not page.json["more"]:
            break
        query["next"] = page.json["next"]
    assert seen == whole


@pytest.mark.taxii("S-3.5-03", "S-B-01")
@pytest.mark.parametrize("path", [OBJECTS, MANIFEST])
def test_following_the_last_header_gives_each_object_once(world, path: str):
    seen, after, more = [], None, True
    while more:
        page = world.reader.get(path, {"limit": 2} | ({"added_after": after} if after else {}))
        seen += page.ids
        after, more = page.dates[1], page.json["more"]
    assert seen == world.ids


@pytest.mark.taxii("S-3.4-12", "S-3.4-13", "S-3.4-15", "S-3.4.1-01", "S-3.4.1-04", "S-3.1-10", "S-5.3-04", "S-3.4.1-06")
def test_match_fields_are_anded_and_their_values_ored(world):
    one, two, none = stix_id("indicator", 2), stix_id("malware", 1), stix_id("tool", 1)

    def found(**fields: str) -> set[str]:
        query = {f"match[{name}]": value for name, value in fields.items()}
        objects = {each["id"] for each in envelope(world.reader.get(OBJECTS, query))}
        assert {each["id"] for each in manifest(world.reader.get(MANIFEST, query))} == objects
        return objects

    assert found(id=one) == {one}
    assert found(id=f"{one},{two}") == {one, two}
    assert found(id=none) == set()
    assert found(type="malware") == {two}
    assert found(type="malware,x-harbour-case") == {two, stix_id("x-harbour-case", 50)}
    assert found(id=f"{one},{two}", type="indicator") == {one}
    assert found(id=one, version="2020-01-01T00:00:00Z") == set()


@pytest.mark.taxii("S-3.4-16", "S-B-11")
@pytest.mark.parametrize("query", ["match[zzz]=1", "match[match[type]]=x", "utm_source=poller", "x=1&x=2"])
def test_unknown_parameters_change_nothing(world, query: str):
    assert world.reader.get(OBJECTS, query).body == world.reader.get(OBJECTS).body


@pytest.mark.taxii("S-3.4.1-02", "S-3.4.1-03", "S-5.6-05", "S-5.8-06")
def test_spec_version_yields_what_is_listed_and_by_default_the_latest_of_each_object(world):
    def editions(path: str, spec_version: str | None = None) -> list[str]:
        query = {"match[spec_version]": spec_version} if spec_version else {}
        return [each.get("spec_version", "2.0") for each in envelope(world.reader.get(path, query))]

    by_id = f"{OBJECTS}{world.twice}/"
    assert editions(by_id) == ["2.1"]
    assert editions(by_id, "2.0") == ["2.0"]
    assert sorted(editions(by_id, "2.0,2.1")) == ["2.0", "2.1"]
    assert set(editions(OBJECTS, "2.0")) == {"2.0"}
    assert set(editions(OBJECTS, "2.1")) == {"2.1"}
    assert world.ids.count(world.twice) == 1
    assert stix_id("indicator", 6) in world.ids  # there in 2.0 only
    assert versions(world.reader.get(by_id + "versions/", {"match[spec_version]": "2.0"})) == ["2026-01-01T00:00:00.000Z"]


@pytest.mark.taxii("S-3.4.1-05")
@pytest.mark.parametrize("kind", STIX_TYPES)
def test_no_type_of_the_standard_is_an_error(world, kind: str):
    assert all(each["type"] == kind for each in envelope(world.reader.get(OBJECTS, {"match[type]": kind})))


@pytest.mark.taxii("S-3.4.1-07", "S-3.4.1-10", "S-3.4.1-11", "S-3.4.1-12", "S-3.4.1-14", "S-3.4.1-16", "S-5.6-05", "S-B-08")
@pytest.mark.parametrize(
    ("wanted", "days"),
    [
        (None, [3]),
        ("last", [3]),
        ("first", [1]),
        ("all", [1, 2, 3]),
        ("2026-01-02T00:00:00.000Z", [2]),
        ("2026-01-02T00:00:00Z", [2]),
        ("2026-01-03T00:00:00.123000Z", [3]),
        ("first,2026-01-02T00:00:00Z", [1, 2]),
        ("last,first", [1, 3]),
        ("2026-01-09T00:00:00Z", []),
    ],
)
def test_version_chooses_among_the_versions_of_an_object(world, wanted: str | None, days: list[int]):
    query = {"match[version]": wanted} if wanted else {}
    mine = {**query, "match[id]": world.old["id"]}

    def found(path: str, asked: dict, member: str) -> list[int]:
        listed = listing(world.reader.get(path, asked), "objects")
        return [int(each[member][8:10]) for each in listed if each["id"] == world.old["id"]]

    assert found(of_object(world), query, "modified") == days
    assert found(OBJECTS, mine, "modified") == found(OBJECTS, query, "modified") == days
    assert found(MANIFEST, mine, "version") == found(MANIFEST, query, "version") == days


@pytest.mark.taxii("S-3.4.1-08", "S-3.4.1-09", "S-5.3.1-04", "S-5.3.1-05", "S-5.8-04", "S-5.3.1-07")
def test_without_modified_the_version_is_created_and_without_that_always_the_same(world):
    for obj, version in ((world.marking, world.marking["created"]), (world.scos, "1970-01-01T00:00:00.000Z")):
        for _ in range(2):
            (entry,) = manifest(world.reader.get(MANIFEST, {"match[id]": obj["id"], "match[version]": "all"}))
            assert entry["version"] == version
            assert versions(world.reader.get(f"{OBJECTS}{obj['id']}/versions/")) == [version]
        assert world.reader.get(OBJECTS, {"match[id]": obj["id"], "match[version]": version}).ids == [obj["id"]]


# -- 3.5 to 3.8 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-3.5-04")
def test_when_what_was_left_has_gone_the_next_page_is_an_empty_last_one(node):
    staff = node.client("staff")
    staff.add("banking", malware(1), malware(2))
    cursor = node.client("reader").get(OBJECTS, {"limit": 1}).json["next"]
    assert staff.delete(f"{OBJECTS}{malware(2)['id']}/").status == 200
    (notice,) = envelope(node.client("reader").get(OBJECTS, {"next": cursor}))
    assert (notice["type"], notice["object_refs"]) == ("note", [malware(2)["id"]])
    assert envelope(node.client("reader").get(OBJECTS, {"next": cursor, "match[type]": "malware"})) == []


@pytest.mark.taxii("S-3.7-01", "S-3.7-04")
def test_also_one_object_comes_in_an_envelope(world):
    (only,) = envelope(world.reader.get(of_object(world)))
    assert only["id"] == world.old["id"]


@pytest.mark.taxii("S-3.7-05", "S-5.4-04", "S-5.3.1-01", "S-5.8.1-01")
def test_with_nothing_to_return_the_list_is_left_out(world):
    late = {"added_after": "2050-01-01T00:00:00.000000Z"}
    for path in (OBJECTS, MANIFEST, of_object(world), of_object(world) + "versions/"):
        reply = world.reader.get(path, late)
        assert (reply.status, reply.json) == (200, {"more": False})


@pytest.mark.taxii("S-3.8-01", "S-3.8-02")
def test_names_are_spelt_as_the_standard_spells_them_and_all_required_are_there(world):
    assert set(document(world.reader.get("/taxii2/"))) == {"title", "contact", "default", "api_roots"}
    assert set(document(world.reader.get(""))) == {"title", "description", "versions", "max_content_length"}
    assert set(document(world.reader.get("collections/banking/"))) == {
        "id",
        "title",
        "alias",
        "can_read",
        "can_write",
        "media_types",
    }
    assert set(manifest(world.reader.get(MANIFEST))[0]) == {"id", "date_added", "version", "media_type"}


@pytest.mark.taxii("S-B-03")
def test_a_cursor_that_was_never_given_out_is_refused_and_never_a_restart(world):
    issued = world.reader.get(OBJECTS, {"limit": 1}).json["next"]
    for forged in ("", "1", issued[:-1], issued + "A", issued.swapcase(), UNKNOWN):
        error(world.reader.get(OBJECTS, {"next": forged}), 400)


@pytest.mark.taxii("S-B-10")
@pytest.mark.parametrize("path", ["/taxii2/", "", "collections/", "collections/banking/", MANIFEST, OBJECTS])
def test_head_and_options_are_answered_and_unknown_methods_refused(world, path: str):
    assert world.reader.request("HEAD", path).status == 200
    assert world.reader.request("OPTIONS", path).status == 204
    error(world.reader.request("BREW", path), 405)


@pytest.mark.taxii("S-8.2.2-05", "S-8.2.2-06")
def test_basic_is_there_beside_other_schemes(world):
    for credentials in (basic("siem"), f"Bearer {token_of('soar')}"):
        assert Client(world.node.app, credentials).get(OBJECTS).status == 200
