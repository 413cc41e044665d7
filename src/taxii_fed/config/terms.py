"""Sharing rules as they are written: two matchers and four verbs (sharing model, section 3).

The docstrings below the fields are what the reference and the JSON Schema say of them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import PydanticCustomError

from taxii_fed.config import kinds
from taxii_fed.config.kinds import Flag, Line, OneOrMore, Tlp
from taxii_fed.config.problems import nearest, shown
from taxii_fed.config.scalars import instant, mistake, text_of
from taxii_fed.config.section import Errors, Section, Several
from taxii_fed.config.value import Value, string, word
from taxii_fed.core.stix.facts import STIX_TYPES


def _object_type(raw: Any) -> str:
    """An object type of STIX, or a custom one. What looks like a misspelt STIX type is refused: a veto must not miss its aim."""
    text = text_of(raw)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,249}", text):
        raise mistake(expected="an object type, such as indicator or x-acme-case", hint=nearest(text, STIX_TYPES))
    if text not in STIX_TYPES and not text.startswith("x-"):
        hint = nearest(text, STIX_TYPES)
        if hint:
            raise mistake(f"no STIX type {shown(text)}", hint=hint)
    return text


ObjectType = Annotated[str, Value(_object_type, string(pattern="^[a-z0-9][a-z0-9-]+$"))]


class _Matcher(Section):
    """A mapping of terms that must all match."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """An empty ``not`` would match everything, and so nothing at all."""
        negated = given.get("not")
        for index, each in enumerate(negated if isinstance(negated, list) else [negated]):
            if isinstance(each, dict) and not each:
                place: tuple[str | int, ...] = ("not", index) if isinstance(negated, list) else ("not",)
                yield place, mistake("an empty matcher matches all, so 'not' leaves nothing")


class ToTerms(_Matcher):
    """Which readers. Every given term must match one of its values; nothing given matches all."""

    party: Annotated[tuple[kinds.PartyName, ...], OneOrMore] = ()
    """Names of parties."""
    role: Annotated[tuple[kinds.Role, ...], OneOrMore] = ()
    """Roles."""
    jurisdiction: Annotated[tuple[kinds.JurisdictionName, ...], OneOrMore] = ()
    """Jurisdictions; one with parts also matches its parts."""
    sector: Annotated[tuple[kinds.SectorName, ...], OneOrMore] = ()
    """Sectors of parties."""
    community: Annotated[tuple[kinds.CommunityName, ...], OneOrMore] = ()
    """Communities that the party is a member of at the time."""
    organisation: Annotated[tuple[kinds.OrganisationName, ...], OneOrMore] = ()
    """Organisations of parties."""
    but_not: Annotated[tuple[ToTerms, ...], OneOrMore] = Field(default=(), alias="not")
    """Takes out the readers that these terms match; a list takes out those that any of its items matches."""


class WhatTerms(_Matcher):
    """Which objects. Every given term must match one of its values; nothing given matches all."""

    type: Annotated[tuple[ObjectType, ...], OneOrMore] = ()
    """Object types."""
    label: Annotated[tuple[Line, ...], OneOrMore] = ()
    """Labels of the object."""
    origin: Annotated[tuple[kinds.OriginName, ...], OneOrMore] = ()
    """Where it came from: `local`, or names of peers."""
    origin_jurisdiction: Annotated[tuple[kinds.JurisdictionName, ...], OneOrMore] = ()
    """Jurisdiction of the origin."""
    created_by: Annotated[tuple[kinds.IdentityId, ...], OneOrMore] = ()
    """Ids of identities in `created_by_ref`."""
    id: Annotated[tuple[kinds.StixId, ...], OneOrMore] = ()
    """Ids of objects."""
    min_tlp: Tlp | None = None
    """Effective TLP level of at least this."""
    min_confidence: kinds.Confidence | None = None
    """Confidence of at least this; never matches an object without confidence."""
    max_confidence: kinds.Confidence | None = None
    """Confidence of at most this; never matches an object without confidence."""
    expired: Flag | None = None
    """Whether `valid_until` has passed; `false` also matches objects without it."""
    but_not: Annotated[tuple[WhatTerms, ...], OneOrMore] = Field(default=(), alias="not")
    """Takes out the objects that these terms match; a list takes out those that any of its items matches."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """Bounds of confidence must leave something between them."""
        yield from super().combinations(given)
        try:
            least, most = int(text_of(given["min_confidence"])), int(text_of(given["max_confidence"]))
        except (KeyError, ValueError, PydanticCustomError):
            return
        if least > most:
            yield ("max_confidence",), mistake("below 'min_confidence': nothing matches")


class RuleTerms(Section):
    """What every rule may have. The name of the rule stands in explanations and in the ledger."""

    to: ToTerms = ToTerms()
    """Which readers."""
    collections: Annotated[tuple[kinds.CollectionName, ...], Several(one_too=True, word="all")] = Field(default=(), alias="in")
    """In which collections: a list of names, or `all`."""
    what: WhatTerms = WhatTerms()
    """Which objects."""
    from_at: kinds.Instant | None = Field(default=None, alias="from")
    """From when on, with an offset."""
    until_at: kinds.Instant | None = Field(default=None, alias="until")
    """Until before when, with an offset."""
    reason: Line = ""
    """The reason that explanations and the ledger give."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """A rule that ends before it begins would never hold."""
        yield from ends_before_it_begins(given)


def ends_before_it_begins(given: dict[str, Any]) -> Errors:
    """Yield the mistake of a mapping whose ``until`` is not later than its ``from``."""
    try:
        start, end = instant(given["from"]), instant(given["until"])
    except (KeyError, PydanticCustomError):
        return
    if end <= start:
        yield ("until",), mistake("not later than 'from'")


class ShareTerms(RuleTerms):
    """A grant: the readers get the objects up to a level."""

    to: ToTerms
    """Which readers."""
    collections: Annotated[tuple[kinds.CollectionName, ...], Several(one_too=True, word="all")] = Field(alias="in")
    """In which collections: a list of names, or `all`."""
    up_to: Tlp
    """The highest TLP level of what was published here."""
    relayed_up_to: Tlp | None = None
    """The highest TLP level of what came from peers; the lower of `up_to` and GREEN when left out."""
    unmarked_as: Tlp | None = None
    """The level that objects without a TLP marking count as; they are withheld when left out."""
    unknown_types: Annotated[str, word("withhold", "share")] = "withhold"
    """Whether object types that STIX does not define pass."""
    override: Flag = False
    """Releases are logged as statutory; lifts nothing."""
    until_at: kinds.Instant | None = Field(default=None, alias="until")
    """Until before when, with an offset; then the grant ends."""


class NeverTerms(RuleTerms):
    """A veto: the readers don't get the objects, whatever is shared."""

    until_at: kinds.Instant | None = Field(default=None, alias="until")
    """Until before when, with an offset; then the veto ends."""


class HoldTerms(RuleTerms):
    """Parks objects until a time or a person's approval."""

    until_at: kinds.Release = Field(alias="until")
    """When the objects go out: a time with an offset, or `approved` for a person's decision on each version."""

    @property
    def approval(self) -> bool:
        """Whether it waits for a person."""
        return self.until_at is None


class GeneraliseTerms(Section):
    """To which prefix IP addresses are cut; at least one of the two."""

    v4: kinds.PrefixV4 | None = None
    """Bits that stay of an IPv4 address."""
    v6: kinds.PrefixV6 | None = None
    """Bits that stay of an IPv6 address."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """Something must be cut."""
        if not given:
            yield (), mistake("nothing to cut", expected="v4, v6 or both")


class PseudonymiseTerms(Section):
    """Mail addresses become keyed hashes, the same ones for the same key."""

    email: kinds.Name
    """Name of the key; another name gives other hashes."""
    keep_in: Annotated[tuple[Annotated[str, word("pattern", "text")], ...], OneOrMore] = Field(default=(), alias="except")
    """Where addresses stay: `pattern` (of indicators) or `text` (free text)."""


EDITS = ("generalise_ip", "redact_text", "pseudonymise", "drop", "hide_creator", "mark", "credit")
KEPT = frozenset("type id spec_version created modified revoked object_marking_refs granular_markings".split())


def _dropped(raw: Any) -> str:
    """The name of a property that may be dropped."""
    text = kinds.PROPERTY(raw)
    if text in KEPT:
        raise mistake(f"{shown(text)} can't be dropped: an object is nothing without it")
    if text == "created_by_ref":
        raise mistake(f"{shown(text)} is not dropped but hidden: write 'hide_creator: true'")
    return text


class ChangeTerms(RuleTerms):
    """Edits that make a derived copy of an object for these readers. What can't be changed surely is withheld."""

    until_at: kinds.Instant | None = Field(default=None, alias="until")
    """Until before when, with an offset; then the objects are withheld until the rule is removed."""
    generalise_ip: GeneraliseTerms | None = None
    """Cut IP addresses to networks, in values, patterns and text."""
    redact_text: Annotated[tuple[Annotated[str, word("ip", "email")], ...], OneOrMore] = ()
    """Replace `ip` or `email` addresses in free text."""
    redact_token: Line = "[removed]"  # noqa: S105 — what text becomes
    """What `redact_text` puts in their place."""
    pseudonymise: PseudonymiseTerms | None = None
    """Replace mail addresses by keyed hashes."""
    drop: Annotated[tuple[Annotated[str, Value(_dropped, kinds.PROPERTY_SCHEMA)], ...], OneOrMore] = ()
    """Leave properties out."""
    hide_creator: Flag = False
    """Leave `created_by_ref` out, and withhold the creator's identity."""
    mark: Tlp | None = None
    """Raise the TLP marking of the copy to at least this."""
    credit: Line = ""
    """Name the source in these words in `external_references`."""
    link: Flag = False
    """Add a derived-from relationship, which gives away the id of the source."""
    unknown_properties: Annotated[str, word("keep", "remove-if-hit")] = "keep"
    """Whether custom properties in which something would be changed go as a whole."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """At least one edit, and no term without the edit that it belongs to."""
        yield from super().combinations(given)
        if not any(edit in given for edit in EDITS):
            yield (), mistake("changes nothing", expected=f"one of {', '.join(EDITS)}")
        if "redact_token" in given and "redact_text" not in given:
            yield ("redact_token",), mistake("has no effect without 'redact_text'")
