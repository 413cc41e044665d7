"""Synthetic STIX 2.1 of the shape that feeds have: mostly indicators, mean size near 780 bytes, the same for the same seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import orjson

GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"

_WORDS = (
    "phishing kit observed against retail banking customers with a look-alike login page that forwards one-time codes to the operator "
    "card skimmer loaded from a compromised tag manager exfiltrates primary account numbers through an image request to a host "
    "loader delivered by an invoice themed attachment contacts its controller every few minutes and fetches a remote access tool"
).split(" ")


def objects(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield ``count`` objects as JSON bytes: 70 % indicators, the rest malware, observables, reports and relationships."""
    rng = random.Random(seed)
    author = f"identity--{_uuid(rng)}"
    recent: list[str] = []
    for index in range(count):
        make = _SHAPES[rng.randrange(len(_SHAPES))]
        value = make(rng, index, recent)
        if value["type"] != "ipv4-addr":
            day = f"2026-{1 + index % 9:02d}-{1 + index % 28:02d}"
            moment = f"{day}T{index % 24:02d}:{index // 7 % 60:02d}:{index % 60:02d}.{index % 1000:03d}Z"
            value = {**value, "created": moment, "modified": moment, "created_by_ref": author}
        value["object_marking_refs"] = [rng.choice((GREEN, GREEN, CLEAR, AMBER))]
        if value["type"] != "relationship":
            recent = [*recent[-19:], str(value["id"])]
        yield orjson.dumps(value)


def envelopes(items: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield POST bodies of ``size`` objects each."""
    batch: list[bytes] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield b'{"objects":[' + b",".join(batch) + b"]}"
            batch = []
    if batch:
        yield b'{"objects":[' + b",".join(batch) + b"]}"


def _uuid(rng: random.Random) -> uuid.UUID:
    return uuid.UUID(int=rng.getrandbits(128), version=4)


def _base(rng: random.Random, kind: str) -> dict[str, object]:
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{_uuid(rng)}"}


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words))


def _indicator(rng: random.Random, index: int, _: list[str]) -> dict[str, object]:
    address = f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{index % 256}"
    return _base(rng, "indicator") | {
        "name": f"Campaign {index}: {_text(rng, 4)}",
        "description": _text(rng, 16),
        "indicator_types": ["malicious-activity"],
        "pattern": f"[ipv4-addr:value = '{address}'] OR [url:value = 'https://login{index}.example/verify']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": "2026-03-02T09:00:00Z",
        "labels": rng.sample(("phishing", "credential-theft", "retail-banking", "card-fraud"), 2),
        "confidence": rng.randrange(30, 100),
        "kill_chain_phases": [{"kill_chain_name": "lockheed-martin-cyber-kill-chain", "phase_name": "delivery"}],
    }


def _malware(rng: random.Random, index: int, _: list[str]) -> dict[str, object]:
    return _base(rng, "malware") | {
        "name": f"Loader {index}",
        "description": _text(rng, 40),
        "malware_types": ["trojan"],
        "is_family": True,
    }


def _address(rng: random.Random, index: int, _: list[str]) -> dict[str, object]:
    return _base(rng, "ipv4-addr") | {"value": f"198.18.{index // 256 % 256}.{index % 256}"}


def _relationship(rng: random.Random, index: int, recent: list[str]) -> dict[str, object]:
    if len(recent) < 2:
        return _indicator(rng, index, recent)
    source, target = rng.sample(recent, 2)
    return _base(rng, "relationship") | {"relationship_type": "related-to", "source_ref": source, "target_ref": target}


def _report(rng: random.Random, index: int, recent: list[str]) -> dict[str, object]:
    if not recent:
        return _indicator(rng, index, recent)
    return _base(rng, "report") | {
        "name": f"Weekly digest {index}",
        "description": _text(rng, 50),
        "report_types": ["threat-report"],
        "published": "2026-03-02T09:00:00Z",
        "object_refs": rng.sample(recent, min(5, len(recent))),
    }


_SHAPES = [_indicator] * 14 + [_malware] * 2 + [_address] * 1 + [_relationship] * 2 + [_report] * 1
