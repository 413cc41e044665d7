"""A configuration file to settings, or every mistake in it at once.

The files become one marked tree (`source`), the tree is read by type (`schema`), and each error that this gives is put back to the
place in the file where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from taxii_fed.config.checks import between_entries
from taxii_fed.config.declared import Declared
from taxii_fed.config.marked import Mapping, Scalar, Sequence
from taxii_fed.config.problems import Mark, Problem, Source, path_text, problem_at, shown
from taxii_fed.config.scalars import is_outside
from taxii_fed.config.schema import Settings
from taxii_fed.config.section import KEY
from taxii_fed.config.source import Tree, parse_tree, read_tree
from taxii_fed.core.errors import ConfigError

DEFAULT_STORE = "sqlite:taxii-fed.db"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings together with the tree that they were read from, for messages about them."""

    settings: Settings
    root: Mapping

    def problems(self, found: Iterable[tuple[tuple[str | int, ...], str]]) -> tuple[Problem, ...]:
        """Return a problem for each (place in the settings, message), in the order of the files."""
        return _sorted(self.root, [_problem(self.root, place, {"message": message}) for place, message in found])


def load(path: Path | str) -> Settings:
    """Return the settings of a file. Raises `ConfigError` with every mistake in it and in what it includes."""
    return read(path).settings


def loads(text: str, folder: Path) -> Settings:
    """Return the settings of a text that stands in for the file ``taxii-fed.yaml`` of ``folder``. Raises `ConfigError`."""
    return _settings(parse_tree(text, Source("taxii-fed.yaml", folder.absolute() / "taxii-fed.yaml"))).settings


def read(path: Path | str) -> Loaded:
    """Return the settings of a file with their places. Raises `ConfigError`."""
    return _settings(read_tree(Path(path)))


def _settings(tree: Tree) -> Loaded:
    root = tree.root
    if tree.broken:
        raise ConfigError(_sorted(root, tree.problems))
    if "store" not in root:
        root["store"] = Mapping(root.mark)
        root["store"]["url"] = Scalar(DEFAULT_STORE, root.mark)
    problems = list(tree.problems)
    made = None
    try:
        made = Settings.model_validate(root, context=Declared.of(root))
    except ValidationError as error:
        problems += [_problem(root, each["loc"], each.get("ctx", {})) for each in error.errors(include_url=False)]
    problems += [_problem(root, place, error.context or {}) for place, error in between_entries(root)]
    if problems or made is None:
        raise ConfigError(_sorted(root, problems))
    return Loaded(made, root)


def _sorted(root: Mapping, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return each problem once, by place; the main file first."""
    main = root.mark.source.name
    once = dict.fromkeys(problems)
    return tuple(sorted(once, key=lambda each: (each.file != main, each.file, each.line, each.column)))


def _problem(root: Mapping, place: tuple[str | int, ...], context: dict[str, Any]) -> Problem:
    mark, path, value = _found(root, place)
    at_key = bool(place) and place[-1] == KEY
    secret = bool(context.get("secret"))
    expected = context.get("expected", "")
    return problem_at(
        mark,
        path_text(path),
        context.get("message", ""),
        expected=expected,
        found="" if at_key or secret or not expected or context.get("message") else _shown_kind(value),
        hint=context.get("hint", ""),
        secret=secret and isinstance(value, Scalar),
    )


def _found(root: Mapping, place: tuple[str | int, ...]) -> tuple[Mark, list[str | int], Any]:
    """Return the mark, the path and the value of a place; steps that the file does not have are left out of the walk.

    A value on its own line is marked itself, a mapping or list by the key before it.
    """
    value: Any = root
    mark = Mark(root.mark.source, root.mark.line, root.mark.column, root.mark.column + 1)
    path: list[str | int] = []
    for step in place:
        if isinstance(value, Mapping) and step in value:
            mark = value.keys_at.get(str(step), mark)
            value = value[str(step)]
        elif isinstance(value, Sequence) and isinstance(step, int) and step < len(value):
            mark = value.items_at[step]
            value = value[step]
        elif not isinstance(value, Mapping) or not isinstance(step, str) or step == KEY:
            continue  # a step that only the types have, such as the position in a list of one
        path.append(step)
    at_key = bool(place) and place[-1] == KEY
    if not at_key and (is_outside(value) or isinstance(value, Scalar)) and not getattr(value, "nothing", False):
        mark = value.mark
    return mark, path, value


def _shown_kind(value: Any) -> str:
    if isinstance(value, Scalar):
        return "nothing" if value.nothing else shown(value)
    if is_outside(value):
        (kind, name), *_ = value.items()
        return f"what {{{kind}: {name}}} gives"
    return "a list" if isinstance(value, list) else "a mapping"
