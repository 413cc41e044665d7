"""What commands share: which configuration they use, and how they write tables and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic_core import PydanticCustomError

from taxii_fed.config.load import load
from taxii_fed.config.schema import Settings

DEFAULT_FILES = ("taxii-fed.yaml", "config/taxii-fed.yaml", "/etc/taxii-fed/taxii-fed.yaml")
"""Where the configuration is looked for when none is named."""

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")


def config_path(ctx: click.Context) -> Path:
    """Return the configuration file that a command is to use. Raises ``UsageError`` where none is named or found."""
    named: Path | None = ctx.find_root().obj
    if named is not None:
        return named
    for candidate in map(Path, DEFAULT_FILES):
        if candidate.exists():
            return candidate
    raise click.UsageError(
        f"no configuration: name it with --config FILE or TAXII_FED_CONFIG, or put it at {' or '.join(DEFAULT_FILES)}. "
        "'taxii-fed init DIR' makes a new one."
    )


def settings_of(ctx: click.Context) -> Settings:
    """Return the settings that a command is to use. Raises `ConfigError`."""
    return load(config_path(ctx))


def echo_json(value: Any) -> None:
    """Write a value as JSON to standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


_GAP = 2
_FOLDED = 16
"""How narrow a column that folds may become."""


def echo_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, folds: Collection[str] = ()) -> None:
    """Write rows as a table to standard output; in a pipe as wide as it needs to be.

    On a terminal only the columns ``folds`` are folded: ids, versions and times stay whole, so that they can be copied. Where that is not
    enough, each row becomes a block with a line for each cell.
    """
    from rich.cells import cell_len  # noqa: PLC0415 — only where a table is written
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *lines, strict=True)]
    least = (min(width, _FOLDED) if name in folds else width for name, width in zip(columns, widths, strict=True))
    # without colours there is no other style either, so that nothing but text is written
    console = Console(color_system=None if os.environ.get("NO_COLOR") else "auto")
    if not console.is_terminal:
        console.width = max(1, sum(widths) + _GAP * len(widths))
    elif sum(least) + _GAP * (len(widths) - 1) > console.width:
        click.echo("\n\n".join(_block(columns, cells) for cells in lines))
        return
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name not in folds, overflow="fold")
    for cells in lines:
        table.add_row(*map(Text, cells))
    console.print(table)


def _block(columns: Sequence[str], cells: Sequence[str]) -> str:
    """Return the cells of one row that hold something, below each other with the names of their columns."""
    longest = max(map(len, columns))
    pairs = zip(columns, cells, strict=True)
    return "\n".join(f"{f'{name}:' if name else '':<{longest + 1}} {cell.strip()}" for name, cell in pairs if cell.strip())


class Reads(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """An option that is read as a value in the configuration would be, with the same message where it can't be."""

    def __init__(self, name: str, reader: Callable[[Any], Any]) -> None:
        self.name = name
        self._reader = reader

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the reader makes of the text."""
        try:
            return self._reader(value)
        except PydanticCustomError as error:
            details = error.context or {}
            parts = [details.get("message", ""), details.get("expected", "") and f"expected {details['expected']}"]
            self.fail(", ".join(part for part in parts if part), param, ctx)
