"""`taxii-fed`, and `python -m taxii_fed`."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command. Ctrl-C ends it without a word and with 130, also while what it needs is still being imported."""
    try:
        from taxii_fed.cli.main import main  # noqa: PLC0415 — takes a while, in which Ctrl-C must be answered, too

        main(prog_name="taxii-fed")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
