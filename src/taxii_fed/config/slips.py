"""What a person did who wrote text that is no YAML: YAML itself tells only where it lost its way."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

import yaml

from taxii_fed.config.problems import Mark, Source

_INDENTATION = re.compile(r"^[ \t-]*([^\S \t]|[^\x00-\x7f\w])|[:?-]([^\S \t]|[^\x00-\x7f\w])")
"""What stands where only spaces can: before the first word of a line, or right after ``:`` or ``-``."""


def told(error: yaml.MarkedYAMLError, text: str, source: Source) -> str:
    """Return what is wrong with a text that is no YAML, in an admin's words."""
    problem = error.problem or "not YAML"
    if "'\\t'" in problem:
        return "a tab: indent with spaces"
    if problem == "but found another document":
        return "a second document begins here: keep one file for each"
    slip = _slip(error, text, source)
    if problem.startswith("mapping values are not allowed"):
        advice = slip or "put the text in quotes, or look at the indentation of the line above"
        return f"a ':' where none can stand: {advice}"
    if problem.startswith("found character"):
        return f"{problem}: {slip or 'put the text in quotes'}"
    context = f" {error.context}" if error.context else ""
    start = error.context_mark
    where = f" that begins at {Mark(source, start.line + 1, start.column + 1)}" if start is not None else ""
    return f"not YAML: {problem}{context}{where}{f'; {slip}' if slip else ''}"


def invisible(name: str) -> str:
    """Return the first character around a name that nobody sees and that YAML takes for a part of it, "" where there is none."""
    ends = name[:1] + name[-1:]
    return next((char for char in ends if char != " " and unicodedata.category(char) in {"Cf", "Zl", "Zp", "Zs"}), "")


def named(char: str) -> str:
    """Return an invisible character in words."""
    return f"an invisible character, U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()


def _slip(error: yaml.MarkedYAMLError, text: str, source: Source) -> str:
    """Return what was likely done wrong, "" where nothing is likely."""
    mark = error.problem_mark
    if mark is None:
        return ""
    slip = _unseen(mark.line, source) or _unclosed(error, text, source) or _uneven(error, source)
    if not slip and error.problem == "expected <block end>, but found '<scalar>'":
        return "text goes on after a quote has closed: put all of it between one pair of quotes"
    return slip


def _unseen(line: int, source: Source) -> str:
    """Tell of an invisible character where only spaces can stand, on this line (from 0) or the one before."""
    for number in (line, line - 1):
        found = _INDENTATION.search(source.lines[number]) if 0 <= number < len(source.lines) else None
        char = invisible(found[1] or found[2]) if found else ""
        if found and char:
            return f"{named(char)}, at {Mark(source, number + 1, found.end())}: type a plain space"
    return ""


def _unclosed(error: yaml.MarkedYAMLError, text: str, source: Source) -> str:
    """Tell of a quote that closes nowhere, or only at the next quote that comes, lines below."""
    mark, context = error.problem_mark, error.context_mark
    assert mark is not None
    if error.context == "while scanning a quoted scalar" and context is not None:
        return f"the quote opened on line {context.line + 1} never closes"
    with suppress(yaml.YAMLError):
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if token.start_mark.index >= mark.index:
                break
            quoted = isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
            if quoted and token.start_mark.line < token.end_mark.line == mark.line:
                opened = Mark(source, token.start_mark.line + 1, token.start_mark.column + 1)
                return f"the quote opened at {opened} closes only at the next quote, on line {mark.line + 1}: is one missing between?"
    return ""


def _uneven(error: yaml.MarkedYAMLError, source: Source) -> str:
    """Tell of a line that is indented by a little more or less than what it belongs to."""
    mark = error.problem_mark
    assert mark is not None
    if mark.line >= len(source.lines):
        return ""
    above = next((line for line in reversed(source.lines[: mark.line]) if line.strip() and line.lstrip()[0] != "#"), "")
    here, there = _width(source.lines[mark.line]), _width(above)
    begins = error.problem is not None and error.problem.startswith(("expected <block end>", "mapping values"))
    if not begins or not above or here == there or (mark.column != here and ":" in source.lines[mark.line][: mark.column]):
        return ""
    return f"line {mark.line + 1} is indented by {here}, the line above it by {there}: lines that belong together begin alike"


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
