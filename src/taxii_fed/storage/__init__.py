"""Stores behind `taxii_fed.ports.Store`, and the contract suite that each one passes."""

from __future__ import annotations

from pathlib import Path

from taxii_fed.core.errors import StoreError
from taxii_fed.ports import Clock, Store
from taxii_fed.storage.sqlite import SqliteStore


def open_store(url: str, *, base_dir: Path, clock: Clock, create: bool = True) -> Store:
    """Return the store that ``url`` names: ``sqlite:PATH``, relative to ``base_dir``, or ``mongodb://…`` and ``mongodb+srv://…``.

    Without ``create`` a store that does not exist yet is an error. Raises `StoreError` where it can't be opened, `SchemaError`
    where another program or a newer version of this one made it.
    """
    scheme, colon, rest = url.partition(":")
    if scheme in {"mongodb", "mongodb+srv"} and rest.startswith("//"):
        return _open_mongodb(url, clock=clock, create=create)
    if not colon or scheme != "sqlite" or not rest:
        raise StoreError(f"{_without_credentials(url)!r} names no store; expected sqlite:PATH or mongodb://HOST/DATABASE")
    return SqliteStore(base_dir / rest, clock=clock, create=create)


def _open_mongodb(url: str, *, clock: Clock, create: bool) -> Store:
    """Import the driver late: it is an extra, needed only where a URL asks for it."""
    try:
        from taxii_fed.storage.mongo import MongoStore  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{error.name} is not installed; MongoDB needs the extra 'mongodb': deploy/install.sh --extras mongodb, "
            "or pip install 'taxii-fed[mongodb]'"
        ) from error
    return MongoStore(url, clock=clock, create=create)


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url
