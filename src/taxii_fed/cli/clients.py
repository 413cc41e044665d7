"""Settings to copy into the products that poll a node: what each one wants typed in, in its own words.

Every product is a function from a connection to text. None of them ever holds a secret: where one belongs, the text says which.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from taxii_fed.config.template import yaml_text
from taxii_fed.core.stix.levels import parse_level

if TYPE_CHECKING:
    from taxii_fed.cli.connect import Connection, Login, Open

MEDIA_TYPE = "application/taxii+json;version=2.1"

PRODUCTS = {
    "sentinel": "Microsoft Sentinel, data connector Threat Intelligence - TAXII",
    "splunk": "Splunk Enterprise Security 8.2 or later, threat intelligence source of type TAXII",
    "opencti": "OpenCTI, Data > Ingestion > TAXII feeds",
    "elastic": "Elastic, integration Custom Threat Intelligence (ti_custom)",
    "xsoar": "Cortex XSOAR and XSIAM, TAXII 2 Feed",
    "misp": "MISP, TAXII server to push to",
    "taxii2-client": "Python, taxii2-client",
    "curl": "curl",
    "taxii-fed": "another taxii-fed node: merge into its configuration",
    "peering": "the page that both sides of a peering fill in",
}
"""Products by the word that names them on the command line."""


def settings_for(product: str, connection: Connection) -> str:
    """Return the settings of one product as text to copy."""
    if connection.login is None:
        return "This party has no account yet."
    readable = [each for each in connection.collections if each.reads]
    if product != "misp" and not readable:
        return "Nothing to read."
    return _WRITERS[product](connection, connection.login, readable)


def _basic(login: Login) -> str:
    """Return what to type as a password, empty where the account has none."""
    if "password" in login.ways:
        return "the account's password"
    return "the account's token" if "token" in login.ways else ""


def fields(*pairs: tuple[str, str]) -> str:
    """Return names and values, one pair a line, the values below each other."""
    width = max(len(name) for name, _ in pairs) + 2
    return "\n".join(f"{name + ':':<{width}}{value}" for name, value in pairs)


ONLY_BASIC = "It logs in with user name and password only, and this account has neither a password nor a token."


def _sentinel(connection: Connection, login: Login, readable: list[Open]) -> str:
    del connection
    if not _basic(login):
        return ONLY_BASIC
    return "\n\n".join(
        fields(
            ("Friendly name", each.title),
            ("API root URL", each.api_root_url),
            ("Collection ID", each.id),
            ("Username", login.name),
            ("Password", _basic(login)),
            ("Import indicators", "All available"),
            ("Polling frequency", "Once a minute"),
        )
        for each in readable
    )


def _splunk(connection: Connection, login: Login, readable: list[Open]) -> str:
    del connection
    return "\n\n".join(
        fields(
            ("Name", each.name),
            ("Type", "TAXII 2.1"),
            ("URL", each.api_root_url),
            ("Collection", each.id),
            ("Earliest", "-1y"),
            ("Credentials", f"user {login.name}, {_basic(login)}" if _basic(login) else "the client certificate"),
        )
        for each in readable
    )


def _opencti(connection: Connection, login: Login, readable: list[Open]) -> str:
    del connection
    authentication = [("Authentication type", "Client certificate"), ("Certificate", "the account's certificate and key")]
    if "token" in login.ways:
        authentication = [("Authentication type", "Bearer token"), ("Token", "the account's token")]
    elif "password" in login.ways:
        authentication = [("Authentication type", "Basic user / password"), ("Username", login.name)]
        authentication.append(("Password", "the account's password"))
    return "\n\n".join(
        fields(
            ("Name", each.title),
            ("TAXII server URL", each.api_root_url.rstrip("/")),
            ("TAXII version", "TAXII 2.1"),
            ("TAXII collection", each.id),
            *authentication,
        )
        for each in readable
    )


def _elastic(connection: Connection, login: Login, readable: list[Open]) -> str:
    del connection
    authentication = [("SSL", "certificate and key of the account")]
    if "token" in login.ways:
        authentication = [("Authorization", "Bearer, the account's token")]
    elif "password" in login.ways:
        authentication = [("Username", login.name), ("Password", "the account's password")]
    return "\n\n".join(
        fields(
            ("URL", each.objects_url),
            *authentication,
            ("Content type", MEDIA_TYPE),
            ("Initial interval", "8760h"),
            ("Interval", "5m"),
        )
        for each in readable
    )


def _xsoar(connection: Connection, login: Login, readable: list[Open]) -> str:
    authentication = [("Certificate", "certificate and key of the account")]
    if "password" in login.ways:
        authentication = [("Username / API key", login.name), ("Password", "the account's password")]
    elif "token" in login.ways:
        authentication = [("Username / API key", "_api_token_key"), ("Password", "the account's token")]
    return "\n\n".join(
        fields(
            ("Discovery service URL", connection.discovery_url),
            *authentication,
            ("Collection name", each.title),
            ("Default API root", each.api_root),
            ("TAXII version", "2.1"),
        )
        for each in readable
    )


def _misp(connection: Connection, login: Login, readable: list[Open]) -> str:
    del readable
    writable = [each for each in connection.collections if each.writes]
    note = "MISP pushes to TAXII servers and pulls from none: to read, use the script for taxii2-client below."
    if not writable:
        return note
    if not _basic(login):
        return f"{note}\n{ONLY_BASIC}"
    return "\n\n".join(
        [
            note,
            *(
                fields(
                    ("Base URL", each.api_root_url.removesuffix(f"/{each.api_root}/")),
                    ("API root", each.api_root),
                    ("Collection", each.id),
                    ("User", login.name),
                    ("Password", _basic(login)),
                )
                for each in writable
            ),
        ]
    )


def _python(connection: Connection, login: Login, readable: list[Open]) -> str:
    del connection
    secret = "TAXII_PASSWORD" if "password" in login.ways else "TAXII_TOKEN"
    by_password = f'user={login.name!r}, password=os.environ["{secret}"]'
    how = by_password if _basic(login) else 'cert=("client.pem", "client.key")'
    urls = "\n".join(f"    {each.objects_url.removesuffix('objects/')!r},  # {each.title}" for each in readable)
    return f"""\
import os

from taxii2client.v21 import Collection, as_pages

for url in (
{urls}
):
    collection = Collection(url, {how})
    for page in as_pages(collection.get_objects, per_request=1000):
        for stix_object in page.get("objects", []):
            print(stix_object["id"])"""


def _curl(connection: Connection, login: Login, readable: list[Open]) -> str:
    del connection
    if "password" in login.ways:
        how = f"--user '{login.name}'"
    elif "token" in login.ways:
        how = '--header "Authorization: Bearer $TAXII_TOKEN"'
    else:
        how = "--cert client.pem --key client.key"
    return "\n".join(f"curl {how} --header 'Accept: {MEDIA_TYPE}' '{each.objects_url}?limit=100'" for each in readable)


def _taxii_fed(connection: Connection, login: Login, readable: list[Open]) -> str:
    variable = f"{''.join(char if char.isalnum() else '_' for char in connection.node.upper())}"
    if "password" in login.ways:
        how = f"username: {yaml_text(login.name)}, password: {{env: {variable}_PASSWORD}}"
    elif "token" in login.ways:
        how = f"token: {{env: {variable}_TOKEN}}"
    else:
        how = "certificate: {certificate: client.pem, key: client.key}"
    pulls = "\n".join(f"      - {{theirs: {each.id}, ours: {each.name}}}  # {each.title}: 'ours' is yours" for each in readable)
    place = yaml_text(connection.jurisdiction)
    private = ""
    if connection.discovery_url.startswith("http:"):
        private = f"    allow_private: {_network_of(connection.discovery_url)}  # plain http: the network that it is in\n"
    return f"""\
parties:
  {connection.node}: {{role: peer, jurisdiction: {place}, organisation: {yaml_text(connection.organisation)}}}
peers:
  {connection.node}:
    url: {connection.discovery_url}
    auth: {{{how}}}
{private}    pull:
{pulls}"""


_BLANK = "______________________________"
_AGREED = (
    ("Takes up to", "TLP:______ (accept_up_to); above that: quarantine / drop"),
    ("Asks every", "______ (every), compares every ______ (reconcile)"),
    ("Speaks for", f"identities {_BLANK} (the other side's home_of)"),
    ("Whom to call", _BLANK),
)
_SIGNED = f"""\
Objects of third parties may be passed on:  yes / no, up to TLP:______
Withdrawn objects are gone within:          ______
Both sides ran 'taxii-fed peer test':       ______ (A)  ______ (B)
Date, and who agreed:                       {_BLANK}"""


def _peering(connection: Connection, login: Login, readable: list[Open]) -> str:
    ways = {"password": "user name and password", "token": "a token", "certificate": "a client certificate"}
    shown = [("Collection", f"{each.id} ({each.title}), up to TLP:{_highest(each)}") for each in readable]
    ours = fields(
        ("Node", f"{connection.node}, of {connection.organisation}, {connection.jurisdiction}"),
        ("Server", f"{connection.discovery_url}, TAXII 2.1"),
        ("You log in as", f"{login.name}, with {' or '.join(ways[way] for way in login.ways)}"),
        ("The secret comes by", _BLANK),
        *shown,
        *_AGREED,
    )
    theirs = fields(
        ("Node", f"{connection.party}, of {_BLANK}, jurisdiction {_BLANK}"),
        ("Server", f"{_BLANK}, TAXII 2.1 or 2.0"),
        ("We log in as", _BLANK),
        ("The secret comes by", _BLANK),
        ("Collection", f"{_BLANK}, up to TLP:______"),
        *_AGREED,
    )
    return f"Side A: {connection.node}\n\n{ours}\n\nSide B: {connection.party}\n\n{theirs}\n\n{_SIGNED}"


def _highest(collection: Open) -> str:
    """Return the highest level of own content that any rule lets the party read."""
    return str(max(parse_level(grant.up_to) for grant in collection.reads))


def _network_of(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        return f"['{ip_network(host)}']"
    except ValueError:
        return "[127.0.0.0/8, '::1/128']" if host == "localhost" else "[10.0.0.0/8]"


_WRITERS: dict[str, Callable[[Connection, Login, list[Open]], str]] = {
    "sentinel": _sentinel,
    "splunk": _splunk,
    "opencti": _opencti,
    "elastic": _elastic,
    "xsoar": _xsoar,
    "misp": _misp,
    "taxii2-client": _python,
    "curl": _curl,
    "taxii-fed": _taxii_fed,
    "peering": _peering,
}
