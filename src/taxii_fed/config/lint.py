"""What is allowed but can hardly be meant: `check` warns of it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from taxii_fed.config.convert import in_force
from taxii_fed.config.declared import mapping
from taxii_fed.config.load import Loaded
from taxii_fed.config.problems import Problem, nearest, shown
from taxii_fed.config.scalars import folder_of
from taxii_fed.config.schema import Settings
from taxii_fed.config.terms import RuleTerms, WhatTerms
from taxii_fed.core.rules.audience import Reach
from taxii_fed.core.rules.model import Party, Rule, Share, To
from taxii_fed.core.stix.facts import LOCAL, STIX_TYPES
from taxii_fed.core.stix.levels import Level

Warnings = Iterator[tuple[tuple[str | int, ...], str]]
"""Places in the settings, and what is odd there."""


def warnings(loaded: Loaded, now: int) -> tuple[Problem, ...]:
    """Return what is odd about settings at an instant (µs), by place."""
    linter = _Linter(loaded.settings, now)
    found = [
        *linter.unused(),
        *linter.parties(),
        *linter.rules(),
        *linter.dates(),
        *_exposed(loaded.settings),
        *_open_key(loaded.root),
    ]
    return loaded.problems(found)


class _Linter:
    """Looks at settings from one instant on."""

    def __init__(self, settings: Settings, now: int) -> None:
        self._settings = settings
        self._terms = in_force(settings)
        self._now = now

    # -- who is reached ---------------------------------------------------------------------------------------------------

    def _reaches(self, to: To, party: Party) -> bool:
        """Return whether a matcher reaches a party now or once one of its memberships has begun."""
        starts = [each.from_at for each in party.communities if each.from_at is not None and each.from_at > self._now]
        return any(Reach(self._terms, party, at)(to) for at in (self._now, *starts))

    def _granted(self, party: Party, collections: tuple[str, ...]) -> list[Share]:
        """Return the share rules that let a party read any of the collections, now or later."""
        return [
            rule
            for rule in self._terms.share
            if (not rule.collections or set(rule.collections) & set(collections))
            and (rule.until_at is None or rule.until_at > self._now)
            and self._reaches(rule.to, party)
        ]

    # -- entries that nothing comes of ------------------------------------------------------------------------------------

    def unused(self) -> Warnings:
        """Yield communities, collections, API roots and peers that nothing comes of."""
        settings = self._settings
        members = {each.name for party in settings.parties.values() for each in party.communities}
        for index, community in enumerate(settings.communities):
            if community not in members:
                yield ("communities", index), "no party is a member of this community"
        filled = {pull.ours for peer in settings.peers.values() for pull in peer.pull}
        filled |= {name for party in settings.parties.values() for name in party.publish}
        for name in settings.collections:
            if not any(self._granted(party, (name,)) for party in self._terms.parties.values()):
                yield ("collections", name), "no share rule lets any party read this collection"
            if name not in filled:
                yield ("collections", name), "no party publishes here and nothing is pulled into it"
        for name in settings.api_roots:
            if name not in {collection.api_root for collection in settings.collections.values()}:
                yield ("api_roots", name), "no collection is in this API root"
        for name, peer in settings.peers.items():
            if not peer.pull:
                yield ("peers", name), "nothing is pulled from this peer"

    def parties(self) -> Warnings:
        """Yield parties that can't do anything, or lie in a place that no rule can name."""
        settings, terms = self._settings, self._terms
        places = {*terms.jurisdictions, *(part for parts in terms.jurisdictions.values() for part in parts), terms.jurisdiction}
        for name, party in settings.parties.items():
            if not party.accounts and name not in settings.peers and name != settings.anonymous:
                yield ("parties", name), "no account: this party can't log in"
            elif party.accounts and not party.publish and not self._granted(terms.parties[name], tuple(settings.collections)):
                yield ("parties", name), "no share rule reaches this party, and it publishes nowhere"
            for account, credentials in party.accounts.items():
                if credentials.certificate is not None and not self._asks_for_certificates():
                    place = ("parties", name, "accounts", account, "certificate")
                    yield place, "never asked for: neither server.tls.client_ca nor server.trusted_proxies is given"
            if party.jurisdiction and party.jurisdiction not in places:
                close = nearest(party.jurisdiction, places)
                advice = f"is {shown(close)} meant?" if close else "declare it under 'jurisdictions', so that rules can name it"
                yield ("parties", name, "jurisdiction"), f"a jurisdiction that is not declared: {advice}"
        if settings.anonymous and settings.parties[settings.anonymous].role != "public":
            whom = shown(settings.anonymous)
            yield ("anonymous",), f"readers without credentials get what {whom} sees, but its role is not public"

    def _asks_for_certificates(self) -> bool:
        server = self._settings.server
        return bool(server.trusted_proxies) or (server.tls is not None and server.tls.client_ca is not None)

    # -- rules ------------------------------------------------------------------------------------------------------------

    def rules(self) -> Warnings:
        """Yield rules that do nothing."""
        for section in ("share", "never", "hold", "change"):
            written: dict[str, RuleTerms] = getattr(self._settings, section)
            for rule in getattr(self._terms, section):
                reached = [party for party in self._terms.parties.values() if self._reaches(rule.to, party)]
                if not reached:
                    yield (section, rule.name), "this rule reaches no party"
                elif section != "share":
                    yield from self._above_all(section, rule, reached)
                yield from _odd_types((section, rule.name, "what"), written[rule.name].what)

    def _above_all(self, section: str, rule: Rule, reached: list[Party]) -> Warnings:
        """Yield a veto, hold or change for levels that no share rule gives its readers: nothing is left for it to do."""
        if rule.what.min_tlp is None:
            return
        collections = rule.collections or tuple(self._settings.collections)
        origins = set(rule.what.origin)
        local, relayed = not origins or LOCAL in origins, not origins or bool(origins - {LOCAL})
        ceilings = [
            ceiling
            for party in reached
            for share in self._granted(party, collections)
            for ceiling, counts in ((share.up_to, local), (share.relayed_up_to, relayed))
            if counts
        ]
        if max(ceilings, default=Level.CLEAR) < rule.what.min_tlp:
            kind = "" if local else "relayed "
            level = f"TLP:{rule.what.min_tlp}"
            yield (section, rule.name), f"never applies: no share rule lets its readers have {kind}objects at {level}"

    def dates(self) -> Warnings:
        """Yield what has ended already."""
        ended = {
            "share": "has ended: this rule grants nothing any more",
            "never": "has ended: this rule vetoes nothing any more",
            "hold": "has passed: this rule holds nothing any more",
            "change": "has ended: the objects are withheld from these readers until this rule is removed",
        }
        for section, what in ended.items():
            for name, rule in getattr(self._settings, section).items():
                if rule.until_at is not None and rule.until_at <= self._now:
                    yield (section, name, "until"), what
        for name, party in self._settings.parties.items():
            for account, credentials in party.accounts.items():
                if credentials.expires_at is not None and credentials.expires_at <= self._now:
                    yield ("parties", name, "accounts", account, "expires"), "has passed: this account opens nothing any more"


def _odd_types(place: tuple[str | int, ...], what: WhatTerms) -> Warnings:
    for each in what.type:
        if each not in STIX_TYPES and not each.startswith("x-"):
            yield (*place, "type"), f"{shown(each)} is no STIX type, and custom types begin with 'x-'"
    for index, other in enumerate(what.but_not):
        yield from _odd_types((*place, "not", index), other)


def _exposed(settings: Settings) -> Warnings:
    """Yield URLs over which credentials would travel in the clear."""
    if _in_the_clear(settings.server.public_url):
        yield ("server", "public_url"), "http: credentials and intelligence travel in the clear"
    if settings.server.public_url.endswith("/taxii2"):
        yield ("server", "public_url"), "the server adds /taxii2/ by itself: clients would find it at /taxii2/taxii2/"
    for name, peer in settings.peers.items():
        if _in_the_clear(peer.url):
            yield ("peers", name, "url"), "http: credentials and intelligence travel in the clear"
        at = _address(peer.url)
        if at is not None and not at.is_global and not any(at in network for network in peer.allow_private):
            yield (
                ("peers", name, "url"),
                f"{at} is a private address: no connection is made unless 'allow_private' names its network",
            )


def _in_the_clear(url: str) -> bool:
    at = _address(url)
    return urlsplit(url).scheme == "http" and not (at is not None and at.is_loopback)


def _address(url: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a URL, None where it has a name."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address("127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host)
    except ValueError:
        return None


def _open_key(root: dict[str, Any]) -> Warnings:
    """Yield a node key that others on the machine can read."""
    name = mapping(root, "node", "secret").get("file")
    if name is None:
        return
    path: Path = folder_of(name) / str(name)
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & 0o077:
        yield ("node", "secret"), f"{path} can be read by others: chmod 600"
