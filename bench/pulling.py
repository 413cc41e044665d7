"""A pull of a whole collection by another node, beside what the one serves and the other stores."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.node import COLLECTION, Measured, lay_out
from bench.report import Report
from bench.serving import full_read

_PEER = """
peers:
  other:
    url: http://127.0.0.1:{port}/taxii2/
    auth: {{token: {{file: other.token}}}}
    allow_private: true
    pull:
      - {{theirs: {collection}, ours: banking}}
"""


def pulling(report: Report, served: Measured, folder: Path, stored_rate: float) -> None:
    """Pull everything that the members of ``served`` read. ``stored_rate``: objects a second that an import stores."""
    report.section("pull of a whole collection from another node")
    count, serving = full_read(served, 1000)
    puller = _puller(served, folder)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "taxii_fed", "--config", str(puller.folder / "taxii-fed.yaml"), "sync", "--once"], check=True
    )
    rate = count / (time.perf_counter() - begun)
    node = puller.open()
    try:
        with node.store.read() as reader:
            view = reader.place("staff", COLLECTION).view
            held = reader.count_live(view.id) if view is not None else 0
    finally:
        node.close()
    assert held == count, f"{held} of {count} objects arrived"
    report.figure("serving, pages of 1,000", f"{serving:,.0f} objects/s")
    report.figure("storing", f"{stored_rate:,.0f} objects/s")
    report.figure("pull", f"{rate:,.0f} objects/s")
    report.at_least("pull / slower of serving and storing", rate / min(serving, stored_rate), 0.5)


def _puller(served: Measured, folder: Path) -> Measured:
    home = folder / "puller"
    home.mkdir()
    (home / "other.token").write_text("bench")
    return lay_out(home, extra=_PEER.format(port=served.port, collection=COLLECTION))
