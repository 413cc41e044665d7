"""Text as a reader would see it: encodings undone, look-alike characters made plain, with the way back to the original positions.

An address can stand in a text as ``198%2E51…``, ``198&#46;51…``, in full-width digits or with invisible characters inside. Each
folding undoes one more layer of that; finders run over all of them and point at the original characters.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_ROUNDS = 4
"""How often encodings inside encodings are undone."""

_FOLDABLE = re.compile(r"[^\x20-\x7e\t\n\r]|%[0-9A-Fa-f]{2}|&[#A-Za-z]|\\|<[/A-Za-z!]|=[0-9A-F\r\n]|[0-9A-Za-z+/]{14}")


@dataclass(frozen=True, slots=True)
class Folding:
    """``text`` and, for each of its characters, where it starts and ends in the original; None: the original itself.

    ``packed``: some of it was encoded as a whole, so that nothing can be put in place of a part.
    """

    text: str
    places: tuple[tuple[int, int], ...] | None = None
    packed: bool = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the original span of ``text[start:end]``, which is not empty."""
        if self.places is None:
            return start, end
        return self.places[start][0], max(place[1] for place in self.places[start:end])


def foldings(text: str) -> Iterator[Folding]:
    """Yield the text itself, then each further layer that undoing encodings brings up.

    Kinds of encoding are undone one after the other, so that what looks like one of them by chance hides nothing in the layers before.
    """
    current = Folding(text)
    yield current
    for _ in range(_ROUNDS):
        start = current
        for step in _STEPS:
            if _FOLDABLE.search(current.text) is None:
                return
            folded = _undo(current, step)
            if folded is not current:
                yield folded
            if not step.aside:
                current = folded
        if current is start:
            return


@dataclass(frozen=True, slots=True)
class _Step:
    """One kind of encoding. ``plain`` returns None where it is not that kind after all.

    ``aside``: looked at on its own and not built upon, since ordinary text looks like it. ``packs``: see `Folding`.
    """

    pattern: re.Pattern[str]
    plain: Callable[[re.Match[str]], str | None]
    aside: bool = False
    packs: bool = False


def _undo(folding: Folding, step: _Step) -> Folding:
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    position = 0
    for match in step.pattern.finditer(folding.text):
        start, end = match.span()
        plain = step.plain(match)
        if plain is None:
            continue
        parts += (folding.text[position:start], plain)
        spans += _places(folding, position, start)
        spans += [folding.span(start, end)] * len(plain)
        position = end
    if not parts:
        return folding
    return Folding(
        "".join(parts) + folding.text[position:],
        (*spans, *_places(folding, position, len(folding.text))),
        folding.packed or step.packs,
    )


def _places(folding: Folding, start: int, end: int) -> list[tuple[int, int]]:
    if folding.places is not None:
        return list(folding.places[start:end])
    return [(at, at + 1) for at in range(start, end)]


# -- kinds of encoding ------------------------------------------------------------------------------------------------------------

_DOTS = frozenset("。․·•∙⋅・･܁܂۔．｡")
_COLONS = frozenset("：﹕ː∶꞉։")
_SLASHES = frozenset("⁄∕／")


def _usual(match: re.Match[str]) -> str:
    """Return what a reader takes one unusual character for; invisible ones are nothing."""
    character = match[0]
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


def _from_markup(match: re.Match[str]) -> str:
    if match["bytes"]:
        return bytes.fromhex(match["bytes"].replace("%", "")).decode("utf-8", "replace")
    if match["decimal"] or match["hex"]:
        return _character(int(match["decimal"]) if match["decimal"] else int(match["hex"], 16))
    return html.unescape(match["named"]) if match["named"] else ""


def _from_escape(match: re.Match[str]) -> str:
    digits = match["braced"] or match["unicode"] or match["byte"]
    return _character(int(digits, 16)) if digits else match["escaped"]


def _from_base64(match: re.Match[str]) -> str | None:
    data = match[0].rstrip("=")
    try:
        return _readable(base64.b64decode(data + "=" * (-len(data) % 4)))
    except binascii.Error:
        return None


def _readable(data: bytes) -> str | None:
    """Return the text that bytes are, with spaces around it, None where they are none."""
    try:
        text = data.decode("utf-16-le" if b"\0" in data else "utf-8")
    except UnicodeDecodeError:
        return None
    return f" {text} " if text.isprintable() or "\n" in text else None


def _character(number: int) -> str:
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


_STEPS = (
    _Step(re.compile(r"(?<![0-9A-Za-z+/])[0-9A-Za-z+/]{14,}={0,2}"), _from_base64, aside=True, packs=True),
    _Step(
        re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}){7,}(?![0-9A-Za-z])"),
        lambda match: _readable(bytes.fromhex(match[0])),
        aside=True,
        packs=True,
    ),
    _Step(re.compile(r"[^\x20-\x7e\t\n\r]"), _usual),
    _Step(re.compile(r"=([0-9A-F]{2})|=\r?\n"), lambda match: chr(int(match[1], 16)) if match[1] else "", aside=True),
    _Step(
        re.compile(
            r"(?P<bytes>%[0-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f]){1,4})"
            r"|&#(?P<decimal>\d{1,7});?|&#[xX](?P<hex>[0-9A-Fa-f]{1,6});?|(?P<named>&[A-Za-z]{2,31};)"
            r"|</?[A-Za-z][^<>]{0,80}>|<!--[^<>]{0,80}-->"
        ),
        _from_markup,
    ),
    _Step(re.compile(r"\\([01][0-7]{2})"), lambda match: chr(int(match[1], 8)), aside=True),
    _Step(
        re.compile(
            r"\\[uU]\{(?P<braced>[0-9A-Fa-f]{1,6})\}|\\u(?P<unicode>[0-9A-Fa-f]{4})|\\x(?P<byte>[0-9A-Fa-f]{2})|\\(?P<escaped>[^0-9A-Za-z\s])"
        ),
        _from_escape,
    ),
)
