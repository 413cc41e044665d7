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
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

_ROUNDS = 4
"""How often encodings inside encodings are undone."""

_FOLDABLE = re.compile(r"[^\x20-\x7e\t\n\r]|%[0-9A-Fa-f]{2}|&[#A-Za-z]|\\|<[/A-Za-z!]|=[0-9A-F\r\n]|[0-9A-Za-z+/]{14}")


@dataclass(frozen=True, slots=True)
class Folding:
    """A text with one more layer of encoding undone than in ``source``, which is None in the original.

    ``changes``: (start, end) here and (start, end) in the source of each part that was replaced, ascending. ``packed``: some of it was
    encoded as a whole, so that nothing can be put in place of a part.
    """

    text: str
    source: Folding | None = None
    changes: tuple[tuple[int, int, int, int], ...] = ()
    packed: bool = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span in the original of ``text[start:end]``, which is not empty."""
        if self.source is None:
            return start, end
        _, first_end, before, after = self._change_at(start)
        first = before if start < first_end else after + start - first_end
        _, last_end, _, after = self._change_at(end - 1)
        last = after if end <= last_end else after + end - last_end
        return self.source.span(first, last)

    def _change_at(self, position: int) -> tuple[int, int, int, int]:
        """Return the last change that starts at ``position`` or before it."""
        index = bisect_right(self.changes, position, key=itemgetter(0))
        return self.changes[index - 1] if index else (0, 0, 0, 0)


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
    """One kind of encoding: where it is in a text, and what stands for it; ``plain`` returns None where it is not that kind after all.

    ``aside``: looked at on its own and not built upon, since ordinary text looks like it. ``packs``: see `Folding`.
    """

    find: Callable[[str], Iterable[re.Match[str]]]
    plain: Callable[[re.Match[str]], str | None]
    aside: bool = False
    packs: bool = False


def _undo(folding: Folding, step: _Step) -> Folding:
    parts: list[str] = []
    changes: list[tuple[int, int, int, int]] = []
    position = length = 0
    for match in step.find(folding.text):
        plain = step.plain(match)
        if plain is None:
            continue
        start, end = match.span()
        parts += (folding.text[position:start], plain)
        length += start - position
        changes.append((length, length + len(plain), start, end))
        length += len(plain)
        position = end
    if not changes:
        return folding
    return Folding("".join(parts) + folding.text[position:], folding, tuple(changes), folding.packed or step.packs)


# -- kinds of encoding ------------------------------------------------------------------------------------------------------------

_DOTS = frozenset("。․·•∙⋅・･܁܂۔．｡")
_COLONS = frozenset("：﹕ː∶꞉։")
_SLASHES = frozenset("⁄∕／")


def _unusual(text: str) -> Iterator[re.Match[str]]:
    """Find characters that a reader takes for others, or does not see."""
    found = [character for character in set(text) if character not in _PRINTABLE and _usual(character) != character]
    return re.finditer(f"[{re.escape(''.join(found))}]", text) if found else iter(())


_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F))) | frozenset("\t\n\r")


@lru_cache(maxsize=8192)
def _usual(character: str) -> str:
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
    _Step(re.compile(r"(?<![0-9A-Za-z+/])[0-9A-Za-z+/]{14,}={0,2}").finditer, _from_base64, aside=True, packs=True),
    _Step(
        re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}){7,}(?![0-9A-Za-z])").finditer,
        lambda match: _readable(bytes.fromhex(match[0])),
        aside=True,
        packs=True,
    ),
    _Step(_unusual, lambda match: _usual(match[0])),
    _Step(re.compile(r"=([0-9A-F]{2})|=\r?\n").finditer, lambda match: chr(int(match[1], 16)) if match[1] else "", aside=True),
    _Step(
        re.compile(
            r"(?P<bytes>%[0-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f]){1,4})"
            r"|&#(?P<decimal>\d{1,7});?|&#[xX](?P<hex>[0-9A-Fa-f]{1,6});?|(?P<named>&[A-Za-z]{2,31};)"
            r"|</?[A-Za-z][^<>]{0,80}>|<!--[^<>]{0,80}-->"
        ).finditer,
        _from_markup,
    ),
    _Step(re.compile(r"\\([01][0-7]{2})").finditer, lambda match: chr(int(match[1], 8)), aside=True),
    _Step(
        re.compile(
            r"\\[uU]\{(?P<braced>[0-9A-Fa-f]{1,6})\}|\\u(?P<unicode>[0-9A-Fa-f]{4})|\\x(?P<byte>[0-9A-Fa-f]{2})|\\(?P<escaped>[^0-9A-Za-z\s])"
        ).finditer,
        _from_escape,
    ),
)
