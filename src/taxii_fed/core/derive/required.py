"""What an object can't be without: required properties of every STIX type (STIX 2.1, sections 4 to 7; 2.0 where it differs)."""

from __future__ import annotations

from typing import Any

from taxii_fed.core.stix.facts import OBSERVABLE_TYPES

Json = dict[str, Any]

_DOMAIN = frozenset({"type", "id", "created", "modified"})
_OBSERVABLE = frozenset({"type", "id"})

_REQUIRED: dict[str, str] = {
    "artifact": "",
    "attack-pattern": "name",
    "autonomous-system": "number",
    "campaign": "name",
    "course-of-action": "name",
    "directory": "path",
    "domain-name": "value",
    "email-addr": "value",
    "email-message": "is_multipart",
    "extension-definition": "created_by_ref name schema version extension_types",
    "file": "",
    "grouping": "context object_refs",
    "identity": "name",
    "incident": "name",
    "indicator": "pattern pattern_type valid_from",
    "infrastructure": "name",
    "intrusion-set": "name",
    "ipv4-addr": "value",
    "ipv6-addr": "value",
    "language-content": "object_ref contents",
    "location": "",
    "mac-addr": "value",
    "malware": "is_family",
    "malware-analysis": "product",
    "mutex": "name",
    "network-traffic": "protocols",
    "note": "content object_refs",
    "observed-data": "first_observed last_observed number_observed",
    "opinion": "opinion object_refs",
    "process": "",
    "relationship": "relationship_type source_ref target_ref",
    "report": "name published object_refs",
    "sighting": "sighting_of_ref",
    "software": "name",
    "threat-actor": "name",
    "tool": "name",
    "url": "value",
    "user-account": "",
    "vulnerability": "name",
    "windows-registry-key": "",
    "x509-certificate": "",
}
_REQUIRED_20: dict[str, str] = {
    "indicator": "labels pattern valid_from",
    "identity": "name identity_class",
    "malware": "name labels",
    "observed-data": "first_observed last_observed number_observed objects",
    "report": "name labels published object_refs",
    "threat-actor": "name labels",
    "tool": "name labels",
}
_ONE_OF: dict[str, str] = {
    "artifact": "payload_bin url",
    "file": "hashes name",
    "location": "region country latitude",
    "malware-analysis": "result analysis_sco_refs",
    "network-traffic": "src_ref dst_ref",
    "observed-data": "objects object_refs",
    "process": "is_hidden pid created_time cwd command_line environment_variables opened_connection_refs creator_user_ref image_ref "
    "parent_ref child_refs name created arguments binary_ref extensions",
    "user-account": "user_id account_login account_type display_name credential is_service_account extensions",
    "x509-certificate": "is_self_signed hashes version serial_number signature_algorithm issuer validity_not_before validity_not_after "
    "subject subject_public_key_algorithm subject_public_key_modulus subject_public_key_exponent x509_v3_extensions",
}
"""At least one of these has to be there."""

REFUSED_CUTS = frozenset(
    {"type", "id", "spec_version", "created", "modified", "revoked", "object_marking_refs", "granular_markings"}
)
"""What can't be cut without saying something untrue: identity, version, revocation, markings."""


_GIVEN_ANEW = frozenset({"created_by_ref"})
"""What every copy gets from the node."""


def required_of(obj: Json) -> frozenset[str]:
    """Return the names of the properties that an object of this type and edition must have."""
    kind = obj["type"]
    old = "spec_version" not in obj and kind not in OBSERVABLE_TYPES
    names = _REQUIRED_20.get(kind) if old else None
    own = frozenset((_REQUIRED.get(kind, "") if names is None else names).split())
    if kind == "marking-definition":
        return own | {"type", "id", "created"}
    return own | (_DOMAIN if "created" in obj else _OBSERVABLE)


def one_of(obj: Json) -> tuple[str, ...]:
    """Return the names of properties of which at least one must be there; empty: no such rule."""
    return tuple(_ONE_OF.get(obj["type"], "").split())


def missing(obj: Json) -> str:
    """Return the name of a required property that is absent, or the list of those of which one must be there; "" when complete."""
    for name in sorted(required_of(obj)):
        if name not in obj:
            return name
    choice = one_of(obj)
    return "" if not choice or any(name in obj for name in choice) else " or ".join(choice)


def still_complete(before: Json, after: Json) -> bool:
    """Return whether ``after`` has every required property that ``before`` had; what was missing before does not count."""
    if any(name in before and name not in after for name in required_of(before) - _GIVEN_ANEW):
        return False
    choice = one_of(before)
    return not any(name in before for name in choice) or any(name in after for name in choice)
