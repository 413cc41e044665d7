"""The embedded store: SQLite in WAL mode, one writer at a time, readers never blocked."""

from taxii_fed.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
