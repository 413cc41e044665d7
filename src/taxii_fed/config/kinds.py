"""The kinds of values that settings are made of: a type, how it is read, and how JSON Schema says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretBytes, SecretStr, WithJsonSchema

from taxii_fed.config import credentials, scalars
from taxii_fed.config.problems import nearest
from taxii_fed.config.scalars import UUID, Address, Duration, Matching, Network, OneOf, StoreAddress, Whole, mistake
from taxii_fed.config.section import Several
from taxii_fed.config.value import NameOf, Value, string, word
from taxii_fed.core.stix.levels import NAMES, TLP_LEVELS, Level

OneOrMore = Several(one_too=True)

# -- texts and names -----------------------------------------------------------------------------------------------------

Line = Annotated[str, Value(scalars.line, string(minLength=1))]
Paragraph = Annotated[str, Value(scalars.paragraph)]
Name = Annotated[str, Value(scalars.name, string(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"))]
PathSegment = Annotated[str, Value(scalars.path_segment, string(pattern="^[a-z0-9][a-z0-9-]{0,62}$"))]
AccountName = Annotated[str, Value(scalars.account_name, string(pattern="^[^\\s:]{1,200}$"))]
Uuid4 = Annotated[str, Value(scalars.uuid4, string(format="uuid"))]

PartyName = Annotated[str, NameOf("party")]
CollectionName = Annotated[str, NameOf("collection")]
ApiRootName = Annotated[str, NameOf("API root")]
CommunityName = Annotated[str, NameOf("community")]
JurisdictionName = Annotated[str, NameOf("jurisdiction")]
OrganisationName = Annotated[str, NameOf("organisation")]
SectorName = Annotated[str, NameOf("sector")]
OriginName = Annotated[str, NameOf("origin")]


def alias(raw: Any) -> str:
    """A collection's second id: a part of a URL that can't be taken for a UUID."""
    text = scalars.name(raw)
    if re.fullmatch(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}", text):
        raise mistake("an alias may not look like a UUID")
    return text


Alias = Annotated[str, Value(alias, string(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"))]

# -- words and numbers ---------------------------------------------------------------------------------------------------

Role = Annotated[
    str,
    word(
        "own",
        "bank",
        "insurer",
        "broker",
        "payment-provider",
        "regulator",
        "law-enforcement",
        "cert",
        "vendor",
        "peer",
        "public",
    ),
]
Flag = Annotated[bool, Value(scalars.flag, {"type": "boolean"})]
Tlp = Annotated[Level, Value(scalars.tlp, {"enum": list(NAMES)})]


TaxiiVersion = Annotated[str, Value(OneOf(("2.1", "2.0")), {"enum": ["2.1", "2.0", 2.1, 2.0]})]


def whole(least: int, most: int) -> Value:
    """Return a whole number within bounds."""
    return Value(Whole(least, most), {"type": "integer", "minimum": least, "maximum": most})


Confidence = Annotated[int, whole(0, 100)]
PAGE_SIZE = whole(1, 100_000)
PageSize = Annotated[int, PAGE_SIZE]
Count = Annotated[int, whole(1, 1_000_000_000)]
PrefixV4 = Annotated[int, whole(8, 32)]
PrefixV6 = Annotated[int, whole(16, 128)]
Size = Annotated[int, Value(scalars.size, {"type": ["string", "integer"], "x-kind": "size"})]
Percent = Annotated[float, Value(scalars.percent, string(pattern=r"^[0-9]+(\.[0-9]+)? ?%$") | {"x-kind": "percent"})]

# -- times ---------------------------------------------------------------------------------------------------------------

Instant = Annotated[
    int, Value(scalars.instant, string(pattern=r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)? ?([Zz]|[+-]\d\d:\d\d)$"))
]
APPROVED = "approved"


def release(raw: Any) -> int | None:
    """When a hold ends: an instant, or None for ``approved``."""
    if isinstance(raw, str) and raw == APPROVED:
        return None
    if isinstance(raw, str) and raw and not any(char.isdigit() for char in raw):
        expected = f"a time with its offset, such as 2026-12-01T00:00Z, or {APPROVED!r}"
        raise scalars.mistake(expected=expected, hint=nearest(raw, (APPROVED,)))
    return scalars.instant(raw)


Release = Annotated[int | None, Value(release)]


def span(least: int = 1) -> Value:
    """Return a time span of at least that many seconds."""
    return Value(Duration(least), string(pattern="^[0-9]+[smhd]$") | {"x-kind": "span"})


TimeSpan = Annotated[int, span()]

# -- STIX ----------------------------------------------------------------------------------------------------------------

_STIX_ID = Matching(f"[a-z][a-z0-9-]{{1,249}}--{UUID}", "a STIX id, such as indicator--<UUID>", fold=True)
_IDENTITY = Matching(f"identity--{UUID}", "the id of an identity, such as identity--<UUID>", fold=True)
_MARKING = Matching(
    f"(?:marking|extension)-definition--{UUID}",
    "marking-definition--<UUID>, extension-definition--<UUID> or acs:formal_determination=VALUE",
    fold=True,
)
PROPERTY = Matching("[a-z][a-z0-9_]{1,249}", "the name of a STIX property, such as contact_information")
PROPERTY_SCHEMA = string(pattern="^[a-z][a-z0-9_]+$")
StixId = Annotated[str, Value(_STIX_ID, string(pattern=f"^[a-z][a-z0-9-]+--{UUID}$"))]
IdentityId = Annotated[str, Value(_IDENTITY, string(pattern=f"^identity--{UUID}$"))]


def marking_key(raw: Any) -> str:
    """What a marking is known by: the id of its definition or of its extension, or a determination of the ACS extension."""
    text = scalars.text_of(raw)
    if re.fullmatch(r"acs:formal_determination=\S.{0,200}", text):
        return text
    text = _MARKING(raw)
    if text in TLP_LEVELS:
        raise mistake(f"the level of this id is fixed: it is TLP:{TLP_LEVELS[text]}")
    return text


MarkingKey = Annotated[str, Value(marking_key)]

# -- files, addresses, URLs ----------------------------------------------------------------------------------------------

FilePath = Annotated[Path, Value(scalars.existing_file, string(minLength=1))]
ListenAddress = Annotated[Address, Value(scalars.address, string() | {"x-kind": "address"})]
IpNetwork = Annotated[Network, Value(scalars.network)]
WebUrl = Annotated[str, Value(scalars.web_url, string(format="uri"))]
BaseUrl = Annotated[str, Value(scalars.base_url, string(format="uri"))]
StoreUrl = Annotated[StoreAddress, Value(scalars.store_address, string(pattern="^(sqlite:.|mongodb(\\+srv)?://.+/.)"))]

ANY_NETWORK = ["0.0.0.0/0", "::/0"]


def _networks(raw: Any) -> Any:
    """``true`` stands for all networks, ``false`` for none."""
    if isinstance(raw, (list, tuple)):
        return raw
    text = scalars.text_of(raw).casefold()
    if text not in {"true", "false"}:
        raise mistake(expected="true, false or a list of networks such as [10.1.0.0/16]")
    return ANY_NETWORK if text == "true" else []


AllowedNetworks = Annotated[
    tuple[IpNetwork, ...],
    BeforeValidator(_networks),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "array", "items": string()}]}),
]

# -- credentials ---------------------------------------------------------------------------------------------------------

_ONLY_OUTSIDE = {"x-only-outside": True}
Secret = Annotated[SecretStr, Value(credentials.secret_text, _ONLY_OUTSIDE)]
NodeKey = Annotated[SecretBytes, Value(credentials.node_key, _ONLY_OUTSIDE)]
ProxyUrl = Annotated[SecretStr, Value(credentials.proxy_url, string(format="uri"))]
PasswordHash = Annotated[SecretStr, Value(credentials.password_hash, string(pattern=r"^\$argon2id\$"))]
TokenHash = Annotated[SecretStr, Value(credentials.token_hash, string(pattern="^[0-9a-fA-F]{64}$"))]
HeaderName = Annotated[
    str,
    Value(Matching("[A-Za-z0-9-]{1,100}", "the name of an HTTP header, such as X-Api-Key"), string(pattern="^[A-Za-z0-9-]+$")),
]


def fingerprint(raw: Any) -> str:
    """The SHA-256 of a certificate, in lower-case hex digits without colons."""
    text = scalars.text_of(raw).replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise mistake(expected="the SHA-256 of a certificate: 64 hex digits, with or without colons")
    return text


Fingerprint = Annotated[str, Value(fingerprint, string(pattern="^([0-9A-Fa-f]{2}:?){32}$"))]
