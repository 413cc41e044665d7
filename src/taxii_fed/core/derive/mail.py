"""Mail addresses in text, also defanged or encoded (rule terms ``pseudonymise`` and ``redact_text``)."""

from __future__ import annotations

import re

from taxii_fed.core.derive.folding import Folding, foldings
from taxii_fed.core.derive.spans import Span

_OPEN, _CLOSE = r"[\[({<]", r"[\])}>]"
_AT = rf"(?:@|\s@\s|\s?{_OPEN}\s?(?:@|[aA][tT])\s?{_CLOSE}\s?)"
_DOT = rf"(?:\.|\s?{_OPEN}\s?(?:\.|[dD][oO][tT])\s?{_CLOSE}?\s?|\.{_CLOSE}|[\s_-]{{1,2}}[dD][oO][tT][\s_-]{{1,2}})"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that put no space between words: there, an address in other letters ends where the script begins."""
_SIGNS = r".!#$%'*+=^`|~-"
_SPACED_LETTER = rf"[^\W{_UNSPACED}]"
_LOCAL_CHARACTER = rf"(?:{_SPACED_LETTER}|[{_SIGNS}])"
_ANY_LOCAL_CHARACTER = rf"[\w{_SIGNS}]"
_LITERAL = r"\[(?:IPv6:)?[0-9A-Fa-f:.]{2,45}\]"
_SPACED_DOMAIN = (
    rf"(?:(?:{_SPACED_LETTER}|-){{1,63}}{_DOT}){{1,8}}"
    rf"(?![\d_]){_SPACED_LETTER}(?:{_SPACED_LETTER}|-){{1,62}}(?!{_SPACED_LETTER})"
)
_DOMAIN = rf"(?:{_SPACED_DOMAIN}|(?:[\w-]{{1,63}}{_DOT}){{1,8}}[^\W\d_][\w-]{{1,62}}(?!\w)|{_LITERAL})"
_SPACED_LOCAL = rf"(?<!{_LOCAL_CHARACTER}){_LOCAL_CHARACTER}++"
_UNSPACED_LOCAL = (
    rf"(?:(?<!{_ANY_LOCAL_CHARACTER})|(?<![{_UNSPACED}])(?=[{_UNSPACED}])){_ANY_LOCAL_CHARACTER}{{1,128}}+(?<![!-~])"
)
_MAIL = re.compile(rf"(?:{_SPACED_LOCAL}|{_UNSPACED_LOCAL}|\"[^\"\n]{{1,64}}\"){_AT}{_DOMAIN}")
_DISPLAY_NAME = re.compile(r"\"[^\"\n]{1,64}\"\s?<$")
"""A quoted name in front of an address belongs to it (RFC 5322, section 3.4)."""
_SPOKEN = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}+\s{1,2}[aA][tT]\s{1,2}[\w-]{1,63}(?:\s{1,2}[dD][oO][tT]\s{1,2}[\w-]{1,63}){1,5}"
    rf"|(?<![\w.+-])[\w.+-]{{1,64}}?[_-][aA][tT][_-]{_DOMAIN}"
)
_PLAIN = re.compile(rf"{_ANY_LOCAL_CHARACTER}+@{_DOMAIN}")
_PSEUDONYM = re.compile(r"[0-9a-f]{16,64}@pseudonym\.invalid")
_IN_SIGNS = re.compile(rf"[^\w]*{_PSEUDONYM.pattern}")
_WORTH_FOLDING = re.compile(r"@|[0-9A-Za-z+/]{14}|[^\x20-\x7e\t\n\r]|%|&[#a-z]|\\|=40|\bat\b|[_-]at[_-]", re.IGNORECASE)
_WORTH_SEARCHING = re.compile(r"@|[\[({<]\s?at\s?[\])}>]|\bdot\b|[_-]at[_-]", re.IGNORECASE)


def find_mail(text: str) -> list[Span]:
    """Return where mail addresses stand in ``text``, ascending and without overlap. Pseudonyms are none."""
    if not _WORTH_FOLDING.search(text):
        return []
    spans: list[Span] = []
    for folding in foldings(text):
        if not _WORTH_SEARCHING.search(folding.text):
            continue
        for pattern in (_MAIL, _SPOKEN):
            spans.extend(
                _with_name(folding, match) for match in pattern.finditer(folding.text) if not _IN_SIGNS.fullmatch(match[0])
            )
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _with_name(folding: Folding, match: re.Match[str]) -> Span:
    start, end = match.span()
    if folding.text[end : end + 1] == ">" and (name := _DISPLAY_NAME.search(folding.text, max(0, start - 70), start)):
        start, end = name.start(), end + 1
    return folding.span(start, end)


def is_pseudonym(text: str) -> bool:
    """Return whether ``text`` is what `Keys.pseudonym` makes, here or in another node."""
    return _PSEUDONYM.fullmatch(text) is not None


def is_mail(text: str) -> bool:
    """Return whether ``text`` is one plain mail address and nothing else."""
    return _PLAIN.fullmatch(text) is not None
