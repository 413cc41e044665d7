"""Whatever a client sends: no 5xx, one shape of error, one line in the log."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpkit.client import TAXII
from httpkit.nodes import BANKING, INSURANCE, TestNode
from httpkit.objects import TLP_GREEN, indicator, malware, stix_id

SEGMENTS = st.sampled_from(
    [
        "",
        "taxii2",
        "finance",
        "public",
        "collections",
        "objects",
        "manifest",
        "versions",
        "status",
        "banking",
        BANKING,
        INSURANCE,
        "..",
        ".",
        "%2e%2e",
        "livez",
        "readyz",
        "metrics",
        TLP_GREEN,
        stix_id("indicator", 1),
        "x--1",
    ]
) | st.text(max_size=12)
PATHS = st.lists(SEGMENTS, max_size=7).map(lambda parts: "/" + "/".join(parts))
LIKELY_PATHS = st.sampled_from(
    [
        "/finance/collections/banking/objects/",
        "/finance/collections/banking/manifest/",
        "/finance/collections/",
        f"/finance/collections/banking/objects/{stix_id('indicator', 1)}/",
        f"/finance/collections/banking/objects/{TLP_GREEN}/versions/",
    ]
)
LATIN = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=60)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["added_after", "limit", "next", "match[id]", "match[type]", "match[version]", "match[spec_version]", "x"]
        )
        | LATIN,
        st.sampled_from(
            ["", "all", "last", "first,last", "0", "1", "99999999999999999999", "2026-01-01T00:00:00Z", "0000-00-00T00:00:00Z"]
        )
        | st.sampled_from(
            ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "2.1", "indicator", stix_id("indicator", 1)]
        )
        | LATIN,
    ).map("=".join),
    max_size=5,
).map("&".join)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Accept",
            "Content-Type",
            "Content-Encoding",
            "Accept-Encoding",
            "If-None-Match",
            "Authorization",
            "X-Taxii-Fed",
            "Range",
            "Content-Length",
            "Transfer-Encoding",
            "X-Forwarded-For",
            "Client-Cert",
            "X-Http-Method-Override",
            "Expect",
            "User-Agent",
        ]
    ),
    st.sampled_from(
        [TAXII, "*/*", "gzip", "application/json", "chunked", "-1", "0", "1", "*", 'W/"x"', "Basic Og==", "Bearer x"]
    )
    | LATIN,
    max_size=5,
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "type", "objects", "x"]) | st.text(max_size=5), inner)
    ),
    max_leaves=10,
)


def _spoilt(obj: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(st.sampled_from(sorted(obj)), JSON_VALUES).map(lambda change: obj | {change[0]: change[1]})


BODIES = (
    st.binary(max_size=200)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | JSON_VALUES.map(lambda value: json.dumps({"objects": value}).encode())
    | st.lists(_spoilt(indicator(1)) | _spoilt(malware(1)), max_size=3).map(
        lambda objects: json.dumps({"objects": objects}).encode()
    )
    | st.binary(max_size=50).map(gzip.compress)
    | st.integers(1, 20_000).map(lambda depth: b'{"objects": ' + b"[" * depth + b"]" * depth + b"}")
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE", "CONNECT", "", "get", "\x00"])


@pytest.mark.taxii("S-B-04", "S-3.1-04", "S-3.6.1-01", "S-3.6.1-02", "S-3.6.1-03")
@settings(max_examples=settings.default.max_examples * 5)
@given(
    method=METHODS,
    path=LIKELY_PATHS | PATHS,
    query=QUERIES,
    headers=HEADERS,
    body=BODIES | st.just(b""),
    account=st.sampled_from(["staff", "soar", "reader", "sender", "stranger", "partner", None]),
)
def test_anything_is_answered_below_500_in_the_shape_of_taxii(
    shared_node: TestNode, method: str, path: str, query: str, headers: dict[str, str], body: bytes, account: str | None
):
    client = shared_node.client(account)
    if account == "staff":
        headers.pop("Authorization", None)
    shared_node.lines.clear()
    reply = client.request(method, path, query, headers=headers, body=body)
    assert reply.status < 500, reply
    if reply.status >= 400:
        assert reply.headers["Content-Type"] == TAXII
        if method != "HEAD":
            assert reply.json["title"]
            assert reply.json["http_status"] == str(reply.status)
            assert all(isinstance(value, str) for value in reply.json.values())
    elif path.strip("/") not in {"livez", "readyz", "metrics"}:
        assert reply.headers["Content-Type"] == TAXII
        assert len(shared_node.lines) == 1
        if reply.body and "Content-Encoding" not in reply.headers:
            json.loads(reply.body)


@pytest.mark.parametrize(
    "environ",
    [
        {"PATH_INFO": "/finance/collections/\xff\xfe/objects/"},
        {"PATH_INFO": ""},
        {"PATH_INFO": "finance"},
        {"QUERY_STRING": "limit=\xff"},
        {"QUERY_STRING": "%"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "unix:"},
    ],
)
def test_odd_environments_are_no_failure(shared_node: TestNode, environ: dict[str, str]):
    reply = shared_node.client().get("collections/banking/objects/", environ=environ)
    assert reply.status in {200, 400, 404}
