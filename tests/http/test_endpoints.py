"""The endpoints one by one: what they answer, to whom, and in which shape."""

import gzip
import json
import zlib

import pytest

from httpkit.client import TAXII, Client
from httpkit.nodes import BANKING, INSURANCE, PASSWORD, UNKNOWN, TestNode, basic, token_of
from httpkit.objects import TLP_AMBER, TLP_GREEN, TLP_RED, indicator, malware, stix_id
from taxii_fed.core.stix.levels import TLP_LEVELS

OBJECTS = "collections/banking/objects/"


def fill(node: TestNode, count: int, start: int = 0) -> list[str]:
    objects = [indicator(number) for number in range(start, start + count)]
    assert node.client("staff").add("banking", *objects).json["success_count"] == count
    node.clock.pass_seconds(2)
    return [each["id"] for each in objects]


def is_error(reply, status: int) -> str:
    """Check that an answer is the TAXII error of that status, and return its description."""
    assert (reply.status, reply.headers["Content-Type"]) == (status, TAXII)
    body = reply.json
    assert set(body) <= {"title", "description", "error_id", "http_status"}
    assert (body["http_status"], body["error_id"]) == (str(status), reply.headers["X-Request-Id"])
    assert body["title"]
    return body.get("description", "")


# -- paging -------------------------------------------------------------------------------------------------------------------


def test_pages_join_to_the_whole_and_next_is_there_exactly_while_there_is_more(node: TestNode):
    ids = fill(node, 23)
    client, seen, cursor = node.client(), [], None
    for _ in range(5):
        reply = client.get(OBJECTS, {"limit": 5} | ({"next": cursor} if cursor else {}))
        seen += reply.ids
        cursor = reply.json.get("next")
        assert reply.json["more"] is (cursor is not None)
    assert (seen, cursor) == (ids, None)


@pytest.mark.invariant("I8")
def test_a_cursor_is_valid_alone_with_other_filters_twice_and_in_another_process(node: TestNode, tmp_path):
    ids = fill(node, 10)
    client = node.client()
    cursor = client.get(OBJECTS, {"limit": 4, "match[type]": "indicator"}).json["next"]
    assert client.get(OBJECTS, {"next": cursor}).ids == ids[4:]
    assert client.get(OBJECTS, {"next": cursor}).ids == ids[4:]
    assert client.get(OBJECTS, {"next": cursor, "match[type]": "malware"}).ids == []
    assert client.get("collections/banking/manifest/", {"next": cursor, "limit": 2}).ids == ids[4:6]
    other = type(node)(node.settings, node.clock, node.node, _reopened(node))
    assert other.client().get(OBJECTS, {"next": cursor}).ids == ids[4:]


@pytest.mark.invariant("I2")
def test_a_client_that_takes_its_cursor_along_to_another_collection_loses_nothing_there(node: TestNode):
    elsewhere = [indicator(number) for number in range(100, 104)]
    assert node.client("staff").add("insurance", *elsewhere).json["success_count"] == 4
    node.clock.pass_seconds(2)
    fill(node, 5)
    client = node.client("staff")
    for path in ("collections/insurance/objects/", "collections/insurance/manifest/"):
        first = client.get(path, {"limit": 1})
        taken_along = client.get(OBJECTS, {"limit": 2}).json["next"]
        assert client.get(path, {"next": taken_along}).ids == [each["id"] for each in elsewhere]
        later = {"next": taken_along, "added_after": first.dates[1]}
        assert client.get(path, later).ids == [each["id"] for each in elsewhere[1:]]
    one = f"collections/insurance/objects/{elsewhere[0]['id']}/"
    assert client.get(one, {"next": taken_along}).ids == [elsewhere[0]["id"]]


def test_an_alias_and_its_id_share_their_cursors(node: TestNode):
    ids = fill(node, 5)
    cursor = node.client().get(OBJECTS, {"limit": 2}).json["next"]
    assert node.client().get(f"collections/{BANKING}/objects/", {"next": cursor}).ids == ids[2:]


def _reopened(node: TestNode):
    from taxii_fed.web.app import create_app
    from taxii_fed.wiring import open_node

    return create_app(open_node(node.settings, clock=node.clock, store=node.node.store), lambda line: None)


def test_the_default_page_and_the_cap_are_those_of_the_settings(node: TestNode):
    for start in range(0, 250, 50):
        fill(node, 50, start)
    client = node.client()
    assert len(client.get(OBJECTS).ids) == 50
    assert len(client.get(OBJECTS, {"limit": 10**9}).ids) == 200


def test_a_page_is_cut_by_its_bytes_and_goes_on(node: TestNode):
    large = [indicator(number, description="x" * 150_000) for number in range(12)]
    for each in large:
        assert node.client("staff").add("banking", each).json["success_count"] == 1
    client = node.client()
    first = client.get(OBJECTS)
    assert 0 < len(first.ids) < 12
    assert len(first.body) < 1_100_000
    rest = client.get(OBJECTS, {"next": first.json["next"]})
    assert first.ids + rest.ids == [each["id"] for each in large]


@pytest.mark.invariant("I2")
def test_the_date_of_an_empty_answer_can_be_sent_back_and_loses_nothing(node: TestNode):
    fill(node, 3)
    client = node.client()
    queries = (
        {"match[type]": "tool"},
        {"added_after": "2050-01-01T00:00:00Z"},
        {"added_after": "2026-01-01T00:00:00Z", "match[type]": "tool"},
    )
    for number, query in enumerate(queries, 10):
        empty = client.get(OBJECTS, query)
        assert (empty.objects, empty.dates[0]) == ([], empty.dates[1])
        new = fill(node, 1, number)
        assert client.get(OBJECTS, {"added_after": empty.dates[1]}).ids[-1:] == new
        node.clock.pass_seconds(1)


def test_an_empty_envelope_says_more_false_and_nothing_else(node: TestNode):
    client = node.client()
    for path in (OBJECTS, "collections/banking/manifest/"):
        assert client.get(path).body == b'{"more": false}'


def test_an_empty_envelope_lists_nothing_where_the_settings_ask_for_it(tmp_path):
    from httpkit.nodes import node_in

    old_elastic = node_in(tmp_path, lambda text: text.replace("page_size: 50", "page_size: 50\n  empty_objects: true"))
    assert old_elastic.client().get(OBJECTS).json == {"more": False, "objects": []}
    assert old_elastic.client().get("collections/banking/manifest/").json == {"more": False}
    old_elastic.node.close()


# -- one object ---------------------------------------------------------------------------------------------------------------


def test_versions_of_an_object(node: TestNode):
    dates = ["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z", "2026-01-03T00:00:00.000Z"]
    for date in dates:
        node.client("staff").add("banking", indicator(1, modified=date))
        node.clock.pass_seconds(2)
    client, path = node.client(), f"{OBJECTS}{stix_id('indicator', 1)}/"

    def modified(version: str | None) -> list[str]:
        return [each["modified"] for each in client.get(path, {"match[version]": version} if version else {}).objects]

    assert modified(None) == modified("last") == dates[2:]
    assert modified("first") == dates[:1]
    assert modified("all") == dates
    assert modified("first,last") == [dates[0], dates[2]]
    assert modified("2026-01-02T00:00:00Z,last") == dates[1:]
    assert modified("2020-01-02T00:00:00Z") == []
    assert client.get(path + "versions/").json == {"more": False, "versions": dates}
    paged = client.get(path + "versions/", {"limit": 2})
    assert paged.json["versions"] == dates[:2]
    assert client.get(path + "versions/", {"next": paged.json["next"]}).json == {"more": False, "versions": dates[2:]}
    assert client.get(path, {"added_after": "2050-01-01T00:00:00Z"}).body == b'{"more": false}'
    assert client.get(path + "versions/", {"added_after": "2050-01-01T00:00:00Z"}).body == b'{"more": false}'


@pytest.mark.taxii("S-5.8.1-02")
def test_a_version_that_two_editions_of_stix_share_is_listed_once(node: TestNode):
    old = {key: value for key, value in indicator(1).items() if key not in ("spec_version", "pattern_type")}
    node.client("staff").add("banking", indicator(1), old | {"labels": ["malicious-activity"]})
    path = f"{OBJECTS}{stix_id('indicator', 1)}/"
    both = {"match[spec_version]": "2.0,2.1"}
    assert len(node.client().get(path, both).objects) == 2
    assert node.client().get(path + "versions/", both).json == {"more": False, "versions": [indicator(1)["modified"]]}


@pytest.mark.parametrize("marking", sorted(TLP_LEVELS))
def test_tlp_definitions_are_answered_by_id_and_listed_nowhere(shared_node: TestNode, marking: str):
    client, path = shared_node.client(), f"{OBJECTS}{marking}/"
    reply = client.get(path)
    assert reply.ids == [marking]
    assert client.get(path + "versions/").json == {"more": False, "versions": [reply.objects[0]["created"]]}
    assert client.get(path, {"match[version]": "2020-01-01T00:00:00Z"}).objects == []
    assert client.get(path, {"match[spec_version]": "2.0"}).objects == []
    assert client.get(path, {"added_after": "2020-01-01T00:00:00Z"}).objects == []
    assert client.get(OBJECTS, {"match[id]": marking}).objects == []
    is_error(shared_node.client("stranger").get(path), 404)


# -- rights -------------------------------------------------------------------------------------------------------------------

STANDINGS = [
    # account, GET objects, POST, DELETE of an object that is nobody's
    ("reader", 200, 403, 403),
    ("soar", 200, 202, 404),
    ("sender", 403, 202, 403),
    ("stranger", 404, 404, 404),
    ("insurer", 404, 404, 404),
]


@pytest.mark.parametrize(("account", "get", "post", "delete"), STANDINGS)
def test_what_each_standing_may_do(shared_node: TestNode, account: str, get: int, post: int, delete: int):
    client = shared_node.client(account)
    for path in (OBJECTS, "collections/banking/manifest/", f"{OBJECTS}{TLP_GREEN}/", f"{OBJECTS}{TLP_GREEN}/versions/"):
        assert client.get(path).status == get
    assert client.add("banking", malware(7)).status == post
    assert client.delete(f"{OBJECTS}{stix_id('tool', 1)}/").status == delete


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("path", ["", "objects/", "manifest/", "objects/x--1/", "objects/x--1/versions/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_a_hidden_collection_is_answered_as_one_that_never_was(shared_node: TestNode, method: str, path: str):
    shared_node.client("insurer").add("insurance", malware(1))
    client = shared_node.client("reader")
    hidden = client.request(method, f"collections/{INSURANCE}/{path}")
    unknown = client.request(method, f"collections/{UNKNOWN}/{path}")
    alias = client.request(method, f"collections/insurance/{path}")
    never = client.request(method, f"collections/nothing/{path}")
    assert _without_id(hidden) == _without_id(unknown) == _without_id(alias) == _without_id(never)


@pytest.mark.invariant("I1")
@pytest.mark.parametrize(
    "query", ["", "match[version]=all", "limit=0", "added_after=2020-01-01T00:00:00Z", "match[spec_version]=2.0"]
)
@pytest.mark.parametrize("tail", ["", "versions/"])
@pytest.mark.parametrize("account", ["reader", "soar"])
def test_a_withheld_object_is_answered_as_one_that_never_was(node: TestNode, account: str, tail: str, query: str):
    secret = indicator(1, marking=TLP_RED)
    node.client("staff").add("banking", secret, indicator(2))
    client = node.client(account)
    for method in ("GET", "HEAD", "DELETE"):
        withheld = client.request(method, f"{OBJECTS}{secret['id']}/{tail}", query)
        never = client.request(method, f"{OBJECTS}{stix_id('indicator', 3)}/{tail}", query)
        assert _without_id(withheld) == _without_id(never)
    for listing in (OBJECTS, "collections/banking/manifest/"):
        filtered = client.get(listing, {"match[id]": secret["id"]})
        assert _without_id(filtered) == _without_id(client.get(listing, {"match[id]": stix_id("indicator", 3)}))
    assert node.client("staff").get(f"{OBJECTS}{secret['id']}/").ids == [secret["id"]]


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("account", ["soar", "sender"])
@pytest.mark.parametrize("together", [True, False])
def test_posts_under_the_id_of_a_withheld_object_are_answered_as_under_one_that_never_was(
    node: TestNode, account: str, together: bool
):
    withheld, never = stix_id("indicator", 1), stix_id("indicator", 3)
    node.client("staff").add("banking", indicator(1, marking=TLP_RED))
    later = {"modified": "2026-02-01T00:00:00.000Z"}
    sent = [indicator(0), indicator(0, name="other"), indicator(0), indicator(0, **later), indicator(0, name="other", **later)]
    sent += [{name: value for name, value in indicator(0, name="old").items() if name != "spec_version"}]

    def told(object_id: str) -> list[tuple[str, str]]:
        objects = [each | {"id": object_id} for each in sent]
        envelopes = [objects] if together else [[each] for each in objects]
        outcomes = []
        for envelope in envelopes:
            status = node.client(account).add("banking", *envelope).json
            outcomes += [(key, each["version"]) for key in ("successes", "failures") for each in status.get(key, ())]
        return outcomes

    assert told(withheld) == told(never)
    assert "failures" in {key for key, _ in told(withheld)}


def _without_id(reply) -> tuple:
    headers = {name: value for name, value in reply.headers.items() if name != "X-Request-Id"}
    return reply.status, headers, reply.body.replace(reply.headers["X-Request-Id"].encode(), b"")


@pytest.mark.invariant("I1")
def test_a_status_is_readable_by_the_party_that_posted_and_nobody_else(node: TestNode):
    posted = node.client("soar").add("banking", indicator(1)).json
    same_party = Client(node.app, basic("SIEM"))
    for path in (f"status/{posted['id']}/", f"status/{posted['id']}"):
        assert node.client("soar").get(path).json == same_party.get(path).json == posted
        for account in ("reader", "staff", "sender", "stranger"):
            is_error(node.client(account).get(path), 404)
    assert is_error(node.client("staff").get(f"status/{posted['id']}/"), 404) == is_error(
        node.client("staff").get(f"status/{UNKNOWN}/"), 404
    )


@pytest.mark.taxii("S-4.3-03")
def test_a_status_is_found_in_its_own_api_root_only(node: TestNode):
    posted = node.client("staff").add("banking", indicator(1)).json
    assert node.client("staff").get(f"/finance/status/{posted['id']}/").json == posted
    is_error(node.client("staff").get(f"/public/status/{posted['id']}/"), 404)


def test_each_party_sees_the_collections_that_it_may_use(shared_node: TestNode):
    def seen(account: str, root: str = "/finance/") -> list[tuple]:
        found = shared_node.client(account, root).get("collections/").json.get("collections", [])
        return [(each["title"], each["can_read"], each["can_write"]) for each in found]

    assert seen("staff") == [("Banking", True, True), ("Dropbox", True, True), ("Insurance", True, True)]
    assert seen("staff", "/public/") == [("Open", True, True)]
    assert seen("soar") == [("Banking", True, True)]
    assert seen("sender") == [("Banking", False, True), ("Dropbox", False, True)]
    assert shared_node.client("stranger").get("collections/").body == b"{}"
    assert shared_node.client("soar", "/public/").get("collections/").body == b"{}"


def test_a_collection_is_found_in_its_own_api_root_only(shared_node: TestNode):
    assert shared_node.client("staff").get(f"collections/{BANKING}/").status == 200
    is_error(shared_node.client("staff", "/public/").get(f"collections/{BANKING}/"), 404)
    is_error(shared_node.client("staff", "/nothing/").get(f"collections/{BANKING}/"), 404)


# -- log-ins ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        basic("siem"),
        basic("SIEM"),
        f"Bearer {token_of('soar')}",
        f"Token {token_of('soar')}",
        basic("anyone", token_of("soar")),
        basic(token_of("soar"), "x"),
    ],
)
def test_all_ways_to_log_in_that_clients_have(shared_node: TestNode, authorization: str):
    assert Client(shared_node.app, authorization).get(OBJECTS).status == 200


@pytest.mark.parametrize(
    "authorization", [None, basic("siem", "wrong"), basic("nobody", PASSWORD), "Bearer wrong", "Digest x", "Basic"]
)
@pytest.mark.parametrize("path", ["/taxii2/", "/finance/", "/finance/collections/banking/objects/", "/nothing/at/all/", "/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
def test_without_a_log_in_every_path_is_401_with_a_challenge(
    shared_node: TestNode, authorization: str | None, path: str, method: str
):
    reply = Client(shared_node.app, authorization).request(method, path)
    is_error(reply, 401)
    assert {challenge.split()[0] for challenge in reply.headers["WWW-Authenticate"].split(", ")} >= {"Basic", "Bearer"}


def test_readers_without_credentials_get_the_anonymous_partys_views(tmp_path):
    from httpkit.nodes import node_in

    public = node_in(tmp_path, lambda text: text + "anonymous: reader\n")
    assert Client(public.app).get(OBJECTS).status == 200
    assert Client(public.app).get("collections/insurance/").status == 404
    assert Client(public.app, "Bearer wrong").get(OBJECTS).status == 401
    public.node.close()


# -- HTTP ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/finance/collections/banking/objects",
        "//finance//collections/banking//objects//",
        "/finance/collections/banking/objects/",
        f"/finance/collections/{BANKING}/objects/",
    ],
)
def test_slashes_make_no_difference_and_nothing_is_redirected(shared_node: TestNode, path: str):
    assert shared_node.client("soar").get(path).status == 200
    assert shared_node.client("soar").post(path, {"objects": [malware(9)]}).status == 202


def test_a_server_below_a_path_answers_with_and_without_it(tmp_path):
    from httpkit.nodes import node_in

    below = node_in(tmp_path, lambda text: text.replace("harbour.example\n  page", "harbour.example/cti/v1\n  page"))
    roots = below.client().get("/taxii2/").json["api_roots"]
    assert roots[0] == "https://taxii.harbour.example/cti/v1/finance/"
    for path in ("/cti/v1/taxii2/", "/cti/v1/finance/", "/finance/collections/", "/cti/v1/readyz"):
        assert below.client().get(path).status == 200
    below.node.close()


def test_head_is_get_without_the_body(shared_node: TestNode):
    fill(shared_node, 5, 500)
    client = shared_node.client()
    for path in ("/taxii2/", OBJECTS, "collections/", f"{OBJECTS}{stix_id('tool', 1)}/"):
        got, head = client.get(path), client.request("HEAD", path)
        assert head.body == b""
        same = {name: value for name, value in got.headers.items() if name != "X-Request-Id"}
        assert {name: value for name, value in head.headers.items() if name != "X-Request-Id"} == same


def test_methods_that_an_endpoint_does_not_have_are_405_with_those_it_has(shared_node: TestNode):
    client = shared_node.client()
    for path, method, allowed in (
        ("/taxii2/", "POST", "GET, HEAD, OPTIONS"),
        (OBJECTS, "DELETE", "GET, HEAD, POST, OPTIONS"),
        (f"{OBJECTS}x--1/", "PUT", "GET, HEAD, DELETE, OPTIONS"),
        ("collections/banking/manifest/", "TRACE", "GET, HEAD, OPTIONS"),
    ):
        reply = client.request(method, path)
        is_error(reply, 405)
        assert reply.headers["Allow"] == client.request("OPTIONS", path).headers["Allow"] == allowed


def test_large_answers_are_compressed_on_request(shared_node: TestNode):
    fill(shared_node, 50, 1000)
    client = shared_node.client()
    plain = client.get(OBJECTS)
    packed = client.get(OBJECTS, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    assert packed.headers["Content-Length"] == str(len(packed.body))
    assert "Content-Encoding" not in client.get("/taxii2/", headers={"Accept-Encoding": "gzip"}).headers


def test_without_isal_the_compression_is_zlibs(shared_node: TestNode, monkeypatch: pytest.MonkeyPatch):
    from taxii_fed.web import answers

    fill(shared_node, 50, 2000)
    monkeypatch.setattr(answers, "igzip", None)
    packed = shared_node.client().get(OBJECTS, headers={"Accept-Encoding": "gzip"})
    assert json.loads(zlib.decompress(packed.body, wbits=31)) == shared_node.client().get(OBJECTS).json


@pytest.mark.parametrize("path", [OBJECTS, "collections/banking/manifest/", f"{OBJECTS}{stix_id('indicator', 1)}/versions/"])
def test_an_answer_that_is_the_same_is_304(node: TestNode, path: str):
    fill(node, 3)
    client = node.client()
    first = client.get(path)
    held = {"If-None-Match": first.headers["ETag"]}
    again = client.get(path, headers=held)
    assert (again.status, again.body, again.dates) == (304, b"", first.dates)
    assert "Content-Length" not in again.headers
    assert client.get(path, headers={"If-None-Match": '"other", ' + first.headers["ETag"]}).status == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).status == 200
    node.client("staff").add("banking", indicator(1, modified="2026-05-01T00:00:00.000Z"))
    assert client.get(path, headers=held).status == 200


def test_an_answer_from_which_an_entry_has_gone_is_not_304_although_nothing_was_added(node: TestNode):
    ids = fill(node, 3)
    client = node.client()
    held = {"If-None-Match": client.get(OBJECTS).headers["ETag"]}
    assert node.client("staff").delete(f"{OBJECTS}{ids[1]}/").status == 200
    assert client.get(OBJECTS, headers=held).status == 200


def test_the_etag_of_one_page_is_not_that_of_another(node: TestNode):
    fill(node, 6)
    client = node.client()
    tags = [client.get(OBJECTS, query).headers["ETag"] for query in ({}, {"limit": 3}, {"limit": 4})]
    tags.append(client.get("collections/banking/manifest/").headers["ETag"])
    assert len(set(tags)) == 4


# -- adding -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ({"objects": [malware(1)]}, TAXII, 202),
        (
            {"type": "bundle", "id": "bundle--1", "spec_version": "2.1", "objects": [malware(1)]},
            "application/stix+json; version=2.1",
            202,
        ),
        ({"objects": [malware(1)]}, "application/json; charset=utf-8", 202),
        ({"objects": [malware(1)]}, "text/plain", 415),
        ({"objects": [malware(1)]}, None, 415),
        (b"no json", TAXII, 400),
        (b"[]", TAXII, 422),
        (b"", TAXII, 400),
        (b'{"objects": [' + b" " * 200_000 + b"]}", TAXII, 413),
    ],
)
def test_what_a_post_may_be(shared_node: TestNode, body, content_type: str | None, status: int):
    reply = shared_node.client("soar").post(OBJECTS, body, content_type=content_type)
    if status == 202:
        assert (reply.status, reply.json["status"]) == (202, "complete")
    elif status in (400, 422):
        assert reply.status in (400, 422)
        is_error(reply, reply.status)
    else:
        is_error(reply, status)


def test_a_compressed_post_is_taken_and_a_bomb_is_not(shared_node: TestNode):
    client = shared_node.client("soar")
    packed = {"Content-Encoding": "gzip"}
    assert client.post(OBJECTS, gzip.compress(json.dumps({"objects": [malware(2)]}).encode()), headers=packed).status == 202
    is_error(client.post(OBJECTS, gzip.compress(b" " * 10_000_000), headers=packed), 413)
    is_error(client.post(OBJECTS, b"{}", headers={"Content-Encoding": "br"}), 415)


def test_delete_without_a_version_takes_the_newest(node: TestNode):
    staff, path = node.client("staff"), f"{OBJECTS}{stix_id('indicator', 1)}/"
    for day in (1, 2, 3):
        staff.add("banking", indicator(1, modified=f"2026-01-0{day}T00:00:00.000Z"))
    assert staff.delete(path).status == 200
    assert [each["modified"][:10] for each in staff.get(path, {"match[version]": "all"}).objects] == [
        "2026-01-01",
        "2026-01-02",
    ]
    assert staff.delete(path, {"match[version]": "all"}).status == 200
    is_error(staff.get(path), 404)
    is_error(staff.delete(path), 404)


# -- operations ---------------------------------------------------------------------------------------------------------------


def test_livez_and_readyz_need_no_log_in(shared_node: TestNode):
    client = Client(shared_node.app)
    assert client.get("/livez").json == {"status": "alive"}
    assert client.get("/readyz").json == {"status": "ready"}
    assert client.get("/readyz/").status == 200
    is_error(client.post("/readyz", b"{}"), 405)


def test_readyz_says_what_waits_for_apply(node: TestNode, tmp_path):
    from httpkit.nodes import settings_in
    from taxii_fed.web.app import create_app
    from taxii_fed.wiring import open_node

    node.client("staff").add("banking", indicator(1, marking=TLP_AMBER))
    changed = settings_in(
        tmp_path, lambda text: text.replace("up_to: AMBER, unmarked_as: GREEN, unknown_types: share", "up_to: GREEN")
    )
    app = create_app(open_node(changed, clock=node.clock, store=node.node.store))
    reply = Client(app).get("/readyz")
    assert (reply.status, reply.json["status"]) == (200, "ready")
    assert "taxii-fed apply" in reply.json["waiting"]


def test_metrics_are_for_own_staff(shared_node: TestNode):
    shared_node.client().get(OBJECTS)
    told = shared_node.client("staff").get("/metrics")
    assert told.headers["Content-Type"].startswith("text/plain")
    assert b'taxii_fed_requests_total{endpoint="objects",method="GET",status="200"}' in told.body
    assert b"banking" not in told.body
    is_error(shared_node.client("reader").get("/metrics"), 403)
    is_error(Client(shared_node.app).get("/metrics"), 401)


# -- the log ------------------------------------------------------------------------------------------------------------------


def test_one_line_for_each_request_with_what_an_operator_needs(node: TestNode):
    fill(node, 2)
    node.lines.clear()
    node.client().get(OBJECTS, {"limit": 1, "api_key": "hunter2"})
    node.client("stranger").get(OBJECTS)
    Client(node.app, basic("siem", "wrong")).get(OBJECTS)
    node.client().get("/x\ny z/")
    page, hidden, refused, odd = node.lines
    assert " party=reader account=reader method=GET path=/finance/collections/banking/objects/ collection=banking" in page
    assert 'filters="limit=1" objects=1 status=200 ' in page
    assert "status=404" in hidden
    assert 'reason="There is no collection' in hidden
    assert "status=401" in refused
    assert 'reason="wrong password of siem"' in refused
    assert r'path="/x\ny z/"' in odd
    assert "hunter2" not in "".join(node.lines)
    assert "token-of" not in "".join(node.lines)
