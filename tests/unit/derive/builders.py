"""Objects and edits for the tests of derived copies."""

from taxii_fed.core.derive import Edits, merge_edits
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.model import Change

KEYS = Keys(b"a node secret of thirty-two bytes")
NODE = "identity--0a1f0000-0000-4000-8000-000000000000"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"

GENERALISE = Change(name="coarser", generalise_v4=24, generalise_v6=48)
REDACT_IP = Change(name="no ip in text", redact_text=("ip",), redact_token="[ip removed]")
PSEUDONYMS = Change(name="no mail", pseudonymise_email="k-us")


def edits(*changes, **terms) -> Edits:
    return merge_edits(changes, **terms)


def indicator(pattern="[domain-name:value = 'mixed.example']", **more):
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--68431cc7-bc7f-436b-9d1b-a2b2f1f17a22",
        "created": "2026-02-10T08:00:00.000Z",
        "modified": "2026-02-10T08:00:00.000Z",
        "name": "Loader",
        "indicator_types": ["malicious-activity"],
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-02-10T08:00:00Z",
        **more,
        "object_marking_refs": more.get("object_marking_refs", [GREEN]),
    }


def domain_object(kind, **more):
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--3c6a38ba-f1f2-4013-a4bf-86098792d467",
        "created": "2026-02-10T08:00:00.000Z",
        "modified": "2026-02-10T08:00:00.000Z",
        **more,
    }


def observable(kind, **more):
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--985b9abb-05e9-522b-a869-f7db86c19a2b", **more}
