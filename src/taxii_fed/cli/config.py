"""`taxii-fed check` and `schema`: is the configuration good, and what may stand in it."""

from __future__ import annotations

import time

import click

from taxii_fed.cli.common import config_path, echo_json, json_option
from taxii_fed.config.load import Loaded, read
from taxii_fed.config.problems import Problem
from taxii_fed.core.errors import ConfigError


@click.command()
@json_option
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Look for mistakes in the configuration.

    The exit code is 78 where there are any, 0 where there are only warnings.
    """
    from taxii_fed.config.lint import warnings  # noqa: PLC0415 — needs the core, which mistakes don't

    path = config_path(ctx)
    try:
        loaded = read(path)
    except ConfigError as error:
        if not as_json:
            raise
        mistakes = [problem.to_json() for problem in error.problems if isinstance(problem, Problem)]
        echo_json({"file": str(path), "ok": False, "errors": mistakes, "warnings": []})
        ctx.exit(78)
    odd = warnings(loaded, time.time_ns() // 1000)
    if as_json:
        echo_json({"file": str(path), "ok": True, "errors": [], "warnings": [each.to_json() for each in odd]})
        return
    for warning in odd:
        click.echo(f"warning: {warning.render()}", err=True)
    click.echo(f"{path}: good: {_summary(loaded)}" + (f"; {_count(len(odd), 'warning')}" if odd else ""))


def _summary(loaded: Loaded) -> str:
    settings = loaded.settings
    rules = sum(len(section) for section in (settings.share, settings.never, settings.hold, settings.change))
    counts = (
        (len(settings.collections), "collection"),
        (len(settings.parties), "party"),
        (len(settings.peers), "peer"),
        (rules, "sharing rule"),
    )
    return ", ".join(_count(number, word) for number, word in counts)


def _count(number: int, word: str) -> str:
    if number == 1:
        return f"1 {word}"
    return f"{number} {word.removesuffix('y')}{'ies' if word.endswith('y') else 's'}"


@click.command()
def schema() -> None:
    """Write the JSON Schema of the configuration, for editors."""
    from taxii_fed.config.jsonschema import json_schema  # noqa: PLC0415

    echo_json(json_schema())
