"""Which store the nodes of the tests have: a SQLite file of their own, or with TAXII_FED_TEST_STORE a database of their own there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

PREFIX = "taxii_fed_test_"


def store_url(file: Path) -> str:
    """Return the URL of the store that stands for a file: the same for the same file within one run."""
    server = os.environ.get("TAXII_FED_TEST_STORE", "")
    if not server:
        return f"sqlite:{file}"
    run = os.environ.get("TAXII_FED_TEST_RUN", "")
    name = hashlib.sha256(f"{run} {file.absolute()}".encode()).hexdigest()[:24]
    return urlunsplit(urlsplit(server)._replace(path=f"/{PREFIX}{name}"))
