"""The kinds of values that settings are made of: a type, how it is read, and how JSON Schema says it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, PlainValidator, SecretBytes, SecretStr, TypeAdapter, ValidationInfo, WithJsonSchema

from taxii_fed.config import scalars
from taxii_fed.config.declared import Declared
from taxii_fed.config.problems import nearest, shown
from taxii_fed.config.scalars import UUID, Address, Duration, Matching, Network, OneOf, StoreAddress, Whole, mistake
from taxii_fed.config.section import Several
from taxii_fed.core.levels import NAMES, TLP_LEVELS, Level


@dataclass(frozen=True, slots=True)
class NameOf:
    """The name of something declared elsewhere in the configuration, such as a party."""

    kind: str

    def __call__(self, raw: Any, info: ValidationInfo) -> str:
        name = scalars.line(raw)
        if isinstance(info.context, Declared):
            known = info.context.names(self.kind)
            if name not in known:
                raise mistake(f"no {self.kind} {shown(name)} is declared", hint=nearest(name, known), expected=_choice(known))
        return name


def _choice(known: frozenset[str]) -> str:
    few = sorted(known)
    return f"one of {', '.join(few)}" if 1 < len(few) <= 8 else ""


def _string(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **more})


def words(*choice: str) -> WithJsonSchema:
    """Return the JSON Schema of a choice of words."""
    return WithJsonSchema({"enum": list(choice)})


TAXII_VERSIONS = WithJsonSchema({"enum": ["2.1", "2.0", 2.1, 2.0]})
Line = Annotated[str, PlainValidator(scalars.line), _string(minLength=1)]
Paragraph = Annotated[str, PlainValidator(scalars.paragraph), _string()]
Name = Annotated[str, PlainValidator(scalars.name), _string(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
PathSegment = Annotated[str, PlainValidator(scalars.path_segment), _string(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
AccountName = Annotated[str, PlainValidator(scalars.account_name), _string(pattern="^[^\\s:]{1,200}$")]
Uuid4 = Annotated[str, PlainValidator(scalars.uuid4), _string(format="uuid")]

PartyName = Annotated[str, PlainValidator(NameOf("party")), _string()]
PeerName = Annotated[str, PlainValidator(NameOf("peer")), _string()]
CollectionName = Annotated[str, PlainValidator(NameOf("collection")), _string()]
ApiRootName = Annotated[str, PlainValidator(NameOf("API root")), _string()]
CommunityName = Annotated[str, PlainValidator(NameOf("community")), _string()]
JurisdictionName = Annotated[str, PlainValidator(NameOf("jurisdiction")), _string()]
OrganisationName = Annotated[str, PlainValidator(NameOf("organisation")), _string()]
SectorName = Annotated[str, PlainValidator(NameOf("sector")), _string()]
OriginName = Annotated[str, PlainValidator(NameOf("origin")), _string()]

ROLES = (
    "own", "bank", "insurer", "broker", "payment-provider", "regulator", "law-enforcement", "cert", "vendor", "peer", "public",
)  # fmt: skip
Role = Annotated[str, PlainValidator(OneOf(ROLES)), words(*ROLES)]

Flag = Annotated[bool, PlainValidator(scalars.flag), WithJsonSchema({"type": "boolean"})]
Tlp = Annotated[Level, PlainValidator(scalars.tlp), words(*NAMES)]
Instant = Annotated[
    int,
    PlainValidator(scalars.instant),
    _string(pattern=r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$"),
]


def _release(raw: Any) -> int | None:
    if isinstance(raw, str) and raw == APPROVED:
        return None
    return scalars.instant(raw)


APPROVED = "approved"
Release = Annotated[int | None, PlainValidator(_release), _string()]
"""An instant, or None for ``approved``."""
SPAN_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^[0-9]+[smhd]$", "x-kind": "span"})
TimeSpan = Annotated[int, PlainValidator(Duration()), SPAN_SCHEMA]
Size = Annotated[int, PlainValidator(scalars.size), WithJsonSchema({"type": ["string", "integer"], "x-kind": "size"})]
Percent = Annotated[
    float,
    PlainValidator(scalars.percent),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$", "x-kind": "percent"}),
]


def _whole(least: int, most: int) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(Whole(least, most)), WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


Confidence = Annotated[int, *_whole(0, 100)]
PAGE_SIZE = Whole(1, 100_000)
PageSize = Annotated[int, *_whole(1, 100_000)]
Count = Annotated[int, *_whole(1, 1_000_000_000)]
PrefixV4 = Annotated[int, *_whole(8, 32)]
PrefixV6 = Annotated[int, *_whole(16, 128)]

_IDENTITY = Matching(f"identity--{UUID}", "the id of an identity, such as identity--<UUID>", fold=True)
_STIX_ID = Matching(f"[a-z][a-z0-9-]{{1,249}}--{UUID}", "a STIX id, such as indicator--<UUID>", fold=True)
PROPERTY = Matching("[a-z][a-z0-9_]{1,249}", "the name of a STIX property, such as contact_information")
IdentityId = Annotated[str, PlainValidator(_IDENTITY), _string(pattern=f"^identity--{UUID}$")]
StixId = Annotated[str, PlainValidator(_STIX_ID), _string(pattern=f"^[a-z][a-z0-9-]+--{UUID}$")]
PROPERTY_SCHEMA = _string(pattern="^[a-z][a-z0-9_]+$")

FilePath = Annotated[Path, PlainValidator(scalars.existing_file), _string(minLength=1)]
ListenAddress = Annotated[Address, PlainValidator(scalars.address), WithJsonSchema({"type": "string", "x-kind": "address"})]
IpNetwork = Annotated[Network, PlainValidator(scalars.network), _string()]
WebUrl = Annotated[str, PlainValidator(scalars.web_url), _string(format="uri")]
BaseUrl = Annotated[str, PlainValidator(scalars.base_url), _string(format="uri")]
StoreUrl = Annotated[StoreAddress, PlainValidator(scalars.store_address), _string(pattern="^sqlite:.")]

PasswordHash = Annotated[SecretStr, PlainValidator(scalars.password_hash), _string(pattern=r"^\$argon2id\$")]
TokenHash = Annotated[SecretStr, PlainValidator(scalars.token_hash), _string(pattern="^[0-9a-fA-F]{64}$")]
ONLY_OUTSIDE = {"x-only-outside": True}
Secret = Annotated[SecretStr, PlainValidator(scalars.secret_text), WithJsonSchema(ONLY_OUTSIDE)]
NodeKey = Annotated[SecretBytes, PlainValidator(scalars.node_key), WithJsonSchema(ONLY_OUTSIDE)]
ProxyUrl = Annotated[SecretStr, PlainValidator(scalars.proxy_url), _string(format="uri")]


def alias(raw: Any) -> str:
    """A collection's second id: a part of a URL that can't be taken for a UUID."""
    text = scalars.name(raw)
    if re.fullmatch(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}", text):
        raise mistake("an alias may not look like a UUID")
    return text


Alias = Annotated[str, PlainValidator(alias), _string(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


def fingerprint(raw: Any) -> str:
    """The SHA-256 of a certificate, in lower-case hex digits without colons."""
    text = scalars.text_of(raw).replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise mistake(expected="the SHA-256 of a certificate: 64 hex digits, with or without colons")
    return text


FINGERPRINT_SCHEMA = _string(pattern="^([0-9A-Fa-f]{2}:?){32}$")

HEADER_NAME = Matching("[A-Za-z0-9-]{1,100}", "the name of an HTTP header, such as X-Api-Key")
HEADER_SCHEMA = _string(pattern="^[A-Za-z0-9-]{1,100}$")

ANY_NETWORK: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


_NETWORKS: TypeAdapter[tuple[Network, ...]] = TypeAdapter(
    tuple[Annotated[Network, PlainValidator(scalars.network)], ...], config=ConfigDict(arbitrary_types_allowed=True)
)


def private_networks(raw: Any) -> tuple[Network, ...]:
    """``true`` (all), ``false`` (none), or a list of networks."""
    if isinstance(raw, (list, tuple)):
        return _NETWORKS.validate_python(raw)
    text = scalars.text_of(raw).casefold()
    if text in {"true", "false"}:
        return ANY_NETWORK if text == "true" else ()
    raise mistake(expected="true, false or a list of networks such as [10.1.0.0/16]")


PRIVATE_SCHEMA = WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]})


def marking_key(raw: Any) -> str:
    """What a marking is known by: the id of its definition, or a determination of the ACS extension."""
    text = scalars.text_of(raw)
    if text.startswith("acs:formal_determination=") and len(text) > 25:
        return text
    text = _MARKING(raw)
    if text in TLP_LEVELS:
        raise mistake(f"the level of this id is fixed: it is TLP:{TLP_LEVELS[text]}")
    return text


_MARKING = Matching(f"marking-definition--{UUID}", "marking-definition--<UUID> or acs:formal_determination=VALUE", fold=True)
MarkingKey = Annotated[str, PlainValidator(marking_key), _string()]

OneOrMore = Several(one_too=True)
