"""YAML text to marked values: composed to nodes, never constructed, so that no tag can make an object.

No scalar is interpreted here: `scalars` reads each by the type of its field.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import yaml

from taxii_fed.config.problems import Mark, Problem, Source, path_text, problem_at, shown
from taxii_fed.config.slips import invisible, named, told

MAX_DEPTH = 30
"""How deep values may nest, aliases written out; nothing in the schema comes near."""
MAX_NODES = 300_000
"""How many values a file may hold once its aliases are written out."""
TOP = "a mapping such as 'node:' with its keys below"


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


class Refusal(Exception):  # noqa: N818 — control flow between `source` and this module
    """Carries the problem that ends the reading of one file."""

    def __init__(self, mark: Mark, message: str, *, expected: str = "", found: str = "", secret: bool = False) -> None:
        super().__init__(message)
        self.problem = problem_at(mark, "", message, expected=expected, found=found, secret=secret)


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


def compose(text: str, source: Source, problems: list[Problem]) -> Mapping:
    """Return the mapping that a file holds; keys given twice are added to ``problems``. Raises `Refusal` where there is none."""
    composer = _Composer(source, problems)
    node = _node(text, composer)
    top = Mark(source, 1, 1, 2)
    if node is None or (isinstance(node, yaml.ScalarNode) and node.style is None and not node.value):
        raise Refusal(top, "the file is empty", expected=TOP)
    made = composer.value(node)
    if made.size > MAX_NODES:
        raise Refusal(top, f"more than {MAX_NODES} values once aliases are written out")
    if made.depth > MAX_DEPTH:
        raise Refusal(top, f"nested deeper than {MAX_DEPTH} levels once aliases are written out")
    if not isinstance(made.value, Mapping):
        kind = "a list" if isinstance(made.value, Sequence) else "a text"
        # a file named by mistake may be a key or a list of passwords
        raise Refusal(composer.mark(node.start_mark), "", expected=TOP, found=kind, secret=True)
    return made.value


def _node(text: str, composer: _Composer) -> Any:
    """Return the node of a text, None for one without content. Raises `Refusal` for what is no YAML."""
    loader = None
    try:
        # made inside the block: the first characters are read here
        loader = _Loader(text)
        return loader.get_single_node()
    except _DeepError as error:
        raise Refusal(composer.mark(error.args[0]), f"nested deeper than {MAX_DEPTH} levels") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1) + 1
        mark = Mark(composer.source, before.count("\n") + 1, column, column + 1)
        raise Refusal(mark, f"character U+{ord(text[error.position]):04X} is not allowed in YAML") from None
    except yaml.MarkedYAMLError as error:
        raise Refusal(composer.mark(error.problem_mark or error.context_mark), told(error, text, composer.source)) from None
    except (ValueError, OverflowError):
        # PyYAML lets these out for escapes of characters that do not exist
        raise Refusal(composer.mark(loader.get_mark() if loader else None), "not YAML: no such character") from None


class _Made(NamedTuple):
    """A value, with how many values it holds and how deep they nest, aliases counted each time they are used."""

    value: Any
    size: int = 1
    depth: int = 1


class _Composer:
    """One file's nodes to marked values."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self.source = source
        self._problems = problems
        self._made: dict[int, _Made] = {}
        self._open: set[int] = set()
        self._path: list[str | int] = []

    def mark(self, start: Any, end: Any = None) -> Mark:
        """Return the mark between two of PyYAML's, up to the end of the line where they lie on two."""
        if start is None:
            return Mark(self.source)
        same_line = end is not None and end.line == start.line
        return Mark(self.source, start.line + 1, start.column + 1, end.column + 1 if same_line else 10_000)

    def value(self, node: Any, *step: str | int) -> _Made:
        """Return the value of a node; ``step`` is the key or position that leads to it. Raises `Refusal`."""
        if id(node) in self._open:
            raise Refusal(self.mark(node.start_mark), "an alias inside the value that it stands for")
        if id(node) not in self._made:
            if node.tag not in _PLAIN_TAGS:
                raise Refusal(self.mark(node.start_mark), f"the tag {shown(node.tag)} has no meaning here; remove it")
            self._open.add(id(node))
            self._path.extend(step)
            self._made[id(node)] = self._make(node)
            del self._path[len(self._path) - len(step) :]
            self._open.remove(id(node))
        return self._made[id(node)]

    def _make(self, node: Any) -> _Made:
        mark = self.mark(node.start_mark, node.end_mark)
        if isinstance(node, yaml.ScalarNode):
            return _Made(Scalar(node.value, mark, plain=node.style is None))
        return self._sequence(node, mark) if isinstance(node, yaml.SequenceNode) else self._mapping(node, mark)

    def _sequence(self, node: Any, mark: Mark) -> _Made:
        sequence = Sequence(mark)
        inner = [self.value(item, index) for index, item in enumerate(node.value)]
        for item, made in zip(node.value, inner, strict=True):
            sequence.append(made.value)
            sequence.items_at.append(self.mark(item.start_mark, item.end_mark))
        return _around(sequence, inner)

    def _mapping(self, node: Any, mark: Mark) -> _Made:
        mapping = Mapping(mark)
        inner = []
        for key_node, value_node in node.value:
            key_mark = self.mark(key_node.start_mark, key_node.end_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise Refusal(key_mark, "", expected="a name before ':'", found="a list or a mapping")
            key = key_node.value
            unseen = invisible(key)
            if unseen:
                raise Refusal(key_mark, f"{named(unseen)}, beside the name: remove it, and indent with plain spaces")
            inner.append(self.value(value_node, key))
            if key == "<<" and key_node.style is None:
                self._problem(key_mark, key, "merge keys are not read: write the keys out")
            elif key in mapping:
                self._problem(key_mark, key, f"given twice, first at {mapping.keys_at[key]}")
            else:
                mapping[key] = inner[-1].value
                mapping.keys_at[key] = key_mark
        return _around(mapping, inner)

    def _problem(self, mark: Mark, key: str, message: str) -> None:
        self._problems.append(problem_at(mark, path_text([*self._path, key]), message))


def _around(value: Any, inner: list[_Made]) -> _Made:
    return _Made(value, 1 + sum(made.size for made in inner), 1 + max((made.depth for made in inner), default=0))
