"""What commands share: which configuration they use, and how they write tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
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


def echo_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Write rows as a table to standard output; in a pipe as wide as it needs to be, so that nothing is cut."""
    from rich.console import Console  # noqa: PLC0415 — only where a table is written
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table)


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
