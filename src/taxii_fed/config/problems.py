"""Mistakes in configuration files, each with its place, and how they are shown.

A `Mark` is a stretch of one line of one file; a `Problem` is a mistake, or a warning, that starts there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

SHOWN_LENGTH = 60
"""How many characters of a value a message repeats."""
LINE_LENGTH = 400
"""How many characters of a line are shown around a mistake in it; a file written by a program may be one long line."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: ``name`` as messages show it, ``path`` absolute, its text by line, and its place in reading order."""

    name: str
    path: Path
    lines: tuple[str, ...] = field(default=(), repr=False)
    order: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """Columns ``column`` to before ``end`` of a line; both counted from 1."""

    source: Source
    line: int = 1
    column: int = 1
    end: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``path`` is where in the settings it is, ``hint`` the nearest known name; empty texts are not shown.

    ``line`` 0 stands for the whole file, which there is not or which can't be read.
    ``source`` is the line that it is in, with anything that may be a secret blotted out, and ``width`` how much of it to mark.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    found: str = ""
    expected: str = ""
    hint: str = ""
    source: str = ""
    width: int = 1

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {f'{self.path}: ' if self.path else ''}{self.sentence}"

    @property
    def sentence(self) -> str:
        """The message with what was found, what was expected and the nearest known name."""
        parts = [self.message] if self.message else []
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return ", ".join(parts) + (f" (did you mean {self.hint}?)" if self.hint else "")

    def render(self) -> str:
        """Return the message with the line of the file below it and a caret under the mistake."""
        if not self.source.strip():
            return str(self)
        gutter = f"{self.line:>5} | "
        source, before, width = self._excerpt()
        # a tab before the caret is kept, so that both lines are indented alike
        indent = re.sub(r"[^\t]", " ", source[:before]).ljust(before)
        return f"{self}\n{gutter}{source}\n{' ' * (len(gutter) - 2)}| {indent}{'^' * max(1, width)}"

    def _excerpt(self) -> tuple[str, int, int]:
        """Return what is shown of the line, how much of it stands before the mistake, and how much of it is the mistake."""
        if len(self.source) <= LINE_LENGTH:
            return self.source, self.column - 1, self.width
        start = max(0, self.column - 1 - LINE_LENGTH // 2)
        text = self.source[start : start + LINE_LENGTH]
        cut = f"{'…' if start else ''}{text}{'…' if start + len(text) < len(self.source) else ''}"
        before = self.column - 1 - start
        return cut, before + bool(start), min(self.width, len(text) - before)

    def to_json(self) -> dict[str, str | int]:
        """Return the members of the problem, for ``--json``."""
        doc = asdict(self) | {"text": self.sentence}
        del doc["width"], doc["source"]
        return doc


def problem_at(
    mark: Mark, path: str, message: str, *, expected: str = "", found: str = "", hint: str = "", secret: bool = False
) -> Problem:
    """Return a problem at a mark. With ``secret`` the line is not shown from the mark on."""
    lines = mark.source.lines
    line = lines[mark.line - 1] if 0 < mark.line <= len(lines) else ""
    return Problem(
        file=mark.source.name,
        line=mark.line,
        column=mark.column,
        path=path,
        message=message,
        found=found,
        expected=expected,
        hint=hint,
        source=f"{_blotted(line)[: mark.column - 1]}…" if secret else _blotted(line),
        width=1 if secret else min(mark.end, len(line) + 1) - mark.column,
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that ``name`` was most likely meant to be, empty where none is near."""
    options = sorted(known)
    folded = {_folded(option): option for option in reversed(options)}
    if _folded(name) in folded:
        return folded[_folded(name)]
    close = difflib.get_close_matches(_folded(name), list(folded), n=1, cutoff=0.6)
    # letters that changed places weigh too much in short names
    close += [option for option in folded if sorted(option) == sorted(_folded(name))]
    return folded[close[0]] if close else ""


def shown(value: str) -> str:
    """Return a value in quotes for a message, on one line and shortened."""
    text = repr(str(value))
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def path_text(path: Iterable[str | int]) -> str:
    """Return a path as messages write it: ``parties.harbour-bank.communities[1].until``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w+-]+", part) else f'"{shown(part)[1:-1]}"'
            text += f".{name}" if text else name
    return text


def _folded(name: str) -> str:
    return name.casefold().replace("_", "-")


_SECRET_WORDS = ("password", "password_hash", "token", "token_hash", "secret", "value")
_PAIR = re.compile(r"""(?P<key>[\w-]+)(?P<colon>["']?\s*:\s+)(?P<value>"[^"]*"?|'[^']*'?|[^\s{\[&*!|>"'][^,}]*)""")
_CREDENTIALS = re.compile(r"://[^/\s@]*@")


def _blotted(line: str) -> str:
    """Return the line with the values of keys that look like a secret's, misspelt ones too, blotted out.

    The length stays, so that a caret below still points at the right place.
    """

    def blot(match: re.Match[str]) -> str:
        key = match["key"].casefold()
        if key == "sector" or not difflib.get_close_matches(key, _SECRET_WORDS, n=1, cutoff=0.7):
            return match[0]
        return match["key"] + match["colon"] + "·" * len(match["value"])

    return _CREDENTIALS.sub(lambda match: f"://{'·' * (len(match[0]) - 4)}@", _PAIR.sub(blot, line))
