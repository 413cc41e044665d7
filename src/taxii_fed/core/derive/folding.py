"""Text as a reader would see it: encodings undone, look-alike characters made plain, with the way back to the original positions.

An address can stand in a text as ``198%2E51…``, ``198&#46;51…``, in full-width digits or with invisible characters inside. Each
folding undoes one layer of that; finders run over all of them and point at the original characters.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_ROUNDS = 5
"""Layers of encoding that are undone."""

_FOLDABLE = re.compile(r"[^\x20-\x7e\t\n\r]|%[0-9A-Fa-f]{2}|&[#A-Za-z]|\\|<[/A-Za-z!]")
_ENCODED = re.compile(
    r"(?P<multi>(?:%[89A-Fa-f][0-9A-Fa-f]){1,4})"
    r"|%(?P<percent>[0-7][0-9A-Fa-f])"
    r"|&#(?P<decimal>\d{1,7});?|&#[xX](?P<hex>[0-9A-Fa-f]{1,6});?|(?P<named>&[A-Za-z]{2,31};)"
    r"|\\u\{(?P<braced>[0-9A-Fa-f]{1,6})\}|\\u(?P<unicode>[0-9A-Fa-f]{4})|\\x(?P<byte>[0-9A-Fa-f]{2})|\\(?P<octal>[01][0-7]{2})"
    r"|\\(?P<escaped>[^0-9A-Za-z\s])"
    r"|(?P<tag></?[A-Za-z][^<>]{0,80}>|<!--[^<>]{0,80}-->)"
    r"|(?P<strange>[^\x20-\x7e\t\n\r])"
)
_QUOTED_PRINTABLE = re.compile(r"=([0-9A-F]{2})|=\r?\n")
_DOTS = frozenset("。․·•∙⋅・･܁܂۔．｡")
_COLONS = frozenset("：﹕ː∶꞉։")
_SLASHES = frozenset("⁄∕／")


@dataclass(frozen=True, slots=True)
class Folding:
    """``text`` and, for each of its characters, where it starts and ends in the original; None: the original itself."""

    text: str
    places: tuple[tuple[int, int], ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the original span of ``text[start:end]``."""
        if self.places is None:
            return start, end
        if start == end:
            return (self.places[start][0],) * 2 if start < len(self.places) else (0, 0)
        return self.places[start][0], max(place[1] for place in self.places[start:end])


def foldings(text: str) -> Iterator[Folding]:
    """Yield the text itself, then each further layer that undoing encodings brings up."""
    current = Folding(text)
    yield current
    if "=" in text and _QUOTED_PRINTABLE.search(text):
        yield _substitute(current, _QUOTED_PRINTABLE, _unquote)
    for _ in range(_ROUNDS):
        if not _FOLDABLE.search(current.text):
            return
        folded = _substitute(current, _ENCODED, _decode)
        if folded.text == current.text:
            return
        current = folded
        yield current


def _substitute(folding: Folding, pattern: re.Pattern[str], decode: object) -> Folding:
    text, places = folding.text, folding.places
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    position = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        parts.append(text[position:start])
        spans.extend(places[position:start] if places else ((at, at + 1) for at in range(position, start)))
        plain = decode(match)  # type: ignore[operator]
        parts.append(plain)
        spans.extend([folding.span(start, end)] * len(plain))
        position = end
    parts.append(text[position:])
    spans.extend(places[position:] if places else ((at, at + 1) for at in range(position, len(text))))
    return Folding("".join(parts), tuple(spans))


def _unquote(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else ""


def _decode(match: re.Match[str]) -> str:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    if kind == "strange":
        return _plain(value)
    if kind == "multi":
        return bytes.fromhex(value.replace("%", "")).decode("utf-8", "replace")
    if kind == "named":
        return html.unescape(value)
    if kind == "tag":
        return ""
    if kind == "escaped":
        return value
    base = {"decimal": 10, "octal": 8}.get(kind or "", 16)
    number = int(value, base)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def _plain(character: str) -> str:
    """Return what a reader takes one unusual character for; invisible ones are nothing."""
    if character in _DOTS:
        return "."
    if character in _COLONS:
        return ":"
    if character in _SLASHES:
        return "/"
    category = unicodedata.category(character)
    if category in {"Cf", "Mn", "Me", "Cc"}:
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    return unicodedata.normalize("NFKC", character)
