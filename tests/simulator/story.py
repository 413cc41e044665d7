"""The story of one seed: who is there, under which rules, and what happens, step by step. Written without any node, so that it can be cut.

A step stands for itself: what it does, and what fails meanwhile, follows from its number and its arguments, whatever steps stand before it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taxii_fed.core.rules.model import Change, InForce, Never, Share, To, What
from taxii_fed.core.stix.levels import Level

HONEST = ("hk", "eu", "us", "cn", "za")
LIARS = ("aq", "bv")
LEVELS = (Level.CLEAR, Level.GREEN, Level.AMBER, Level.RED)
LIES = ("truth", "forgery", "later", "own", "claim", "identity", "notice", "definition", "broken")
"""What a liar puts on its shelf; `simulator.liar` says what each word means."""
STEPS = 40


@dataclass(frozen=True)
class Terms:
    """The rules of one hub, as the oracle reads them: ceilings for its bank and its peers, of its own content and of what it relays."""

    bank: tuple[Level, Level]
    peer: tuple[Level, Level]
    coarse: bool = False
    """Whether addresses leave it as networks only; never changes in a run."""
    victims_stay: bool = False

    def in_force(self, base: InForce) -> InForce:
        """Return the rules that say so."""
        own = Share(name="own", to=To(role=("own",)), up_to=Level.RED, relayed_up_to=Level.RED)
        bank = Share(name="bank", to=To(role=("bank",)), up_to=self.bank[0], relayed_up_to=self.bank[1])
        peer = Share(name="peer", to=To(role=("peer",)), up_to=self.peer[0], relayed_up_to=self.peer[1])
        never = (Never(name="victims", to=To(role=("peer",)), what=What(label=("victim",))),) if self.victims_stay else ()
        change = (Change(name="coarser", to=To(role=("peer",)), generalise_v4=24, generalise_v6=48),) if self.coarse else ()
        return replace(base, share=(own, bank, peer), never=never, hold=(), change=change)

    def or_looser(self, other: Terms) -> Terms:
        """Return terms that let through what either lets through."""
        return Terms(
            bank=(max(self.bank[0], other.bank[0]), max(self.bank[1], other.bank[1])),
            peer=(max(self.peer[0], other.peer[0]), max(self.peer[1], other.peer[1])),
            coarse=self.coarse and other.coarse,
            victims_stay=self.victims_stay and other.victims_stay,
        )


LAWLESS = Terms(bank=(Level.RED, Level.RED), peer=(Level.RED, Level.RED))
"""What a liar does with what it was given."""


@dataclass(frozen=True)
class Step:
    """``act`` names a method of `simulator.world.World`, which gets the arguments; ``seconds`` pass before."""

    number: int
    seconds: float
    act: str
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        said = ", ".join(str(each) for each in self.arguments)
        return f"{self.number:3} +{self.seconds:.0f}s {self.act} {said}".rstrip()


@dataclass(frozen=True)
class Story:
    """``links``: who pulls from whom, liars included, whose own links say where they read. ``chance`` of a fault per request.

    ``at_the_end``: what the liars do once the faults stop: keep to one tale (calm), go on as before (wild), or are gone.
    """

    seed: int
    names: tuple[str, ...]
    liars: tuple[str, ...]
    links: dict[str, tuple[str, ...]]
    terms: dict[str, Terms]
    skews: dict[str, float]
    chance: float
    plain_liars: bool
    at_the_end: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"{hub} pulls from {', '.join(sources) or 'nobody'}" for hub, sources in self.links.items()]
        lines += [f"{hub}: {terms}" for hub, terms in self.terms.items()]
        lines.append(f"faults: {self.chance}" + (f"; liars: {', '.join(self.liars)}, {self.at_the_end}" if self.liars else ""))
        return "\n".join([*lines, *map(str, self.steps)])


def write(seed: int, steps: int = STEPS) -> Story:
    """Return the story of a seed."""
    rng = random.Random(seed)
    names = HONEST[: rng.randint(2, 5)]
    liars = LIARS[: rng.choice([0, 0, 1, 1, 2])]
    terms = {name: _terms(rng) for name in names}
    return Story(
        seed=seed,
        names=names,
        liars=liars,
        links=_links(rng, names, liars),
        terms=terms,
        skews={name: rng.uniform(-120, 120) for name in names},
        chance=rng.choice([0.0, 0.05, 0.2]),
        plain_liars=rng.random() < 0.4,
        at_the_end=rng.choice(["calm", "wild", "gone"]),
        steps=tuple(_Writer(rng, names, liars, terms).steps(steps)),
    )


def _links(rng: random.Random, names: Sequence[str], liars: Sequence[str]) -> dict[str, tuple[str, ...]]:
    links: dict[str, list[str]] = {}
    for name in names:
        others = [other for other in names if other != name]
        links[name] = sorted(rng.sample(others, rng.randint(0 if len(others) > 1 else 1, len(others))))
    for liar in liars:
        for name in rng.sample(names, rng.randint(1, len(names))):
            links[name].insert(rng.randint(0, len(links[name])), liar)
        links[liar] = sorted(rng.sample(names, rng.randint(1, len(names))))
    return {name: tuple(sources) for name, sources in links.items()}


def _terms(rng: random.Random, coarse: bool | None = None) -> Terms:
    def ceilings() -> tuple[Level, Level]:
        own = rng.choice(LEVELS[:3])
        return own, min(own, rng.choice(LEVELS[:3]))

    chosen = rng.random() < 0.4
    return Terms(ceilings(), ceilings(), coarse=chosen if coarse is None else coarse, victims_stay=rng.random() < 0.4)


class _Writer:
    """Thinks up what happens."""

    def __init__(self, rng: random.Random, names: Sequence[str], liars: Sequence[str], terms: dict[str, Terms]) -> None:
        self._rng = rng
        self._names = names
        self._liars = liars
        self._coarse = {name: each.coarse for name, each in terms.items()}
        self._made = 0
        self._lies = 0
        self._standing: list[int] = []
        self._deleted: set[int] = set()

    def steps(self, count: int) -> Iterator[Step]:
        """Yield so many steps."""
        acts = ["publish"] * 5 + ["pull"] * 8 + ["compare"] * 3
        acts += ["revise", "revise", "delete", "rule", "restart", "cut", "mend"]
        acts += ["lie"] * 5 * bool(self._liars) + ["overhear"] * 2 * bool(self._liars) + ["unsay"] * bool(self._liars)
        for number in range(count):
            act = self._rng.choice(acts)
            seconds = self._rng.uniform(1, 90)
            yield Step(number, seconds, act, getattr(self, f"_{act}", self._somewhere)())

    def _somewhere(self) -> tuple[Any, ...]:
        return (self._rng.choice(self._names),)

    def _publish(self) -> tuple[Any, ...]:
        self._made += 1
        self._standing.append(self._made)
        address = f"100.{self._made // 250 + 64}.{self._made % 250}.77" if self._rng.random() < 0.5 else ""
        sealed = bool(self._liars) and self._rng.random() < 0.1
        return self._made, self._rng.choice(self._names), self._rng.choice(LEVELS), self._rng.random() < 0.25, address, sealed

    def _revise(self) -> tuple[Any, ...]:
        number = self._rng.choice(self._standing) if self._standing else 0
        revoked = self._rng.random() < 0.2
        if revoked and number:
            self._standing.remove(number)
        return number, self._rng.choice(LEVELS), revoked

    def _delete(self) -> tuple[Any, ...]:
        left = [number for number in range(1, self._made + 1) if number not in self._deleted]
        number = self._rng.choice(left) if left else 0
        self._deleted.add(number)
        if number in self._standing:
            self._standing.remove(number)
        return (number,)

    def _rule(self) -> tuple[Any, ...]:
        name = self._rng.choice(self._names)
        return name, _terms(self._rng, self._coarse[name])

    def _cut(self) -> tuple[Any, ...]:
        return self._rng.choice(self._names), self._rng.choice(self._names)

    def _mend(self) -> tuple[Any, ...]:
        return ()

    def _lie(self) -> tuple[Any, ...]:
        self._lies += 1
        level, victim = self._rng.choice(LEVELS), self._rng.random() < 0.25
        return (
            self._rng.choice(self._liars),
            self._lies,
            self._rng.choice(LIES),
            self._rng.randint(0, self._made),
            level,
            victim,
        )

    def _overhear(self) -> tuple[Any, ...]:
        return (self._rng.choice(self._liars),)

    def _unsay(self) -> tuple[Any, ...]:
        return (self._rng.choice(self._liars),)
