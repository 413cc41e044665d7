"""Log lines of the worker on standard error, in the format of the node's settings."""

from __future__ import annotations

import logging
import sys

from taxii_fed.core.loglines import format_of

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "taskName"}


class _Lines(logging.Formatter):
    def __init__(self, form: str) -> None:
        super().__init__()
        self._line = format_of(form)

    def format(self, record: logging.LogRecord) -> str:
        fields = {"level": record.levelname.lower(), "event": record.getMessage()}
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            fields["fault"] = self.formatException(record.exc_info)
        return self._line(int(record.created * 1_000_000), fields).rstrip("\n")


def log_to_stderr(form: str, level: int = logging.INFO) -> None:
    """Let everything that the package logs go to standard error, as ``logfmt`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(form))
    logger = logging.getLogger("taxii_fed")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
