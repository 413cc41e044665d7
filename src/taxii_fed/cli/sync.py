"""`taxii-fed sync` and `run`: pulling from peers, in the foreground."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING

import click

from taxii_fed.cli.common import config_path, settings_of
from taxii_fed.config.load import load
from taxii_fed.config.schema import Settings
from taxii_fed.core.errors import ConfigError, NotFoundError
from taxii_fed.services.processes import Process

if TYPE_CHECKING:
    from taxii_fed.services.federation.federate import Federation
    from taxii_fed.wiring import Node

log = logging.getLogger("taxii_fed.worker")


@contextlib.contextmanager
def opened(
    settings: Settings, peers: Sequence[str] = (), *, making: Callable[[str], object] | None = None, adopt: bool = False
) -> Iterator[tuple[Node, Federation]]:
    """Open the node and its federation, with all peers or the named ones.

    With ``making`` a store that is not there is made, and ``making`` told where just before. With ``adopt`` the configuration is put
    in force as at a start. Raises `NotFoundError` for a name that is no peer's, `StoreError`, and `RefusedError` where nothing is in
    force.
    """
    from taxii_fed.cli.node import node_of, store_of  # noqa: PLC0415 (only what works on a node loads all of it)
    from taxii_fed.wiring import SystemClock  # noqa: PLC0415
    from taxii_fed.worker.plan import open_federation  # noqa: PLC0415

    for name in peers:
        if name not in settings.peers:
            known = ", ".join(sorted(settings.peers)) or "none"
            raise NotFoundError(f"There is no peer {name} in the configuration; its peers: {known}.")
    clock = SystemClock()
    node = node_of(settings, clock, store_of(settings, clock, making=making), adopt=adopt)
    try:
        if adopt:
            node.store.check()
        with node.store.read() as reader:
            node.in_force.require(reader)
        federation = open_federation(settings, node.store, node.ingest, node.clock, node.in_force, peers)
        try:
            yield node, federation
        finally:
            federation.close()
    finally:
        node.close()


@contextlib.contextmanager
def on_signals(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    """Let a handler have these signals while the block runs."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@click.command()
@click.option("--once", is_flag=True, help="Pull every collection once, and end.")
@click.option("--reconcile", "compare", is_flag=True, help="Compare with the whole manifests of the peers, too.")
@click.option("--yes", "accept", is_flag=True, help="With --once --reconcile: carry out removals that the guard holds back.")
@click.argument("peers", nargs=-1, metavar="[PEER]...")
@click.pass_context
def sync(ctx: click.Context, peers: tuple[str, ...], *, once: bool, compare: bool, accept: bool) -> None:
    """Pull from peers: all of them, or those named. Without --once it goes on until a signal ends it; SIGHUP reads the settings again."""
    if accept and not (once and compare):
        raise click.UsageError("--yes goes with --once --reconcile")
    if once:
        from taxii_fed.cli.node import tell_making  # noqa: PLC0415

        pull_once(ctx, peers, compare=compare, accept=accept, making=tell_making)
        return
    settings, process = settings_of(ctx), Process("sync")
    while True:
        again = _work(settings, peers, process, compare=compare)
        if not again:
            return
        try:
            settings = load(config_path(ctx))
        except ConfigError as error:
            log.error("configuration not reloaded, the last good one stays", extra={"error": str(error)})  # noqa: TRY400
            process.reloaded(str(error))
        else:
            process.reloaded()


def _work(settings: Settings, peers: Sequence[str], process: Process, *, compare: bool) -> bool:
    """Run a worker until a signal; return whether it was one that asks to read the settings again."""
    from taxii_fed.config import convert  # noqa: PLC0415
    from taxii_fed.web.health import readiness  # noqa: PLC0415
    from taxii_fed.worker.logs import log_to_stderr  # noqa: PLC0415
    from taxii_fed.worker.runner import Runner  # noqa: PLC0415

    log_to_stderr(settings.log.format)
    again = False
    with opened(settings, peers, making=_note_making, adopt=True) as (node, federation):
        found = readiness(node.store, convert.fingerprint(settings))
        if found.waiting:
            log.warning(found.waiting)
        runner = Runner(federation, node.clock, node.waker.wake_due)

        def stop(number: int, _: FrameType | None) -> None:
            nonlocal again
            again = number == signal.SIGHUP
            runner.stop()

        if compare:
            for name in federation.subscriptions.plans:
                federation.subscriptions.want(name, comparison=True)
        with on_signals(stop, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process.show(node.store)
            log.info("working", extra={"peers": len(federation.subscriptions.plans), "owner": federation.owner})
            runner.run()
        if not again:
            process.leave(node.store)
    log.info("stopped")
    return again


def _note_making(place: str) -> None:
    log.warning("there is no store; making a new one", extra={"store": place})


def pull_once(
    ctx: click.Context,
    peers: Sequence[str],
    *,
    compare: bool,
    accept: bool = False,
    making: Callable[[str], object] | None = None,
) -> None:
    """Pull, and compare where asked, every collection of the peers once; end with exit code 1 where anything failed.

    ``making`` as for `opened`.
    """
    from taxii_fed.cli.progress import Bars  # noqa: PLC0415
    from taxii_fed.worker.logs import log_to_stderr  # noqa: PLC0415
    from taxii_fed.worker.once import Once  # noqa: PLC0415
    from taxii_fed.worker.runner import Runner  # noqa: PLC0415

    settings = settings_of(ctx)
    log_to_stderr(settings.log.format, logging.ERROR)
    with opened(settings, peers, making=making, adopt=True) as (node, federation), Bars(federation) as bars:
        runner = Runner(federation, node.clock, node.waker.wake_due)
        job = Once(federation, bars, runner, compare=compare, accept=accept, named=bool(peers))
        with on_signals(lambda *_: runner.stop(), signal.SIGTERM, signal.SIGINT):
            runner.once(job, list(federation.subscriptions.plans))
        node.waker.wake_due()
    for line in job.lines():
        click.echo(line)
    if job.failed or runner.stopping:
        ctx.exit(1)


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that serve.")
@click.option("--threads", type=click.IntRange(2, 256), default=8, show_default=True, help="Threads in each.")
@click.pass_context
def run(ctx: click.Context, *, workers: int, threads: int) -> None:
    """Serve and pull: `serve` and `sync` as two processes that start and end together."""
    path = config_path(ctx)
    settings_of(ctx)
    base = [sys.executable, "-m", "taxii_fed", "--config", str(path)]
    commands = [[*base, "serve", "--workers", str(workers), "--threads", str(threads)], [*base, "sync"]]
    ctx.exit(_supervise(commands))


def _supervise(commands: Sequence[Sequence[str]]) -> int:
    """Run processes until one ends or a signal comes, end the others, and return the exit code of the first that failed."""
    wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    # Blocked before the children start, so that no signal falls into the gap; each child lifts the block for itself.
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    children = [subprocess.Popen(command, preexec_fn=_unblock) for command in commands]  # noqa: PLW1509, S603
    try:
        while all(child.poll() is None for child in children):
            number = signal.sigwait(wanted)
            if number == signal.SIGHUP:
                for child in children:
                    child.send_signal(signal.SIGHUP)
            elif number != signal.SIGCHLD:
                break
        codes = [child.poll() for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
        for child in children:
            child.wait()
    return next((abs(code) for code in codes if code), 0)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD))
