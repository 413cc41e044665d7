"""Views that nothing among the objects of a region tells apart: judged once for all of them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.bearing import Words, bearing, names_of, words_of
from taxii_fed.ports import View
from taxii_fed.services.views.growing import leans_on_others
from taxii_fed.services.views.loaded import Loaded
from taxii_fed.services.views.outside import Outside


@dataclass(frozen=True, slots=True)
class Alike:
    """Views that get the same. ``names``: for each, what it calls the rules that the results of the first one name."""

    audiences: tuple[Audience, ...]
    views: list[View] = field(default_factory=list)
    names: list[Mapping[str, str]] = field(default_factory=list)

    def add(self, view: View, audiences: Sequence[Audience]) -> None:
        """Add a view whose audiences bear alike."""
        pairs = zip(names_of(self.audiences[0]), names_of(audiences[0]), strict=True)
        self.views.append(view)
        self.names.append({ours: theirs for ours, theirs in pairs if ours != theirs})


def alike(
    loaded: Loaded, objects: Collection[str], outside: Outside, views: Sequence[tuple[View, tuple[Audience, ...]]]
) -> list[Alike]:
    """Return the views in groups that get the same of ``objects``, by the names of their own rules.

    What leans on others is looked for in each view by itself, and so are creators that somebody hides.
    """
    if len(views) == 1 or any(leans_on_others(each) for each in objects):
        return [_alone(view, audiences) for view, audiences in views]
    words = words_of(candidate.facts for candidates in loaded.objects.values() for candidate in candidates)
    groups: dict[Hashable, Alike] = {}
    for view, audiences in views:
        key = _told_apart_by(view, audiences, words, outside)
        groups.setdefault(key, Alike(audiences)).add(view, audiences)
    return list(groups.values())


def _alone(view: View, audiences: tuple[Audience, ...]) -> Alike:
    return Alike(audiences, [view], [{}])


def _told_apart_by(view: View, audiences: Sequence[Audience], words: Words, outside: Outside) -> Hashable:
    if any(rule.hide_creator for audience in audiences for rule in audience.change):
        return view.id
    return tuple(bearing(audience, words) for audience in audiences), frozenset(outside.faces(view).items())
