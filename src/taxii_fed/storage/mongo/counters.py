"""Numbers that are given once and never again: they live in the document that every transaction writes."""

from __future__ import annotations

from collections.abc import Mapping


class Counters:
    """The series of one transaction, each from 1 on; `values` goes back with the transaction."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self.values = dict(values)

    def take(self, name: str) -> int:
        """Return the next number of a series."""
        number = self.values[name] = int(self.values.get(name, 0)) + 1
        return number
