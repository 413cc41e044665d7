"""Reading what another server kept, so that a node can take its place: medallion's data file, OpenTAXII's database."""

from __future__ import annotations

from pathlib import Path

from taxii_fed.takeover.medallion import read_medallion
from taxii_fed.takeover.opentaxii import read_opentaxii
from taxii_fed.takeover.theirs import Theirs

SERVERS = {"medallion": read_medallion, "opentaxii": read_opentaxii}
"""Which servers' files are understood, with what reads them: from the data file and, if it is another one, the file with the accounts."""


def read_theirs(server: str, file: Path, accounts: Path | None = None) -> Theirs:
    """Return what a server kept in its files. Raises `BadRequestError` where they are not what that server writes."""
    return SERVERS[server](file, accounts)
