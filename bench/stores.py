"""SQLite and MongoDB side by side, and what an object costs in each: ``python -m bench.stores``. The figures are those of docs/scale.md.

MongoDB is the one that ``--mongodb`` or TAXII_FED_TEST_MONGODB names, else its stand-in, whose documents and commands are the same
and whose speed says nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from pymongo import MongoClient, monitoring

from bench.node import COLLECTION, lay_out, of_classes
from bench.objects import objects
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.services.reading.values import Caller
from taxii_fed.storage import open_store
from taxii_fed.storage.mongo.schema import INDEXES
from taxii_fed.wiring import Node, SystemClock, open_node

ENVELOPE = 100
ROUNDS = 200


class Commands(monitoring.CommandListener):
    """Counts what goes over the wire."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count a command."""
        self.names[event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to count."""


def main() -> int:
    """Measure both stores at one size and print the figures."""
    options = _options()
    commands = Commands()
    monitoring.register(commands)
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="taxii-fed-bench-") as scratch, _mongodb(options.mongodb, Path(scratch)) as server:
        base, _, rest = server.partition("?")
        database = f"bench_{uuid.uuid4().hex[:12]}"
        urls = {"sqlite": f"sqlite:{scratch}/bench.db", "mongodb": f"{base.rstrip('/')}/{database}?{rest}"}
        for name, url in urls.items():
            figures[name] = _measure(url, Path(scratch) / name, options.size, options.classes, commands)
        with MongoClient[dict[str, Any]](server) as client:
            tables = _tables(client[database], options.size)
            client.drop_database(database)
    _print(figures, tables, options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.stores", description=__doc__)
    parser.add_argument("--size", type=int, default=2000, help="objects")
    parser.add_argument("--classes", type=int, default=5, help="classes of readers, the node's staff among them")
    parser.add_argument(
        "--mongodb", default=os.environ.get("TAXII_FED_TEST_MONGODB", ""), help="URL of a server, without a database"
    )
    return parser.parse_args()


@contextmanager
def _mongodb(named: str, folder: Path) -> Iterator[str]:
    if named:
        yield named
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from mongo.standin import mongodb

    with mongodb(folder) as url:
        yield url


def _measure(url: str, folder: Path, size: int, classes: int, commands: Commands) -> dict[str, float]:
    clock = SystemClock()
    settings = lay_out(folder, readers=of_classes(classes)).settings
    node = open_node(settings, clock=clock, store=open_store(url, base_dir=folder, clock=clock))
    figures: dict[str, float] = {}
    try:
        with node.store.read() as reader:
            terms = node.in_force.require(reader)
        party, collection = terms.parties["staff"], terms.collections["banking"]
        items = objects(size)
        commands.names.clear()
        started, worked = time.perf_counter(), time.process_time()
        while chunk := list(itertools.islice(items, ENVELOPE)):
            node.ingest.publish_objects(party, collection, read_envelope(b'{"objects":[%s]}' % b",".join(chunk)))
        figures["objects a second, POST of 100"] = size / (time.perf_counter() - started)
        figures["CPU of the node, ms an object"] = 1000 * (time.process_time() - worked) / size
        figures["commands for an envelope of 100"] = commands.names.total() / (size / ENVELOPE)
        for name, query in _queries(node).items():
            commands.names.clear()
            rate, worked = _rate(lambda query=query: node.browse.objects(Caller("staff"), "finance", COLLECTION, query))
            figures[f"{name}, a second"] = rate
            figures[f"{name}, CPU of the node, ms"] = worked
            figures[f"{name}, commands"] = commands.names.total() / ROUNDS
    finally:
        node.close()
    return figures


def _queries(node: Node) -> dict[str, ObjectQuery]:
    with node.store.read() as reader:
        view = reader.place("staff", COLLECTION).view
    assert view is not None
    return {
        "poll, nothing new": ObjectQuery(after=view.head),
        "page of 100": ObjectQuery(limit=100),
        "page of 1,000": ObjectQuery(limit=1000),
        "page of 100 of a type": ObjectQuery(limit=100, types=("indicator",)),
    }


def _rate(work: Callable[[], object]) -> tuple[float, float]:
    """Return how often a second, and the milliseconds of CPU that each took in this process."""
    started, worked = time.perf_counter(), time.process_time()
    for _ in range(ROUNDS):
        work()
    return ROUNDS / (time.perf_counter() - started), 1000 * (time.process_time() - worked) / ROUNDS


def _tables(database: Any, size: int) -> list[tuple[str, float, float, float]]:
    """Return, for each table that grows, its documents, their bytes and the keys of its indexes, per object taken in."""
    found = []
    for table, indexes in INDEXES.items():
        count, length, keys = 0, 0, 0
        for row in database[table].find():
            count += 1
            length += len(bson.encode(row))
            keys += 1 + sum(_keys(index.document, row) for index in indexes)
        if count > size / 10:
            found.append((table, count / size, length / size, keys / size))
    return found


def _keys(index: dict[str, Any], row: dict[str, Any]) -> int:
    """Return how many keys a document has in an index."""
    for column, condition in index.get("partialFilterExpression", {}).items():
        value = row.get(column)
        if value is None or (isinstance(condition, dict) and "$gt" in condition and not value > condition["$gt"]):
            return 0
    lists = [len(row[column]) for column in index["key"] if isinstance(row.get(column), list)]
    return max(lists[0], 1) if lists else 1


def _print(
    figures: dict[str, dict[str, float]], tables: list[tuple[str, float, float, float]], options: argparse.Namespace
) -> None:
    print(f"{options.size:,} objects, {options.classes} classes of readers\n")
    print("| | " + " | ".join(figures) + " |\n|---|" + "---:|" * len(figures))
    for line in figures["sqlite"]:
        print(f"| {line} | " + " | ".join(f"{each[line]:,.2f}" for each in figures.values()) + " |")
    print("\n| table | documents for an object | bytes | index keys |\n|---|---:|---:|---:|")
    for table, count, length, keys in tables:
        print(f"| {table} | {count:.2f} | {length:,.0f} | {keys:.2f} |")
    print(
        f"| all | {sum(row[1] for row in tables):.2f} | {sum(row[2] for row in tables):,.0f} | {sum(row[3] for row in tables):.2f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
