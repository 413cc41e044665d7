"""What the standard says of each resource, written down once more and independently of the server."""

import json
import re
import uuid
from typing import Any

from httpkit.client import TAXII, Reply

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
MEDIA_TYPE = re.compile(r"application/(taxii|stix)\+json;version=\d+\.\d+")
LARGEST = 2**53 - 1

TEXT, TRUTH, NUMBER, TIME, UUID4, TEXTS = "text", "truth", "number", "time", "uuid4", "texts"

RESOURCES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # resource: required and optional properties with their types (sections 3.6.1 to 5.8.1)
    "discovery": ({"title": TEXT}, {"description": TEXT, "contact": TEXT, "default": TEXT, "api_roots": TEXTS}),
    "api-root": ({"title": TEXT, "versions": TEXTS, "max_content_length": NUMBER}, {"description": TEXT}),
    "collection": (
        {"id": UUID4, "title": TEXT, "can_read": TRUTH, "can_write": TRUTH},
        {"description": TEXT, "alias": TEXT, "media_types": TEXTS},
    ),
    "manifest-entry": ({"id": TEXT, "date_added": TIME, "version": TEXT}, {"media_type": TEXT}),
    "status": (
        {
            "id": UUID4,
            "status": TEXT,
            "total_count": NUMBER,
            "success_count": NUMBER,
            "failure_count": NUMBER,
            "pending_count": NUMBER,
        },
        {"request_timestamp": TIME, "successes": "details", "failures": "details", "pendings": "details"},
    ),
    "status-detail": ({"id": TEXT, "version": TEXT}, {"message": TEXT}),
    "error": (
        {"title": TEXT},
        {"description": TEXT, "error_id": TEXT, "error_code": TEXT, "http_status": TEXT, "external_details": TEXT},
    ),
}


def check(kind: str, value: Any) -> Any:
    """Check a resource, and return it."""
    required, optional = RESOURCES[kind]
    assert isinstance(value, dict), value
    assert set(required) <= set(value), (kind, value)
    for name, item in value.items():
        if name in required or name in optional:
            _check_type((required | optional)[name], item)
        else:
            assert re.fullmatch(r"x_[a-z0-9_]{1,248}", name), (kind, name)
    return value


def _check_type(kind: str, value: Any) -> None:
    if kind == TRUTH:
        assert isinstance(value, bool)
    elif kind == NUMBER:
        assert isinstance(value, int)
        assert not isinstance(value, bool)
        assert 0 <= value <= LARGEST
    elif kind == TEXTS:
        assert isinstance(value, list)
        assert value
        assert all(isinstance(item, str) for item in value)
    elif kind == "details":
        assert isinstance(value, list)
        assert value
        for item in value:
            check("status-detail", item)
    else:
        assert isinstance(value, str)
        assert value
        assert kind != TIME or TIMESTAMP.fullmatch(value)
        assert kind != UUID4 or uuid.UUID(value).version == 4


def document(reply: Reply) -> Any:
    """Return the JSON of an answer: UTF-8, no member twice, the media type of the standard."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), pairs
        return dict(pairs)

    assert reply.headers["Content-Type"] == TAXII
    found = json.loads(reply.body.decode("utf-8"), object_pairs_hook=unique)
    json.dumps(found, ensure_ascii=False).encode("utf-8")  # no lone surrogates
    return found


def listing(reply: Reply, member: str) -> list[Any]:
    """Check an envelope, manifest or versions resource with its headers, and return what it lists."""
    assert reply.status == 200, reply
    body = document(reply)
    assert set(body) <= {"more", "next", member}
    assert isinstance(body.get("more", False), bool)
    assert ("next" in body) == body.get("more", False)
    assert isinstance(body.get("next", ""), str)
    assert all(TIMESTAMP.fullmatch(date) for date in reply.dates)
    assert reply.dates[0] <= reply.dates[1]
    if member in body:
        assert isinstance(body[member], list)
        assert body[member]
    return body.get(member, [])


def envelope(reply: Reply) -> list[dict[str, Any]]:
    """Check an envelope, and return its objects."""
    objects = listing(reply, "objects")
    assert all(isinstance(each, dict) and each["type"] and each["id"].startswith(f"{each['type']}--") for each in objects)
    return objects


def manifest(reply: Reply) -> list[dict[str, Any]]:
    """Check a manifest, and return its entries."""
    entries = listing(reply, "objects")
    for entry in entries:
        check("manifest-entry", entry)
        assert "media_type" not in entry or MEDIA_TYPE.fullmatch(entry["media_type"])
    return entries


def versions(reply: Reply) -> list[str]:
    """Check a versions resource, and return the versions."""
    texts = listing(reply, "versions")
    assert all(isinstance(text, str) for text in texts)
    return texts


def status(reply: Reply, code: int = 202) -> dict[str, Any]:
    """Check a status resource, and return it."""
    assert reply.status == code, reply
    found = check("status", document(reply))
    assert found["status"] in {"complete", "pending"}
    assert found["total_count"] == found["success_count"] + found["failure_count"] + found["pending_count"]
    for name, count in (("successes", "success_count"), ("failures", "failure_count"), ("pendings", "pending_count")):
        assert len(found.get(name, [])) == found[count] or name not in found
    return found


def error(reply: Reply, code: int) -> dict[str, Any]:
    """Check an error resource, and return it."""
    assert reply.status == code, reply
    found = check("error", document(reply))
    assert found.get("http_status", str(code)) == str(code)
    return found
