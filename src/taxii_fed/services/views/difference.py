"""The difference between what a view holds and what it should hold, as a change with ranks and versions in place.

Held here: no (id, modified) ever goes out with two contents, a later copy has a later ``modified``, and what becomes the newest again gets
a new date (sharing model, sections 7 and 8).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from taxii_fed.core.rules.markings import strictest
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.canonical import digest
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, Json
from taxii_fed.core.stix.levels import TLP_LEVELS
from taxii_fed.core.taxii.query import Rank, ranks
from taxii_fed.core.timestamps import EPOCH_VERSION, format_stix
from taxii_fed.core.views.results import Result
from taxii_fed.ports import Change, Entry, Opening, Reader, View, Writer

RENEWED = "newest-again"
CHANGED = "changed"
DELETED = "deleted-at-origin"

NO_NAMES: Mapping[str, str] = {}

_MILLISECOND = 1000
_LATER = 1 << 62
"""Stands for the stamp of an opening, which comes after all that a view holds."""


def difference(
    writer: Writer,
    view: View,
    results: Mapping[str, Sequence[Result]],
    live: Mapping[str, list[Entry]],
    *,
    event: str,
    fresh: Collection[str],
    names: Mapping[str, str] = NO_NAMES,
) -> tuple[Change, list[tuple[str, int, bytes]]]:
    """Return the change that brings ``live`` entries (by source) to the ``results``, and the derived versions to be noted as given.

    ``event`` says why entries end where that is not the decision's own reason. ``fresh`` are sources that had no version before.
    ``names``: what the view calls rules that the results name.
    """
    wanted = {result.key: result for rows in results.values() for result in rows if result.visible}
    held = [entry for rows in live.values() for entry in rows]
    copies = _Copies(writer, view, results, names, [result for result in wanted.values() if result.content is not None])
    ended: dict[int, str] = {}
    if held:
        why = {result.key: result.reason for rows in results.values() for result in rows}
        for entry in held:
            result = wanted.get(entry.source_key)
            if result is None:
                ended[entry.date_added] = event or why.get(entry.source_key) or DELETED
            elif copies.same(result, entry):
                del wanted[entry.source_key]
            else:
                ended[entry.date_added] = event or CHANGED
    openings = [copies.opening(wanted[key]) for key in sorted(wanted)]
    opened = [opening for opening in openings if opening is not None]
    if not ended and not opened:
        return Change(), []
    return _ranked(writer, view, ended, opened, held, fresh), copies.noted


def is_new_to_all(reader: Reader, results: Mapping[str, Sequence[Result]]) -> bool:
    """Return whether no view can hold anything under the ids that these results of new objects go out under.

    The id of a copy is made of its source's, so that nothing had it before. That of an observable is made of its values: another one's copy
    may have it.
    """
    observables = [row for rows in results.values() for row in rows if row.visible and row.facts.type in OBSERVABLE_TYPES]
    return all(row.content is None for row in observables) and not reader.given({row.given_id for row in observables})


class _Copies:
    """Versions of derived copies: no (id, modified) ever goes out with two contents, and a later copy has a later ``modified``."""

    def __init__(
        self,
        writer: Writer,
        view: View,
        results: Mapping[str, Sequence[Result]],
        names: Mapping[str, str],
        copies: Sequence[Result],
    ) -> None:
        self._writer = writer
        self._results = results
        self._names = names
        ids = {result.given_id for result in copies}
        self._given = writer.given(ids) if ids else {}
        self._last = writer.last_given(view.id, ids) if ids else {}
        self._digests: dict[int, bytes] = {}
        self.noted: list[tuple[str, int, bytes]] = []

    def _digest(self, result: Result) -> bytes:
        found = self._digests.get(result.key)
        if found is None:
            assert result.content is not None
            found = self._digests[result.key] = digest(result.content)
        return found

    def same(self, result: Result, entry: Entry) -> bool:
        """Return whether a live entry is what the result asks for."""
        if entry.id != result.given_id or entry.derived is (result.content is None):
            return False
        if result.content is None:
            return True
        if result.facts.version == 0:
            return digest(jsontext.loads(self._writer.body(entry.body))) == self._digest(result)
        return (entry.version, self._digest(result)) in self._given.get(entry.id, ())

    def opening(self, result: Result) -> Opening | None:
        """Return the entry to be added, None for an old version where no later one is free before the next."""
        facts = result.facts
        opening = Opening(
            id=result.given_id,
            type=facts.type,
            spec_version=facts.spec_version,
            version=facts.version,
            version_text=facts.version_text or EPOCH_VERSION,
            source=result.source or facts.id,
            source_key=result.key,
            rank=Rank(),
            rule=self._names.get(result.rule, result.rule),
            reasons=result.reasons,
        )
        if result.content is None:
            return opening
        version = self._version(result)
        if version is None:
            return None
        self.noted.append((result.given_id, version, self._digest(result)))
        self._given.setdefault(result.given_id, []).append((version, self._digest(result)))
        self._last[result.given_id] = max(version, self._last.get(result.given_id, 0))
        content = result.content
        if version != facts.version:
            content = {**content, "modified": format_stix(version)}
            opening = replace(opening, version=version, version_text=content["modified"])
        return replace(opening, content=jsontext.dumps(content))

    def _version(self, result: Result) -> int | None:
        natural = result.facts.version
        if natural == 0 or "modified" not in (result.content or ()):
            return natural
        noted = self._given.get(result.given_id, [])
        wanted = self._digest(result)
        last = self._last.get(result.given_id, -1)
        taken = {version for version, content in noted if content != wanted}
        if result.source:  # a link is the same for every version of the copy
            return natural if natural not in taken else max(version for version, _ in noted) + _MILLISECOND
        visible = [row for row in self._results[result.facts.id] if row.visible and not row.source]
        newer = [row.facts.version for row in visible if row.facts.version > natural]
        if newer:
            free = natural
            while free in taken:
                free += _MILLISECOND
            return free if free < min(newer) else None
        again = [version for version, content in noted if content == wanted and version > last]
        if again:
            return min(again)
        if natural > last and natural not in taken:
            return natural
        return max([last, natural, *(version for version, _ in noted)]) + _MILLISECOND


def _ranked(
    writer: Writer,
    view: View,
    ended: dict[int, str],
    openings: list[Opening],
    held: Sequence[Entry],
    fresh: Collection[str],
) -> Change:
    """Return the change with every rank in place. What becomes the newest again gets a new date (sharing model, section 8)."""
    affected = {entry.id for entry in held if entry.date_added in ended} | {
        opening.id
        for opening in openings
        # A copy of an observable may have the id of an observable that somebody publishes.
        if opening.derived or opening.source not in fresh or opening.type in OBSERVABLE_TYPES
    }
    present = writer.live_by_id(view.id, affected) if affected else {}
    by_id: dict[str, list[int]] = defaultdict(list)
    for index, opening in enumerate(openings):
        by_id[opening.id].append(index)
    result = list(openings)
    reranked: list[tuple[int, Rank]] = []
    reopened: list[Opening] = []
    for given_id in affected | {given_id for given_id, indexes in by_id.items() if len(indexes) > 1}:
        rows = [entry for entry in present.get(given_id, ()) if entry.date_added not in ended]
        standing = [(entry.date_added, entry.spec_version, entry.version) for entry in rows]
        standing += [(_LATER + index, openings[index].spec_version, openings[index].version) for index in by_id[given_id]]
        preference = {}
        if len(standing) > 1 and given_id.partition("--")[0] in OBSERVABLE_TYPES:
            preference = {entry.date_added: preference_of(writer, entry) for entry in rows}
            preference |= {_LATER + index: _preference(_content(writer, openings[index])) for index in by_id[given_id]}
        found = ranks(standing, preference)
        known = _known(writer, present.get(given_id, ()), ended) if rows else set()
        for index in by_id[given_id]:
            result[index] = replace(openings[index], rank=found[_LATER + index])
        for entry in rows:
            rank = found[entry.date_added]
            if rank == entry.rank:
                continue
            if _told(rank) and not _told(entry.rank) and (entry.version, preference_of(writer, entry)) not in known:
                ended[entry.date_added] = RENEWED
                reopened.append(_again(entry, rank, writer))
            else:
                reranked.append((entry.date_added, rank))
    return Change(tuple(ended.items()), tuple(reranked), (*reopened, *result))


def _known(writer: Writer, standing: Sequence[Entry], ended: Mapping[int, str]) -> set[tuple[int, tuple[int, str]]]:
    """Return what readers were told of by observables that end now: the same of another source is nothing new to them."""
    gone = [entry for entry in standing if entry.date_added in ended and _told(entry.rank) and entry.type in OBSERVABLE_TYPES]
    return {(entry.version, preference_of(writer, entry)) for entry in gone}


def preference_of(reader: Reader, entry: Entry) -> tuple[int, str]:
    """Return which of the observables that a change made equal is shown: the one with the strictest marking (convention 11).

    Of equal content the first stays. Of other content the order of arrival has no say, so that a rebuild shows the same one (I7).
    """
    return _preference(jsontext.loads(reader.body(entry.body)))


def _preference(content: Json) -> tuple[int, str]:
    level = strictest(TLP_LEVELS.get(marking) for marking in content.get("object_marking_refs") or ())
    return (-1 if level is None else -1 - level, digest(content).hex())


def _content(reader: Reader, opening: Opening) -> Json:
    if opening.content is not None:
        return jsontext.loads(opening.content)
    version = reader.version_by_key(opening.source_key)
    assert version is not None
    return jsontext.loads(version.body)


def _told(rank: Rank) -> bool:
    """Return whether a poll without filters tells of an entry of that rank."""
    return rank.shown and rank.newest and rank.top


def _again(entry: Entry, rank: Rank, writer: Writer) -> Opening:
    return Opening(
        id=entry.id,
        type=entry.type,
        spec_version=entry.spec_version,
        version=entry.version,
        version_text=entry.version_text,
        source=entry.source,
        source_key=entry.source_key,
        rank=rank,
        rule=entry.rule,
        reasons=entry.reasons,
        content=writer.body(entry.body) if entry.derived else None,
    )
