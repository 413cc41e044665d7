"""Configuration files, and what they include, to one tree of marked values."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taxii_fed.config.marked import Mapping, Refusal, Scalar, Sequence, compose
from taxii_fed.config.problems import Mark, Problem, Source, path_text, problem_at, shown

MAX_FILE_BYTES = 16_000_000
MAX_FILES = 1000


@dataclass(slots=True)
class Tree:
    """All files of a configuration, merged. ``root`` is meaningful only while ``broken`` is False (a file could not be read)."""

    root: Mapping
    problems: list[Problem] = field(default_factory=list)
    broken: bool = False


def read_tree(path: Path) -> Tree:
    """Return the tree of a file and of all that it includes."""
    source = Source(str(path), path.absolute())
    tree = Tree(Mapping(Mark(source)))
    _Reader(tree).read(source, (), None)
    return tree


def parse_tree(text: str, source: Source) -> Tree:
    """Return the tree of one text that stands in for a file."""
    tree = Tree(Mapping(Mark(source)))
    _Reader(tree).parse(text, source, ())
    return tree


class _Reader:
    """Reads files into one tree, noting problems and going on."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._seen: dict[Path, Mark | None] = {}

    def read(self, source: Source, chain: tuple[Path, ...], asked_at: Mark | None) -> None:
        """Read one file and what it includes into the tree. ``chain`` are the files that include it, ``asked_at`` where they do."""
        try:
            text = _text_of(source, asked_at)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        self.parse(text, source, chain)

    def parse(self, text: str, source: Source, chain: tuple[Path, ...]) -> None:
        source = Source(source.name, source.path, tuple(text.splitlines()), len(self._seen))
        self._seen.setdefault(source.path.resolve(), None)
        try:
            root = compose(text, source, self._tree.problems)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        if not chain:
            self._tree.root.mark = root.mark
        includes = root.pop("include", None)
        self._merge(root)
        for path, mark in self._included(includes, root.keys_at.get("include"), source, (*chain, source.path.resolve())):
            self.read(Source(_name_beside(source, path), path), (*chain, source.path.resolve()), mark)

    def _refuse(self, refusal: Refusal) -> None:
        self._tree.broken = True
        self._tree.problems.append(refusal.problem)

    def _problem(self, mark: Mark, path: str, message: str) -> None:
        self._tree.problems.append(problem_at(mark, path, message))

    def _merge(self, root: Mapping) -> None:
        """Add a file's sections to the tree: mappings by key, anything else only where nothing stood before."""
        target = self._tree.root
        for key, value in root.items():
            if key not in target:
                # a copy, so that merging another file into it does not reach back into an alias
                target[key] = _copied(value) if isinstance(value, Mapping) else value
                target.keys_at[key] = root.keys_at[key]
            elif isinstance(value, Mapping) and isinstance(target[key], Mapping):
                self._merge_section(key, target[key], value)
            else:
                self._problem(root.keys_at[key], path_text([key]), f"given twice, first at {target.keys_at[key]}")

    def _merge_section(self, section: str, target: Mapping, addition: Mapping) -> None:
        for key, value in addition.items():
            if key in target:
                self._problem(addition.keys_at[key], path_text([section, key]), f"given twice, first at {target.keys_at[key]}")
            else:
                target[key] = value
                target.keys_at[key] = addition.keys_at[key]

    def _included(
        self, includes: Any, key: Mark | None, source: Source, chain: tuple[Path, ...]
    ) -> Iterator[tuple[Path, Mark]]:
        """Yield the files that an ``include`` names, each with the place of its name."""
        if includes is None or key is None:
            return
        if isinstance(includes, Mapping):
            self._problem(key, "include", "expected a list of file names, found a mapping")
            return
        patterns = zip(includes, includes.items_at, strict=True) if isinstance(includes, Sequence) else [(includes, key)]
        for index, (pattern, mark) in enumerate(patterns):
            if not isinstance(pattern, Scalar) or not pattern.strip():
                self._problem(mark, f"include[{index}]", "expected a file name, such as conf.d/*.yaml")
                continue
            found = _glob(source.path.parent, pattern)
            if not found:
                self._problem(pattern.mark, f"include[{index}]", f"no file matches {shown(pattern)} in {source.path.parent}")
            for path in found:
                if self._may_include(path, pattern.mark, f"include[{index}]", chain):
                    yield path, pattern.mark

    def _may_include(self, path: Path, mark: Mark, place: str, chain: tuple[Path, ...]) -> bool:
        real = path.resolve()
        if real in chain:
            names = " → ".join(each.name for each in (*chain[chain.index(real) :], real))
            self._problem(mark, place, f"files include each other in a loop: {names}")
        elif real in self._seen:
            first = self._seen[real]
            self._problem(mark, place, f"{path.name} is included twice" + (f", first at {first}" if first else ""))
        elif len(self._seen) >= MAX_FILES:
            self._problem(mark, place, f"more than {MAX_FILES} files")
        else:
            self._seen[real] = mark
            return True
        return False


def _copied(value: Mapping) -> Mapping:
    copy = Mapping(value.mark)
    copy.update(value)
    copy.keys_at.update(value.keys_at)
    return copy


def _glob(folder: Path, pattern: str) -> list[Path]:
    # Path.glob takes no absolute pattern
    names = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207
    return [folder / name for name in names if (folder / name).is_file()]


def _name_beside(source: Source, path: Path) -> str:
    """Return how to call an included file: as the file that includes it was called, so that a terminal can open it."""
    try:
        return str(Path(source.name).parent / path.relative_to(source.path.parent))
    except ValueError:
        return str(path)


def _text_of(source: Source, asked_at: Mark | None) -> str:
    """Return the text of a file. Raises `Refusal` where there is none to read."""
    mark = asked_at or Mark(source, line=0, column=0, end=0)

    def refusal(message: str) -> Refusal:
        return Refusal(mark, f"{source.name}: {message}" if asked_at else message)

    try:
        if source.path.is_dir():
            raise refusal("is a folder, not a file")
        with source.path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise refusal("no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise refusal(f"can't be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise refusal(f"is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        place = Mark(source, line, column, column + 1)
        raise Refusal(place, f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8") from None
