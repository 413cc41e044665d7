"""IP addresses in text: where they stand, in whatever notation, and the network that one becomes (rule term ``generalise_ip``).

Found are dotted and colon notation, defanged, encoded (`folding`) or spelt with other bases, numeric URL hosts, and host names
that carry an address. Left alone are versions of three parts, times, MAC addresses, hashes, fingerprints, object identifiers and
``std::vector``. Four numbers up to 255 are an address, whatever was meant.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from taxii_fed.core.derive.folding import Folding, foldings
from taxii_fed.core.derive.spans import overlaps

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Hit:
    """An address in a text. ``network`` is None where it can't be read surely; ``in_host`` says that it is (in) the host of a URL."""

    start: int
    end: int
    network: Network | None
    in_host: bool = False


class UnsureError(Exception):
    """An address can't be generalised surely."""


_DOT = (
    r"(?:\.(?:\s?[\])}>]{1,2}\s?|[\"'*`|]{1,2})?"  # plain, or with only the closing half
    r"|\s{0,2}[\[({<]{1,2}\s?(?:[.,]|[dD](?:[oO][tT])?)\s?[\])}>]{0,2}\s{0,2}"  # [.]  ( dot )  [.
    r"|[\"'*`|]{1,2}\.[\"'*`|]{0,2}"
    r"|[\s_-]{0,2}[dD][oO][tT][\s_-]{0,2})"
)
_NUMBER = r"(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})"
_QUAD = re.compile(rf"(?<![0-9])({_NUMBER}(?:{_DOT}{_NUMBER}){{2,40}})(?:{_DOT}([xX*]{{1,3}})(?![0-9A-Za-z]))?")
_SPACED_QUAD = re.compile(r"(?<![0-9])([0-9]{1,3})( \. |\. | \.)([0-9]{1,3})\2([0-9]{1,3})\2([0-9]{1,3})(?![0-9])")
_NUMBERS = re.compile(_NUMBER)
_V4_SUFFIX = re.compile(r"(?:[\[(]?/[\])]?([0-9]{1,2})(?!\.?[0-9])|-[0-9]{1,3}(?!\.?[0-9A-Za-z-]))")
_ARPA = re.compile(r"(?:[0-9]{1,3}\.){4}in-addr\.arpa|(?:[0-9a-f]\.){4,32}ip6\.arpa", re.IGNORECASE)
_HOST_NAMES = re.compile(
    r"(?<![0-9a-f-])[0-9a-f-]{2,39}(?:s[0-9a-z]+)?\.ipv6-literal\.net|(?<![0-9a-z])[0-9a-f]{8}\.(?:nip|sslip|xip)\.io",
    re.IGNORECASE,
)
_DASHED = re.compile(r"(?<![0-9])([0-9]{1,3})([-_])([0-9]{1,3})\2([0-9]{1,3})\2([0-9]{1,3})(?![0-9]|[-_][0-9])")
_DASHED_BEFORE = re.compile(r"(?:^|[^0-9A-Za-z])(?:ip|host)[-_]?$", re.IGNORECASE)
_DASHED_AFTER = re.compile(r"[0-9A-Za-z_-]*(?:\.|\[\.\])[0-9A-Za-z-]*[A-Za-z]")
_YEAR_BEFORE = re.compile(r"(?<![0-9])[0-9]{4}[-_]$")

_BROWSER = re.compile(r"[A-Za-z]/$")
_VERSION_LETTER = re.compile(r"(?<![0-9A-Za-z])[vV]$")

_COLON = r"(?::|\s?[\[({<]\s?(?:::?|colon)\s?[\])}>]\s?)"
_V6 = re.compile(rf"(?<![0-9A-Fa-f:])[0-9A-Fa-f]{{0,4}}(?:{_COLON}[0-9A-Fa-f]{{0,4}}){{2,40}}(?![0-9A-Fa-f])")
_V6_GLUED = re.compile(r"[0-9A-Fa-f]*[0-9][0-9A-Fa-f]*:[0-9A-Fa-f:]*[0-9A-Fa-f]:+[0-9A-Fa-f]+")
"""What has to be there for a run with letters beside it: ``std::abc`` is none."""
_V6_TAIL = re.compile(rf"(?:{_DOT}[0-9]{{1,3}}){{3}}(?![0-9A-Za-z])")
_V6_ZONE = re.compile(r"%[0-9A-Za-z_-]{1,16}")
_V6_PREFIX = re.compile(r"[\[(]?/[\])]?([0-9]{1,3})(?![0-9])")
_V6_NOISE = re.compile(r"[^0-9A-Fa-f:]")
_PORT = re.compile(r":[0-9]{1,5}$")

_AUTHORITY = re.compile(
    r"[A-Za-z][A-Za-z0-9+-]{1,20}[\[({<\])}>\s]{0,2}:[\[({<\])}>]{0,2}[/\\][\[({<\])}>]{0,2}[/\\]?[\])}>]{0,2}\s?([^\s/\\?#\"'<>]{1,300})"
)
_PLAIN_HOST = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]{0,20}:)?[/\\]{0,4}(?:[^/\\?#]*@)?([^/\\?#:@]*)")


def find_addresses(text: str) -> tuple[Hit, ...]:
    """Return the addresses in ``text``, ascending and without overlap."""
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _search(text)


_REMEMBERED_LENGTH = 2000


def _search(text: str) -> tuple[Hit, ...]:
    hits: list[Hit] = []
    for folding in foldings(text):
        hits.extend(_on_original(folding, hit) for hit in _find(folding.text))
    return tuple(_merge(hits))


_remembered = lru_cache(maxsize=1024)(_search)
"""An object is edited for one class after the other, and often holds the same text twice."""


def is_numeric_host(value: str) -> bool:
    """Return whether the host of ``value``, a URL or the host itself, is an address in inet_aton notation (``3325256727``)."""
    hosts = (_PLAIN_HOST.match(folding.text) for folding in foldings(value))
    return any(match is not None and _is_numeric(match[1]) for match in hosts)


def widen(network: Network, v4: int | None, v6: int | None) -> Network:
    """Return the network that ``network`` becomes, itself where it is as wide already.

    Raises `UnsureError` for an IPv6 address that carries an IPv4 one that the wider network would still tell.
    """
    if isinstance(network, ipaddress.IPv4Network):
        return network if v4 is None or network.prefixlen <= v4 else network.supernet(new_prefix=v4)
    wide = network if v6 is None or network.prefixlen <= v6 else network.supernet(new_prefix=v6)
    first = _carried_from(network)
    if first is not None and not first <= wide.prefixlen <= first + (32 if v4 is None else v4):
        raise UnsureError
    return wide


def generalised(hit: Hit, text: str, v4: int | None, v6: int | None) -> str:
    """Return what stands for the address in place of ``text``. Raises `UnsureError` where no network can."""
    if hit.network is None:
        raise UnsureError
    wide = widen(hit.network, v4, v6)
    if not _concerns(hit.network, v4, v6):
        return text
    if hit.in_host:
        raise UnsureError
    return text if wide == hit.network and is_network_text(text) else str(wide)


def require_kept(text: str, v4: int | None, v6: int | None) -> None:
    """Raise `UnsureError` where ``text``, which can't be changed, holds an address narrower than it may be."""
    for hit in find_addresses(text):
        old = text[hit.start : hit.end]
        if generalised(hit, old, v4, v6) != old:
            raise UnsureError


def require_kept_host(value: str, v4: int | None, v6: int | None) -> None:
    """Raise `UnsureError` where a URL or host name is or holds an address; browsers skip tabs and line ends in it."""
    for spelling in {value, re.sub(r"[\t\r\n]", "", value)}:
        if is_numeric_host(spelling):
            raise UnsureError
        require_kept(spelling, v4, v6)


def is_network_text(text: str) -> bool:
    """Return whether ``text`` is a network in CIDR form with no host bits (no bare address)."""
    if "/" not in text:
        return False
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def read_exact(text: str) -> Network | None:
    """Return the address or network that ``text`` is in plain notation, None for all else."""
    try:
        return ipaddress.ip_network(text, strict=False) if "%" not in text else None
    except ValueError:
        return None


def _concerns(network: Network, v4: int | None, v6: int | None) -> bool:
    return (v4 if network.version == 4 else v6) is not None


_CARRIERS = (
    (ipaddress.IPv6Network("::/96"), 96),
    (ipaddress.IPv6Network("::ffff:0:0/96"), 96),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 96),
    (ipaddress.IPv6Network("64:ff9b::/96"), 96),
    (ipaddress.IPv6Network("2002::/16"), 16),
    (ipaddress.IPv6Network("2001::/32"), 32),
)
"""Blocks that carry an IPv4 address, and the bit at which it starts."""


_LOCAL = frozenset((ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1")))


def _carried_from(network: ipaddress.IPv6Network) -> int | None:
    """Return the bit at which an IPv4 address starts in an IPv6 one, None where it carries none."""
    if network.network_address in _LOCAL:
        return None
    return next((first for block, first in _CARRIERS if network.prefixlen > first and network.subnet_of(block)), None)


def _on_original(folding: Folding, hit: Hit) -> Hit:
    return Hit(*folding.span(hit.start, hit.end), None if folding.packed else hit.network, hit.in_host)


def _merge(hits: list[Hit]) -> list[Hit]:
    merged: list[Hit] = []
    for hit in sorted(hits, key=lambda each: (each.start, -each.end)):
        last = merged[-1] if merged else None
        if last is None or hit.start >= last.end:
            merged.append(hit)
            continue
        if hit.end <= last.end:
            same_span = hit.start == last.start and hit.end == last.end
            network = last.network if not same_span or hit.network == last.network else None
        else:
            network = None
        merged[-1] = Hit(last.start, max(last.end, hit.end), network, last.in_host or hit.in_host)
    return merged


def _find(text: str) -> Iterator[Hit]:
    hosts = [match.span(1) for match in _AUTHORITY.finditer(text)] if "/" in text or "\\" in text else []
    for start, end in hosts:
        host = text[start:end].rpartition("@")[2].partition(":")[0]
        at = start + text[start:end].rindex(host) if host else start
        if _is_numeric(host):
            yield Hit(at, at + len(host), None, True)
    for hit in _find_anywhere(text):
        yield Hit(hit.start, hit.end, hit.network, overlaps(hosts, hit.start, hit.end))


def _find_anywhere(text: str) -> Iterator[Hit]:
    yield from _find_v4(text)
    if ":" in text or "colon" in text:
        yield from _find_v6(text)
    if "." in text:
        for match in _ARPA.finditer(text):
            yield Hit(match.start(), match.end(), None)
        for match in _HOST_NAMES.finditer(text):
            yield Hit(match.start(), match.end(), None)
    for match in _DASHED.finditer(text):
        if all(int(match[group]) < 256 for group in (1, 3, 4, 5)) and _names_a_host(text, match):
            yield Hit(match.start(), match.end(), None)


def _names_a_host(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 12) : match.start()]
    if _YEAR_BEFORE.search(before):
        return False
    return _DASHED_AFTER.match(text, match.end()) is not None or _DASHED_BEFORE.search(before) is not None


def _find_v4(text: str) -> Iterator[Hit]:
    for match in _QUAD.finditer(text):
        run = match[1]
        parts = _NUMBERS.findall(run)
        plain = ".".join(parts)
        if match[2]:
            if len(parts) == 3 and all(_octet(part) is not None for part in parts):
                yield Hit(match.start(), match.end(), read_exact(plain + ".0/24"))
            continue
        if not _is_address_run(parts) or (run == plain and _is_version(parts, text[max(0, match.start() - 3) : match.start()])):
            continue
        network, end = read_exact(plain) if len(parts) == 4 else None, match.end(1)
        suffix = _V4_SUFFIX.match(text, end)
        if suffix and suffix[1] is None:
            end = suffix.end()
        elif suffix and network and (narrower := _with_prefix(network, suffix[1], text[suffix.end() : suffix.end() + 1])):
            network, end = narrower, suffix.end()
        yield Hit(match.start(), end, network)
    for match in _SPACED_QUAD.finditer(text):
        parts = [match[group] for group in (1, 3, 4, 5)]
        if all(_octet(part) is not None for part in parts):
            yield Hit(match.start(), match.end(), read_exact(".".join(parts)))


def _with_prefix(network: Network, length: str, following: str) -> Network | None:
    """Return the network of that prefix length, None where what looks like one is more likely part of a path (``/24hours``)."""
    if int(length) > network.max_prefixlen:
        return None
    address = f"{network.network_address}/{length}"
    return ipaddress.ip_network(address, strict=False) if not following.isalnum() or is_network_text(address) else None


def _is_address_run(parts: list[str]) -> bool:
    """Four octets; a fifth is the port as tcpdump writes it; more of them are an address unless they begin as an OID does."""
    if len(parts) < 4 or any(_octet(part) is None for part in parts[:4]):
        return False
    if len(parts) <= 5:
        return True
    root, arc = parts[0], _octet(parts[1]) or 0
    return not (root == "2" or (root in {"0", "1"} and arc < 40))


def _is_version(parts: list[str], before: str) -> bool:
    """Return whether four numbers are a version by what stands before them: ``v1.2.3.4``, or ``Chrome/120.0.0.0`` as browsers cut it."""
    return _VERSION_LETTER.search(before) is not None or (parts[1:] == ["0", "0", "0"] and _BROWSER.search(before) is not None)


def _octet(part: str) -> int | None:
    """Return the octet that ``part`` spells in decimal, octal or hexadecimal."""
    value = int(part) if part.isdigit() else _number(part)
    if value > 255:
        value = _number(part)
    return value if value < 256 else None


def _number(part: str) -> int:
    """Return the number that inet_aton reads: 0x is hexadecimal, a leading zero octal, unless a digit forbids it."""
    if part[:2] in {"0x", "0X"}:
        return int(part, 16)
    return int(part, 8 if part[0] == "0" and not set(part) & {"8", "9"} else 10)


def _is_numeric(host: str) -> bool:
    """Return whether inet_aton reads a host as an address: one to four numbers of any base."""
    parts = host.rstrip(".").split(".")
    if not 1 <= len(parts) <= 4 or not all(_NUMBERS.fullmatch(part) for part in parts):
        return False
    values = [_number(part) for part in parts]
    return all(value < 256 for value in values[:-1]) and values[-1] < 256 ** (5 - len(parts))


def _find_v6(text: str) -> Iterator[Hit]:
    network: Network | None
    for match in _V6.finditer(text):
        start, end = match.span()
        if text[end - 1] == ":" and text[end - 2] != ":":
            end -= 1
        plain = _V6_NOISE.sub("", text[start:end].replace("colon", ":"))
        tail = _V6_TAIL.match(text, end)
        if tail:
            end = tail.end()
            plain += "." + ".".join(_NUMBERS.findall(tail[0]))
        glued = text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
        network = _read_v6(plain)
        if network is None or (glued and not _V6_GLUED.fullmatch(plain)):
            continue
        if zone := _V6_ZONE.match(text, end):
            end = zone.end()
        prefix = _V6_PREFIX.match(text, end)
        if prefix and (narrower := _with_prefix(network, prefix[1], text[prefix.end() : prefix.end() + 1])):
            network, end = narrower, prefix.end()
        yield Hit(start, end, network)


def _read_v6(plain: str) -> ipaddress.IPv6Network | None:
    """Return the address that a run of groups spells, also with a port behind it."""
    if not _looks_like_v6(plain):
        return None
    for candidate in (plain, _PORT.sub("", plain)):
        try:
            return ipaddress.IPv6Network(candidate)
        except ValueError:
            continue
    return None


def _looks_like_v6(plain: str) -> bool:
    groups = [group for group in plain.split(":") if group]
    if not groups:
        return False
    if "::" not in plain and all(len(group) == 2 for group in groups):
        return False
    return any(character.isdigit() for character in plain) or plain[0] in ":fF"
