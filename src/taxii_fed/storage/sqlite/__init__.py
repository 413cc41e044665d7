"""The embedded store: SQLite in WAL mode."""
