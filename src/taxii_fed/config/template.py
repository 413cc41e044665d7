"""The configuration that `init` writes: a working node with a collection for each sector and an account for its own staff."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

KEY_FILE = "node.key"
STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """What a new node is told. ``password_hash`` is that of its first ``account``."""

    name: str
    organisation: str
    jurisdiction: str
    url: str
    sectors: tuple[str, ...]
    account: str
    password_hash: str


def yaml_text(text: str) -> str:
    """Return a text as YAML: plain where that is safe, else in quotes."""
    plain = re.fullmatch(r"[A-Za-z0-9_][\w ./@+-]*[\w.@+-]|\w", text) and not re.fullmatch(
        r"[0-9.eE+-]+|(?i:true|false|null|yes|no|on|off)", text
    )
    return text if plain else json.dumps(text, ensure_ascii=False)


def api_root_of(name: str) -> str:
    """Return the path of the API root of a new node: its name, as a URL can hold it."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return slug if slug and slug not in {"taxii2", "livez", "readyz", "metrics"} else "intel"


def listen_address(url: str) -> str:
    """Return where a new node listens: at its own URL on this machine, else on the loopback for a proxy in front of it."""
    parts = urlsplit(url)
    if parts.hostname in {"127.0.0.1", "localhost"} and parts.scheme == "http":
        return f"{parts.hostname}:{parts.port or 80}"
    return "127.0.0.1:8421"


def render(node: NewNode) -> str:
    """Return the text of the configuration."""
    root = api_root_of(node.name)
    collections = "".join(_collection(sector, root) for sector in node.sectors)
    names = ", ".join(yaml_text(sector) for sector in node.sectors)
    return f"""\
# A taxii-fed node. 'taxii-fed check' looks for mistakes in this file, 'taxii-fed plan' shows what a change of it would
# do before 'taxii-fed apply' does it. More in docs/configuration.md.

# More files, merged into this one:
# include: [conf.d/*.yaml]

node:
  name: {yaml_text(node.name)}
  title: {yaml_text(f"{node.organisation} threat intelligence")}
  organisation: {yaml_text(node.organisation)}
  jurisdiction: {yaml_text(node.jurisdiction)}
  # Speaks in edited copies and notices. Never change it.
  identity: identity--{uuid.uuid4()}
  # All keys come from this one. Keep a copy of the file: it can't be made again.
  secret: {{file: {KEY_FILE}}}

server:
  listen: {listen_address(node.url)}
  # What clients use. Put a proxy with TLS in front, or certificates here:
  # tls: {{certificate: tls.pem, key: tls.key}}
  public_url: {node.url}

store:
  url: sqlite:taxii-fed.db

api_roots:
  {root}:
    title: {yaml_text(node.organisation)}
    default: true

# One collection for each sector. The ids are what clients are told: never change them.
collections:
{collections}
# Jurisdictions that rules name, with their parts, such as
#   EU: [AT, BE, DE, FR, IE, NL]
jurisdictions:

# Groups of parties that rules name, such as
#   - banks
communities:

# Who reads or writes here. Another member would be
#   harbour-bank:
#     role: bank
#     jurisdiction: {yaml_text(node.jurisdiction)}
#     organisation: Harbour Bank
#     accounts:
#       harbour-siem: {{password_hash: '…'}}       # from 'taxii-fed hash-password'
parties:
  {STAFF}:
    role: own
    jurisdiction: {yaml_text(node.jurisdiction)}
    organisation: {yaml_text(node.organisation)}
    publish: [{names}]
    accounts:
      {yaml_text(node.account)}:
        password_hash: '{node.password_hash}'

# Nothing goes out unless a rule here says so.
share:
  own staff reads everything:
    to: {{role: own}}
    in: all
    up_to: RED
    relayed_up_to: RED
    unmarked_as: RED
    unknown_types: share
"""


def title_of(sector: str) -> str:
    """Return the title of a sector's collection."""
    return sector.replace("-", " ").replace("_", " ").capitalize()


def _collection(sector: str, root: str) -> str:
    return f"""\
  {yaml_text(sector)}:
    id: {uuid.uuid4()}
    api_root: {root}
    title: {yaml_text(title_of(sector))}
    sector: {yaml_text(sector)}
"""
