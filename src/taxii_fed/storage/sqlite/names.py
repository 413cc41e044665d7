"""Numbers for the strings that repeat: words (types, parties, rules, collection ids) and STIX ids."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

import orjson

_MANY = 20_000


def as_json(values: Iterable[object]) -> str:
    """Return a JSON array for ``json_each``: one statement text for any number of values.

    SQLite ends a text of JSON at a NUL, so that it would stand for another; no text with one is stored, and it is left out.
    """
    return orjson.dumps([value for value in values if not (isinstance(value, str) and "\0" in value)]).decode()


class WordCache:
    """What this process knows of committed words; they are never renumbered."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.texts: dict[int, str] = {}

    def learn(self, words: dict[str, int]) -> None:
        """Add committed words. A flood of them (types are the senders' choice) starts the cache anew."""
        if len(self.numbers) > _MANY:
            self.numbers, self.texts = {}, {}
        self.numbers.update(words)
        self.texts.update({number: text for text, number in words.items()})


class Names:
    """Names as one transaction sees them."""

    def __init__(self, db: sqlite3.Connection, cache: WordCache) -> None:
        self._db = db
        self._cache = cache
        self._objects: dict[str, int] = {}

    def number(self, text: str) -> int | None:
        """Return the number of a word, None where it never occurred."""
        known = self._cache.numbers.get(text)
        if known is None:
            row = self._db.execute("SELECT number FROM word WHERE text = ?", (text,)).fetchone()
            if row is None:
                return None
            known = int(row[0])
            self._learn({text: known})
        return known

    def text(self, number: int) -> str:
        """Return the word of a number."""
        known = self._cache.texts.get(number)
        if known is None:
            (known,) = self._db.execute("SELECT text FROM word WHERE number = ?", (number,)).fetchone()
            self._learn({known: number})
        return known

    def objects(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the numbers of those STIX ids that have one."""
        wanted = dict.fromkeys(ids)
        missing = [each for each in wanted if each not in self._objects]
        if missing:
            self._objects.update(
                self._db.execute(
                    "SELECT o.id, o.number FROM json_each(?) AS j CROSS JOIN object AS o ON o.id = j.value", (as_json(missing),)
                )
            )
        known = self._objects
        return {each: known[each] for each in wanted if each in known}

    def ids(self, numbers: Collection[int]) -> dict[int, str]:
        """Return the STIX ids of numbers."""
        return dict(
            self._db.execute(
                "SELECT o.number, o.id FROM json_each(?) AS j CROSS JOIN object AS o ON o.number = j.value", (as_json(numbers),)
            )
        )

    def _learn(self, words: dict[str, int]) -> None:
        self._cache.learn(words)


class NewNames(Names):
    """Names inside a writing transaction: new ones get numbers, which others learn once it is committed."""

    def __init__(self, db: sqlite3.Connection, cache: WordCache, counters: Counters) -> None:
        super().__init__(db, WordCache())
        self._shared = cache
        self._counters = counters

    def number(self, text: str) -> int | None:
        """Return the number of a word, None where it never occurred."""
        shared = self._shared.numbers.get(text)
        return super().number(text) if shared is None else shared

    def text(self, number: int) -> str:
        """Return the word of a number."""
        shared = self._shared.texts.get(number)
        return super().text(number) if shared is None else shared

    def require_number(self, text: str) -> int:
        """Return the number of a word, giving it one if need be."""
        number = self.number(text)
        if number is None:
            number = self._counters.take("word")
            self._db.execute("INSERT INTO word VALUES (?, ?)", (number, text))
            self._learn({text: number})
        return number

    def require_objects(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the numbers of STIX ids, giving them one if need be."""
        wanted = dict.fromkeys(ids)
        numbers = self.objects(wanted)
        fresh = {each: self._counters.take("object") for each in wanted if each not in numbers}
        if fresh:
            self._db.executemany(
                "INSERT INTO object (number, id) VALUES (?, ?)", [(number, each) for each, number in fresh.items()]
            )
            self._objects.update(fresh)
        return numbers | fresh

    def new_body_key(self) -> int:
        """Return a key that no body ever had."""
        return self._counters.take("body")

    def forget_objects(self) -> None:
        """Look ids up anew: some were taken away."""
        self._objects.clear()

    def publish(self) -> None:
        """Let the process use the new words; call after the commit."""
        self._shared.learn(self._cache.numbers)


class Counters:
    """Numbers that are given once and never again, not even after what had them is gone."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._values: dict[str, int] = {}

    def take(self, name: str) -> int:
        """Return the next number of a series that starts with 1."""
        value = self._values.get(name)
        if value is None:
            row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
            value = int(row[0]) if row else 0
        self._values[name] = value + 1
        return value + 1

    def save(self) -> None:
        """Write down how far the series have come; part of the transaction."""
        self._db.executemany(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            list(self._values.items()),
        )
        self._values.clear()
