"""OpenTAXII's SQLite databases: collections and objects of TAXII 2, and the accounts, which may be in a file of their own."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from taxii_fed.core.errors import BadRequestError
from taxii_fed.core.stix import jsontext
from taxii_fed.takeover.theirs import TheirAccount, TheirCollection, TheirRoot, Theirs

_BATCH = 500


def read_opentaxii(file: Path, accounts: Path | None = None) -> Theirs:
    """Return what is in a database; ``accounts`` is that of its ``auth_api``, where it is another one.

    Both are only read, and may be in use. Raises `BadRequestError` for a file that is none of OpenTAXII's.
    """
    try:
        return _read(file, accounts or file)
    except (sqlite3.Error, ValueError) as error:
        raise BadRequestError(f"{file} is no database of a version of OpenTAXII that is understood here: {error}") from None


def _read(file: Path, accounts: Path) -> Theirs:
    with closing(_open(file)) as db:
        if "opentaxii_stixobject" not in _tables(db):
            raise BadRequestError(f"{file} is no database of OpenTAXII: there is no table opentaxii_stixobject")
        roots = [
            TheirRoot(id=_dashed(root), title=title, default=bool(default))
            for root, title, default in db.execute('SELECT id, title, "default" FROM opentaxii_api_root ORDER BY title, id')
        ]
        counts = dict(db.execute("SELECT collection_id, count(*) FROM opentaxii_stixobject GROUP BY collection_id").fetchall())
        listed = db.execute("SELECT api_root_id, id, title, alias, description FROM opentaxii_collection ORDER BY title, id")
        collections = [
            TheirCollection(
                root=_dashed(root),
                id=_dashed(key),
                title=title,
                alias=alias or "",
                description=description or "",
                count=counts.get(key, 0),
            )
            for root, key, title, alias, description in listed
        ]
    return Theirs(
        server="opentaxii",
        roots=roots,
        collections=collections,
        accounts=_accounts(accounts),
        objects=lambda collection_id: _objects(file, collection_id),
    )


def _open(file: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        _tables(db)
    except sqlite3.Error as error:
        raise BadRequestError(f"{file} is no SQLite database that can be read: {error}") from None
    return db


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _dashed(key: str) -> str:
    """Return a UUID as TAXII writes it; it is kept without dashes."""
    return str(uuid.UUID(key))


def _accounts(file: Path) -> list[TheirAccount]:
    with closing(_open(file)) as db:
        if "accounts" not in _tables(db):
            return []
        rows = db.execute("SELECT username, password_hash, is_admin, _permissions FROM accounts ORDER BY username").fetchall()
    found = []
    for name, password_hash, is_admin, permissions in rows:
        granted = json.loads(permissions or "{}")
        rights = ", ".join(
            f"{key}: {value if isinstance(value, str) else ' and '.join(value)}" for key, value in granted.items()
        )
        kept = str(password_hash or "").partition("$")[0].partition(":")[0]
        found.append(
            TheirAccount(name, "admin" if is_admin else rights or "no rights of its own", f"kept as {kept or 'nothing'}")
        )
    return found


def _objects(file: Path, collection_id: str) -> Iterator[bytes]:
    """Yield the objects of a collection by date and id, which is the order that OpenTAXII itself gives.

    What a row holds is put together as OpenTAXII puts it together for a client.
    """
    with closing(_open(file)) as db:
        rows = db.execute(
            "SELECT id, type, spec_version, CAST(serialized_data AS TEXT) FROM opentaxii_stixobject"
            " WHERE collection_id = ? ORDER BY date_added, id",
            (uuid.UUID(collection_id).hex,),
        )
        while batch := rows.fetchmany(_BATCH):
            for object_id, kind, spec_version, data in batch:
                head = jsontext.dumps({"id": object_id, "type": kind, "spec_version": spec_version})
                rest = (data or "").strip().encode()
                if not rest.startswith(b"{"):
                    rest = b"{}"
                yield head[:-1] + (b"}" if rest[1:].lstrip() == b"}" else b"," + rest[1:])
