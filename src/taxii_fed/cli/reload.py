"""`taxii-fed reload`: let what runs read the configuration again, and say what came of it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import click

from taxii_fed.cli.node import number_of, opened
from taxii_fed.config import convert
from taxii_fed.core.errors import RefusedError
from taxii_fed.ports import Store
from taxii_fed.services.processes import Process, running_here
from taxii_fed.web.health import readiness

_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.1


@click.command()
@click.pass_context
def reload(ctx: click.Context) -> None:
    """Let what serves and pulls on this machine read the configuration again.

    All of it or nothing: a process that can't use the files goes on with what it had. What moves objects still waits for `apply`.
    """
    with opened(ctx) as node:
        asked = _ask(node.store)
        answers = _answers(node.store, asked)
        for process in asked:
            click.echo(f"{process.kind} (process {process.pid}): {answers[process.name]}")
        waiting = readiness(node.store, convert.fingerprint(node.settings)).waiting
        if waiting:
            click.echo(waiting)
    if set(answers.values()) != {_DONE}:
        ctx.exit(1)


_DONE = "reloaded"


def _ask(store: Store) -> list[Process]:
    """Send the signal; return whom. Raises `RefusedError` where nobody runs, or somebody may not be sent one."""
    found = running_here(store)
    if not found:
        raise RefusedError("Nothing that serves or pulls for this node runs on this machine.")
    for each in found:
        try:
            os.kill(each.pid, 0)
        except PermissionError:
            raise RefusedError(f"Process {each.pid} ({each.kind}) belongs to another user; run this as that one.") from None
        except ProcessLookupError:
            continue
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGHUP)
    return found


def _answers(store: Store, asked: list[Process]) -> dict[str, str]:
    """Return what each process makes of it, by name, once all have said or had their time."""
    answers = dict.fromkeys(
        (each.name for each in asked), f"did not answer within {number_of(int(_PATIENCE_SECONDS), 'second')}"
    )
    waiting = {each.name: each.reloads for each in asked}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while waiting and time.monotonic() < deadline:
        running = {each.name: each for each in running_here(store)}
        for name, before in list(waiting.items()):
            process = running.get(name)
            if process is None or process.reloads > before:
                answers[name] = "has ended" if process is None else _told(process)
                del waiting[name]
        if waiting:
            time.sleep(_LOOK_SECONDS)
    return answers


def _told(process: Process) -> str:
    return f"not reloaded, it goes on with what it had: {process.problem}" if process.problem else _DONE
