"""Rules of a scenario file to what is in force: the structured terms of its ``about.rule_terms``, one to one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Change, Hold, InForce, Membership, Never, Party, Share, To, What
from taxii_fed.core.stix.levels import Level, parse_level
from taxii_fed.core.timestamps import parse_rfc3339

_WHAT = {
    "types": "type",
    "labels_any": "label",
    "origin": "origin",
    "origin_jurisdiction": "origin_jurisdiction",
    "created_by": "created_by",
    "keys": "id",
    "min_tlp": "min_tlp",
    "min_confidence": "min_confidence",
    "max_confidence": "max_confidence",
    "expired": "expired",
}
_TO = ("party", "role", "jurisdiction", "sector", "community", "organisation")
_RULE = {"id", "direction", "effect", "to", "objects", "collections", "reason", "override", "note", "why"}
_SHARE = {"max_tlp", "max_tlp_relayed", "unmarked_as", "unknown_types", "marking_map"}
_HOLD = {"until", "approval"}
_CHANGE = {"transform", "if_not_possible", "unknown_properties"}
_INBOUND = {"from", "accept_max_tlp", "above", "home_of", "max_removal_share", "min_for_guard"}


class UnknownTermError(ValueError):
    """A term that this runner does not know: the scenario can't be run, and must not pass."""


def names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def rules_in_force(base: InForce, rules: list[dict[str, Any]], objects: dict[str, dict[str, Any]]) -> InForce:
    """Return ``base`` with the outbound rules of a scenario; ``objects``: object key to the object."""
    for rule in rules:
        _one_of(rule, "direction", "outbound", "inbound")
    ids = {key: obj["id"] for key, obj in objects.items()}
    outbound = [rule for rule in rules if rule["direction"] == "outbound"]
    markings: dict[str, Level] = {}
    for rule in outbound:
        for key, level in (rule.get("marking_map") or {}).items():
            markings[ids.get(key, key)] = parse_level(level)
    made = [_rule(rule, ids, _pins(objects)) for rule in outbound]
    return replace(
        base,
        markings=markings,
        share=tuple(rule for rule in made if isinstance(rule, Share)),
        never=tuple(rule for rule in made if isinstance(rule, Never)),
        hold=tuple(rule for rule in made if isinstance(rule, Hold)),
        change=tuple(rule for rule in made if isinstance(rule, Change)),
    )


def inbound_terms(rules: list[dict[str, Any]], ids: dict[str, str]) -> dict[str, tuple[PeerTerms, dict[str, Any]]]:
    """Return, for each peer with an inbound rule, its terms and the terms of its removal guard."""
    result = {}
    for rule in rules:
        if rule["direction"] != "inbound":
            continue
        _known(rule, _RULE | _INBOUND)
        _one_of(rule, "above", "quarantine", "drop")
        terms = PeerTerms(
            accept_up_to=parse_level(rule.get("accept_max_tlp", "RED")),
            drop_above=rule.get("above") == "drop",
            home_of=frozenset(ids[key] for key in rule.get("home_of", ())),
        )
        guard = {key: rule[key] for key in ("max_removal_share", "min_for_guard") if key in rule}
        result[rule["from"]] = (terms, guard)
    return result


def party_of(name: str, attributes: dict[str, Any], publish: tuple[str, ...] = ()) -> Party:
    return Party(
        name=name,
        role=attributes.get("role", "public"),
        jurisdiction=attributes.get("jurisdiction", ""),
        sector=attributes.get("sector", ""),
        organisation=attributes.get("organisation", ""),
        communities=tuple(Membership(each) for each in attributes.get("communities", ())),
        publish=publish,
        accounts=(name,),
    )


def _known(rule: dict[str, Any], terms: set[str]) -> None:
    for term in rule.keys() - terms:
        raise UnknownTermError(f"rule {rule.get('id')}: unknown term {term!r}")


def _one_of(rule: dict[str, Any], term: str, *values: Any) -> None:
    if rule.get(term, values[0]) not in values:
        raise UnknownTermError(f"rule {rule.get('id')}: unknown {term} {rule[term]!r}")


def _pins(objects: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return what names exactly the object of each key: its id, and its version where several keys hold versions of one id."""
    count = Counter(obj["id"] for obj in objects.values())
    return {
        key: obj["id"] if count[obj["id"]] == 1 else f"{obj['id']}@{obj.get('modified') or obj.get('created') or ''}"
        for key, obj in objects.items()
    }


def _rule(rule: dict[str, Any], ids: dict[str, str], pins: dict[str, str]) -> Share | Never | Hold | Change:
    common: dict[str, Any] = {
        "name": rule["id"],
        "to": _to(rule.get("to") or {}),
        "what": _what(rule.get("objects") or {}, ids, pins),
        "collections": names(rule.get("collections") or ()),
        "reason": rule.get("reason", ""),
    }
    effect = rule["effect"]
    if effect == "share":
        _known(rule, _RULE | _SHARE)
        _one_of(rule, "unknown_types", "withhold", "share")
        up_to = parse_level(rule["max_tlp"])
        relayed = rule.get("max_tlp_relayed")
        unmarked = rule.get("unmarked_as", "withhold")
        return Share(
            up_to=up_to,
            relayed_up_to=parse_level(relayed) if relayed else min(up_to, Level.GREEN),
            unmarked_as=None if unmarked == "withhold" else parse_level(unmarked),
            unknown_types=rule.get("unknown_types") == "share",
            override=bool(rule.get("override")),
            **common,
        )
    if effect == "withhold":
        _known(rule, _RULE | {"marking_map"})
        return Never(**common)
    if effect == "hold":
        _known(rule, _RULE | _HOLD)
        until = rule.get("until")
        if not until and not rule.get("approval"):
            raise UnknownTermError(f"rule {rule['id']}: a hold until when?")
        return Hold(until_at=parse_rfc3339(until) if until else None, approval=bool(rule.get("approval")), **common)
    if effect == "transform":
        _known(rule, _RULE | _CHANGE)
        _one_of(rule, "if_not_possible", "withhold")
        _one_of(rule, "unknown_properties", "keep", "remove-if-hit")
        return Change(
            **_edits(rule["transform"]), remove_unknown_if_hit=rule.get("unknown_properties") == "remove-if-hit", **common
        )
    raise UnknownTermError(f"rule {rule['id']}: unknown effect {effect!r}")


def _edits(transform: dict[str, Any]) -> dict[str, Any]:
    terms = dict(transform)
    kind = terms.pop("kind")
    if kind == "generalise-ip":
        edits = {"generalise_v4": terms.pop("v4", None), "generalise_v6": terms.pop("v6", None)}
    elif kind == "redact-ip-text":
        edits = {"redact_text": ("ip",), "redact_token": terms.pop("token", "[removed]")}
    elif kind == "pseudonymise-email":
        edits = {
            "pseudonymise_email": terms.pop("key"),
            "keep_patterns": bool(terms.pop("keep_in_patterns", False)),
            "pseudonymise_text": bool(terms.pop("text", False)),
        }
        if "token" in terms:
            edits["redact_token"] = terms.pop("token")
    elif kind == "drop-properties":
        edits = {"drop": names(terms.pop("properties"))}
    elif kind == "anonymise-creator":
        edits = {"hide_creator": True}
    else:
        raise UnknownTermError(f"unknown transform {kind!r}")
    if terms:
        raise UnknownTermError(f"transform {kind}: unknown terms {sorted(terms)}")
    return edits


def _to(terms: dict[str, Any]) -> To:
    given = {key: names(value) for key, value in terms.items() if not key.startswith("not_")}
    negated = {key.removeprefix("not_"): names(value) for key, value in terms.items() if key.startswith("not_")}
    for key in (*given, *negated):
        if key not in _TO:
            raise UnknownTermError(f"unknown term of 'to': {key!r}")
    return To(**given, but_not=tuple(To(**{key: value}) for key, value in negated.items()))


def _what(terms: dict[str, Any], ids: dict[str, str], pins: dict[str, str]) -> What:
    given = dict(_term(key, value, ids, pins) for key, value in terms.items() if not key.startswith("not_"))
    negated = [_term(key.removeprefix("not_"), value, ids, pins) for key, value in terms.items() if key.startswith("not_")]
    return What(**given, but_not=tuple(What(**{key: value}) for key, value in negated))


def _term(key: str, value: Any, ids: dict[str, str], pins: dict[str, str]) -> tuple[str, Any]:
    if key not in _WHAT:
        raise UnknownTermError(f"unknown term of 'objects': {key!r}")
    if key in ("created_by", "keys"):
        return _WHAT[key], tuple((ids if key == "created_by" else pins).get(each, each) for each in names(value))
    if key == "min_tlp":
        return _WHAT[key], parse_level(value)
    if key in ("min_confidence", "max_confidence", "expired"):
        return _WHAT[key], value
    return _WHAT[key], names(value)
