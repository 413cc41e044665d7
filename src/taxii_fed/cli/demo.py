"""`taxii-fed demo`: three nodes in three jurisdictions on this machine, federating, with a readable account."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import click


@click.command()
@click.option("--serve", "stay", is_flag=True, help="Leave the nodes up, and show commands to try; Ctrl-C ends them.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep everything in this new folder; else it is removed."
)
@click.pass_context
def demo(ctx: click.Context, *, stay: bool, folder: Path | None) -> None:
    """Start three nodes that federate on this machine, and tell what went where and why.

    The exit code is 0 only when everything that must hold was checked and holds.
    """
    from rich.console import Console  # noqa: PLC0415 — only the demo needs all this

    from taxii_fed.demo.account import Account  # noqa: PLC0415
    from taxii_fed.demo.nodes import lay_out, stop_all  # noqa: PLC0415
    from taxii_fed.demo.story import Story, client_commands  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    account = Account(console)
    home = _new_folder(folder)
    nodes = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        now = time.time_ns() // 1000
        nodes = lay_out(home, now)
        for node in nodes.values():
            node.start("serve", "--workers", "1")
        for node in nodes.values():
            node.await_ready()
        good = Story(nodes, account, now).tell()
        if stay:
            for node in nodes.values():
                node.start("sync")
            account.chapter("The nodes stay up; Ctrl-C ends them. Try:")
            for line in client_commands(nodes):
                account.command(line)
            _wait_for_signal()
    finally:
        stop_all(nodes.values())
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)
    ctx.exit(0 if good else 1)


def _new_folder(wanted: Path | None) -> Path:
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="taxii-fed-demo-"))
    if wanted.exists() and any(wanted.iterdir()):
        raise click.UsageError(f"{wanted} is not empty")
    wanted.mkdir(parents=True, exist_ok=True)
    return wanted


def _wait_for_signal() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
