"""From a story that violates something to the shortest one that still does: steps are left out, then liars, links and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from simulator.story import Step, Story


def shrunk(story: Story, fails: Callable[[Story], bool]) -> Story:
    """Return a part of a story that ``fails`` as the whole does, and does not without any single one of its steps."""
    story = _fewer_steps(story, fails)
    while (simpler := next((each for each in _simpler(story) if fails(each)), None)) is not None:
        story = _fewer_steps(simpler, fails)
    return story


def _fewer_steps(story: Story, fails: Callable[[Story], bool]) -> Story:
    """Leave out ever smaller runs of steps (delta debugging), until none can be left out."""
    size = max(len(story.steps) // 2, 1)
    while True:
        found = next((part for part in _without_runs(story.steps, size) if fails(replace(story, steps=part))), None)
        if found is not None:
            story = replace(story, steps=found)
        elif size == 1:
            return story
        size = min(size if found is not None else size // 2, max(len(story.steps), 1))


def _without_runs(steps: tuple[Step, ...], size: int) -> Iterator[tuple[Step, ...]]:
    for start in range(0, len(steps), size):
        yield steps[:start] + steps[start + size :]


def _simpler(story: Story) -> Iterator[Story]:
    """Yield the story with one thing less in it."""
    if story.chance:
        yield replace(story, chance=0.0)
    for liar in story.liars:
        yield _without(story, liar)
    if story.names and len(story.names) > 1:
        for name in story.names:
            yield _without(story, name)
    for reader, sources in story.links.items():
        for source in sources:
            left = tuple(each for each in sources if each != source)
            yield replace(story, links={**story.links, reader: left})


def _without(story: Story, who: str) -> Story:
    return replace(
        story,
        names=tuple(name for name in story.names if name != who),
        liars=tuple(liar for liar in story.liars if liar != who),
        links={
            reader: tuple(source for source in sources if source != who)
            for reader, sources in story.links.items()
            if reader != who
        },
        terms={name: terms for name, terms in story.terms.items() if name != who},
        steps=tuple(step for step in story.steps if who not in step.arguments),
    )
