"""What every reader gets of every object, as `taxii-fed explain` and `taxii-fed ledger` answer it on each node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from taxii_fed.core.errors import NotFoundError
from taxii_fed.demo.account import ABSENT, COPY, HELD, ORIGINAL, WITHHELD, Columns, Outcome
from taxii_fed.demo.nodes import Node
from taxii_fed.services.answers.explain import Explainer, Holding, VersionAnswer
from taxii_fed.wiring import open_node


class Picture:
    """Asks the nodes what their ``readers`` get. Remembers which copies were made: what is withdrawn no node names any more."""

    def __init__(self, nodes: dict[str, Node], readers: dict[str, tuple[str, ...]]) -> None:
        self._nodes = nodes
        self._readers = readers
        self._copies: dict[str, list[str]] = {}

    def take(self, object_ids: Iterable[str]) -> dict[str, Columns]:
        """Return for each node what each of its readers gets of each object, also where it is a copy that another node made."""
        with ExitStack() as stack:
            explainers = {name: stack.enter_context(explainer(node)) for name, node in self._nodes.items()}
            for object_id in object_ids:
                self._follow(explainers, object_id)
            return {
                name: {
                    party: {each: _outcome(explainers[name], each, known, party) for each, known in self._copies.items()}
                    for party in parties
                }
                for name, parties in self._readers.items()
            }

    def _follow(self, explainers: dict[str, Explainer], object_id: str) -> None:
        """Add the copies of an object that nodes made for their peers, and those that the peers made of them."""
        known = self._copies.setdefault(object_id, [])
        for _ in range(len(explainers) - 1):
            for name, asked in explainers.items():
                for peer in explainers.keys() - {name}:
                    for each in (object_id, *known):
                        known += [given for given in _given(asked, each, peer) if given not in (object_id, *known)]


def holdings(node: Node, object_id: str) -> list[Holding]:
    """Return what the ledger of a node says of an object."""
    with explainer(node) as asked:
        return asked.holders(object_id)


@contextmanager
def explainer(node: Node) -> Iterator[Explainer]:
    """Open the store of a node, which its server goes on using, and give what answers from it."""
    opened = open_node(node.settings, adopt=False)
    try:
        yield opened.explainer
    finally:
        opened.close()


def _given(asked: Explainer, object_id: str, party: str) -> list[str]:
    return [version.given_id for version in _versions(asked, object_id, party) if version.given_id]


def _outcome(asked: Explainer, object_id: str, copies: Sequence[str], party: str) -> Outcome:
    """Return what a party gets of an object: the object itself, a copy made here, or one that another node made of it."""
    found = Outcome(ABSENT)
    for each in (object_id, *copies):
        versions = _versions(asked, each, party)
        visible = [version for version in versions if version.outcome == "visible"]
        if visible:
            original = each == object_id and not visible[-1].derived
            return Outcome(ORIGINAL if original else COPY, rule=visible[-1].rule)
        if versions and found.form == ABSENT:
            last = versions[-1]
            found = Outcome(HELD if last.outcome == "held" else WITHHELD, last.reason, last.rule)
    return found


def _versions(asked: Explainer, object_id: str, party: str) -> list[VersionAnswer]:
    try:
        return [version for answer in asked.explain(object_id, party) for version in answer.versions]
    except NotFoundError:
        return []
