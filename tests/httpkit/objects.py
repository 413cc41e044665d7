"""STIX objects for tests."""

import json
import uuid
from typing import Any

TLP_GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
TLP_AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
TLP_RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")


def stix_id(kind: str, number: int) -> str:
    """Return the id of the ``number``-th object of a kind: UUIDv4 layout, the same in every run."""
    return f"{kind}--{uuid.UUID(int=(number + 1) << 64 | 0x8000_0000_0000_0000 | number, version=4)}"


def indicator(
    number: int, *, modified: str = "2026-01-01T00:00:00.000Z", marking: str = TLP_GREEN, **more: Any
) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": stix_id("indicator", number),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": modified,
        "name": f"indicator {number}",
        "pattern": f"[domain-name:value = 'host{number}.example']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        "object_marking_refs": [marking],
        **more,
    }


def malware(number: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "malware",
        "spec_version": "2.1",
        "id": stix_id("malware", number),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": f"malware {number}",
        "is_family": False,
        "object_marking_refs": [TLP_GREEN],
        **more,
    }


def domain(value: str) -> dict[str, Any]:
    """An observable: neither modified nor created."""
    return {
        "type": "domain-name",
        "spec_version": "2.1",
        "id": f"domain-name--{uuid.uuid5(NAMESPACE, json.dumps({'value': value}, separators=(',', ':')))}",
        "value": value,
        "object_marking_refs": [TLP_GREEN],
    }


def statement(number: int, text: str = "Copyright") -> dict[str, Any]:
    """A marking definition: created, but never modified."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": stix_id("marking-definition", number),
        "created": "2026-01-01T00:00:00.000Z",
        "definition_type": "statement",
        "definition": {"statement": text},
    }
