"""YAML files to one tree of marked texts (design, section 5: includes, duplicate keys, places of mistakes).

No scalar is interpreted here: `fields` reads each by the type of its field, so ``NO`` stays Norway. Files are composed to nodes,
never constructed, so no tag can make an object.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from taxii_fed.config.problems import Mark, Problem, Source, path_text, problem_at, shown

MAX_DEPTH = 30
"""How deep values may nest; nothing in the schema comes near."""
MAX_NODES = 300_000
"""How many values a file may hold once its aliases are written out."""
MAX_FILE_BYTES = 16_000_000
MAX_FILES = 1000


class Scalar(str):
    """A scalar as written, with its place. ``plain``: without quotes."""

    __slots__ = ("mark", "plain")
    mark: Mark
    plain: bool

    def __new__(cls, text: str, mark: Mark, *, plain: bool = True) -> Self:
        self = super().__new__(cls, text)
        self.mark = mark
        self.plain = plain
        return self

    @property
    def nothing(self) -> bool:
        """Whether nothing is written where a value should stand."""
        return self.plain and self == ""


class Mapping(dict[str, Any]):
    """A mapping, with its own place and those of its keys."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}


class Sequence(list[Any]):
    """A list, with its own place and those of its items."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.items_at: list[Mark] = []


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


class _Refusal(Exception):  # noqa: N818 — control flow inside this module
    """Carries the problem that ends the reading of one file."""

    def __init__(self, mark: Mark, message: str, *, expected: str = "", found: str = "") -> None:
        super().__init__(message)
        self.problem = problem_at(mark, "", message, expected=expected, found=found)


class _Reader:
    """Reads files into one tree, noting problems and going on."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._seen: dict[Path, Mark | None] = {}
        self._count = 0

    def read(self, source: Source, chain: tuple[Path, ...], asked_at: Mark | None) -> None:
        """Read one file and what it includes into the tree. ``chain`` are the files that include it, ``asked_at`` where they do."""
        try:
            text = _text_of(source, asked_at)
        except _Refusal as refusal:
            self._refuse(refusal)
            return
        self.parse(text, source, chain)

    def parse(self, text: str, source: Source, chain: tuple[Path, ...]) -> None:
        source = Source(source.name, source.path, tuple(text.splitlines()), len(self._seen))
        self._seen.setdefault(source.path.resolve(), None)
        try:
            root = _Composer(source, self._tree.problems).compose(text)
        except _Refusal as refusal:
            self._refuse(refusal)
            return
        if not chain:
            self._tree.root.mark = root.mark
        includes = root.pop("include", None)
        self._merge(root)
        for path, mark in self._included(includes, root.keys_at.get("include"), source, (*chain, source.path.resolve())):
            self.read(Source(_name_beside(source, path), path), (*chain, source.path.resolve()), mark)

    def _refuse(self, refusal: _Refusal) -> None:
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
    """Return the text of a file. Raises `_Refusal` where there is none to read."""
    mark = asked_at or Mark(source)

    def refusal(message: str) -> _Refusal:
        return _Refusal(mark, f"{source.name}: {message}" if asked_at else message)

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
        raise _Refusal(place, f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8") from None


class _DeepError(Exception):
    """Values nest too deeply; carries the YAML mark."""


class _Loader(yaml.SafeLoader):
    """The composer of PyYAML with a bound on nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise _DeepError(event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in "str int float bool null timestamp merge value map seq".split())


class _Composer:
    """One file's text to marked values."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._made: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()
        self._path: list[str | int] = []

    def compose(self, text: str) -> Mapping:
        """Return the file's mapping. Raises `_Refusal` where there is none."""
        try:
            node = yaml.compose(text, Loader=_Loader)
        except _DeepError as error:
            raise _Refusal(self._mark(error.args[0]), f"nested deeper than {MAX_DEPTH} levels") from None
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            column = error.position - (before.rfind("\n") + 1) + 1
            mark = Mark(self._source, before.count("\n") + 1, column, column + 1)
            raise _Refusal(mark, f"character U+{ord(text[error.position]):04X} is not allowed in YAML") from None
        except yaml.MarkedYAMLError as error:
            mark = self._mark(error.problem_mark or error.context_mark)
            raise _Refusal(mark, _told(error, self._source)) from None
        top = Mark(self._source, 1, 1, 2)
        if node is None or (isinstance(node, yaml.ScalarNode) and node.style is None and not node.value):
            raise _Refusal(top, "the file is empty", expected="a mapping such as 'node:' with its keys below")
        value, size = self._value(node)
        if size > MAX_NODES:
            raise _Refusal(top, f"more than {MAX_NODES} values once aliases are written out")
        if not isinstance(value, Mapping):
            kind = "a list" if isinstance(value, Sequence) else shown(value)
            raise _Refusal(
                self._mark(node.start_mark), "", expected="a mapping such as 'node:' with its keys below", found=kind
            )
        return value

    def _mark(self, start: Any, end: Any = None) -> Mark:
        if start is None:
            return Mark(self._source)
        same_line = end is not None and end.line == start.line
        return Mark(self._source, start.line + 1, start.column + 1, end.column + 1 if same_line else 10_000)

    def _value(self, node: Any, *step: str | int) -> tuple[Any, int]:
        """Return the value of a node and how many values it holds, aliases counted each time they are used.

        ``step`` is the key or position that leads to it.
        """
        if id(node) in self._open:
            raise _Refusal(self._mark(node.start_mark), "an alias inside the value that it stands for")
        if id(node) not in self._made:
            if node.tag not in _PLAIN_TAGS:
                raise _Refusal(self._mark(node.start_mark), f"the tag {shown(node.tag)} has no meaning here; remove it")
            self._open.add(id(node))
            self._path.extend(step)
            self._made[id(node)] = self._make(node)
            del self._path[len(self._path) - len(step) :]
            self._open.remove(id(node))
        return self._made[id(node)]

    def _make(self, node: Any) -> tuple[Any, int]:
        mark = self._mark(node.start_mark, node.end_mark)
        if isinstance(node, yaml.ScalarNode):
            return Scalar(node.value, mark, plain=node.style is None), 1
        size = 1
        if isinstance(node, yaml.SequenceNode):
            sequence = Sequence(mark)
            for index, item in enumerate(node.value):
                value, count = self._value(item, index)
                size += count
                sequence.append(value)
                sequence.items_at.append(self._mark(item.start_mark, item.end_mark))
            return sequence, size
        mapping = Mapping(mark)
        for key_node, value_node in node.value:
            key_mark = self._mark(key_node.start_mark, key_node.end_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Refusal(key_mark, "", expected="a name before ':'", found="a list or a mapping")
            key = key_node.value
            value, count = self._value(value_node, key)
            size += count
            if key == "<<" and key_node.style is None:
                self._problem(key_mark, key, "merge keys are not read: write the keys out")
            elif key in mapping:
                self._problem(key_mark, key, f"given twice, first at {mapping.keys_at[key]}")
            else:
                mapping[key] = value
                mapping.keys_at[key] = key_mark
        return mapping, size

    def _problem(self, mark: Mark, key: str, message: str) -> None:
        self._problems.append(problem_at(mark, path_text([*self._path, key]), message))


def _told(error: yaml.MarkedYAMLError, source: Source) -> str:
    """Return what is wrong with the YAML in an admin's words."""
    problem = error.problem or "not YAML"
    if "'\\t'" in problem:
        return "a tab: indent with spaces"
    if problem.startswith("mapping values are not allowed"):
        return "a ':' where none can stand: put the text in quotes, or look at the indentation of the line above"
    if problem == "but found another document":
        return "a second document begins here: keep one file for each"
    if problem.startswith("found character"):
        return f"{problem}: put the text in quotes"
    context = f" {error.context}" if error.context else ""
    start = error.context_mark
    where = f" that begins at {source.name}:{start.line + 1}:{start.column + 1}" if start is not None else ""
    return f"not YAML: {problem}{context}{where}"
