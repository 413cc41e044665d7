"""The settings of a node: typed, frozen, read by `load`.

The docstrings below the fields are what the reference and the JSON Schema say of them. Instants are microseconds since 1970,
time spans seconds, sizes bytes, shares numbers from 0 to 1; paths are absolute.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic_core import PydanticCustomError

from taxii_fed.config import kinds
from taxii_fed.config.declared import texts
from taxii_fed.config.kinds import Flag, Line, Paragraph, Tlp
from taxii_fed.config.scalars import Address, mistake, tlp
from taxii_fed.config.section import Errors, Named, OrWord, Section, Several, ShortFor
from taxii_fed.config.terms import ChangeTerms, HoldTerms, NeverTerms, ShareTerms, ends_before_it_begins
from taxii_fed.config.value import word
from taxii_fed.core.stix.levels import Level


class Node(Section):
    """Who this node is."""

    name: kinds.Name
    """Its short name, as peers know it."""
    title: Line
    """Title of the server in discovery."""
    organisation: Line
    """The organisation that runs it."""
    jurisdiction: Line
    """The jurisdiction that it is in: what is published here has this origin."""
    contact: Line = ""
    """Whom to ask, in discovery."""
    identity: kinds.IdentityId
    """Id of the identity object that speaks in derived copies and notices; made by `init`, never changed."""
    secret: kinds.NodeKey
    """The node's key: 64 hex digits or more. All other keys come from it, so it belongs in the backup and never changes."""


class Tls(Section):
    """Certificates of the server itself; none behind a proxy that ends TLS."""

    certificate: kinds.FilePath
    """The server's certificate with its chain, PEM."""
    key: kinds.FilePath
    """Its key, PEM."""
    client_ca: kinds.FilePath | None = None
    """Certificates that client certificates are checked against, PEM."""


class Server(Section):
    """The TAXII server."""

    listen: kinds.ListenAddress = Address("127.0.0.1", 8421)
    """Address and port."""
    public_url: kinds.BaseUrl
    """The URL that clients use, from which discovery makes absolute API roots."""
    tls: Annotated[Tls | None, OrWord("none")] = None
    """TLS certificates, or `none` behind a proxy."""
    trusted_proxies: Annotated[tuple[kinds.IpNetwork, ...], Several(one_too=True, least=0)] = ()
    """Networks of proxies whose word on the client's address and certificate is taken."""
    page_size: kinds.PageSize = 1000
    """Objects on a page when the client gives no `limit`."""
    max_page_size: kinds.PageSize = 10_000
    """Objects on a page at most, whatever the client asks for."""
    max_page_bytes: kinds.Size = 50_000_000
    """Size of a page at most."""
    max_content_length: kinds.Size = 10_000_000
    """Size of what a client may send at most."""
    empty_objects: Flag = False
    """Put `"objects": []` in empty envelopes, for old Elastic; the standard leaves it out."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """The default page must fit under the cap."""
        try:
            usual = kinds.PAGE_SIZE.reader(given["page_size"])
            most = kinds.PAGE_SIZE.reader(given["max_page_size"]) if "max_page_size" in given else 10_000
        except (KeyError, PydanticCustomError):
            return
        if usual > most:
            yield ("page_size",), mistake(f"larger than max_page_size, {most}")


class Store(Section):
    """Where everything is kept."""

    url: kinds.StoreUrl
    """`sqlite:PATH`, relative to this file; or `mongodb://HOST,HOST/DATABASE?replicaSet=rs0` for any number of machines."""


class ApiRoot(Section):
    """An API root, at the path of its name."""

    title: Line
    """Its title."""
    description: Paragraph = ""
    """What it is for."""
    default: Flag = False
    """Whether clients that don't choose get this one; at most one."""


class Collection(Section):
    """A TAXII collection."""

    id: kinds.Uuid4
    """Its id: a version 4 UUID that never changes."""
    api_root: kinds.ApiRootName
    """The API root that it is in."""
    title: Line
    """Its title, unique in the API root."""
    description: Paragraph = ""
    """What it holds."""
    alias: kinds.Alias = ""
    """A second id for URLs that people type; not a UUID."""
    sector: Line = ""
    """The sector that it serves."""
    strict: Flag = False
    """Refuse objects that stix2 finds fault with, not only those that can't be handled."""


class Member(Section):
    """A membership of a community."""

    name: kinds.CommunityName
    """The community."""
    from_at: kinds.Instant | None = Field(default=None, alias="from")
    """From when on, with an offset."""
    until_at: kinds.Instant | None = Field(default=None, alias="until")
    """Until before when, with an offset."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """A membership that ends before it begins would never hold."""
        yield from ends_before_it_begins(given)


class Certificate(Section):
    """How to know a client certificate; everything given must match."""

    subject: Line = ""
    """Its subject as RFC 4514 writes it, such as `CN=siem,O=Harbour Bank`."""
    san_dns: Line = ""
    """A DNS name in its subjectAltName."""
    san_uri: Line = ""
    """A URI in its subjectAltName."""
    sha256: kinds.Fingerprint = ""
    """SHA-256 of the certificate, hex digits, with or without colons."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """Nothing given would let any certificate in."""
        if not given:
            yield (), mistake(expected="at least one of subject, san_dns, san_uri, sha256")


class Account(Section):
    """A way in for a party. Any of the credentials given opens it."""

    password_hash: kinds.PasswordHash | None = None
    """The argon2id hash that `hash-password` prints."""
    token_hash: kinds.TokenHash | None = None
    """The SHA-256 that `token` prints; the token itself is sent as Bearer, Token or Basic password."""
    expires_at: kinds.Instant | None = Field(default=None, alias="expires")
    """From this time on, with an offset, the account opens nothing."""
    certificate: Certificate | None = None
    """The client certificate that opens it."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """An account without credentials could never be used."""
        if not {"password_hash", "token_hash", "certificate"} & set(given):
            yield (), mistake(expected="password_hash, token_hash or certificate")


class Party(Section):
    """Who reads or writes here."""

    role: kinds.Role
    """What it is to this node."""
    jurisdiction: Line = ""
    """The jurisdiction that it is in."""
    sector: Line = ""
    """Its sector."""
    organisation: Line = ""
    """Its organisation."""
    communities: Annotated[tuple[Annotated[Member, ShortFor("name")], ...], Several(one_too=True, least=0)] = ()
    """Its communities: names, or `{name, from, until}`."""
    publish: Annotated[tuple[kinds.CollectionName, ...], Several(one_too=True, least=0)] = ()
    """Collections that it may post to, and delete from what it published."""
    accounts: Annotated[dict[kinds.AccountName, Account], Named()] = Field(default_factory=dict)
    """Its accounts by user name; user names are unique in the node, whatever their case."""


class Header(Section):
    """An HTTP header that carries a key."""

    name: kinds.HeaderName
    """Its name."""
    value: kinds.Secret
    """Its value."""


class ClientCertificate(Section):
    """The certificate that this node shows a peer."""

    certificate: kinds.FilePath
    """The certificate with its chain, PEM."""
    key: kinds.FilePath
    """Its key, PEM."""


class Auth(Section):
    """How this node logs in at a peer: user name and password, a token, or a header; a certificate alone or beside them."""

    username: kinds.AccountName = ""
    """User name for Basic."""
    password: kinds.Secret | None = None
    """Password for Basic."""
    token: kinds.Secret | None = None
    """Token for the Authorization header."""
    scheme: Annotated[str, word("Bearer", "Token")] = "Bearer"
    """The word before the token."""
    header: Header | None = None
    """A header with a key in it."""
    certificate: ClientCertificate | None = None
    """A client certificate."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """One way to log in, whole."""
        ways = [way for way in ("username", "token", "header") if way in given or (way == "username" and "password" in given)]
        if not ways and "certificate" not in given:
            yield (), mistake(expected="username and password, token, header or certificate")
        if len(ways) > 1:
            yield (), mistake(f"{' and '.join(ways)} together", expected="one way to log in")
        for one, other in (("username", "password"), ("password", "username")):
            if one in given and other not in given:
                yield (other,), mistake(f"missing beside {one}")
        if "scheme" in given and "token" not in given:
            yield ("scheme",), mistake("has no effect without 'token'")


class RemovalGuard(Section):
    """Stops a reconcile that would withdraw too much at once, until a person agrees."""

    above: kinds.Percent = 0.2
    """The share of what the peer offered before."""
    of_at_least: kinds.Count = 10
    """How many objects there must be for the guard to count."""


class Quota(Section):
    """How much of a peer is kept in quarantine."""

    objects: kinds.Count = 10_000
    """How many objects."""
    size: kinds.Size = 500_000_000
    """How much of the disk."""


class Pull(Section):
    """A subscription."""

    theirs: Line
    """Id of the peer's collection."""
    ours: kinds.CollectionName
    """The collection here that it goes to."""


class Peer(Section):
    """A server that this node pulls from; its name is a party's."""

    url: kinds.WebUrl
    """Its discovery URL."""
    taxii: kinds.TaxiiVersion = "2.1"
    """The TAXII version that it speaks."""
    auth: Auth | None = None
    """How to log in; left out where no credentials are needed."""
    ca: kinds.FilePath | None = None
    """Certificates that its certificate is checked against, PEM; the system's when left out."""
    proxy: kinds.ProxyUrl | None = None
    """The proxy on the way to it."""
    allow_private: kinds.AllowedNetworks = ()
    """Private networks that its name may resolve to: a list of networks, or `true` for any. None when left out."""
    timeout: kinds.TimeSpan = 60
    """How long to wait for the peer without a byte."""
    every: kinds.TimeSpan = 300
    """Time from one pull to the next."""
    overlap: Annotated[int, kinds.span(0)] = 600
    """How far before its watermark a pull begins, for peers whose objects appear behind cursors."""
    reconcile: kinds.TimeSpan = 86_400
    """Time from one comparison with the peer's whole manifest to the next."""
    max_page: kinds.PageSize = 1000
    """Objects to ask for at a time."""
    max_bytes: kinds.Size = 50_000_000
    """Size of one answer at most, unpacked."""
    quota: Quota = Quota()
    """How much of it is kept in quarantine."""
    accept_up_to: Tlp = Level.RED
    """The highest TLP level taken from it."""
    above: Annotated[str, word("quarantine", "drop")] = "quarantine"
    """What happens to objects above that level."""
    removal_guard: Annotated[RemovalGuard | None, OrWord("off")] = RemovalGuard()
    """What stops a mass withdrawal, or `off`."""
    home_of: Annotated[tuple[kinds.IdentityId, ...], Several(one_too=True, least=0)] = ()
    """Identities whose objects only this peer may version."""
    read_markings_as: Annotated[dict[Tlp, Tlp], Named()] = Field(default_factory=dict)
    """Its levels to stricter ones of ours."""
    pull: Annotated[tuple[Pull, ...], Several(least=0)] = ()
    """Which of its collections go to which of ours."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:
        """Plain http stays in networks that are named, levels are read as stricter ones only, and a subscription stands once."""
        if any(text.lower().startswith("http:") for text in texts(given.get("url"))) and "allow_private" not in given:
            yield (
                ("url",),
                mistake("plain http goes to private networks only: name the peer's under 'allow_private', or use https"),
            )
        overlays = given.get("read_markings_as")
        for theirs, ours in overlays.items() if isinstance(overlays, dict) else ():
            try:
                if tlp(ours) <= tlp(theirs):
                    yield ("read_markings_as", theirs), mistake(expected=f"a level stricter than {theirs}")
            except PydanticCustomError:
                continue
        seen = set()
        for index, pair in enumerate(given["pull"] if isinstance(given.get("pull"), list) else ()):
            ends = tuple(tuple(texts(pair.get(end))) for end in ("theirs", "ours")) if isinstance(pair, dict) else ()
            if ends in seen and all(ends):
                yield ("pull", index), mistake("this pair is listed twice")
            seen.add(ends)


class Log(Section):
    """Logs on standard error."""

    may_be_empty: ClassVar[bool] = True

    format: Annotated[str, word("logfmt", "json")] = "logfmt"
    """One line a record, as `key=value` pairs or as JSON."""


class Settings(Section):
    """The whole configuration."""

    node: Node
    """Who this node is."""
    server: Server
    """The TAXII server."""
    store: Store
    """Where everything is kept."""
    log: Log = Log()
    """Logs on standard error."""
    api_roots: Annotated[dict[kinds.PathSegment, ApiRoot], Named()] = Field(default_factory=dict)
    """API roots by the last part of their URL."""
    collections: Annotated[dict[kinds.Name, Collection], Named()] = Field(default_factory=dict)
    """Collections by name."""
    jurisdictions: Annotated[dict[kinds.Name, Annotated[tuple[kinds.Name, ...], Several(one_too=True, least=0)]], Named()] = (
        Field(default_factory=dict)
    )
    """Jurisdictions that rules name, each with its parts; a rule that names one also reaches its parts."""
    communities: Annotated[tuple[kinds.Name, ...], Several(one_too=True, least=0)] = ()
    """Communities that parties may be members of."""
    markings: Annotated[dict[kinds.MarkingKey, Tlp], Named()] = Field(default_factory=dict)
    """Markings that are no TLP markings, by id of the definition or extension, or `acs:formal_determination=VALUE`, with their level."""
    parties: Annotated[dict[kinds.Name, Party], Named()] = Field(default_factory=dict)
    """Who reads or writes here, by name."""
    anonymous: kinds.PartyName = ""
    """The party whose views readers without credentials get; none when left out."""
    peers: Annotated[dict[kinds.PartyName, Peer], Named()] = Field(default_factory=dict)
    """Servers that this node pulls from, by the name of their party."""
    share: Annotated[dict[Line, ShareTerms], Named()] = Field(default_factory=dict)
    """What is given to whom. Nothing goes out without."""
    never: Annotated[dict[Line, NeverTerms], Named()] = Field(default_factory=dict)
    """What is not given, whatever is shared."""
    hold: Annotated[dict[Line, HoldTerms], Named()] = Field(default_factory=dict)
    """What waits."""
    change: Annotated[dict[Line, ChangeTerms], Named()] = Field(default_factory=dict)
    """What is edited on the way."""
