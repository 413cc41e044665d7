"""Fixtures of the HTTP tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from httpkit.nodes import TestNode, node_in


@pytest.fixture
def node(tmp_path: Path) -> Iterator[TestNode]:
    """An empty node."""
    opened = node_in(tmp_path)
    yield opened
    opened.node.close()


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """An empty node that the tests of a module share; they leave no traces that the others mind."""
    opened = node_in(tmp_path_factory.mktemp("node"))
    yield opened
    opened.node.close()
