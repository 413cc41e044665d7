"""The `taxii-fed` command: one table of commands, each imported only when it is used, and one way to end in an error.

Exit codes: 0; 1 for what was refused or failed; 2 for a wrong command line; 78 for a configuration that can't be used; 130 after Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import click

from taxii_fed import __version__
from taxii_fed.cli.common import DEFAULT_FILES
from taxii_fed.core.errors import ConfigError, TaxiiFedError

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
"""What shells give for SIGINT."""
EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h."""

COMMANDS: dict[str, str] = {
    "init": "taxii_fed.cli.setup:init",
    "check": "taxii_fed.cli.config:check",
    "schema": "taxii_fed.cli.config:schema",
    "hash-password": "taxii_fed.cli.setup:hash_password",
    "token": "taxii_fed.cli.setup:token",
    "serve": "taxii_fed.cli.serve:serve",
    "sync": "taxii_fed.cli.sync:sync",
    "run": "taxii_fed.cli.sync:run",
    "reload": "taxii_fed.cli.reload:reload",
    "status": "taxii_fed.cli.status:status",
    "peer": "taxii_fed.cli.peer:peer",
    "demo": "taxii_fed.cli.demo:demo",
    "connect": "taxii_fed.cli.connect:connect",
    "plan": "taxii_fed.cli.govern:plan",
    "apply": "taxii_fed.cli.govern:apply",
    "explain": "taxii_fed.cli.answers:explain",
    "view": "taxii_fed.cli.answers:view",
    "ledger": "taxii_fed.cli.answers:ledger",
    "held": "taxii_fed.cli.people:held",
    "approve": "taxii_fed.cli.people:approve",
    "quarantine": "taxii_fed.cli.people:quarantine",
    "erase": "taxii_fed.cli.people:erase",
    "import": "taxii_fed.cli.data:import_",
    "migrate": "taxii_fed.cli.migrate:migrate",
    "export": "taxii_fed.cli.data:export",
    "backup": "taxii_fed.cli.data:backup",
    "restore": "taxii_fed.cli.data:restore",
    "rebuild": "taxii_fed.cli.data:rebuild",
}
"""Command to ``module:attribute``. A name that does not import is an error when it is asked for, and in a test."""


class Commands(click.Group):
    """The group of `COMMANDS`. Errors that an admin can cause end in a message, never in a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        """Return the names of all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command; None where the table has no such name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; a name that is none is answered with the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from taxii_fed.config.problems import nearest  # noqa: PLC0415 — only on a mistake

            hint = nearest(args[0], COMMANDS)
            if not hint or hint in error.message:
                raise
            raise click.UsageError(f"{error.message} Did you mean {hint!r}?", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and turn the errors of this package, and of the system, into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _tell_problems(error)
            ctx.exit(EXIT_CONFIG)
        except TaxiiFedError as error:
            click.echo(f"taxii-fed: {error}", err=True)
            ctx.exit(EXIT_FAILED)
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            # the reader of a pipe went away, as `head` does; nothing is left to be said
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            ctx.exit(EXIT_FAILED)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            click.echo(f"taxii-fed: {place}{error.strerror or error}", err=True)
            ctx.exit(EXIT_FAILED)


def _tell_problems(error: ConfigError) -> None:
    """Write every mistake to standard error."""
    for problem in error.problems:
        click.echo(getattr(problem, "render", problem.__str__)(), err=True)
    count = sum(getattr(problem, "line", 1) > 0 for problem in error.problems)
    if count:
        click.echo(f"{count} mistake{'s' if count != 1 else ''} in the configuration", err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="TAXII_FED_CONFIG",
    metavar="FILE",
    help=f"The configuration; by default the first there is of {', '.join(DEFAULT_FILES)}.  [env: TAXII_FED_CONFIG]",
)
@click.version_option(__version__, prog_name="taxii-fed")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Serve, pull and share threat intelligence by rule, over TAXII 2.1."""
    ctx.obj = config
