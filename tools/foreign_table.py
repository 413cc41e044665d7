"""Start the foreign servers of the tests, look at what they do, and write the table in ``docs/peers.md`` anew."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from foreign.observed import SERVERS, column, write


def main() -> None:
    columns = {}
    for name, start in SERVERS.items():
        with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as server:
            columns[name] = column(server)
    write(columns)


if __name__ == "__main__":
    main()
