"""`taxii-fed serve`: the TAXII server, in the foreground."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable

import click

from taxii_fed.cli.common import config_path, settings_of
from taxii_fed.config.load import load
from taxii_fed.config.schema import Settings


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--threads", type=click.IntRange(2, 256), default=8, show_default=True, help="Threads in each.")
@click.pass_context
def serve(ctx: click.Context, *, workers: int, threads: int) -> None:
    """Serve TAXII 2.1; ready when /readyz answers 200. SIGTERM ends it cleanly, SIGHUP reads the configuration again."""
    path = config_path(ctx)
    run_server(settings_of(ctx), lambda: load(path), workers, threads)


def run_server(settings: Settings, read: Callable[[], Settings], workers: int, threads: int) -> None:
    """Serve until a signal ends it. ``read`` reads the settings again on SIGHUP.

    Raises `RefusedError` where nothing can listen, before anything is put in force, and `StoreError` where the store can't be opened.
    """
    # Where the processes share their metrics; prometheus_client looks for it when it is first imported.
    folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="taxii-fed-metrics-")
    owner = os.getpid()
    from taxii_fed.web.server import Server, require_free  # noqa: PLC0415
    from taxii_fed.wiring import open_node  # noqa: PLC0415

    try:
        require_free(settings.server.listen)
        Server(settings, read, open_node, workers, threads).run()
    finally:
        # Each worker comes by here too when it ends, and must leave the others their folder.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
