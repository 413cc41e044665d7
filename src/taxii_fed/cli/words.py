"""Reasons in words that a person understands: every one that the core gives, as one sentence (I9)."""

from __future__ import annotations

from taxii_fed.core.rules.door import Ruling
from taxii_fed.core.rules.judge import Reason

WITHHELD: dict[str, str] = {
    Reason.NO_RULE: "no share rule lets this object through to this party",
    Reason.TYPE_NOT_ALLOWED: "the share rules name other types of object",
    Reason.UNKNOWN_TYPE: "its type is none of STIX, and no share rule says 'unknown_types: share'",
    Reason.EXPIRED: "it has expired, and the share rules leave expired objects out",
    Reason.UNKNOWN_MARKING: "it carries a marking that nothing explains: no entry of 'markings', and no definition from where it came from",
    Reason.UNMARKED: "it has no TLP marking, and no share rule says what that counts as",
    Reason.ABOVE_CEILING: "its TLP level is above what the share rules allow",
    Reason.VETOED: "a never rule keeps it back",
    Reason.LAPSED: "the change that it must go through is over, so it stays here",
    Reason.EMBARGOED: "a hold keeps it back until a time",
    Reason.HELD: "a hold keeps it back until a person approves",
    Reason.PROPERTY_MARKING: "a property that it can't do without is marked above what the share rules allow",
    Reason.UNTRANSFORMABLE: "it can't be edited surely as a change rule asks, or would not be valid STIX afterwards",
    Reason.SUPERSEDED: "a newer version of it may not go out, so no older one does",
    Reason.CREATOR_HIDDEN: "it made something whose creator is hidden",
    Reason.REFERENCE_WITHHELD: "it is nothing without an object that is withheld",
}
"""Why something is not visible."""

BEYOND_RULES = frozenset(
    {
        Reason.PROPERTY_MARKING,
        Reason.UNTRANSFORMABLE,
        Reason.SUPERSEDED,
        Reason.CREATOR_HIDDEN,
        Reason.REFERENCE_WITHHELD,
    }
)
"""Why something is withheld that a share rule would let through."""

EDITED: dict[str, str] = {
    Reason.REFERENCE_CUT: "references to what is withheld were cut",
    Reason.CREATOR_HIDDEN: "its creator was left out",
    Reason.PROPERTY_MARKING: "properties that are marked above the ceiling were cut",
    Reason.OVERRIDE: "released by statute",
    "property-dropped": "properties were left out",
    "unknown-property-removed": "custom properties in which something would be edited were left out",
    "ip-generalised": "IP addresses were cut to networks",
    "ip-redacted": "IP addresses in text were taken out",
    "email-pseudonymised": "mail addresses were replaced by pseudonyms",
    "email-redacted": "mail addresses in text were taken out",
    "re-marked": "its marking was raised",
    "revoked": "its maker revoked it",
    "withdrawn": "a notice of withdrawal",
}
"""What was done to what is visible, or is noted of it."""

MOVED = "what it refers to goes out as a copy, so it names that"
"""Why something goes out as a copy to which nothing else was done (convention 10)."""

ENDED: dict[str, str] = {
    **WITHHELD,
    "rule-tightened": "the rules no longer let it out",
    "deleted-at-origin": "it was deleted or withdrawn where it came from",
    "erased": "it was erased",
    "newest-again": "it became the newest version again, with a new date",
    "rebuilt": "it was made anew by `taxii-fed rebuild`",
    "changed": "it goes out in another form since",
    "returned": "what it told of has returned",
    "notice-over": "its time was over",
    "party-left": "the party lost the collection",
}
"""Why something ended."""

AT_THE_DOOR: dict[str, str] = {
    Ruling.NEW: "taken in",
    Ruling.KNOWN: "known already, with the same content",
    Ruling.VARIANT: "an observable that is known with other content; the first stays",
    Ruling.CONFLICT: "quarantined: the same id and version stands here with other content",
    Ruling.NOT_CREATOR: "quarantined: a version from somebody who is not the object's home",
    Ruling.ABOVE: "quarantined: marked above what is accepted of this peer",
    Ruling.CLAIMS_NODE: "refused: it claims to be made by this node",
    Ruling.DELETED: "refused: it was deleted here, and only its home may bring it back",
    Ruling.ERASED: "refused: it was erased here",
    Ruling.NOTICE: "a notice of the peer's own that it withdraws something; carried out",
    Ruling.INVALID: "refused: no STIX object that can be handled",
    "deleted-at-origin": "withdrawn: it is gone there, and nobody else offers it",
    "mass-removal-guard": "gone there, with much else: it stays until a person agrees",
    "released-by-a-person": "released from quarantine by a person",
    "dropped-by-a-person": "dropped from quarantine by a person",
}
"""What happened to something when it came in."""

MISSING: dict[str, str] = {
    "quarantined-inbound": "lies in quarantine",
    "deleted-at-origin": "was deleted",
}
"""Why what something refers to is not there."""


def why_not(reason: str) -> str:
    """Return why something is withheld; a rule's own reason is given as it stands."""
    return WITHHELD.get(reason) or MISSING.get(reason) or f"the rule says: {reason}"


def done(reasons: tuple[str, ...]) -> str:
    """Return what was done to something, "" for nothing."""
    return "; ".join(EDITED.get(reason, reason) for reason in reasons)


def form(reasons: tuple[str, ...]) -> str:
    """Return why what goes out is a copy."""
    return done(reasons) or MOVED


def ended(reason: str) -> str:
    """Return why something ended."""
    return ENDED.get(reason) or f"the rule says: {reason}"


def at_the_door(reason: str) -> str:
    """Return what happened when something came in."""
    return AT_THE_DOOR.get(reason, reason)


def giver(name: str) -> str:
    """Return a giver, ``local:PARTY`` or ``peer:NAME:REMOTE``, in words."""
    kind, _, rest = name.partition(":")
    peer, _, theirs = rest.partition(":")
    return f"{peer} (its collection {theirs})" if kind == "peer" else peer
