"""A bar for each pull that runs, on a terminal; nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from taxii_fed.core.errors import PeerError
from taxii_fed.core.federation import pull as pulls
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import Subscription

_COUNTED_PAGES = 30
_COUNTED_LIMIT = 10_000


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return objects a second."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} objects/s" if speed else "")


class Bars:
    """The audience of `worker.once.Once`. The first pull of a collection gets its length from the manifest, so that time left is known."""

    def __init__(self, federation: Federation) -> None:
        console = Console(stderr=True)
        self._federation = federation
        self._shown = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,.0f} objects"),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._shown,
        )
        self._first = {each for each, state in federation.subscriptions.states().items() if state.pulled_at is None}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def begins(self, subscription: Subscription, *, comparison: bool) -> Callable[[int, Mapping[str, int]], None]:
        """Add a bar and return what moves it."""
        if not self._shown:
            return lambda _count, _outcomes: None
        what = "comparing" if comparison else "pulling"
        total = self._length(subscription) if not comparison and subscription in self._first else None
        task = self._progress.add_task(f"{what} {subscription.peer} → {subscription.ours}", total=total)
        return lambda count, _outcomes: self._progress.update(task, advance=count)

    def ends(self, subscription: Subscription) -> None:
        """Leave the bar as it is."""

    def _length(self, subscription: Subscription) -> int | None:
        """Return how many entries the manifest has, None where that takes long or does not work."""
        client = self._federation.client(subscription.peer)
        walk = pulls.begin(None, _COUNTED_LIMIT)
        count = 0
        try:
            for _ in range(_COUNTED_PAGES):
                page = client.manifest(subscription.theirs, walk.ask)
                count += len(page.entries)
                walk = pulls.take(walk, page.seen())
                if walk.finished:
                    return count
        except PeerError:
            return None
        return None
