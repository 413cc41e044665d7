"""Sections 5 and 7: collections, manifest, objects, versions; adding and deleting; customizing."""

import gzip
import json
import threading

import pytest

from httpkit.client import TAXII, Reply
from httpkit.nodes import BANKING, DROPBOX, INSURANCE, UNKNOWN
from httpkit.objects import domain, indicator, malware, stix_id
from httpkit.resources import check, document, envelope, error, manifest, status, versions

OBJECTS = "collections/banking/objects/"
MANIFEST = "collections/banking/manifest/"
DAYS = [f"2026-01-0{day}T00:00:00.000Z" for day in (1, 2, 3)]


def by_id(obj: dict, tail: str = "") -> str:
    return f"{OBJECTS}{obj['id']}/{tail}"


# -- 5.1 and 5.2 --------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-5.1-01", "S-5.2-01", "S-5.2.1-01", "S-5.2.1-02")
def test_collections_are_listed_and_answered_each_with_its_id_and_rights(world):
    staff = world.node.client("staff")
    listed = document(staff.get("collections/"))["collections"]
    assert [each["id"] for each in listed] == [BANKING, DROPBOX, INSURANCE]
    aliases = [each["alias"] for each in listed]
    assert len(set(aliases)) == len(aliases)
    for each in listed:
        assert check("collection", document(staff.get(f"collections/{each['id']}/"))) == each


@pytest.mark.taxii("S-5.1.1-01", "S-5-01")
def test_who_sees_no_collection_gets_an_empty_resource(world):
    reply = world.node.client("stranger").get("collections/")
    assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.taxii("S-5.2-03", "S-5.4-05", "S-5.5-08")
def test_an_unknown_collection_is_404_on_every_endpoint(world):
    staff = world.node.client("staff")
    for tail in ("", "objects/", "manifest/", "objects/x--1/", "objects/x--1/versions/"):
        error(staff.get(f"collections/{UNKNOWN}/{tail}"), 404)
    error(staff.add(UNKNOWN, malware(1)), 404)
    error(staff.delete(f"collections/{UNKNOWN}/objects/x--1/"), 404)


@pytest.mark.taxii("S-5.2.1-03")
def test_the_alias_stands_for_the_id_everywhere(world):
    for tail in ("", "objects/", "manifest/", f"objects/{world.old['id']}/", f"objects/{world.old['id']}/versions/"):
        assert world.reader.get(f"collections/banking/{tail}").body == world.reader.get(f"collections/{BANKING}/{tail}").body


@pytest.mark.taxii("S-5.2.1-04", "S-5.2.1-05", "S-5.3-03", "S-5.4-03", "S-5.5-03", "S-5.6-03", "S-5.8-03")
@pytest.mark.parametrize(
    ("account", "can_read", "can_write"), [("reader", True, False), ("sender", False, True), ("soar", True, True)]
)
def test_rights_are_what_the_collection_says_of_them(world, account: str, can_read: bool, can_write: bool):
    client = world.node.client(account)
    found = document(client.get("collections/banking/"))
    assert (found["can_read"], found["can_write"]) == (can_read, can_write)
    for path in (OBJECTS, MANIFEST, by_id(world.old), by_id(world.old, "versions/")):
        assert client.get(path).status == (200 if can_read else 403)
    assert client.post(OBJECTS, b"{}").status == (422 if can_write else 403)


@pytest.mark.taxii("S-5.3-03", "S-5.4-03", "S-5.5-03", "S-5.6-03", "S-5.8-03")
def test_a_collection_without_any_right_is_404(world):
    client = world.node.client("stranger")
    for path in ("collections/banking/", OBJECTS, MANIFEST, by_id(world.old), by_id(world.old, "versions/")):
        error(client.get(path), 404)
    error(client.add("banking", malware(1)), 404)


@pytest.mark.taxii("S-5.2.1-06", "S-5.3.1-06")
def test_media_types_of_the_manifest_are_among_those_of_the_collection(world):
    stored = document(world.reader.get("collections/banking/"))["media_types"]
    every = manifest(world.reader.get(MANIFEST, {"match[spec_version]": "2.0,2.1", "match[version]": "all"}))
    assert {entry["media_type"] for entry in every} == set(stored)


# -- 5.3, 5.6 and 5.8 ---------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-5.3-01", "S-5.3.1-02", "S-5.3.1-03")
def test_the_manifest_says_of_each_object_when_which_version_came(world):
    entries = manifest(world.reader.get(MANIFEST))
    objects = envelope(world.reader.get(OBJECTS))
    assert [(entry["id"], entry["version"]) for entry in entries] == [
        (each["id"], each.get("modified", each.get("created", "1970-01-01T00:00:00.000Z"))) for each in objects
    ]


@pytest.mark.taxii("S-5.3.1-07")
def test_the_manifest_has_one_entry_for_each_version(world):
    entries = manifest(world.reader.get(MANIFEST, {"match[id]": world.old["id"], "match[version]": "all"}))
    assert len({entry["date_added"] for entry in entries}) == len({entry["version"] for entry in entries}) == 3


@pytest.mark.taxii("S-5.6-04", "S-5.7-09", "S-5.8-05")
def test_an_unknown_object_is_404_and_a_known_one_without_a_match_is_not(world):
    unknown = indicator(999)
    error(world.reader.get(by_id(unknown)), 404)
    error(world.reader.get(by_id(unknown, "versions/")), 404)
    error(world.node.client("staff").delete(by_id(unknown)), 404)
    assert envelope(world.reader.get(by_id(world.old), {"match[version]": "2020-01-01T00:00:00.000Z"})) == []


@pytest.mark.taxii("S-5.6-05", "S-5.8-06", "S-5.8.1-02")
def test_the_versions_of_an_object_can_be_paged_and_polled(world):
    path, listed = by_id(world.old), by_id(world.old, "versions/")
    every = versions(world.reader.get(listed))
    assert every == [each["modified"] for each in envelope(world.reader.get(path, {"match[version]": "all"}))]
    first = world.reader.get(listed, {"limit": 1})
    assert versions(world.reader.get(listed, {"next": first.json["next"]})) == every[1:]
    assert versions(world.reader.get(listed, {"added_after": first.dates[1]})) == every[1:]
    paged = world.reader.get(path, {"limit": 1, "match[version]": "all"})
    rest = world.reader.get(path, {"next": paged.json["next"], "match[version]": "all"})
    assert [each["modified"] for each in paged.objects + rest.objects] == every


# -- 5.5 ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-5.5-01", "S-B-07")
def test_what_is_added_comes_back_as_it_was_posted(node):
    raw = (
        b'{"type":"malware", "spec_version":"2.1","id":"%b","created":"2026-01-01T00:00:00Z", "modified":"2026-01-01T00:00:00.0Z",'
        b'"is_family":false,"x_numbers":[1.0, 1e2, 12345678901234567890, -0.0],"x_text":"\\u00e9\\ud83d\\udea2/\\/"}'
    ) % stix_id("malware", 1).encode()
    status(node.client("soar").post(OBJECTS, b'{"objects": [ ' + raw + b" ]}"))
    assert raw in node.client("staff").get(OBJECTS).body
    assert raw in node.client("reader").get(by_id(malware(1))).body


@pytest.mark.taxii("S-5.5-04", "S-B-06")
def test_an_exact_duplicate_is_no_failure_and_changes_nothing(node):
    client = node.client("soar")
    client.add("banking", indicator(1))
    before = client.get(MANIFEST).body
    again = status(client.add("banking", indicator(1)))
    twice = status(client.add("banking", indicator(1), indicator(1)))
    assert (again["failure_count"], twice["failure_count"], twice["total_count"]) == (0, 0, 2)
    assert client.get(MANIFEST).body == before


@pytest.mark.taxii("S-B-09")
def test_the_same_version_with_other_content_does_not_replace_what_is_there(node):
    client = node.client("soar")
    client.add("banking", indicator(1))
    status(client.add("banking", indicator(1, name="other")))
    assert envelope(client.get(by_id(indicator(1)), {"match[version]": "all"})) == [indicator(1)]


@pytest.mark.taxii("S-5.5-05")
def test_a_body_above_max_content_length_is_413(node):
    error(node.client("soar").post(OBJECTS, b'{"objects": [' + b" " * 200_000 + b"]}"), 413)
    packed = gzip.compress(b" " * 200_001)
    error(node.client("soar").post(OBJECTS, packed, headers={"Content-Encoding": "gzip"}), 413)


@pytest.mark.taxii("S-5.5-07", "S-B-04")
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"5", b'{"objects": 5}', b'{"objects": {}}', b"\xff\xfe", b'{"objects": [' * 10_000]
)
def test_a_body_that_is_no_envelope_is_400_or_422(node, body: bytes):
    reply = node.client("soar").post(OBJECTS, body)
    assert reply.status in {400, 422}
    error(reply, reply.status)


@pytest.mark.taxii("S-B-05")
def test_concurrent_posts_store_each_object_once(node):
    replies: list[Reply] = []

    def post(start: int) -> None:
        objects = [indicator(number) for number in range(start, start + 30)]
        replies.append(node.client("soar").add("banking", *objects))

    threads = [threading.Thread(target=post, args=(start,)) for start in (0, 10, 20, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status(reply)["failure_count"] for reply in replies] == [0, 0, 0, 0]
    listed = manifest(node.client("soar").get(MANIFEST, {"match[version]": "all"}))
    assert sorted(entry["id"] for entry in listed) == sorted(indicator(number)["id"] for number in range(50))
    dates = [entry["date_added"] for entry in listed]
    assert dates == sorted(set(dates))


# -- 5.7 ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-5.7-01", "S-5.7-02", "S-5.7-03")
def test_what_was_deleted_is_answered_and_listed_no_more(node):
    client = node.client("soar")
    client.add("banking", indicator(1), indicator(2))
    assert client.delete(by_id(indicator(1))).status == 200
    error(client.get(by_id(indicator(1))), 404)
    error(client.get(by_id(indicator(1), "versions/")), 404)
    error(client.delete(by_id(indicator(1))), 404)
    for path in (OBJECTS, MANIFEST):
        assert indicator(1)["id"] not in client.get(path, {"match[version]": "all"}).ids


@pytest.mark.taxii("S-5.7-04")
@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (None, DAYS[:2]),
        ("last", DAYS[:2]),
        ("first", DAYS[1:]),
        (DAYS[1], [DAYS[0], DAYS[2]]),
        ("first,last", DAYS[1:2]),
        ("all", []),
    ],
)
def test_delete_takes_just_the_versions_that_are_named_the_newest_by_default(node, wanted: str | None, left: list[str]):
    client = node.client("soar")
    for day in DAYS:
        client.add("banking", indicator(1, modified=day))
    assert client.delete(by_id(indicator(1)), {"match[version]": wanted} if wanted else {}).status == 200
    every = client.get(by_id(indicator(1)), {"match[version]": "all"})
    assert [each["modified"] for each in every.objects] == left
    assert every.status == (200 if left else 404)


@pytest.mark.taxii("S-5.7-04")
def test_delete_takes_just_the_edition_that_is_named(node):
    client = node.client("soar")
    old_form = {name: value for name, value in indicator(1).items() if name not in {"spec_version", "pattern_type"}}
    client.add("banking", old_form | {"labels": ["malicious-activity"]}, indicator(1))
    assert client.delete(by_id(indicator(1)), {"match[spec_version]": "2.0", "match[version]": "all"}).status == 200
    assert envelope(client.get(by_id(indicator(1)), {"match[spec_version]": "2.0,2.1"})) == [indicator(1)]


@pytest.mark.taxii("S-5.7-06", "S-5.7-07", "S-5.7-08")
@pytest.mark.parametrize(("account", "code"), [("stranger", 404), ("insurer", 404), ("reader", 403), ("sender", 403)])
def test_delete_needs_the_right_to_read_and_to_write(world, account: str, code: int):
    error(world.node.client(account).delete(by_id(world.old)), code)
    error(world.node.client(account).delete(by_id(indicator(999))), code)


@pytest.mark.taxii("S-5.7-10")
def test_delete_leaves_other_collections_as_they_are(node):
    staff = node.client("staff")
    staff.add("banking", malware(1))
    staff.add("insurance", malware(1))
    assert staff.delete(by_id(malware(1))).status == 200
    assert staff.get(f"collections/insurance/objects/{malware(1)['id']}/").status == 200


# -- 7 ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.taxii("S-7.1.1-01")
@pytest.mark.parametrize(
    "more", [{"x_example_com_note": "hello"}, {"type": "bundle", "id": f"bundle--{UNKNOWN}", "spec_version": "2.1"}]
)
def test_unknown_properties_of_an_envelope_are_ignored(node, more: dict):
    told = status(node.client("soar").post(OBJECTS, {"objects": [malware(1)], **more}))
    assert told["success_count"] == 1


@pytest.mark.taxii("S-7.1.1-02", "S-7.1.1-03")
def test_custom_properties_of_the_server_begin_with_x_and_its_name(world):
    reply = world.node.client("partner").get(MANIFEST, headers={"X-Taxii-Fed": "1"})
    entries = manifest(reply)
    assert {name for entry in entries for name in entry} - {"id", "date_added", "version", "media_type"} == {"x_taxii_fed"}
    assert b"x_taxii_fed" not in world.node.client("partner").get(MANIFEST).body
    assert b"x_taxii_fed" not in world.reader.get(MANIFEST, headers={"X-Taxii-Fed": "1"}).body


@pytest.mark.taxii("S-B-07")
def test_an_observable_comes_back_whole(node):
    node.client("soar").post(OBJECTS, json.dumps({"objects": [domain("b.example")]}).encode(), content_type=TAXII)
    assert envelope(node.client("reader").get(OBJECTS)) == [domain("b.example")]
